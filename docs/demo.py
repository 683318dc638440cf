"""`make demo`: four programs record outputs and feedback while the daemon runs; ends by itself with what is in the log.

Everything happens in a temporary folder. It exits with 0 only if every id that a program was given is in the log, once.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import wrap

import adaptd

ADAPTD = (sys.executable, "-P", "-c", "from adaptd._launch import main; raise SystemExit(main())")
WIDTH = 80
SECONDS_OF_RECORDING = 3.5


class Note:
    """Where a program writes down the ids that it was given, each after the call; a file per process."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name

    def __call__(self, event_id: str | None) -> str | None:
        with (self._folder / f"{self._name}-{os.getpid()}").open("a") as file:
            file.write(f"{event_id}\n")
        return event_id


def turns(pause: float) -> Iterator[int]:
    """0, 1, 2, … with a pause after each, for as long as the programs record."""
    end, number = time.monotonic() + SECONDS_OF_RECORDING, 0
    while time.monotonic() < end:
        yield number
        number += 1
        time.sleep(pause)


# The programs. Each is a process of its own that knows nothing of the daemon.


def reviews(note: Note) -> None:
    for number in turns(0.02):
        note(
            adaptd.record_feedback(
                input_data=f"a library with {number} branches",
                ai_output="erDiagram LIBRARY ||--o{ BRANCH : has",
                artifact_type="erd",
                model_used="mistral:7b",
                validation_score=random.randint(40, 99),
                feedback_type=adaptd.FeedbackType.SUCCESS,
                context={"validator": "mermaid"},
            )
        )


def support(note: Note) -> None:
    for number in turns(0.03):
        question, person = f"where is order {number}?", f"customer-{number}"
        answer = note(adaptd.record_output(question, "On its way.", artifact_type="chat", subject=person))
        thumb = note(adaptd.record_feedback(output_id=answer, thumb=random.choice(("up", "down")), rater=person))
        if number % 3 == 0:  # some think again
            better = "It comes on Friday."
            note(adaptd.record_feedback(output_id=answer, correction=better, supersedes=thumb, rater=person))


def prototypes(note: Note) -> None:
    for number in turns(0.3):
        worker = os.fork()
        if worker == 0:
            for attempt in range(10):
                code = f"def task_{number}(): return {attempt}"
                made = note(adaptd.record_output(f"task {number}", code, artifact_type="code_prototype"))
                note(adaptd.record_feedback(output_id=made, score=10 * attempt, source="code", rater="unit tests"))
            os._exit(0)
        os.waitpid(worker, 0)


def moderation(note: Note) -> None:
    for number in turns(0.05):
        posts = [f"post {number}, line {line}" for line in range(40)]
        judged = {"output": "harmless", "artifact_type": "hate_speech", "source": "llm_judge"}
        for event_id in adaptd.record_feedback_many([judged | {"input": post, "score": 90} for post in posts]):
            note(event_id)


PROGRAMS: dict[str, tuple[Callable[[Note], None], str]] = {
    "reviews": (reviews, "diagrams with a validator's score, by the V2 call"),
    "support": (support, "answers first, thumbs and corrections later"),
    "prototypes": (prototypes, "forks workers; each of them records too"),
    "moderation": (moderation, "forty judgements by one call; it will be killed"),
}


def be_a_program(name: str, place: Path) -> None:
    adaptd.configure(config=place / "config.toml", strict=True)
    PROGRAMS[name][0](Note(place / "told", name))


# The demonstration.


class Demo:
    """One place, what was started on it, and what is told of it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.begun = time.monotonic()
        self.programs: dict[str, subprocess.Popen[bytes]] = {}
        self.daemon: subprocess.Popen[bytes] | None = None
        caches = {f"XDG_{name}_HOME": str(place / name.lower()) for name in ("CONFIG", "CACHE")}
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("ADAPTD_")} | caches

    def adaptd(self, *arguments: str) -> str:
        """What the command prints. Its own text is the reason when it fails."""
        command = [*ADAPTD, *arguments]
        done = subprocess.run(command, cwd=self.place, env=self.environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"adaptd {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def show(self, *arguments: str, only: Callable[[list[str]], list[str]] = list, which: str = "") -> None:
        """A command and what it prints, folded where it is wider than a narrow terminal."""
        print(f"\n$ adaptd {' '.join(arguments)}{which}")
        for line in only(self.adaptd(*arguments).splitlines()):
            print("\n".join(wrap(line, WIDTH, subsequent_indent=" " * 9, break_on_hyphens=False) or [""]))

    def status(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.adaptd("status", "--json"))
        return found

    def tell(self, text: str) -> None:
        print(f"{time.monotonic() - self.begun:5.1f} s  {text}", flush=True)

    def start_programs(self) -> None:
        self.begun = time.monotonic()
        for name in PROGRAMS:
            command = [sys.executable, __file__, name, str(self.place)]
            self.programs[name] = subprocess.Popen(command, env=self.environ)

    def start_daemon(self) -> None:
        with (self.place / "daemon.log").open("wb") as log:
            self.daemon = subprocess.Popen([*ADAPTD, "run"], cwd=self.place, env=self.environ, stdout=log, stderr=log)

    def wait_until(self, holds: Callable[[dict[str, object]], object], what: str) -> dict[str, object]:
        """The status as soon as that holds of it."""
        for _ in range(100):
            found = self.status()
            if holds(found):
                return found
            time.sleep(0.1)
        raise SystemExit(f"waited in vain for {what}:\n{self.daemon_told()}")

    def daemon_told(self) -> str:
        return (self.place / "daemon.log").read_text()

    def end_all(self) -> None:
        for process in [*self.programs.values(), *([self.daemon] if self.daemon else [])]:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()

    def told(self) -> Counter[str]:
        """Every id that a program noted, and how often."""
        files = (self.place / "told").iterdir()
        return Counter(line for file in files for line in file.read_text().split("\n")[:-1])

    def stored(self) -> Counter[str]:
        """Every id in the log, and how often."""
        return Counter(json.loads(line)["id"] for line in self.adaptd("export", "--format", "native").splitlines())


def of(found: dict[str, object], part: str, name: str) -> int:
    section = found[part]
    return int(section[name]) if isinstance(section, dict) else 0


def three_of_them(lines: list[str]) -> list[str]:
    """The newest output, the newest correction, and the newest score by the V2 call."""
    last = {said: line for line in lines for said in ("output_recorded", " correction", " erd ") if said in line}
    return sorted(last.values(), key=lambda line: int(line.split()[0]))


def record(demo: Demo) -> None:
    """Programs first, the daemon later; one program is killed, the others end by themselves."""
    demo.start_programs()
    time.sleep(0.9)
    waiting = demo.status()
    kilobytes, files = of(waiting, "spool", "unread_bytes") / 1000, of(waiting, "spool", "unread_files")
    demo.tell(f"all four record; no daemon yet: {kilobytes:.0f} kB wait in {files} spool files")
    print("\n$ adaptd run &\n", flush=True)
    demo.start_daemon()
    demo.wait_until(lambda found: of(found, "log", "events") > 1, "the daemon to take in the first events")
    events = of(demo.status(), "log", "events")
    demo.tell(f"the daemon runs: {events:,} events are in the log already")
    time.sleep(0.4)
    demo.programs["moderation"].send_signal(signal.SIGKILL)
    demo.programs["moderation"].wait()
    demo.tell("moderation was killed (kill -9) in the middle of its work")
    for name in ("reviews", "support", "prototypes"):
        if demo.programs[name].wait(30):
            raise SystemExit(f"{name} ended with {demo.programs[name].returncode}, expected 0")
    demo.tell(f"the other three have ended; {sum(demo.told().values()):,} ids were given to programs")
    found = demo.wait_until(lambda found: of(found, "spool", "files") == 0, "the spool to be empty")
    demo.tell(f"the spool is empty; the log has {of(found, 'log', 'events'):,} events, the daemon's own included")


def look(demo: Demo) -> None:
    demo.show("status")
    demo.show("events", "tail", "-n", "2000", only=three_of_them, which="    # three of them:")
    if demo.daemon is not None:
        demo.daemon.terminate()
        if demo.daemon.wait(20):
            raise SystemExit(f"the daemon ended with {demo.daemon.returncode}, expected 0:\n{demo.daemon_told()}")
    demo.show("events", "verify")
    demo.show("replay", "--check")


def all_is_there(demo: Demo) -> bool:
    told, stored = demo.told(), demo.stored()
    lost = [event_id for event_id in told if stored[event_id] != 1]
    if lost or not told:
        print(f"\n{len(lost)} of {len(told):,} ids are not in the log exactly once: {', '.join(lost[:5])}")
        return False
    print(f"\nEach of the {len(told):,} ids that the programs were given is in the log, exactly once.")
    return True


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="adaptd-demo-") as folder:
        demo = Demo(Path(folder))
        try:
            (demo.place / "told").mkdir()
            print(f"Four programs record while the daemon runs, in {folder}:\n")
            for name, (_, line) in PROGRAMS.items():
                print(f"  {name:<12}{line}")
            print("\n$ adaptd init\n", flush=True)
            demo.adaptd("init")
            record(demo)
            look(demo)
            return 0 if all_is_there(demo) else 1
        finally:
            demo.end_all()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        be_a_program(sys.argv[1], Path(sys.argv[2]))
    else:
        sys.exit(main())
