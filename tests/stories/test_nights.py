"""Nights from end to end, from the installed wheel, with a stopped clock: see night_stories.py for what happens."""

import pytest

CONFIG = """
[adaptd]
[night]
window = "01:00-06:00"
[device]
use = "cpu"
[embeddings]
model = "hashing"
[workloads.support]
plugin = "tiny_classifier"
settings = { epochs = 30, batch_size = 8, checkpoint_every = 20 }
trigger = { new_examples = 8 }
"""
PROMOTES = """ratings = "all"
[gate]
judge_wanted = 15
most_negative_flips = 0.5
"""
THROWS = '''
"""A stage with a mistake in it."""
from dataclasses import dataclass

@dataclass(frozen=True)
class Settings:
    pass

class Throws:
    name = "throws"
    Settings = Settings

    def __init__(self, settings):
        self.settings = settings

    def shape(self, pool, moment):
        return pool.take([1 // 0])

STAGE = Throws
'''
NEWEST = (
    THROWS.replace("throws", "newest_ten")
    .replace("Throws", "NewestTen")
    .replace(
        "return pool.take([1 // 0])",
        'keep = pool["example"] >= sorted(pool["example"].tolist())[-10:][0] if len(pool) else pool["example"] > 0\n'
        '        return pool.keep(keep, self.name, "older than the ten newest")',
    )
)
pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path):
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a night comes to that nobody disturbs; told once."""
    return {"place": tmp_path_factory.mktemp("undisturbed")}


@pytest.fixture
def night(undisturbed, tell):
    if "told" not in undisturbed:
        (undisturbed["place"] / "config.toml").write_text(CONFIG)
        undisturbed["told"] = tell("night", undisturbed["place"])
    return undisturbed["told"]


def test_a_week_of_nights_learns_every_example_once_and_some_again(place, tell):
    """A night opens on each date, each batch is new examples with some that were learnt before, and all can be had
    again from the log. What only a model that was turned down has learnt is new once more."""
    (place / "config.toml").write_text(CONFIG + PROMOTES)
    told = tell("week", place)
    assert told["dates"] == [f"2026-11-{day}" for day in range(17, 24)]
    assert told["kinds"].count("run_finished") == 7
    known = set()
    for batch in told["batches"]:
        assert known.isdisjoint(batch["new"])
        assert known.issuperset(batch["again"])
        known |= set() if batch["turned_down"] else set(batch["new"])
    assert len(known) > 100
    assert not told["batches"][0]["again"]
    assert any(batch["again"] for batch in told["batches"][1:])
    assert [batch["rebuilt"] for batch in told["batches"]] == [batch["hash"] for batch in told["batches"]]
    assert told["replay_equal"]
    assert told["verified"]
    assert told["accuracy"][-1] > 0.8


def test_a_night_is_these_events(night):
    """In this order; the tests of kills go by it."""
    assert night["kinds"] == ["night_opened", "batch_formed", "run_planned", "run_started", "run_finished"]


@pytest.mark.parametrize("after", range(5))
def test_killed_after_any_event_of_a_night_the_next_daemon_ends_it_alike(place, tell, night, after):
    """The same events, each once, and the same examples; once the batch is in the log, the same model to the bit."""
    tell("night", place, after, killed=True)
    told = tell("go_on", place)
    assert sorted(set(told["kinds"])) == sorted(night["kinds"])
    assert [kind for kind in told["kinds"] if kind != "run_started"] == [
        kind for kind in night["kinds"] if kind != "run_started"
    ]
    assert [batch["new"] for batch in told["batches"]] == [batch["new"] for batch in night["batches"]]
    if after >= night["kinds"].index("batch_formed"):
        assert told["models"] == night["models"]
    assert [batch["rebuilt"] for batch in told["batches"]] == [batch["hash"] for batch in told["batches"]]
    assert told["replay_equal"]


def test_a_window_that_closes_pauses_the_run_and_the_next_one_ends_it(place, tell, tmp_path):
    """At a step's end, and to the same model as without the pause."""
    longer = CONFIG.replace("epochs = 30", "epochs = 1200")
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    for folder in (place, undisturbed):
        (folder / "config.toml").write_text(longer)
    told, night = tell("window_closes", place), tell("night", undisturbed)
    assert told["paused"]["reason"] == "window"
    assert told["starts"] == [0, told["paused"]["step"]]
    assert told["paused"]["step"] >= 3
    assert told["models"] == night["models"]
    assert told["dates"] == ["2026-11-17", "2026-11-18"]


def test_a_stage_of_ones_own_is_one_file_and_one_line(place, tell):
    """Beside config.toml, named in the order of stages; every row says so."""
    stages = place / "plugins" / "stages"
    stages.mkdir(parents=True)
    (stages / "newest_ten.py").write_text(NEWEST)
    with (place / "config.toml").open("a") as file:
        file.write('stages = ["reward_feedback", "newest_ten", "size_batch"]\n')
    (batch,) = tell("night", place)["batches"]
    assert len(batch["new"]) == 10
    assert batch["rebuilt"] == batch["hash"]


def test_a_stage_that_throws_refuses_the_batch_and_says_where(place, tell):
    """Every night again, once; nothing is learnt."""
    told = with_a_throwing_stage(place, tell, "week", "refuse")
    assert not told["batches"]
    assert len(told["not_formed"]) == 7
    assert "throws" in told["not_formed"][0]
    assert "ZeroDivisionError" in str(told["failed_stages"][0])
    assert "throws.py" in str(told["failed_stages"][0])


def test_a_stage_that_throws_may_be_skipped(place, tell):
    """The batch is formed without it, and the log says that too."""
    told = with_a_throwing_stage(place, tell, "night", "skip")
    assert told["kinds"].count("stage_failed") == 1
    assert told["kinds"].count("run_finished") == 1
    assert told["replay_equal"]


def with_a_throwing_stage(place, tell, story, on_error):
    stages = place / "plugins" / "stages"
    stages.mkdir(parents=True)
    (stages / "throws.py").write_text(THROWS)
    with (place / "config.toml").open("a") as file:
        file.write(f'stages = ["reward_feedback", "throws", "size_batch"]\non_error = "{on_error}"\n')
    return tell(story, place)


# What becomes of the models

RATED = CONFIG + 'ratings = "all"\n[gate]\njudge_wanted = 20\n'
FAILS_TO_JUDGE = '''
"""The tiny classifier, with a mistake in how it is judged."""
from plugins.workloads.tiny_classifier import TinyClassifier


class Fails(TinyClassifier):
    def judge(self, model, dataset, device):
        raise ZeroDivisionError("a secret text")


WORKLOAD = Fails
'''


def test_feedback_becomes_a_promoted_model_and_a_worse_one_is_turned_down(place, tell):
    """The second run begins from the champion, has settings that can learn nothing, and stays on the shelf."""
    (place / "config.toml").write_text(RATED)
    told = tell("judged", place)
    assert told["kinds"] == ["model_shelved", "challenger_judged", "challenger_promoted"], told["decided"]
    assert told["links"] == {"champion": "0001"}
    assert told["bases"] == [None]
    ruined = RATED.replace("epochs = 30", "epochs = 0.1, features = 16, hidden = 1")
    (place / "config.toml").write_text(ruined)
    told = tell("judged_again", place, 12)
    assert [kind for kind, _ in told["decided"]] == ["challenger_promoted", "challenger_turned_down"]
    assert told["decided"][1][1]["decision"]["verdict"] == "turn down"
    assert told["bases"][1] == str(place / "state/models/support/0001")
    assert told["links"] == {"champion": "0001"}
    assert told["replay_equal"]
    assert told["verified"]


@pytest.mark.parametrize("kind", ["model_shelved", "challenger_judged", "challenger_promoted"])
def test_killed_between_a_decision_and_its_links_the_next_daemon_sets_them(place, tell, kind):
    """And at the events before it: each is there once in the end."""
    (place / "config.toml").write_text(RATED)
    tell("judged", place, kind, killed=True)
    told = tell("judged_again", place)
    assert told["kinds"] == ["model_shelved", "challenger_judged", "challenger_promoted"]
    assert told["links"] == {"champion": "0001"}
    assert told["replay_equal"]


def test_an_evaluation_that_throws_fails_closed(place, tell):
    """The reason is in the log, without a word of what the error quoted."""
    (place / "fails.py").write_text(FAILS_TO_JUDGE)
    (place / "config.toml").write_text(RATED.replace('"tiny_classifier"', '"fails.py"'))
    told = tell("judged", place)
    ((kind, body),) = told["decided"]
    assert (kind, body["decision"]) == ("challenger_turned_down", None)
    assert "ZeroDivisionError at" in body["failed"]
    assert "secret" not in body["failed"]
    assert "champion" not in told["links"]


def test_volunteered_evidence_promotes_nobody_by_itself(place, tell):
    """However much better the model is: a person may say so."""
    (place / "config.toml").write_text(RATED.replace('ratings = "all"\n', ""))
    told = tell("judged", place)
    ((kind, body),) = told["decided"]
    assert (kind, body["decision"]["verdict"], body["level"]) == ("challenger_turned_down", "by hand", 0.0)
    assert told["links"] == {"challenger": "0001"}
