"""How a verb has something done that only the owner of the state folder may: by the daemon when one runs, else here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adaptd.errors import AdaptdError
from daemon.cli.printing import duration_of

if TYPE_CHECKING:
    from adaptd.locating import Place
    from daemon.serving_requests import Answer, Request
    from daemon.telling import Tell

PATIENCE_SECONDS = 120
LOOK_SECONDS = 0.05


class NotDoneYet(AdaptdError):
    """The daemon has not answered; it will do it when it comes to it."""

    exit_code = 75


class Answered(AdaptdError):
    """The daemon did not do it, and said why."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(str(answer["error"]))
        self.exit_code = answer.get("exit_code", 1)


def have_done(place: Place, request: Request, tell: Tell, does: str) -> Answer:
    """What came of the request. `does` says what the daemon does once it comes to it, as in «forgets»."""
    from daemon.clock_and_chance import SystemChance, SystemClock, new_id
    from daemon.state_lock import StateInUse

    asked = {**request, "id": new_id(SystemClock().now(), SystemChance())}
    while True:
        try:
            return _here(place, asked, tell)
        except StateInUse:
            done = _by_daemon(Path(place.state_dir), asked, tell, does)
            if done is not None:
                return done


def _here(place: Place, request: Request, tell: Tell) -> Answer:
    """By us, who own the folder for as long as it takes; StateInUse while a daemon does."""
    from daemon.clock_and_chance import SystemChance, SystemClock
    from daemon.night_building import parts_of
    from daemon.owning import owned_state
    from daemon.serving_requests import Owner, do
    from daemon.settings import read_settings

    clock, chance = SystemClock(), SystemChance()
    config_path = None if place.config_path is None else Path(place.config_path)
    with owned_state(Path(place.state_dir), place.config_path, clock, chance) as state:
        settings = read_settings(config_path)
        parts = parts_of(state, settings, config_path, clock, chance)
        done = do(Owner(state, settings, parts, clock, chance, tell), request)
        state.views.catch_up()
    return done


def _by_daemon(state_dir: Path, request: Request, tell: Tell, does: str) -> Answer | None:
    """What the daemon answers; None when it has ended before it came to it."""
    from daemon.requests import ask
    from daemon.state_lock import running_pid

    asked = ask(state_dir, request["id"], request)
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
                raise Answered(answer)
            return answer
        tell(f"waiting for the daemon, at most {duration_of(until - time.monotonic())}", 0, 0)
        time.sleep(LOOK_SECONDS)
    raise NotDoneYet(
        f"the daemon on {state_dir} has not answered for {PATIENCE_SECONDS} seconds; it {does} as soon as it comes "
        "to it. Look with `adaptd status`, and run the same again to see that it is done."
    )
