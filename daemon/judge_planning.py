"""This file knows what a challenger is judged on: the workload's judge examples of now, and the golden set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from adaptd.plugin.moment import Moment
from adaptd.plugin.workload import Description
from daemon import plugin_loading
from daemon.judge_folder import FAIR, FAIR_WEIGHT, JudgeFolder, JudgeSpec, judge_folder, write_judging
from daemon.night_settings import WorkloadSettings
from daemon.pooling import Apart, Coming, JudgedOn, Source, Wanted, judged_of
from daemon.run_folder import names_of
from daemon.views.models import Model

MOST_JUDGED = 5000  # the newest: more would show smaller effects than anybody cares about


class Golden(NamedTuple):
    """A frozen set: its version, the events of its examples, and which outputs are nearly among them."""

    version: int
    examples: Sequence[int]
    apart: Apart


class Goldens(Protocol):
    """Where golden sets come from."""

    def of(self, workload: str) -> Golden | None:
        """What the workload is judged on beside its own examples; None where nothing is frozen."""


class NoGoldens:
    """Where nobody keeps any."""

    def of(self, workload: str) -> Golden | None:  # noqa: ARG002 part of the contract
        return None


class Matter(NamedTuple):
    """What is judged: the workload, what its plugin says of itself, and the examples."""

    workload: str
    settings: WorkloadSettings
    plugin: plugin_loading.Plugin
    said: Description
    examples: JudgedOn
    golden: Golden | None
    position: int

    def __len__(self) -> int:
        return len(self.examples.pool) + (0 if self.golden is None else len(self.golden.examples))


def described(workload: str, settings: WorkloadSettings, beside: Path) -> tuple[plugin_loading.Plugin, Description]:
    """The workload's plugin and what it says of itself; PluginRejected or BadSettings where it cannot be had."""
    plugin = plugin_loading.load("workload", settings.plugin or workload, beside)
    said: Description = plugin.make(settings.settings, f"workloads.{workload}.settings").describe()
    return plugin, said


def coming_of(settings: WorkloadSettings) -> Coming:
    """How the workload's ratings come."""
    return Coming(settings.ratings, {str(source): ways for source, ways in settings.ratings_of.items()})


def matter_of(
    workload: str, settings: WorkloadSettings, beside: Path, source: Source, golden: Golden | None, moment: Moment
) -> Matter:
    """The newest of what says what is right; PluginRejected or BadSettings where the workload cannot be had."""
    plugin, said = described(workload, settings, beside)
    wanted = Wanted(settings.artifact_types, tuple(said.needs))
    judged = judged_of(source, wanted, moment, coming_of(settings), golden.apart if golden else None)
    rows = np.arange(max(0, len(judged.pool) - MOST_JUDGED), len(judged.pool))
    examples = JudgedOn(judged.pool.take(rows), judged.fair[rows], judged.weights[rows])
    return Matter(workload, settings, plugin, said, examples, golden, moment.log_position)


def write(state_dir: Path, matter: Matter, model: Model, champion: int | None) -> JudgeFolder:
    """The folder of the judging."""
    pool, golden = matter.examples.pool, matter.golden
    spec = JudgeSpec(
        judging=judge_folder(state_dir, matter.workload, model.number).path.name,
        workload=matter.workload,
        plugin=matter.settings.plugin or matter.workload,
        code=matter.plugin.code_hash,
        settings=dict(matter.settings.settings),
        run=model.run,
        model=model.number,
        champion=champion,
        names=names_of(pool),
        golden=[] if golden is None else list(golden.examples),
        golden_version=None if golden is None else golden.version,
        position=matter.position,
        devices=tuple(matter.said.devices),
        memory_bytes=matter.said.memory_bytes,
    )
    fairness: dict[str, Any] = {FAIR: matter.examples.fair.astype(np.int8), FAIR_WEIGHT: matter.examples.weights}
    return write_judging(state_dir, spec, pool.with_columns(**fairness))
