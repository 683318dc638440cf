"""This file knows `adaptd record-feedback`: options or lines of JSON go to the spool, on disk before it answers.

It records as a host program does, through `adaptd`, so the daemon may be down. Everything is strict here: what cannot
be used is an error with its place, and what can is recorded all the same.
"""

from __future__ import annotations

import argparse
import os
import sys

from adaptd.errors import AdaptdError
from daemon.cli.main import Usage, add_config
from daemon.cli.printing import complain, print_json, silence_stdout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO, Any

    from adaptd.locating import Place

    Record = Callable[..., str]

GROUP = 500
"""So many lines of a file share one wait for the disk."""

TEXTS = {
    "input": "what the model was given",
    "output": "what it answered; without --output-id this records the output too",
    "output-id": "the id of an output that was recorded",
    "artifact-type": "the kind of thing the output is",
    "model": "which model made it",
    "feedback-type": "success, failure, or a word of your own",
    "category": "what is good or wrong about it, in a word",
    "comment": "in words",
    "correction": "what the output should have been",
    "compared-with": "the other output of a comparison",
    "compared-with-id": "its id",
    "retracts": "the id of feedback that is taken back",
    "supersedes": "the id of feedback that this takes the place of",
    "rater": "who judged",
    "rationale": "why",
    "subject": "whom it is about, so that it can be forgotten",
    "episode": "what it belongs to: a conversation, a session",
    "id": "your own id for this feedback; the same one again changes nothing",
}
CHOICES = {
    "thumb": ("up", "down"),
    "verdict": ("better", "worse", "tie"),
    "implicit": ("copy", "regenerate", "dwell", "silence"),
    "source": ("human", "llm_judge", "code"),
}
OF_CHOICES = {
    "thumb": "as people click it",
    "verdict": "how it is, compared with the other output",
    "implicit": "what somebody did without being asked for a judgement",
    "source": "whether a person judged, a model or a program",
}
NUMBERS = {
    "score": "0 to 100",
    "amount": "how much of an implicit signal; milliseconds for dwell",
    "latency-ms": "how long the model took",
    "propensity": "how probable it was that this output was shown, above 0 to 1",
}


class NotOnDisk(AdaptdError):
    """What was given could not be kept."""


def add_record_feedback(parser: argparse.ArgumentParser) -> None:
    """The options of `record-feedback`."""
    parser.usage = "adaptd record-feedback [FILE|-] [--score N] [--output TEXT] …"
    parser.epilog = (
        "examples:\n  adaptd record-feedback --input 2+2 --output 4 --score 95 --artifact-type sums\n"
        "  adaptd record-feedback --output-id ID --thumb down --comment 'too long'\n"
        "  adaptd record-feedback feedback.ndjson\n"
        "  other-program | adaptd record-feedback -\n\n"
        "A line of FILE is a JSON object with the options' names, _ for -."
    )
    parser.add_argument("file", metavar="FILE", nargs="?", help="lines of JSON; - is standard input")
    for name, line in TEXTS.items():
        parser.add_argument(f"--{name}", metavar="TEXT", help=line)
    for name, choices in CHOICES.items():
        parser.add_argument(f"--{name}", choices=choices, help=OF_CHOICES[name])
    for name, line in NUMBERS.items():
        parser.add_argument(f"--{name}", metavar="N", type=float, help=line)
    parser.add_argument(
        "--occurred-at", metavar="TIME", help="when, as 2026-11-21T09:30:00+01:00 or in seconds since 1970"
    )
    parser.add_argument("--tag", metavar="NAME=VALUE", action="append", help="may be given more than once")
    parser.add_argument("--context", metavar="JSON", help="an object with whatever else was so")
    parser.add_argument("--json", action="store_true", help="print JSON instead of bare ids")
    add_config(parser)


def record_feedback(options: argparse.Namespace) -> int:
    """Record, wait for the disk, print the ids."""
    fields = _fields(options)
    if options.file is None and not fields:
        raise Usage("record-feedback: expected a FILE, - or options such as --output and --score, found nothing")
    if options.file is not None and fields:
        raise Usage(
            f"record-feedback: expected FILE or options, found both: {options.file} and {', '.join(sorted(fields))}"
        )
    record = recorder(options.config)
    printer = _Ids(as_json=options.json)
    if options.file is None:
        printer.print([record(durable=True, **fields)])
        return 0
    if options.file == "-":
        return _record_lines(sys.stdin.buffer, "standard input", record, printer)
    with open(options.file, "rb") as lines:
        return _record_lines(lines, options.file, record, printer)


def recorder(config: str | None) -> Record:
    if os.environ.get("ADAPTD_DISABLED", "") not in ("", "0"):
        raise NotOnDisk("ADAPTD_DISABLED is set, so nothing is recorded; unset it to record")
    record_there(config)
    return _record


def record_there(config: str | None) -> Place:
    """From now on this process records where that configuration says, and every refusal is an error."""
    import adaptd
    from adaptd.locating import find

    place = find(config)
    state_dir = None if place.config_path else place.state_dir
    adaptd.configure(config=place.config_path, state_dir=state_dir, strict=True)
    return place


def _record(**fields: Any) -> str:
    import adaptd

    event_id = adaptd.record_feedback(**fields)
    assert event_id is not None, "strict gives an id or raises"
    return event_id


def _record_lines(lines: IO[bytes], name: str, record: Record, printer: _Ids) -> int:
    """Every line that can be used is recorded; every other is told with its number, and makes the exit code 1."""
    failed = recorded = 0
    for group in _groups(lines):
        ids: list[str] = []
        for number, line in group:
            try:
                ids.append(record(**_fields_of(line)))
            except (ValueError, TypeError, Usage) as error:
                failed += 1
                complain(f"adaptd: {name}:{number}: {error}")
        _flush()
        printer.print(ids)
        recorded += len(ids)
    if failed:
        told, others = ("1 line was", "it") if failed == 1 else (f"{failed:,} lines were", "them")
        rest = "; the others were" if recorded else ""
        complain(f"adaptd: {told} not recorded{rest}. Correct {others} and give {others} again.")
    return 1 if failed else 0


def _flush() -> None:
    import adaptd

    if not adaptd.flush():
        raise NotOnDisk("what was recorded could not be put on the disk; give it again when there is room")


def _groups(lines: IO[bytes]) -> Iterator[list[tuple[int, bytes]]]:
    group: list[tuple[int, bytes]] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            group.append((number, line))
        if len(group) == GROUP:
            yield group
            group = []
    yield group


def _object(line: bytes) -> dict[str, Any]:
    import json

    try:
        found = json.loads(line)
    except ValueError as error:
        raise ValueError(f"expected one JSON object a line, found something that is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise ValueError(f"expected a JSON object, found {type(found).__name__}")  # noqa: TRY004 told like bad JSON
    return found


def _fields_of(line: bytes) -> dict[str, Any]:
    fields = _object(line)
    if isinstance(fields.get("occurred_at"), str):
        fields["occurred_at"] = _moment(fields["occurred_at"], "occurred_at")
    return fields


def _fields(options: argparse.Namespace) -> dict[str, Any]:
    """What was given, under the names that record_feedback has for it."""
    names = [name.replace("-", "_") for name in (*TEXTS, *CHOICES, *NUMBERS)]
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.tag:
        given["tags"] = dict(_tag(text) for text in options.tag)
    if options.occurred_at is not None:
        given["occurred_at"] = _moment(options.occurred_at, "--occurred-at")
    if options.context is not None:
        given["context"] = _context(options.context)
    return given


def _moment(text: str, named: str) -> object:
    """A datetime with its zone, or seconds; anything else is refused by what is recorded into."""
    from datetime import datetime

    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Usage(
            f"{named}: expected a time such as 2026-11-21T09:30:00+01:00 or seconds since 1970, found {text[:60]!r}"
        ) from None


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise Usage(f"--tag: expected NAME=VALUE, found {text!r}")
    return name, value


def _context(text: str) -> dict[str, Any]:
    try:
        return _object(text.encode())
    except ValueError as error:
        raise Usage(f"--context: expected a JSON object, found {text[:60]!r} ({error})") from None


class _Ids:
    """Prints ids. When nobody reads them any more, recording goes on in silence."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def print(self, ids: list[str]) -> None:
        """Each id on a line of its own."""
        try:
            for event_id in ids:
                if self._as_json:
                    print_json({"schema": "adaptd.recorded/1", "id": event_id})
                else:
                    print(event_id)
            sys.stdout.flush()
        except BrokenPipeError:
            silence_stdout()
