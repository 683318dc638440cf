"""What lies in a run's folder: whole or not there, and never believed unseen."""

import json
import os
import stat

import msgspec
import numpy as np
import pytest

from adaptd.plugin import Pool
from daemon.run_folder import (
    BadRunFolder,
    Progress,
    Result,
    RunFolder,
    Spec,
    Start,
    folder_of,
    id_of,
    names_of,
    number_of,
    write_folder,
)

SPEC = Spec(
    run="run-0007",
    batch=3,
    workload="support",
    plugin="counting",
    code="c0de",
    mode="full",
    settings={"steps": 3},
    base_model=None,
    seed=5,
    names={"columns": {"artifact_type": [None, "erd"]}},
    position=9,
)


def pool(rows=4):
    columns = {"example": np.arange(1, rows + 1), "artifact_type": np.ones(rows), "score": np.arange(rows) * 10.0}
    made = Pool.of(columns, names={"artifact_type": [None, "erd"]})
    return made.derive([0, 1], [{"input": "a", "output": "b"}, {"input": "ä"}], "test", "made")


def texts(seqs):
    return [{"input": f"of {seq}"} for seq in seqs.tolist()]


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path, SPEC, pool(), pool().take([0, 1]))


def test_what_was_planned_is_read_again(folder):
    """Spec, columns, names, derived texts; texts of the others come from the log."""
    assert folder.spec() == SPEC
    read = folder.pool("columns", texts)
    assert all(np.array_equal(read[name], column, equal_nan=True) for name, column in pool().columns.items())
    assert read.names == {"artifact_type": [None, "erd"]}
    assert read.texts([0, 4, 5]) == [{"input": "of 1"}, {"input": "a", "output": "b"}, {"input": "ä"}]
    assert len(folder.pool("validation", texts)) == 2
    assert names_of(pool()) == {"artifact_type": [None, "erd"]}


def test_only_the_owner_may_look(folder):
    """Folder 0700; derived texts 0600."""
    assert stat.S_IMODE(folder.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder.path / "derived.jsonl").stat().st_mode) == 0o600


def test_a_folder_that_was_begun_is_begun_anew(tmp_path):
    """What a kill has left beside it, or without its spec, is taken away."""
    beside = tmp_path / "runs" / ".run-0007.unfinished"
    beside.mkdir(parents=True)
    (beside / "half").touch()
    (tmp_path / "runs" / "run-0007").mkdir()
    (tmp_path / "runs" / "run-0007" / "torn").touch()
    folder = write_folder(tmp_path, SPEC, pool(), pool())
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "columns.npz",
        "derived.jsonl",
        "spec.json",
        "validation.npz",
    ]
    assert [path.name for path in folder.path.parent.iterdir()] == ["run-0007"]


def test_ids_are_numbers_that_sort(tmp_path):
    """No path is made of anything else."""
    assert (id_of(7), number_of("run-0007"), id_of(12345)) == ("run-0007", 7, "run-12345")
    with pytest.raises(BadRunFolder, match=r"found run '../../etc', expected an id such as run-0007"):
        folder_of(tmp_path, "../../etc")


def torn(path):
    path.write_bytes(path.read_bytes()[:-20])


def with_pickle(path):
    np.savez(path, example=np.array([{"a": 1}], object))


HOSTILE = [
    ("spec.json", torn, "Input data was truncated"),
    ("spec.json", lambda path: path.write_text("[]"), "Expected `object`, got `array`"),
    ("spec.json", lambda path: path.write_text("[" * 100_000), "found "),
    ("spec.json", lambda path: path.write_text(path.read_text().replace("0007", "0008")), "expected run 'run-0007'"),
    ("spec.json", lambda path: path.write_text(path.read_text().replace('"full"', '"half"')), "Invalid enum value"),
    ("spec.json", lambda path: path.unlink(), "no such file"),
    ("columns.npz", torn, "expected the columns of a pool"),
    ("columns.npz", with_pickle, "allow_pickle=False"),
    ("columns.npz", lambda path: path.write_bytes(b""), "expected the columns of a pool"),
    ("columns.npz", lambda path: np.savez(path, example=np.arange(3), score=np.arange(2.0)), "has shape"),
    ("columns.npz", lambda path: path.unlink(), "expected the columns of a pool"),
    ("derived.jsonl", torn, "expected a derived example a line"),
    ("derived.jsonl", lambda path: path.write_text('{"example": -2, "text": {}}\n'), "found no example -3"),
    ("derived.jsonl", lambda path: path.unlink(), "found no example -2"),
]


def read_all(folder):
    return folder.spec(), folder.pool("columns", texts)


@pytest.mark.parametrize(("name", "spoil", "words"), HOSTILE)
def test_a_torn_or_hostile_file_is_told_with_its_name(folder, name, spoil, words):
    """What was found, what was expected, and that a new batch is the way out."""
    spoil(folder.path / name)
    with pytest.raises(BadRunFolder) as error:
        read_all(folder)
    assert f"run-0007/{name}: found" in str(error.value)
    assert words in str(error.value)
    assert "a run of a new batch begins with a folder of its own" in str(error.value)


def test_only_the_result_of_this_start_counts(folder):
    """One of an earlier start is none; one that cannot be read is a fault."""
    assert folder.result(1) is None
    folder.write("result.json", Result(start=1, state="finished", metrics={"loss": float("nan")}))
    assert folder.result(1).metrics == {"loss": None}
    assert folder.result(2) is None
    (folder.path / "result.json").write_text('{"start": 1, "state": "perfect"}')
    with pytest.raises(BadRunFolder, match="expected the result of a run"):
        folder.result(1)


def test_a_heartbeat_that_cannot_be_read_is_none(folder):
    """It is about to be written again."""
    assert folder.progress() is None
    folder.write("progress.json", Progress(start=1, step=4, losses=[(1, 0.5)]))
    assert folder.progress() == Progress(start=1, step=4, losses=[(1, 0.5)])
    torn(folder.path / "progress.json")
    assert folder.progress() is None


def test_a_start_begins_without_the_wishes_and_words_of_the_one_before(folder):
    folder.ask_to_stop("window")
    assert folder.stop_reason() == "window"
    folder.write("result.json", Result(start=1, state="paused"))
    folder.clear_for(Start(start=2, device="cpu", beside="/"))
    assert (folder.stop_reason(), folder.result(1), folder.start().start) == (None, None, 2)


def test_the_newest_checkpoint_with_its_manifest_counts(folder):
    """A folder without one is none, nor is one whose name is no step."""
    assert folder.checkpointed_step() == 0
    for name in ("step-00000005", "step-00000012", "step-later"):
        (folder.checkpoints / name).mkdir(parents=True)
    (folder.checkpoints / "step-00000005" / "manifest.json").touch()
    (folder.checkpoints / "step-later" / "manifest.json").touch()
    assert folder.checkpointed_step() == 5


def test_a_file_is_not_written_through_a_link(folder, tmp_path):
    """Somebody may have put one there."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (folder.path / ".stop.unfinished").symlink_to(victim)
    with pytest.raises(OSError, match=r"Too many levels of symbolic links|ELOOP"):
        folder.ask_to_stop("window")
    assert victim.read_text() == "mine"


def test_a_model_that_is_not_the_run_s_is_told(folder):
    with pytest.raises(BadRunFolder, match="expected the manifest of a finished model"):
        folder.check_model("abc")
    folder.model.mkdir()
    (folder.model / "adaptd-manifest.json").write_text("{}")
    with pytest.raises(BadRunFolder, match="expected that of the run's model, abc"):
        folder.check_model("abc")


def test_a_removed_folder_is_gone_at_once(folder):
    """Renamed first, so that half of one never looks like a run."""
    folder.remove()
    assert list(folder.path.parent.iterdir()) == []
    RunFolder(folder.path).remove()


def test_the_spec_is_json_to_read(folder):
    """By people too."""
    assert json.loads((folder.path / "spec.json").read_bytes())["settings"] == {"steps": 3}
    assert msgspec.json.decode((folder.path / "spec.json").read_bytes())["format"] == 1
    assert os.listdir(folder.path.parent) == ["run-0007"]
