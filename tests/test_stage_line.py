"""Stages one after the other: what they leave, what is told of one that fails, and what it may not give."""

import numpy as np
import pytest

from adaptd.plugin import FiresAt, Moment
from adaptd.plugin.checking import made_pool
from daemon.night_settings import WorkloadSettings
from daemon.plugin_loading import BadSettings, PluginRejected
from daemon.stage_line import Failed, StageLine

MOMENT = Moment(now=1_763_600_000_000_000, log_position=1000, seed=7)
STAGE = """
from dataclasses import dataclass
import numpy as np
from adaptd.plugin import FiresAt, Moment, Pool, StageRefused

@dataclass(frozen=True, kw_only=True)
class Settings:
    amount: float = 50.0

class Stage:
    name = "{name}"
    Settings = Settings

    def __init__(self, settings):
        self.settings = settings

    def shape(self, pool: Pool, moment: Moment) -> Pool:
        {work}
{more}
STAGE = Stage
"""


def write_stage(folder, name, work, more=""):
    """A stage as a file beside config.toml; `work` is the body of its shape."""
    path = folder / "plugins" / "stages" / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(STAGE.format(name=name, work=work, more=more))


@pytest.fixture
def line(tmp_path):
    """Makes a line of stages, given each one's name and what its `shape` does."""

    def line(on_error="refuse", stage=None, **works):
        for name, work in works.items():
            write_stage(tmp_path, name, work)
        settings = WorkloadSettings(stages=tuple(works), on_error=on_error, stage=stage or {})
        return StageLine.load("sbert", settings, tmp_path)

    return line


KEEP = 'return pool.keep(pool["score"] >= self.settings.amount, self.name, "score {0:.0f}", pool["score"])'
WEIGH = 'return pool.with_columns(weight=np.full(len(pool), 2.0)).because(self.name, "twice", np.arange(len(pool)))'


def test_stages_run_in_their_order_and_tell_what_they_did(line):
    """How many each left, left out for which reason, and added; with code and settings."""
    pool = made_pool(60)
    shaped = line(keep_good=KEEP, weigh=WEIGH, stage={"keep_good": {"amount": 70.0}}).shape(pool, MOMENT)
    good = int((pool["score"] >= 70).sum())
    assert (len(shaped.pool), set(shaped.pool["weight"])) == (good, {2.0})
    first, second = shaped.stages
    assert (first["name"], first["kept"], first["added"]) == ("keep_good", good, 0)
    assert first["left_out"] == [{"words": "score {0:.0f}", "count": 60 - good}]
    assert first["settings"] == {"amount": 70.0}
    assert len(first["code"]) == 32
    assert (second["kept"], second["left_out"], second["settings"]) == (good, [], {"amount": 50.0})


def test_derived_examples_are_counted(line):
    """A stage that adds tells how many."""
    derive = 'return pool.derive([0, 1], [{"input": "a"}, {"input": "b"}], self.name, "said otherwise")'
    (told,) = line(more=derive).shape(made_pool(5), MOMENT).stages
    assert (told["kept"], told["added"]) == (7, 2)


RAISES = 'raise ValueError("the text of somebody")'


def test_a_stage_that_raises_refuses_the_batch(line):
    """Told are the kind of the error and its place, and nothing of its words, which may be a user's."""
    shaped = line(freshest=RAISES, weigh=WEIGH).shape(made_pool(5), MOMENT)
    assert shaped.refused
    assert shaped.failures == [Failed("freshest", "ValueError at freshest.py:18")]
    assert [told["name"] for told in shaped.stages] == ["freshest"]


def test_or_the_line_goes_on_without_it(line):
    """As if it were not there; it is told as skipped."""
    shaped = line(on_error="skip", freshest=RAISES, weigh=WEIGH).shape(made_pool(5), MOMENT)
    assert not shaped.refused
    assert [told["skipped"] for told in shaped.stages] == [True, False]
    assert set(shaped.pool["weight"]) == {2.0}
    assert [failed.stage for failed in shaped.failures] == ["freshest"]


def test_a_stage_that_refuses_is_told_in_its_own_words(line):
    """They are written for that."""
    refuses = 'raise StageRefused(self.name, "found 3 scores, expected 10")'
    assert line(picky=refuses).shape(made_pool(3), MOMENT).failures == [
        Failed("picky", "refused: found 3 scores, expected 10")
    ]


WRONG = {
    "other_side": (
        'return Pool({**pool.columns, "side": np.full(len(pool), 3)})',
        "gave a wrong pool: an example of another side than learn",
    ),
    "nan_weights": (
        "return pool.with_columns(weight=np.full(len(pool), np.nan))",
        "gave a wrong pool: column 'weight' beyond 0 to inf, or not finite",
    ),
    "from_nowhere": (
        'return Pool({**pool.columns, "example": pool["example"] + 1000})',
        "gave a wrong pool: an example came from nowhere; expected rows of the pool, or pool.derive",
    ),
    "no_pool": ("return None", "gave a wrong pool: it returned NoneType, expected a Pool"),
    "a_column_less": (
        'return Pool({name: column for name, column in pool.columns.items() if name != "ups"})',
        "gave a wrong pool: it returned a pool without the column 'ups'",
    ),
    "twice": (
        "return Pool({name: np.concatenate((column, column)) for name, column in pool.columns.items()})",
        "gave a wrong pool: an example is there twice; expected each once, with more weight",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_pool_is_the_failure_of_its_stage(name, line):
    """Whatever a training may not be handed."""
    work, told = WRONG[name]
    assert line(**{name: work}).shape(made_pool(4), MOMENT).failures == [Failed(name, told)]


def test_the_stage_that_sizes_says_when_to_fire(line, tmp_path):
    """The first that can; none where there is none; one that raises is a failure with its place."""
    pool = made_pool(9)
    assert line(weigh=WEIGH).fires_at(pool, MOMENT) is None
    sizes = '    def fires_at(self, pool, moment):\n        return FiresAt(len(pool) * 2, "twice as many")\n'
    write_stage(tmp_path, "sizes", "return pool", sizes)
    write_stage(tmp_path, "breaks", "return pool", "    def fires_at(self, pool, moment):\n        return 1 / 0\n")
    loaded = StageLine.load("sbert", WorkloadSettings(stages=("sizes", "breaks")), tmp_path)
    assert loaded.fires_at(pool, MOMENT) == FiresAt(18, "twice as many")
    broken = StageLine.load("sbert", WorkloadSettings(stages=("breaks",)), tmp_path)
    assert broken.fires_at(pool, MOMENT) == Failed("breaks", "ZeroDivisionError at breaks.py:20")


def test_what_cannot_be_loaded_names_stage_and_setting(line, tmp_path):
    """Before anything is shaped."""
    with pytest.raises(PluginRejected, match="no stage of that name"):
        StageLine.load("sbert", WorkloadSettings(stages=("nowhere",)), tmp_path)
    with pytest.raises(BadSettings, match=r"workloads\.sbert\.stage\.weigh\.amout: an unknown key"):
        line(weigh=WEIGH, stage={"weigh": {"amout": 1.0}})


def test_nothing_is_drawn_but_from_the_moment(line):
    """The same pool and moment give the same, another seed something else."""
    draws = "return pool.take(moment.rng(self.name).permutation(len(pool))[:5])"
    made, pool = line(draws=draws), made_pool(50)
    once = made.shape(pool, MOMENT).pool["example"]
    assert np.array_equal(once, made.shape(pool, MOMENT).pool["example"])
    assert not np.array_equal(once, made.shape(pool, Moment(MOMENT.now, 1000, 8)).pool["example"])
