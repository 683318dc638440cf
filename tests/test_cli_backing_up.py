"""`adaptd backup` and `adaptd restore`: what is checked, what is refused, and that a backup forgets again."""

import json
import os
import shutil
import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from daemon import backing_up
from daemon.cli.main import main
from daemon.clock_and_chance import SeededChance
from daemon.sealing import Sealing
from daemon.state_lock import StateLock
from tests import made_state
from tests.test_cli_forgetting import holding
from tests.test_running import running


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "place"
    made_state.make(folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def archive(folder, tmp_path, capsys):
    path = tmp_path / "backup.tar"
    assert main(["backup", str(path)]) == 0
    capsys.readouterr()
    return path


def shown(capsys, event_id, *config):
    assert main([*config, "events", "show", event_id, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_backup_is_one_checked_file_for_its_owner(folder, tmp_path, capsys):
    """0600 whatever the umask, no leftovers beside it, the head in what is printed."""
    assert main(["backup", str(tmp_path / "b.tar"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["head"]["seq"]) == ("adaptd.backup/1", made_state.EVENTS)
    path = Path(document["file"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert document["bytes"] == path.stat().st_size
    assert sorted(os.listdir(tmp_path)) == ["b.tar", "place"]
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["manifest.json", "events.db", "keys.db", "quarantine.db"]


def test_without_a_name_it_is_named_after_the_moment(folder, capsys):
    """In the working folder; plain words say how much is in it."""
    assert main(["backup"]) == 0
    out = capsys.readouterr().out
    (path,) = folder.glob("adaptd-*.tar")
    assert out.startswith(f"{path}: {made_state.EVENTS} events, ")
    assert out.endswith(", read back and checked\n")


def test_it_is_made_while_the_daemon_runs(folder, tmp_path, capsys):
    """What the daemon has committed is in it."""
    with running(folder) as daemon:
        daemon.ask({"kind": "output_recorded/1", "id": "live", "output": "x"})
        assert main(["backup", str(tmp_path / "b.tar"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["head"]["seq"] == made_state.EVENTS + 2
        assert main(["restore", str(tmp_path / "b.tar"), "--force"]) == 75
        daemon.end()


def test_it_is_restored_elsewhere(folder, archive, tmp_path, capsys):
    """Events, texts, quarantine and a log that verifies."""
    there = tmp_path / "there"
    assert main(["restore", str(archive), "--to", str(there / "state")]) == 0
    out = capsys.readouterr().out
    assert out == f"{there}/state: {made_state.EVENTS} events; 0 subjects forgotten again\n"
    (there / "config.toml").write_text("[adaptd]\n")
    config = ("--config", str(there / "config.toml"))
    assert shown(capsys, "fb-2", *config)["body"]["comment"] == "alice's secret"
    assert main([*config, "events", "verify"]) == 0
    assert main([*config, "replay", "--check"]) == 0
    modes = {name: stat.S_IMODE((there / "state" / name).stat().st_mode) for name in ("keys.db", "events.db")}
    assert modes == {"keys.db": 0o600, "events.db": 0o640}


def test_a_log_that_is_there_is_not_overwritten(folder, archive, capsys):
    """Unless that is asked for."""
    made_state.spool(folder, [], rotation=2)
    made_state.take_in(folder, [{"kind": "output_recorded/1", "id": "newer", "output": "x"}])
    assert main(["restore", str(archive)]) == 1
    assert "expected an empty place; nothing was changed" in capsys.readouterr().err
    assert shown(capsys, "newer")
    assert main(["restore", str(archive), "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["head"]["seq"] == made_state.EVENTS
    assert main(["events", "show", "newer"]) == 4


def test_a_backup_forgets_again(folder, archive, capsys):
    """Restored over the place that knows: the key is gone, the event is in the log, late events are refused."""
    assert main(["forget", "alice", "--yes"]) == 0
    assert main(["restore", str(archive), "--force", "--json"]) == 0
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document["forgotten"] == 1
    assert holding(folder, "alice") == []
    assert shown(capsys, "fb-2")["sealed"] == "not readable here"
    made_state.spool(folder, [], rotation=2)
    made_state.take_in(folder, [{"kind": "output_recorded/1", "id": "late", "output": "x", "subject": "alice"}])
    assert main(["events", "show", "late"]) == 4
    assert main(["events", "verify"]) == 0


def test_a_kill_while_it_is_put_in_place_brings_nobody_back(folder, archive, monkeypatch):
    """The keys are destroyed in what was unpacked, before anything of it is in the state folder."""
    assert main(["forget", "alice", "--yes"]) == 0

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("daemon.backing_up._forget_again", killed)
    assert main(["restore", str(archive), "--force"]) == 130
    assert not [path for path in holding(folder, "alice") if path.name != "quarantine.db"]


def test_restored_elsewhere_it_forgets_whom_the_configured_place_knows(folder, archive, tmp_path, capsys):
    """A new folder has no memory of its own."""
    assert main(["forget", "alice", "--yes"]) == 0
    assert main(["restore", str(archive), "--to", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.endswith("1 subject forgotten again\n")
    assert not [p for p in (tmp_path / "new").rglob("*") if p.is_file() and b"alice" in p.read_bytes()]


def test_a_backup_of_a_forgetting_that_was_cut_short_finishes_it(folder, archive, tmp_path, capsys):
    """Its log says that the subject was forgotten; its keys are those of before."""
    keys = (folder / "state" / "keys.db").read_bytes()
    assert main(["forget", "alice", "--yes"]) == 0
    (folder / "state" / "keys.db").write_bytes(keys)
    assert main(["backup", str(tmp_path / "b.tar")]) == 0
    shutil.rmtree(folder / "state")
    assert main(["restore", str(tmp_path / "b.tar")]) == 0
    assert holding(folder, "alice") == []


def test_keys_of_another_log_cannot_tell_who_was_forgotten(folder, archive, capsys):
    """That is said, and makes it fail."""
    assert main(["forget", "alice", "--yes"]) == 0
    (folder / "state" / "keys.db").unlink()
    Sealing.open(folder / "state" / "keys.db", SeededChance(9)).close()
    assert main(["forget", "alice", "--yes"]) == 0
    assert main(["restore", str(archive), "--force"]) == 1
    assert "is of another log, so its 1 forgotten subjects are not known here" in capsys.readouterr().err


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_damaged_backup_is_refused(folder, archive, place, capsys):
    """One byte anywhere; what is there stays."""
    raw = bytearray(archive.read_bytes())
    with tarfile.open(archive) as tar:
        member = tar.getmember("events.db")
    raw[member.offset_data + int(member.size * place)] ^= 0xFF
    archive.write_bytes(raw)
    assert main(["restore", str(archive), "--force"]) == 1
    assert "events.db is damaged: its hash is another; expected a backup" in capsys.readouterr().err
    assert shown(capsys, "fb-2")["body"]["comment"] == "alice's secret"


def test_what_is_no_backup_is_refused(folder, tmp_path, capsys):
    """Another file, a cut one, an archive with a file that has no business there."""
    path = tmp_path / "odd.tar"
    path.write_bytes(b"no archive at all")
    assert main(["restore", str(path), "--force"]) == 1
    assert f"adaptd: {path}: cannot be read" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text('{"schema":"adaptd.backup/1","files":{"../evil":{}}}')
    with tarfile.open(path, "w") as tar:
        tar.add(tmp_path / "manifest.json", "manifest.json")
    assert main(["restore", str(path), "--force"]) == 1
    assert "holds '../evil', which is no file of a backup" in capsys.readouterr().err
    assert main(["restore", str(tmp_path / "none.tar")]) == 4


def test_there_has_to_be_something_to_back_up(tmp_path, monkeypatch, capsys):
    """Before the first daemon there is no log; no half archive is left."""
    monkeypatch.chdir(made_state.init(tmp_path))
    assert main(["backup", "b.tar"]) == 1
    assert "no log there, expected one to back up" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["config.toml", "state"]


def test_a_place_in_use_is_left_alone(folder, archive, capsys):
    """Exit code 75."""
    lock = StateLock.take(folder / "state", "1 test")
    assert main(["restore", str(archive), "--force"]) == 75
    lock.release()


def test_a_copy_is_of_one_moment_however_long_it_takes(tmp_path, monkeypatch):
    """Whoever writes all the while neither gets into it nor makes it begin anew."""
    monkeypatch.setattr(backing_up, "PAGES_AT_ONCE", 1)
    with closing(sqlite3.connect(tmp_path / "source.db")) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE t (x)")
        writer.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 200)
        writer.commit()
        told = []

        def tell(doing, done, total):
            told.append((doing, done, total))
            writer.execute("INSERT INTO t VALUES ('new')")
            writer.commit()

        backing_up._copy_database(tmp_path / "source.db", tmp_path / "copy.db", tell)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*), count(DISTINCT x) FROM t").fetchone() == (200, 1)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    total = told[-1][2]
    assert total > 50
    assert told == [("copying source.db", done, total) for done in range(1, total + 1)]


def test_what_is_taken_in_while_restoring_is_redacted(folder, archive, capsys):
    """Forgetting again takes in what waits in the spool, as the configuration says."""
    assert main(["forget", "alice", "--yes"]) == 0
    (folder / "config.toml").write_text('[adaptd]\n[privacy]\nredact = ["e-mail"]\n')
    made_state.spool(folder, [{"kind": "output_recorded/1", "id": "waits", "output": "bob@example.com"}], rotation=9)
    assert main(["restore", str(archive), "--force"]) == 0
    capsys.readouterr()
    assert shown(capsys, "waits")["body"]["output"] == "[e-mail]"


def test_a_redaction_that_cannot_be_used_stops_a_restore_before_anything(folder, archive, capsys):
    """The log that is there stays."""
    (folder / "config.toml").write_text('[adaptd]\n[privacy]\nredact = ["nowhere_at_all:clean"]\n')
    before = (folder / "state" / "events.db").read_bytes()
    assert main(["restore", str(archive), "--force"]) == 78
    assert "nowhere_at_all:clean" in capsys.readouterr().err
    assert (folder / "state" / "events.db").read_bytes() == before
