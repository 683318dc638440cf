"""This file knows `adaptd feedback`: what was said, what of it stands, and how it is amended or taken back.

Nothing is changed: amending and taking back are new feedback, recorded as any program records, daemon or none.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from adaptd.errors import AdaptdError
from daemon.cli.main import NoSuchThing, Usage, add_config
from daemon.cli.printing import harmless, in_columns, line_width, print_json, say

if TYPE_CHECKING:
    from daemon.told import Told, ToldInFull

LIST, SHOWN, AMENDED = "adaptd.feedback/1", "adaptd.feedback_told/1", "adaptd.recorded/1"
HEAD = ("received (UTC)", "type", "says", "state", "id")
CHANGES = (
    *("score", "thumb", "feedback-type", "category", "comment", "correction", "verdict", "compared-with"),
    *("compared-with-id", "implicit", "amount", "source", "rater", "rationale"),
)
OF_THE_OUTPUT = ("input", "output", "latency_ms", "propensity", "model", "artifact_type")
NOT_SAID_AGAIN = ("kind", "id", "writer", "n", "at", "supersedes", "occurred_at")


class AlreadyOut(AdaptdError):
    """The feedback does not stand any more, so it cannot be amended or taken back."""


def add_feedback(parser: argparse.ArgumentParser) -> None:
    """The options of `feedback` and of the verbs below it."""
    parser.epilog = (
        "examples:\n  adaptd feedback list --artifact-type erd --limit 50\n"
        "  adaptd feedback show ID               with its output and what came later\n"
        "  adaptd feedback amend ID --score 90     what is not named stays as it was\n"
        "  adaptd feedback retract ID --rationale 'meant for another answer'"
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="verb")
    newest = verbs.add_parser("list", help="the newest feedback, newest first", allow_abbrev=False)
    newest.add_argument("--artifact-type", metavar="TYPE", help="of outputs of that type alone")
    newest.add_argument("--limit", type=_count, default=20, metavar="N", help="how many (default: 20)")
    show = verbs.add_parser("show", help="one feedback, whole, with its output", allow_abbrev=False)
    amend = verbs.add_parser("amend", help="say it again, with other values", allow_abbrev=False)
    retract = verbs.add_parser("retract", help="take it back", allow_abbrev=False)
    retract.add_argument("--rationale", metavar="TEXT", help="why")
    retract.add_argument("--rater", metavar="TEXT", help="who takes it back")
    _add_changes(amend)
    for below in (show, amend, retract):
        below.add_argument("id", metavar="ID", help="the feedback's id")
    for below, done in ((newest, _list), (show, _show), (amend, _amend), (retract, _retract)):
        below.add_argument("--json", action="store_true", help="as JSON")
        add_config(below)
        below.set_defaults(act=done)


def _add_changes(parser: argparse.ArgumentParser) -> None:
    from daemon.cli.recording import CHOICES, NUMBERS, OF_CHOICES, TEXTS

    for name in CHANGES:
        if name in CHOICES:
            parser.add_argument(f"--{name}", choices=CHOICES[name], help=OF_CHOICES[name])
        elif name in NUMBERS:
            parser.add_argument(f"--{name}", metavar="N", type=float, help=NUMBERS[name])
        else:
            parser.add_argument(f"--{name}", metavar="TEXT", help=TEXTS[name])


def feedback(options: argparse.Namespace) -> int:
    """Look, or record what is said now."""
    return int(options.act(options))


# Looking


def _list(options: argparse.Namespace) -> int:
    from daemon.queries import feedback_list

    found = feedback_list(_state_dir(options), options.artifact_type, options.limit)
    if options.json:
        for told in found:
            print_json({"schema": LIST, **_document(told)})
        return 0
    for line in in_columns([_cells(told) for told in found], HEAD, line_width()):
        print(line)
    if not found:
        say("adaptd: no feedback yet" + (f" of type {options.artifact_type!r}" if options.artifact_type else ""))
    return 0


def _document(told: Told) -> dict[str, Any]:
    return {
        "state": told.state,
        "output_id": told.output_id,
        "artifact_type": told.artifact_type,
        "event": told.event,
    }


def _cells(told: Told) -> tuple[str, ...]:
    """When, of what type, what it says, what became of it where it does not stand, and the id."""
    event = told.event
    said = [word for word in event.get("says", "").split("+") if word and word != "output"]
    if "score" in event:
        said[said.index("score")] = f"score {event['score']:g}"
    at = event["received_at"][:19].replace("T", " ")
    state = "" if told.state == "current" else told.state
    return at, told.artifact_type or "-", ", ".join(said) or "-", state, event["id"]


def _show(options: argparse.Namespace) -> int:
    found = _found(options)
    if options.json:
        later = [_document(told) for told in found.later]
        print_json({"schema": SHOWN, **_document(found.told), "output": found.output, "later": later})
        return 0
    event, body = found.told.event, dict(found.told.event["body"])
    facts = {"id": event["id"], "state": found.told.state, "received_at": event["received_at"]}
    facts |= {"output_id": found.told.output_id, "artifact_type": found.told.artifact_type}
    if found.output is not None:
        facts |= {name: found.output["body"].get(name) for name in ("input", "output")}
    facts |= {name: value for name, value in body.items() if name not in ("kind", "writer", "n", "at", *facts)}
    facts |= {"sealed": event["sealed"]} if "sealed" in event else {}
    for name, value in facts.items():
        if value is not None:
            print(f"{name:<14} {harmless(_as_text(value))}")
    for told in found.later:
        print(harmless(f"{'then':<14} {'  '.join(filter(None, _cells(told)))}"))
    return 0


def _as_text(value: object) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("\n", "\n" + " " * 15)


def _found(options: argparse.Namespace) -> ToldInFull:
    from daemon.queries import feedback_told

    state_dir = _state_dir(options)
    found = feedback_told(state_dir, options.id)
    if found is None:
        raise NoSuchThing(
            f"no feedback {options.id!r} in {state_dir}/events.db, expected an id. `adaptd feedback list` shows the "
            "newest; what was just recorded is there when the daemon has taken it in."
        )
    return found


# Saying something new


def _amend(options: argparse.Namespace) -> int:
    names = [name.replace("-", "_") for name in CHANGES]
    changes = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if not changes:
        raise Usage("feedback amend: expected what to change, such as --score, found nothing")
    found = _standing(options)
    event = found.told.event
    if event.get("sealed") == "not readable here":
        raise AlreadyOut(
            f"feedback {options.id!r}: its texts are sealed and cannot be read here, expected to keep what is not "
            "changed. Retract it, and record the new one."
        )
    left_out = {*NOT_SAID_AGAIN, *(OF_THE_OUTPUT if "output" in event["body"] else ())}
    kept = {name: value for name, value in event["body"].items() if name not in left_out}
    about = {} if found.told.output_id is None else {"output_id": found.told.output_id}
    return _record(options, {**kept, **changes, **about, **_subject(found), "supersedes": event["id"]})


def _subject(found: ToldInFull) -> dict[str, Any]:
    """Under whose key it lay, it lies again."""
    event = found.told.event
    return {"subject": event["subject"]} if "subject" in event else {}


def _retract(options: argparse.Namespace) -> int:
    found = _standing(options)
    said = {name: getattr(options, name) for name in ("rationale", "rater") if getattr(options, name) is not None}
    return _record(options, {**said, **_subject(found), "retracts": found.told.event["id"]})


def _standing(options: argparse.Namespace) -> ToldInFull:
    found = _found(options)
    if found.told.state != "current":
        by = found.later[-1].event["id"] if found.later else ""
        what = "is a retraction itself" if not by else f"was {found.told.state} by {by!r}"
        raise AlreadyOut(
            f"feedback {options.id!r} {what}, expected feedback that stands. `adaptd feedback show {by or options.id}` "
            "shows it."
        )
    return found


def _record(options: argparse.Namespace, fields: dict[str, Any]) -> int:
    from daemon.cli.recording import recorder

    event_id = recorder(options.config)(durable=True, **fields)
    if options.json:
        print_json({"schema": AMENDED, "id": event_id})
    else:
        print(event_id)
    return 0


def _state_dir(options: argparse.Namespace) -> str:
    from adaptd.locating import find

    return find(options.config).state_dir


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}")
    return int(text)
