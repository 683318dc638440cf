"""What every workload must hold to: subclass it, say how one is made, and it meets the battery of adaptd.plugin."""

from adaptd.plugin import Workload
from adaptd.plugin.checking_workloads import problems_of_workload


class AnyWorkload:
    """Subclasses give `make`, which returns a new workload."""

    def make(self):
        raise NotImplementedError

    def test_it_holds_to_the_contract(self):
        """It trains twice to the same bytes, pauses, judges and predicts, and leaves everything else alone."""
        assert problems_of_workload(self.make) == []

    def test_it_is_a_workload(self):
        """With a name, settings and all methods."""
        assert isinstance(self.make(), Workload)
