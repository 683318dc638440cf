"""The way in: from spool files and other doors into the log, exactly once, whatever happens on the way."""

import json
import os
import random
import tracemalloc
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from daemon import spool_reading
from daemon.event_log import AppendFailed
from daemon.intake import FINISHED, TOLD_ONE_BY_ONE, IntakeReport, IntakeRules
from daemon.line_batch import Outcome
from tests.intake_world import NOW, World, feedback, inline, line, output

SECRET = "Zebulon"


@pytest.fixture(params=["sqlite", "memory"])
def world(tmp_path, request):
    made = World(tmp_path, kind=request.param)
    yield made
    made.leave_all()
    made.close()


def bodies(world, kind):
    return [json.loads(event["body"]) for event in world.rows(kind)]


def stored_bytes(world):
    return b"".join(path.read_bytes() for path in world.folder.glob("events.db*"))


class TestSpools:
    def test_are_taken_in_and_deleted_when_their_host_is_gone(self, world):
        """The log tells that the file is finished, with what was in it."""
        host = world.host()
        host.write(inline("a"), b"", b"bad", inline("b"))
        size = host.path.stat().st_size
        assert world.take() == IntakeReport(events=2, quarantined=1, bytes=size)
        assert world.spool_names() == [host.path.name]
        host.leave()
        assert sum(report.finished for report in world.take_all()) == 1
        assert world.spool_names() == []
        assert world.log.read_to() == {}
        assert world.recorded_ids() == ["a", "b"]
        assert bodies(world, "spool_finished") == [{"spool": host.path.name, "bytes": size}]

    def test_are_read_on_where_they_were_left(self, world):
        """What was committed is not read again, by this daemon or the next."""
        host = world.host()
        for number in range(4):
            host.write(inline(f"a{number}"))
            assert world.take().events == 1
            world.crash()
        assert world.take() == IntakeReport()

    def test_positions_are_committed_with_their_events(self, world):
        """One append has both."""
        host = world.host()
        host.write(inline("a"), inline("b"))
        seen = []
        real = world.log.append
        world.log.append = lambda entries, read_to=None, **more: (
            seen.append((len(entries), read_to)) or real(entries, read_to, **more)
        )
        world.take()
        assert seen == [(2, {host.path.name: host.path.stat().st_size})]

    def test_that_are_empty_go_too(self, world):
        """A host that recorded nothing leaves nothing."""
        world.host().leave()
        world.take_all()
        assert world.spool_names() == []
        assert bodies(world, "spool_finished")[0]["bytes"] == 0

    def test_of_a_rotating_host_keep_its_order(self, world):
        """Over files, batches and a crash in between, the log has a writer's events in the order of their counters."""
        world.rules = IntakeRules(commit_events=5)
        world.start_intake()
        numbers = iter(range(1, 1000))
        for _ in range(6):
            for host in (world.host(1), world.host(2)):
                host.write(
                    *(inline(f"{host.writer}-{n}", writer=host.writer, n=n) for n in (next(numbers) for _ in range(7)))
                )
                host.rotate()
            world.take()
            world.crash()
        world.leave_all()
        world.take_all()
        for writer in (1, 2):
            counters = [event["counter"] for event in world.rows() if event["writer"] == writer]
            assert len(counters) == 42
            assert counters == sorted(counters)

    def test_are_deleted_before_the_host_ends_once_it_rotated(self, world):
        """The old file's lock is free as soon as the new file is there."""
        host = world.host()
        host.write(inline("a"))
        host.rotate()
        host.write(inline("b"))
        world.take_all()
        assert world.spool_names() == [host.path.name]

    def test_of_others_are_left_alone(self, world):
        """Files, folders, links and pipes that no host of ours made: untouched, and no hindrance."""
        (world.spool / "notes.txt").write_bytes(b"mine\n")
        world.path(7).mkdir()
        world.path(8).symlink_to(world.spool / "notes.txt")
        os.mkfifo(world.path(9))
        world.host(1).write(inline("a"))
        world.host(1).leave()
        world.take_all()
        assert world.recorded_ids() == ["a"]
        assert world.spool_names() == sorted(["notes.txt", *(world.path(number).name for number in (7, 8, 9))])
        assert world.quarantined() == []

    def test_that_vanish_are_forgotten(self, world):
        """Somebody deleted a file: the next start does not wait for it."""
        host = world.host()
        host.write(inline("a"))
        world.take()
        host.path.unlink()
        world.take_all()
        world.crash()
        assert world.log.read_to() == {}

    def test_births_are_cleared_now_and_then(self, world):
        """What a dead host began to make is gone after an hour."""
        birth = world.spool / f".{world.path().name}.new"
        birth.write_bytes(b"")
        os.utime(birth, (NOW / 1e6, NOW / 1e6))
        world.take_all()
        assert birth.exists()
        world.clock.advance(seconds=3601)
        world.take_all()
        assert not birth.exists()

    def test_a_quiet_host_is_not_kept_waiting(self, tmp_path):
        """Beside hosts with thousands of lines, a single line is in the log after a few batches."""
        world = World(tmp_path, IntakeRules(commit_events=100), kind="memory")
        for number in range(3):
            world.host(number).write(*(inline(f"{number}-{each}") for each in range(2000)))
        world.host(9).write(inline("quiet"))
        for _ in range(4):
            assert world.take().more
        assert "quiet" in world.recorded_ids()
        world.leave_all()
        world.close()


class TestClosedFiles:
    """A test may run as root, whom no mode keeps out: the system calls are made to say no."""

    @pytest.fixture
    def closed(self, world, monkeypatch):
        host = world.host()
        host.write(inline("a"))
        real, opening = Path.open, os.open

        def refuse(path):
            if Path(path).name == host.path.name:
                raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "open", lambda self, *more, **names: refuse(self) or real(self, *more, **names))
        monkeypatch.setattr(os, "open", lambda path, *more, **names: refuse(path) or opening(path, *more, **names))
        yield host
        monkeypatch.undo()

    def test_are_told_of_at_every_look_and_hinder_nobody(self, world, closed):
        """The report names the file, and other hosts go on."""
        world.spool.joinpath(world.path(5).name).write_bytes(b"")
        for _ in range(10):
            (problem,) = world.take().problems
            assert (
                problem
                == f"spool/{closed.path.name}: Permission denied; expected a file that the daemon's user may read"
            )
        assert closed.path.exists()

    def test_that_may_be_read_and_not_deleted_go_later(self, world, monkeypatch):
        """Every event once, also over a start in between; and the file when it may."""
        host = world.host()
        host.write(inline("a"))
        host.leave()
        real = Path.unlink

        def refuse(path, **_):
            raise PermissionError(1, "Operation not permitted", str(path))

        monkeypatch.setattr(Path, "unlink", refuse)
        world.take_all()
        world.crash()
        world.take_all()
        assert host.path.exists()
        assert world.log.read_to() == {host.path.name: FINISHED}
        monkeypatch.setattr(Path, "unlink", real)
        world.take_all()
        assert world.spool_names() == []
        assert world.log.read_to() == {}
        assert world.recorded_ids() == ["a"]
        assert len(world.rows("spool_finished")) == 1


class TestTornLines:
    def test_at_the_end_are_waited_for_while_the_host_lives(self, world):
        """And are whole when they are."""
        host, whole = world.host(), inline("a")
        host.write_raw(whole[:20])
        world.take_all()
        assert world.rows() == []
        host.write_raw(whole[20:] + b"\n")
        world.take_all()
        assert world.recorded_ids() == ["a"]
        assert world.quarantined() == []

    def test_at_the_end_are_kept_aside_when_the_host_is_gone(self, world):
        """With their place, and once."""
        host = world.host()
        host.write(inline("a"))
        start = host.path.stat().st_size
        host.write_raw(b'{"kind":"feedb')
        host.leave()
        world.take_all()
        (body,) = world.quarantined()
        assert body["reason"] == "torn: its host ended, or its disk was full, in the middle of the line"
        assert (body["source"], body["offset"], body["length"]) == (f"spool/{host.path.name}", start, 14)
        assert [kept.raw for kept in world.kept()] == [b'{"kind":"feedb']
        assert world.spool_names() == []

    def test_in_the_middle_are_kept_aside_and_the_next_is_whole(self, world):
        """A short write is closed by a newline, and the line written again."""
        host, whole = world.host(), inline("a")
        host.write_raw(whole[:-5] + b"\n" + whole + b"\n")
        world.take()
        assert world.recorded_ids() == ["a"]
        assert [kept.raw for kept in world.kept()] == [whole[:-5]]
        assert world.quarantined()[0]["reason"] == "not one whole JSON object in UTF-8"

    def test_that_are_left_by_many_hosts_are_each_kept(self, world):
        """The same bytes at the same place of different files are different lines."""
        for number in range(5):
            world.host(number).write_raw(b"torn")
        world.leave_all()
        world.take_all()
        assert len(world.quarantine) == len(world.quarantined()) == 5


class TestCutFiles:
    def test_that_shrink_are_read_from_their_start(self, world):
        """What is new in them comes in; what was there before is known by its id."""
        host = world.host()
        host.write(inline("a"), inline("b"), b"bad")
        world.take()
        os.truncate(host.path, 0)
        world.take()
        host.write(inline("c"))
        host.write(inline("a"))
        report = world.take()
        assert (report.events, report.repeats) == (1, 1)
        host.leave()
        world.take_all()
        assert world.recorded_ids() == ["a", "b", "c"]
        assert world.spool_names() == []

    def test_that_shrank_while_the_daemon_was_down_too(self, world):
        """A start does not lose what was written after the cut."""
        host = world.host()
        host.write(*(inline(f"a{number}") for number in range(5)))
        world.take()
        world.close()
        os.truncate(host.path, 0)
        host.write(inline("b"))
        world._open()
        host.write(inline("c"))
        world.take_all()
        assert world.recorded_ids() == [*(f"a{number}" for number in range(5)), "b", "c"]

    def test_that_were_cut_within_a_line_and_left(self, world):
        """What is left of the line is torn, and was taken in whole before."""
        host = world.host()
        host.write(inline("a"), inline("b"))
        world.take()
        os.truncate(host.path, host.path.stat().st_size - 10)
        host.leave()
        world.take_all()
        assert world.recorded_ids() == ["a", "b"]
        assert world.spool_names() == []

    def test_that_were_cut_and_torn_again(self, world):
        """The torn piece is kept aside, though the file was longer when it was read."""
        host = world.host()
        host.write(inline("a"))
        world.take()
        os.truncate(host.path, 0)
        host.write_raw(b"torn")
        host.leave()
        world.take_all()
        assert [kept.raw for kept in world.kept()] == [b"torn"]
        assert world.spool_names() == []


class TestLongLines:
    def test_of_the_limit_come_in_and_one_byte_more_does_not(self, world):
        """1 MiB by default, the newline not counted."""
        limit = IntakeRules().max_event_bytes
        assert limit == 1 << 20
        room = limit - len(inline("a", comment=""))
        host = world.host()
        host.write(inline("a", comment="x" * room), inline("b", comment="x" * (room + 1)), inline("c"))
        world.take_all()
        assert world.recorded_ids() == ["a", "c"]
        (body,) = world.quarantined()
        assert body["length"] in {limit + 1, limit + 2}
        assert str(limit) in body["reason"]
        (first, second) = world.send(inline("d", comment="x" * room), inline("e", comment="x" * (room + 1)))
        assert first.seq
        assert second.error == f"{limit + 1} bytes, expected at most {limit} (intake.max_event_bytes)"

    def test_of_many_megabytes_go_to_a_file_in_pieces(self, tmp_path):
        """Seventy megabytes take no more memory than a few pieces, and what follows them is read."""
        world = World(tmp_path, kind="memory")
        host = world.host()
        piece = random.Random(1).randbytes(1 << 20).replace(b"\n", b" ")
        for _ in range(70):
            host.write_raw(piece)
        host.write_raw(b"\n" + inline("after") + b"\n")
        tracemalloc.start()
        world.take_all()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 24 << 20
        assert world.recorded_ids() == ["after"]
        (body,), (kept,) = world.quarantined(), world.kept()
        assert body["length"] == (70 << 20) + 1
        assert body["reason"] == "longer than 1048576 bytes, the most that intake.max_event_bytes allows"
        assert kept.raw is None
        with (tmp_path / "quarantine" / f"{kept.id}.bin").open("rb") as file:
            assert all(file.read(1 << 20) == piece for _ in range(70))
            assert file.read() == b"\n"
        world.leave_all()
        world.close()

    def test_that_never_end_are_torn_when_the_host_is_gone(self, world):
        """Until then they are waited for."""
        host = world.host()
        host.write_raw(b"x" * (3 << 20))
        world.take_all()
        assert world.rows() == []
        host.leave()
        world.take_all()
        (kept,) = world.kept()
        assert kept.raw == b"x" * (3 << 20)
        assert world.spool_names() == []

    def test_that_never_end_and_are_searched_in_parts_are_torn_too(self, world, monkeypatch):
        """A host left more than one look goes through."""
        monkeypatch.setattr(spool_reading, "SEARCHED_AT_ONCE", 1 << 20)
        world.host().write_raw(b"x" * (13 << 20))
        world.leave_all()
        world.take_all()
        assert [len(kept.raw) for kept in world.kept()] == [13 << 20]
        assert world.spool_names() == []

    def test_follow_a_changed_limit(self, world):
        """A reloaded configuration holds from the next batch on."""
        world.intake.follow(IntakeRules(max_event_bytes=200))
        long = inline("a", comment="x" * 200)
        assert world.send(long)[0].error.endswith("expected at most 200 (intake.max_event_bytes)")
        world.intake.follow(IntakeRules())
        assert world.send(long)[0].seq


class TestQuarantine:
    BAD = (
        SECRET.encode(),
        json.dumps({SECRET: 1}).encode(),
        json.dumps({"kind": f"it's {SECRET}", "id": "a"}).encode(),
        inline("a", **{SECRET: 1}),
        inline("a", thumb=f"it's {SECRET}"),
        inline("a", score=SECRET),
        inline("a", writer=f"{SECRET:>16}"),
        inline(f"{SECRET}\n"),
        feedback("a", comment=SECRET),
        line("rejected", "r", call=SECRET, field=SECRET, reason=SECRET, given={SECRET: SECRET}),
        line("rejected", "r", call="record_feedback", field="score", reason=SECRET),
        inline("a", comment=SECRET)[:-4],
        inline("a", comment=SECRET).decode().encode("utf-16"),
        b"\xef\xbb\xbf" + inline("a", comment=SECRET),
        b"\xff" + SECRET.encode(),
        inline("a", output=None, correction=SECRET),
        inline("x", comment="x" * (1 << 20) + SECRET),
    )

    @pytest.mark.parametrize("door", ["spool", "socket"])
    def test_keeps_the_line_and_the_log_holds_nothing_of_it(self, tmp_path, door):
        """The bytes of events.db never contain a text that was kept aside; the quarantine has every byte."""
        world = World(tmp_path)
        if door == "spool":
            world.host().write(*self.BAD)
            world.host().write_raw(SECRET.encode())
            world.leave_all()
            world.take_all()
            kept_lines = [*self.BAD, SECRET.encode()]
        else:
            assert all(outcome.error and outcome.seq is None for outcome in world.send(*self.BAD))
            kept_lines = list(self.BAD)
        world.send(inline("good"), inline("good", comment=SECRET), inline("sealed", comment=SECRET, subject=SECRET))
        kept_lines.append(inline("good", comment=SECRET))
        assert sorted(kept.raw.removesuffix(b"\n") for kept in world.kept()) == sorted(kept_lines)
        for spelling in (SECRET.encode(), SECRET.encode("utf-16-le")):
            assert spelling not in stored_bytes(world)
        assert all(body["reason"] for body in world.quarantined())
        world.close()

    def test_knows_place_length_and_reason(self, world):
        """The reason in full stands with the line; in the log it is without anything of it."""
        host = world.host()
        host.write("é".encode(), inline("a", thumb="sideways"))
        world.take()
        first, second = world.kept()
        assert (first.source, first.place, first.length) == (f"spool/{host.path.name}", 0, 2)
        assert (second.place, second.reason) == (3, "Invalid enum value 'sideways' - at `$.thumb`")
        assert world.quarantined()[1]["reason"] == "not one of the values expected - at `$.thumb`"

    def test_keeps_a_bad_line_that_is_sent_again_once(self, world):
        """A client that retries fills nothing up."""
        for _ in range(3):
            assert world.send(b"bad")[0].error.startswith("not one whole JSON object")
        assert len(world.quarantine) == len(world.quarantined()) == 1

    def test_keeps_the_same_bad_line_in_other_places(self, world):
        """Each place is a line of its own."""
        world.send(b"bad", b"bad", door="cli")
        world.host().write(b"bad", b"bad")
        world.take()
        assert len(world.quarantined()) == 4

    def test_tells_of_a_flood_once_a_batch_and_source(self, world):
        """A log that grew by an event for each bad line would be filled by them; every line is kept all the same."""
        bad = [b"bad %d" % number for number in range(2 * TOLD_ONE_BY_ONE)]
        first, second = world.host(1), world.host(2)
        first.write(inline("a"), *bad)
        second.write(*bad[:TOLD_ONE_BY_ONE])
        world.take()
        flood, *few = sorted(world.quarantined(), key=lambda body: body["source"])
        place = len(inline("a")) + 1
        assert flood == {
            "source": f"spool/{first.path.name}",
            "offset": place,
            "length": sum(map(len, bad)),
            "reason": "not one whole JSON object in UTF-8",
            "quarantine_id": flood["quarantine_id"],
            "count": len(bad),
            "last_offset": place + sum(map(len, bad)) + len(bad) - 1 - len(bad[-1]),
        }
        assert len(few) == TOLD_ONE_BY_ONE
        assert world.quarantine.find(flood["quarantine_id"]).raw == bad[0]
        assert len(world.quarantine) == 3 * TOLD_ONE_BY_ONE

    def test_tells_of_a_flood_that_is_sent_again_once(self, world):
        """The same lines in the same places; other lines are told of."""
        bad = [b"bad %d" % number for number in range(50)]
        for _ in range(2):
            assert all(outcome.error for outcome in world.send(*bad))
        world.send(*bad, b"more")
        assert [body["count"] for body in world.quarantined()] == [50, 51]
        assert len(world.quarantine) == 51

    def test_tells_of_many_refused_events_once(self, world):
        """Of a forgotten subject whose program goes on sending."""
        world.forget("anna")
        world.send(*(inline(f"a{number}", subject="anna") for number in range(50)))
        world.send(*(inline(f"b{number}", subject="anna") for number in range(2)))
        assert [body.get("count", 1) for body in bodies(world, "event_refused")] == [50, 1, 1]

    def test_that_fails_keeps_the_line_where_it_is(self, world, monkeypatch):
        """No position moves and no event is appended before the line is safe."""
        world.host().write(inline("a"), b"bad")
        with monkeypatch.context() as patch:
            patch.setattr(world.quarantine, "keep", failing(OSError("disk full")))
            with pytest.raises(OSError, match="disk full"):
                world.take()
        assert world.rows() == []
        assert world.take()[:3] == (1, 0, 1)


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


class TestRepeats:
    CHANGES = ({"at": 9}, {"n": 9, "writer": "f" * 16}, {"context": None}, {"score": 50.0})

    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("subject", [None, "anna"])
    def test_are_dropped_whatever_a_retry_changes(self, world, change, subject):
        """In the same batch, in another, through another door, and from a spool."""
        first = inline("a", subject=subject, at=1, n=1, writer="0" * 16, comment="x")
        again = json.dumps(dict(reversed((json.loads(first) | change).items()))).encode()
        assert [outcome.repeat for outcome in world.send(first, again)] == [False, True]
        assert world.send(again, door="cli") == [Outcome("a", 1, repeat=True)]
        world.crash()
        world.host().write(again, again, inline("b"))
        assert world.take()[:3] == (1, 2, 0)
        assert world.recorded_ids() == ["a", "b"]

    @pytest.mark.parametrize("subject", [None, "anna"])
    def test_with_other_content_are_kept_aside_and_named(self, world, subject):
        """Another text, or another subject, is another event and needs an id of its own."""
        world.send(inline("a", subject=subject))
        other = inline("a", subject=subject, score=51)
        (outcome,) = world.send(other)
        assert outcome.error == "id 'a' is in the log with other content; expected a new id, or the same content again"
        (changed_subject,) = world.send(inline("a", subject="ben"))
        assert changed_subject.error == outcome.error
        assert (
            world.quarantined()[0]["reason"]
            == "its id is in the log with other content; expected a new id, or the same content again"
        )
        assert world.kept()[0].raw == other
        assert world.recorded_ids() == ["a"]
        assert world.send(other)[0].error == outcome.error
        assert len(world.quarantined()) == 2

    def test_of_early_sealed_feedback_are_known(self, world):
        """Though its key was made for it alone, and its output has come meanwhile."""
        early = feedback("f", "o", comment="early")
        world.send(early)
        assert world.send(early)[0].repeat
        world.send(output("o", subject="anna"))
        assert world.send(early)[0].repeat
        assert world.send(feedback("f", "o", comment="other"))[0].error

    def test_under_the_id_of_an_own_event_are_kept_aside(self, world):
        """Whoever takes a quarantine's id for an event gets no further than the quarantine."""
        world.send(b"bad")
        own_id = world.quarantined()[0]["quarantine_id"]
        assert "in the log with other content" in world.send(inline(own_id))[0].error
        assert world.send(inline("a"))[0].seq == 3

    def test_of_a_whole_spool_change_nothing(self, world):
        """A host that sends all again, in another order, after its file was taken in."""
        lines = [
            inline("a"),
            b"bad",
            feedback("f", "a", thumb="up"),
            feedback("g", supersedes="f", score=1),
            output("o", subject="s"),
        ]
        world.send(*lines)
        before = world.log.head()
        again = [lines[index] for index in (4, 3, 2, 0)]
        assert all(outcome.repeat for outcome in world.send(*again))
        assert world.log.head() == before


class TestOtherDoors:
    def test_tell_what_became_of_each_line_in_order(self, world):
        """Events, repeats, refused and bad ones mixed; numbers are those of the log."""
        world.send(inline("old"))
        world.forget("gone")
        outcomes = world.send(
            inline("a"),
            b"bad",
            inline("old"),
            b"",
            inline("r", subject="gone"),
            output("o"),
            inline("a"),
            inline("a", score=1),
        )
        told = [(outcome.id, outcome.seq, outcome.repeat, outcome.refused) for outcome in outcomes]
        assert told == [
            ("a", 2, False, False),
            (None, None, False, False),
            ("old", 1, True, False),
            (None, None, False, False),
            (None, None, False, True),
            ("o", 3, False, False),
            ("a", 2, True, False),
            (None, None, False, False),
        ]
        assert [bool(outcome.error) for outcome in outcomes] == [False, True, False, False, True, False, False, True]
        assert [(event["seq"], event["id"]) for event in world.rows()][:3] == [(1, "old"), (2, "a"), (3, "o")]
        assert outcomes[4].error == "refused: its subject was forgotten"

    def test_take_nothing_as_nothing(self, world):
        """No line, no event, no outcome."""
        assert world.send() == []
        assert world.send(b"", b"") == [Outcome(None), Outcome(None)]
        assert world.rows() == []


class FlakyLog:
    """A log whose next commit fails, before or after it reached the disk."""

    def __init__(self, log, *, reached):
        self.log, self.reached, self.failing = log, reached, True

    def __getattr__(self, name):
        return getattr(self.log, name)

    def append(self, *arguments, **names):
        if self.failing:
            self.failing = False
            if self.reached:
                self.log.append(*arguments, **names)
            raise AppendFailed("disk full; 1 events were not recorded")
        return self.log.append(*arguments, **names)


@pytest.mark.parametrize("reached", [False, True])
class TestFailedCommits:
    def test_of_a_spool_are_tried_again(self, world, reached):
        """The next look takes in everything, once."""
        world.log = FlakyLog(world.log, reached=reached)
        world.start_intake()
        host = world.host()
        host.write(inline("a"), b"bad", inline("s", subject="anna"), inline("b"))
        with pytest.raises(AppendFailed):
            world.take()
        world.catch_up()
        assert world.recorded_ids() == (["a", "s", "b"] if reached else [])
        assert world.take()[:3] == ((0, 0, 0) if reached else (3, 0, 1))
        world.leave_all()
        world.take_all()
        assert sorted(world.recorded_ids()) == ["a", "b", "s"]
        assert len(world.quarantined()) == len(world.quarantine) == 1
        assert world.spool_names() == []
        assert world.sealing.unseal(world.row("s")["subject"], world.row("s")["sealed"], "s")["output"] == "an answer"

    def test_of_another_door_are_the_callers_to_repeat(self, world, reached):
        """The same lines again: each is in the log once."""
        world.log = FlakyLog(world.log, reached=reached)
        world.start_intake()
        lines = (inline("a"), b"bad", inline("b", subject="anna"))
        with pytest.raises(AppendFailed):
            world.send(*lines)
        world.catch_up()
        outcomes = world.send(*lines)
        assert [outcome.repeat for outcome in outcomes] == [reached, False, reached]
        assert world.recorded_ids() == ["a", "b"]
        assert len(world.quarantined()) == 1


class Killed(BaseException):
    """The daemon's end between two steps."""


class Deathbed:
    """Counts the steps that leave a trace on disk, and ends the daemon before or after the one it was told."""

    def __init__(self, monkeypatch, at, *, after):
        self.at, self.after, self.steps, self.monkeypatch = at, after, 0, monkeypatch

    def watch(self, owner, name):
        real = getattr(owner, name)

        def step(*arguments, **names):
            self.steps += 1
            if self.steps == self.at and not self.after:
                raise Killed
            found = real(*arguments, **names)
            if self.steps == self.at:
                raise Killed
            return found

        self.monkeypatch.setattr(owner, name, step)

    def watch_all(self, world):
        self.watch(world.log, "append")
        self.watch(world.sealing, "commit")
        self.watch(world.quarantine, "keep")
        self.watch(Path, "unlink")


def a_days_work(world):
    """Two hosts, rotated and torn files, repeats, bad lines, people: what must be in the log at the end, and aside."""
    first, second = world.host(1), world.host(2)
    first.write(inline("a"), feedback("b", "o", comment="early"), b"bad", inline("a"))
    first.rotate()
    first.write(output("o", subject="anna"), feedback("c", "o", comment="x", subject="ben"), inline("a", score=1))
    second.write(inline("d"), feedback("e", supersedes="d", score=4), b"x" * 3000)
    second.write_raw(b'{"torn')
    world.leave_all()
    return {"a", "b", "o", "c", "d", "e"}, 4


@pytest.mark.parametrize("after", [False, True])
def test_killed_between_any_two_steps_the_next_start_completes_it(tmp_path, after):
    """Before or after each commit, each key, each line kept and each file deleted: everything is in the log once."""
    for at in count(1):
        folder = tmp_path / str(at)
        folder.mkdir()
        world = World(folder, IntakeRules(commit_events=3, max_event_bytes=2000), kind="memory")
        expected, aside = a_days_work(world)
        with pytest.MonkeyPatch.context() as patch:
            death = Deathbed(patch, at, after=after)
            death.watch_all(world)
            with suppress(Killed):
                world.take_all()
        world.crash()
        world.take_all()
        assert sorted(world.recorded_ids()) == sorted(expected), at
        assert len(world.quarantined()) == len(world.quarantine) == aside, at
        assert world.spool_names() == [], at
        assert world.log.read_to() == {}, at
        for event_id in ("b", "c", "o"):
            event = world.row(event_id)
            assert world.sealing.unseal(event["subject"], event["sealed"], event_id), (at, event_id)
        world.close()
        if death.steps < at:
            break
    assert at > 20


@pytest.mark.parametrize("at", [1, 2, 3, 5, 8, 9, 10])
def test_killed_with_a_log_on_disk_the_next_start_completes_it(tmp_path, at):
    """The same with SQLite, where a commit that was under way is rolled back."""
    world = World(tmp_path, IntakeRules(commit_events=3, max_event_bytes=2000))
    expected, aside = a_days_work(world)
    with pytest.MonkeyPatch.context() as patch:
        death = Deathbed(patch, at, after=False)
        death.watch(world.log, "_commit")
        with pytest.raises(Killed):
            world.take_all()
    world.crash()
    world.take_all()
    assert sorted(world.recorded_ids()) == sorted(expected)
    assert len(world.quarantined()) == len(world.quarantine) == aside
    assert world.spool_names() == []
    assert world.log.verify().ok
    world.close()
