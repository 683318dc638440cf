"""Moving data: what goes out comes in again, and a file of anything never crashes nor loses a good row."""

import io
import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemon.moving import chat, csv_rows
from daemon.moving.csv_rows import CsvRows, cell_of
from daemon.moving.exporting import COLUMNS
from daemon.moving.importing import Import, json_rows
from daemon.moving.lines import lines_of
from daemon.moving.rows import Defaults

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
PLAIN = st.text("abc äß,;\t\"'\\{}[]:0", min_size=1, max_size=20)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": TEXTS}),
    min_size=2,
    max_size=5,
)
IDS = st.text("abcdef-0123456789", min_size=1, max_size=20)
GOOD = {
    "native": [
        json.dumps({"kind": "output_recorded/1", "id": f"g-{n}", "body": {"id": f"g-{n}", "output": "x"}}).encode()
        for n in range(5)
    ],
    "chat": [json.dumps({"id": f"g-{n}", "user": "q", "assistant": "a"}).encode() for n in range(5)],
    "csv": [f'g-{n},"an, answer",{n}'.encode() for n in range(5)],
}
HEADER = b"id,output,score\n"
BAD = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b'{"user": "x"', b'x,"open', b'"', b'"a""', b"\x00", b"[" * 3000, b'{"a":' * 3000, b"1e999", b"\xff"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
    ).map(lambda value: json.dumps(value).encode()),
).map(lambda data: data.replace(b"\n", b" ").replace(b"\r", b" "))


class Taken:
    """A spool that keeps what it is given."""

    def __init__(self):
        self.ids = []

    def put_many(self, kind, events):
        self.ids += [json.loads(quoted) for quoted, _, _ in events]
        return [None] * len(events)


def taken(told_format, data):
    """The ids that were taken and the rows that were not."""
    lines, sink, rejects = lines_of(io.BytesIO(data)), Taken(), []
    rows = CsvRows(lines, {}).rows() if told_format == "csv" else json_rows(lines)
    work = Import(told_format, Defaults(), lambda _: {}, sink, lambda row, reason: rejects.append((row, reason)))
    for _ in work.take(rows):
        pass
    assert work.counts.rejected == len(rejects)
    return sink.ids, rejects


def interleaved(good, bad):
    return b"\n".join(line for number, line in enumerate(good) for line in (*bad[number : number + 1], line)) + b"\n"


def check_no_good_row_is_lost(told_format, bad):
    data = (HEADER if told_format == "csv" else b"") + interleaved(GOOD[told_format], bad)
    ids, _ = taken(told_format, data)
    assert {f"g-{n}" for n in range(5)} <= set(ids)


@given(st.lists(BAD, min_size=1, max_size=5))
@settings(deadline=None)
def test_bad_lines_cost_no_good_chat(bad):
    """Whatever stands between them."""
    check_no_good_row_is_lost("chat", bad)


@given(st.lists(BAD, min_size=1, max_size=5))
@settings(deadline=None)
def test_bad_lines_cost_no_good_event(bad):
    """Whatever stands between them."""
    check_no_good_row_is_lost("native", bad)


@given(st.lists(BAD, min_size=1, max_size=1))
@settings(deadline=None)
def test_one_bad_line_costs_no_good_row_of_a_table(bad):
    """Also where it opens a quote that nobody closes."""
    check_no_good_row_is_lost("csv", bad)


@given(st.binary(max_size=300), st.sampled_from(["native", "chat"]))
@settings(deadline=None)
@example(b"\xef\xbb\xbf", "native")
def test_any_bytes_are_rows_or_rejects(data, told_format):
    """Never a crash, and every line that is not empty is one of the two; a mark of the byte order is no line."""
    ids, rejects = taken(told_format, data)
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    assert len(ids) + len(rejects) == sum(bool(line.strip()) for line in lines)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_under_a_header_are_rows_or_rejects(data):
    """Never a crash, and bytes that are no white space do not vanish."""
    ids, rejects = taken("csv", HEADER + data)
    assert bool(ids or rejects) == bool(data.strip())


@given(IDS, st.none() | TEXTS | MESSAGES, TEXTS)
def test_a_chat_goes_out_and_comes_in(event_id, told_input, told_output):
    """Texts and lists of messages are as they were."""
    row = json.loads(json.dumps(chat.row_of(event_id, told_input, told_output, {"model": "m", "subject": None})))
    fields = {name: value for name, value in chat.fields_of(row).items() if value is not None}
    expected = {"id": event_id, "input": told_input, "output": told_output, "model": "m"}
    assert fields == {name: value for name, value in expected.items() if value is not None}


@given(
    st.lists(
        st.fixed_dictionaries(
            {"id": IDS, "input": TEXTS, "output": TEXTS, "comment": PLAIN, "score": st.floats(0, 100)}
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(deadline=None)
def test_a_table_goes_out_and_comes_in(rows):
    """Texts with quotes, commas and ends of lines are as they were."""
    import csv

    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows({name: cell_of(value) for name, value in row.items()} for row in rows)
    read = CsvRows(lines_of(io.BytesIO(text.getvalue().encode())), {}).rows()
    assert [csv_rows.fields_of(row.value) for row in read] == rows


def test_a_line_of_any_length_takes_no_more_memory_than_allowed():
    """What is passed over is counted, and the line after it is whole."""
    first, second = lines_of(io.BytesIO(b"x" * 5000 + b"\nshort"), most=2000)
    assert (first.size, len(first.data), first.is_whole) == (5001, 1000, False)
    assert (second.number, second.data, second.is_whole) == (2, b"short", True)
    assert [reason for _, reason in taken("chat", b"")[1]] == []
