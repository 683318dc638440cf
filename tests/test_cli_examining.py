"""`adaptd doctor`: each thing that may be wrong is found, named and given a next step."""

import hashlib
import json
import subprocess

import pytest

from daemon import examining
from daemon.cli.main import main
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_log import Entry
from daemon.import_origins import Misplaced
from daemon.queries import LogState, SpoolState
from daemon.sqlite_log import SqliteEventLog
from daemon.views.store import Views
from tests import made_state
from tests.test_cli_status import a_status
from tests.test_running import running
from tests.test_workload_checking import WORKLOAD

NOW = made_state.NOW
HOUR = 3600 * 1_000_000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made_state.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def plenty_of_room(monkeypatch):
    monkeypatch.setattr(examining, "disk", lambda _: examining.Finding("disk", "ok", "plenty"))


real_disk = examining.disk


def found(capsys, *options):
    code = main(["doctor", "--json", *options])
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["ok"]) == ("adaptd.doctor/1", code == 0)
    return code, {finding["name"]: finding for finding in document["findings"]}


def test_a_healthy_place_is_told_line_by_line(folder, capsys):
    """A level, a name and what was found; exit code 0 though something was quarantined."""
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[1] for line in lines if not line.startswith(" ")]
    assert names == [
        *("config", "sqlite", "disk", "clock", "permissions", "modules", "installed"),
        *("spool", "quarantine", "feedback", "views", "runs", "forgetting", "prepared", "redaction", "torch", "gpu"),
    ]
    assert "ok    permissions  databases 0600 or 0640, folder its owner's, spool 2770" in lines
    assert any(line.startswith("warn  quarantine   1 came that could not be taken in") for line in lines)
    assert "                   → correct the program that sent it; see adaptd events tail" in lines


@pytest.mark.parametrize(
    ("name", "mode", "level"),
    [
        *[("keys.db", 0o640, "bad"), ("quarantine.db", 0o640, "bad"), ("events.db", 0o660, "bad")],
        *[("events.db", 0o644, "warn"), ("spool", 0o777, "warn"), (".", 0o755, "warn"), (".", 0o2770, "bad")],
    ],
)
def test_files_that_too_many_may_read(folder, name, mode, level, capsys):
    """The command that puts it right is told; open keys are bad."""
    path = folder / "state" / name
    path.chmod(mode)
    code, findings = found(capsys)
    assert (findings["permissions"]["level"], code) == (level, int(level == "bad"))
    assert findings["permissions"]["next_step"].startswith("chmod ")
    assert str(path) in findings["permissions"]["next_step"]  # or the file beside it, which has its mode


def test_redactions_are_loaded_and_tried(folder, capsys):
    """A hook is told with its file and the hash of it; one that does not work is bad."""
    assert found(capsys)[1]["redaction"]["found"] == "off: texts are stored as they come"
    mask = folder / "mask.py"
    mask.write_text("def clean(text): return text")
    (folder / "config.toml").write_text('[adaptd]\n[privacy]\nredact = ["e-mail", "mask:clean"]\n')
    digest = hashlib.sha256(mask.read_bytes()).hexdigest()[:16]
    assert found(capsys)[1]["redaction"]["found"] == f"e-mail; mask:clean from {mask}, sha256 {digest}"
    mask.write_text("def clean(text): pass")
    code, findings = found(capsys)
    assert (code, findings["redaction"]["level"]) == (1, "bad")
    assert findings["redaction"]["found"].endswith("found returned NoneType")
    assert findings["redaction"]["next_step"].startswith("Correct config.toml or the module")


def test_a_folder_and_a_log_of_two_users(folder, monkeypatch, capsys):
    """Whoever owns the folder can replace the log; both commands that mend it are told."""
    state, real = folder / "state", examining.Path.stat
    monkeypatch.setattr(
        examining.Path,
        "stat",
        lambda path, **how: Owned(real(path, **how), 33) if path == state else real(path, **how),
    )
    code, findings = found(capsys)
    told = findings["permissions"]
    assert (code, told["level"]) == (1, "bad")
    log_of = real(state / "events.db").st_uid
    assert told["found"] == f"{state}: belongs to user 33, and the log in it to user {log_of}"
    assert told["next_step"] == f"chown {log_of} {state} && chmod 2750 {state}"


class Owned:
    """What `stat` says of a path, had it another owner."""

    def __init__(self, found, owner):
        self._found, self.st_uid = found, owner

    def __getattr__(self, name):
        return getattr(self._found, name)


def test_a_place_that_is_not_there(folder, capsys):
    """Somebody deleted the state folder."""
    (folder / "state").rename(folder / "away")
    code, findings = found(capsys)
    assert code == 1
    assert findings["permissions"]["next_step"] == "make it: adaptd init"
    (folder / "state").mkdir(mode=0o750)
    assert "mkdir -m 2770" in found(capsys)[1]["permissions"]["next_step"]


@pytest.mark.parametrize(
    ("version", "level"),
    [((3, 6, 23), "ok"), ((3, 7, 0), "warn"), ((3, 51, 2), "warn"), ((3, 51, 3), "ok"), ((3, 52, 0), "ok")],
)
def test_versions_of_sqlite_that_lose_commits(version, level):
    """3.7.0 to 3.51.2."""
    assert examining.sqlite(version).level == level


@pytest.mark.parametrize(("free", "level"), [(100 << 20, "bad"), (1 << 30, "warn"), (50 << 30, "ok")])
def test_a_disk_that_fills(free, level):
    """Before it is full."""
    assert real_disk(free).level == level


def test_a_clock_that_was_set_back():
    """The log knows a later time; a minute is nothing."""
    assert examining.time_of_day(NOW, None).level == "ok"
    assert examining.time_of_day(NOW, NOW + 59_000_000).level == "ok"
    late = examining.time_of_day(NOW, NOW + 61_000_000)
    assert late.level == "bad"
    assert "2023-11-14T22:13:20, and the newest event came at 2023-11-14T22:14:21" in late.found


def test_modules_and_distributions_that_are_not_ours(monkeypatch):
    """Each with where it would come from."""
    stranger = Misplaced("components.x", "/ours/x.py", "/theirs/x.py")
    monkeypatch.setattr(examining.import_origins, "misplaced", lambda: [stranger])
    (finding,) = examining.floors()
    assert (finding.level, "/theirs/x.py" in finding.found) == ("bad", True)
    monkeypatch.setattr(examining.import_origins, "both_distributions", lambda: "both are installed. Run `pip`")
    assert examining.distributions() == ("installed", "bad", "both are installed", "Run `pip`")


def test_spools_that_nobody_reads():
    """Only after an hour, and worse when a daemon runs."""
    waiting = {"spool": SpoolState(2, 2, 500)}
    assert examining.spools(a_status(), None, NOW).level == "ok"
    assert examining.spools(a_status(**waiting), NOW - HOUR // 2, NOW).level == "ok"
    assert examining.spools(a_status(pid=None, **waiting), NOW - 2 * HOUR, NOW).level == "warn"
    assert examining.spools(a_status(**waiting), NOW - 2 * HOUR, NOW).level == "bad"


def test_the_oldest_unread_file_counts(folder):
    """Files that were read to their end do not."""
    path = made_state.spool(folder, [{"id": "x"}], rotation=2)
    spool = folder / "state" / "spool"
    assert examining.oldest_unread(spool, {}) == path.stat().st_mtime_ns // 1000
    assert examining.oldest_unread(spool, {path.name: path.stat().st_size}) is None


def test_feedback_whose_output_does_not_come():
    """For a day it is early; then it names an output that nobody recorded."""
    assert examining.feedback(a_status(), NOW).found == "none waits for its output"
    early = examining.feedback(a_status(waiting=1_200, waiting_since=NOW - 23 * HOUR), NOW)
    assert (early.level, early.found) == (
        "ok",
        "1,200 on outputs that have not come, the oldest since 2023-11-13T23:13:20",
    )
    lost = examining.feedback(a_status(waiting=1, waiting_since=NOW - 25 * HOUR), NOW)
    assert lost.level == "warn"
    assert lost.next_step.startswith("see that your program gives the output_id that record_output returned")


def test_views_that_are_behind():
    """A running daemon may be a little."""
    log = {"log": LogState(20_000, NOW, {})}
    assert examining.views(a_status(views_at=12_000)).level == "ok"
    assert examining.views(a_status(views_at=5, **log)).next_step == "wait a moment"
    assert examining.views(a_status(views_at=19_999, pid=None, **log)).next_step == "start the daemon: adaptd run"


def test_a_forgetting_that_is_half_done(folder, capsys):
    """It would be finished by the next start."""
    (folder / "state" / "forgetting").write_text("x")
    code, findings = found(capsys)
    assert (code, findings["forgetting"]["level"]) == (1, "bad")


@pytest.mark.parametrize(
    ("told", "level", "expected"),
    [
        (FileNotFoundError(), "ok", "none; runs have the CPU"),
        (subprocess.CalledProcessError(9, "nvidia-smi"), "warn", "nvidia-smi fails: "),
        (subprocess.CompletedProcess([], 0, "H, 1 MiB\nH, 2 MiB\n"), "ok", "H, 1 MiB; H, 2 MiB"),
    ],
)
def test_what_nvidia_smi_says(told, level, expected):
    """A machine without one is no fault; a driver that fails is."""

    def run(*_, **__):
        if isinstance(told, Exception):
            raise told
        return told

    finding = examining.gpu(run, lambda _: "there")
    assert finding.level == level
    assert finding.found.startswith(expected)


def test_a_gpu_that_runs_cannot_see():
    """The driver is there, and the library that asks it is not."""
    finding = examining.gpu(lambda *_, **__: subprocess.CompletedProcess([], 0, "H, 1 MiB\n"), lambda _: None)
    assert (finding.level, finding.found) == ("warn", "H, 1 MiB; nvidia-ml-py is not installed")
    assert finding.next_step.endswith("pip install 'adaptd[gpu]'")


def test_a_host_sees_its_event_arrive(folder, capsys):
    """As this user, through the running daemon."""
    with running(folder) as daemon:
        code, findings = found(capsys, "--host")
        assert daemon.end() == 0
    assert (code, findings["host"]["level"]) == (0, "ok")
    assert " was in the log after " in findings["host"]["found"]


def test_a_host_without_a_daemon_is_told(folder, capsys):
    """The event waits in the spool."""
    code, findings = found(capsys, "--host")
    assert (code, findings["host"]["level"]) == (0, "warn")
    assert "no daemon runs" in findings["host"]["found"]


def test_a_host_that_cannot_record_is_told(folder, capsys):
    """What is in the way, and where to look."""
    (folder / "state" / "spool").rmdir()
    (folder / "state" / "spool").write_text("in the way")
    code, findings = found(capsys, "--host")
    assert (code, findings["host"]["level"]) == (1, "bad")
    assert " cannot record: " in findings["host"]["found"]


def test_an_event_that_does_not_arrive_is_told(folder, monkeypatch):
    """A daemon runs and does not take it in."""
    import adaptd

    adaptd.configure(state_dir=folder / "state")
    monkeypatch.setattr(examining, "running_pid", lambda _: "1")
    finding = examining.watch_one_event(folder / "state", StoppedClock(NOW), lambda: None, tries=2)
    assert finding.level == "bad"
    assert finding.found.endswith("is in the spool and did not arrive")


def test_a_wrong_configuration_is_bad(folder, capsys):
    """With the first fault, how many there are, and what names them all."""
    (folder / "config.toml").write_text('[adaptd]\n[logs]\n[log]\ndurability = "ful"\n')
    assert main(["doctor"]) == 1
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("bad   config       wrong in 2 places, the first: config.toml:2:2: logs: expected one of ")
    assert second == f"{'':18} → correct it: `adaptd config check` names every place"
    assert examining.configuration(["c:1:1: it is so"]).found == "c:1:1: it is so"


def test_what_workloads_name_is_loaded(folder, capsys):
    """Bad when it cannot be used, which no other short look would notice."""
    path = folder / "plugins" / "workloads" / "small.py"
    path.parent.mkdir(parents=True)
    path.write_text(WORKLOAD)
    config = '[adaptd]\n[workloads.support]\nplugin = "small"\nstages = []\n'
    (folder / "config.toml").write_text(config)
    told = found(capsys)[1]["workloads"]
    assert (told["level"], told["found"]) == ("ok", "support: plugins and stages can be used")
    (folder / "config.toml").write_text(config + 'mode = "lora"\nsettings = { epoch = 1 }\n')
    code, findings = found(capsys)
    told = "config.toml:6:14: workloads.support.settings.epoch: an unknown key, expected one of epochs"
    assert (code, findings["config"]["level"]) == (1, "ok")
    assert findings["workloads"]["found"].startswith(told)
    (folder / "config.toml").write_text(config + 'mode = "lora"\nstage = { x = {} }\n')
    assert found(capsys)[1]["workloads"]["found"].startswith(
        "wrong in 2 places, the first: config.toml:5:8: workloads."
    )


def test_runs_are_looked_at(tmp_path):
    """A folder that others may read is bad; a run that was given up is to be looked into."""
    state = made_state.make(tmp_path) / "state"
    assert examining.runs(state) == examining.Finding("runs", "ok", "none yet")
    body = {"run": "run-0001", "batch": 1, "workload": "a", "seed": 1}
    failed = {"run": "run-0001", "how": "died", "reason": "signal 9", "final": True}
    log = SqliteEventLog.open(state / "events.db", StoppedClock(made_state.NOW), SeededChance(2))
    entries = [("run_planned/1", body), ("run_failed/1", failed)]
    log.append([Entry(kind, kind, 1, 1, body=json.dumps(body)) for kind, body in entries])
    with Views.open(state / "views.db", log) as views:
        views.catch_up()
    log.close()
    told = examining.runs(state)
    assert (told.level, told.found) == ("warn", "run-0001 was given up: signal 9")
    assert told.next_step == "see what it printed: adaptd runs logs run-0001"
    (state / "runs").mkdir(mode=0o755)
    told = examining.runs(state)
    assert (told.level, told.next_step) == ("bad", f"chmod 0700 {state / 'runs'}")
