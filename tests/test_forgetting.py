"""A subject is forgotten: nothing of it is left anywhere in the state folder, and nothing else is touched."""

import fcntl
import json
import os
import sqlite3
from contextlib import closing
from hashlib import blake2b

import pytest

from daemon import forgetting, spool_reading
from daemon import intake as intake_module
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_log import COLUMNS
from daemon.event_reading import EventReader
from daemon.main_loop import MainLoop
from daemon.opening import open_state
from daemon.settings import Settings, settings_of
from daemon.views.store import rebuild_digests

NOW = 1_700_000_000_000_000
NAME = "alice-of-wonderland"
SECRET = "secret-knee"
WRITER = "00000000000000aa"


def line(event_id, kind="output_recorded/1", **fields):
    return {"kind": kind, "id": event_id} | fields


def feedback(event_id, **fields):
    return line(event_id, "feedback_recorded/1", **fields)


LINES = (
    feedback("early", output_id="a-1", comment=f"{SECRET} early", rater="ann"),
    line("a-1", input=f"{SECRET} input", output=f"{SECRET} output", subject=NAME),
    feedback("a-2", output_id="a-1", comment=f"{SECRET} comment", score=5),
    feedback("a-3", output_id="a-1", comment=f"{SECRET} out of range", score=1000),
    feedback("a-4", input=f"{SECRET} x", output="y", score=1000, subject=NAME),
    {"kind": "rejected/1", "id": "r", "call": "record_feedback", "field": "score", "reason": "nan"}
    | {"given": {"comment": f"'{SECRET} given'", "subject": repr(NAME)}},
    line("b-1", input="bobs input", output="bobs output", subject="bob"),
    feedback("b-2", output_id="b-1", comment=f"{SECRET} by alice on bobs", subject=NAME),
    feedback("b-3", output_id="a-1", comment="bobs comment on alices", subject="bob"),
    line("n-1", input="nobodys", output="nobodys output"),
    feedback("n-2", output_id="n-1", score=1000, comment="nobodys mistake"),
)


class Host:
    """Holds its spool file as a living host does."""

    def __init__(self, folder):
        self.path = folder / "spool" / f"{WRITER}-000001.ndjson"
        self.fd = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o660)
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        self.n = 0

    def write(self, *lines):
        for each in lines:
            self.n += 1
            text = json.dumps(each | {"writer": WRITER, "n": self.n, "at": NOW}).encode()
            os.write(self.fd, text + b"\n")

    def close(self):
        os.close(self.fd)


class Place:
    def __init__(self, folder):
        self.folder = folder
        self.chance = SeededChance(1)
        self.state = None
        self.open()

    def open(self, settings=Settings()):
        self.close()
        self.state = open_state(self.folder, settings, StoppedClock(NOW), self.chance)

    def close(self):
        if self.state is not None:
            self.state.close()
        self.state = None

    def turn(self):
        return MainLoop(self.state.intake, self.state.views).turn(NOW)

    def forget(self, subject=NAME):
        done = forgetting.forget(self.state, subject, NOW, self.chance)
        self.state.views.catch_up()
        return done

    def rows(self):
        return [dict(zip(COLUMNS, row, strict=True)) for row in self.state.log.read_after(0, 10_000)]

    def row(self, event_id):
        return next(row for row in self.rows() if row["id"] == event_id)

    def text_of(self, event_id):
        row = self.row(event_id)
        return self.state.sealing.unseal(row["subject"], row["sealed"], event_id)

    def kinds(self):
        return [row["kind"] for row in self.rows()]

    def holding(self, text):
        """Which files of the folder hold that text."""
        found = []
        for path in self.folder.rglob("*"):
            if path.is_file() and text.encode() in path.read_bytes():
                found.append(path.name)
        return found


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path / "state")
    yield place
    place.close()


@pytest.fixture
def host(place):
    host = Host(place.folder)
    host.write(*LINES)
    yield host
    host.close()


def test_nothing_of_the_subject_is_left_in_the_folder(place, host):
    """Sealed, early, quarantined, rejected, spooled by a living host: no file holds a word or the name."""
    place.turn()
    assert set(place.holding(SECRET)) >= {"quarantine.db", host.path.name}
    done = place.forget()
    assert place.holding(SECRET) == place.holding(NAME) == []
    assert (done.events, done.keys, done.quarantined, done.problems) == (5, 4, 3, ())
    assert done.spooled == 8
    assert place.text_of("a-1") is None
    assert place.text_of("early") is None
    assert place.text_of("b-2") is None


def test_the_others_keep_everything(place, host):
    """Events, quarantined lines and spool lines of others are as they were; the chain and the views agree."""
    place.turn()
    place.forget()
    assert place.text_of("b-1") == {"input": "bobs input", "output": "bobs output"}
    assert "nobodys output" in place.row("n-1")["body"]
    assert len(place.state.quarantine) == 1
    assert place.holding("bobs input") == place.holding("nobodys output")[-1:] == [host.path.name]
    assert place.state.log.verify().ok
    assert rebuild_digests(place.state.log) == place.state.views.digests()


def test_what_waits_in_the_spool_is_taken_in_first(place, host):
    """Nobody had a turn before: the lines are events and then forgotten, the others' are kept."""
    done = place.forget()
    assert done.events == 5
    assert place.holding(SECRET) == []
    assert place.text_of("b-1") is not None


def test_the_event_tells_pseudonyms_and_never_the_name(place, host):
    """What the log keeps of it is enough to do it again, and too little to say who it was."""
    place.forget()
    (row,) = [row for row in place.rows() if row["kind"] == "subject_forgotten/1"]
    body = json.loads(row["body"])
    assert set(body) == {"mark", "pseudonyms", "events"}
    assert place.row("a-1")["subject"] in body["pseudonyms"]
    assert place.row("b-1")["subject"] not in body["pseudonyms"]


def test_a_key_of_several_owners_goes_with_any_of_them(place, host):
    """What bob said of alice's output goes with bob too; what is alice's alone stays."""
    place.turn()
    assert place.text_of("b-3") == {"comment": "bobs comment on alices"}
    place.forget("bob")
    assert place.text_of("b-3") is place.text_of("b-2") is place.text_of("b-1") is None
    assert place.text_of("a-1")["input"] == f"{SECRET} input"


@pytest.mark.parametrize(
    "late",
    [
        line("late", input=f"{SECRET} late", output="o", subject=NAME),
        feedback("late", output_id="a-1", comment=f"{SECRET} late"),
        feedback("late", output_id="a-1", comment=f"{SECRET} late", subject="carol"),
        feedback("late", output="o", comment=f"{SECRET} late", score=1000, subject=NAME),
        {"kind": "rejected/1", "id": "late", "call": "c", "reason": "r", "given": {"a": SECRET, "subject": repr(NAME)}},
    ],
)
def test_a_late_event_is_refused(place, host, late):
    """By the name, or by an output under a destroyed key, usable or not: the log says that something came."""
    place.forget()
    host.write(late)
    assert place.turn().refused == 1
    assert place.kinds()[-1] == "event_refused/1"
    assert place.holding(SECRET) == place.holding(NAME) == []


@pytest.mark.parametrize("torn", [False, True])
def test_a_late_line_that_is_too_long_or_torn_is_refused(place, host, torn):
    """It would lie in quarantine otherwise; also the spool does not keep it."""
    place.forget()
    fields = json.dumps(line("late", subject=NAME, output=SECRET + "x" * (1 << 20) * (not torn))).encode()
    os.write(host.fd, fields[:-5] if torn else fields + b"\n")
    if torn:
        host.close()
        host.fd = os.open(os.devnull, os.O_WRONLY)
    for _ in range(10):
        place.turn()
    assert place.kinds().count("event_refused/1") == 1
    assert place.holding(SECRET) == place.holding(NAME) == []
    assert len(place.state.quarantine) == 1


def test_it_may_be_done_twice(place, host):
    """The second time there is nothing left to destroy, and no second event."""
    place.forget()
    before = place.kinds()
    done = place.forget()
    assert (done.again, done.events, done.keys, done.quarantined) == (True, 0, 0, 0)
    assert place.kinds() == before


def test_somebody_who_never_came_is_refused_from_now_on(place):
    """Forgetting may come before the first event."""
    done = place.forget()
    assert done == forgetting.Forgotten()
    assert place.state.intake.take_lines([json.dumps(LINES[1]).encode()], "socket", NOW)[0].refused


class Killed(BaseException):
    """Stands for the end of the process at this place."""


@pytest.mark.parametrize(
    "where",
    ["_note_begun", "log.append", "sealing.destroy", "quarantine.erase", "_blank_spooled", "_note_done"],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_between_two_steps_the_next_start_finishes(place, host, where, when, monkeypatch):
    """From the event on, the next start forgets; before it, nothing was begun and nothing is lost."""
    place.turn()
    owner = getattr(place.state, where.split(".")[0]) if "." in where else forgetting
    name = where.rpartition(".")[2]
    real = getattr(owner, name)

    def killed(*given, **named):
        if when == "after":
            real(*given, **named)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, killed)
        with pytest.raises(Killed):
            place.forget()
    place.open()
    place.state.views.catch_up()
    begun = "subject_forgotten/1" in place.kinds()
    assert begun is (
        (where, when) not in {("_note_begun", "before"), ("_note_begun", "after"), ("log.append", "before")}
    )
    assert (place.holding(SECRET) == []) is begun
    assert not (place.folder / "forgetting").exists()
    assert place.state.log.verify().ok
    place.forget()
    assert place.holding(SECRET) == place.holding(NAME) == []
    assert place.kinds().count("subject_forgotten/1") == 1


def test_a_spool_file_that_cannot_be_written_is_told(place, host, monkeypatch):
    """The keys are gone all the same; what is left is tried again at the next start."""
    place.turn()

    def refuse(path, spans):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(forgetting.spool_erasing, "blank", refuse)
        done = place.forget()
    assert "Permission denied; lines of the subject stay in it until its program ends" in done.problems[0]
    assert place.text_of("a-1") is None
    assert place.holding(SECRET) == [host.path.name]
    place.open()
    assert place.holding(SECRET) == []


class TestEncryptAll:
    """`encrypt = "all"`: also what belongs to nobody is sealed."""

    @pytest.fixture
    def place(self, place):
        place.open(settings_of('[privacy]\nencrypt = "all"\n', place.folder / "config.toml"))
        return place

    def test_no_text_stands_in_the_log(self, place):
        """Neither of outputs nor of feedback, inline or not; it can be read with the keys."""
        host = Host(place.folder)
        host.write(
            line("o-1", input=f"{SECRET} 1", output="x"),
            feedback("f-1", output_id="o-1", comment=f"{SECRET} 2", score=5),
            feedback("f-2", input=f"{SECRET} 3", output="y", score=6),
            feedback("f-3", output_id="o-1", score=7),
        )
        place.turn()
        assert place.holding(SECRET) == [host.path.name]
        assert place.text_of("o-1") == {"input": f"{SECRET} 1", "output": "x"}
        assert place.text_of("f-1") == {"comment": f"{SECRET} 2"}
        assert place.text_of("f-2")["input"] == f"{SECRET} 3"
        assert place.row("f-3")["score"] == 7
        host.close()

    def test_each_output_has_a_key_with_its_feedback(self, place):
        """In one batch or in two; another output has another."""
        host = Host(place.folder)
        host.write(line("o-1", output="x"), line("o-2", output="x"), feedback("f-1", output_id="o-1", comment="c"))
        place.turn()
        host.write(feedback("f-2", output_id="o-1", comment="c"))
        place.turn()
        one, two, first, second = [place.row(name)["subject"] for name in ("o-1", "o-2", "f-1", "f-2")]
        assert one == first == second != two
        host.close()

    def test_a_repeat_is_known_again(self, place):
        """Though the retry had a key made for it."""
        raw = json.dumps(line("o-1", output="x")).encode()
        place.state.intake.take_lines([raw], "socket", NOW)
        place.state.views.catch_up()
        assert place.state.intake.take_lines([raw], "socket", NOW)[0].repeat
        assert not place.state.intake.take_lines([raw.replace(b"x", b"z")], "socket", NOW)[0].repeat

    def test_a_subject_is_forgotten_as_ever(self, place, host):
        """Nothing of the subject is left; others' texts can be read."""
        place.forget()
        assert place.holding(SECRET) == place.holding(NAME) == []
        assert place.text_of("n-1") == {"input": "nobodys", "output": "nobodys output"}


def test_what_came_before_what_it_revises_is_forgotten_too(place, host):
    """It named neither the subject nor the output; and it counts as no event of its own that this was found out."""
    host.write(feedback("too-early", supersedes="revised", comment=f"{SECRET} revised", rater="ann"))
    place.turn()
    host.write(feedback("revised", output_id="a-9", score=1))
    place.turn()
    host.write(line("a-9", output="late", subject=NAME))
    place.turn()
    assert place.text_of("too-early")["comment"] == f"{SECRET} revised"
    before = sum(row["subject"] is not None and row["kind"] != "target_came/1" for row in place.rows())
    assert place.forget().events == before - len([row for row in place.rows() if row["id"] == "b-1"])
    assert place.text_of("too-early") is None
    assert rebuild_digests(place.state.log) == place.state.views.digests()


class TestEverythingSealed:
    """With `encrypt = "all"` what is kept aside is sealed as well."""

    @pytest.fixture
    def place(self, tmp_path, monkeypatch):
        monkeypatch.setattr(intake_module, "ROW_BYTES", 50_000)
        place = Place(tmp_path / "state")
        text = '[privacy]\nencrypt = "all"\n[intake]\nmax_event_bytes = 4000\ncommit_events = 10\n'
        place.open(settings_of(text, tmp_path))
        yield place
        place.close()

    @pytest.fixture
    def host(self, place):
        host = Host(place.folder)
        long = feedback("long", input=f"{SECRET} long", output="x" * 20_000, score=1, subject=NAME)
        quoted = feedback("quoted", output="x", thumb=f"{SECRET} in the reason")
        host.write(*LINES, quoted, long, long | {"output": "x" * 200_000})
        return host

    def take(self, place, host):
        host.close()
        for _ in range(30):
            place.turn()

    def test_lines_that_are_kept_aside_are_in_no_file(self, place, host):
        """Neither their bytes nor, in the reasons, anything of them; rows and files alike."""
        self.take(place, host)
        assert place.kinds().count("line_quarantined/1") == 7
        assert len(list(place.folder.glob("quarantine/*.bin"))) == 1
        for text in (SECRET, "nobodys mistake", "'comment'", "rejected/1"):
            assert place.holding(text) == []

    def test_they_can_be_looked_at_with_the_keys(self, place, host, monkeypatch):
        """As they were received."""
        self.take(place, host)
        with closing(EventReader.open(place.folder)) as reader:
            kept = [
                reader.kept_aside(json.loads(row["body"])["quarantine_id"])
                for row in place.rows()
                if row["kind"] == "line_quarantined/1"
            ]
        assert any(f'"reason": "nan", "given": {{"comment": "\'{SECRET} given\'"' in text for text in kept)
        assert any("they lie sealed in" in text and text.endswith(".bin") for text in kept)
        (place.folder / "keys.db").rename(place.folder / "away")
        with closing(EventReader.open(place.folder)) as reader:
            told = reader.kept_aside(
                next(json.loads(r["body"])["quarantine_id"] for r in place.rows() if r["kind"] == "line_quarantined/1")
            )
        assert told.endswith(f"they lie sealed in {place.folder}/quarantine.db, not readable here")

    def test_forgetting_finds_the_subjects_among_them(self, place, host):
        """Also the one in a file; nobody's line stays."""
        self.take(place, host)
        done = place.forget()
        assert done.quarantined == 5
        assert len(place.state.quarantine) == 2
        assert list(place.folder.glob("quarantine/*.bin")) == []

    def test_a_key_is_on_disk_before_what_only_it_opens(self, place, monkeypatch):
        """A kill in the midst of a long copy leaves no file that nobody can ever read."""
        keys = []

        def copying(*_):
            with closing(sqlite3.connect(place.folder / "keys.db")) as reader:
                keys.append(reader.execute("SELECT count(*) FROM secrets WHERE name = 'aside'").fetchone())
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(spool_reading, "copy_range", copying)
        host = Host(place.folder)
        host.write(feedback("long", output="x" * 200_000, score=1))
        self.take(place, host)
        assert set(keys) == {(1,)}

    def test_the_same_line_in_the_same_place_is_kept_once(self, place):
        """Its id is a digest under a key that is not in the log."""
        raw = b"no event"
        first = place.state.intake.take_lines([raw], "socket", NOW)
        again = place.state.intake.take_lines([raw], "socket", NOW)
        assert [one.error for one in first] == [one.error for one in again]
        assert len(place.state.quarantine) == 1
        (body,) = [json.loads(row["body"]) for row in place.rows()]
        salted = blake2b(b"socket:0:" + raw, key=place.state.log.salt, digest_size=12).hexdigest()
        assert body["quarantine_id"] != f"q-{salted}"
