"""How texts that were derived from a forgotten subject's examples are erased in the folders of runs.

`runs/RUN/derived.jsonl` holds what stages made up from recorded texts, a JSON object a line with `example` and
`derived_from`. A line is overwritten in place with these two alone; a run that has read it is not reached.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path

RUNS, DERIVED_TEXTS = "runs", "derived.jsonl"


def erase_derived_texts(state_dir: Path, outputs: Collection[int]) -> int:
    """Overwrites every text that was derived from these outputs, by their numbers; returns how many there were."""
    wanted = frozenset(outputs)
    return sum(_erase(path, wanted) for path in sorted((state_dir / RUNS).glob(f"*/{DERIVED_TEXTS}"))) if wanted else 0


def _erase(path: Path, wanted: frozenset[int]) -> int:
    spans = list(_spans(path, wanted))
    if spans:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            for start, line in spans:
                os.pwrite(descriptor, line, start)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return len(spans)


def _spans(path: Path, wanted: frozenset[int]) -> Iterator[tuple[int, bytes]]:
    """Where a line begins that has to go, and what takes its place; a line that cannot be read goes as well."""
    start = 0
    for line in path.read_bytes().splitlines(keepends=True):
        kept = _kept(line, wanted)
        if kept is not None:
            yield start, kept.ljust(len(line.rstrip(b"\n")))[: len(line.rstrip(b"\n"))]
        start += len(line)


def _kept(line: bytes, wanted: frozenset[int]) -> bytes | None:
    """What stays of a line, None where all of it does."""
    try:
        told = json.loads(line)
        numbers = {name: int(told[name]) for name in ("example", "derived_from")}
    except (ValueError, TypeError, KeyError):
        return b""
    if numbers["derived_from"] not in wanted or told == numbers:
        return None
    return json.dumps(numbers, separators=(",", ":")).encode()
