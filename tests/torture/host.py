"""A host program to be tortured: records in one of several manners, and writes down every id that was returned to it.

It is a process of its own: `main()` with `--state DIR --acks DIR|- --manner plain …`. TERM ends it in
order; USR1 makes it record without a pause for a moment, so that a kill finds it in the midst of a call. An id is
written down after the call has returned it, by one write; a call that returned None as «-».
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import adaptd
import adaptd.recording
import adaptd.spool

MANNERS = ("plain", "durable", "many", "threads", "forks", "socket", "retries", "forks_in_threads")
RETRYING = frozenset({"retries", "socket"})
"""Manners in which one event may be spooled more than once, so that the counters in the log have gaps."""

RUSH_SECONDS = 0.08
DAY = 86_400 * 10**9
JUMPS = (-DAY, 10 * 365 * DAY, 0, -30 * 365 * DAY, DAY // 24)


class Acks:
    """Where returned ids are written down, each with the score that was recorded; one file per process and thread.

    Its first line names the spool's writer, where the log must have every counter of it.
    """

    def __init__(self, where: str, manner: str) -> None:
        name = f"{where}/{manner}-{os.getpid()}-{os.urandom(4).hex()}"
        flags = os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC
        self._fd = 1 if where == "-" else os.open(name, flags, 0o600)
        self._may_have_gaps = manner in RETRYING
        self._introduced = False

    def note(self, returned: list[tuple[str | None, float | None]]) -> None:
        if not (self._introduced or self._may_have_gaps):
            self._introduced = True
            os.write(self._fd, f"# {adaptd.stats()['writer']}\n".encode())
        lines = [f"{event_id or '-'} {'-' if score is None else repr(score)}\n" for event_id, score in returned]
        os.write(self._fd, "".join(lines).encode())


class Recorder:
    """Makes up events; one per thread and process."""

    def __init__(self, where: str, manner: str, rng: random.Random) -> None:
        self.where, self.manner, self.rng = where, manner, rng
        self.acks = Acks(where, manner)
        self.outputs: list[str] = []
        self.judged: list[str] = []

    def in_child(self) -> Recorder:
        """Its like for a forked child, which draws and writes down on its own."""
        return Recorder(self.where, self.manner, random.Random(os.urandom(8)))

    def some(self, most: int) -> None:
        for _ in range(self.rng.randint(1, most)):
            self.one()

    def one(self, *, durable: bool = False) -> None:
        if self.rng.random() < 0.3:
            self._output(durable=durable)
        else:
            self._feedback(durable=durable)

    def _output(self, *, durable: bool) -> None:
        answer = "word " * (self.rng.randint(4000, 20000) if self.rng.random() < 0.005 else self.rng.randint(1, 40))
        question, kind, subject = {"question": self.rng.random()}, self._type(), self._subject()
        event_id = adaptd.record_output(question, answer, artifact_type=kind, subject=subject, durable=durable)
        self.acks.note([(event_id, None)])
        _remember(self.outputs, event_id)

    def _feedback(self, *, durable: bool) -> None:
        given = self.judgement()
        event_id = adaptd.record_feedback(**given, durable=durable)
        self.acks.note([(event_id, _score(given))])
        _remember(self.judged, event_id)

    def judgement(self) -> dict[str, Any]:
        """The arguments of one call; revisions and retractions of earlier feedback among them."""
        draw = self.rng.random()
        if self.judged and draw < 0.05:
            return {"retracts": self.rng.choice(self.judged)}
        given: dict[str, Any] = {"score": round(self.rng.uniform(0, 100), 4), "rater": f"r{self.rng.randint(1, 5)}"}
        if self.judged and draw < 0.15:
            given["supersedes"] = self.rng.choice(self.judged)
        if self.outputs and draw < 0.6:
            return given | {"output_id": self.rng.choice(self.outputs)}
        if draw < 0.8:
            return given | {"input": f"q{self.rng.random()}", "output": "an answer", "subject": self._subject()}
        del given["rater"]
        score = given.pop("score")
        given |= {"input_data": f"q{self.rng.random()}", "ai_output": "an answer", "artifact_type": self._type()}
        success = adaptd.FeedbackType.SUCCESS
        return given | {"model_used": "mistral:7b", "validation_score": score, "feedback_type": success}

    def many(self) -> None:
        """A batch by one call."""
        given = [self.judgement() for _ in range(self.rng.randint(1, 200))]
        ids = adaptd.record_feedback_many(given, durable=self.rng.random() < 0.3)
        self.acks.note([(event_id, _score(one)) for event_id, one in zip(ids, given, strict=True)])

    def again_and_again(self) -> None:
        """An event under an id of its own, recorded up to three times, as a host does that is not sure."""
        given = self.judgement() | {"id": f"own-{os.getpid()}-{self.rng.getrandbits(64):x}"}
        for _ in range(self.rng.randint(1, 3)):
            self.acks.note([(adaptd.record_feedback(**given), _score(given))])

    async def at_once(self, count: int) -> None:
        """Durable calls that wait for the disk together."""
        given = [self.judgement() for _ in range(count)]
        ids = await asyncio.gather(*(adaptd.arecord_feedback(**one, durable=True) for one in given))
        self.acks.note([(event_id, _score(one)) for event_id, one in zip(ids, given, strict=True)])

    def _type(self) -> str:
        return self.rng.choice(("erd", "code_prototype", "hate_speech"))

    def _subject(self) -> str | None:
        return f"person-{self.rng.randint(1, 20)}" if self.rng.random() < 0.2 else None


def _score(given: dict[str, Any]) -> float | None:
    score: float | None = given.get("score", given.get("validation_score"))
    return score


def _remember(ids: list[str], event_id: str | None) -> None:
    if event_id is not None:
        ids.append(event_id)
        del ids[:-50]


class Host:
    """The process: its manner of recording, until TERM."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._rng = random.Random(options.seed)
        self._stopped = threading.Event()
        self._children: set[int] = set()
        self._in_a_rush_until = 0.0
        signal.signal(signal.SIGUSR1, lambda *_: self._rush())
        signal.signal(signal.SIGTERM, lambda *_: self._stopped.set())

    def _rush(self) -> None:
        self._in_a_rush_until = time.monotonic() + RUSH_SECONDS

    def run(self) -> None:
        recorder = Recorder(self._options.acks, self._options.manner, self._rng)
        if self._options.manner in ("threads", "forks_in_threads"):
            self._run_threads()
        else:
            self._repeat(self._turn_of(recorder))
        while self._children:
            self._reap(os.waitpid(-1, 0)[0])

    def _run_threads(self) -> None:
        threads = [threading.Thread(target=self._repeat, args=(self._turn_of(self._own(n)),)) for n in range(4)]
        for thread in threads:
            thread.start()
        self._stopped.wait()
        for thread in threads:
            thread.join()

    def _own(self, number: int) -> Recorder:
        return Recorder(self._options.acks, self._options.manner, random.Random(self._options.seed * 10 + number))

    def _turn_of(self, recorder: Recorder) -> Callable[[], None]:
        turns = {
            "durable": lambda: self._durable_turn(recorder),
            "many": recorder.many,
            "forks": lambda: self._forking_turn(recorder),
            "forks_in_threads": lambda: self._forking_turn(recorder),
            "retries": recorder.again_and_again,
        }
        return turns.get(self._options.manner, lambda: recorder.some(8))

    def _repeat(self, turn: Callable[[], None]) -> None:
        left = self._options.most
        while not self._stopped.is_set() and left != 0:
            turn()
            left -= 1
            if time.monotonic() > self._in_a_rush_until:
                time.sleep(self._rng.expovariate(1000 / self._options.pause))

    def _durable_turn(self, recorder: Recorder) -> None:
        if self._rng.random() < 0.5:
            recorder.one(durable=True)
        else:
            asyncio.run(recorder.at_once(self._rng.randint(2, 8)))

    def _forking_turn(self, recorder: Recorder) -> None:
        recorder.some(4)
        if len(self._children) < 4:
            child = os.fork()
            if not child:
                self._be_a_child(recorder.in_child())
            self._children.add(child)
        while self._children and (ended := os.waitpid(-1, os.WNOHANG)[0]):
            self._reap(ended)

    def _be_a_child(self, recorder: Recorder) -> None:
        """Record, slowly enough that the whole group can be killed meanwhile, and end right after the last event."""
        try:
            for _ in range(recorder.rng.randint(1, 4)):
                time.sleep(recorder.rng.expovariate(50))
                recorder.some(8)
        finally:
            os._exit(0)

    def _reap(self, pid: int) -> None:
        self._children.discard(pid)


def jumping_clock(rng: random.Random) -> Callable[[], int]:
    """The machine's nanoseconds, off by a day back or ten years forward, and by something else soon after."""
    state = {"off": 0}

    def time_ns() -> int:
        if rng.random() < 0.1:
            state["off"] = rng.choice(JUMPS)
        return time.time_ns() + state["off"]

    return time_ns


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", required=True)
    parser.add_argument("--acks", required=True, help="a folder, or - for stdout")
    parser.add_argument("--manner", choices=MANNERS, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rotate", type=int, default=32768, help="bytes")
    parser.add_argument("--pause", type=float, default=40, help="mean milliseconds between turns")
    parser.add_argument("--most", type=int, default=-1, help="turns, per thread")
    parser.add_argument("--jumping-clock", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("always")
    adaptd.spool.ROTATE_AT_BYTES = options.rotate
    if options.jumping_clock:
        setattr(adaptd.recording, "time_ns", jumping_clock(random.Random(options.seed)))  # noqa: B010 not exported
    adaptd.configure(state_dir=options.state, socket=options.manner == "socket", on_error=_tell)
    Host(options).run()


def _tell(error: Exception) -> None:
    print(f"{os.getpid()}: {error}"[:300], file=sys.stderr)
