"""What the short verbs cost from their start to their end, beside a bare Python start: CPU of the child, interleaved.

    python -m bench.startup [EVENTS]

`adaptd status --json` on a log of a million events with the daemon down, without a workload and with one that has a
window, and `adaptd record-feedback` with its wait for
the disk. CPU is user + system time of the one child, asked of the kernel by wait4; wall time means nothing on a shared
machine. The configuration is in the cache and the bytecode is compiled, as after the first call of a day.
Writes bench/results/startup.json.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

from bench.log_maker import make_log
from daemon.config_template import CONFIG_TOML
from daemon.state_folder import make_folders
from daemon.views.store import Views

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "startup.json"
EVENTS = 1_000_000
ROUNDS = 60
WORKLOAD = """\
[adaptd]
state_dir = "state"

[night]
window = "01:00-06:00"
timezone = "Europe/Berlin"

[workloads.intents]
plugin = "tiny_classifier"
"""
ALLOWED = {"status": 3.5, "status, a workload": 3.5, "record-feedback": 3.0}
CONSOLE_ENTRY = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from adaptd._launch import main
sys.exit(main())
"""


def main() -> int:
    """Measure, print, write; 1 when a verb costs more than it is allowed."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tempfile.TemporaryDirectory(prefix="adaptd-startup-") as folder:
        cases = _cases(_place(Path(folder), events), Path(folder))
        environ = _environment(Path(folder))
        for command in cases.values():
            _cpu_ms(command, environ)  # compiles the bytecode, fills the caches
        taken: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(ROUNDS):
            for name, command in cases.items():
                taken[name].append(_cpu_ms(command, environ))
    return _told(taken, events)


def _place(folder: Path, events: int) -> Path:
    """A folder with that many events, folded into views, and nobody there; its configuration without a workload."""
    for name, text in (("config.toml", CONFIG_TOML), ("workload.toml", WORKLOAD)):
        (folder / name).write_text(text)
        os.utime(folder / name, (1_700_000_000, 1_700_000_000))
    make_folders(folder / "state")
    log = make_log(folder / "state" / "events.db", events)
    with Views.open(folder / "state" / "views.db", log) as views:
        views.catch_up()
    log.close()
    return folder / "config.toml"


def _cases(config: Path, folder: Path) -> dict[str, list[str]]:
    entry = folder / "adaptd"
    entry.write_text(CONSOLE_ENTRY)
    adaptd = [sys.executable, str(entry), "--config", str(config)]
    with_workload = [sys.executable, str(entry), "--config", str(config.with_name("workload.toml"))]
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "status": [*adaptd, "status", "--json"],
        "status, a workload": [*with_workload, "status", "--json"],
        "record-feedback": [*adaptd, "record-feedback", "--input", "2+2", "--output", "4", "--score", "95"],
    }


def _environment(folder: Path) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environ | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "XDG_CACHE_HOME": str(folder / "cache")}


def _cpu_ms(command: list[str], environ: dict[str, str]) -> float:
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(command[0], command, environ, file_actions=silent)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: ended with {os.waitstatus_to_exitcode(status)}, expected 0")
    return (usage.ru_utime + usage.ru_stime) * 1000


def _told(taken: dict[str, list[float]], events: int) -> int:
    bare = taken.pop("python -c pass")
    measured = {name: _ratio(times, bare) | {"allowed": ALLOWED[name]} for name, times in taken.items()}
    document = {
        "schema": "adaptd.bench.startup/1",
        "events": events,
        "rounds": ROUNDS,
        "python": platform.python_version(),
        "bare_python_cpu_ms": _spread(bare),
        "verbs": measured,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    print(f"python -c pass     {statistics.median(bare):6.1f} ms CPU")
    too_much = False
    for name, one in measured.items():
        ratio = one["ratio"]
        print(
            f"adaptd {name:<16} {one['cpu_ms']['median']:6.1f} ms CPU = {ratio['median']:.2f}x"
            f" (10% {ratio['p10']:.2f}, 90% {ratio['p90']:.2f}); at most {one['allowed']}x"
        )
        too_much |= ratio["median"] > one["allowed"]
    return int(too_much)


def _ratio(times: list[float], bare: list[float]) -> dict:
    """Each round's own ratio, so that what else the machine did is in both parts of it."""
    return {"cpu_ms": _spread(times), "ratio": _spread([time / one for time, one in zip(times, bare, strict=True)])}


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 3),
        "p10": round(ordered[len(ordered) // 10], 3),
        "p90": round(ordered[len(ordered) * 9 // 10], 3),
    }


if __name__ == "__main__":
    sys.exit(main())
