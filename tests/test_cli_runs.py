"""`adaptd runs`: what is listed, shown, printed and compared of runs that are planned, under way and over."""

import json
import shutil

import msgspec
import pytest

from daemon.cli import main as cli
from daemon.cli.run_words import run_words
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_log import Entry
from daemon.night_outlook import NightOutlook
from daemon.run_folder import Progress
from daemon.run_telling import RunTold, chart_of, run_told
from daemon.sqlite_log import SqliteEventLog
from daemon.views.store import Views
from tests import made_state
from tests.terminals import at_a_terminal

PLAN = {
    "batch": 3,
    "workload": "support",
    "plugin": {"name": "tiny_classifier", "code": "c0de" * 8},
    "mode": "full",
    "settings": {"epochs": 3},
    "base_model": None,
    "seed": 1,
    "night": None,
}
EVENTS = (
    ("run_planned", {"run": "run-0001", **PLAN}),
    ("run_started", {"run": "run-0001", "attempt": 1, "device": "cpu", "pid": 4, "from_step": 0, "until": None}),
    ("run_failed", {"run": "run-0001", "attempt": 1, "how": "died", "reason": "signal 9", "final": False}),
    ("run_started", {"run": "run-0001", "attempt": 2, "device": "cpu", "pid": 5, "from_step": 40, "until": None}),
    ("run_finished", {"run": "run-0001", "step": 90, "steps": 90, "metrics": {"loss": 0.125}, "seconds": 300.0}
     | {"model_hash": "ab" * 32, "flags": ["the gap widens"]}),
    ("run_planned", {"run": "run-0002", **PLAN, "batch": 4, "settings": {"epochs": 5, "rate": 0.1}}),
    ("run_started", {"run": "run-0002", "attempt": 1, "device": "cpu", "pid": 6, "from_step": 0, "until": 1}),
    ("run_planned", {"run": "run-0003", **PLAN, "batch": 5}),
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A place with three runs, of which one goes on; their folders as children leave them."""
    folder = made_state.make(tmp_path_factory.mktemp("runs"))
    runs = folder / "state" / "runs"
    for run, progress in (
        ("run-0001", Progress(start=2, step=90, steps=90, losses=[(step, 1 / step) for step in range(1, 91)])),
        (
            "run-0002",
            Progress(start=1, step=30, steps=120, loss=0.5, seconds=60.0, rate=0.5, losses=[(1, 2), (30, 0.5)]),
        ),
    ):
        (runs / run).mkdir(parents=True)
        (runs / run / "progress.json").write_bytes(msgspec.json.encode(progress))
    (runs / "run-0001" / "out.log").write_bytes("first\nsecond \x1b[31mred\ntörn".encode())
    (runs / "run-0003").mkdir()
    (runs / "run-0003" / "waiting").write_text("another run has cpu")
    entries = [
        Entry(f"r{number}", f"{kind}/1", made_state.NOW + number, made_state.NOW, body=json.dumps(body))
        for number, (kind, body) in enumerate(EVENTS)
    ]
    log = SqliteEventLog.open(folder / "state" / "events.db", StoppedClock(made_state.NOW), SeededChance(2))
    log.append(entries)
    with Views.open(folder / "state" / "views.db", log) as views:
        views.catch_up()
    log.close()
    return folder


@pytest.fixture
def place(made, monkeypatch, nobodys_configuration):
    monkeypatch.chdir(made)
    return made


def ask(capsys, *words):
    assert cli.main(["runs", *words]) == cli.OK
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_runs_are_listed_newest_first(place, capsys):
    """Each with its workload, its batch and how it stands."""
    lines = ask(capsys, "list").splitlines()
    assert [line.split()[0] for line in lines] == ["run-0003", "run-0002", "run-0001"]
    assert lines[0].endswith("planned; waits: another run has cpu")
    assert "support  4  2023-11-14 22:13:20  25%" in lines[1]
    assert lines[2].endswith("finished in 5 minutes")


def test_no_run_yet_says_what_comes_first(tmp_path, monkeypatch, capsys, nobodys_configuration):
    made_state.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["runs", "list"]) == cli.OK
    assert capsys.readouterr() == (
        "",
        "adaptd: no run yet. A batch begins one: `adaptd batch preview` shows what tonight would learn.\n",
    )


def test_a_run_is_shown_with_its_losses(place, capsys):
    """By id or number; what it was, how it ended, and a chart."""
    shown = ask(capsys, "show", "1")
    assert shown == ask(capsys, "show", "run-0001")
    assert "run       run-0001, of batch 3\nworkload  support (tiny_classifier, full)\n" in shown
    assert "step      90 of 90\ntrained   5 minutes, in 2 starts\n" in shown
    assert "failures  1 × died\nsettings  epochs = 3\nmetrics   loss 0.125\n" in shown
    assert "flag      the gap widens\n" in shown
    assert "step 1 " in shown
    assert shown.endswith("step 90\n")
    assert max(map(len, shown.splitlines())) <= 80


def test_a_run_is_told_as_json(place, capsys):
    """The whole plan and all points of the curve."""
    told = json.loads(ask(capsys, "show", "2", "--json"))
    assert (told["schema"], told["state"], told["step"], told["steps"]) == ("adaptd.run/1", "running", 30, 120)
    assert (told["left_seconds"], told["losses"]) == (180.0, [[1, 2.0], [30, 0.5]])
    assert told["plan"]["settings"] == {"epochs": 5, "rate": 0.1}
    assert json.loads(ask(capsys, "list", "--json"))["schema"] == "adaptd.runs/1"


def test_what_is_over_is_not_watched_for_ever(place, capsys):
    """--watch ends with the run."""
    assert ask(capsys, "show", "1", "--watch") == ask(capsys, "show", "1")


def test_everything_that_was_printed_is_printed_and_steers_no_terminal(place, capsys):
    """The last line too, though it has no end; with -f until the run is over."""
    printed = "first\nsecond \\x1b[31mred\ntörn"
    assert ask(capsys, "logs", "1") == printed
    assert ask(capsys, "logs", "1", "-f") == printed
    assert cli.main(["runs", "logs", "3"]) == cli.OK
    assert capsys.readouterr().err == "adaptd: run-0003 has printed nothing, or its folder was let go of\n"


def test_two_runs_are_compared(place, capsys):
    """Line by line, with a sign where they differ; as Markdown and as JSON."""
    shown = ask(capsys, "compare", "1", "2")
    rows = [line.split() for line in shown.splitlines()]
    assert ["setting", "epochs", "3", "5", "≠"] in rows
    assert ["setting", "rate", "-", "0.1", "≠"] in rows
    assert ["mode", "full", "full"] in rows
    assert ["metric", "loss", "0.125", "-", "≠"] in rows
    table = ask(capsys, "compare", "1", "2", "--md").splitlines()
    assert table[:2] == ["|  | run-0001 | run-0002 |", "| --- | ---: | ---: |"]
    assert "| setting epochs | 3 | 5 |" in table
    told = json.loads(ask(capsys, "compare", "1", "2", "--json"))
    assert told["schema"] == "adaptd.runs_compared/1"
    assert [one["run"] for one in told["runs"]] == ["run-0001", "run-0002"]


@pytest.mark.parametrize("words", [["show", "9"], ["logs", "run-0009"], ["compare", "1", "x"]])
def test_a_run_that_is_not_there_is_exit_code_4(place, capsys, words):
    """With what to do."""
    assert cli.main(["runs", *words]) == cli.NO_SUCH_THING
    assert "expected an id or a number. `adaptd runs list` shows which there are." in capsys.readouterr().err


def test_status_shows_what_is_not_over(place, capsys):
    """A line each; the JSON says more."""
    assert cli.main(["status"]) == cli.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("run-")] == [
        "run-0002 support 25%, will pause at 00:00 UTC at about 25%, goes on the night a…",
        "run-0003 support planned; waits: another run has cpu",
    ]
    assert cli.main(["status", "--json"]) == cli.OK
    assert [one["run"] for one in json.loads(capsys.readouterr().out)["runs"]] == ["run-0002", "run-0003"]


def test_at_a_terminal_everything_fits(place):
    """Eighty columns, but for hashes."""
    for words in (["list"], ["show", "1"], ["show", "2"], ["compare", "1", "2"]):
        shown = at_a_terminal(["runs", *words], place, NO_COLOR="1")
        assert [line for line in shown.splitlines() if len(line) > 80 and "ab" * 20 not in line] == []


def test_a_torn_heartbeat_is_as_none(made, tmp_path):
    """So is a folder that nobody may read."""
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    (copy / "state" / "runs" / "run-0002" / "progress.json").write_text('{"start": 1, "st')
    told = run_told(str(copy / "state"), "2")
    assert (told.alive, told.losses, told.step) == ({}, [], 0)


RECORD = {"run": "run-0001", "starts": 1, "milliseconds": 65_000, "plan": PLAN, "step": 60, "steps": 100}
HOUR = 3600 * 1_000_000
WORDS = {
    "begins": ({"state": "running"}, {}, "begins"),
    "far": ({"state": "running"}, {"start": 1, "step": 80, "steps": 100, "rate": 0.1}, "80%, 3 minutes left"),
    "slow": ({"state": "running"}, {"start": 1, "step": 80, "steps": 100}, "80%"),
    "pauses": (
        {"state": "running", "last": {"until": HOUR}},
        {"start": 1, "step": 20, "steps": 100, "rate": 0.01},
        "20%, will pause at 02:00 at about 56%, goes on the night after",
    ),
    "paused": ({"state": "paused", "last": {"reason": "window"}}, {}, "paused at 60%, its window closed"),
    "yielded": (
        {"state": "paused", "last": {"reason": "device"}},
        {},
        "paused at 60%, somebody else wanted the device",
    ),
    "again": ({"state": "waiting", "last": {"reason": "signal 9"}}, {}, "failed and is tried again: signal 9"),
    "given up": ({"state": "failed", "last": {"reason": "signal 9"}}, {}, "given up: signal 9"),
    "cancelled": ({"state": "cancelled", "last": {"reason": None}}, {}, "cancelled"),
    "finished": ({"state": "finished"}, {}, "finished in 65 seconds"),
}


@pytest.mark.parametrize("case", WORDS)
def test_how_a_run_stands_is_said_in_a_few_words(case):
    """The moment of a pause by the clock on the wall of the zone under [night]."""
    changed, progress, words = WORDS[case]
    run = RunTold({"last": {}} | RECORD | changed, progress, "")
    assert run_words(run, 0, NightOutlook("Europe/Berlin")) == words


def test_a_chart_is_as_wide_as_it_may_be_and_falls_as_the_losses_do():
    """Highest at the top left, lowest at the bottom right; means where there are more steps than columns."""
    assert chart_of([(1, 0.5)], 80) == []
    chart = chart_of([(step, 1 / step) for step in range(1, 1001)], 60)
    assert len(chart) == 9
    assert max(map(len, chart)) <= 60
    assert chart[0].split()[1] == "•"
    assert chart[7].rstrip().endswith("•")
    assert chart[-1].split() == ["step", "1", "step", "1,000"]
    assert chart_of([(1, 2.0), (2, 2.0)], 40)[0].split() == ["2", "•", "•"]  # a short one is drawn out
