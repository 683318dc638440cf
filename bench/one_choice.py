"""One choice in a process of its own, so that its memory is its own: read SPEC, choose, print what it took.

    python -m bench.one_choice '{"pool": "…npy", "rows": 1000000, "budget": 1000, "seed": 0, "way": "all"}'

`way` is "auto" or "all" for ours, else a peer's strategy of bench/asking_peers.py. Imports are not counted, and for a
peer neither is reading the pool into memory. With `limit` the kernel ends the process so many CPU seconds later.
"""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.label_runs import MOST_MEMORY

OURS = ("auto", "all")  # which rows typical_then_margin looks at
CLASSES = 150  # what ProbCover is told, as on CLINC150


def measured(spec: dict[str, Any]) -> dict[str, Any] | None:
    """What the choice took, in a new process; None when it was ended before, by time or memory."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.one_choice", json.dumps(spec)],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        check=False,
    )
    ended_by_us = done.returncode < 0 or b"MemoryError" in done.stderr
    if done.returncode and not ended_by_us:
        raise RuntimeError(f"{spec['way']} on {spec['rows']} rows: {done.stderr.decode()[-500:]}")
    return None if done.returncode else json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    spec = json.loads(sys.argv[1])
    choose = _ours(spec) if spec["way"] in OURS else _theirs(spec)
    if spec.get("limit"):
        _limit(spec["limit"])
    load, wall, cpu = os.getloadavg()[0], time.perf_counter(), time.process_time()
    picks = choose()
    took = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({**took, "peak_mb": peak_mb(), "load": round(load, 2), "picks": [int(row) for row in picks]}))


def _ours(spec: dict[str, Any]) -> Callable[[], Any]:
    from components.asking import choose_to_ask

    def choose() -> Any:
        pool = np.load(spec["pool"], mmap_mode="r")[: spec["rows"]]
        return choose_to_ask(pool, spec["budget"], over=spec["way"], rng=np.random.default_rng(spec["seed"])).rows

    return choose


def _theirs(spec: dict[str, Any]) -> Callable[[], Any]:
    from bench.asking import Situation
    from bench.asking_peers import peers

    strategy = next(one for one in peers() if one.name == spec["way"])
    pool = np.load(spec["pool"], mmap_mode="r")[: spec["rows"]].astype(np.float32)  # they take nothing smaller
    none = np.empty(0, dtype=np.int64)
    situation = Situation(pool, none, none, CLASSES, None, None, spec["seed"])
    return lambda: strategy.choose(situation, spec["budget"])


def _limit(seconds: float) -> None:
    """End this process after so many CPU seconds more, and refuse it memory that the machine needs."""
    until = math.ceil(time.process_time() + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (until, until + 1))
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))


def peak_mb() -> float:
    """The most memory that this process has had at once, what it has mapped of the file included.

    getrusage would tell that of the process it was forked from, where that is more.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return round(int(peak) / 1024, 1)


if __name__ == "__main__":
    main()
