"""The second half of `make demo`: a small real model learns a day's feedback in one night, and one example says why.

Everything happens in a temporary folder, with a window that is open now. It exits with 0 only if a model was trained
and the batch can be formed again from the log, equal to the last bit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from textwrap import wrap

import adaptd

ADAPTD = (sys.executable, "-P", "-c", "from adaptd._launch import main; raise SystemExit(main())")
WIDTH = 80
PATIENCE_SECONDS = 180
CONFIG = """[adaptd]

[night]
window = "00:00-24:00"        # a demonstration cannot wait for one o'clock

[device]
use = "cpu"

[embeddings]
model = "hashing"

[workloads.tickets]
plugin = "tiny_classifier"
settings = { epochs = 6, checkpoint_every = 20 }
trigger = { new_examples = 40 }
"""
SAID = {
    "refund": (
        "I want my money back for order {}",
        "please return the payment of invoice {}",
        "charged twice, ticket {}",
    ),
    "login": ("I cannot sign in since update {}", "my password {} does not work", "locked out for {} minutes"),
    "delivery": ("where is parcel {}", "order {} has not arrived", "box {} went to the wrong address"),
}


def record_a_day() -> None:
    """Two hundred tickets that a model has sorted; people confirm what was right, and correct what was wrong."""
    labels = list(SAID)
    for number in range(200):
        right = labels[number % 3]
        text = SAID[right][number // 3 % 3].format(1000 + 37 * number)
        answered = right if number % 4 else labels[(number + 1) % 3]
        output = adaptd.record_output(text, answered, artifact_type="ticket", model="sorter-1")
        if answered == right:
            adaptd.record_feedback(output_id=output, thumb="up", rater="ann")
        else:
            adaptd.record_feedback(output_id=output, correction=right, rater="ben")
    adaptd.flush()


class Night:
    """One place with one daemon."""

    def __init__(self, place: Path) -> None:
        self.place, self.begun = place, time.monotonic()
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("ADAPTD_")}
        self.environ["ADAPTD_LEASES"] = str(place / "leases")
        self.daemon: subprocess.Popen[bytes] | None = None

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
            print("\n".join(wrap(line, WIDTH, subsequent_indent=" " * 9, break_on_hyphens=False) or [""]), flush=True)

    def start(self) -> None:
        with (self.place / "daemon.log").open("wb") as log:
            self.daemon = subprocess.Popen([*ADAPTD, "run"], cwd=self.place, env=self.environ, stdout=log, stderr=log)

    def end(self) -> None:
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.terminate()
            self.daemon.wait(60)

    def wait_for(self, kind: str) -> None:
        """Until an event of that kind is in the log; says so."""
        end = time.monotonic() + PATIENCE_SECONDS
        while kind not in self.kinds():
            if time.monotonic() > end:
                raise SystemExit(f"waited in vain for {kind}:\n{(self.place / 'daemon.log').read_text()}")
            time.sleep(0.5)
        print(f"{time.monotonic() - self.begun:5.1f} s  {kind}", flush=True)

    def kinds(self) -> set[str]:
        """The kinds of events that are in the log, as soon as there is one."""
        if not (self.place / "state" / "events.db").exists():
            return set()
        lines = self.adaptd("export", "--format", "native").splitlines()
        return {json.loads(line)["kind"].partition("/")[0] for line in lines}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="adaptd-night-") as folder:
        night = Night(Path(folder))
        try:
            (night.place / "config.toml").write_text(CONFIG)
            print(f"A day of feedback and its night, in {folder}:\n\n$ adaptd run &\n", flush=True)
            adaptd.configure(config=night.place / "config.toml", strict=True)
            record_a_day()
            night.start()
            for kind in ("night_opened", "batch_formed", "run_planned", "run_started", "run_finished"):
                night.wait_for(kind)
            night.show("status")
            night.show("runs", "show", "run-0001")
            night.end()
            batch = json.loads(night.adaptd("batch", "show", "1", "--json"))
            night.show("batch", "rebuild", "1", "--check")
            night.show("batch", "explain", str(example_of(batch)))
            return 0
        finally:
            night.end()


def example_of(batch: dict[str, dict[str, list[int]]]) -> int:
    """One that the batch learns from, and that somebody recorded."""
    return next(example for example in batch["rows"]["example"] if example > 0)


if __name__ == "__main__":
    sys.exit(main())
