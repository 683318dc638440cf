"""What every stage must hold to: subclass it, say how one is made, and it meets the battery of adaptd.plugin."""

import pytest

from adaptd.plugin import Stage
from adaptd.plugin.checking import MOMENT, pools, problems_of


class AnyStage:
    """Subclasses give `make`, which returns a new stage."""

    def make(self):
        raise NotImplementedError

    def test_it_holds_to_the_contract(self):
        """No problem on any of the pools that a night may bring."""
        assert problems_of(self.make) == []

    def test_it_is_a_stage(self):
        """With a name, settings and a way to shape."""
        assert isinstance(self.make(), Stage)

    @pytest.mark.parametrize(("named", "pool"), list(pools()), ids=[named for named, _ in pools()])
    def test_what_it_leaves_it_can_say_why(self, named, pool):
        """Every example is in the pool or has a reason."""
        shaped = self.make().shape(pool, MOMENT)
        for example in set(pool["example"].tolist()) - set(shaped["example"].tolist()):
            assert [words for _, words, kept in shaped.reasons_for(example) if not kept], f"{named}: {example}"
