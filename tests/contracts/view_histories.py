"""Histories of outputs and feedback as plain dicts: made up by Hypothesis, put into a log, and judged the slow way.

`judged` is the second, obvious implementation of what the examples view means; it knows nothing of columns.
"""

import itertools
import json
import random

from hypothesis import strategies as st

from daemon.event_log import Entry
from daemon.memory_log import MemoryEventLog

DAY = 86_400_000_000
FIELDS = {
    "score": ("score",),
    "thumb": ("up", "down"),
    "category": ("category",),
    "correction": ("correction",),
    "preference": ("better", "worse", "tie"),
}
ORDER = (
    "output", "score", "up", "down", "type", "category", "comment", "correction", "better", "worse", "tie", "copy",
    "regenerate", "dwell", "silence", "retract", "success", "partial", "corrected", "failure", "rejected", "other",
)  # fmt: skip
IMPLICIT = ("copy", "regenerate", "dwell", "silence")
SAYINGS = [("score",), ("up",), ("down",), ("category",), ("correction",), ("better",), ("tie",), ("score", "category"),
           ("copy",), ("dwell",), ("comment",), ("type", "up")]  # fmt: skip
SCORES = [0.0, 0.1, 0.2, 0.3, 33.3, 50.0, 66.6, 99.9, 100.0]


def key_of(output):
    return hash_of(output) if output is not None else None


def hash_of(text):
    return random.Random(text).getrandbits(64) - (1 << 63)


@st.composite
def histories(draw, decided=False):
    """Events in the order in which they were said. `decided`: counters and supersedes leave nothing to seq."""
    outputs = draw(st.integers(1, 4))
    count = draw(st.integers(0, 24))
    rng = random.Random(draw(st.integers(0, 1 << 30)))
    teller = _Teller(rng, outputs, decided)
    return [teller.next() for _ in range(count)]


class _Teller:
    """Makes up one event after another."""

    def __init__(self, rng, outputs, decided):
        self.rng, self.decided = rng, decided
        self.names = [f"out-{number}" for number in range(outputs)]
        self.to_come = set(self.names)
        self.counters = dict.fromkeys(("w1", "w2", "w3"), 0)
        self.ids = itertools.count(1)
        self.said = []
        self.saying_of = {}
        self.latest_of = {}

    def next(self):
        draw = self.rng.random()
        name = self.rng.choice(self.names)
        if draw < 0.2 and name in self.to_come:
            return self.bring(name)
        if draw < 0.35 and self.said:
            return self.retract()
        return self.decided_feedback(name) if self.decided else self.feedback(name)

    def event(self, **fields):
        writer = fields.pop("writer", None) or self.rng.choice(list(self.counters))
        self.counters[writer] += 1
        event = {"writer": writer, "n": self.counters[writer], "day": self.rng.randrange(3), **fields}
        event.setdefault("id", f"id-{next(self.ids)}")
        if not self.decided and self.rng.random() < 0.2:
            event["writer"] = event["n"] = None
        if event["says"] is not None:
            self.said.append(event)
        return event

    def bring(self, name):
        """An output on its own, or inline with feedback."""
        self.to_come.remove(name)
        inline = self.rng.random() < 0.5
        side = self.rng.choice(("learn", "validate", "judge"))
        says = ("output", "score") if inline else None
        return self.event(
            id=name, output=name, says=says, brings=True, side=side, bucket=hash_of(name) % (1 << 20),
            type=self.rng.choice((None, "erd", "sql")), score=self.rng.choice(SCORES) if inline else None,
            subject=hash_of("subject of " + name) >> 1 & 0xFFFF if hash_of(name) % 3 == 0 else None,
        )  # fmt: skip

    def feedback(self, name):
        says = self.rng.choice(SAYINGS)
        supersedes = self.target() if self.rng.random() < 0.25 and self.said else None
        return self.event(
            output=None if supersedes and self.rng.random() < 0.5 else name, says=says, supersedes=supersedes,
            score=self.rng.choice(SCORES) if "score" in says else None, rater=self.rng.choice((None, "ann", "bob")),
            type="typed" if self.rng.random() < 0.1 else None,
        )  # fmt: skip

    def target(self):
        return self.rng.choice(self.said)["id"]

    def decided_feedback(self, name):
        """One rater an output, always in the same fields; whoever goes to another process says what it supersedes."""
        rated = self.rng.random() < 0.7
        if not rated:
            says = self.rng.choice([("score",), ("up",), ("copy",)])
            return self.event(output=name, says=says, score=self.rng.choice(SCORES) if "score" in says else None)
        says = self.saying_of.setdefault(name, self.rng.choice(SAYINGS))
        before = self.latest_of.get(name)
        writer = self.rng.choice(list(self.counters))
        supersedes = before["id"] if before and before["writer"] != writer else None
        self.latest_of[name] = self.event(
            output=None if supersedes and self.rng.random() < 0.5 else name, says=says, supersedes=supersedes,
            writer=writer, score=self.rng.choice(SCORES) if "score" in says else None, rater="ann",
        )  # fmt: skip
        return self.latest_of[name]

    def retract(self):
        target = self.rng.choice(self.said)
        output = target["output"] if self.rng.random() < 0.5 else None
        if not self.decided and self.rng.random() < 0.2:
            output = self.rng.choice(self.names)
        return self.event(output=output, says=("retract",), retracts=target["id"])


# Into a log, as the intake does it


def entries_of(history, rewarded_at=DAY * 20_000):
    """Entries in this order of arrival. What is aimed at is known when it came before; else -1 stands for its seq."""
    came, entries = {}, []
    for seq, event in enumerate(history, 1):
        target_id = event.get("supersedes") or event.get("retracts")
        output_key = key_of(event.get("output"))
        if output_key is None and target_id in came:
            output_key = came[target_id][1]
        target_seq = came[target_id][0] if target_id in came else -1 if target_id else None
        came[event["id"]] = seq, output_key
        entries.append(_entry(event, output_key, target_seq, rewarded_at + event["day"] * DAY + 7))
    return entries


def _entry(event, output_key, target_seq, now):
    body = {name: event[name] for name in ("supersedes", "retracts") if event.get(name)}
    return Entry(
        id=event["id"],
        kind="feedback_recorded/1" if event["says"] else "output_recorded/1",
        received_at=now,
        occurred_at=now - 5,
        writer=hash_of(event["writer"]) if event["writer"] else None,
        counter=event["n"],
        output_key=output_key,
        artifact_type=event.get("type"),
        model="mistral:7b" if event.get("brings") else None,
        side=event.get("side"),
        bucket=event.get("bucket"),
        says="+".join(sorted(event["says"], key=ORDER.index)) if event["says"] else None,
        score=event.get("score"),
        source="human" if event.get("rater") else None,
        rater_key=hash_of(event["rater"]) if event.get("rater") else None,
        episode_key=hash_of(f"episode of {event['id']}") if event.get("brings") and hash_of(event["id"]) % 3 else None,
        target_seq=target_seq,
        propensity=0.25 if event["says"] and hash_of(event["id"]) % 5 == 0 else None,
        subject=event.get("subject"),
        body=json.dumps(body),
    )


def log_of(history):
    log = MemoryEventLog(b"salt")
    log.append(entries_of(history))
    return log


def shuffled(history, seed):
    """Another order of arrival."""
    order = list(history)
    random.Random(seed).shuffle(order)
    return order


# The second implementation


def judged(history):
    """What holds now of each output that anything is known about, from plain events in order of arrival."""
    arrived = [{**event, "seq": seq} for seq, event in enumerate(history, 1)]
    by_id = {event["id"]: event for event in arrived}
    about = {event["id"]: _about(event, by_id) for event in arrived}
    outputs = dict.fromkeys(output for output in about.values() if output is not None)
    return {output: _judge(output, arrived, about, by_id) for output in outputs}


def waiting_of(history):
    """The feedback whose output has not come, by its number in order of arrival."""
    by_id = {event["id"]: event for event in history}
    brought = {event["output"] for event in history if event.get("brings")}
    return [seq for seq, event in enumerate(history, 1) if event["says"] and _about(event, by_id) not in brought]


def _about(event, by_id):
    seen = set()
    while event is not None and event.get("output") is None and event["id"] not in seen:
        seen.add(event["id"])
        event = by_id.get(event.get("supersedes") or event.get("retracts"))
    return event.get("output") if event else None


def _subject(events):
    """Of the first that has one, but not after the output itself."""
    for event in events:
        if event.get("subject") or event.get("brings"):
            return event.get("subject") or 0
    return 0


def _judge(output, arrived, about, by_id):
    bringers = [event for event in arrived if event.get("brings") and event["output"] == output]
    signals = [event for event in arrived if event["says"] and about[event["id"]] == output]
    ids = {event["id"] for event in signals}
    superseded = {event["supersedes"] for event in signals if event.get("supersedes") in ids - {event["id"]}}
    retracted = {event["retracts"] for event in signals if event.get("retracts") in ids - {event["id"]}}
    current = {field: _current(field, signals, superseded, retracted) for field in FIELDS}
    scores = sorted(event["score"] for event in current["score"])
    standing = [event for event in signals if event["id"] not in superseded | retracted]
    bringer = bringers[0] if bringers else {}
    retractions = {event["retracts"] for event in signals if event.get("retracts")}
    return {
        "seq": bringer.get("seq", 0),
        "side": ["", "learn", "validate", "judge"].index(bringer.get("side", "")),
        "subject": _subject(event for event in arrived if about[event["id"]] == output),
        "signals": len(signals),
        "scores": len(scores),
        "mean_score": _mean(scores),
        "ups": sum("up" in event["says"] for event in current["thumb"]),
        "downs": sum("down" in event["says"] for event in current["thumb"]),
        "category_seq": _newest(current["category"]),
        "correction_seq": _newest(current["correction"]),
        "preference_seq": _newest(current["preference"]),
        "newest_seq": _newest(signals),
        **{name: sum(name in event["says"] for event in standing) for name in IMPLICIT},
        "output_retracted": bringer.get("id") in retractions,
    }


def _current(field, signals, superseded, retracted):
    speaking = [event for event in signals if set(event["says"]) & set(FIELDS[field])]
    current = [event for event in speaking if not event.get("rater")]
    current = [event for event in current if event["id"] not in superseded | retracted]
    for rater in {event["rater"] for event in speaking if event.get("rater")}:
        mine = [event for event in speaking if event.get("rater") == rater]
        last_words = _last_words(mine, superseded)
        if last_words and (last := max(last_words, key=lambda event: event["seq"]))["id"] not in retracted:
            current.append(last)
    return current


def _last_words(signals, superseded):
    """Of each writer the last by counter; nothing, if that was superseded by another process."""
    last_words = [event for event in signals if event["writer"] is None and event["id"] not in superseded]
    for writer in {event["writer"] for event in signals} - {None}:
        mine = sorted((event for event in signals if event["writer"] == writer), key=lambda event: event["n"])
        if mine[-1]["id"] in superseded:
            mine = [event for event in mine if event.get("supersedes") == mine[-1]["id"]]
        mine = [event for event in mine if event["id"] not in superseded]
        last_words += mine[-1:]
    return last_words


def _mean(scores):
    total = 0.0
    for score in scores:
        total += score
    return total / len(scores) if scores else None


def _newest(events):
    return max((event["seq"] for event in events), default=0)


def volume_of(history):
    """(day, type) → [outputs, feedback]; a feedback counts under its own type, else under its output's."""
    by_id = {event["id"]: event for event in history}
    type_of = {event["output"]: event.get("type") for event in history if event.get("brings")}
    counts = {}
    for event in history:
        if event.get("brings"):
            counts.setdefault((event["day"], event.get("type")), [0, 0])[0] += 1
        if event["says"]:
            artifact_type = event.get("type") or type_of.get(_about(event, by_id))
            counts.setdefault((event["day"], artifact_type), [0, 0])[1] += 1
    return counts
