"""From a finished run to a champion or not: the real views, shelf, child and gate, stepped by hand."""

import os
import shutil

import pytest

from daemon.judge_folder import judge_folder
from daemon.views.store import rebuild_digests
from tests.judging_world import CONFIG, DAY, World

BASE = CONFIG + 'base_model = "base"\n'


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.rate(200)
    yield made
    made.close()


def with_base(folder, right=0.5, config=BASE):
    world = World(folder, config)
    world.base(right)
    world.rate(200)
    return world


class TestPromoting:
    """What becomes of a challenger."""

    def test_a_better_model_becomes_champion_and_a_worse_one_does_not(self, tmp_path):
        """The base model is number 0 and the first champion; the links follow the log."""
        world = with_base(tmp_path)
        world.finish_run(0.9)
        kind, body = world.decide()
        assert kind == "challenger_promoted", body
        assert (body["model"], body["previous"], body["by"]) == (1, 0, "gate")
        assert world.kinds() == ["model_shelved", "model_shelved", "challenger_judged", "challenger_promoted"]
        assert world.links() == {"champion": "0001", "previous": "0000"}
        world.clock.advance(seconds=30 * DAY)
        world.finish_run(0.4)
        kind, body = world.decide()
        assert (kind, body["model"], body["champion"]) == ("challenger_turned_down", 2, 1)
        assert "correct -" in body["decision"]["sentence"]
        assert world.links() == {"champion": "0001", "previous": "0000"}
        assert world.state.views.digests() == rebuild_digests(world.state.log)
        world.close()

    def test_both_answer_the_same_examples_and_all_of_it_is_told(self, tmp_path):
        """Rows that the workload cannot use are in neither; figures have intervals, per type and in all."""
        world = with_base(tmp_path)
        world.finish_run(0.9)
        world.decide()
        ((_, body),) = world.events("challenger_judged")
        assert len(body["outputs"]) == len(set(body["outputs"])) == body["metrics"]["all"]["rows"] > 40
        assert set(body["metrics"]) == {"all", "type erd", "type sql"}
        figures = body["metrics"]["all"]["correct"]
        assert figures["champion"]["low"] < figures["champion"]["mean"] < figures["champion"]["high"] < 0.8
        assert figures["challenger"]["mean"] > 0.75
        cost = body["metrics"]["all"]["cost"]
        assert cost["champion"]["mean"] == pytest.approx(1 - figures["champion"]["mean"])
        assert (body["metric"], body["higher_is_better"]) == ("correct", True)
        assert body["success"]["type erd"] == body["metrics"]["type erd"]["correct"]  # of right and wrong the same
        assert set(body["latency"]) == {"champion", "challenger"}
        assert set(body["latencies"]) == {"type erd", "type sql"}
        assert all(set(pair) == {"champion", "challenger"} for pair in body["latencies"].values())
        assert all(seconds > 0 for pair in body["latencies"].values() for seconds in pair.values())
        of_the_base = sum(path.stat().st_size for path in (world.folder / "base").iterdir())
        assert body["size"]["champion"] == of_the_base  # without the card and the README, which grow
        (_, promoted) = world.events("challenger_promoted")[0]
        names = [clause["name"] for clause in promoted["decision"]["clauses"]]
        assert names == ["enough", "better", "other (2 types)", "negative flips", "latency", "size"]
        assert promoted["decision"]["evidence"]["latencies"].keys() == {"type erd", "type sql"}
        assert promoted["level"] == promoted["decision"]["evidence"]["level"] == pytest.approx(1 / 365)
        world.close()

    def test_the_first_model_of_a_workload_without_one_beats_the_baseline_or_nothing(self, world):
        """The baseline is right three times in ten."""
        world.finish_run(0.25)
        kind, body = world.decide()
        assert (kind, body["champion"]) == ("challenger_turned_down", None)
        world.clock.advance(seconds=30 * DAY)
        world.finish_run(0.8)
        kind, body = world.decide()
        assert (kind, body["previous"]) == ("challenger_promoted", None)
        assert world.links() == {"champion": "0002"}
        assert "latency" not in [clause["name"] for clause in body["decision"]["clauses"]]

    def test_volunteered_ratings_promote_nobody(self, tmp_path):
        """They are shown, for a person to say."""
        world = with_base(tmp_path, config=BASE.replace('ratings = "all"', 'ratings = "volunteered"'))
        world.finish_run(0.95)
        kind, body = world.decide()
        assert (kind, body["decision"]["verdict"], body["level"]) == ("challenger_turned_down", "by hand", 0.0)
        assert body["decision"]["sentence"].startswith("Not promoted by itself: 0 fair examples of the 20")
        assert world.standing().challenger == 1
        world.close()

    def test_evidence_is_told_by_whose_word_it_rests_on(self, tmp_path):
        """And a validator's may be fair where people's are volunteered."""
        config = BASE.replace('ratings = "all"', 'ratings_of = { code = "all" }')
        world = World(tmp_path, config)
        world.base(0.5)
        world.rate(150, source="code")
        world.rate(150, source="human")
        world.finish_run(0.95)
        kind, body = world.decide()
        mix = body["decision"]["evidence"]["sources"]
        assert kind == "challenger_promoted"
        assert set(mix) == {"code", "human"}
        assert mix["code"]["judged"] == mix["code"]["fair"] == body["decision"]["evidence"]["fair"] > 20
        assert (mix["human"]["judged"] > 20, mix["human"]["fair"]) == (True, 0)
        world.close()

    def test_where_nothing_can_be_judged_nobody_is_promoted(self, tmp_path):
        """And no child is begun for it."""
        world = World(tmp_path)
        world.finish_run(0.9)
        kind, body = world.decide()
        assert kind == "challenger_turned_down"
        assert body["decision"]["sentence"] == "Turned down: there was nothing to judge on."
        assert body["level"] == 0.0
        assert not (tmp_path / "state" / "judging").exists()
        world.close()

    def test_decisions_share_the_years_budget(self, tmp_path):
        """A second one at once may spend nothing; after ten days there are ten days' worth."""
        world = with_base(tmp_path)
        world.finish_run(0.4)
        assert world.decide()[1]["level"] == pytest.approx(1 / 365)
        world.finish_run(0.6)
        kind, body = world.decide()
        assert (kind, body["level"]) == ("challenger_turned_down", pytest.approx(0, abs=1e-6))
        assert body["decision"]["evidence"]["budget_left"] < 1e-6
        world.clock.advance(seconds=10 * DAY)
        world.finish_run(0.95)
        kind, body = world.decide()
        assert (kind, body["level"]) == ("challenger_promoted", pytest.approx(10 / 365, rel=0.01))
        world.close()

    def test_examples_that_served_their_last_decision_are_learnt_from(self, tmp_path):
        """Once, and by an event; the next model is judged on others."""
        world = with_base(tmp_path, config=BASE.replace("[gate]", "[gate]\nserves = 2"))
        for _ in range(2):
            world.finish_run(0.4)
            world.decide()
            world.clock.advance(seconds=5 * DAY)
        ((_, served),) = world.events("examples_served")
        judged = [body["outputs"] for _, body in world.events("challenger_judged")]
        assert served == {"workload": "guessing", "outputs": judged[0]}
        world.rate(60)
        world.finish_run(0.4)
        world.decide()
        assert not set(world.events("challenger_judged")[-1][1]["outputs"]) & set(served["outputs"])
        assert len(world.events("examples_served")) == 1
        world.close()


class TestFailingClosed:
    """Whatever cannot be judged is not promoted, and the reason is in the log."""

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            ("raise", "RuntimeError at "),
            ("nan", "the challenger's 'correct': one that is no finite number, expected a finite number for each of"),
            ("kill", "its process ended with -9 and without a word"),
        ],
    )
    def test_a_challenger_that_cannot_be_judged(self, world, wrong, told):
        """Of an error that is not ours the place alone is told: its words may quote a text."""
        world.finish_run(0.95, wrong=wrong)
        kind, body = world.decide()
        assert (kind, body["decision"], body["level"]) == ("challenger_turned_down", None, 0.0)
        assert told in body["failed"]
        assert "secret" not in body["failed"]
        assert world.standing().models[1].state == "turned down"
        assert not world.judging.busy("guessing")

    def test_a_champion_that_is_gone_or_damaged(self, tmp_path):
        """No baseline, no promotion."""
        world = with_base(tmp_path)
        world.finish_run(0.4)
        world.decide()
        (world.shelf() / "0000" / "model.json").write_text("{}")
        world.finish_run(0.95)
        assert "model.json is not as it was written" in world.decide()[1]["failed"]
        shutil.rmtree(world.shelf() / "0000")
        world.finish_run(0.95)
        assert "no model 0, there are 1 to 3" in world.decide()[1]["failed"]
        world.close()

    def test_a_workload_without_champion_and_baseline(self, tmp_path):
        """A person may promote the first one."""
        world = World(tmp_path, CONFIG.replace("guessing", "bare"))
        world.rate(100)
        world.finish_run(0.95, workload="bare")
        world.until(lambda: world.events("challenger_turned_down"))
        ((_, body),) = world.events("challenger_turned_down")
        assert "no champion yet, and workload 'bare' has no baseline" in body["failed"]
        assert "workloads.bare.base_model" in body["failed"]
        world.close()

    def test_a_dataset_that_does_not_say_which_rows_it_has(self, tmp_path):
        """What is told of an example must be told of the right one."""
        world = World(tmp_path, CONFIG + "settings = { names_rows = false }\n")
        world.rate(100)
        world.finish_run(0.95)
        assert "does not say which, expected their numbers as its `examples`" in world.decide()[1]["failed"]
        world.close()

    def test_a_model_that_is_not_as_the_run_left_it(self, world):
        """It gets its number, and is turned down with it."""
        folder = world.finish_run(0.95)
        (folder.model / "adaptd-manifest.json").write_text("{}")
        kind, body = world.decide()
        assert (kind, body["model"]) == ("challenger_turned_down", 1)
        assert "expected that of the run's model" in body["failed"]
        assert world.links() == {} if world.shelf().exists() else True

    def test_a_run_whose_folder_is_gone_left_nothing(self, world):
        """There is nothing to judge, and nothing waits."""
        folder = world.finish_run(0.95)
        shutil.rmtree(folder.path)
        assert not world.judging.busy("guessing")
        assert world.turn() == []

    def test_results_that_were_changed_are_not_decided_on(self, tmp_path):
        """The log has their hash."""
        world = with_base(tmp_path)
        world.finish_run(0.95)
        world.until(lambda: world.events("challenger_judged"))
        judge_folder(world.state.state_dir, "guessing", 1).results.write_bytes(b"other")
        kind, body = world.decide()
        assert (kind, body["decision"]) == ("challenger_turned_down", None)
        assert "results.npz: hash " in body["failed"]
        world.close()

    def test_a_workload_that_cannot_be_loaded(self, world):
        """What the daemon says of it is the reason."""
        world.finish_run(0.95)
        (world.folder / "plugins" / "workloads" / "guessing.py").unlink()
        assert "no workload of that name" in world.decide()[1]["failed"]

    def test_code_that_was_changed_while_it_judged(self, tmp_path):
        """The child finds other code than the daemon has loaded."""
        world = with_base(tmp_path)
        world.finish_run(0.95)
        path = world.folder / "plugins" / "workloads" / "guessing.py"
        world.turn()
        path.write_text(path.read_text() + "\n")
        kind, body = world.decide()
        assert kind == "challenger_promoted" or "its code is" in body["failed"]
        world.close()

    def test_one_that_never_ends_is_ended(self, world):
        """After so many seconds of the daemon's clock."""
        world.finish_run(0.95, wrong="hang")
        world.turn()
        world.turn(seconds=3601)
        kind, body = world.decide()
        assert (kind, body["failed"]) == ("challenger_turned_down", "it had not ended after 3600 seconds")


class TestNights:
    """When it is done."""

    def test_it_waits_for_a_window_unless_its_run_needed_none(self, world):
        """On the shelf it is put at once."""
        world.finish_run(0.8)
        for _ in range(3):
            world.turn(night=None)
        assert world.kinds() == ["model_shelved"]
        assert world.judging.busy("guessing")
        world.decide()
        world.finish_run(0.9, night=None)
        world.decide(night=None)
        world.finish_run(0.9)
        world.decide(night=None, asked=("guessing",))
        assert len(world.events("challenger_judged")) == 3

    def test_a_window_that_closes_ends_the_child_and_the_next_begins_it_again(self, world):
        """Nothing of it was in the log."""
        world.finish_run(0.8)
        world.turn()
        assert world.judging._children.at_work
        world.turn(night=None)
        assert not world.judging._children.at_work
        assert world.kinds() == ["model_shelved"]
        assert world.decide()[0] == "challenger_promoted"

    def test_it_waits_for_the_device(self, world):
        """Another run has the CPU."""
        from daemon.device_lease import Lease

        world.finish_run(0.8)
        lease = Lease.take(world.folder / "leases", "cpu")
        world.turn()
        world.turn()
        assert not world.judging._children.at_work
        lease.close()
        assert world.decide()[0] == "challenger_promoted"

    def test_only_the_newest_of_several_finished_runs_is_shelved(self, world):
        """As after an upgrade: what earlier ones learnt is in the newer ones."""
        world.finish_run(0.8)
        world.finish_run(0.9)
        world.decide()
        assert [body["run"] for _, body in world.events("model_shelved")] == ["run-0002"]
        assert not world.judging.busy("guessing")


class TestKills:
    """kill -9 between any two steps: the next daemon ends it alike."""

    @pytest.mark.parametrize("after", ["nothing", "model_shelved", "challenger_judged", "challenger_promoted"])
    def test_after_any_event(self, tmp_path, after):
        """Each event once, and the links right."""
        world = with_base(tmp_path)
        world.finish_run(0.9)
        append = world.judging._append

        class Killed(Exception):
            pass

        def append_and_die(kind, body, now):
            if after == "nothing":
                raise Killed
            append(kind, body, now)
            if kind.name == after and body["model"] == 1:
                raise Killed

        world.judging._append = append_and_die
        with pytest.raises(Killed):
            world.decide()
        world.die()
        world.come_back()
        world.until(lambda: world.events("challenger_promoted"))
        world.turn()
        assert world.kinds() == ["model_shelved", "model_shelved", "challenger_judged", "challenger_promoted"]
        assert world.links() == {"champion": "0001", "previous": "0000"}
        world.close()

    def test_while_the_child_judges(self, world):
        """It goes on, and the next daemon takes note of what it says."""
        world.finish_run(0.8)
        world.turn()
        process = world.judging._children._child._process
        world.die()
        world.come_back()
        assert world.decide()[0] == "challenger_promoted"
        process.wait()
        assert judge_folder(world.state.state_dir, "guessing", 1).started() == 1

    def test_the_child_alone_and_three_times_in_vain(self, world):
        """A machine that loses power each time: it is given up."""
        world.finish_run(0.8)
        folder = judge_folder(world.state.state_dir, "guessing", 1)
        for _ in range(3):
            world.turn()
            child = world.judging._children._child
            os.kill(child.pid, 9)
            child._process.wait()
            (folder.path / "result.json").unlink(missing_ok=True)
            world.die()
            world.come_back()
        assert world.decide()[1]["failed"] == "its process was begun 3 times and ended without a word"

    def test_a_champion_that_changes_while_it_is_judged(self, tmp_path):
        """It is judged again, against the one of now."""
        world = with_base(tmp_path)
        world.finish_run(0.7)
        world.decide()
        world.clock.advance(seconds=20 * DAY)
        world.finish_run(0.95)
        world.turn()
        world.say("champion_rolled_back", workload="guessing", **{"from": 1, "to": 0}, reason="it lied")
        world.decide()
        assert any("judged again, the champion or the golden set has changed" in told for told in world.told)
        assert world.events("challenger_judged")[-1][1]["champion"] == 0
        assert world.links()["champion"] == "0002"
        world.close()

    def test_a_champion_that_changes_before_the_decision(self, tmp_path):
        """What was judged says nothing of the one of now: it is judged again."""
        world = with_base(tmp_path)
        world.finish_run(0.7)
        world.decide()
        world.finish_run(0.95)
        world.until(lambda: len(world.events("challenger_judged")) == 2)
        world.say("champion_rolled_back", workload="guessing", **{"from": 1, "to": 0}, reason="it lied")
        assert world.decide()[0] == "challenger_promoted"
        assert [body["champion"] for _, body in world.events("challenger_judged")] == [0, 1, 0]
        world.close()

    def test_a_folder_under_the_next_number_that_no_event_knows(self, tmp_path):
        """It is another run's, of a log that was set back."""
        world = with_base(tmp_path)
        world.finish_run(0.7)
        world.decide()
        shutil.copytree(world.shelf() / "0001", world.shelf() / "0002")
        world.finish_run(0.9)
        world.decide()
        assert '"right": 0.9' in (world.shelf() / "0002" / "model.json").read_text()
        world.close()
