"""What the intake of a spool costs, with everything it does, beside raw SQLite inserts of the same rows.

    python -m bench.ingest_intake --rounds 12 --json bench/results/ingest_intake.json

Each round takes in 20,000 events of about 1.2 kB, 1,000 a commit, from files of 4 MiB whose host has gone on. After
each commit the same rows go into: a table of the same schema by plain `executemany` (same columns, UNIQUE,
triggers, WAL, FULL, 8 kB pages), the same with the columns left out that are null throughout (what intake itself
does), and a table of the payloads alone. All of them take their turns in one run, so that the disk's mood is the
same for all. The folding of views is not counted here (bench/replay.py measures it).
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import tempfile
import time
from pathlib import Path

from bench.measuring import Spread, machine, write_json
from daemon.clock_and_chance import SystemChance, SystemClock, new_id
from daemon.event_log import COLUMNS
from daemon.intake import Intake
from daemon.quarantine import Quarantine
from daemon.sealing import Sealing
from daemon.sqlite_log import _SCHEMA, CHECKPOINT_PAGES, PAGE_BYTES, SqliteEventLog
from daemon.views.store import Views

PER_COMMIT = 1000
COMMITS = 20
FILE_BYTES = 4 << 20  # where a host goes on to its next file
WRITER = "0123456789abcdef"
WORDS = [
    f"{stem}{end}" for stem in ("cust", "ord", "ent", "rel", "tab", "ind", "sess", "tok", "rep") for end in range(400)
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--json", type=Path, default=Path("bench/results/ingest_intake.json"))
    options = parser.parse_args()
    results = measure(options.rounds)
    print(report(results))
    write_json(options.json, results)


def measure(rounds: int) -> dict:
    plain, sealed = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            plain.append(one_round(Path(folder) / f"plain{number}", subjects=0))
        for number in range(max(1, rounds // 4)):
            sealed.append(one_round(Path(folder) / f"sealed{number}", subjects=500))
    return {
        "what": "intake of a spool, with everything it does, beside raw inserts of the same rows",
        "machine": machine(),
        "sqlite": sqlite3.sqlite_version,
        "events_per_round": PER_COMMIT * COMMITS,
        "per_commit": PER_COMMIT,
        "plain": summary(plain),
        "with_subjects": summary(sealed),
    }


def summary(rounds: list[dict[str, float]]) -> dict:
    events = PER_COMMIT * COMMITS
    found: dict = {
        f"{name}_us": Spread.of([one[name] / events * 1e6 for one in rounds]).as_dict() for name in rounds[0]
    }
    for name in ("raw_rows", "raw_rows_without_nulls", "payloads_alone"):
        found[f"of_{name}"] = Spread.of([one[name] / one["intake"] for one in rounds]).as_dict()
    found["events_per_second"] = round(events * len(rounds) / sum(one["intake"] for one in rounds))
    return found


def one_round(folder: Path, subjects: int) -> dict[str, float]:
    (folder / "spool").mkdir(parents=True)
    fill_spool(folder / "spool", subjects)
    log = SqliteEventLog.open(folder / "events.db", SystemClock(), SystemChance())
    views = Views.open(":memory:", log)
    quarantine, sealing = Quarantine(folder / "quarantine.db"), Sealing.open(folder / "keys.db", SystemChance())
    intake = Intake(log, views.examples, folder / "spool", quarantine, sealing, SystemChance())
    rows_table, lean_table = table(folder / "rows.db", _SCHEMA), table(folder / "lean.db", _SCHEMA)
    payload_table = table(folder / "payloads.db", "CREATE TABLE payloads (body TEXT) STRICT")
    took = dict.fromkeys(("intake", "raw_rows", "raw_rows_without_nulls", "payloads_alone"), 0.0)
    taken = 0
    while taken < PER_COMMIT * COMMITS:
        newest = log.head().seq
        start = time.perf_counter()
        report_of_turn = intake.take_spools(SystemClock().now())
        took["intake"] += time.perf_counter() - start
        rows = log.read_after(newest, report_of_turn.events)  # what follows them tells of the finished file
        taken += report_of_turn.events
        assert len(rows) == report_of_turn.events > 0
        took["raw_rows"] += timed_insert(rows_table, "events", COLUMNS, rows)
        took["raw_rows_without_nulls"] += timed_insert(lean_table, "events", *without_nulls(rows))
        bodies = [(row[COLUMNS.index("body")],) for row in rows]
        took["payloads_alone"] += timed_insert(payload_table, "payloads", ["body"], bodies)
        views.catch_up()
    return took


def fill_spool(folder: Path, subjects: int) -> None:
    """V2 calls as hosts write them, one a line."""
    rng = random.Random(7)
    lines = [
        json.dumps(call(rng, number, subjects), separators=(",", ":")) + "\n" for number in range(PER_COMMIT * COMMITS)
    ]
    per_file = FILE_BYTES // len(lines[0])
    for number, start in enumerate(range(0, len(lines), per_file), 1):
        (folder / f"{WRITER}-{number:06}.ndjson").write_text("".join(lines[start : start + per_file]))


def call(rng: random.Random, number: int, subjects: int) -> dict:
    now = SystemClock().now()
    return {
        "kind": "feedback_recorded/1",
        "id": new_id(now, SystemChance()),
        "writer": WRITER,
        "n": number + 1,
        "at": now,
        "input": "Generate " + " ".join(rng.choices(WORDS, k=30)),
        "output": "erDiagram\n" + " ".join(rng.choices(WORDS, k=100)),
        "artifact_type": "erd",
        "model": "mistral:7b",
        "context": {"rag": " ".join(rng.choices(WORDS, k=8)), "notes": "from the editor"},
        **({"subject": f"user-{rng.randrange(subjects)}"} if subjects else {}),
        "score": round(rng.random() * 100, 1),
        "feedback_type": "success",
    }


def table(path: Path, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (
        f"page_size={PAGE_BYTES}",
        "journal_mode=WAL",
        "synchronous=FULL",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.executescript(schema)
    return connection


def without_nulls(rows: list[tuple]) -> tuple[list[str], list[tuple]]:
    """The columns that hold anything, and the rows cut to them."""
    places = [place for place in range(len(COLUMNS)) if any(row[place] is not None for row in rows)]
    return [COLUMNS[place] for place in places], [tuple(row[place] for place in places) for row in rows]


def timed_insert(connection: sqlite3.Connection, name: str, columns: list[str] | tuple[str, ...], rows: list) -> float:
    """How long the rows take, as one commit."""
    start = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    marks = ", ".join("?" * len(columns))
    connection.executemany(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})", rows)
    connection.execute("COMMIT")
    return time.perf_counter() - start


def report(results: dict) -> str:
    lines = [f"(c) intake, {results['per_commit']} events a commit, ratios as median [quartiles] over rounds"]
    for kind in ("plain", "with_subjects"):
        found = results[kind]
        lines.append(f"  {kind}: {found['events_per_second']} events/s, {found['intake_us']['median']:.1f} µs an event")
        for name, words in (
            ("raw_rows", "of raw executemany of the same rows (goal ≥ 0.6 for plain)"),
            ("raw_rows_without_nulls", "of the same without the null columns"),
            ("payloads_alone", "of the payloads alone (goal ≥ 0.4 for plain)"),
        ):
            ratio = found[f"of_{name}"]
            lines.append(f"    {ratio['median']:.2f}× [{ratio['q1']:.2f}–{ratio['q3']:.2f}] {words}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
