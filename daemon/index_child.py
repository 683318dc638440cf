"""The process in which an index is built: `python -P -m daemon.index_child FOLDER`, started by the daemon.

Texts are read, embedded page by page with the model that the spec names, and written beside the index's place; it gets
its name when all of it is on the disk. Killed at any moment it is simply done again.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.example_fields import as_text
from daemon.index_folder import IndexFolder, IndexResult, IndexSpec
from daemon.index_shelf import build_of
from daemon.model_shelf import MODE, Shelf
from daemon.run_child import FAILED, IN_USE, NICENESS, OK, Refused, device_of, have_lock, options_of, words_of
from daemon.run_child import workload_of as workload_of_plan
from daemon.run_folder import Held, Start, sync_file
from daemon.state_folder import sync_folder
from daemon.texts import TextSource

PAGE_TEXTS = 2048
Embed = Callable[[Sequence[str]], NDArray[np.float32]]


class Texts(NamedTuple):
    """What is indexed: an id and a text each."""

    ids: list[Any]
    texts: list[str]

    def hash(self) -> str:
        return blake2b(json.dumps([self.ids, self.texts]).encode(), digest_size=16).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what the folder says; result.json says how it went."""
    options = options_of(arguments, "daemon.index_child")
    folder = IndexFolder(Path(options.folder).resolve())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at the daemon's terminal is the daemon's to hear
    start = folder.start()
    if not have_lock(folder, Held(os.getpid(), start.start, start.device, 0), options.lock):
        return IN_USE
    if options.lease is not None:
        os.set_inheritable(options.lease, False)
    with suppress(OSError):
        os.nice(NICENESS)
    result = _result(folder, start)
    folder.write("result.json", result)
    print(f"{folder.path.name}: {result.state}", result.reason or "", flush=True)
    return OK if result.state == "built" else FAILED


def _result(folder: IndexFolder, start: Start) -> IndexResult:
    """The edge: whatever a workload or a builder does ends in a result, with its traceback in out.log."""
    began = time.monotonic()
    try:
        return _build(folder, start, began)
    except Exception as error:  # noqa: BLE001 somebody else's code is run here, and its end has to be told
        traceback.print_exc()
        return IndexResult(start.start, "failed", reason=words_of(error), seconds=round(time.monotonic() - began, 3))


def _build(folder: IndexFolder, start: Start, began: float) -> IndexResult:
    spec, state_dir = folder.judge_spec(), folder.path.parent.parent
    workload, _ = workload_of_plan(spec, start)
    if not hasattr(workload, "embed") or not hasattr(workload, "embedding_fingerprint"):
        raise Refused(f"workload {spec.plugin!r} makes no embeddings, expected `embed` and `embedding_fingerprint`")
    shelf = Shelf(state_dir / "models" / spec.workload)
    shelf.check(spec.model)
    model, device = shelf.path(spec.model), device_of(start.device)
    fact = {"model": spec.model, "index": spec.index, "build": spec.build}
    final = build_of(state_dir, spec.workload, fact)
    beside = final.with_name(f".{final.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True, mode=MODE)
    for made in (final.parent, final.parent.parent, final.parent.parent.parent):
        made.chmod(MODE)
    found = _texts_of(folder, spec, start)
    fingerprint = workload.embedding_fingerprint(model)
    dimension = _write(beside, spec, start, found, lambda texts: workload.embed(model, texts, device))
    facts = {"workload": spec.workload, **fact, "fingerprint": fingerprint, "rows": len(found.ids)}
    (beside / "index.json").write_text(json.dumps({"format": 1, **facts, "dimension": dimension}, indent=1) + "\n")
    _put(beside, final)
    seconds = round(time.monotonic() - began, 3)
    return IndexResult(start.start, "built", fingerprint, len(found.ids), dimension, found.hash(), seconds)


def _write(beside: Path, spec: IndexSpec, start: Start, found: Texts, embed: Embed) -> int:
    """The size of a vector; by whom the spec names, or as embeddings.npy with ids.json."""
    if spec.by is not None:
        _builder_of(spec.by, Path(start.beside))(found.texts, found.ids, embed, beside)
        return int(np.asarray(embed([""])).shape[1])
    (beside / "ids.json").write_text(json.dumps(found.ids) + "\n")
    first = np.asarray(embed(found.texts[:PAGE_TEXTS] or [""]))
    size, kind = (len(found.texts), first.shape[1]), np.dtype(spec.dtype)
    out = np.lib.format.open_memmap(beside / "embeddings.npy", mode="w+", dtype=kind, shape=size)
    for begin in range(0, len(found.texts), PAGE_TEXTS):
        page = found.texts[begin : begin + PAGE_TEXTS]
        vectors = first if not begin else np.asarray(embed(page))
        if vectors.shape != (len(page), size[1]) or not np.isfinite(vectors).all():
            raise Refused(f"{spec.workload}: embeddings {vectors.shape}, expected finite ones, {(len(page), size[1])}")
        out[begin : begin + len(page)] = vectors
        print(f"{min(begin + PAGE_TEXTS, len(found.texts))} of {len(found.texts)} texts", flush=True)
    out.flush()
    return int(size[1])


def _builder_of(named: str, beside: Path) -> Callable[..., object]:
    """A function of a file beside config.toml, or of a module that is installed."""
    where, _, name = named.rpartition(":")
    file = beside / where
    if file.is_file():
        spec = importlib.util.spec_from_file_location(f"adaptd_index_{file.stem}", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        try:
            module = importlib.import_module(where)
        except ImportError as error:
            raise Refused(
                f"index builder {named!r}: {error}, expected a file beside config.toml, or a module"
            ) from None
    found = getattr(module, name, None)
    if not callable(found):
        raise Refused(f"index builder {named!r}: no function {name!r} there, expected one of (texts, ids, embed, out)")
    return found  # type: ignore[no-any-return]


def _put(beside: Path, final: Path) -> None:
    for path in sorted(beside.rglob("*")):
        if path.is_file():
            path.chmod(0o640)
            sync_file(path)
        else:
            path.chmod(MODE)
    sync_folder(beside)
    shutil.rmtree(final, ignore_errors=True)  # of a child that was killed before it could say so
    beside.rename(final)
    sync_folder(final.parent)


# What is indexed


def _texts_of(folder: IndexFolder, spec: IndexSpec, start: Start) -> Texts:
    pairs = list(_of_file(Path(start.beside) / spec.texts) if spec.texts else _recorded(folder))
    ids = [one for one, _ in pairs]
    if len({(type(one), one) for one in ids}) < len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        raise Refused(f"{spec.texts}: the id {twice!r} is there twice, expected each once")
    return Texts(ids, [text for _, text in pairs])


def _of_file(path: Path) -> Iterator[tuple[Any, str]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path}: {error}, expected JSON lines with id and text") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _row(path, number, line)


def _row(path: Path, number: int, line: str) -> tuple[Any, str]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    named = row if isinstance(row, dict) else {}
    if not isinstance(named.get("id"), str | int) or not isinstance(named.get("text"), str):
        raise Refused(f"{path}, line {number}: expected a JSON object with an id (a text or a number) and a text")
    return named["id"], named["text"]


def _recorded(folder: IndexFolder) -> Iterator[tuple[int, str]]:
    outputs = folder.outputs()
    with TextSource.open(folder.path.parent.parent) as source:
        for begin in range(0, len(outputs), PAGE_TEXTS):
            page = outputs[begin : begin + PAGE_TEXTS]
            told = source.told(page)
            for seq in page.tolist():
                fields = told[seq].fields if seq in told else None
                if fields is not None and fields.get("input") is not None:
                    yield seq, as_text(fields["input"])


if __name__ == "__main__":
    sys.exit(main())
