"""This file knows how a command line that cannot be understood is told: what was found, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

REQUIRED = "the following arguments are required: "
NO_VALUE = re.compile(r"invalid (\w+) value: (.*)")
KINDS = {"float": "a number", "int": "a whole number"}


def told_verb(given: str, verbs: Iterable[str]) -> str:
    """There is no such verb."""
    if given.startswith("-"):
        return (
            f"{given} before the verb: expected --config or --quiet there, and other options after the verb. "
            "`adaptd --help` shows the verbs."
        )
    return f"no verb {given!r}, expected one of {', '.join(verbs)}{_guess(given, verbs, 'adaptd ')}"


def told_unknown(prog: str, known: Iterable[str], unknown: list[str]) -> str:
    """There is no such option, or there are words that nobody asked for."""
    option = next((word.partition("=")[0] for word in unknown if word.startswith("-") and word != "-"), None)
    if option is None:
        return f"{_verb(prog)}: expected nothing more, found {' '.join(map(repr, unknown))}. {_see(prog)}"
    if option in known:
        return f"{_verb(prog)}: {option}: expected after the verb, as in `{prog} {option}`"
    return f"{_verb(prog)}: no option {option}{_guess(option, known)} {_see(prog)}"


def told_choice(given: object, choices: Iterable[object]) -> str:
    """One of a few was asked for."""
    names = [str(choice) for choice in choices]
    return f"expected one of {', '.join(names)}, found {str(given)!r}{_guess(str(given), names)}"


def told_mistake(prog: str, message: str) -> str:
    """What argparse has found, in the words of the other errors, with what to do next."""
    message = message.removeprefix("argument ")
    if message.startswith(REQUIRED):
        message = f"expected {message.removeprefix(REQUIRED)}, found nothing"
    if message.endswith(": expected one argument"):
        message = message.replace("expected one argument", "expected a value after it, found none")
    message = NO_VALUE.sub(lambda found: f"expected {KINDS.get(found[1], found[1])}, found {found[2]}", message)
    return f"{_verb(prog)}: {message.removesuffix('.')}{'' if message.endswith('?') else '.'} {_see(prog)}"


def _guess(given: str, known: Iterable[str], before: str = "") -> str:
    near = difflib.get_close_matches(given.lower(), list(known), 1, 0.5)
    return f", did you mean {before}{near[0]}?" if near else "."


def _verb(prog: str) -> str:
    return prog.removeprefix("adaptd ")


def _see(prog: str) -> str:
    return f"`{prog} --help` shows how."
