"""A file of labelled texts is read whole or told with its place, and split within each class."""

import gzip
import json

import numpy as np
import pytest

from components.bad_input import BadInput
from plugins.workloads.sbert.labelled_file import LabelledFile, read_file, split_of


def many(rows=1000):
    labels = ["rare" if row % 10 == 0 else "often" for row in range(rows)]
    return LabelledFile(tuple(f"text {row}" for row in range(rows)), tuple(labels))


def test_csv_and_json_lines_are_read(tmp_path):
    """Quoted, over two lines, gzipped; usual names of columns are known."""
    (tmp_path / "a.csv").write_text('id,text,label\n1,"one, ""two""\nthree",x\n2,four,y\n')
    assert read_file(tmp_path / "a.csv").texts == ('one, "two"\nthree', "four")
    lines = "".join(json.dumps({"text": f"t{label}", "label": label}) + "\n" for label in (1, 2))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    assert read_file(tmp_path / "b.jsonl.gz").labels == ("1", "2")


def test_the_documents_file_is_known_by_its_columns(tmp_path):
    """Its classes are numbers there, and names here."""
    head = ",count,hate_speech,offensive_language,neither,class,tweet"
    (tmp_path / "labeled_data.csv").write_text(head + "\n0,3,0,0,3,2,a\n1,3,0,3,0,1,b\n2,3,3,0,0,0,c\n")
    found = read_file(tmp_path / "labeled_data.csv")
    assert found.texts == ("a", "b", "c")
    assert found.labels == ("neither", "offensive_language", "hate_speech")


def test_other_columns_are_named(tmp_path):
    """And rows without a text or a label are left out, which is said."""
    (tmp_path / "a.csv").write_text("body,topic\none,x\n,y\nthree,\n")
    found = read_file(tmp_path / "a.csv", "body", "topic")
    assert (found.texts, found.notes) == (("one",), ("2 rows without a text or a label are left out",))


@pytest.mark.parametrize(
    ("content", "columns", "told"),
    [
        (None, (), "--data: found '.*a.csv', expected a CSV file with a header, or JSON lines"),
        (b"", (), "expected at least one row with a text and a label"),
        (b"text,label\n", (), "expected at least one row"),
        (b"text,label\n,\n", (), "expected rows with something under 'text' and 'label'"),
        (
            b"body,label\na,b\n",
            (),
            "--text-column: found 'none of text, tweet, .*expected one of the columns.*: body, la",
        ),
        (b"text,label\na,b\n", ("x", None), "--text-column: found 'x', expected one of the columns of the file: text"),
        (b"text,topic\na,b\n", (), "--label-column: found 'none of label, class, category'"),
        (b"text,label\n\xff,b\n", (), "expected a file in UTF-8 that can be read"),
        (b"\x1f\x8bnothing", (), "expected a file in UTF-8 that can be read"),
        (b'{"text": "a", "label": 1}\n{"text"\n', (), r"--data a.csv, line 2: found '.*, expected a JSON object \("),
        (b'{"text": "a", "label": 1}\n[1]\n', (), r"--data a.csv, line 2: found '\[1\]', expected a JSON object\."),
    ],
)
def test_what_cannot_be_read_is_told(content, columns, told, tmp_path):
    """With the option, the place, and what was expected."""
    if content is not None:
        (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(BadInput, match=told):
        read_file(tmp_path / "a.csv", *columns)


def test_splits_are_70_9_21_within_each_class():
    """As the document has them; every row is on one side."""
    file = many()
    split = split_of(file, 42)
    assert [len(rows) for rows in (split.train, split.validate, split.test)] == [700, 90, 210]
    labels = np.array(file.labels)
    assert [(labels[rows] == "rare").sum() for rows in (split.train, split.validate, split.test)] == [70, 9, 21]
    assert sorted(np.concatenate([split.train, split.validate, split.test])) == list(range(1000))


def test_sizes_are_shares_of_all_rows_and_the_seed_draws():
    """The same seed the same rows."""
    file = many()
    split = split_of(file, 1, test_size=0.2, val_size=0.1)
    assert [len(rows) for rows in (split.train, split.validate, split.test)] == [700, 100, 200]
    assert np.array_equal(split.test, split_of(file, 1, 0.2, 0.1).test)
    assert not np.array_equal(split.test, split_of(file, 2, 0.2, 0.1).test)


def test_equal_texts_are_on_one_side():
    """But for case and spaces; else the test would be of what was learnt."""
    texts = tuple(f"{'Text' if row % 2 else 'text  '} {row // 2}" for row in range(400))
    split = split_of(LabelledFile(texts, ("a",) * 400), 3)
    for rows in (split.train, split.validate, split.test):
        assert {row ^ 1 for row in rows.tolist()} == set(rows.tolist())


@pytest.mark.parametrize("sizes", [(0.0, 0.1), (0.5, 0.5), (1.2, 0.1)])
def test_sizes_that_leave_nothing_are_told(sizes):
    """In the options' own words."""
    with pytest.raises(
        BadInput, match=r"--test-size and --val-size: found .*, expected shares above 0 that leave some"
    ):
        split_of(many(), 1, *sizes)


def test_too_few_rows_are_told():
    """By what they would leave empty."""
    with pytest.raises(
        BadInput, match="--data: found '3 rows', expected enough of them that some are left to validate"
    ):
        split_of(many(3), 1)
