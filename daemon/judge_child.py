"""The process in which two models are judged: `python -P -m daemon.judge_child FOLDER`, started by the daemon.

Champion and challenger answer the same examples, one after the other, on the device that is leased; what each said to
each of them is kept. Whatever goes wrong is a result that says so: nothing is promoted by what could not be judged.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adaptd.models import OURS
from adaptd.plugin.pool import FEEDBACK, Pool, Rows, Text
from adaptd.plugin.workload import Judged
from daemon.judge_folder import FAIR, FAIR_WEIGHT, JudgeFolder, JudgeResult, JudgeSpec
from daemon.judge_results import Answered, Results
from daemon.judge_timing import Says, by_type, timed
from daemon.model_shelf import Shelf
from daemon.run_child import (
    FAILED,
    IN_USE,
    NICENESS,
    OK,
    Refused,
    device_of,
    have_lock,
    options_of,
    pool_in,
    words_of,
    workload_of,
)
from daemon.run_folder import Held, Start
from daemon.texts import TextSource

if TYPE_CHECKING:
    from adaptd.plugin.workload import Workload


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge what the folder says; result.json says how it went."""
    options = options_of(arguments, "daemon.judge_child")
    folder = JudgeFolder(Path(options.folder).resolve())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at the daemon's terminal is the daemon's to hear
    start = folder.start()
    if not have_lock(folder, Held(os.getpid(), start.start, start.device, 0), options.lock):
        print(f"{folder.run}: another process judges it", flush=True)
        return IN_USE
    if options.lease is not None:
        os.set_inheritable(options.lease, False)
    with suppress(OSError):
        os.nice(NICENESS)
    print(f"{folder.run} on {start.device}", flush=True)
    result = _result(folder, start)
    folder.write("result.json", result)
    print(f"{folder.run}: {result.state}", result.reason or "", flush=True)
    return OK if result.state == "judged" else FAILED


def _result(folder: JudgeFolder, start: Start) -> JudgeResult:
    """The edge: whatever a workload does ends in a result, with its traceback in out.log."""
    began = time.monotonic()
    try:
        return _judge(folder, start, began)
    except Exception as error:  # noqa: BLE001 somebody else's code is run here, and its end has to be told
        traceback.print_exc()
        return JudgeResult(start.start, "failed", reason=words_of(error), seconds=round(time.monotonic() - began, 3))


def _judge(folder: JudgeFolder, start: Start, began: float) -> JudgeResult:
    spec, device = folder.judge_spec(), device_of(start.device)
    workload, _ = workload_of(spec, start)
    state_dir = folder.path.parent.parent
    challenger = _model(workload, state_dir, spec, spec.model, device)
    champion = _baseline(workload, spec) if spec.champion is None else None
    champion = champion or _model(workload, state_dir, spec, spec.champion or 0, device)
    with TextSource.open(state_dir) as source:
        pool, golden = pool_in(folder, "columns", source), golden_pool(source, spec.golden)
        judged = _Lesson.of(workload, pool, spec)
        frozen = _Lesson.of(workload, golden, spec) if spec.golden else None
        some = pool if len(pool) else golden
        warm = workload.examples(some.take(np.arange(min(1, len(some)))))
        said, took = _both(champion, challenger, judged, warm)
        golden_said, took_golden = (None, took) if frozen is None else _both(champion, challenger, frozen, warm)
        results, took = Results(said, golden_said), took if len(judged.pool) else took_golden
        models = {"challenger": challenger} | ({} if spec.champion is None else {"champion": champion})
        latencies = by_type(models, workload.examples, judged.pool, judged.types, warm)
    metrics = workload.describe().metrics
    return JudgeResult(
        start=start.start,
        state="judged",
        outputs=judged.pool["example"].tolist(),
        metric=metrics[0].name,
        higher_is_better=metrics[0].higher_is_better,
        success=results.success(metrics[0]),
        results=results.write(folder.results),
        metrics=results.figures(metrics),
        latency={who: took[who] for who in models},
        latencies=latencies,
        size=None if spec.champion is None else _sizes(state_dir, spec),
        seconds=round(time.monotonic() - began, 3),
    )


# Who answers


def _model(workload: Workload, state_dir: Path, spec: JudgeSpec, number: int, device: str) -> Says:
    """The model of that number, whole as it was put there; ModelDamaged or NoSuchModel."""
    shelf = Shelf(state_dir / "models" / spec.workload)
    shelf.check(number)
    return lambda dataset: workload.judge(shelf.path(number), dataset, device)


def _baseline(workload: Workload, spec: JudgeSpec) -> Says:
    """What can be had without any model; where a workload has none, there is nothing to be better than."""
    baseline: Says | None = getattr(workload, "baseline", None)
    if baseline is None:
        raise Refused(
            f"{spec.workload}: no champion yet, and workload {spec.plugin!r} has no baseline, expected one of them to "
            f"compare with. Set workloads.{spec.workload}.base_model, or promote a first model by hand."
        )
    return baseline


def _sizes(state_dir: Path, spec: JudgeSpec) -> dict[str, int]:
    shelf = Shelf(state_dir / "models" / spec.workload)
    numbers = {"champion": spec.champion or 0, "challenger": spec.model}
    return {who: _bytes_of(shelf.path(number)) for who, number in numbers.items()}


def _bytes_of(folder: Path) -> int:
    """Of the model's own files: card and README grow with what became of it, and are no property of a model."""
    ours = {folder / name for name in OURS}
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path not in ours)


# What is answered


class _Lesson(NamedTuple):
    """Examples as the workload sees them, with the rows of the pool that they are."""

    dataset: Any
    pool: Pool
    metrics: tuple[str, ...]

    @classmethod
    def of(cls, workload: Workload, pool: Pool, spec: JudgeSpec) -> _Lesson:
        dataset = workload.examples(pool)
        rows = _rows_of(dataset, pool, spec)
        return cls(dataset, pool.take(rows), tuple(metric.name for metric in workload.describe().metrics))

    @property
    def types(self) -> list[str | None]:
        """Of each row."""
        names = self.pool.names.get("artifact_type", ())
        return [names[place] if place < len(names) else None for place in self.pool["artifact_type"].tolist()]


def _rows_of(dataset: Any, pool: Pool, spec: JudgeSpec) -> Rows:
    """Which rows of the pool a dataset has, in its order; Refused where that cannot be known."""
    named = getattr(dataset, "examples", None)
    if named is None and len(dataset) == len(pool):
        return np.arange(len(pool))
    place_of = {example: place for place, example in enumerate(pool["example"].tolist())}
    examples = [] if named is None else np.asarray(named).tolist()
    if len(examples) != len(dataset) or not place_of.keys() >= set(examples):
        raise Refused(
            f"{spec.workload}: its dataset has {len(dataset)} of {len(pool)} examples and does not say which, "
            "expected their numbers as its `examples`: what is told of an example must be told of the right one."
        )
    return np.array([place_of[example] for example in examples], np.int64)


def _both(champion: Says, challenger: Says, lesson: _Lesson, warm: Any) -> tuple[Answered, dict[str, float]]:
    """What both answer, and the seconds that each takes for one example."""
    told, took = {}, {}
    for who, says in (("champion", champion), ("challenger", challenger)):
        if len(warm) and len(lesson.pool):
            says(warm)  # loading libraries is nobody's latency
        told[who], took[who] = _answers(who, says, lesson)
    rows, columns = len(lesson.pool), lesson.pool.columns
    return Answered(
        examples=lesson.pool["example"],
        artifact_type=lesson.types,
        fair=columns.get(FAIR, np.ones(rows, np.bool_)).astype(np.bool_),
        weights=columns.get(FAIR_WEIGHT, np.ones(rows)).astype(np.float64),
        champion=told["champion"],
        challenger=told["challenger"],
    ), took


def _answers(who: str, says: Says, lesson: _Lesson) -> tuple[dict[str, NDArray[np.float64]], float]:
    if not len(lesson.pool):
        return {name: np.zeros(0) for name in lesson.metrics}, 0.0
    judged, took = timed(says, lesson.dataset)
    return {name: _checked(who, name, judged, len(lesson.pool)) for name in lesson.metrics}, took / len(lesson.pool)


def _checked(who: str, name: str, judged: Judged, rows: int) -> NDArray[np.float64]:
    values = np.asarray(judged.per_example.get(name, ()), np.float64)
    if values.shape != (rows,) or not np.isfinite(values).all():
        found = f"{len(np.atleast_1d(values))} figures" if values.shape != (rows,) else "one that is no finite number"
        raise Refused(f"the {who}'s {name!r}: {found}, expected a finite number for each of {rows} examples")
    return values


def golden_pool(source: TextSource, seqs: Sequence[int]) -> Pool:
    """The golden set as a pool: each reference is a correction of itself. Refused where one cannot be read."""
    told = source.told(np.array(seqs, np.int64))
    gone = [seq for seq in seqs if seq not in told or told[seq].fields is None]
    if gone:
        raise Refused(f"event {gone[0]}: its text cannot be read, expected an example of the golden set")
    texts = {seq: _text(told[seq].fields or {}) for seq in seqs}
    names: list[str | None] = [None, *sorted({text["artifact_type"] for text in texts.values()} - {None})]

    def fetch(examples: Rows) -> Sequence[Text]:
        return [texts[example] for example in examples.tolist()]

    rows = list(texts)
    return Pool.of(
        {
            "example": np.array(rows, np.int64),
            "artifact_type": [names.index(texts[seq]["artifact_type"]) for seq in rows],
            "feedback": np.full(len(rows), FEEDBACK["correction"], np.int32),
        },
        names={"artifact_type": tuple(names)},
        fetch_texts=fetch,
    )


def _text(fields: Mapping[str, Any]) -> dict[str, Any]:
    reference = fields.get("reference")
    return {
        "input": fields.get("input"),
        "output": reference,
        "correction": reference,
        "artifact_type": fields.get("artifact_type"),
    }


if __name__ == "__main__":
    sys.exit(main())
