"""This file knows which stages a workload has, in which order, and what config.toml and its preset say to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from daemon.night_settings import WorkloadSettings


class ChosenStage(NamedTuple):
    """A stage by the name under which it is found, and the table of its settings."""

    name: str
    table: dict[str, Any]


def chosen_stages(settings: WorkloadSettings) -> list[ChosenStage]:
    """Those that config.toml lists, else the preset's; what config.toml says to one counts before the preset."""
    from daemon.presets import preset_settings, preset_stages

    order = preset_stages(settings.preset) if settings.stages is None else settings.stages
    return [ChosenStage(name, preset_settings(settings.preset, name) | settings.stage.get(name, {})) for name in order]
