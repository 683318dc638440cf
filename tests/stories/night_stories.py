"""Whole nights on the tiny workload, told by a process that has nothing but the installed wheel, with a stopped clock.

    python -P night_stories.py STORY PLACE [ARGUMENT …]

Prints one JSON document; tests/stories/test_nights.py makes the environment, runs the stories and reads what they say.
"""

import json
import os
import signal
import sys
import time
from contextlib import contextmanager, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path

import adaptd
from daemon.cli.main import main
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.main_loop import MainLoop
from daemon.night_building import forming_of, parts_of, shift_of
from daemon.opening import open_state
from daemon.rebuilding import rebuilt
from daemon.settings import read_settings
from daemon.sqlite_log import SqliteEventLog
from daemon.views.batches import Batches
from daemon.views.store import rebuild_digests

DAY, HOUR = 86_400, 3_600
FIRST_MIDNIGHT = 1_794_787_200  # 2026-11-16T00:00:00Z, a Monday
PATIENCE_SECONDS = 300
OF_A_NIGHT = ("night_", "batch_", "stage_", "run_")
OF_MODELS = ("model_", "challenger_", "champion_", "examples_served")
TOPICS = {
    "refund": ("my money back", "return the payment", "refund this order", "charged twice"),
    "login": ("cannot sign in", "password does not work", "locked out of the account", "two factor code"),
    "delivery": ("where is my parcel", "it has not arrived", "late again", "wrong address on the box"),
}


class World:
    """One daemon's life on a folder, without its process: turns are taken by hand."""

    def __init__(self, place, state, settings, clock, chance):
        self.place, self.state, self.clock = place, state, clock
        parts = parts_of(state, settings, place / "config.toml", clock, chance)
        self.shift = shift_of(state, settings, parts, clock, chance)
        self.loop = MainLoop(state.intake, state.views, shift=self.shift)
        self.told = []

    def turn(self, seconds=0.05):
        report = self.loop.turn(self.clock.advance(seconds=seconds))
        assert report.failure is None, report.failure
        self.told += report.told

    def until(self, happened):
        """Turns until it has; real children need real time, which does not move the clock."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not happened():
            assert time.monotonic() < end, self.told
            self.turn()
            time.sleep(0.02)

    def go_to(self, day, hour):
        """Moves the clock to that hour of that day, counted from the first midnight."""
        wanted = (FIRST_MIDNIGHT + day * DAY + hour * HOUR) * 1_000_000
        assert wanted >= self.clock.now()
        self.clock.advance(seconds=(wanted - self.clock.now()) / 1e6)

    def events(self, *kinds, of=OF_A_NIGHT):
        rows = self.state.log.read_after(0, 1_000_000, ("seq", "kind", "body"))
        found = [(kind.partition("/")[0], json.loads(body)) for _, kind, body in rows if kind.startswith(of)]
        return [one for one in found if not kinds or one[0] in kinds]

    def of_models(self, *kinds):
        return self.events(*kinds, of=OF_MODELS)

    def decided(self):
        return self.of_models("challenger_promoted", "challenger_turned_down")

    def count(self, kind):
        return len(self.events(kind))


@contextmanager
def opened(place, day=0, hour=12.0):
    """The world of that folder; the clock stands at that hour."""
    settings = read_settings(place / "config.toml")
    clock, chance = StoppedClock(round((FIRST_MIDNIGHT + day * DAY + hour * HOUR) * 1e6)), SeededChance(3 + 100 * day)
    with open_state(place / "state", settings, clock, chance, beside=place) as state:
        world = World(place, state, settings, clock, chance)
        yield world
        world.shift.stop(clock.now())


def record_a_day(day, count=48):
    """Two in three are corrected or confirmed; by the same words every time the story is told."""
    labels = list(TOPICS)
    for number in range(count):
        label = labels[number % 3]
        words = f"{TOPICS[label][(number // 3) % 4]} {day} {number}: {number * number + day}"
        given = {"score": 95} if number % 2 else {"correction": label}
        output = label if number % 2 else labels[(number + 1) % 3]
        adaptd.record_feedback(id=f"d{day}-{number}", input=words, output=output, artifact_type="ticket", **given)
    adaptd.flush()


def take_in(world):
    """What was recorded is in the log."""
    world.turn()
    while world.loop.turn(world.clock.advance(seconds=0.05)).events:
        pass


# The stories


def week(place):
    """Seven days of feedback, and the seven nights that follow them."""
    with opened(place) as world:
        for day in range(7):
            world.go_to(day, 20)
            record_a_day(day)
            take_in(world)
            world.go_to(day + 1, 1.5)
            world.until(lambda day=day: world.count("run_finished") + world.count("batch_not_formed") > day)
            world.go_to(day + 1, 6.5)
            world.turn()
        return told_of(world)


def told_of(world):
    """What the log says of the nights, and whether all of it can be had again."""
    world.state.views.catch_up()
    digests = world.state.views.digests()
    settings = read_settings(world.place / "config.toml")
    forming = forming_of(world.state, settings, world.place, SeededChance(9))
    runs = {body["run"]: body["batch"] for _, body in world.events("run_planned")}
    turned_down = {runs[body["run"]] for _, body in world.of_models("challenger_turned_down")}
    batches = [
        {
            "batch": body["batch"],
            "hash": body["hash"],
            "by": body["by"],
            "new": examples_of(body, learnt=False),
            "again": examples_of(body, learnt=True),
            "turned_down": body["batch"] in turned_down,
            "rebuilt": hash_of(rebuilt(body["batch"], forming._stands, settings, world.place)),
        }
        for _, body in world.events("batch_formed")
    ]
    return {
        "kinds": [kind for kind, _ in world.events()],
        "dates": [body["date"] for _, body in world.events("night_opened")],
        "batches": batches,
        "failed_stages": [body for _, body in world.events("stage_failed")],
        "not_formed": [body["reason"] for _, body in world.events("batch_not_formed")],
        "models": [body["model_hash"] for _, body in world.events("run_finished")],
        "accuracy": [body["metrics"].get("correct") for _, body in world.events("run_finished")],
        "replay_equal": digests == rebuild_digests(world.state.log),
        "verified": world.state.log.verify().ok,
        "listed": len(world.state.views.of(Batches).listed()),
    }


def examples_of(body, *, learnt):
    rows = body["rows"]
    return [one for one, times in zip(rows["example"], rows["times_learnt"], strict=True) if bool(times) == learnt]


def hash_of(formed):
    return formed if isinstance(formed, str) else formed.body["hash"]


def night(place, kill_after=None):
    """One day and its night; killed after the event of that place among those of the night, when one is given."""
    with opened(place, hour=20) as world:
        record_a_day(0)
        take_in(world)
        world.go_to(1, 1.5)
        if kill_after is not None:
            be_killed_after(int(kill_after))
        world.until(lambda: world.count("run_finished"))
        return told_of(world)


def go_on(place):
    """Another daemon, a little later in the same night."""
    with opened(place, day=1, hour=1.6) as world:
        world.until(lambda: world.count("run_finished"))
        return told_of(world)


def be_killed_after(number):
    """SIGKILL as soon as the event of this place among those of the night is in the log."""
    append, seen = SqliteEventLog.append, [0]

    def append_and_maybe_die(self, entries, *arguments, **options):
        newest = append(self, entries, *arguments, **options)
        seen[0] += sum(entry.kind.startswith(OF_A_NIGHT) for entry in entries)
        if seen[0] > number:
            os.kill(os.getpid(), signal.SIGKILL)
        return newest

    SqliteEventLog.append = append_and_maybe_die


def window_closes(place):
    """The window ends while a run is under way; the night after it goes on."""
    with opened(place, hour=20) as world:
        record_a_day(0)
        take_in(world)
        world.go_to(1, 1.5)
        world.until(lambda: world.count("run_started") and far_enough(place))
        world.go_to(1, 6.01)
        world.until(lambda: world.count("run_paused"))
        world.go_to(2, 1.5)
        world.until(lambda: world.count("run_finished"))
        (paused,) = (body for _, body in world.events("run_paused"))
        starts = [body["from_step"] for _, body in world.events("run_started")]
        return told_of(world) | {"paused": paused, "starts": starts}


def far_enough(place):
    """Whether the run has taken some steps, as its heartbeat says."""
    try:
        return json.loads((place / "state/runs/run-0001/progress.json").read_bytes())["step"] >= 3
    except (OSError, ValueError):
        return False


# What becomes of the models


def judged(place, kill_at=None):
    """A day of many ratings and the night in which its model is decided about; killed at an event when one is named."""
    with opened(place, hour=20) as world:
        record_a_day(0, count=180)
        take_in(world)
        world.go_to(1, 1.5)
        if kill_at is not None:
            be_killed_at(kill_at)
        world.until(world.decided)
        world.turn()
        return told_of_models(world)


def judged_again(place, day=1):
    """Another daemon, that night or later, until the next decision; it was there already where a kill came after it."""
    day = int(day)
    with opened(place, day=day, hour=1.6) as world:
        before = len(world.decided()) if day > 1 else 0
        if day > 1:
            world.go_to(day, 1.7)
            record_a_day(day)
            take_in(world)
        world.until(lambda: len(world.decided()) > before)
        world.turn()
        return told_of_models(world)


def be_killed_at(kind):
    """SIGKILL as soon as an event of this kind is in the log, before anything is done about it."""
    append = SqliteEventLog.append

    def append_and_maybe_die(self, entries, *arguments, **options):
        newest = append(self, entries, *arguments, **options)
        if any(entry.kind.startswith(kind) for entry in entries):
            os.kill(os.getpid(), signal.SIGKILL)
        return newest

    SqliteEventLog.append = append_and_maybe_die


def told_of_models(world):
    """What the log says of models, and what the shelf's links do."""
    world.state.views.catch_up()
    shelf = world.place / "state/models/support"
    return {
        "kinds": [kind for kind, _ in world.of_models()],
        "decided": [(kind, body) for kind, body in world.decided()],
        "links": {path.name: os.readlink(path) for path in shelf.iterdir() if path.is_symlink()},
        "bases": [body["base_model"] for _, body in world.events("run_planned")],
        "replay_equal": world.state.views.digests() == rebuild_digests(world.state.log),
        "verified": world.state.log.verify().ok,
    }


def checked():
    """Everything can be had again from the log, as people look: `replay --check`, and `batch rebuild --check` of each.

    Returns how many batches there are, or what a verb said that found otherwise.
    """
    batches = json.loads(verb("batch", "list", "--json")[1])["batches"]
    for words in (["replay"], *(["batch", "rebuild", str(one["batch"])] for one in batches)):
        code, said = verb(*words, "--check")
        if code or ("equal" not in said and "hold" not in said):
            return f"{words}: {code}: {said}"
    return len(batches)


def verb(*words):
    """The exit code, and what is printed."""
    with redirect_stdout(TextIOWrapper(BytesIO(), write_through=True)) as out:
        code = main([*words])
    return code, out.buffer.getvalue().decode()


STORIES = {story.__name__: story for story in (week, night, go_on, window_closes, judged, judged_again)}

if __name__ == "__main__":
    name, folder, *rest = sys.argv[1:]
    os.chdir(folder)
    adaptd.configure(config=str(Path(folder, "config.toml")), strict=True)
    told = STORIES[name](Path(folder), *rest)
    print(json.dumps(told | {"checked": checked()}))
