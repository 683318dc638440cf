"""What may come between a run's end and its verdict: a rollback, a person's word, a full disk, another set, a kill."""

import errno
import json
import os
import shutil
from types import SimpleNamespace

import pytest

from daemon import model_shelf
from daemon.asking_models import Place, promote, roll_back
from daemon.judge_folder import judge_folder
from daemon.judge_planning import Golden
from daemon.night_building import shelves_of
from daemon.settings import settings_of
from daemon.views.history import History
from daemon.views.store import rebuild_digests
from tests.judging_world import CONFIG, DAY, World

BASE = CONFIG + 'base_model = "base"\n'
TWO = CONFIG + '[workloads.other]\nplugin = "guessing"\nratings = "all"\n'


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.rate(200)
    yield made
    made.close()


def place(world):
    state = world.state
    return Place(state.log, state.views, shelves_of(state, world.settings), world.chance, world.clock.now())


def two_champions(world):
    for right in (0.6, 0.9):
        world.finish_run(right)
        assert world.decide()[0] == "challenger_promoted"
        world.clock.advance(seconds=60 * DAY)


# What was rolled back


def test_what_was_rolled_back_is_not_tried_again(world):
    """A run that leaves the same files, to the byte: it is turned down unlooked at, and nothing is spent."""
    two_champions(world)
    roll_back(place(world), "guessing", "it lied", "one")
    world.finish_run(0.9)
    kind, body = world.decide()
    assert (kind, body["model"], body["champion"], body["level"]) == ("challenger_turned_down", 3, 1, 0.0)
    assert body["failed"].startswith("its files are those of model 2, which was rolled back")
    assert len(world.events("challenger_judged")) == 2
    assert world.links() == {"champion": "0001"}
    assert world.state.views.digests() == rebuild_digests(world.state.log)


def test_another_model_after_a_rollback_has_its_chance(world):
    """Also one whose files are those of a model that was merely turned down."""
    two_champions(world)
    world.finish_run(0.95, night=None)
    world.finish_run(0.3)
    world.decide()
    roll_back(place(world), "guessing", "it lied", "one")
    world.finish_run(0.95)
    assert world.decide()[0] == "challenger_promoted"
    assert world.links() == {"champion": "0004", "previous": "0001"}


def test_a_person_may_bring_it_back_and_then_it_binds_nobody(world):
    """Promoted by hand it is no longer in quarantine; a run of the same files is then judged, and is no better."""
    two_champions(world)
    roll_back(place(world), "guessing", "it lied", "one")
    promote(place(world), "guessing/2", "it was the data", "two")
    world.finish_run(0.9)
    assert world.decide()[1]["failed"] is None


def test_a_rollback_passes_over_a_damaged_model(world):
    """And over one whose files are gone; the next challenger is judged against the one that is in use."""
    two_champions(world)
    world.finish_run(0.99)
    world.decide()
    (world.shelf() / "0002" / "model.json").write_text("{}")
    done = roll_back(place(world), "guessing", None, "one")
    assert (done["from"], done["to"]) == (3, 1)
    assert "model.json is not as it was written" in done["damaged"][0]
    assert world.links() == {"champion": "0001"}
    world.clock.advance(seconds=60 * DAY)
    world.finish_run(0.97)
    kind, body = world.decide()
    assert (kind, body["previous"]) == ("challenger_promoted", 1)


# A person decides meanwhile


def test_a_child_that_judges_what_was_decided_by_hand_is_ended(world):
    """Else it would stand in the way of every judging that comes."""
    world.finish_run(0.5, wrong="hang")
    world.turn()
    child = world.judging._children._child
    promote(place(world), "guessing/1", "I know better", "one")
    world.turn()
    assert not world.judging._children.at_work
    assert child._process.returncode == -9
    world.finish_run(0.95)
    world.turn()
    assert world.judging._children._child.folder.path.name == "guessing-0002"


def test_a_child_of_a_workload_that_is_gone_from_the_config_is_ended(tmp_path):
    """The others are judged."""
    world = World(tmp_path, TWO)
    world.rate(200)
    world.finish_run(0.5, workload="other", wrong="hang")
    world.turn()
    world.settings = settings_of(CONFIG, world.folder / "config.toml")
    world.keeps.follow(world.settings)
    world.finish_run(0.9)
    assert world.decide()[0] == "challenger_promoted"
    world.close()


def test_links_follow_the_log_while_nights_are_paused(world):
    """A rollback was killed between its event and its links: the daemon rests, and sets them all the same."""
    two_champions(world)
    world.say("champion_rolled_back", workload="guessing", **{"from": 2, "to": 1}, reason="it lied")
    assert world.links()["champion"] == "0002"
    assert "guessing: champion is model 1" in world.keeps.stop(world.clock.now())
    assert world.links() == {"champion": "0001"}


def test_links_follow_the_log_whatever_keeps_judging_from_going_on(world):
    """A disk that fails ends the turn of the judges."""
    two_champions(world)
    world.say("champion_rolled_back", workload="guessing", **{"from": 2, "to": 1}, reason="it lied")
    world.finish_run(0.95)
    (world.state.state_dir / "judging").rename(world.state.state_dir / "elsewhere")
    (world.state.state_dir / "judging").write_text("no folder")
    with pytest.raises(OSError, match="judging"):
        world.turn()
    assert world.links()["champion"] == "0001"


# Several at once


def test_two_workloads_promoted_in_one_turn_share_the_budget(tmp_path):
    """The second decision knows what the first one spent."""
    world = World(tmp_path, TWO)
    world.rate(200)
    world.finish_run(0.9)
    world.finish_run(0.9, workload="other")
    decided = lambda: world.events("challenger_promoted", "challenger_turned_down")  # noqa: E731
    world.until(lambda: len(world.events("challenger_judged")) + len(decided()) >= 3)
    world.until(lambda: len(decided()) == 2)
    first, second = (body for _, body in decided())
    assert {first["workload"], second["workload"]} == {"guessing", "other"}
    evidence = [body["decision"]["evidence"] for body in (first, second)]
    assert evidence[1]["budget_left"] == pytest.approx(evidence[0]["budget_left"] - first["level"], abs=1e-4)
    assert [os.readlink(world.shelf(name) / "champion") for name in ("guessing", "other")] == ["0001", "0001"]
    world.close()


# The golden set


class Frozen:
    """One golden example, or more, until the set is retired."""

    def __init__(self, world, rows=1):
        self.version, world.goldens = 1, self
        world.judging._goldens = self
        for number in range(rows):
            world.say("golden_recorded", set="default", input=f"g{number}", reference="r", artifact_type="erd")
        self.seqs = list(range(world.state.log.head().seq - rows + 1, world.state.log.head().seq + 1))

    def of(self, workload):
        return self.version and Golden(self.version, self.seqs, lambda seqs: seqs < 0)


def test_where_nothing_but_a_golden_set_is_there_models_are_judged_on_that(tmp_path):
    """Nobody has rated anything: it is promoted, on fair examples, and the history has its figure."""
    world = World(tmp_path, BASE.replace('ratings = "all"\n', ""))
    world.base(0.5)
    Frozen(world, rows=80)
    world.finish_run(0.9)
    kind, body = world.decide()
    assert (kind, body["decision"]["verdict"]) == ("challenger_promoted", "promote")
    ((_, judged),) = world.events("challenger_judged")
    assert (judged["outputs"], judged["metrics"]["all"]) == ([], judged["metrics"]["golden"])
    assert min(judged["latency"].values()) > 0
    assert world.state.views.of(History).course("guessing").measured[-1].figures["all"].mean > 0.7
    assert world.state.views.digests() == rebuild_digests(world.state.log)
    world.close()


def test_a_golden_set_that_is_retired_while_it_is_judged(world):
    """What was said on it is of no use: the model is judged again, without it."""
    goldens = Frozen(world)
    world.finish_run(0.9)
    world.turn()
    goldens.version = None
    assert world.decide()[0] == "challenger_promoted"
    assert any("judged again, the champion or the golden set has changed" in told for told in world.told)
    ((_, body),) = world.events("challenger_judged")
    assert body["golden"] is None
    assert "golden" not in body["metrics"]


def test_a_metric_that_is_another_after_the_judging(world):
    """The plugin was replaced between the verdict's figures and the verdict: it is turned down, and says so."""
    world.finish_run(0.9)
    world.until(lambda: world.events("challenger_judged"))
    world.die()
    path = world.folder / "plugins" / "workloads" / "guessing.py"
    path.write_text(path.read_text().replace('"correct"', '"exact"'))
    world.come_back()
    kind, body = world.decide()
    assert (kind, body["decision"]) == ("challenger_turned_down", None)
    assert "no figures of 'exact', which the workload is judged by now" in body["failed"]


# The base model


def test_a_base_model_of_links_is_copied_with_what_they_lead_to(tmp_path):
    """As downloaded models are laid out; the files that were there keep their mode, and may change."""
    world = World(tmp_path, BASE)
    world.rate(200)
    blob = world.base(0.5, "blobs") / "model.json"
    blob.chmod(0o600)
    (world.folder / "base").mkdir()
    for name in ("model.json", "weights"):
        (world.folder / "base" / name).symlink_to(blob.parent / name)
    world.finish_run(0.9)
    assert world.decide()[0] == "challenger_promoted"
    assert (blob.stat().st_mode & 0o777, blob.stat().st_nlink) == (0o600, 1)
    blob.write_text("{}")
    roll_back(place(world), "guessing", None, "one")
    assert json.loads((world.shelf() / "champion" / "model.json").read_text()) == {"right": 0.5}
    world.close()


@pytest.mark.parametrize("spoil", ["gone", "not a model"])
def test_without_its_base_model_nothing_is_promoted(tmp_path, spoil):
    """The daemon goes on, and the next run has it as soon as it is there."""
    world = World(tmp_path, BASE)
    world.rate(200)
    if spoil == "not a model":
        os.mkfifo(world.base(0.5) / "pipe")
    world.finish_run(0.9)
    kind, body = world.decide()
    assert kind == "challenger_turned_down"
    assert ("base: no folder" if spoil == "gone" else "pipe, which is no plain file") in body["failed"]
    world.base(0.5)
    world.finish_run(0.9)
    kind, body = world.decide()
    assert (kind, body["previous"]) == ("challenger_promoted", 0)
    world.close()


# The disk


def test_a_full_disk_keeps_a_model_from_its_shelf_only_as_long_as_it_is_full(tmp_path, monkeypatch):
    """It costs no model: nothing is in the log, nothing of it lies about, and the next turn does it."""
    world = World(tmp_path, BASE)
    world.base(0.5)
    world.rate(200)
    world.finish_run(0.9)

    def full(source, target, **_):
        target.write_text("hal")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(model_shelf, "shutil", SimpleNamespace(copyfile=full, rmtree=shutil.rmtree))
        with pytest.raises(OSError, match="No space left"):
            world.turn()
    assert world.kinds() == []
    assert list(world.shelf().iterdir()) == []
    assert world.decide()[0] == "challenger_promoted"
    world.close()


def test_results_of_the_judging_are_kept_for_the_verdict_after_a_full_disk(world):
    """The event could not be written; the child is not begun a second time."""
    world.finish_run(0.9)
    append = world.judging._append

    def full(kind, body, now):
        if kind.name == "challenger_judged":
            raise OSError(errno.ENOSPC, "No space left on device")
        append(kind, body, now)

    world.judging._append = full
    with pytest.raises(OSError, match="No space left"):
        world.decide()
    world.judging._append = append
    assert world.decide()[0] == "challenger_promoted"
    assert judge_folder(world.state.state_dir, "guessing", 1).started() == 1
