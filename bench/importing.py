"""What `adaptd import` costs beside the intake of the same events from a spool, and how much memory a large file takes.

    python -m bench.importing [--rows 200000] [--rounds 5] [--large 1000000]

A daemon runs on each state folder. Raw intake: finished spool files are moved in at once. Import: the command reads an
export of the same events (native, chat, CSV) while the daemon takes in what it writes. The clock stops when the log
holds every event. The two take turns in one run. Memory is the peak of the command's process, as the
kernel counts it: never below this program's own 46 MB, from which the process was born. Writes
bench/results/importing.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.ingest_intake import FILE_BYTES, WRITER, call
from bench.measuring import goal, machine, show_goals, spread, write_json
from daemon.queries import read_log

RESULTS = Path(__file__).parent / "results" / "importing.json"
COMMAND = (sys.executable, "-c", "from adaptd._launch import main; raise SystemExit(main())")
FORMATS = ("native", "chat", "csv")
MEMORY_GOAL_MB = 300


class Daemon:
    """`adaptd run` on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        folder.mkdir(parents=True)
        adaptd("init", str(folder))
        self.config = folder / "config.toml"
        self._process = subprocess.Popen(
            [*COMMAND, "run", "--config", str(self.config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not (self.state / "adaptd.sock").exists():
            assert self._process.poll() is None, "the daemon did not start"
            time.sleep(0.01)

    def wait_for(self, events: int) -> None:
        """Until the log holds so many."""
        path = str(self.state / "events.db")
        while read_log(path).events < events:
            assert self._process.poll() is None, "the daemon ended"
            time.sleep(0.005)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(60) == 0


def adaptd(*words: str) -> int:
    """One command; returns the peak of its memory in bytes."""
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"adaptd {' '.join(words)}: {said}"
    return used.ru_maxrss * 1024


def raw_intake(folder: Path, rows: int, exports: dict[str, Path]) -> float:
    """Seconds from the moment that the spool files are there; leaves exports of what was taken in."""
    daemon = Daemon(folder)
    born = folder / "born"
    fill(born, rows)
    began = time.perf_counter()
    for file in sorted(born.iterdir()):
        file.rename(daemon.state / "spool" / file.name)
    daemon.wait_for(rows)
    took = time.perf_counter() - began
    daemon.stop()
    for told_format, file in exports.items():
        if not file.exists():
            adaptd("export", "--config", str(daemon.config), "--format", told_format, "--output", str(file))
    return took


def fill(folder: Path, rows: int) -> None:
    """V2 calls as a host writes them, in files of the usual size."""
    folder.mkdir()
    rng, per_file = random.Random(7), 0
    file, number = None, 0
    for row in range(rows):
        line = json.dumps(call(rng, row, subjects=0), separators=(",", ":")) + "\n"
        per_file = per_file or FILE_BYTES // len(line)
        if row % per_file == 0:
            if file is not None:
                file.close()
            number += 1
            file = (folder / f"{WRITER}-{number:06}.ndjson").open("w")
        assert file is not None
        file.write(line)
    if file is not None:
        file.close()


def import_of(folder: Path, told_format: str, file: Path, rows: int) -> tuple[float, int]:
    """Seconds until the log holds every row, and the peak of the command's memory."""
    daemon = Daemon(folder)
    began = time.perf_counter()
    peak = adaptd("import", "--config", str(daemon.config), "--format", told_format, str(file))
    daemon.wait_for(rows)
    took = time.perf_counter() - began
    daemon.stop()
    return took, peak


def measure(rows: int, rounds: int, large: int) -> dict[str, Any]:
    ratios: dict[str, list[float]] = {name: [] for name in FORMATS}
    seconds: dict[str, list[float]] = {"raw intake": [], **{name: [] for name in FORMATS}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exports = {told_format: folder / f"rows.{told_format}" for told_format in FORMATS}
        for turn in range(rounds):
            raw = raw_intake(folder / f"raw{turn}", rows, exports)
            seconds["raw intake"].append(raw)
            for told_format, file in exports.items():
                took, _ = import_of(folder / f"{told_format}{turn}", told_format, file, rows)
                seconds[told_format].append(took)
                ratios[told_format].append(raw / took)
        peaks = {}
        if large:
            exports = {told_format: folder / f"large.{told_format}" for told_format in FORMATS}
            raw_intake(folder / "large", large, exports)
            for told_format, file in exports.items():
                _, peak = import_of(folder / f"large-{told_format}", told_format, file, large)
                peaks[told_format] = {"peak_mb": round(peak / 1e6, 1), "file_mb": round(file.stat().st_size / 1e6, 1)}
                file.unlink()
    goals = {
        f"{told_format}: of raw intake": goal(spread(found)["median"], 0.5, at_most=False)
        for told_format, found in ratios.items()
    } | {
        f"{told_format}: MB for {large:,} rows": goal(peak["peak_mb"], MEMORY_GOAL_MB, at_most=True)
        for told_format, peak in peaks.items()
    }
    return {
        "what": "adaptd import beside the intake of the same events from a spool, until the log holds them",
        "machine": machine(),
        "rows": rows,
        "seconds": {name: spread(found) for name, found in seconds.items()},
        "of_raw_intake": {name: spread(found) for name, found in ratios.items()},
        "large": {"rows": large, **peaks},
        "goals": goals,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=1_000_000, help="rows of the memory part; 0 leaves it out")
    parser.add_argument("--json", type=Path, default=RESULTS)
    options = parser.parse_args()
    result = measure(options.rows, options.rounds, options.large)
    show_goals(result["goals"])
    write_json(options.json, result)


if __name__ == "__main__":
    main()
