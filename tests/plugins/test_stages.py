"""Every stage that came with adaptd meets the battery, by being there; and what all of them hold to beyond it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from adaptd.plugin.checking import MOMENT, pools
from daemon.plugin_loading import found_names, load
from tests.contracts.any_stage import AnyStage

EIGHT = [
    "augment_examples",
    "keep_quality",
    "mine_hard_negatives",
    "order_by_difficulty",
    "pair_preferences",
    "pick_informative",
    "reward_feedback",
    "size_batch",
]
TIGHT = {  # so that small pools are cut as large ones are
    "augment_examples": {"most_texts": 20},
    "keep_quality": {"most_texts": 20},
    "mine_hard_negatives": {"compared": 40},
    "order_by_difficulty": {"mode": "stages", "evaluation_size": 10, "batch_size": 20, "most_texts": 20},
    "pair_preferences": {"most_texts": 30},
    "pick_informative": {"budget": 15, "looked_at": 60},
    "size_batch": {"max_examples": 40, "looked_at": 30},
}
ROOT = Path(__file__).parents[2]
NAMES = [name for name, where in found_names("stage", ROOT) if where.startswith(str(ROOT))]


@pytest.fixture(params=NAMES)
def plugin(request):
    return load("stage", request.param, ROOT)


class TestStages(AnyStage):
    @pytest.fixture(autouse=True)
    def _of_plugin(self, plugin):
        self.make = lambda: plugin.make({}, plugin.name)


class TestStagesWithTightSettings(AnyStage):
    @pytest.fixture(autouse=True)
    def _of_plugin(self, plugin):
        self.make = lambda: plugin.make(TIGHT.get(plugin.name, {}), plugin.name)


def test_the_eight_are_found():
    """By their files' names, which are their own."""
    assert NAMES == EIGHT


def test_a_stage_s_name_is_its_file_s(plugin):
    """So that reasons, settings and config.toml call it the same."""
    assert plugin.made_by.name == plugin.name


@pytest.mark.parametrize(("named", "pool"), list(pools()), ids=[named for named, _ in pools()])
@pytest.mark.parametrize("tight", [False, True])
def test_the_order_of_rows_decides_nothing(plugin, named, pool, tight):
    """The same examples in another order give the same set, with the same weights."""
    settings = TIGHT.get(plugin.name, {}) if tight else {}
    shuffled = pool.take(np.random.default_rng(1).permutation(len(pool)))
    one, other = (plugin.make(settings, plugin.name).shape(each, MOMENT) for each in (pool, shuffled))
    assert sorted(one["example"]) == sorted(other["example"])
    for name in ("weight", "reward", "difficulty"):
        assert np.allclose(one[name][one.in_order()], other[name][other.in_order()], equal_nan=True)


def test_every_setting_says_what_it_is_for(plugin):
    """In a comment beside it, from which docs/stages.md is written."""
    from docs.reference.stages_page import settings_of_stage

    told = settings_of_stage(plugin)
    assert [name for name, _, _ in told] == [field.name for field in dataclasses.fields(plugin.made_by.Settings)]
    assert all(meaning for _, _, meaning in told)
