"""The last part of `make demo`: seven days and nights in a minute or two, with a promotion, a refusal and a rollback.

The days are told by a stopped clock; log, batches, training, judging, gate and shelf are the real ones. People sort
tickets into ten drawers and correct the model where it is wrong. On the fifth day somebody breaks the training
settings, and a health rule ends the run of that night. At the end somebody rolls back all the same, asks why, and
looks at how it went night by night; the chart stays in build/.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import random
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import wrap
from typing import Any

import adaptd
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.main_loop import MainLoop
from daemon.night_building import parts_of, shift_of
from daemon.opening import open_state
from daemon.settings import read_settings

CHART = Path(__file__).resolve().parents[1] / "build" / "accuracy_per_night.png"
ADAPTD = (sys.executable, "-P", "-c", "from adaptd._launch import main; raise SystemExit(main())")
WIDTH, DAYS, TICKETS = 80, 7, (80, 400, 60, 60, 120, 60, 60)
DAY = 86_400
FIRST_MIDNIGHT = (int(time.time()) // DAY - DAYS - 1) * DAY  # the week that ended yesterday: what follows is of today
PATIENCE_SECONDS = 60
ENDS = ("Promoted:", "Turned down:", "Not promoted", "turned down", "no batch", "failed:")
CLEAR = 0.7  # the share of tickets of which most words say where they belong; of the others nobody can be sure
GOOD = "batch_size = 16, epochs = 60"
BROKEN = "batch_size = 32, epochs = 30, learning_rate = 3.0, patience = 1000"
CONFIG = """[adaptd]

[night]
window = "01:00-06:00"

[device]
use = "cpu"

[embeddings]
model = "hashing"

[gate]
judge_wanted = 20             # a small week; 200 is what holds when nothing is said
most_negative_flips = 0.2

[workloads.tickets]
plugin = "tiny_classifier"
ratings = "all"               # every answer of the model is looked at
settings = {{ checkpoint_every = 50, {settings} }}
trigger = {{ new_examples = 10 }}
"""
BEGINNINGS = ("please help", "hello", "since yesterday", "good morning", "again", "urgent", "question", "for my aunt")
SUBJECTS = {
    "refund": "money back return payment reimburse charge",
    "login": "password sign account locked access",
    "delivery": "parcel arrived courier late shipping",
    "invoice": "bill receipt tax number document",
    "broken": "defect scratched repair damaged works",
    "cancel": "subscription end stop terminate contract",
    "address": "moved street postcode house change",
    "voucher": "coupon code discount gift redeem",
    "size": "large small fits exchange shoes",
    "privacy": "data delete personal consent newsletter",
}


class Week:
    """One place, and the daemon's turns on it."""

    def __init__(self, place: Path) -> None:
        self.place, self.now, self.rng = place, 0, random.Random(5)
        self.begun = time.monotonic()
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("ADAPTD_")}
        os.environ["ADAPTD_LEASES"] = self.environ["ADAPTD_LEASES"] = str(place / "leases")

    def adaptd(self, *arguments: str) -> str:
        """What the command prints. Its own text is the reason when it fails."""
        command = [*ADAPTD, *arguments]
        done = subprocess.run(command, cwd=self.place, env=self.environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"adaptd {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def show(self, *arguments: str, most: int = 40) -> None:
        """A command and what it shows at a terminal of 80 columns."""
        print(f"\n$ adaptd {shlex.join(arguments)}")
        lines = self.at_a_terminal(*arguments).splitlines()
        print("\n".join([*lines[:most], *(["…"] if len(lines) > most else [])]), flush=True)

    def at_a_terminal(self, *arguments: str) -> str:
        reading, writing = pty.openpty()
        fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
        given = {"cwd": self.place, "env": self.environ | {"NO_COLOR": "1"}, "stdin": subprocess.DEVNULL}
        with subprocess.Popen([*ADAPTD, *arguments], stdout=writing, stderr=writing, **given) as process:
            os.close(writing)
            shown = b""
            with suppress(OSError):  # how Linux says that nobody writes any more
                while piece := os.read(reading, 65536):
                    shown += piece
        os.close(reading)
        text = shown.decode().replace("\r\n", "\n")
        if process.returncode:
            raise SystemExit(f"adaptd {' '.join(arguments)} ended with {process.returncode}:\n{text}")
        return text

    def champion(self) -> int:
        """The model that is in use."""
        told = json.loads(self.adaptd("history", "--json"))["workloads"][0]["nights"]
        return int(told[-1]["in_use"])

    def configure(self, settings: str) -> None:
        (self.place / "config.toml").write_text(CONFIG.format(settings=settings))

    @contextmanager
    def opened(self, day: int, hour: float) -> Iterator[Any]:
        """The daemon's turns from that hour on."""
        settings = read_settings(self.place / "config.toml", self.environ)
        clock, chance = StoppedClock(round((FIRST_MIDNIGHT + day * DAY + hour * 3600) * 1e6)), SeededChance(day * 100)
        with open_state(self.place / "state", settings, clock, chance, beside=self.place) as state:
            parts = parts_of(state, settings, self.place / "config.toml", clock, chance)
            shift = shift_of(state, settings, parts, clock, chance)
            loop = MainLoop(state.intake, state.views, shift=shift)
            yield lambda: loop.turn(clock.advance(seconds=0.05))
            shift.stop(clock.now())

    def record_a_day(self, day: int) -> None:
        """What came that day, as the model sorted it, and what people made of it."""
        names = list(SUBJECTS)
        for number in range(TICKETS[day]):
            right = self.rng.choice(names)
            of_it = 3 if self.rng.random() < CLEAR else 2
            words = self.rng.sample(SUBJECTS[right].split(), of_it)
            words += self.rng.sample(SUBJECTS[self.rng.choice(names)].split(), 4 - of_it)
            self.rng.shuffle(words)
            text = f"{self.rng.choice(BEGINNINGS)} {' '.join(words)} {day}{number:03}"
            answered = right if self.rng.random() < 0.6 else self.rng.choice(names)
            said = {"thumb": "up"} if answered == right else {"correction": right}
            given = {"id": f"ticket-{day}-{number}", "artifact_type": "ticket", "rater": "desk"}
            adaptd.record_feedback(input=text, output=answered, **given, **said)
        adaptd.flush()
        with self.opened(day, 20.0) as turn:
            while turn().events:
                pass

    def live_a_night(self, day: int) -> None:
        """Turns until tonight is decided about; one line says how it went."""
        with self.opened(day + 1, 1.5) as turn:
            end, told = time.monotonic() + PATIENCE_SECONDS, []
            while not any(word in line for line in told for word in ENDS):
                report = turn()
                told += [*report.told, *([report.failure] if report.failure else [])]
                if time.monotonic() > end:
                    raise SystemExit("waited in vain for the night's end:\n" + "\n".join(told))
                time.sleep(0.02)
            turn()
            sentence = next(line for line in told if any(word in line for word in ENDS)).removeprefix("tickets: ")
        line = f"{time.monotonic() - self.begun:5.0f} s  night {day + 1}: {sentence}"
        print("\n".join(wrap(line, WIDTH, subsequent_indent=" " * 18, break_on_hyphens=False)), flush=True)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="adaptd-week-") as folder:
        week = Week(Path(folder))
        week.configure(GOOD)
        print(f"A week of tickets and its nights, in {folder}:\n", flush=True)
        adaptd.configure(config=week.place / "config.toml", strict=True)
        for day in range(DAYS):
            week.configure(BROKEN if day == 4 else GOOD)
            week.record_a_day(day)
            week.live_a_night(day)
        week.show("models", "list")
        week.show("models", "rollback", "tickets", "--reason", "a demonstration")
        week.show("replay", "--check")
        week.show("status")
        week.show("why", "model", str(week.champion()), most=30)
        CHART.parent.mkdir(exist_ok=True)
        week.show("history", "--png", str(CHART))
        print(f"\nThe same as a picture: {CHART}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
