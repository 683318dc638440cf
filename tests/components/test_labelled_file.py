"""A file of labelled texts is read whole, or told with its place."""

import csv
import gzip
import json

import pytest

from components.bad_input import BadInput
from components.labelled_file import read_file


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
    (tmp_path / "a.csv").write_text("body,topic\none,x\n,y\nthree,\n   ,z\n")
    found = read_file(tmp_path / "a.csv", "body", "topic")
    assert (found.texts, found.notes) == (("one",), ("3 rows without a text or a label left out",))


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
        (
            b"text,label\na,b\ncaf\xe9,b\n",
            (),
            r"expected a file in UTF-8 \(line 3: byte 0xe9 is none\)\. Convert it: iconv -f latin1 -t utf-8 a.csv >",
        ),
        ("text,label\na,b\n".encode("utf-16"), (), "Convert it: iconv -f utf-16 -t utf-8 a.csv"),
        (b"\x1f\x8bnothing", (), r"expected a file that can be read \(Compressed file ended"),
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


def test_a_text_may_be_longer_than_csv_allows(tmp_path):
    """And the module's limit is as it was afterwards."""
    before = csv.field_size_limit()
    (tmp_path / "a.csv").write_text(f"text,label\n{'word ' * 100_000},x\n")
    assert len(read_file(tmp_path / "a.csv").texts[0]) == 500_000
    assert csv.field_size_limit() == before


def test_classes_are_counted(tmp_path):
    """Spaces around a label are none of it."""
    (tmp_path / "a.csv").write_text("text,label\na,x\nb, x\nc,y\n")
    assert read_file(tmp_path / "a.csv").counts() == {"x": 2, "y": 1}
