"""A checkpoint is whole or passed over, whatever happened while it was written or afterwards."""

import json
import os

import pytest
import torch

from components import checkpoints
from components.bad_input import BadInput
from components.checkpoints import Checkpoint, clean, load, newest, save


def made(step, value=1.0):
    shared = torch.full((4, 3), value)
    tensors = {"model": {"w": shared, "tied": shared, "t": torch.arange(6).reshape(2, 3).T}, "average": {}}
    return Checkpoint(step, tensors, {"history": [{"loss": 0.1 + 0.2}], "step": step})


def test_what_is_saved_comes_back(tmp_path):
    """Every tensor to the bit, tied and transposed ones too, and every number."""
    save(tmp_path, made(7))
    found, not_whole = newest(tmp_path)
    assert not_whole == []
    assert found.step == 7
    assert found.values == made(7).values
    for name, tensor in made(7).tensors["model"].items():
        assert torch.equal(found.tensors["model"][name], tensor)


def test_the_newest_few_are_kept(tmp_path):
    """By their step, not by their time."""
    for step in (5, 20, 100, 3):
        save(tmp_path, made(step), keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000020", "step-00000100"]


def _remove(path):
    path.unlink()


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [_remove, _truncate, _flip, _empty])
@pytest.mark.parametrize("name", ["model.safetensors", "values.json", "manifest.json", "average.safetensors"])
def test_one_that_is_not_whole_is_passed_over(harm, name, tmp_path):
    """Whichever file, whatever happened to it: the one before it is taken, and the reason is told."""
    save(tmp_path, made(1))
    harm(save(tmp_path, made(2)) / name)
    found, ((folder, why),) = newest(tmp_path)
    assert found.step == 1
    assert folder.name == "step-00000002"
    assert why
    with pytest.raises(BadInput, match=r"expected a whole one, but .*Use the one before it\."):
        load(folder)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "its manifest is none of format 1"),
        ('{"format": 2, "files": {}}', "its manifest is none of format 1"),
        ('{"format": 1, "files": {}, "step": 3}', "its manifest is of step 3"),
        ("nothing", "its manifest cannot be read"),
    ],
)
def test_a_foreign_folder_is_passed_over(text, why, tmp_path):
    """An empty one too, and files that are none of ours are left alone."""
    (tmp_path / "step-00000009").mkdir()
    (tmp_path / "step-00000008").mkdir()
    (tmp_path / "step-00000008" / "manifest.json").write_text(text)
    (tmp_path / "notes.txt").write_text("mine")
    found, not_whole = newest(tmp_path)
    assert found is None
    assert [one.why.startswith(told) for one, told in zip(not_whole, ("it has no manifest", why), strict=True)] == [
        True
    ] * 2
    save(tmp_path, made(10))
    assert (tmp_path / "notes.txt").exists()


def test_an_end_at_any_moment_leaves_the_one_before(tmp_path, monkeypatch):
    """Every call that touches the disk may be the last one."""
    save(tmp_path, made(1, 1.0))
    calls = {"left": 0}

    class Ended(BaseException):
        pass

    def dying(real):
        def call(*given, **named):
            calls["left"] -= 1
            if calls["left"] < 0:
                raise Ended
            return real(*given, **named)

        return call

    for name in ("fsync", "open"):
        monkeypatch.setattr(os, name, dying(getattr(os, name)))
    monkeypatch.setattr(type(tmp_path), "rename", dying(type(tmp_path).rename))
    ends = 0
    while True:
        calls["left"] = ends
        try:
            save(tmp_path, made(2, 2.0))
        except Ended:
            calls["left"] = 10**9
            found, not_whole = newest(tmp_path)
            assert not_whole == []
            assert found.step in (1, 2)
            assert found.tensors["model"]["w"][0, 0] == found.step
            ends += 1
            continue
        break
    assert ends > 8
    calls["left"] = 10**9
    assert newest(tmp_path)[0].step == 2


def test_what_a_killed_process_left_is_taken_away(tmp_path):
    """And nothing else."""
    save(tmp_path, made(1))
    (tmp_path / ".step-00000002.99").mkdir()
    (tmp_path / ".step-00000002.99" / "model.safetensors").write_text("half")
    clean(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_the_same_step_may_be_saved_again(tmp_path):
    """A run that was killed after its checkpoint does the step once more."""
    save(tmp_path, made(4, 1.0))
    save(tmp_path, made(4, 2.0))
    assert newest(tmp_path)[0].tensors["model"]["w"][0, 0] == 2.0


def test_no_pickle_is_there(tmp_path):
    """Safetensors and JSON, to be read by anybody."""
    folder = save(tmp_path, made(1))
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".json"}
    assert json.loads((folder / "values.json").read_text())["history"] == [{"loss": 0.30000000000000004}]
    assert checkpoints.FORMAT == 1
