"""This file knows `adaptd ask`: which outputs are most worth rating, or a fair draw of those that judge models."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from daemon.cli.main import add_config
from daemon.cli.printing import count_of, cut, harmless, in_columns, line_width, print_json, say

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "adaptd.ask/1"
HEAD = ("type", "chance", "why", "input", "id")
TERM_CHARACTERS, INPUT_CHARACTERS = 24, 40


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
    from daemon.cli.asking_daemon import have_done
    from daemon.cli.progress import progress

    place = find(options.config)
    asked = {name: getattr(options, name) for name in ("limit", "workload", "artifact_type", "random")}
    with progress() as tell:
        answer = have_done(place, {"verb": "ask"} | asked, tell, "answers")
    if options.json:
        print_json({"schema": SCHEMA} | answer)
    else:
        _print(answer, Path(place.state_dir))
    return 0


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
