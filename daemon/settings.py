"""This file knows what config.toml may say: every key, its type, its range and what holds when it is absent.

Every fault of a file is told at once, each with its line. Short verbs never come here: they read the two keys that they
need through adaptd.locating, and a wrong value meets them there.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from adaptd.errors import AdaptdError

REDACTION = r"^(e-mail|phone|card|iban|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*)$"
"""The name of a built-in redaction, or MODULE:FUNCTION."""


class AdaptdSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """[adaptd]: where things are."""

    state_dir: Annotated[str, Meta(min_length=1)] = "state"


class IntakeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """[intake]: how events are taken in."""

    max_event_bytes: Annotated[int, Meta(ge=1024, le=64 << 20)] = 1 << 20
    commit_events: Annotated[int, Meta(ge=1, le=100_000)] = 1000


class SidesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """[sides]: what examples that belong together have in common."""

    split_by: Literal["input", "subject", "episode"] = "input"


class PrivacySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """[privacy]: what is sealed."""

    encrypt: Literal["subjects", "all"] = "subjects"
    redact: tuple[Annotated[str, Meta(pattern=REDACTION)], ...] = ()


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """[log]: what a commit promises."""

    durability: Literal["full", "normal"] = "full"


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of config.toml."""

    adaptd: AdaptdSettings = AdaptdSettings()
    intake: IntakeSettings = IntakeSettings()
    sides: SidesSettings = SidesSettings()
    privacy: PrivacySettings = PrivacySettings()
    log: LogSettings = LogSettings()


class Fault(NamedTuple):
    """One thing wrong in a config.toml; line 0 is «somewhere in the file»."""

    line: int
    key: str
    expected: str
    found: str
    hint: str = ""

    def told(self, path: Path) -> str:
        """The one line that an operator reads."""
        place = f"{path}:{self.line}" if self.line else f"{path}"
        return f"{place}: {self.key}: expected {self.expected}, found {self.found}" + (self.hint and f", {self.hint}")


class BadConfig(AdaptdError):
    """A config.toml that says something that cannot be meant; `faults` has every one."""

    exit_code = 78

    def __init__(self, path: Path, faults: list[Fault]) -> None:
        super().__init__("\n".join(fault.told(path) for fault in faults))
        self.path = path
        self.faults = faults


def read_settings(path: Path | None) -> Settings:
    """The settings of a file, or those that hold without one. BadConfig when it cannot be read or understood."""
    if path is None:
        return Settings()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(path, [Fault(0, "the file", "UTF-8 text that can be read", str(error))]) from None
    return settings_of(text, path)


def settings_of(text: str, path: Path) -> Settings:
    """The settings that a text of config.toml gives; `path` only names it in errors."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(path, [_syntax_fault(str(error))]) from None
    faults = list(_faults(table, Settings, (), _lines_of_keys(text)))
    if faults:
        raise BadConfig(path, sorted(faults, key=lambda fault: fault.line))
    return msgspec.convert(table, Settings)


def changed_keys(old: Settings, new: Settings) -> dict[str, list[object]]:
    """Each key that differs, as `section.key`, with its old and its new value."""
    before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
    return {
        f"{section}.{key}": [was, after[section][key]]
        for section, keys in before.items()
        for key, was in keys.items()
        if was != after[section][key]
    }


def _faults(
    table: dict[str, Any], struct: type[Struct], above: tuple[str, ...], lines: dict[tuple[str, ...], int]
) -> Iterator[Fault]:
    fields = {field.name: field.type for field in msgspec.structs.fields(struct)}
    for name, value in table.items():
        key = (*above, name)
        line, told = lines.get(key, 0), ".".join(key)
        if name not in fields:
            yield Fault(line, told, _one_of(fields, above), "an unknown key", _did_you_mean(name, fields))
        elif not _is_struct(fields[name]):
            yield from _value_faults(value, fields[name], line, told)
        elif isinstance(value, dict):
            yield from _faults(value, fields[name], key, lines)
        else:
            yield Fault(line, told, f"a table [{told}]", _shown(value))


def _value_faults(value: object, kind: Any, line: int, told: str) -> Iterator[Fault]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        expected = _expected(kind) or str(error)
        choices = _choices(kind)
        hint = _did_you_mean(value, choices) if isinstance(value, str) else ""
        yield Fault(line, told, expected, _shown(value), hint)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _choices(kind: Any) -> list[str]:
    about = msgspec.inspect.type_info(kind)
    return [str(value) for value in about.values] if isinstance(about, msgspec.inspect.LiteralType) else []


def _expected(kind: Any) -> str:
    about = msgspec.inspect.type_info(kind)
    if isinstance(about, msgspec.inspect.LiteralType):
        return " or ".join(f'"{value}"' for value in about.values)
    if isinstance(about, msgspec.inspect.IntType):
        return f"a whole number from {about.ge} to {about.le}"
    if isinstance(about, msgspec.inspect.VarTupleType):
        return 'a list of "e-mail", "phone", "card", "iban" or "module:function"'
    if isinstance(about, msgspec.inspect.StrType):
        return "a text" if not about.min_length else "a text that is not empty"
    return ""


def _one_of(fields: dict[str, Any], above: tuple[str, ...]) -> str:
    names = ", ".join(sorted(fields))
    return f"one of {names}" if above else f"one of the tables {names}"


def _did_you_mean(given: str, known: Any) -> str:
    near = difflib.get_close_matches(given, list(known), 1)
    return f"did you mean {near[0]!r}?" if near else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _syntax_fault(told: str) -> Fault:
    line = re.search(r"line (\d+)", told)
    return Fault(int(line[1]) if line else 0, "syntax", "TOML", told)


_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


def _lines_of_keys(text: str) -> dict[tuple[str, ...], int]:
    """Where each key first stands. It reads headers and `key =` alone: enough for a file that tomllib has accepted."""
    lines: dict[tuple[str, ...], int] = {}
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            section = _parts(header[1])
            lines.setdefault(section, number)
        elif key := _KEY.match(line):
            whole = (*section, *_parts(key[1]))
            for length in range(1, len(whole) + 1):
                lines.setdefault(whole[:length], number)
    return lines


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
