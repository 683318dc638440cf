import asyncio
import concurrent.futures
import inspect
import json
import re
import threading
import time

import pytest

import adaptd
from adaptd import FeedbackType, spool_file
from adaptd.errors import AdaptdError, NotRecorded, ValueNotRecorded
from tests.spooled_lines import as_a_fresh_host, events_in, ids_in, output_of, spool_files


@pytest.fixture
def state_dir(tmp_path, monkeypatch):
    """A host that was told of a state folder and of nothing else."""
    monkeypatch.chdir(tmp_path)
    as_a_fresh_host()
    adaptd.configure(state_dir=tmp_path / "state")
    yield tmp_path / "state"
    as_a_fresh_host()


def test_the_v2_call_works_as_its_document_writes_it(state_dir):
    """The names of the V2 document mean the newer ones; the returned id is the event's and the output's."""
    event_id = adaptd.record_feedback(
        input_data="Generate ERD for e-commerce system",
        ai_output="erDiagram\n...",
        artifact_type="erd",
        model_used="mistral:7b",
        validation_score=85.0,
        feedback_type=FeedbackType.SUCCESS,
        context={"rag": "...", "notes": "..."},
    )
    [event] = events_in(state_dir)
    assert event == {
        "kind": "feedback_recorded/1",
        "id": event_id,
        "writer": adaptd.stats()["writer"],
        "n": 1,
        "at": event["at"],
        "input": "Generate ERD for e-commerce system",
        "output": "erDiagram\n...",
        "artifact_type": "erd",
        "model": "mistral:7b",
        "score": 85.0,
        "feedback_type": "success",
        "context": {"rag": "...", "notes": "..."},
    }


def test_every_field_of_an_output_is_written(state_dir):
    """What record_output takes is what the wire carries."""
    given = {"artifact_type": "t", "model": "m", "context": {"a": 1}, "tags": ["a"], "subject": 7, "episode": "e"}
    event_id = adaptd.record_output(["q"], {"a": 1}, **given, latency_ms=5, propensity=0.5, occurred_at=1, id='a"b')
    [event] = events_in(state_dir)
    assert event_id == event["id"] == 'a"b'
    assert {name: event[name] for name in event if name not in ("writer", "at")} == {
        "kind": "output_recorded/1",
        "id": 'a"b',
        "n": 1,
        "input": ["q"],
        "output": {"a": 1},
        **(given | {"subject": "7"}),
        "latency_ms": 5,
        "propensity": 0.5,
        "occurred_at": 1_000_000,
    }


def test_ids_are_uuids_of_version_7_in_the_order_of_time(state_dir):
    """Version and variant are right, the first 48 bits are milliseconds, and 2000 ids differ."""
    ids = [adaptd.record_output("i", "o") for _ in range(2000)]
    assert len(set(ids)) == 2000
    for event_id, event in zip(ids, events_in(state_dir), strict=True):
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", event_id)
        assert int(event_id.replace("-", "")[:12], 16) == event["at"] // 1000


def test_a_value_that_cannot_be_used_is_kept_counted_and_told_once(state_dir):
    """The call returns None, a rejected/1 line has what was given, and the second time is silent."""
    with pytest.warns(RuntimeWarning) as told:
        assert [adaptd.record_feedback(output_id="o", score=score) for score in (185.0, 190)] == [None, None]
    [told_once] = [str(warning.message) for warning in told]
    assert told_once == (
        "adaptd.record_feedback: score = 185.0, expected a number from 0 to 100. "
        "What was given is kept in the spool as rejected/1."
    )
    assert told[0].filename == __file__
    events = events_in(state_dir)
    assert [event["kind"] for event in events] == ["rejected/1"] * 2
    assert {name: events[0][name] for name in ("call", "field", "given")} == {
        "call": "record_feedback",
        "field": "score",
        "given": {"output_id": "'o'", "score": "185.0"},
    }
    assert (adaptd.stats()["recorded"], adaptd.stats()["rejected"]) == (0, 2)


def test_strict_raises_what_was_wrong(state_dir):
    """The error keeps call, field and value, and is a ValueError; the line is spooled all the same."""
    with pytest.raises(
        ValueError, match=r"adaptd\.record_feedback: score = 'high' \(a str\), expected a number"
    ) as raised:
        adaptd.record_feedback(output_id="o", score="high", strict=True)
    assert isinstance(raised.value, NotRecorded)
    assert (raised.value.call, raised.value.field, raised.value.value) == ("record_feedback", "score", "high")
    assert len(events_in(state_dir)) == 1


def test_the_name_the_host_used_is_the_name_it_hears(state_dir):
    """A V2 name is told as the V2 name."""
    with pytest.raises(ValueNotRecorded, match="validation_score = 300"):
        adaptd.record_feedback(input_data="i", ai_output="o", validation_score=300, strict=True)


def test_unknown_and_unnamed_arguments_do_not_break_the_host(state_dir):
    """A call that no signature fits is a rejected one."""
    with pytest.warns(RuntimeWarning, match=r"stars = 5 \(one that adaptd does not know\)"):
        assert adaptd.record_feedback(output_id="o", stars=5) is None
    with pytest.warns(RuntimeWarning, match="expected every argument by its name"):
        assert adaptd.record_feedback("o", score=5) is None
    with pytest.warns(RuntimeWarning, match="expected at most 2 arguments without a name"):
        assert adaptd.record_output("i", "o", "erd") is None
    with pytest.warns(RuntimeWarning, match="output = nothing, expected what the model put out"):
        assert adaptd.record_output("i") is None


def test_an_event_that_is_too_long_is_kept_in_short(state_dir):
    """The reason names size, limit and the largest argument; what was given is cut to 2000 characters."""
    with pytest.warns(RuntimeWarning, match=r"a line of 20001\d\d bytes, expected at most 1048576.*argument is output"):
        assert adaptd.record_output("i", "x" * 2_000_000) is None
    [event] = events_in(state_dir)
    assert event["field"] == "output"
    assert len(event["given"]["output"]) == 2000


def test_the_longest_event_is_the_configs(tmp_path, state_dir):
    """[intake] max_event_bytes holds for the host too."""
    (tmp_path / "config.toml").write_text('[adaptd]\nstate_dir = "state"\n[intake]\nmax_event_bytes = 300\n')
    adaptd.configure(config=tmp_path / "config.toml")
    with pytest.raises(NotRecorded, match="expected at most 300"):
        adaptd.record_output("i", "x" * 300, strict=True)


def test_a_limit_that_is_none_is_told_and_the_default_holds(tmp_path, monkeypatch):
    """Nothing is lost over a wrong number: the daemon refuses it where the operator sees it."""
    (tmp_path / "config.toml").write_text("[adaptd]\n")
    adaptd.configure(config=tmp_path / "config.toml")
    monkeypatch.setenv("ADAPTD__INTAKE__MAX_EVENT_BYTES", "many")
    told = r"config\.toml .*environment ADAPTD__INTAKE__MAX_EVENT_BYTES: .*= 'many', expected bytes\. See `adaptd conf"
    with pytest.warns(RuntimeWarning, match=told):
        assert adaptd.record_output("i", "o" * 5000)
    monkeypatch.setenv("ADAPTD__INTAKE__MAX_EVENT_BYTES", "300")
    adaptd.configure(config=tmp_path / "config.toml")
    with pytest.warns(RuntimeWarning, match="expected at most 300"):
        assert adaptd.record_output("i", "o" * 5000) is None


def test_nothing_is_lost_over_a_config_that_is_broken_below(tmp_path, monkeypatch):
    """A typing error under [night] stops the daemon, which says so; the host records where it did, and says so."""
    as_a_fresh_host()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text('[adaptd]\nstate_dir = "kept"\n[night]\nwindow = 01:00\n')
    with pytest.warns(RuntimeWarning, match="config.toml .*at line 4.*Correct it at that line"):
        assert adaptd.record_output("i", "o") is None  # there is no such folder: it may be anywhere
    (tmp_path / "kept" / "spool").mkdir(parents=True)
    as_a_fresh_host()
    with pytest.warns(RuntimeWarning, match=r"at line 4.*Until then this process records in \S+/kept, as") as told:
        ids = [adaptd.record_output("i", "o") for _ in range(2)]
    assert ids_in(tmp_path / "kept") == ids
    assert len(told) == 1
    as_a_fresh_host()


class Hostile:
    """An object whose every trait raises."""

    def __repr__(self):
        raise RuntimeError("no repr")

    def __float__(self):
        raise RuntimeError("no float")

    def isoformat(self):
        raise RuntimeError("no iso format")

    def __str__(self):
        raise RuntimeError("no text")

    def __eq__(self, other):
        raise RuntimeError("not comparable")

    __hash__ = None


@pytest.mark.filterwarnings("ignore:adaptd:RuntimeWarning")
@pytest.mark.parametrize("name", [*inspect.signature(adaptd.record_feedback).parameters])
def test_no_value_breaks_the_host(name, state_dir):
    """Every argument survives values of every make: it is recorded or returns None."""
    base = {"output_id": "o", "score": 1}
    for value in (
        None,
        "",
        "x",
        "\ud800",
        0,
        -1,
        10**400,
        1.5,
        float("nan"),
        True,
        b"x",
        [],
        {},
        {1: {2}},
        Hostile(),
        Hostile,
    ):
        answer = adaptd.record_feedback(**(base | {name: value, "strict": False}))
        assert answer is None or isinstance(answer, str)


@pytest.mark.filterwarnings("error")
def test_warnings_set_to_raise_do_not_break_the_host(state_dir):
    """Under -W error the call still returns None."""
    assert adaptd.record_feedback(output_id="o", score=185) is None


def test_on_error_is_called_each_time_instead_of_a_warning(state_dir):
    """It gets the error that strict would raise; what it raises itself is swallowed."""
    heard = []

    def on_error(error):
        heard.append(error)
        raise RuntimeError("the host's own mistake")

    adaptd.configure(on_error=on_error)
    assert [adaptd.record_feedback(output_id="o", score=-1) for _ in range(3)] == [None] * 3
    assert [type(error) for error in heard] == [ValueNotRecorded] * 3


def test_interrupts_pass_through(state_dir, monkeypatch):
    """KeyboardInterrupt in the midst of a record reaches the host."""

    def interrupted(fd, data):
        raise KeyboardInterrupt

    monkeypatch.setattr(spool_file, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        adaptd.record_output("i", "o")


def test_a_failing_spool_is_counted_and_told_once(state_dir):
    """The warning names the folder and the reason; strict raises it; a mended folder records again."""
    state_dir.write_text("a file where a folder should be")
    with pytest.warns(
        RuntimeWarning, match=r"record_output: the spool .*state.spool cannot be written: Not a dir"
    ) as told:
        assert [adaptd.record_output("i", "o") for _ in range(2)] == [None, None]
    assert len(told) == 1
    with pytest.raises(NotRecorded, match=r"Point adaptd\.configure"):
        adaptd.record_output("i", "o", strict=True)
    assert adaptd.stats()["failed"] == 3
    state_dir.unlink()
    deadline = time.monotonic() + 3
    while (event_id := adaptd.record_output("i", "o")) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ids_in(state_dir) == [event_id]


def test_without_a_configuration_the_remedy_is_told_once(state_dir):
    """Every place that was looked at is named, and what to do."""
    as_a_fresh_host()
    with pytest.warns(RuntimeWarning, match=r"not configured: looked at .*config\.toml in .*Run `adaptd init`") as told:
        assert [adaptd.record_output("i", "o") for _ in range(2)] == [None, None]
    assert len(told) == 1
    with pytest.raises(NotRecorded, match="ADAPTD_CONFIG"):
        adaptd.record_output("i", "o", strict=True)


def test_disabled_is_a_no_op(state_dir, monkeypatch):
    """ADAPTD_DISABLED=1: nothing is written, checked or told."""
    monkeypatch.setenv("ADAPTD_DISABLED", "1")
    adaptd.configure(state_dir=state_dir)
    assert adaptd.record_feedback(score="nonsense") is None
    assert adaptd.record_output("i", "o") is None
    assert adaptd.record_feedback_many([{"output_id": "o", "score": 1}]) == [None]
    assert not state_dir.exists()
    assert adaptd.stats()["rejected"] == 0


def test_a_batch_is_written_by_few_writes_and_one_flush(state_dir, monkeypatch):
    """A generator of 500 needs a write per 64 kB and, durable, one flush; ids come in the order of the items."""
    writes, flushes = [], []
    monkeypatch.setattr(spool_file, "_write", lambda fd, data: writes.append(data) or len(data))
    monkeypatch.setattr(spool_file, "_fdatasync", flushes.append)
    ids = adaptd.record_feedback_many(({"output_id": f"o{i}", "score": 1} for i in range(500)), durable=True)
    assert [json.loads(line)["id"] for line in b"".join(writes).splitlines()] == ids
    assert [json.loads(line)["output_id"] for line in b"".join(writes).splitlines()] == [f"o{i}" for i in range(500)]
    assert len(writes) <= 3
    assert max(map(len, writes)) <= 65536 + 1024
    assert len(flushes) == 1


def test_bad_items_of_a_batch_do_not_stop_good_ones(state_dir):
    """Records and dicts mix; what is no record at all is one more bad item."""
    items = [adaptd.Feedback(output_id="a", score=1), {"score": 1}, 7, {"output_id": "b", "thumb": True, "id": "mine"}]
    with pytest.warns(RuntimeWarning):
        ids = adaptd.record_feedback_many(items)
    assert [event_id is not None for event_id in ids] == [True, False, False, True]
    assert ids[3] == "mine"
    recorded = [event for event in events_in(state_dir) if event["kind"] == "feedback_recorded/1"]
    assert [event["output_id"] for event in recorded] == ["a", "b"]


def test_a_generator_that_raises_loses_nothing_before_it(state_dir):
    """What it had given is recorded; strict raises."""

    def items():
        yield {"output_id": "a", "score": 1}
        raise RuntimeError("the source broke")

    with pytest.warns(RuntimeWarning, match="the source broke"):
        assert len(adaptd.record_feedback_many(items())) == 1
    with pytest.raises(NotRecorded, match="the source broke"):
        adaptd.record_feedback_many(items(), strict=True)
    assert len(events_in(state_dir)) == 2


def test_a_batch_whose_flush_fails_is_not_recorded(state_dir, monkeypatch):
    """No id is returned for what may not be on disk."""

    def broken(fd):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(spool_file, "_fdatasync", broken)
    with pytest.warns(RuntimeWarning, match="Input/output error"):
        assert adaptd.record_feedback_many([{"output_id": "a", "score": 1}] * 3, durable=True) == [None] * 3
    assert adaptd.stats()["failed"] == 3


def test_a_durable_call_whose_flush_fails_returns_none_and_the_next_works(state_dir, monkeypatch):
    """The file is given up and a new one takes the next event."""
    adaptd.configure(durable=True)
    monkeypatch.setattr(spool_file, "_fdatasync", lambda fd: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.warns(RuntimeWarning, match="Input/output error"):
        assert adaptd.record_output("i", "o") is None
    monkeypatch.undo()
    assert len(spool_files(state_dir)) == 1


def test_flush_says_whether_everything_is_on_disk(state_dir, monkeypatch):
    """True when it is, also with nothing written; False when it failed."""
    assert adaptd.flush() is True
    adaptd.record_output("i", "o")
    assert adaptd.flush() is True
    assert adaptd.stats()["durable_flushes"] == 1
    adaptd.record_output("i", "o")
    monkeypatch.setattr(spool_file, "_fdatasync", lambda fd: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.warns(RuntimeWarning, match="Input/output error"):
        assert adaptd.flush() is False


def test_the_event_loop_goes_on_while_the_disk_is_waited_for(state_dir, monkeypatch):
    """A flush of 300 ms never holds the loop up for that long."""
    monkeypatch.setattr(spool_file, "_fdatasync", lambda fd: time.sleep(0.3))

    async def story():
        longest, running = 0.0, True

        async def heart():
            nonlocal longest
            while running:
                began = time.perf_counter()
                await asyncio.sleep(0.001)
                longest = max(longest, time.perf_counter() - began)

        beat = asyncio.create_task(heart())
        await asyncio.sleep(0.01)
        ids = await asyncio.gather(*(adaptd.arecord_feedback(output_id="o", score=1, durable=True) for _ in range(20)))
        running = False
        await beat
        return ids, longest

    ids, longest = asyncio.run(story())
    assert sorted(ids) == sorted(ids_in(state_dir))
    assert longest < 0.25


def test_an_awaited_call_records_at_once_when_no_disk_is_waited_for(state_dir):
    """Without `durable` no thread is used."""
    before = threading.active_count()
    assert asyncio.run(adaptd.arecord_feedback(output_id="o", score=1)) in ids_in(state_dir)
    assert threading.active_count() == before


def test_a_retraction_names_its_event(state_dir):
    """`retract` says who and why as record_feedback does."""
    adaptd.retract("e1", rater="ann", rationale="misread")
    [event] = events_in(state_dir)
    assert (event["retracts"], event["rater"], event["rationale"]) == ("e1", "ann", "misread")


def test_configure_may_be_called_at_any_time(tmp_path, state_dir):
    """Threads record while the place changes: every id is in one of the places, and the counts go on."""
    places = [tmp_path / f"state{i}" for i in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        records = [pool.submit(lambda: [adaptd.record_output("i", "o") for _ in range(300)]) for _ in range(4)]
        for place in places:
            time.sleep(0.005)
            adaptd.configure(state_dir=place)
        told = [event_id for record in records for event_id in record.result()]
    found = [event_id for place in [state_dir, *places] if place.exists() for event_id in ids_in(place)]
    assert sorted(told) == sorted(found)
    assert adaptd.stats()["recorded"] >= 1195  # a line that was on its way at the change may not be counted


def test_config_and_state_dir_exclude_each_other(state_dir):
    """Both say where to record."""
    with pytest.raises(AdaptdError, match="both say where to record"):
        adaptd.configure(state_dir="a", config="b")


def test_the_signature_can_be_read(state_dir):
    """inspect sees the declared arguments, and an unknown public name is told with what there is."""
    assert "propensity" in inspect.signature(adaptd.record_output).parameters
    assert adaptd.record_feedback.__doc__.startswith("Record a judgement")
    with pytest.raises(AttributeError, match="offers AdaptdError"):
        _ = adaptd.record_everything
    assert set(adaptd.__all__) <= set(dir(adaptd))


def test_a_forked_child_counts_from_zero(state_dir):
    """stats() are of the process that asks."""
    out = output_of(
        "import os, sys, adaptd; adaptd.configure(state_dir=sys.argv[1]); adaptd.record_output('i', 'o')\n"
        "if os.fork(): os.wait()\n"
        "else: print(adaptd.stats()['recorded'], flush=True); os._exit(0)",
        state_dir,
    )
    assert out == "0\n"
