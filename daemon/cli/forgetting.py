"""This file knows `adaptd forget`: everything of one subject, for good, with the daemon running or not."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from adaptd.errors import AdaptdError
from daemon.cli.main import Usage, add_config
from daemon.cli.printing import complain, count_of, print_json, say


class NotConfirmed(AdaptdError):
    """The person said no."""


def add_forget(parser: argparse.ArgumentParser) -> None:
    """The options of `forget`."""
    parser.epilog = (
        'examples:\n  adaptd forget "patient 17"\n  adaptd forget "patient 17" --yes --json\n'
        '  adaptd forget "patient 17" --retrain\n\n'
        "Destroys the keys of the subject's events, and every line of it that lies\n"
        "unsealed in quarantine or spool. Later events of it are refused. Backups and\n"
        "exports made before are not reached; `adaptd restore` forgets again."
    )
    parser.add_argument("subject", metavar="SUBJECT", help="as the events name it, to the letter")
    parser.add_argument("--retrain", action="store_true", help="train what learnt from it anew, without it")
    parser.add_argument("--yes", action="store_true", help="do not ask; needed where nobody can answer")
    parser.add_argument("--json", action="store_true", help="as one JSON document, adaptd.forgotten/1")
    add_config(parser)


def forget(options: argparse.Namespace) -> int:
    """Forget, through the daemon when one runs; 1 when something could not be erased yet."""
    from adaptd.locating import find
    from daemon.cli.asking_daemon import have_done
    from daemon.cli.progress import progress

    if not options.subject:
        raise Usage("forget: expected a subject, found an empty text")
    place = find(options.config)
    if not options.yes:
        _confirm(options.subject)
    with progress() as tell:
        request = {"verb": "forget", "subject": options.subject, "retrain": options.retrain}
        done = have_done(place, request, tell, "forgets")
    if options.json:
        print_json({"schema": "adaptd.forgotten/1"} | done)
    else:
        _print(done)
    for problem in done["problems"]:
        complain(f"adaptd: {problem}")
    return 1 if done["problems"] else 0


def _confirm(subject: str) -> None:
    if not sys.stdin.isatty():
        raise Usage("forget: nobody can be asked here, expected --yes. What is forgotten cannot be brought back")
    complain(f"Everything of {subject!r} will be destroyed, and cannot be brought back. Type `yes` to go on:")
    if sys.stdin.readline().strip() != "yes":
        raise NotConfirmed("nothing was done")


def _print(done: dict[str, Any]) -> None:
    if done["again"]:
        print("forgotten before; what had come since was erased:")
    print(f"events      {count_of(done['events'], 'event')} can no longer be read")
    print(f"keys        {count_of(done['keys'], 'key')} destroyed")
    print(f"quarantine  {count_of(done['quarantined'], 'line')} erased")
    print(f"spool       {count_of(done['spooled'], 'line')} erased")
    if done["derived"]:
        print(f"derived     {count_of(done['derived'], 'row')} erased")
    _print_models(done)
    if not done["again"] and not any(done[name] for name in ("events", "keys", "quarantined", "spooled", "derived")):
        say("adaptd: nothing of this subject was here: is it spelt as the events spell it? Its events are refused now.")


def _print_models(done: dict[str, Any]) -> None:
    """Which models learnt from the subject; what they know of it cannot be taken out of them."""
    for one in done["models"]:
        learnt = f"learnt from {count_of(one['outputs'], 'output')} of it"
        print(f"model       {one['workload']}/{one['model']}, {one['state']}, {learnt}")
    for name in done["retrained"]:
        print(f"training    of {name} is asked for, without it")
    if done["models"] and not done["retrained"]:
        say("adaptd: their cards say so. --retrain asks for a training without the subject, also afterwards.")
