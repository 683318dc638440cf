"""This file knows what two models answered, example by example: how it is kept, told in figures, and put to the gate.

A row for each example, the same for both. What is put to the gate is turned so that more is better. The file is read
only under the hash that the log has of it, and no pickle is.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adaptd.errors import AdaptdError
from adaptd.plugin.workload import Metric
from daemon.gate import Answers
from daemon.run_folder import put_whole

Floats = NDArray[np.float64]
ALL, GOLDEN = "all", "golden"
CONFIDENCE = 0.95
SUCCESS = 0.7  # of what an example can reach: a score of 70 of the documents' 100
WHO = ("champion", "challenger")
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


class BadResults(AdaptdError):
    """The file is not the one that the judging has left."""

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(
            f"{path}: {found}, expected the answers of both models as they were judged. The model is turned down; the "
            "next run of the workload is judged anew."
        )


class Answered(NamedTuple):
    """What both said to the same examples; figures by metric."""

    examples: NDArray[np.int64]  # numbers in the log
    artifact_type: Sequence[str | None]
    fair: NDArray[np.bool_]
    weights: Floats
    champion: Mapping[str, Floats]
    challenger: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.examples)

    def answers(self, metric: Metric) -> Answers:
        """For the gate. Weights that are all alike are none."""
        counted = self.weights[self.fair]  # of one draw they are all alike, whatever its chance: the exact test holds
        weighs = len(counted) > 0 and bool((counted != counted[0]).any())
        sign = 1.0 if metric.higher_is_better else -1.0
        return Answers(
            champion=sign * self.champion[metric.name],
            challenger=sign * self.challenger[metric.name],
            artifact_type=self.artifact_type,
            fair=self.fair,
            weights=self.weights if weighs else None,
            binary=metric.binary,
        )


class Results(NamedTuple):
    """Of one judging."""

    judged: Answered
    golden: Answered | None = None

    def write(self, path: Path) -> str:
        """The file, whole; returns its hash."""
        arrays = dict(_arrays("judged", self.judged))
        if self.golden is not None:
            arrays |= _arrays(GOLDEN, self.golden)
        packed = io.BytesIO()
        np.savez(packed, **arrays)  # type: ignore[arg-type]
        put_whole(path, packed.getvalue())
        return blake2b(packed.getvalue(), digest_size=32).hexdigest()

    @classmethod
    def read(cls, path: Path, expected: str, metric: str | None = None) -> Results:
        """BadResults where the file is not the one with that hash, or has nothing of the metric that is wanted."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BadResults(path, error.strerror or str(error)) from None
        found = blake2b(data, digest_size=32).hexdigest()
        if found != expected:
            raise BadResults(path, f"hash {found[:16]}…, the log has {expected[:16]}…")
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            golden = _answered(GOLDEN, arrays) if f"{GOLDEN}/examples" in arrays else None
            results = cls(_answered("judged", arrays), golden)
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise BadResults(path, f"{type(error).__name__}: {error}") from None
        if metric is not None and metric not in results.judged.challenger:
            raise BadResults(path, f"no figures of {metric!r}, which the workload is judged by now")
        return results

    def figures(self, metrics: Sequence[Metric]) -> dict[str, Any]:
        """Per slice and metric how many rows, and each model's mean with its interval, as the workload counts."""
        return {name: _figures(rows, metrics) for name, rows in self._slices() if len(rows)}

    def success(self, metric: Metric) -> dict[str, Any] | None:
        """Per slice each model's share of examples that reach SUCCESS; None of a metric whose figures are no shares."""
        values = [*self.judged.champion[metric.name], *self.judged.challenger[metric.name]]
        if not metric.higher_is_better or not values or not 0 <= min(values) <= max(values) <= 1:
            return None
        return {name: _success(rows, metric.name) for name, rows in self._slices() if len(rows)}

    def _slices(self) -> Iterator[tuple[str, Answered]]:
        yield ALL, self.golden if self.golden is not None and not len(self.judged) else self.judged
        for name in sorted({name for name in self.judged.artifact_type if name}):
            yield f"type {name}", _of_type(self.judged, name)
        if self.golden is not None:
            yield GOLDEN, self.golden


def _of_type(of: Answered, name: str) -> Answered:
    rows = np.flatnonzero([one == name for one in of.artifact_type])
    return Answered(
        of.examples[rows],
        [name] * len(rows),
        of.fair[rows],
        of.weights[rows],
        {metric: values[rows] for metric, values in of.champion.items()},
        {metric: values[rows] for metric, values in of.challenger.items()},
    )


def _figures(of: Answered, metrics: Sequence[Metric]) -> dict[str, Any]:
    told = {}
    for metric in metrics:
        pair = (of.champion[metric.name], of.challenger[metric.name])
        told[metric.name] = dict(zip(WHO, (_interval(values, metric.binary) for values in pair), strict=True))
    return {"rows": len(of), **told}


def _success(of: Answered, metric: str) -> dict[str, dict[str, float]]:
    pair = (of.champion[metric], of.challenger[metric])
    return {who: _interval((values >= SUCCESS).astype(np.float64), True) for who, values in zip(WHO, pair, strict=True)}


def _interval(values: Floats, binary: bool) -> dict[str, float]:  # noqa: FBT001 a private table's cell
    """The mean and where it is with 95% confidence: Wilson's of shares, else the normal one."""
    rows, mean = len(values), float(values.mean())
    if binary:
        middle = (mean + _Z**2 / (2 * rows)) / (1 + _Z**2 / rows)
        half = _Z / (1 + _Z**2 / rows) * math.sqrt(mean * (1 - mean) / rows + _Z**2 / (4 * rows**2))
    else:
        middle, half = mean, _Z * float(values.std(ddof=1)) / math.sqrt(rows) if rows > 1 else math.inf
    low, high = (middle - half, middle + half) if math.isfinite(half) else (mean, mean)
    return {"mean": round(mean, 6), "low": round(low, 6), "high": round(high, 6)}


# In the file


def _arrays(part: str, of: Answered) -> Iterator[tuple[str, NDArray[Any]]]:
    yield f"{part}/examples", of.examples
    yield f"{part}/artifact_type", np.array([name or "" for name in of.artifact_type], np.str_)
    yield f"{part}/fair", of.fair
    yield f"{part}/weights", of.weights
    for who, figures in zip(WHO, (of.champion, of.challenger), strict=True):
        for metric, values in figures.items():
            yield f"{part}/{who}/{metric}", values


def _answered(part: str, arrays: Mapping[str, NDArray[Any]]) -> Answered:
    def of(who: str) -> dict[str, Floats]:
        begin = f"{part}/{who}/"
        return {name.removeprefix(begin): values for name, values in arrays.items() if name.startswith(begin)}

    return Answered(
        arrays[f"{part}/examples"],
        [str(name) or None for name in arrays[f"{part}/artifact_type"].tolist()],
        arrays[f"{part}/fair"],
        arrays[f"{part}/weights"],
        of("champion"),
        of("challenger"),
    )
