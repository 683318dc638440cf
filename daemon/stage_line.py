"""This file knows how a workload's stages are run over a pool, one after the other, and what is told of one that fails.

What a stage gives is looked at before the next one sees it. It forms no batch and writes no event.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from adaptd.plugin.checking import problems_in
from adaptd.plugin.moment import Moment
from adaptd.plugin.pool import Pool, Reason
from adaptd.plugin.stage import FiresAt, Remembering, Sizing, StageRefused
from daemon.night_settings import WorkloadSettings
from daemon.plugin_loading import Plugin, load
from daemon.presets import preset_settings, preset_stages

WORDS_KEPT = 300  # characters of what a stage says


class LineStage(NamedTuple):
    """One stage of a line: as config.toml names it, with the settings that hold."""

    named: str
    plugin: Plugin
    stage: Any
    settings: dict[str, Any]

    @property
    def told(self) -> dict[str, Any]:
        """What a batch says of it before it did anything."""
        return {"name": self.named, "code": self.plugin.code_hash, "settings": self.settings}


class Failed(NamedTuple):
    """A stage that raised, refused, or gave what no pool may be. `reason` holds no text of anybody."""

    stage: str
    reason: str


class Shaped(NamedTuple):
    """What a line made of a pool, and what a batch tells of each stage. `refused` says that there must be no batch."""

    pool: Pool
    stages: list[dict[str, Any]]
    failures: list[Failed]
    refused: bool = False


class Remembers(Protocol):
    """Brings the memory of a stage up to the moment, and says by a hash what it remembers then."""

    def bring_up(self, stage: LineStage, moment: Moment) -> str: ...


class StageLine:
    """The stages of one workload, in their order, loaded and with their settings."""

    def __init__(self, stages: Sequence[LineStage], on_error: str = "refuse") -> None:
        self.stages = stages
        self.on_error = on_error

    @classmethod
    def load(cls, workload: str, settings: WorkloadSettings, beside: Path) -> StageLine:
        """As config.toml says it; PluginRejected or BadSettings where that cannot be."""
        names = settings.stages if settings.stages is not None else preset_stages(settings.preset)
        return cls([_loaded(workload, name, settings, beside) for name in names], settings.on_error)

    def fires_at(self, pool: Pool, moment: Moment) -> FiresAt | Failed | None:
        """What the first stage that sizes batches says; None where none does."""
        for one in self.stages:
            if isinstance(one.stage, Sizing):
                try:
                    return one.stage.fires_at(pool, moment)
                except Exception as error:  # noqa: BLE001 the edge at which other people's code may do anything
                    return Failed(one.named, what_happened(error))
        return None

    def shape(self, pool: Pool, moment: Moment, memories: Remembers | None = None) -> Shaped:
        """The pool after all stages, or up to the one that fails where such a one refuses the batch."""
        told: list[dict[str, Any]] = []
        failures: list[Failed] = []
        for one in self.stages:
            shaped, memory = _shaped(one, pool, moment, memories)
            if isinstance(shaped, Failed):
                failures.append(shaped)
                told.append(one.told | {"kept": len(pool), "left_out": [], "added": 0, "skipped": True})
                if self.on_error == "refuse":
                    return Shaped(pool, told, failures, refused=True)
                continue
            told.append(one.told | memory | _difference(pool, shaped))
            pool = shaped
        return Shaped(pool, told, failures)


def _loaded(workload: str, name: str, settings: WorkloadSettings, beside: Path) -> LineStage:
    plugin = load("stage", name, beside)
    own = settings.stage.get(name, settings.stage.get(plugin.made_by.name, {}))  # type: ignore[attr-defined]
    table = dict(preset_settings(settings.preset, name)) | own
    stage = plugin.make(table, f"workloads.{workload}.stage.{name}")
    return LineStage(name, plugin, stage, _settings_of(stage, table))


def _settings_of(stage: Any, table: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting with the value that holds, defaults included, where the stage keeps them as `settings`.

    As JSON gives them back: they are compared with what an event says.
    """
    whole = getattr(stage, "settings", None)
    settings: dict[str, Any]
    try:
        settings = msgspec.json.decode(msgspec.json.encode(table if whole is None else whole))
    except TypeError:
        settings = msgspec.json.decode(msgspec.json.encode(table))
    return settings


def _shaped(
    one: LineStage, pool: Pool, moment: Moment, memories: Remembers | None
) -> tuple[Pool | Failed, dict[str, str]]:
    """The pool after this stage, and the hash of its memory where it has one."""
    try:
        memory = {}
        if memories is not None and isinstance(one.stage, Remembering):
            memory = {"memory": memories.bring_up(one, moment)}
        shaped = one.stage.shape(pool, moment)
        problems = problems_in(pool, shaped)
    except Exception as error:  # noqa: BLE001 the edge at which other people's code may do anything
        return Failed(one.named, what_happened(error)), {}
    if problems:
        return Failed(one.named, f"gave a wrong pool: {problems[0]}"[:WORDS_KEPT]), {}
    return shaped, memory


def what_happened(error: Exception) -> str:
    """The kind of an error and its place in the code; its words only where the contract says that they may be kept."""
    if isinstance(error, StageRefused):
        return f"refused: {error.reason}"[:WORDS_KEPT]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def _difference(before: Pool, after: Pool) -> dict[str, Any]:
    """How many a stage left, left out for which reasons, and added."""
    added = len(after.derived) - len(before.derived)
    left_out: dict[str, int] = {}
    for reason in new_reasons(before, after):
        if not reason.kept:
            left_out[reason.words] = left_out.get(reason.words, 0) + len(reason.examples)
    told = [{"words": words[:WORDS_KEPT], "count": count} for words, count in left_out.items()]
    return {"kept": len(after), "left_out": told, "added": added, "skipped": False}


def new_reasons(before: Pool, after: Pool) -> tuple[Reason, ...]:
    """What the stage between the two pools said."""
    return after.reasons[len(before.reasons) :]
