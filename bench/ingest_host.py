"""What a host pays for recording: (a) a call by default beside a bare write and beside peers, (b) durable calls.

    .venv-bench/bin/python -m bench.ingest_host --rounds 30 --json bench/results/ingest_host.json

A peer that is not installed (`pip install mlflow eventsourcing persist-queue sqlite-utils`) is reported as missing.
"""

import importlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import adaptd
from bench.measuring import (
    Case,
    arguments,
    goal,
    interleave,
    percentile,
    ratio,
    show_goals,
    spread,
    touch_free_memory,
    write_json,
)

REPOSITORY = Path(__file__).resolve().parent.parent
CALLS = 2000  # of the quick cases, per round: what follows a switch to cold caches is then less than their p99
PEER_CALLS = 8  # of the slow ones
DURABLE_CALLERS, DURABLE_CALLS = 64, 25
WRITERS, WRITER_CALLS = 8, 100

ENTITIES = "\n".join(f"CUSTOMER ||--o{{ ORDER_{i} : places" for i in range(12))
GIVEN: dict[str, Any] = {
    "input": "Generate ERD for e-commerce system",
    "output": f"erDiagram\n{ENTITIES}",
    "artifact_type": "erd",
    "model": "mistral:7b",
    "score": 85.0,
    "feedback_type": "success",
    "context": {"rag": "three documents about shops", "notes": "from the editor"},
}


def record() -> Any:
    return adaptd.record_feedback(**GIVEN)


def bare_write_case(folder: Path) -> Case:
    """json.dumps of the same dict and one os.write of the same bytes."""
    record()
    event = json.loads(Path(adaptd.stats()["spool"]).read_bytes().splitlines()[-1])
    fd = os.open(folder / "bare.ndjson", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def bare() -> None:
        os.write(fd, json.dumps(event).encode() + b"\n")

    return Case("json.dumps + os.write", bare, CALLS, "survives the process, not a power cut")


def mlflow_case(folder: Path) -> Case:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.chdir(folder)  # its default store is in the working folder
    mlflow = importlib.import_module("mlflow")
    with mlflow.start_span("a call") as span:
        span.set_inputs({"input": GIVEN["input"]})
        span.set_outputs({"output": GIVEN["output"]})
    mlflow.flush_trace_async_logging()
    trace_id, store = span.trace_id, mlflow.get_tracking_uri()

    def log() -> None:
        mlflow.log_feedback(trace_id=trace_id, name="score", value=85.0, rationale=json.dumps(GIVEN["context"]))

    return Case("mlflow.log_feedback", log, PEER_CALLS, f"{store.split(':')[0]}, journal DELETE, synchronous FULL")


def eventsourcing_case(folder: Path) -> Case:
    persistence, sqlite = (
        importlib.import_module("eventsourcing.persistence"),
        importlib.import_module("eventsourcing.sqlite"),
    )
    recorder = sqlite.SQLiteApplicationRecorder(sqlite.SQLiteDatastore(str(folder / "eventsourcing.db")))
    recorder.create_table()
    originator, version = uuid.uuid4(), iter(range(1, 10**9))

    def insert() -> None:
        state = json.dumps(GIVEN).encode()
        recorder.insert_events([persistence.StoredEvent(originator, next(version), "feedback", state)])

    return Case("eventsourcing recorder", insert, PEER_CALLS, "SQLite, WAL, synchronous FULL")


def persist_queue_case(folder: Path) -> Case:
    queue = importlib.import_module("persistqueue").SQLiteQueue(str(folder / "queue"), auto_commit=True)
    return Case("persist-queue SQLiteQueue.put", lambda: queue.put(GIVEN), PEER_CALLS, "SQLite, WAL, synchronous FULL")


def sqlite_utils_case(folder: Path) -> Case:
    table = importlib.import_module("sqlite_utils").Database(folder / "sqlite_utils.db")["feedback"]
    return Case(
        "sqlite-utils insert", lambda: table.insert(GIVEN), PEER_CALLS, "SQLite, journal DELETE, synchronous FULL"
    )


PEERS: dict[str, Callable[[Path], Case]] = {
    "mlflow": mlflow_case,
    "eventsourcing": eventsourcing_case,
    "persist-queue": persist_queue_case,
    "sqlite-utils": sqlite_utils_case,
}


def peers(folder: Path) -> tuple[list[Case], dict[str, str]]:
    """The peers that are installed, and for each other one the reason."""
    cases, missing = [], {}
    for name, make in PEERS.items():
        try:
            cases.append(make(folder))
        except Exception as trouble:
            missing[name] = f"{type(trouble).__name__}: {trouble}"
    return cases, missing


def own_tail(case: Case) -> dict[str, Any]:
    """How far the slowest hundredth of a round is above its middle."""
    return spread([percentile(times, 99) / percentile(times, 50) for times in case.rounds])


def default_calls(folder: Path, rounds: int) -> dict[str, Any]:
    """(a) The default call beside the bare write and beside the peers."""
    adaptd.configure(state_dir=folder / "state", durable=False)
    ours = Case("adaptd.record_feedback", record, CALLS, "survives the process, not a power cut")
    bare = bare_write_case(folder)
    others, missing = peers(folder)
    interleave([ours, bare, *others], rounds)
    return {
        "cases": {case.name: case.summary() for case in (ours, bare, *others)},
        "missing": missing,
        "p50 as a multiple of json.dumps + os.write": ratio(ours, bare),
        "p99 as a multiple of its own p50": own_tail(ours),
        "the same of json.dumps + os.write": own_tail(bare),  # what the machine's other work does to any call
        "times faster": {case.name: ratio(case, ours) for case in others},
    }


def durable_callers(folder: Path, rounds: int) -> dict[str, Any]:
    """(b) 64 threads that wait for the disk: how many events share a flush."""
    adaptd.configure(state_dir=folder / "durable", durable=True)
    shared, rates = [], []
    for _ in range(rounds + 1):
        before, began = adaptd.stats(), time.perf_counter()
        threads = [
            threading.Thread(target=lambda: [record() for _ in range(DURABLE_CALLS)]) for _ in range(DURABLE_CALLERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        after = adaptd.stats()
        events = after["recorded"] - before["recorded"]
        assert events == DURABLE_CALLERS * DURABLE_CALLS, "a durable call was not recorded"
        shared.append(events / (after["durable_flushes"] - before["durable_flushes"]))
        rates.append(events / (time.perf_counter() - began))
    return {"callers": DURABLE_CALLERS, "events per flush": spread(shared[1:]), "events per second": spread(rates[1:])}


def direct_writer(path: str) -> Callable[[], Any]:
    """A process's own connection to a shared SQLite file, as a host without adaptd would have it."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS feedback (id TEXT PRIMARY KEY, body TEXT) STRICT")

    def write() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO feedback VALUES (?, ?)", (str(uuid.uuid4()), json.dumps(GIVEN)))
        connection.execute("COMMIT")

    return write


def writer_process(how: str, path: str, begin_at: float) -> None:
    """One of the eight: write at its own pace from a common moment on, and print how long each call took."""
    if how == "adaptd":
        adaptd.configure(state_dir=path, durable=True, strict=True)
        write: Callable[[], Any] = record
    else:
        write = direct_writer(path)
    case = Case(how, write, WRITER_CALLS)
    time.sleep(max(0.0, begin_at - time.time()))
    case.run_round()
    sys.stdout.write(json.dumps(case.rounds[0]))


def worst_wait(how: str, path: Path) -> float:
    """The longest call, in milliseconds, of eight processes that write at once."""
    begin_at = time.time() + 1.0
    command = [sys.executable, "-m", "bench.ingest_host", "--writer", how, str(path), str(begin_at)]
    processes = [subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for _ in range(WRITERS)]
    waits = [wait for process in processes for wait in json.loads(process.communicate()[0])]
    assert len(waits) == WRITERS * WRITER_CALLS
    return max(map(float, waits)) / 1000


def writing_processes(folder: Path, rounds: int) -> dict[str, Any]:
    """(b) Eight processes: the worst wait of durable calls beside that of direct SQLite writers."""
    ours, direct = [], []
    for turn in range(rounds):
        ours.append(worst_wait("adaptd", folder / "processes"))
        direct.append(worst_wait("sqlite", folder / f"direct{turn}.db"))
    return {
        "processes": WRITERS,
        "worst wait, ms": spread(ours),
        "worst wait of direct SQLite writers, ms": spread(direct),
        "longest of all rounds, ms": {"adaptd": round(max(ours), 2), "direct SQLite": round(max(direct), 2)},
        "direct SQLite": "own connection, BEGIN IMMEDIATE, WAL, synchronous FULL, timeout 30 s",
        "worst wait as a multiple of direct SQLite's": spread([a / b for a, b in zip(ours, direct, strict=True)]),
    }


def measure(rounds: int) -> dict[str, Any]:
    """Parts (a) and (b) with their goals."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        here = Path.cwd()
        try:
            durable = durable_callers(folder, max(3, rounds // 3))
            processes = writing_processes(folder, max(3, rounds // 6))
            touched = touch_free_memory()
            default = default_calls(folder, rounds) | {"memory touched before, bytes": touched}
        finally:
            os.chdir(here)
    goals = {
        "(a) p50 / bare write": goal(
            default["p50 as a multiple of json.dumps + os.write"]["median"], 1.8, at_most=True
        ),
        "(a) p99 / own p50": goal(default["p99 as a multiple of its own p50"]["median"], 3, at_most=True),
        "(b) events per flush at 64": goal(durable["events per flush"]["median"], 10, at_most=False),
        "(b) worst wait / direct": goal(
            processes["worst wait as a multiple of direct SQLite's"]["median"], 0.05, at_most=True
        ),
    }
    faster = default["times faster"].get("mlflow.log_feedback")
    if faster is not None:
        goals["(a) times faster than mlflow.log_feedback"] = goal(faster["median"], 200, at_most=False)
    return {"goals": goals, "default": default, "durable": durable, "durable_processes": processes}


def main() -> None:
    if sys.argv[1:2] == ["--writer"]:
        writer_process(sys.argv[2], sys.argv[3], float(sys.argv[4]))
        return
    options = arguments("ingest_host", rounds=30)
    result = measure(options.rounds)
    show_goals(result["goals"])
    for name, reason in result["default"]["missing"].items():
        sys.stdout.write(f"missing {name}: {reason}\n")
    write_json(options.json, result)


if __name__ == "__main__":
    main()
