"""This file knows `adaptd ask`: which outputs are most worth rating, or a fair draw of those that models are judged by."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from adaptd.errors import AdaptdError
from daemon.cli.main import Usage, add_config
from daemon.cli.printing import count_of, cut, harmless, in_columns, line_width, print_json, say

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "adaptd.ask/1"
PATIENCE_SECONDS, LOOK_SECONDS = 60, 0.05
HEAD = ("type", "chance", "why", "input", "id")
TERM_CHARACTERS, INPUT_CHARACTERS = 24, 40


class NotAnswered(AdaptdError):
    """The daemon has not answered."""

    exit_code = 75


def add_ask(parser: argparse.ArgumentParser) -> None:
    """The options of `ask`."""
    parser.epilog = (
        "examples:\n  adaptd ask --limit 20                what a model would learn most from\n"
        "  adaptd ask support --artifact-type erd\n"
        "  adaptd ask --random --limit 50       a fair draw: models are judged by these\n\n"
        "Rate them with `adaptd record-feedback --output-id ID --score N`, or in your own\n"
        "program: adaptd.ask() gives the same list. What was asked, and how likely each\n"
        "was to be asked, is recorded; it goes with the ratings that follow."
    )
    parser.add_argument("workload", metavar="WORKLOAD", nargs="?", help="of the artifact types that it learns from")
    parser.add_argument("--limit", type=_limit, default=10, metavar="N", help="how many (default: 10)")
    parser.add_argument("--random", action="store_true", help="drawn uniformly from the judge side")
    parser.add_argument("--artifact-type", metavar="TYPE", help="of that type alone")
    parser.add_argument("--json", action="store_true", help="as one JSON document, adaptd.ask/1, without any text")
    add_config(parser)


def _limit(text: str) -> int:
    from daemon.asking import MOST_AT_ONCE

    if not text.isdecimal() or not 1 <= int(text) <= MOST_AT_ONCE:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MOST_AT_ONCE}, found {text!r}")
    return int(text)


def ask(options: argparse.Namespace) -> int:
    """Ask, through the daemon when one runs."""
    from pathlib import Path

    from adaptd.locating import find

    place = find(options.config)
    state_dir = Path(place.state_dir)
    request = {
        "limit": options.limit,
        "workload": options.workload,
        "artifact_type": options.artifact_type,
        "random": options.random,
    }
    answer = _answered(state_dir, place.config_path, request)
    if options.json:
        print_json({"schema": SCHEMA} | answer)
    else:
        _print(answer, state_dir)
    return 0


def _answered(state_dir: Path, config_path: str | None, request: dict[str, Any]) -> dict[str, Any]:
    """By the daemon, or by us while we own the folder; whichever of the two can."""
    from daemon.state_lock import StateInUse

    while True:
        try:
            return _here(state_dir, config_path, request)
        except StateInUse:
            answer = _by_daemon(state_dir, request)
            if answer is not None:
                return answer


def _here(state_dir: Path, config_path: str | None, request: dict[str, Any]) -> dict[str, Any]:
    from pathlib import Path

    from daemon import asking
    from daemon.clock_and_chance import SystemChance, SystemClock
    from daemon.owning import owned_state
    from daemon.settings import read_settings

    clock, chance = SystemClock(), SystemChance()
    settings = read_settings(None if config_path is None else Path(config_path))
    with owned_state(state_dir, config_path, clock, chance) as state:
        state.views.catch_up()
        try:
            return asking.ask(state, settings, asking.Request.read(request), clock.now(), chance)
        except asking.CannotAsk as error:
            raise Usage(str(error)) from None


def _by_daemon(state_dir: Path, request: dict[str, Any]) -> dict[str, Any] | None:
    """What the daemon answers; None when it has ended before it came to it."""
    import time

    from daemon.clock_and_chance import SystemChance, SystemClock, new_id
    from daemon.requests import ask as put_down
    from daemon.state_lock import running_pid

    asked = put_down(state_dir, new_id(SystemClock().now(), SystemChance()), {"verb": "ask"} | request)
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        answer = asked.answer()
        if answer is None and running_pid(state_dir) is None:
            asked.withdraw()
            answer = asked.answer()
            if answer is None:
                return None
        if answer is not None:
            if "error" in answer:
                raise Usage(str(answer["error"]))
            return answer
        time.sleep(LOOK_SECONDS)
    asked.withdraw()
    raise NotAnswered(
        f"the daemon on {state_dir} has not answered for {PATIENCE_SECONDS} seconds; expected an answer within one turn. "
        "Look with `adaptd status`, and ask again."
    )


def _print(answer: dict[str, Any], state_dir: Path) -> None:
    from daemon.queries import inputs_told

    outputs = answer["outputs"]
    if not outputs:
        side = "judge" if answer["kind"] == "random" else "learn"
        say(f"adaptd: no output of the {side} side waits for a rating. Record some, or widen what you ask for.")
        return
    inputs = inputs_told(str(state_dir), [one["seq"] for one in outputs])
    rows = [
        (
            one["artifact_type"] or "-",
            f"{one['propensity']:.3g}",
            _why(one["why"]),
            cut(harmless(inputs.get(one["seq"]) or "-").replace("\n", " "), INPUT_CHARACTERS),
            one["id"],
        )
        for one in outputs
    ]
    for line in in_columns(rows, HEAD, line_width()):
        print(line)
    say(f"{count_of(len(outputs), 'output')} of {answer['of']:,} that wait for a rating; {answer['how']}")


def _why(terms: dict[str, Any]) -> str:
    told = (f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}" for name, value in terms.items())
    return cut(", ".join(told), TERM_CHARACTERS)
