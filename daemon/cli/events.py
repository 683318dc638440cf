"""This file knows `adaptd events`: the log as a person or a script looks at it. It never changes anything."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from daemon.cli.main import NoSuchThing, add_config
from daemon.cli.printing import complain, cut, harmless, line_width, print_json, tell

if TYPE_CHECKING:
    from daemon.event_reading import EventReader

FOLLOW_SECONDS = 0.2


def add_events(parser: argparse.ArgumentParser) -> None:
    """The options of `events` and of the verbs below it."""
    parser.epilog = (
        "examples:\n  adaptd events tail -n 20 -f       the newest twenty, and what comes\n"
        "  adaptd events show 17             by number, or by id\n"
        "  adaptd events verify              is every event as it was written?"
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="verb")
    tail = verbs.add_parser("tail", help="the newest events, oldest of them first", allow_abbrev=False)
    tail.add_argument("-n", type=_count, default=10, metavar="N", help="how many (default: 10)")
    tail.add_argument("-f", "--follow", action="store_true", help="go on with what comes, until Ctrl-C")
    show = verbs.add_parser("show", help="one event, whole", allow_abbrev=False)
    show.add_argument("event", metavar="ID_OR_SEQ", help="the event's id or its number")
    verify = verbs.add_parser("verify", help="recompute every hash from the stored bytes", allow_abbrev=False)
    for below, done in ((tail, _tail), (show, _show), (verify, _verify)):
        below.add_argument("--json", action="store_true", help="JSON; of several events one object a line")
        add_config(below)
        below.set_defaults(look=done)


def events(options: argparse.Namespace) -> int:
    """Open the log for reading and look."""
    from adaptd.locating import find
    from daemon.queries import events_of

    with closing(events_of(find(options.config).state_dir)) as reader:
        code = options.look(options, reader)
    return int(code)


def _tail(options: argparse.Namespace, reader: EventReader) -> int:
    for event in _following(reader, options.n, follow=options.follow):
        if options.json:
            print_json(event)
        else:
            _print_event(event, line_width(), flush=options.follow)
    return 0


def _following(reader: EventReader, count: int, *, follow: bool) -> Iterator[dict[str, Any]]:
    last = max(0, reader.newest - count)
    while True:
        for event in reader.after(last):
            last = event["seq"]
            yield event
        if not follow:
            return
        time.sleep(FOLLOW_SECONDS)


def _print_event(event: dict[str, Any], width: int | None, *, flush: bool) -> None:
    """On one line; at a terminal that is too narrow for it the id gets a line of its own."""
    line = harmless(f"{_line(event)}  {event['id']}")
    if width is not None and len(line) > width:
        line = f"{cut(harmless(_line(event)).rstrip(), width)}\n{'':9}{cut(harmless(event['id']), width - 9)}"
    print(line, flush=flush)


def _line(event: dict[str, Any]) -> str:
    """Number, time, kind, and what distinguishes it, such as «erd score 85»."""
    at = event["received_at"][:19].replace("T", " ")
    about = [event.get("artifact_type", ""), event.get("says", "").replace("+", " ")]
    if "score" in event:
        about.append(f"{event['score']:g}")
    told = " ".join(word for word in about if word) or _of_the_daemon(event["body"])
    return f"{event['seq']:>7}  {at}  {event['kind']:<19}  {told:<28}"


def _of_the_daemon(body: dict[str, Any]) -> str:
    if "reason" in body:
        return f"{body['reason']} ({body.get('source', 'nothing of it was kept')})"
    return " ".join(f"{name}={value}" for name, value in body.items() if isinstance(value, str | int | float))


def _show(options: argparse.Namespace, reader: EventReader) -> int:
    event = reader.find(options.event)
    if event is None:
        raise NoSuchThing(
            f"no event {options.event!r} in {reader.path}, expected an id or a number from 1 to {reader.newest}. "
            "`adaptd events tail` shows the newest."
        )
    if options.json:
        print_json(event)
        return 0
    body = event.pop("body")
    for name, value in event.items():
        print(f"{name:<14} {harmless(str(value))}")
    print(harmless(json.dumps(body, ensure_ascii=False, indent=2)))
    if "quarantine_id" in body:
        print(harmless(reader.kept_aside(body["quarantine_id"])))
    if body.get("count", 1) > 1 and "quarantine_id" in body:
        print(f"this is the first of {body['count']:,} lines; all lie in quarantine.db, with their places and reasons")
    return 0


def _verify(options: argparse.Namespace, reader: EventReader) -> int:
    from daemon.cli.progress import progress

    with progress() as advance:
        found = reader.verify(advance)
    head = found.head.chain.hex()
    if options.json:
        print_json(
            {
                "schema": "adaptd.verification/1",
                "ok": found.ok,
                "events": found.events,
                "head": {"seq": found.head.seq, "chain": head},
                "bad_seq": found.bad_seq,
                "problem": found.problem,
            }
        )
    elif found.ok:
        tell(f"OK: {found.events:,} events, each as it was written; head {found.head.seq} is {head}")
    elif found.bad_seq is None:
        tell(f"BAD: {found.problem}; all {found.events:,} events are as they were written")
    else:
        tell(f"BAD: event {found.bad_seq}: {found.problem}; the {found.events:,} before it are as they were written")
    if not found.ok:
        complain(
            f"adaptd: {reader.path} was changed or is damaged: stop the daemon, restore a backup of the state folder"
        )
    return 0 if found.ok else 1


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}")
    return int(text)
