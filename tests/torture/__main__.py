"""`python -m tests.torture`: every scenario in its long form, its figures, and exit code 1 if anything was wrong."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable

from tests.torture.checking import Result
from tests.torture.clocks import clock_set_back_and_forward
from tests.torture.flipped_byte import flipped_byte
from tests.torture.full_disk import full_file_system, limited_files
from tests.torture.kills import kills
from tests.torture.place import Wrong
from tests.torture.stopped_host import host_stopped_for_an_hour
from tests.torture.torn_lines import torn_lines

Scenario = Callable[[], Result]
SCENARIOS = ("kills", "limits", "full", "torn", "flipped", "clocks", "stopped")


def scenarios(options: argparse.Namespace) -> dict[str, Scenario]:
    """Each by the name under which it can be asked for."""
    return {
        "kills": lambda: kills(kills=options.kills, hosts=options.hosts, seed=options.seed, seconds=options.seconds),
        "limits": lambda: limited_files(rounds=9, starts=4, seed=options.seed),
        "full": lambda: full_file_system(rounds=8, seed=options.seed),
        "torn": lambda: torn_lines(times=20, seed=options.seed),
        "flipped": lambda: flipped_byte(times=40, seed=options.seed),
        "clocks": lambda: clock_set_back_and_forward(seconds=20, seed=options.seed),
        "stopped": lambda: host_stopped_for_an_hour(times=20, seed=options.seed),
    }


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything started is ended
    options = _options()
    chosen = {name: make for name, make in scenarios(options).items() if name in (options.only or (name,))}
    wrong = [name for name, scenario in chosen.items() if not _goes_well(name, scenario)]
    how = f"went wrong: {', '.join(wrong)}" if wrong else "all well"
    print(f"\n{how} (seed {options.seed})")
    return 1 if wrong else 0


def _goes_well(name: str, scenario: Scenario) -> bool:
    """Run it and print its figures, or what was wrong and where to look."""
    print(f"\n{name} …", flush=True)
    started = time.monotonic()
    try:
        result = scenario()
    except Wrong as trouble:
        print(f"  WRONG\n  {trouble}", flush=True)
        return False
    print(f"  {result.name}: ok, {time.monotonic() - started:.0f} s", flush=True)
    for what, figure in result.figures.items():
        print(
            f"    {what:<36} {figure:>10,}" if isinstance(figure, int) else f"    {what:<36} {figure:>10}", flush=True
        )
    return True


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=220)
    parser.add_argument("--hosts", type=int, default=8)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000)
    parser.add_argument("--seconds", type=float, default=600, help="the most that the kills may take")
    parser.add_argument("--only", nargs="*", choices=SCENARIOS, metavar="SCENARIO", help=", ".join(SCENARIOS))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
