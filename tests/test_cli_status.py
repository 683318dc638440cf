"""`adaptd status`: with the daemon up or down, empty or full, for people and for programs."""

import json

import pytest

from daemon.cli.main import main
from daemon.cli.status import page_of
from daemon.models_outlook import ModelsOutlook, models_outlooks
from daemon.moments import short_moment_of
from daemon.night_outlook import NightOutlook, WorkloadOutlook
from daemon.queries import LogState, SpoolState, Status, Volume
from daemon.state_lock import StateLock
from tests import made_state
from tests.night_world import HOUR, at

NOW = made_state.NOW


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made_state.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def a_status(**changes):
    known = {
        "state_dir": "/srv/adaptd/state",
        "config_path": "/srv/adaptd/config.toml",
        "durability": "full",
        "pid": "4711",
        "log": LogState(12_345, NOW - 180_000_000, {}),
        "spool": SpoolState(0, 0, 0),
        "volume": Volume(4_000, 8_000),
        "today": Volume(12, 40),
        "artifact_types": [("erd", Volume(3_000, 5_000)), (None, Volume(1_000, 3_000))],
        "other_artifact_types": Volume(),
        "quarantined": 0,
        "quarantine_reason": None,
        "views_at": 12_345,
    }
    return Status(**known | changes)


def test_the_page_of_a_folder_where_all_is_well():
    """Every fact in a line of its own; nothing to do, nothing said."""
    assert page_of(a_status(), NOW, 80) == [
        "state       /srv/adaptd/state",
        "daemon      running, process 4711",
        "durability  full (an event counts as taken in when it is on the disk)",
        "log         12,345 events, the newest 3 minutes ago",
        "outputs     4,000 in all, 12 today",
        "feedback    8,000 in all, 40 today",
        "spool       nothing waits",
        "quarantine  empty",
        "promotion   first needs a workload (none yet) and 200 more rated judge outputs",
        "views       up to date",
        "",
        "artifact type    outputs   feedback",
        "erd                3,000      5,000",
        "(none given)       1,000      3,000",
    ]


def test_the_page_of_a_folder_that_nobody_serves():
    """What waits is said, and the one thing to do."""
    found = a_status(
        pid=None,
        log=LogState(0, None, {}),
        spool=SpoolState(3, 2, 1_234_567),
        quarantined=1,
        quarantine_reason="expected JSON\x1b[2J",
        durability="normal",
        artifact_types=[],
        views_at=0,
    )
    page = page_of(found, NOW, 80)
    assert page[1:4] == [
        "daemon      not running",
        "durability  normal (a power cut may take back the newest commits)",
        "log         0 events",
    ]
    assert page[6:] == [
        "spool       1.2 MB in 2 files, and nobody reads it",
        "quarantine  1 line, the newest: expected JSON\\x1b[2J",
        "promotion   first needs a workload (none yet) and 200 more rated judge outputs",
        "views       up to date",
        "",
        "next: start the daemon, so that what waits in the spool is taken in: adaptd run",
    ]


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"pid": None}, "start the daemon: adaptd run"),
        ({"volume": Volume()}, "record feedback, from your program or with: adaptd record-feedback --help"),
        ({"volume": Volume(), "quarantined": 2}, "see why events could not be taken in: adaptd events tail"),
        ({}, None),
    ],
)
def test_there_is_one_next_step_or_none(changes, step):
    """The most pressing one."""
    assert a_status(**changes).next_step == step


@pytest.mark.parametrize("width", [80, 60])
def test_no_line_is_wider_than_the_terminal(width):
    """Long paths keep both ends, long names and reasons their beginning."""
    found = a_status(
        state_dir="/srv/" + "deep/" * 40 + "state",
        quarantined=2,
        quarantine_reason="r" * 300,
        artifact_types=[("t" * 200, Volume(10**9, 10**9))],
        other_artifact_types=Volume(5, 6),
        pid=None,
        spool=SpoolState(9, 9, 10**12),
    )
    page = page_of(found, NOW, width)
    assert max(map(len, page)) <= width
    assert page[0].startswith("state       /srv/deep/")
    assert page[0].endswith("/deep/state")
    assert any(line.startswith("(all others) ") for line in page)
    assert " ".join(" ".join(page).split()).endswith("so that what waits in the spool is taken in: adaptd run")


def test_views_that_are_behind_are_said_to_be():
    """The counts are then those of a while ago."""
    assert "views       45 events behind the log" in page_of(a_status(views_at=12_300), NOW, 80)


def test_a_real_folder_with_the_daemon_down(folder, capsys):
    """Counts from the views, the log's head, the reason of the newest quarantined line; exit code 0."""
    assert main(["status"]) == 0
    out, err = capsys.readouterr()
    assert not err
    assert "daemon      not running\n" in out
    assert f"log         {made_state.EVENTS} events, the newest " in out
    assert "outputs     2 in all, 0 today\n" in out
    assert "feedback    2 in all, 0 today\n" in out
    assert "quarantine  1 line, the newest: " in out
    assert out.endswith("\nnext: start the daemon: adaptd run\n")


def test_the_same_as_json(folder, capsys):
    """One document, with its schema; numbers as numbers."""
    made_state.spool(folder, [{"kind": "feedback_recorded/1", "id": "later"}], rotation=2)
    assert main(["status", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "adaptd.status/1"
    assert document["state_dir"] == str(folder / "state")
    assert document["config"] == str(folder / "config.toml")
    assert document["daemon"] == {"running": False, "pid": None}
    assert document["durability"] == "full"
    assert document["log"]["events"] == made_state.EVENTS
    assert document["log"]["newest_at"] == "2023-11-14T22:13:20.000000Z"
    assert document["log"]["newest_age_seconds"] > 0
    assert document["outputs"] == {"total": 2, "today": 0}
    assert document["feedback"] == {"total": 2, "today": 0, "waiting": 0, "waiting_since": None}
    assert {"artifact_type": "erd", "outputs": 1, "feedback": 1} in document["artifact_types"]
    assert document["spool"]["files"] == document["spool"]["unread_files"] == 1
    assert document["spool"]["unread_bytes"] > 50
    assert document["quarantine"]["count"] == 1
    assert document["views"] == {"position": made_state.EVENTS, "behind": 0}
    assert document["next_step"].startswith("start the daemon, so that what waits")


def test_a_folder_before_its_first_daemon(tmp_path, monkeypatch, capsys):
    """There is no log yet, and that is nothing to fail over."""
    monkeypatch.chdir(made_state.init(tmp_path))
    assert main(["status", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["log"] == {"events": 0, "newest_at": None, "newest_age_seconds": None}
    assert list((tmp_path / "state").iterdir()) == [tmp_path / "state" / "spool"]


def test_a_state_folder_that_is_not_there(tmp_path, monkeypatch, capsys):
    """Somebody wrote a config.toml by hand."""
    (tmp_path / "config.toml").write_text("[adaptd]\n")
    monkeypatch.chdir(tmp_path)
    assert main(["status"]) == 0
    assert "daemon      not running" in capsys.readouterr().out


def test_a_daemon_that_is_needed_and_missing_is_exit_code_3(folder, capsys):
    """What is there is printed all the same."""
    assert main(["status", "--require-daemon"]) == 3
    out, err = capsys.readouterr()
    assert "daemon      not running" in out
    assert err == (
        f"adaptd: the daemon does not run on {folder}/state, and --require-daemon asks for it. Start it: adaptd run\n"
    )


def test_a_daemon_that_holds_the_lock_is_running(folder, capsys):
    """By the lock, not by the pid."""
    lock = StateLock.take(folder / "state", "4711 2026-11-21T00:00:00+00:00")
    assert main(["status", "--require-daemon", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["daemon"] == {"running": True, "pid": 4711}
    lock.release()


def test_a_wrong_configuration_is_said_first(folder, capsys):
    """The page all the same, every fault on stderr, and exit code 78: the next start of the daemon would fail."""
    (folder / "config.toml").write_text('[adaptd]\nstat_dir = "x"\n[log]\ndurability = "ful"\n')
    assert main(["status"]) == 78
    out, err = capsys.readouterr()
    assert out.startswith("config      WRONG in 2 places: the daemon will not start\nstate       ")
    assert out.endswith("\nnext: correct the configuration: adaptd config check\n")
    faults = [
        "config.toml:2:1: adaptd.stat_dir: expected one of state_dir, found an unknown key, did you mean state_dir?",
        'config.toml:4:14: log.durability: expected "full" or "normal", found "ful", did you mean "full"?',
    ]
    assert err.splitlines() == faults
    assert main(["status", "--json", "--quiet"]) == 78
    document = json.loads(capsys.readouterr().out)
    assert document["config_faults"] == faults
    assert document["next_step"] == "correct the configuration: adaptd config check"


def test_a_running_daemon_goes_on_with_what_it_has_read():
    """It refuses the wrong file, and keeps the old values."""
    page = page_of(a_status(config_faults=["c.toml:1:1: …"]), NOW, 80)
    assert page[0] == "config      WRONG in 1 place: the daemon goes on with what it has read"


def test_the_environment_counts_for_status(folder, capsys, monkeypatch):
    """What it says holds, and is said."""
    monkeypatch.setenv("ADAPTD__LOG__DURABILITY", "normal")
    assert main(["status"]) == 0
    assert "durability  normal (" in capsys.readouterr().out


def test_feedback_without_an_output_is_told(folder, capsys):
    """How much, and for how long: somebody gives a wrong output_id."""
    page = page_of(a_status(waiting=1_200, waiting_since=NOW - 3 * 86_400_000_000), NOW, 80)
    assert "feedback    8,000 in all, 40 today; 1,200 without output, the oldest 3 days" in page
    made_state.spool(folder, [{"kind": "feedback_recorded/1", "id": "x", "output_id": "wrong", "score": 1}], rotation=2)
    assert main(["forget", "nobody", "--yes"]) == 0
    capsys.readouterr()
    assert main(["status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["feedback"]
    assert (told["waiting"], told["waiting_since"][-1]) == (1, "Z")


def test_what_is_redacted_is_told(folder, capsys):
    """By name, and of a hook beside the configuration its file; without any nothing is said."""
    assert main(["status"]) == 0
    assert "\nredacted" not in capsys.readouterr().out
    (folder / "mask.py").write_text("def clean(text): return text")
    (folder / "config.toml").write_text('[adaptd]\n[privacy]\nredact = ["e-mail", "mask:clean", "textwrap:dedent"]\n')
    page = page_of(a_status(redactions=[("e-mail", None), ("mask:clean", "/srv/mask.py")]), NOW, 80)
    assert "redacted    e-mail, mask:clean (/srv/mask.py)" in page
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["privacy"]["redact"] == [
        {"name": "e-mail", "file": None},
        {"name": "mask:clean", "file": f"{folder}/mask.py"},
        {"name": "textwrap:dedent", "file": None},
    ]


def test_what_a_first_promotion_still_needs_is_told(tmp_path, monkeypatch, capsys):
    """It becomes less with every rated output on the judge side, and at 200 it is enough."""
    monkeypatch.chdir(made_state.init(tmp_path))
    lines = [
        {"kind": "feedback_recorded/1", "id": f"f{number}", "input": f"q{number}", "output": "a", "score": 50.0}
        for number in range(60)
    ]
    made_state.take_in(tmp_path, lines)
    assert main(["status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["first_promotion"]
    rated = told["rated_judge_examples"]
    assert 5 < rated < 50, "some 40% of them at first"
    assert told["missing"] == ["a workload (none yet)", f"{200 - rated} more rated judge outputs"]
    assert a_status(rated_judge_examples=200).missing_for_promotion == ["a workload (none yet)"]


# Nights


def with_nights(*workloads, window="01:00-06:00", on=None, **told):
    nights = NightOutlook("Europe/Berlin", window, on, **told)
    return a_status(nights=nights, workloads=workloads or [WorkloadOutlook("support")])


def line_of(found, now, name="nights", width=80):
    (line,) = [line for line in page_of(found, now, width) if line.startswith(f"{name} ")]
    return line[12:]


EVENING = at(2026, 11, 20, 21)  # ten o'clock in Berlin


@pytest.mark.parametrize(
    ("told", "now", "line"),
    [
        ({}, EVENING, "next 01:00-06:00 Europe/Berlin, in 3 hours"),
        ({}, EVENING + 4 * HOUR, "open until 06:00 Europe/Berlin"),
        ({"window": "23:00-05:00"}, EVENING + HOUR, "open until 2026-11-21 05:00 Europe/Berlin"),
        ({"late_until": EVENING + HOUR}, EVENING, "open until 23:00 Europe/Berlin"),
        ({"late_until": EVENING}, EVENING, "next 01:00-06:00 Europe/Berlin, in 3 hours"),
        ({"window": "off"}, EVENING, "off: no window, only what is asked for by `adaptd train now`"),
        ({"on": {"sat": "off"}}, EVENING, "next 01:00-06:00 Europe/Berlin, in 1 day"),
        (
            {"pause": {"since": 1, "until": None, "reason": "a demonstration"}},
            EVENING + 4 * HOUR,
            "paused until somebody resumes (a demonstration)",
        ),
        (
            {"pause": {"since": 1, "until": EVENING + 4 * HOUR, "reason": None}},
            EVENING,
            "paused until 2026-11-21 02:00 Europe/Berlin",
        ),
        (
            {"pause": {"since": 1, "until": EVENING, "reason": None}},
            EVENING,
            "next 01:00-06:00 Europe/Berlin, in 3 hours",
        ),
    ],
)  # fmt: skip
def test_when_models_may_be_trained_is_one_line(told, now, line):
    """Open, paused, when next, or never; by the clock on the wall."""
    assert line_of(with_nights(**told), now) == line


def test_each_workload_has_a_line():
    """Its newest batch, and why there was none since, or that somebody asked."""
    found = with_nights(
        WorkloadOutlook(
            "chat", batch=7, batch_at=NOW - 48 * HOUR, not_formed="old news", not_formed_at=NOW - 49 * HOUR
        ),
        WorkloadOutlook("support", not_formed="12 of 40 new examples", not_formed_at=NOW - 3 * HOUR),
        WorkloadOutlook("erd", asked_at=NOW - HOUR // 6),
        WorkloadOutlook("sql", batch=3, batch_at=NOW - 48 * HOUR, not_formed="x\x1b[2J", not_formed_at=NOW - 3 * HOUR),
    )
    page = page_of(found, NOW, 80)
    first = page.index("workload      newest batch")
    assert page[first - 1 : first + 5] == [
        "",
        "workload      newest batch",
        "chat          batch 7, 2 days ago",
        "support       none yet; 12 of 40 new examples (3 hours ago)",
        "erd           none yet; asked for 10 minutes ago",
        "sql           batch 3, 2 days ago; x\\x1b[2J (3 hours ago)",
    ]


def test_what_a_first_promotion_needs_is_less_with_a_workload():
    """Then a batch; then a model."""
    told = line_of(with_nights(), NOW, "promotion")
    assert told == "first needs a batch to learn from and 200 more fair judge examples"
    found = a_status(workloads=[WorkloadOutlook("chat", batch=1, batch_at=NOW)], rated_judge_examples=200)
    assert line_of(found, NOW, "promotion") == "first needs a model that is better"


def with_models(*shorts, ratings="all", **changes):
    models = [ModelsOutlook(f"w{number}", ratings, 200, short) for number, short in enumerate(shorts)]
    workloads = [WorkloadOutlook(one.name, batch=1, batch_at=NOW) for one in models]
    return a_status(models=models, workloads=workloads, **changes)


def test_only_fair_examples_count_towards_a_promotion():
    """Volunteered ratings do not; those that were asked for do, and those of a workload where all are rated."""
    counts = {"rated_judge_examples": 190, "asked_judge_examples": 30}
    assert with_models(None, **counts).missing_for_promotion == ["10 more fair judge examples"]
    assert with_models(None, ratings="volunteered", **counts).missing_for_promotion == ["170 more fair judge examples"]
    assert line_of(with_models({"champion": 3, "since": NOW}, **counts), NOW, "promotion").startswith("next needs 10")


def test_the_model_in_use_has_a_line_with_what_was_decided_last():
    """Calm, and whole however narrow."""
    champion = {"champion": 3, "since": NOW, "figure": {"metric": "accuracy", "value": 0.9123}}
    down = {"kind": "challenger_turned_down", "model": 4, "sentence": "Turned down: accuracy -2.0 points on 300."}
    hand = down | {
        "verdict": "by hand",
        "sentence": "Not promoted by itself: 0 fair examples. A person may promote it.",
    }
    found = with_models(
        champion | {"decided": down},
        champion | {"decided": {"kind": "challenger_promoted", "model": 3, "sentence": "Promoted: so."}},
        {"champion": None, "challenger": 1},
        {"champion": 0, "since": NOW, "challenger": 5, "decided": hand | {"model": 5}},
        {"champion": 0, "since": NOW, "challenger": 5, "decided": down},
        {"champion": None, "decided": down | {"failed": "no baseline"}},
        None,
    )
    day = short_moment_of(NOW)[:10]
    assert [one.told for one in found.models] == [
        [f"champion 3 since {day}: accuracy 0.912", "4 was turned down: accuracy -2.0 points on 300"],
        [f"champion 3 since {day}: accuracy 0.912"],
        ["no champion yet", "1 waits to be judged"],
        [f"champion 0 since {day}", "5 was left for a person to say: 0 fair examples. A person may promote it"],
        [f"champion 0 since {day}", "5 waits to be judged"],
        ["no champion yet", "4 was turned down: no baseline"],
        [],
    ]
    page = page_of(found, NOW, 60)
    assert "model         which is in use" in page
    assert max(map(len, page)) <= 60
    first = page.index(f"w3            champion 0 since {day}")
    assert page[first + 1 : first + 3] == [
        "              5 was left for a person to say: 0 fair",
        "                examples. A person may promote it",
    ]


def test_nights_and_workloads_are_told_to_programs(tmp_path, monkeypatch, capsys):
    """As the view of the log knows them; without a workload there are none."""
    monkeypatch.chdir(made_state.init(tmp_path))
    assert main(["status", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["nights"], document["workloads"]) == (None, [])
    config = (tmp_path / "config.toml").read_text().replace('timezone = "UTC"', 'timezone = "Europe/Berlin"')
    (tmp_path / "config.toml").write_text(f"{config}[workloads.support]\n")
    assert main(["pause", "--until", "2099-11-26 06:00", "--reason", "why"]) == 0
    capsys.readouterr()
    assert main(["status", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    told = document["nights"]
    assert (told["state"], told["timezone"], told["reason"]) == ("paused", "Europe/Berlin", "why")
    assert told["until"] == "2099-11-26T05:00:00.000000Z"
    assert told["next_opens_at"] < told["next_closes_at"]
    assert document["workloads"] == [
        {"workload": "support"} | dict.fromkeys(("asked_at", "batch", "batch_at", "not_formed", "not_formed_at"))
    ]


@pytest.mark.parametrize(
    ("told", "ratings"),
    [
        ({}, "volunteered"),
        ({"ratings": "random"}, "random"),
        ({"ratings_of": {"human": "volunteered", "code": "all"}}, "all"),
    ],
)
def test_ratings_count_as_fair_where_those_of_any_source_are(told, ratings):
    """`adaptd gate show` counts them one by one; here they are not looked at."""
    (found,) = models_outlooks({"workloads": {"w": told}}, {}, {})
    assert found.ratings == ratings
