"""Any file of labelled texts is read, or told clearly why not."""

import gzip
import json

import numpy as np
import pytest

from bench.labelled_texts import UnreadableData, read_known, read_labelled, stratified_split


def _write(path, rows, zipped=False):
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(lines) if zipped else lines)
    return path


def _rows(count=30, classes=3, **more):
    return [{"text": f"text number {i}", "label": f"label {i % classes}", **more} for i in range(count)]


@pytest.mark.parametrize("zipped", [True, False])
def test_gzip_is_seen_by_its_first_bytes(tmp_path, zipped):
    """Whatever the file is called."""
    data = read_labelled(_write(tmp_path / "some.data", _rows(), zipped))
    assert (data.name, len(data.texts), data.classes) == ("some", 30, ("label 0", "label 1", "label 2"))
    assert data.pool is None


def test_without_a_split_a_fifth_of_each_class_is_judged_on(tmp_path):
    """Another fifth for another seed, the same for the same; no row on both sides."""
    data = read_labelled(_write(tmp_path / "a.jsonl", _rows(50, 5)))
    pool, test = data.split(1)
    assert np.bincount(data.labels[test]).tolist() == [2] * 5
    assert sorted([*pool, *test]) == list(range(50))
    assert data.split(1)[1].tolist() == test.tolist() != data.split(2)[1].tolist()


def test_a_class_of_one_text_is_learnt_and_not_judged():
    """One of two is judged; a class of two hundred gives forty."""
    labels = np.array([0, 1, 1] + [2] * 200)
    _, test = stratified_split(np.arange(203), labels, 0)
    assert np.bincount(labels[test], minlength=3).tolist() == [0, 1, 40]


def test_the_files_own_split_is_kept(tmp_path):
    """Train and test as they are written; what is neither is left out and told."""
    rows = _rows(20, split="Train") + [row | {"text": row["text"] + "?", "split": "test"} for row in _rows(6)]
    rows += [{"text": "beside", "label": "label 0", "split": "oos"}, {"text": "nothing", "label": "label 0"}]
    data = read_labelled(_write(tmp_path / "a.jsonl", rows))
    assert (len(data.pool), len(data.test)) == (20, 6)
    assert data.split(0)[0] is data.pool
    assert data.notes == ("2 rows of other splits are left out",)


def test_validation_rows_are_judged_on_where_there_is_no_test(tmp_path):
    """And that is told."""
    rows = _rows(20, split="train") + [row | {"text": row["text"] + "?", "split": "dev"} for row in _rows(6)]
    data = read_labelled(_write(tmp_path / "a.jsonl", rows))
    assert len(data.test) == 6
    assert "validation rows are judged on" in data.notes[0]


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_file_with_one_side_alone_is_split_by_seed(tmp_path, split):
    """Rows that are all for training, or all for the test, are rows like any others."""
    data = read_labelled(_write(tmp_path / "a.jsonl", _rows(split=split)))
    pool, test = data.split(0)
    assert (len(pool), len(test)) == (24, 6)


def test_a_text_counts_once_and_the_test_keeps_it(tmp_path):
    """Equal but for case and spaces; a contradicting label is counted."""
    rows = _rows(20, split="train") + [row | {"text": row["text"] + "?", "split": "test"} for row in _rows(6)]
    rows += [{"text": "TEXT  number 3?", "label": "label 1", "split": "train"}]
    rows += [{"text": "Text number 5", "label": "label 2", "split": "test"}]
    data = read_labelled(_write(tmp_path / "a.jsonl", rows))
    assert (len(data.pool), len(data.test)) == (19, 7)
    assert data.notes == ("2 repeated texts are left out, 1 with another label",)


def test_labels_may_be_numbers_and_texts_anything(tmp_path):
    """An empty text, emoji, a lone surrogate and a megabyte are texts."""
    odd = [{"text": text, "label": 7} for text in ("", "👩‍👩‍👧 naïve Ωμέγα", "x" * 1_000_000)]
    path = _write(tmp_path / "a.jsonl", [*odd, *({"text": f"t{i}", "label": 8.5} for i in range(9))])
    path.write_bytes(path.read_bytes() + b'{"text": "\\ud800", "label": true}\n')
    data = read_labelled(path)
    assert data.classes == ("7", "8.5", "True")
    assert data.texts[-1] == "?"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"text": "a"}', "line 2: no `label`, found text."),
        ('{"label": "a", "text": null}', "line 2: no `text`, found label, text."),
        ("{}", "line 2: no `text`, found nothing."),
        ('{"text": "a", "label"', "line 2: no JSON in UTF-8"),
        ('["text", "label"]', "line 2: found list, expected an object with `text` and `label`."),
        ('{"text": 3, "label": "a"}', "line 2: `text` is int, expected a text."),
        ('{"text": "a", "label": ["b"]}', "line 2: `label` is list, expected one label: a text or a number."),
        ('{"text": "a", "label": "b", "split": 1}', "line 2: `split` is int, expected a text such as train or test."),
    ],
)
def test_a_wrong_line_is_told_with_its_place(tmp_path, line, told):
    """The file, the line, what was found and what was expected."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "fine", "label": "x"}\n' + line + "\n")
    with pytest.raises(UnreadableData) as error:
        read_labelled(path)
    assert str(error.value).startswith(f"{path}, {told}")


def test_bytes_that_are_no_text_are_told(tmp_path):
    """Latin-1 is no UTF-8."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "na\xefve", "label": "x"}\n')
    with pytest.raises(UnreadableData, match="line 1: no JSON in UTF-8"):
        read_labelled(path)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "found no rows, expected a JSON object per line"),
        (_rows(20, classes=1), "found 1 class to learn, expected at least two labels"),
        (_rows(6), "found 6 different texts to learn from, expected at least 10"),
        (_rows(20, classes=20), "found one text for each label, expected labels that several texts carry"),
    ],
)
def test_too_little_is_told(tmp_path, rows, told):
    """Before anything is embedded."""
    with pytest.raises(UnreadableData, match=told):
        read_labelled(_write(tmp_path / "a.jsonl", rows))


def test_a_torn_gzip_is_told(tmp_path):
    """No traceback of gzip's."""
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"x" * 100)[:20])
    with pytest.raises(UnreadableData, match=r"a\.jsonl\.gz: cannot be read"):
        read_labelled(path)


def test_without_the_shared_data_the_message_says_what_to_do(tmp_path):
    """Name a file of your own."""
    with pytest.raises(UnreadableData, match=r"clinc150\.jsonl\.gz: not there.*--data FILE\.jsonl"):
        read_known("clinc150", tmp_path)
