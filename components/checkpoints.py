"""Checkpoints that are whole or not there: a folder of tensors and plain values, with the hash of every file.

Written beside under another name, every file and folder flushed, then renamed: a kill or a power cut leaves the one
before. Tensors in safetensors, everything else as JSON; no pickle is read or written. It does not know what the tensors
are for.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from components.bad_input import BadInput, whole_number

if TYPE_CHECKING:
    import torch

FORMAT = 1
PREFIX = "step-"
MANIFEST = "manifest.json"
_CHUNK = 1 << 20


class Checkpoint(NamedTuple):
    """What was saved at the end of a step."""

    step: int
    tensors: dict[str, dict[str, torch.Tensor]]  # file stem → name → tensor
    values: dict[str, Any]


class NotWhole(NamedTuple):
    """A folder that looks like a checkpoint and cannot be used."""

    folder: Path
    why: str


def save(folder: Path, checkpoint: Checkpoint, keep: int = 2) -> Path:
    """Writes the checkpoint and lets go of all but the newest `keep`; returns its folder."""
    from safetensors.torch import save_file

    whole_number("keep", keep, low=1)
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{PREFIX}{checkpoint.step:08}"
    beside = folder / f".{final.name}.{os.getpid()}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    for stem, tensors in checkpoint.tensors.items():
        save_file(_as_stored(tensors), beside / f"{stem}.safetensors")
    (beside / "values.json").write_text(json.dumps(checkpoint.values, sort_keys=True))
    names = sorted(path.name for path in beside.iterdir())
    manifest = {"format": FORMAT, "step": checkpoint.step, "files": {name: _hash(beside / name) for name in names}}
    (beside / MANIFEST).write_text(json.dumps(manifest, sort_keys=True))
    for path in [*beside.iterdir(), beside]:
        _sync(path)
    if final.exists():  # the same step done again after a torn end
        shutil.rmtree(final)
    beside.rename(final)
    _sync(folder)
    _let_go(folder, keep)
    return final


def newest(folder: Path) -> tuple[Checkpoint | None, list[NotWhole]]:
    """The newest checkpoint that is whole, and the newer ones that are not, with the reason for each."""
    not_whole: list[NotWhole] = []
    for path in reversed(_steps(folder)):
        why = _fault(path)
        if why is None:
            return _load(path), not_whole
        not_whole.append(NotWhole(path, why))
    return None, not_whole


def load(path: Path) -> Checkpoint:
    """One checkpoint; BadInput where it is not whole."""
    why = _fault(path)
    if why is not None:
        raise BadInput("checkpoint", str(path), f"a whole one, but {why}", "Use the one before it.")
    return _load(path)


def clean(folder: Path) -> None:
    """Takes away what a killed process left half written."""
    for path in folder.glob(f".{PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


def _steps(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"{PREFIX}*") if path.is_dir()) if folder.is_dir() else []


def _fault(path: Path) -> str | None:
    """Why a folder is no whole checkpoint; None when it is."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except FileNotFoundError:
        return "it has no manifest"
    except (OSError, ValueError) as error:
        return f"its manifest cannot be read: {error}"
    if (
        not isinstance(manifest, dict)
        or manifest.get("format") != FORMAT
        or not isinstance(manifest.get("files"), dict)
    ):
        return f"its manifest is none of format {FORMAT}"
    if path.name != f"{PREFIX}{manifest.get('step'):08}":
        return f"its manifest is of step {manifest.get('step')}"
    return next(_wrong_files(path, manifest["files"]), None)


def _wrong_files(path: Path, files: Mapping[str, str]) -> Iterator[str]:
    for name, wanted in files.items():
        try:
            if _hash(path / name) != wanted:
                yield f"{name} is not as it was written"
        except OSError as error:
            yield f"{name}: {error.strerror}"


def _load(path: Path) -> Checkpoint:
    from safetensors.torch import load_file

    manifest = json.loads((path / MANIFEST).read_bytes())
    tensors = {file.stem: load_file(file) for file in sorted(path.glob("*.safetensors"))}
    return Checkpoint(manifest["step"], tensors, json.loads((path / "values.json").read_bytes()))


def _as_stored(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """On the CPU, each with memory of its own: safetensors refuses tensors that share it."""
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def _hash(path: Path) -> str:
    hashed = blake2b(digest_size=32)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _let_go(folder: Path, keep: int) -> None:
    for path in _steps(folder)[:-keep]:
        gone = path.with_name(f".{path.name}.gone")  # renamed first: a half-deleted one must not look whole
        shutil.rmtree(gone, ignore_errors=True)
        path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
