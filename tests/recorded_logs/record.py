"""Records a log with everything in it that this release can write, for later releases to read.

`python -m tests.recorded_logs.record` writes VERSION.db, VERSION.keys.db and VERSION.json beside this file. A release's
recording is made once, from its own code, and never made again: test_recorded_logs.py opens every one of them for ever.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from adaptd import __version__
from daemon import forgetting
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_kinds import CONFIG_REFUSED, CONFIG_RELOADED, DAEMON_STARTED, DAEMON_STOPPED, KINDS, own_event
from daemon.main_loop import MainLoop
from daemon.opening import State, open_state
from daemon.settings import Settings
from daemon.views.store import Views
from tests.recorded_logs import of_nights

HERE = Path(__file__).parent
START = 1_790_000_000_000_000
WRITER = "8899aabbccddeeff"


def output(name: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "output_recorded/1", "id": name, "output": f"output of {name}", **fields}


def feedback(name: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "feedback_recorded/1", "id": name, **fields}


LINES: tuple[tuple[dict[str, Any], ...], ...] = (
    (
        feedback("early", output_id="out-2", comment="came before its output", rater="ann", score=40.0),
        output("out-1", input="first", artifact_type="erd", model="mistral:7b", latency_ms=12.5, propensity=0.25),
        output("out-2", input={"q": ["second"]}, context={"k": 1}, tags={"a": "b"}, subject="alice", episode="ep-1"),
        output("out-3", input="  FIRST ", artifact_type="erd", tags=["x", "y"], occurred_at=START - 86_400_000_000),
        *(output(f"many-{number}", input=f"input {number}", artifact_type="sums") for number in range(40)),
    ),
    (
        feedback("score", output_id="out-1", score=87.5, source="human", rater="ann", rationale="because"),
        feedback("zero", output_id="out-1", score=-0.0, source="code"),
        feedback("up", output_id="out-1", thumb="up", rater="ann", context={"page": 3}, tags=["t"]),
        feedback("down", output_id="out-2", thumb="down", subject="bob", comment="größer – 漢字 🙂 \u0000 \ufffd"),
        feedback("type", output_id="out-3", feedback_type="success", artifact_type="erd", model="mistral:7b"),
        *(
            feedback(f"type-{word}", output_id=f"many-{number}", feedback_type=word, rater="ben")
            for number, word in enumerate(("partial", "Corrected", "failure", "rejected", "needs_review"))
        ),
        feedback("category", output_id="out-3", category="wrong_facts", episode="ep-2"),
        feedback("correction", output_id="out-1", correction={"right": [1, 2.5, None]}),
        feedback("better", output_id="out-1", verdict="better", compared_with="another text"),
        feedback("worse", output_id="out-1", verdict="worse", compared_with_id="out-3"),
        feedback("tie", output_id="many-1", verdict="tie", compared_with=["a", "list"], source="llm_judge"),
        feedback("copy", output_id="many-1", implicit="copy"),
        feedback("regenerate", output_id="many-2", implicit="regenerate"),
        feedback("dwell", output_id="many-2", implicit="dwell", amount=1500.0),
        feedback("silence", output_id="many-3", implicit="silence"),
        feedback("inline", input="third", output="inline", score=10.0, latency_ms=1.0, propensity=1.0, subject="alice"),
        feedback("revision", output_id="out-1", score=55.0, supersedes="score", rater="ann"),
        feedback("retraction", retracts="up"),
        feedback("aims-ahead", output_id="many-4", score=1.0, supersedes="comes-later"),
        feedback("comes-later", output_id="many-4", score=2.0, comment="was superseded before it came"),
        feedback("ring-1", supersedes="ring-2", score=5.0),
        feedback("ring-2", supersedes="ring-1", score=6.0),
        feedback("score", output_id="out-1", score=87.5, source="human", rater="ann", rationale="because"),
        feedback("score", output_id="out-1", score=11.0),
        feedback("nothing"),
        feedback("out of range", output_id="out-1", score=101.0),
        {"kind": "rejected/1", "id": "r-1", "call": "record_feedback", "field": "score", "reason": "not a number"},
        *(feedback(f"rated-{number}", output_id=f"many-{number}", score=float(number * 2)) for number in range(40)),
        feedback("overtook", supersedes="overtaken", score=7.0, rater="ann", comment="before what it revises"),
    ),
    (feedback("overtaken", output_id="out-2", score=8.0, rater="ann"),),
)


def spool(folder: Path, rotation: int, lines: tuple[dict[str, Any], ...], clock: StoppedClock) -> None:
    counted = [
        line | {"writer": WRITER, "n": rotation * 1000 + n, "at": clock.now()} for n, line in enumerate(lines, 1)
    ]
    text = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in counted)
    torn = b'{"kind":"feedback_recorded/1","id":"torn' if rotation == 2 else b""
    (folder / "spool" / f"{WRITER}-{rotation:06}.ndjson").write_bytes(text + torn)


def record(folder: Path) -> dict[str, Any]:
    """Fills a state folder through the real intake; returns what the views made of it."""
    folder.mkdir()
    clock, chance = StoppedClock(START), SeededChance(2026)
    with open_state(folder, Settings(), clock, chance) as state:
        loop = MainLoop(state.intake, state.views)
        tell(state, DAEMON_STARTED, {"version": __version__}, clock, chance)
        for rotation, lines in enumerate(LINES, 1):
            spool(folder, rotation, lines, clock)
            for _ in range(20):
                clock.advance(seconds=1.25)
                loop.turn(clock.now())
        tell(state, CONFIG_RELOADED, {"path": "config.toml"}, clock, chance)
        tell(state, CONFIG_REFUSED, {"path": "config.toml", "reason": "no [adaptd]"}, clock, chance)
        tell(state, DAEMON_STOPPED, {"reason": "SIGTERM"}, clock, chance)
        for name, body in of_nights.EVENTS:
            tell(state, KINDS[name], body, clock, chance)
        refuse_a_forgotten_subject(state, clock, chance)
        state.views.catch_up()
        found = meaning(state.views)
        head = state.log.head()
        state.log.checkpoint()
    return {"release": __version__, "head": [head.seq, head.chain.hex()], **found}


def tell(state: State, kind: Any, body: dict[str, Any], clock: StoppedClock, chance: SeededChance) -> None:
    state.log.append([own_event(kind, body, clock.now(), chance)])


def refuse_a_forgotten_subject(state: State, clock: StoppedClock, chance: SeededChance) -> None:
    forgetting.forget(state, "carol", clock.now(), chance)
    line = feedback("refused", output_id="out-1", score=1.0, subject="carol", writer=WRITER, n=9999, at=clock.now())
    state.intake.take_lines([json.dumps(line).encode()], "socket", clock.now())


def meaning(views: Views) -> dict[str, Any]:
    """What later releases must still find in this log."""
    return {
        "views": {kept.fold.name: kept.fold.version for kept in views.kept},
        "digests": views.digests(),
        "resolved": {name: listed(column) for name, column in views.examples.resolved().items()},
    }


def listed(column: np.ndarray[Any, Any]) -> list[Any]:
    """Values that JSON gives back as they were; None stands for NaN."""
    values: list[Any] = column.tolist()
    return [None if value != value else value for value in values]


def main() -> int:
    beside = HERE / f"{__version__}.json"
    if beside.exists():
        print(f"{beside.name}: recorded already, and a release's recording is never made again")
        return 1
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "state")
        found = record(folder)
        shutil.copyfile(folder / "events.db", HERE / f"{__version__}.db")
        shutil.copyfile(folder / "keys.db", HERE / f"{__version__}.keys.db")
    beside.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
