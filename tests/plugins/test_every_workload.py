"""Every workload that is found holds to the contract, whoever wrote it and wherever it stands."""

from pathlib import Path

import pytest

from adaptd.plugin import Workload
from daemon.plugin_loading import found_names, load
from tests.contracts.any_workload import AnyWorkload

ROOT = Path(__file__).parents[2]
FOUND = [name for name, _ in found_names("workload", ROOT)]


@pytest.mark.parametrize("name", FOUND)
class TestEveryWorkload(AnyWorkload):
    @pytest.fixture(autouse=True)
    def _of_that_name(self, name):
        self.plugin = load("workload", name, ROOT)

    def make(self):
        return self.plugin.make({}, "workloads")


def test_there_are_some_and_each_loads():
    """A folder that is empty would pass everything."""
    assert "tiny_classifier" in FOUND
    for name in FOUND:
        plugin = load("workload", name, ROOT)
        assert isinstance(plugin.make({}, name), Workload)
        assert plugin.made_by.name == name
