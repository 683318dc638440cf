"""This file knows `adaptd forget`: everything of one subject, for good, with the daemon running or not."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from adaptd.errors import AdaptdError
from daemon.cli.main import Usage, add_config
from daemon.cli.printing import complain, count_of, duration_of, print_json, say

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.telling import Tell

PATIENCE_SECONDS = 120
LOOK_SECONDS = 0.05


class NotForgottenYet(AdaptdError):
    """The daemon has not answered; it will do it when it comes to it."""

    exit_code = 75


class NotConfirmed(AdaptdError):
    """The person said no."""


def add_forget(parser: argparse.ArgumentParser) -> None:
    """The options of `forget`."""
    parser.epilog = (
        'examples:\n  adaptd forget "patient 17"\n  adaptd forget "patient 17" --yes --json\n\n'
        "Destroys the keys of the subject's events, and every line of it that lies\n"
        "unsealed in quarantine or spool. Later events of it are refused. Backups and\n"
        "exports made before are not reached; `adaptd restore` forgets again."
    )
    parser.add_argument("subject", metavar="SUBJECT", help="as the events name it, to the letter")
    parser.add_argument("--yes", action="store_true", help="do not ask; needed where nobody can answer")
    parser.add_argument("--json", action="store_true", help="as one JSON document, adaptd.forgotten/1")
    add_config(parser)


def forget(options: argparse.Namespace) -> int:
    """Forget, through the daemon when one runs; 1 when something could not be erased yet."""
    from pathlib import Path

    from adaptd.locating import find
    from daemon.cli.progress import progress

    if not options.subject:
        raise Usage("forget: expected a subject, found an empty text")
    place = find(options.config)
    if not options.yes:
        _confirm(options.subject)
    with progress() as tell:
        done = _forgotten(Path(place.state_dir), place.config_path, options.subject, tell)
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


def _forgotten(state_dir: Path, config_path: str | None, subject: str, tell: Tell) -> dict[str, Any]:
    """By the daemon, or by us while we own the folder; whichever of the two can."""
    from daemon.state_lock import StateInUse

    while True:
        try:
            return _here(state_dir, config_path, subject, tell)
        except StateInUse:
            done = _by_daemon(state_dir, subject, tell)
            if done is not None:
                return done


def _here(state_dir: Path, config_path: str | None, subject: str, tell: Tell) -> dict[str, Any]:
    from daemon import forgetting
    from daemon.clock_and_chance import SystemChance, SystemClock
    from daemon.owning import owned_state

    clock, chance = SystemClock(), SystemChance()
    with owned_state(state_dir, config_path, clock, chance) as state:
        done = forgetting.forget(state, subject, clock.now(), chance, tell)
        state.views.catch_up()
    return done._asdict()


def _by_daemon(state_dir: Path, subject: str, tell: Tell) -> dict[str, Any] | None:
    """What the daemon answers; None when it has ended before it came to it."""
    import time

    from daemon.clock_and_chance import SystemChance, SystemClock, new_id
    from daemon.requests import ask
    from daemon.state_lock import running_pid

    asked = ask(state_dir, new_id(SystemClock().now(), SystemChance()), {"verb": "forget", "subject": subject})
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
                raise AdaptdError(str(answer["error"]))
            return answer
        tell(f"waiting for the daemon, at most {duration_of(until - time.monotonic())}", 0, 0)
        time.sleep(LOOK_SECONDS)
    raise NotForgottenYet(
        f"the daemon on {state_dir} has not answered for {PATIENCE_SECONDS} seconds; it forgets as soon as it comes "
        "to it. Look with `adaptd status`, and run the same again to see that it is done."
    )


def _print(done: dict[str, Any]) -> None:
    if done["again"]:
        print("forgotten before; what had come since was erased:")
    print(f"events      {count_of(done['events'], 'event')} can no longer be read")
    print(f"keys        {count_of(done['keys'], 'key')} destroyed")
    print(f"quarantine  {count_of(done['quarantined'], 'line')} erased")
    print(f"spool       {count_of(done['spooled'], 'line')} erased")
    if done["derived"]:
        print(f"derived     {count_of(done['derived'], 'row')} erased")
    if not done["again"] and not any(done[name] for name in ("events", "keys", "quarantined", "spooled", "derived")):
        say("adaptd: nothing of this subject was here: is it spelt as the events spell it? Its events are refused now.")
