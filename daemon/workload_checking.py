"""This file knows what is wrong with the workloads of a configuration beyond its shape: plugins, modes, stages.

To know it, the plugins are loaded, which may be anybody's code. `config check` and the daemon ask; short verbs do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from daemon.config_faults import BadConfig, Fault, Misfit, in_order, nearest, placed, shown
from daemon.night_settings import WorkloadSettings
from daemon.plugin_loading import BadSettings, Plugin, PluginRejected, load
from daemon.settings import Settings, Sources, read_sources
from daemon.stage_choice import ChosenStage, chosen_stages

Place = tuple[str | int, ...]


def all_faults(sources: Sources) -> list[Fault]:
    """Everything that is wrong, of shape or of plugins; a workload of the wrong shape is looked at for that alone."""
    beside = sources.path.parent if sources.path else Path.cwd()
    found = sources.faults()
    workloads = sources.whole.get("workloads")
    for name, table in workloads.items() if isinstance(workloads, dict) else ():
        settings = _shaped(table)
        for misfit in misfits_of(name, settings, beside) if settings is not None else ():
            found.append(placed(misfit, sources.places, sources.overrides))
    return in_order(found)


def checked_settings(path: Path | None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings, whose plugins can be loaded and take what is said to them. BadConfig with every fault."""
    sources = read_sources(path, environ)
    faults = all_faults(sources)
    if faults:
        raise BadConfig(path, faults)
    return sources.settings()


def misfits_of(name: str, settings: WorkloadSettings, beside: Path) -> Iterator[Misfit]:
    """What is wrong with one workload."""
    above: Place = ("workloads", name)
    yield from _workload_misfits(above, settings, beside, settings.plugin or name)
    stages = chosen_stages(settings)
    for number, stage in enumerate(stages):
        listed: Place = (*above, "preset") if settings.stages is None else (*above, "stages", number)
        yield from _stage_misfits(above, listed, stage, beside)
    yield from _not_among(above, settings, stages)


def _shaped(table: object) -> WorkloadSettings | None:
    try:
        return msgspec.convert(table, WorkloadSettings)
    except msgspec.ValidationError:
        return None


def _workload_misfits(above: Place, settings: WorkloadSettings, beside: Path, name: str) -> Iterator[Misfit]:
    try:
        plugin = load("workload", name, beside)
        workload = plugin.make(settings.settings, "settings")
        modes = _modes(plugin, workload)
    except PluginRejected as rejected:
        yield Misfit((*above, "plugin"), rejected.expected, rejected.found)
    except BadSettings as bad:
        yield from _told((*above, "settings"), bad)
    else:
        if settings.mode not in modes:
            yield Misfit((*above, "mode"), f"{' or '.join(map(shown, modes))} for {name}", shown(settings.mode))


def _modes(plugin: Plugin, workload: Any) -> Sequence[str]:
    try:
        modes: Sequence[str] = workload.describe().modes
    except Exception as error:
        raise PluginRejected(plugin.name, f"{type(error).__name__}: {error}", "a description of itself") from error
    return modes


def _stage_misfits(above: Place, listed: Place, stage: ChosenStage, beside: Path) -> Iterator[Misfit]:
    try:
        load("stage", stage.name, beside).make(stage.table, stage.name)
    except PluginRejected as rejected:
        yield Misfit(listed, rejected.expected, rejected.found)
    except BadSettings as bad:
        yield from _told((*above, "stage", stage.name), bad)


def _told(table: Place, bad: BadSettings) -> Iterator[Misfit]:
    for key, words in bad.faults:
        where = table if key is None else (*table, key)
        yield Misfit(where, "", "", words=words, is_unknown=words.startswith("an unknown key"))


def _not_among(above: Place, settings: WorkloadSettings, stages: Sequence[ChosenStage]) -> Iterator[Misfit]:
    """Settings for a stage that the workload does not have would be read by nobody."""
    names = [stage.name for stage in stages]
    for name in settings.stage:
        if name not in names:
            near = nearest(name, names)
            expected = f"one of its stages {', '.join(names) or '(none)'}"
            hint = f"did you mean {near}?" if near else ""
            yield Misfit((*above, "stage", name), expected, "another stage", hint, is_unknown=True)
