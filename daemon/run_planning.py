"""This file knows how a formed batch becomes a run: what the log is told of it, and what is put into its folder.

The event comes first. A folder that a kill has kept from being written is written again from the batch, which gives the
same; where it cannot, the run fails with the reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from adaptd.errors import AdaptdError
from daemon import plugin_loading
from daemon.event_kinds import Body
from daemon.run_folder import RunFolder, Spec, names_of, write_folder

if TYPE_CHECKING:
    from adaptd.plugin.pool import Pool
    from daemon.night_settings import DeviceSettings, RunsSettings, WorkloadSettings
    from daemon.views.runs import Record


class Batch(Protocol):
    """A formed batch, as daemon.batches has it."""

    @property
    def number(self) -> int: ...
    @property
    def pool(self) -> Pool: ...
    @property
    def validation(self) -> Pool: ...
    @property
    def body(self) -> Mapping[str, Any]:
        """Of its `batch_formed`."""


class Batches(Protocol):
    """Where batches come from."""

    def listed(self) -> Sequence[Mapping[str, Any]]:
        """Every one in short, oldest first: number as `batch`, workload, hash, night."""

    def rebuild(self, number: int) -> Batch | str:
        """The batch of that number, as it was formed; else why it cannot be had."""


class RunConfig(Protocol):
    """The part of the configuration that runs go by."""

    @property
    def runs(self) -> RunsSettings: ...
    @property
    def device(self) -> DeviceSettings: ...
    @property
    def workloads(self) -> Mapping[str, WorkloadSettings]: ...


class NotPlanned(AdaptdError):
    """The batch cannot become a run by what is configured now."""


def plan_of(
    run: str,
    told: Mapping[str, Any],
    config: RunConfig,
    beside: Path,
    chosen: Mapping[str, Any] | None = None,
    champion: Path | None = None,
) -> Body:
    """What `run_planned` says of a batch in the list, but for its seed. `chosen` by a search yields to config.toml.

    It begins from the champion where there is one, else from the base model of config.toml.
    NotPlanned, PluginRejected or BadSettings where it cannot become a run by what is configured now.
    """
    name = told["workload"]
    workload = config.workloads.get(name)
    if workload is None:
        raise NotPlanned(f"workload {name!r} is configured no more, expected [workloads.{name}] in config.toml")
    plugin = plugin_loading.load("workload", workload.plugin or name, beside)
    modes = plugin.make(workload.settings, f"workloads.{name}.settings").describe().modes
    if workload.mode not in modes:
        raise NotPlanned(f"workloads.{name}.mode = {workload.mode!r}: {plugin.name} has {' and '.join(modes)} alone")
    return bare_plan(run, told) | {
        "plugin": {"name": workload.plugin or name, "code": plugin.code_hash},
        "mode": workload.mode,
        "settings": _still_known(plugin, chosen or {}) | dict(workload.settings),
        "device": config.device.use,
        "base_model": _begins_from(workload, beside, champion),
        "attempts": config.runs.attempts,
    }


def _begins_from(workload: WorkloadSettings, beside: Path, champion: Path | None) -> str | None:
    if champion is not None:
        return str(champion)
    return None if workload.base_model is None else str((beside / workload.base_model).resolve())


def _still_known(plugin: plugin_loading.Plugin, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Of what was chosen once, the settings that the workload has today and would take."""
    kind = plugin.made_by.Settings  # type: ignore[attr-defined]
    known = {field.name for field in dataclasses.fields(kind)}
    kept = {name: value for name, value in chosen.items() if name in known}
    try:
        plugin_loading.settings_of(kind, kept, plugin.name)
    except plugin_loading.BadSettings:
        return {}
    return kept


def bare_plan(run: str, told: Mapping[str, Any]) -> Body:
    """What can be said of a batch that nobody can learn."""
    return {
        "run": run,
        "batch": told["batch"],
        "batch_hash": told["hash"],
        "workload": told["workload"],
        "night": told.get("night"),
    }


def write(state_dir: Path, record: Record, batch: Batch, beside: Path) -> RunFolder:
    """The run's folder by what the log says of the run; PluginRejected where its workload is not there any more."""
    plan = record["plan"]
    plugin = plugin_loading.load("workload", plan["plugin"]["name"], beside)
    description = plugin.make(plan["settings"], f"workloads.{plan['workload']}.settings").describe()
    spec = Spec(
        run=record["run"],
        batch=plan["batch"],
        workload=plan["workload"],
        plugin=plan["plugin"]["name"],
        code=plan["plugin"]["code"],
        mode=plan["mode"],
        settings=plan["settings"],
        base_model=plan["base_model"],
        seed=int(plan["seed"]),
        names={"columns": names_of(batch.pool), "validation": names_of(batch.validation)},
        position=int(batch.body["position"]),
        devices=tuple(description.devices),
        memory_bytes=description.memory_bytes,
    )
    return write_folder(state_dir, spec, batch.pool, batch.validation)
