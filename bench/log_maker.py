"""Logs of any length, of events as they come: mostly V2 calls of about 1 kB, and outputs with feedback long after.

    python -m bench.log_maker 1000000 /tmp/events.db

The same seed gives the same rows. Seven in ten bring their output inline; the rest are outputs, feedback on earlier
outputs by a few hundred raters, revisions, retractions, and now and then a spool file that ended.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_log import Entry, EventLog
from daemon.sqlite_log import SqliteEventLog

START = 1_763_600_000_000_000  # a November night in 2025
ARTIFACT_TYPES = (
    "erd",
    "code_prototype",
    "hate_speech",
    "summary",
    "test_plan",
    "sql",
    "api_docs",
    "gift",
    "intent",
    "chat",
)
MODELS = ("mistral:7b", "llama3:8b", "qwen2:7b")
SIDES = ("learn",) * 8 + ("validate", "judge")
WORDS = (
    "customer",
    "order",
    "entity",
    "relation",
    "table",
    "key",
    "index",
    "user",
    "session",
    "token",
    "report",
    "view",
)
WRITERS = 8
RATERS = 300


class _Maker:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.seq = 0
        self.now = START
        self.counters = [0] * WRITERS
        self.writers = [self.rng.getrandbits(63) for _ in range(WRITERS)]
        self.raters = [self.rng.getrandbits(63) for _ in range(RATERS)]
        self.outputs: list[int] = []  # keys of outputs whose feedback comes later
        self.ratings: list[tuple[int, int, int]] = []  # (seq, output key, rater key) that may be revised
        text = " ".join(self.rng.choices(WORDS, k=4000))
        self.texts = [text[start : start + 900] for start in self.rng.choices(range(len(text) - 900), k=64)]

    def entry(self) -> Entry:
        self.seq += 1
        self.now += self.rng.randrange(2_000_000)
        draw = self.rng.random()
        if draw < 0.70:
            return self._inline()
        if draw < 0.80 or not self.outputs:
            return self._output()
        if draw < 0.96 or not self.ratings:
            return self._later_feedback()
        if draw < 0.985:
            return self._revision()
        if draw < 0.999:
            return self._retraction()
        body = json.dumps({"spool": f"{self.seq:016x}-000001.ndjson", "bytes": 4 << 20})
        return Entry(f"{self.seq:032x}", "spool_finished/1", self.now, self.now, body=body)

    def _inline(self) -> Entry:
        bucket = self.rng.getrandbits(20)
        return self._event(
            "feedback_recorded/1",
            output_key=self._key(),
            artifact_type=self._type(),
            model=self.rng.choice(MODELS),
            side=SIDES[bucket % 10],
            bucket=bucket,
            says="output+score+type+success",
            score=round(self.rng.random() * 100, 1),
        )

    def _output(self) -> Entry:
        bucket, key = self.rng.getrandbits(20), self._key()
        self.outputs.append(key)
        return self._event(
            "output_recorded/1",
            output_key=key,
            artifact_type=self._type(),
            model=self.rng.choice(MODELS),
            side=SIDES[bucket % 10],
            bucket=bucket,
        )

    def _later_feedback(self) -> Entry:
        key, rater = self.rng.choice(self.outputs[-20_000:]), self.rng.choice(self.raters)
        self.ratings.append((self.seq, key, rater))
        says = self.rng.choice(
            ("up", "down", "up", "score+comment", "category+comment", "correction", "better", "copy")
        )
        score = round(self.rng.random() * 100, 1) if "score" in says else None
        return self._event(
            "feedback_recorded/1", size=300, output_key=key, says=says, score=score, source="human", rater_key=rater
        )

    def _revision(self) -> Entry:
        target, key, rater = self.rng.choice(self.ratings[-20_000:])
        self.ratings.append((self.seq, key, rater))
        return self._event(
            "feedback_recorded/1",
            size=300,
            output_key=key,
            says="score",
            score=50.0,
            source="human",
            rater_key=rater,
            target_seq=target,
        )

    def _retraction(self) -> Entry:
        target, key, _ = self.rng.choice(self.ratings[-20_000:])
        return self._event("feedback_recorded/1", size=200, output_key=key, says="retract", target_seq=target)

    def _event(self, kind: str, size: int = 900, **columns: Any) -> Entry:
        writer = self.rng.randrange(WRITERS)
        self.counters[writer] += 1
        event_id = f"0199a0{self.seq:026x}"
        body = f'{{"kind":"{kind}","id":"{event_id}",{self._said(size, columns)}}}'
        return Entry(
            event_id,
            kind,
            self.now,
            self.now - 1_000,
            writer=self.writers[writer],
            counter=self.counters[writer],
            content=self.rng.randbytes(16),
            body=body,
            **columns,
        )

    def _said(self, size: int, columns: dict[str, Any]) -> str:
        text = self.rng.choice(self.texts)[:size]
        if "bucket" in columns:
            return f'"input":"{self.seq} {text[: size // 2]}","output":"{text[size // 2 :]}"'
        return f'"correction":"{text}"' if "correction" in columns["says"] else f'"comment":"{text}"'

    def _key(self) -> int:
        return self.rng.getrandbits(64) - (1 << 63)

    def _type(self) -> str:
        return self.rng.choice(ARTIFACT_TYPES)


def entries(count: int, seed: int = 1) -> Iterator[Entry]:
    maker = _Maker(seed)
    for _ in range(count):
        yield maker.entry()


def fill(log: EventLog, source: Iterator[Entry], count: int, per_commit: int = 5_000) -> None:
    """Appends the next `count` entries of `source`."""
    while count > 0:
        batch = [next(source) for _ in range(min(per_commit, count))]
        log.append(batch)
        count -= len(batch)


def make_log(path: Path, count: int, seed: int = 1) -> SqliteEventLog:
    """A new log with `count` events, open for more."""
    log = SqliteEventLog.open(path, StoppedClock(START), SeededChance(seed), durability="normal")
    fill(log, entries(count, seed), count)
    log.checkpoint()
    return log


if __name__ == "__main__":
    make_log(Path(sys.argv[2]), int(sys.argv[1])).close()
