"""What folding the log into views costs: from the first event, and of what is new, beside the usual upserts.

    python -m bench.replay [EVENTS] [ROUNDS]

Each cold fold runs in a process of its own, the two kinds in turn. The peer does what most projections do: one SQLite
upsert per event and table, a commit per page of 500, position in the same transaction, WAL and synchronous=NORMAL as
here. It keeps far less (counts, a score, the newest feedback, volume); nothing is resolved. Costs are CPU time of the
process, so that other work on the machine disturbs less; wall time is beside them. Writes bench/results/replay.json.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bench.log_maker import START, entries, fill
from bench.measuring import goal, show_goals, write_json
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.sqlite_log import SqliteEventLog
from daemon.views.store import ALL_VIEWS, Views

RESULTS = Path(__file__).parent / "results" / "replay.json"
SMALL = 10_000
TURN = 1_000
PEER_COLUMNS = ("seq", "kind", "received_at", "output_key", "artifact_type", "side", "says", "score")
PEER_SCHEMA = """
CREATE TABLE examples (output_key INTEGER PRIMARY KEY, artifact_type TEXT, side TEXT, signals INTEGER, scores INTEGER,
  score_sum REAL, newest INTEGER) WITHOUT ROWID;
CREATE TABLE volume (artifact_type TEXT, day INTEGER, events INTEGER, PRIMARY KEY (artifact_type, day)) WITHOUT ROWID;
CREATE TABLE kinds (kind TEXT PRIMARY KEY, events INTEGER) WITHOUT ROWID;
CREATE TABLE position (one INTEGER PRIMARY KEY, seq INTEGER);
"""
UPSERT_EXAMPLE = """
INSERT INTO examples VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (output_key) DO UPDATE SET
  artifact_type = ifnull(artifact_type, excluded.artifact_type), side = ifnull(side, excluded.side),
  signals = signals + excluded.signals, scores = scores + excluded.scores,
  score_sum = score_sum + excluded.score_sum, newest = max(newest, excluded.newest)
"""
UPSERT_VOLUME = "INSERT INTO volume VALUES (?, ?, 1) ON CONFLICT (artifact_type, day) DO UPDATE SET events = events + 1"
UPSERT_KIND = "INSERT INTO kinds VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET events = events + 1"


class Upserts:
    """The usual way: rows, updated in place."""

    def __init__(self, path: Path, log: SqliteEventLog) -> None:
        self._log = log
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        if not self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            self._connection.executescript(PEER_SCHEMA)
        row = self._connection.execute("SELECT seq FROM position").fetchone()
        self._position = row[0] if row else 0

    def catch_up(self) -> int:
        folded = 0
        while rows := self._log.read_after(self._position, 500, PEER_COLUMNS):
            self._position = rows[-1][0]
            about = [row for row in rows if row[3] is not None]
            run = self._connection
            run.execute("BEGIN")
            run.executemany(UPSERT_EXAMPLE, [
                (key, kind_of, side, says is not None, score is not None, score or 0.0, seq)
                for seq, _, _, key, kind_of, side, says, score in about
            ])  # fmt: skip
            run.executemany(UPSERT_VOLUME, [(row[4] or "", row[2] // 86_400_000_000) for row in about])
            run.executemany(UPSERT_KIND, [(row[1],) for row in rows])
            run.execute("INSERT OR REPLACE INTO position VALUES (1, ?)", (self._position,))
            run.execute("COMMIT")
            folded += len(rows)
        return folded

    def close(self) -> None:
        self._connection.close()


class Reading:
    """No view at all: the same columns read in the same pages. What the machine and SQLite take for themselves."""

    def __init__(self, path: Path, log: SqliteEventLog) -> None:
        Path(f"{path}-wal").touch()
        path.touch()
        self._log = log

    def catch_up(self) -> int:
        position = folded = 0
        columns = (
            "seq",
            *dict.fromkeys(column for make in ALL_VIEWS for column in make().columns() if column != "seq"),
        )
        while rows := self._log.read_after(position, 500, columns):
            position, folded = rows[-1][0], folded + len(rows)
        return folded

    def close(self) -> None:
        pass


class Follower(Protocol):
    """What can be kept up with a log."""

    def catch_up(self) -> int: ...

    def close(self) -> None: ...


def follow(way: str, path: Path, log: SqliteEventLog) -> Follower:
    if way == "columns":
        return Views.open(path, log)
    return Upserts(path, log) if way == "upserts" else Reading(path, log)


WAYS = ("columns", "upserts")
COLD_WAYS = (*WAYS, "reading")


def fold_cold(way: str, log_path: str, views_path: str) -> None:
    """Runs in a process of its own; prints what it took."""
    log = SqliteEventLog.open_read_only(Path(log_path))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    views = follow(way, Path(views_path), log)
    folded = views.catch_up()
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "events": folded}
    took["wal_mb"] = os.path.getsize(views_path + "-wal") / 1e6
    took["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    took["rss_before_mb"] = before / 1024
    views.close()
    took["views_mb"] = os.path.getsize(views_path) / 1e6
    print(json.dumps(took))


def cold(way: str, log_path: Path, folder: Path) -> dict[str, Any]:
    for name in folder.glob(f"cold-{way}.db*"):
        name.unlink()
    command = [sys.executable, "-m", "bench.replay", "--cold", way, str(log_path), str(folder / f"cold-{way}.db")]
    took: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return took


class Growing:
    """A log that grows, with views that follow it."""

    def __init__(self, folder: Path, events: int, seed: int) -> None:
        self.path = folder / f"growing-{events}.db"
        self._log = SqliteEventLog.open(self.path, StoppedClock(START), SeededChance(seed), durability="normal")
        self._source = entries(1 << 40, seed)
        fill(self._log, self._source, events)
        self.followers = {way: follow(way, folder / f"growing-{events}-{way}.db", self._log) for way in WAYS}
        for follower in self.followers.values():
            follower.catch_up()

    def turn(self) -> dict[str, float]:
        """A thousand events more: the CPU milliseconds that each way of following takes."""
        fill(self._log, self._source, TURN)
        took = {}
        for way, follower in self.followers.items():
            start = time.process_time()
            assert follower.catch_up() == TURN
            took[way] = (time.process_time() - start) * 1000
        views = self.followers["columns"]
        assert isinstance(views, Views)
        start = time.process_time()
        views.examples.resolved()
        took["resolved"] = (time.process_time() - start) * 1000
        return took


def spread(values: list[float]) -> dict[str, float]:
    ordered = np.quantile(values, [0.1, 0.5, 0.9, 0.99])
    return dict(zip(("p10", "median", "p90", "p99"), (round(float(value), 4) for value in ordered), strict=True))


def measure_cold(folder: Path, events: int, rounds: int) -> dict[str, Any]:
    log_path = folder / "cold.db"
    log = SqliteEventLog.open(log_path, StoppedClock(START), SeededChance(1), durability="normal")
    fill(log, entries(events, 1), events)
    log.checkpoint()
    log.close()
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in COLD_WAYS}
    for _ in range(rounds):
        for way in COLD_WAYS:
            runs[way].append(cold(way, log_path, folder))
    rates = {way: [run["events"] / run["cpu"] for run in runs[way]] for way in COLD_WAYS}
    return {
        "events": events,
        "events_per_cpu_second": {way: spread(rates[way]) for way in COLD_WAYS},
        "events_per_second_wall": {
            way: spread([run["events"] / run["wall"] for run in runs[way]]) for way in COLD_WAYS
        },
        "columns_over_upserts": _ratio(rates, "columns", "upserts"),
        "columns_over_reading_alone": _ratio(rates, "columns", "reading"),
        "rss_mb": {way: max(run["rss_mb"] for run in runs[way]) for way in WAYS},
        "wal_mb": {way: max(run["wal_mb"] for run in runs[way]) for way in WAYS},
        "views_mb": {way: max(run["views_mb"] for run in runs[way]) for way in WAYS},
        "opening_and_first_resolve_seconds": measure_opening(folder, log_path),
    }


def _ratio(rates: dict[str, list[float]], one: str, other: str) -> dict[str, float]:
    return spread([ours / theirs for ours, theirs in zip(rates[one], rates[other], strict=True)])


def measure_opening(folder: Path, log_path: Path) -> dict[str, float]:
    log = SqliteEventLog.open_read_only(log_path)
    start = time.perf_counter()
    views = Views.open(folder / "cold-columns.db", log)
    opened = time.perf_counter()
    views.examples.resolved()
    resolved = time.perf_counter()
    views.digests()
    took = {"open": opened - start, "first_resolve": resolved - opened, "digests": time.perf_counter() - resolved}
    views.close()
    return {name: round(seconds, 3) for name, seconds in took.items()}


def measure_growth(folder: Path, events: int, turns: int) -> dict[str, Any]:
    logs = {SMALL: Growing(folder, SMALL, 2), events: Growing(folder, events, 3)}
    took: dict[int, list[dict[str, float]]] = {size: [] for size in logs}
    for _ in range(turns):
        for size, growing in logs.items():
            took[size].append(growing.turn())
    result: dict[str, Any] = {"turns": turns, "new_events": TURN}
    for what in ("columns", "upserts", "resolved"):
        small, large = ([one[what] for one in took[size]] for size in logs)
        ratio = statistics.median(large) / statistics.median(small)
        result[what] = {
            f"cpu_ms_at_{SMALL}": spread(small), f"cpu_ms_at_{events}": spread(large),
            "ratio_of_medians": round(ratio, 3),
            "paired_ratio": spread([b / a for a, b in zip(small, large, strict=True)]),
        }  # fmt: skip
    return result


def main() -> int:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory(prefix="adaptd-replay-") as name:
        cold_folds, new_events = (
            measure_cold(Path(name), events, rounds),
            measure_growth(Path(name), events, 25 * rounds),
        )
    rate, growth = cold_folds["events_per_cpu_second"]["columns"]["median"], new_events["columns"]["ratio_of_medians"]
    goals = {
        "events folded per CPU second": goal(rate, 300_000, at_most=False),
        "1,000 new events, at the large size over at the small one": goal(growth, 1.3, at_most=True),
        "memory of a full rebuild, MB": goal(cold_folds["rss_mb"]["columns"], 500, at_most=True),
        "WAL of a full rebuild, MB": goal(cold_folds["wal_mb"]["columns"], 20, at_most=True),
    }
    peer = "SQLite upserts, a commit per page of 500 (bench/replay.py, class Upserts)"
    write_json(RESULTS, {"peer": peer, "goals": goals, "cold": cold_folds, "new_events": new_events})
    show_goals(goals)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--cold"]:
        fold_cold(*sys.argv[2:5])
    else:
        sys.exit(main())
