"""This file knows `adaptd why`: what came of feedback, and what a model, a run or a batch came from."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from daemon.cli.main import Usage, add_config
from daemon.cli.printing import folded, harmless, line_width, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.explaining import Step

KINDS = ("batch", "run", "model")
UNNAMED = ("reason", "reward", "decision", "figure", "clause", "more")
"""Kinds whose name says what they are."""


def add_why(parser: argparse.ArgumentParser) -> None:
    """The options of `why`."""
    parser.epilog = (
        "examples:\n  adaptd why fb-1                     what came of this feedback\n"
        "  adaptd why support/3                what this model came from\n"
        "  adaptd why batch 7\n  adaptd why run-0007 --most 50\n\n"
        "Why an example is not learnt yet: `adaptd batch explain`."
    )
    parser.add_argument("what", metavar="WHAT", help="an event by id or number, or support/3; or batch, run, model")
    parser.add_argument("number", metavar="N", nargs="?", help="which batch, run or model")
    parser.add_argument("--most", metavar="N", type=int, default=5, help="so many of what is many, 5 without it")
    parser.add_argument("--json", action="store_true", help="as one JSON document, adaptd.why/1")
    add_config(parser)


def why(options: argparse.Namespace) -> int:
    """Look, and change nothing."""
    from adaptd.locating import find
    from daemon.cli.progress import progress
    from daemon.explaining import Explaining
    from daemon.model_telling import model_tellings

    if options.most < 1:
        raise Usage(f"why: --most: {options.most}, expected at least 1")
    asked = _asked(options.what, options.number)
    with progress() as tell, model_tellings(find(options.config).state_dir, tell) as tellings:
        step = Explaining(tellings, options.most).why(asked)
    if options.json:
        print_json({"schema": "adaptd.why/1", "asked": asked, **_document(step)})
        return 0
    for line in _lines(step, 0):
        print(line)
    return 0


def _asked(what: str, number: str | None) -> str:
    """`batch 7` as `batch-7`; an id is one word."""
    if number is None:
        return what
    if what not in KINDS:
        raise Usage(f"why: '{what} {number}': expected one id, or {', '.join(KINDS)} and a number")
    return number if "/" in number else f"{what}-{number.removeprefix(what + '-')}"


def _document(step: Step) -> dict[str, Any]:
    return step._asdict() | {"below": [_document(one) for one in step.below]}


def _lines(step: Step, depth: int) -> Iterator[str]:
    name = step.name if step.kind in UNNAMED or step.name.startswith(step.kind) else f"{step.kind} {step.name}"
    text = " " * 2 * depth + harmless(f"{name}: {step.words}".replace("\n", " "))
    yield from folded(text, line_width(), 2 * depth + 4)
    for below in step.below:
        yield from _lines(below, depth + 1)
