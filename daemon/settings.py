"""This file knows what config.toml may say: every key, its type, its range and what holds when it is absent.

Every fault is told at once, each with its place. Short verbs never come here: they read the two keys that they need
through adaptd.locating, and a wrong value meets them there.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from adaptd.overriding import Override, merged, overrides_in
from daemon.config_faults import (
    BadConfig,
    Fault,
    faults_in_file,
    faults_in_variable,
    in_order,
    placed,
    syntax_fault,
    told_key,
    unreadable,
)
from daemon.night_checking import night_misfits
from daemon.night_settings import (
    DeviceSettings,
    EmbeddingsSettings,
    GateSettings,
    ModelsSettings,
    NightSettings,
    RunsSettings,
    WorkloadName,
    WorkloadSettings,
)
from daemon.toml_places import Places

REDACTION = r"^(e-mail|phone|card|iban|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*)$"
"""The name of a built-in redaction, or MODULE:FUNCTION."""


class AdaptdSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where things are."""

    state_dir: Annotated[
        str,
        Meta(
            min_length=1,
            description="Where the daemon keeps its data and hosts leave their events. state/README.md says what each "
            "file is.",
            examples=["state", "/var/lib/adaptd", "~/adaptd"],
        ),
    ] = "state"


class IntakeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How events are taken in."""

    max_event_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            le=64 << 20,
            description="The longest event, in bytes (1,024 to 67,108,864). A longer line goes to quarantine, with the "
            "reason.",
            examples=[1 << 20, 8 << 20],
        ),
    ] = 1 << 20
    commit_events: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="At most how many events one commit of the log takes (1 to 100,000). Fewer: callers on the "
            "socket wait less; more: more events a second.",
            examples=[100, 5000],
        ),
    ] = 1000


class SidesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What examples that belong together have in common."""

    split_by: Annotated[
        Literal["input", "subject", "episode"],
        Meta(
            description='Examples that share this are all learnt from or all judged on, never both: "input" (the '
            'normalised input), "subject" or "episode". Drawn once, when an input first enters; a change here '
            "concerns new inputs alone.",
            examples=["subject"],
        ),
    ] = "input"


class PrivacySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is sealed."""

    encrypt: Annotated[
        Literal["subjects", "all"],
        Meta(
            description='"subjects": the texts of events that name a subject are sealed under that subject\'s key, '
            'which `adaptd forget` destroys. "all": those of every event; an output without a subject gets a key of '
            "its own, together with the feedback on it.",
            examples=["all"],
        ),
    ] = "subjects"
    redact: Annotated[
        tuple[Annotated[str, Meta(pattern=REDACTION)], ...],
        Meta(
            extra={"expected": 'a list of "e-mail", "phone", "card", "iban" or "module:function"'},
            description='What is taken out of every free text before anything is stored: "e-mail", "phone", "card", '
            '"iban", and hooks of your own, "module:function", from a text to a text; the module stands beside this '
            "file or is installed. docs/privacy.md says what this reaches and what it does not.",
            examples=[["e-mail", "card"]],
        ),
    ] = ()


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What a commit promises."""

    durability: Annotated[
        Literal["full", "normal"],
        Meta(
            description='"full": an event counts as taken in when it is on the disk. "normal": a power cut may take '
            "the newest commits back; no crash of a program can.",
            examples=["normal"],
        ),
    ] = "full"


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """What config.toml may say."""

    adaptd: AdaptdSettings = AdaptdSettings()
    intake: IntakeSettings = IntakeSettings()
    sides: SidesSettings = SidesSettings()
    privacy: PrivacySettings = PrivacySettings()
    log: LogSettings = LogSettings()
    night: NightSettings = NightSettings()
    device: DeviceSettings = DeviceSettings()
    embeddings: EmbeddingsSettings = EmbeddingsSettings()
    runs: RunsSettings = RunsSettings()
    models: ModelsSettings = ModelsSettings()
    gate: GateSettings = GateSettings()
    workloads: dict[WorkloadName, WorkloadSettings] = {}


ONLY_AT_START = ("adaptd.state_dir", "log.durability")
"""What a running daemon cannot change: where its files are, and how they were opened."""


class Sources(NamedTuple):
    """What was said and where: a file's table with the places in it, and variables of the environment."""

    path: Path | None
    table: dict[str, Any]
    places: Places
    overrides: list[Override]

    def faults(self) -> list[Fault]:
        """Everything that is wrong: of the file in its order, then of the environment by name."""
        found = faults_in_file(self.table, Settings, self.places)
        for override in self.overrides:
            found += faults_in_variable(override, Settings)
        wrong_shape = {fault.key for fault in found}
        nights = [placed(misfit, self.places, self.overrides) for misfit in night_misfits(self.whole)]
        return in_order([*found, *(fault for fault in nights if fault.key not in wrong_shape)])

    @property
    def whole(self) -> dict[str, Any]:
        """What file and variables say together."""
        table = self.table
        for override in self.overrides:
            table = merged(table, override.table)
        return table

    def settings(self) -> Settings:
        """What holds. BadConfig with every fault when there is one."""
        faults = self.faults()
        if faults:
            raise BadConfig(self.path, faults)
        return msgspec.convert(self.whole, Settings)


def read_settings(path: Path | None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of a file and of the environment (this process's own unless another is given)."""
    return read_sources(path, environ).settings()


def read_sources(path: Path | None, environ: Mapping[str, str] | None = None) -> Sources:
    """What a file, if there is one, and the environment say. BadConfig when the file cannot be read as TOML."""
    environ = os.environ if environ is None else environ
    try:
        text = "" if path is None else path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        assert path is not None, "nothing was read"
        raise unreadable(path, error) from None
    return sources_of(text, path, environ)


def sources_of(text: str, path: Path | None, environ: Mapping[str, str]) -> Sources:
    """The same of a text; `path` only names it."""
    try:
        table = tomllib.loads(text)
        places = Places(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadConfig(path, [syntax_fault(error, text)]) from None
    return Sources(path, table, places, overrides_in(environ))


def settings_of(text: str, path: Path) -> Settings:
    """The settings that a text of config.toml gives by itself; `path` only names it in errors."""
    return sources_of(text, path, {}).settings()


def changed_keys(old: Settings, new: Settings) -> dict[str, list[object]]:
    """Each key that differs, as it is written, with its old and its new value; None where it was not said."""
    return {told_key(key): pair for key, pair in _changes(msgspec.to_builtins(old), msgspec.to_builtins(new), ())}


def _changes(old: object, new: object, key: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[object]]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _changes(old.get(name), new.get(name), (*key, name))
    elif old != new:
        yield key, [old, new]
