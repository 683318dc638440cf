"""What it costs to form a batch, from the satisfied trigger to the event in the log, and what an idle daemon costs.

    python -m bench.nightly_path [--rounds N]

A log of 100,000 and of a million events, their views folded, an embedding for every output. Each round forms a batch in
a process of its own, so that its peak memory is its own: triggers, pool, stages of the shipped preset with their texts,
rows, hashes and the append. Goals are held against CPU time of the process, so that other work on the machine disturbs
less; it counts with one thread, and wall time is beside it. The peer does the same selection as one writes it in an
afternoon: a loop over the rows of SQL, a dict for each output, sorted. Writes bench/results/nightly_path.json.
"""

from __future__ import annotations

import datetime
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.log_maker import make_log
from bench.measuring import arguments, goal, show_goals, spread, write_json
from daemon.clock_and_chance import SeededChance, SystemChance, SystemClock
from daemon.derived import ROW, THERE, About, files_in
from daemon.near_pairs import BANDS
from daemon.near_texts import EDGE
from daemon.night_building import forming_of
from daemon.night_parts import Formed
from daemon.night_settings import EmbeddingsSettings, TriggerSettings, WorkloadSettings
from daemon.nights import Night
from daemon.opening import open_state
from daemon.sealing import Sealing
from daemon.settings import Settings
from daemon.views.store import Views

SIZES = (100_000, 1_000_000)
DIMENSION, CLUSTERS = 384, 200
GOALS = {100_000: (0.6, None), 1_000_000: (3.0, 1500.0)}
SECONDS_IDLE = 20
LOOK_SECONDS = 0.02
CONFIG = '[adaptd]\nstate_dir = "state"\n\n[embeddings]\nmodel = "bench"\n\n'
OPEN = '[night]\nwindow = "00:00-24:00"\n\n[device]\nuse = "cpu"\n\n[workloads.intents]\nplugin = "tiny_classifier"\n'


def store_vectors(state: Path, seqs: Any, newest: int) -> None:
    """What the child that prepares would have left: vectors of random clusters, and no input near to another."""
    about = About("bench", "bench", DIMENSION, "random clusters")
    folder = state / "derived" / about.fingerprint
    folder.mkdir(parents=True)
    about.write(folder / "about.json")
    about.write(folder.parent / "current.json")
    files, rng = files_in(folder, DIMENSION), np.random.default_rng(1)
    centres = rng.standard_normal((CLUSTERS, DIMENSION), np.float32)
    committed = files.open_to_write()
    for start in range(0, len(seqs), 50_000):
        some = seqs[start : start + 50_000]
        vectors = centres[rng.integers(0, CLUSTERS, len(some))]
        vectors = vectors + 0.5 * rng.standard_normal(vectors.shape, np.float32)
        rows = np.zeros(len(some), ROW)
        rows["seq"], rows["text"] = some, np.arange(start, start + len(some))
        rows["side"], rows["state"] = 1, THERE
        chunk = {
            "rows": rows,
            "vectors": (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16),
            "keys": np.arange(start + 1, start + 1 + len(some)),
            "bands": np.zeros((len(some), BANDS), np.uint32),
            "hashes": np.zeros((len(some), 128), np.uint8),
            "edges": np.empty(0, EDGE),
        }
        committed = files.append(committed, newest if start + 50_000 >= len(seqs) else int(some[-1]), chunk)


def make_state(folder: Path, events: int) -> None:
    """A state folder as a daemon has left it."""
    state = folder / "state"
    state.mkdir(parents=True)
    (folder / "config.toml").write_text(CONFIG)
    log = make_log(state / "events.db", events)
    with Views.open(state / "views.db", log) as views:
        views.catch_up()
        seqs = views.examples.resolved("seq")["seq"]
    store_vectors(state, np.sort(seqs[seqs > 0]), log.head().seq)
    log.close()
    Sealing.open(state / "keys.db", SeededChance(1)).close()


def form(folder: Path) -> dict[str, Any]:
    """One batch, in this process."""
    clock, chance = SystemClock(), SystemChance()
    workload = WorkloadSettings(plugin="tiny_classifier", trigger=TriggerSettings(new_examples="sized"))
    settings = Settings(workloads={"intents": workload}, embeddings=EmbeddingsSettings(model="bench"))
    with open_state(folder / "state", settings, clock, chance) as state:
        state.views.catch_up()
        state.views.examples.resolved("seq")  # as a daemon has settled them in the turns before
        forming = forming_of(state, settings, folder, chance)
        night = Night(datetime.date(2026, 11, 25), clock.now(), clock.now() + 3_600_000_000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = time.perf_counter(), time.process_time()
        formed = forming.turn(clock.now(), night, "intents", asked=False)
        took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert isinstance(formed, Formed), formed
        batch = forming.rebuild(formed.batch)
        assert not isinstance(batch, str)
    told = {
        "rows": len(batch.pool),
        "pool": batch.body["figures"]["pool"],
        "body_kb": len(json.dumps(batch.body)) / 1e3,
    }
    return took | told | {"rss_mb": peak / 1024, "rss_before_mb": before / 1024}


ROWS_OF_ALL = """
SELECT seq, kind, output_key, artifact_type, side, says, score, received_at FROM events WHERE output_key IS NOT NULL
"""


def peer(folder: Path) -> dict[str, Any]:
    """The same selection over rows: a dict for each output, sorted by age, texts read, hashed, appended."""
    from hashlib import blake2b

    state = folder / "state"
    connection = sqlite3.connect(f"file:{state / 'events.db'}?mode=ro", uri=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    outputs: dict[int, dict[str, Any]] = {}
    for seq, kind, key, kind_of, side, says, score, at in connection.execute(ROWS_OF_ALL):
        one = outputs.setdefault(key, {"seq": 0, "scores": [], "ups": 0, "downs": 0, "at": 0, "side": None})
        if side is not None:
            one.update(seq=seq, side=side, artifact_type=kind_of)
        if kind.startswith("feedback"):
            one["scores"] += [score] if score is not None else []
            one["ups"] += "up" in (says or "").split("+")
            one["downs"] += "down" in (says or "").split("+")
            one["at"] = max(one["at"], at)
    rated = [
        one for one in outputs.values() if one["side"] == "learn" and (one["scores"] or one["ups"] or one["downs"])
    ]
    rated.sort(key=lambda one: -one["at"])
    rows = []
    for one in rated[:2000]:
        ((body,),) = connection.execute("SELECT body FROM events WHERE seq = ?", (one["seq"],)).fetchall()
        rows.append([one["seq"], one["scores"], blake2b(body.encode(), digest_size=16).hexdigest(), 1.0])
    with sqlite3.connect(folder / "peer.db") as writing:
        writing.execute("CREATE TABLE IF NOT EXISTS batches (body TEXT)")
        writing.execute("INSERT INTO batches VALUES (?)", (json.dumps(rows),))
    writing.close()
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "rows": len(rows)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return took | {"rss_mb": peak / 1024, "rss_before_mb": before / 1024}


def in_a_process(way: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.nightly_path", f"--{way}", str(folder)]
    environ = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # as `adaptd` itself sets it
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a daemon has its byte code
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environ)
    took: dict[str, Any] = json.loads(ran.stdout)
    return took


def measure(folder: Path, events: int, rounds: int) -> dict[str, Any]:
    make_state(folder, events)
    idle = measure_idle(folder)
    started = measure_start(folder)  # while no batch waits for its run
    runs: dict[str, list[dict[str, Any]]] = {"form": [], "peer": []}
    for number in range(rounds + 1):
        for way in runs if number % 2 else reversed(runs):
            runs[way].append(in_a_process(way, folder))
    for taken in runs.values():
        del taken[0]  # it warmed the disk's cache
    ratios = [ours["cpu"] / theirs["cpu"] for ours, theirs in zip(runs["form"], runs["peer"], strict=True)]
    return {
        "events": events,
        "idle": idle,
        "from_trigger_to_run_started": started,
        "wall_seconds": spread([run["wall"] for run in runs["form"]]),
        "cpu_seconds": spread([run["cpu"] for run in runs["form"]]),
        "peak_mb": max(run["rss_mb"] for run in runs["form"]),
        "peak_before_mb": max(run["rss_before_mb"] for run in runs["form"]),
        "pool": runs["form"][-1]["pool"],
        "rows": runs["form"][-1]["rows"],
        "body_kb": runs["form"][-1]["body_kb"],
        "peer_cpu_seconds": spread([run["cpu"] for run in runs["peer"]]),
        "peer_peak_mb": max(run["rss_mb"] for run in runs["peer"]),
        "of_the_peer": spread(ratios),
    }


# An idle daemon


@contextmanager
def running(folder: Path, config: str) -> Iterator[int]:
    """The daemon of that folder, by its process."""
    (folder / "config.toml").write_text(config)
    command = [sys.executable, "-P", "-m", "daemon.cli.main", "run", "--config", str(folder / "config.toml")]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent), "OPENBLAS_NUM_THREADS": "1"}
    daemon = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield daemon.pid
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(120)


def measure_idle(folder: Path) -> dict[str, float]:
    """What a daemon with nothing to do takes of a core and of memory, once it has started."""
    with running(folder, CONFIG) as pid:
        _wait_until_quiet(pid)
        before = _cpu_seconds(pid)
        time.sleep(SECONDS_IDLE)
        share = (_cpu_seconds(pid) - before) / SECONDS_IDLE
        return {"share_of_a_core": round(share, 5), "resident_mb": _resident_mb(pid)}


# From the trigger to the run


def measure_start(folder: Path, patience: float = 180) -> dict[str, float]:
    """From `night_opened` with a satisfied trigger to `run_started`, as they are seen in the log.

    CPU seconds are the daemon's; what the child needs to begin is in the wall's alone.
    """
    until, opened, cpu = time.monotonic() + patience, None, 0.0
    with running(folder, CONFIG + OPEN) as pid:
        while time.monotonic() < until:
            kinds = _newest_kinds(folder / "state" / "events.db")
            now = time.monotonic()
            if opened is None and "night_opened/1" in kinds:
                opened, cpu = now, _cpu_seconds(pid)
            if opened is not None and "run_started/1" in kinds:
                return {"wall": round(now - opened, 3), "cpu": round(_cpu_seconds(pid) - cpu, 3)}
            time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"no run_started in {patience} seconds")


def _newest_kinds(path: Path) -> set[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return {kind for (kind,) in connection.execute("SELECT kind FROM events ORDER BY seq DESC LIMIT 20")}


def _wait_until_quiet(pid: int, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        before = _cpu_seconds(pid)
        time.sleep(3)
        if _cpu_seconds(pid) - before < 0.15:
            return


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> int:
    options = arguments("nightly_path", rounds=5)
    sizes: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="adaptd-nightly-") as name:
        for events in SIZES:
            sizes[str(events)] = measure(Path(name) / str(events), events, options.rounds)
    largest = sizes[str(SIZES[-1])]
    started, idle = largest["from_trigger_to_run_started"], largest["idle"]
    goals = {}
    for events, (seconds, megabytes) in GOALS.items():
        one = sizes[str(events)]
        goals[f"CPU seconds to form a batch from {events:,} events"] = goal(
            one["cpu_seconds"]["median"], seconds, at_most=True
        )
        if megabytes is not None:
            goals[f"peak MB of it from {events:,} events"] = goal(one["peak_mb"], megabytes, at_most=True)
    goals["share of a core of an idle daemon"] = goal(idle["share_of_a_core"], 0.01, at_most=True)
    goals["resident MB of an idle daemon"] = goal(idle["resident_mb"], 150.0, at_most=True)
    goals["CPU seconds from a satisfied trigger to run_started"] = goal(started["cpu"], 5.0, at_most=True)
    peer_told = "a loop over the rows of SQL, a dict for each output (bench/nightly_path.py, peer)"
    write_json(options.json, {"peer": peer_told, "goals": goals, "sizes": sizes})
    show_goals(goals)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] in (["--form"], ["--peer"]):
        print(json.dumps((form if sys.argv[1] == "--form" else peer)(Path(sys.argv[2]))))
    else:
        sys.exit(main())
