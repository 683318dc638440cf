"""`adaptd models`: what is on the shelf, and what a person decides, with the daemon down and up."""

import json
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

from daemon.cli import main as cli
from daemon.judge_results import Answered, Results
from daemon.sqlite_log import SqliteEventLog
from tests import made_state
from tests.intake_world import output
from tests.model_world import World, copy_of, three_models
from tests.terminals import at_a_terminal
from tests.test_running import running


@pytest.fixture(scope="module")
def made(tmp_path_factory, nobodys_configuration):
    folder = tmp_path_factory.mktemp("models")
    three_models(folder).close()
    return folder


@pytest.fixture
def place(made, monkeypatch):
    """To look at."""
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def own(made, tmp_path, monkeypatch):
    """To decide about."""
    monkeypatch.chdir(copy_of(made, tmp_path))
    return tmp_path


def ask(capsys, *words):
    assert cli.main(["models", *words]) == cli.OK
    out, err = capsys.readouterr()
    assert err == ""
    return out


def fail(capsys, code, *words):
    assert cli.main(["models", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    return err


def newest(folder):
    """The newest event's kind and body."""
    with SqliteEventLog.open_read_only(folder / "state" / "events.db") as log:
        ((kind, body),) = log.read_after(log.head().seq - 1, 1, ("kind", "body"))
    return kind, json.loads(body)


def links(folder):
    shelf = folder / "state" / "models" / "support"
    return {name: os.readlink(shelf / name) for name in ("champion", "previous") if (shelf / name).is_symlink()}


# Looking


def test_models_are_listed_newest_first(place, capsys):
    """Each with how it stands and since when."""
    lines = [line.split() for line in ask(capsys, "list").splitlines()]
    assert [line[0] for line in lines] == ["support/3", "support/2", "support/1", "support/0"]
    assert [line[1] for line in lines] == ["turned", "champion", "former", "former"]
    assert [line[-2:] for line in lines[:3]] == [["accuracy", "0.9"]] * 3
    told = json.loads(ask(capsys, "list", "--json"))
    assert told["schema"] == "adaptd.models/1"
    newest = told["models"][0]
    assert (newest["model"], newest["run"], newest["base"]) == (3, "run-0003", 2)
    assert [(one["metric"], one["value"]) for one in told["models"][2:]] == [("accuracy", 0.9), (None, None)]


def test_a_model_is_shown_with_what_made_it_and_what_was_decided(place, capsys):
    """By its number, or with its workload."""
    shown = ask(capsys, "show", "2")
    assert shown == ask(capsys, "show", "support/2")
    assert shown.startswith("model     support/2, champion since 2023-11-14 22:13:")
    assert (
        "base      1\nrun       run-0002\nbatch     2\nsettings  epochs 3\nseed      1\nlearnt    0 examples, as of"
        in shown
    )
    assert "judged    all: accuracy 0.9 (0.86 to 0.93), before 0.8 (0.75 to 0.85), of 300\n" in shown
    assert "          latency: 2.1 ms an example, before 2 ms an example\n" in shown
    assert "          latency, type erd: 3.2 ms an example, before 3 ms an example\n" in shown
    assert "          latency, type sql: 1 ms an example\n" in shown
    assert "          size: 2,100 bytes, before 2,000 bytes\n" in shown
    assert "decided   promoted, 2023-11-14 22:13:" in shown
    assert "UTC: accuracy is 10 points better.\n" in shown
    assert "          holds  better: accuracy +10.0 points, p = 0.001\n" in shown
    told = json.loads(ask(capsys, "show", "2", "--json"))
    assert (told["schema"], told["card"]["decided"]["level"]) == ("adaptd.model/1", 0.01)


def test_the_card_is_that_on_the_shelf(place, capsys):
    """As Markdown and as JSON: one source for both."""
    shelf = place / "state" / "models" / "support" / "0002"
    assert ask(capsys, "card", "2") == (shelf / "README.md").read_text()
    told = json.loads(ask(capsys, "card", "2", "--json"))
    assert told.pop("schema") == "adaptd.model_card/1"
    assert told == json.loads((shelf / "card.json").read_text())


def test_the_path_is_that_of_the_model_in_use(place, capsys):
    """Or of any; of the only workload where none is named."""
    shelf = place / "state" / "models" / "support"
    assert ask(capsys, "path") == ask(capsys, "path", "support") == f"{shelf / '0002'}\n"
    assert ask(capsys, "path", "support/1", "--check") == ask(capsys, "path", "1") == f"{shelf / '0001'}\n"
    assert json.loads(ask(capsys, "path", "--check", "--json"))["checked"] is True


def test_no_model_yet_says_what_comes_first(tmp_path, monkeypatch, capsys, nobodys_configuration):
    made_state.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["models", "list"]) == cli.OK
    told = "no model yet. A run's model is put on the shelf when it has finished: `adaptd runs list`"
    assert capsys.readouterr() == ("", f"adaptd: {told}\n")
    assert fail(capsys, cli.NO_SUCH_THING, "path") == f"adaptd: {told}\n"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("9", "no model 9. `adaptd models list` shows which there are."),
        ("support/9", "no model 9 of support. `adaptd models list` shows which there are."),
        ("suport/2", "no workload 'suport' with models, expected support, did you mean 'support'?"),
        ("zzz/2", "no workload 'zzz' with models, expected support."),
        ("two", "'two' names no model, expected its number, as in 3 or support/3. `adaptd models list`"),
    ],
)
def test_a_model_that_is_not_there_is_exit_code_4(place, capsys, name, told):
    """With what was meant, perhaps."""
    assert fail(capsys, cli.NO_SUCH_THING, "show", name) == f"adaptd: {told}\n"


def test_a_number_of_several_workloads_is_not_clear(own, capsys):
    """Exit code 2, with how to say it."""
    world = World(own)
    world.shelve(1, workload="chat")
    world.close()
    told = "adaptd: model 1 is of chat and support: say which, as in chat/1\n"
    assert fail(capsys, cli.USAGE, "show", "1") == told
    assert fail(capsys, cli.USAGE, "path") == "adaptd: chat and support have models: say which\n"


def test_at_a_terminal_everything_fits(place):
    """Eighty columns, but for hashes and paths."""
    for words in (["list"], ["show", "2"]):
        shown = at_a_terminal(["models", *words], place, NO_COLOR="1")
        wide = [line for line in shown.splitlines() if len(line) > 80]
        assert [line for line in wide if not any(len(word) > 40 for word in line.split())] == []


# Two of them


@pytest.fixture
def judged(own):
    """Model 4 challenged 2 and model 5 as well; 5 never met 4."""
    world = World(own)
    seqs = world.send(*(output(f"j-{n}", input=f"question {n}", artifact_type="erd") for n in range(6)))
    for number, was, now in ((4, [1, 1, 1, 0, 0, 1], [0, 1, 1, 1, 1, 1]), (5, [1, 1, 1, 0, 0, 1], [1, 0, 1, 0, 1, 1])):
        world.shelve(number, base=2)
        figures = [{"correct": np.array(values, float)} for values in (was, now)]
        fair, weights = np.ones(6, bool), np.ones(6)
        results = Results(Answered(np.array(seqs), ["erd"] * 6, fair, weights, *figures))
        folder = own / "state" / "judging" / f"support-{number:04}"
        folder.mkdir(parents=True)
        world.judge(number, results=results.write(folder / "results.npz"))
        world.decide(number, verdict="turn down")
    world.close()
    return seqs


def test_what_flipped_is_shown_both_ways(own, judged, capsys):
    """Worse first; as they were judged together, in the order that was asked for."""
    assert ask(capsys, "diff", "2", "4").splitlines() == [
        "support/4 against support/2: correct on 6 examples, judged together",
        "1 worse, 2 better, 3 alike",
        "worse:",
        f"  {judged[0]:>7}  1 -> 0  [erd]  question 0",
        "better:",
        f"  {judged[3]:>7}  0 -> 1  [erd]  question 3",
        f"  {judged[4]:>7}  0 -> 1  [erd]  question 4",
    ]
    assert "worse, 1 of 2:" in ask(capsys, "diff", "4", "2", "--most", "1")
    told = json.loads(ask(capsys, "diff", "2", "4", "--json"))
    assert (told["schema"], told["together"]) == ("adaptd.models_compared/1", True)
    assert (told["worse"]["rows"], told["better"]["rows"]) == (1, 2)
    assert told["worse"]["some"][0]["input"] == "question 0"


def test_models_that_never_met_are_compared_on_what_both_answered(own, judged, capsys):
    """And that is said."""
    shown = ask(capsys, "diff", "4", "5").splitlines()
    assert shown[:2] == [
        "support/5 against support/4: correct on 6 examples, of different judgings",
        "2 worse, 1 better, 3 alike",
    ]


def test_what_cannot_be_compared_is_told(own, judged, capsys):
    """No judging of both, results that are not those of the log, other workloads, nonsense."""
    told = "models 1 and 4 of support were never judged on the same examples, so nothing can be said"
    assert told in fail(capsys, cli.FAILED, "diff", "1", "4")
    (own / "state/judging/support-0004/results.npz").write_bytes(b"other")
    assert "models 2 and 4 of support were never" in fail(capsys, cli.FAILED, "diff", "2", "4")
    assert "--most: 0, expected at least 1" in fail(capsys, cli.USAGE, "diff", "2", "4", "--most", "0")
    world = World(own)
    world.shelve(0, workload="chat")
    world.close()
    told = "models diff: chat and support answer different questions"
    assert told in fail(capsys, cli.FAILED, "diff", "chat/0", "support/0")
    assert "no run of chat is known that made one of them" in fail(capsys, cli.FAILED, "diff", "chat/0", "chat/0")


# Taking one along


def test_a_model_is_exported_as_it_is(own, capsys):
    """Whole or not at all, and over nothing."""
    assert ask(capsys, "export", "2", "out/of/here") == f"{own / 'out/of/here'}\n"
    assert (own / "out/of/here/weights").read_text() == "support 2"
    told = f"adaptd: models export: {own / 'out/of/here'} is there already, expected a folder that is to be made\n"
    assert fail(capsys, cli.FAILED, "export", "2", "out/of/here") == told
    assert json.loads(ask(capsys, "export", "1", "other", "--json"))["out"] == str(own / "other")


def test_an_export_that_the_disk_refuses_leaves_nothing_and_says_why(own, capsys):
    """A folder below a file; and no room for a large one."""
    (own / "file").write_text("")
    told = fail(capsys, cli.FAILED, "export", "2", "file/out")
    assert told == f"adaptd: models export: {own / 'file/out'}: Not a directory. Nothing of it was left there\n"
    world, large = World(own), own / "large"
    large.mkdir()
    (large / "weights").write_bytes(bytes(400_000))
    whole = world.shelves().of("support").put(9, large, {}, "")
    world.say("model_shelved", workload="support", model=9, run=None, batch=None, hash=whole, base=None)
    world.close()
    words = [sys.executable, "-P", "-m", "daemon.cli.main", "models", "export", "9", "out"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, preexec_fn=little_room)
    assert done.returncode == cli.FAILED
    assert done.stderr.startswith(f"adaptd: models export: {own / 'out'}: ")
    assert done.stderr.endswith("File too large. Nothing of it was left there\n")
    assert not [path for path in own.iterdir() if "out" in path.name]


def little_room():
    """No file larger than so many bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


def test_a_form_is_written_by_the_workload_or_not_at_all(own, capsys):
    """What it says of a form that it does not know is told; nothing is left behind."""
    told = fail(capsys, cli.FAILED, "export", "2", "out", "--form", "stone")
    assert told.startswith("adaptd: models export: tiny_classifier as 'stone': ")
    assert fail(capsys, cli.FAILED, "export", "0", "out", "--form", "x") == (
        "adaptd: models export: no run is known that made model 0, expected no --form for it\n"
    )
    assert not list(own.glob("*out*"))


def test_a_model_whose_files_were_changed_is_not_used(own, capsys):
    """Neither shown as a path that was checked, nor exported, nor promoted."""
    (own / "state/models/support/0001/weights").write_text("other")
    for words in (["path", "1", "--check"], ["export", "1", "out"], ["promote", "1", "--reason", "x"]):
        assert "0001: weights is not as it was written" in fail(capsys, cli.FAILED, *words)
    assert newest(own)[0] == "challenger_turned_down/1"


# Deciding


def test_a_model_is_promoted_by_hand(own, capsys):
    """With a reason; the event is in the log before the link is swapped, and says by whom."""
    assert cli.main(["models", "promote", "3", "--reason", "the new catalogue"]) == cli.OK
    told = ("support: model 3 is in use; before it model 2\n", "adaptd: `adaptd models rollback support` brings back")
    out, err = capsys.readouterr()
    assert (out, err[: len(told[1])]) == told
    kind, body = newest(own)
    assert (kind, body["by"], body["reason"], body["level"]) == (
        "challenger_promoted/1",
        "hand",
        "the new catalogue",
        None,
    )
    assert links(own) == {"champion": "0003", "previous": "0002"}
    assert "Champion since" in (own / "state/models/support/0003/README.md").read_text()
    assert "support/3 is the champion already" in fail(capsys, cli.FAILED, "promote", "3", "--reason", "again")
    for words in ([], ["--reason", " "]):
        assert "no --reason, expected why this model" in fail(capsys, cli.USAGE, "promote", "2", *words)


def test_a_rollback_goes_to_the_champion_before(own, capsys):
    """And not to the newest folder; what is left is quarantined. Again goes further back."""
    assert ask(capsys, "rollback") == "support: model 1 is in use again; model 2 is quarantined\n"
    assert links(own) == {"champion": "0001", "previous": "0000"}
    assert json.loads(ask(capsys, "show", "2", "--json"))["state"] == "quarantined"
    assert ask(capsys, "rollback", "support", "--reason", "worse", "--json")
    assert newest(own)[1] == {"workload": "support", "from": 1, "to": 0, "reason": "worse"}
    told = fail(capsys, cli.FAILED, "rollback")
    assert told == (
        "adaptd: rollback: support has no champion before model 0 that could be used. `adaptd models promote support/N "
        "--reason TEXT` puts any model of it in use.\n"
    )


def test_a_rollback_passes_over_a_damaged_model(own, capsys):
    """Something that works is in use afterwards, and what is damaged is told."""
    (own / "state/models/support/0001/weights").unlink()
    assert cli.main(["models", "rollback"]) == cli.OK
    out, err = capsys.readouterr()
    assert out == "support: model 0 is in use again; model 2 is quarantined\n"
    assert err.startswith("adaptd: passed over: ")
    assert "0001: weights is gone" in err


def test_a_model_is_pinned_and_let_go_of(own, capsys):
    """Each is an event."""
    assert ask(capsys, "pin", "3") == "support: the files of model 3 are kept in any case\n"
    assert "pinned" in ask(capsys, "list").splitlines()[0]
    assert ask(capsys, "unpin", "support/3") == "support: the files of model 3 are kept no longer than others'\n"
    assert newest(own) == ("model_pinned/1", {"workload": "support", "model": 3, "pinned": False})
    assert json.loads(ask(capsys, "pin", "3", "--json"))["schema"] == "adaptd.model_pinned/1"


def test_the_running_daemon_is_asked(own, capsys):
    """And says so in its log."""
    with running(own) as daemon:
        assert cli.main(["models", "promote", "1", "--reason", "a test"]) == cli.OK
        assert daemon.hear("promoted")["model"] == 1
        assert links(own) == {"champion": "0001", "previous": "0002"}
        assert cli.main(["models", "rollback"]) == cli.OK
        assert daemon.hear("rolled back")["to"] == 2
        assert cli.main(["models", "pin", "1"]) == cli.OK
        assert daemon.hear("pinned")["pinned"] is True
        assert cli.main(["models", "pin", "9"]) == cli.NO_SUCH_THING
        assert daemon.end() == 0
    assert links(own) == {"champion": "0002", "previous": "0000"}


def test_a_workload_without_a_champion_has_no_path(own, capsys):
    """Nor anything to roll back to."""
    world = World(own)
    world.shelve(1, workload="chat")
    world.close()
    assert "chat: no model 0, there are 1 to 1" in fail(capsys, cli.NO_SUCH_THING, "path", "chat")
    assert fail(capsys, cli.FAILED, "rollback", "chat").startswith("adaptd: rollback: chat has no champion. `adaptd")
