"""This file knows what is told of each key of config.toml: what it may say, what it means, what holds, who says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from adaptd.overriding import PREFIX
from daemon.config_faults import expectation, is_table, told_key, types_of
from daemon.settings import Settings, Sources

DEFAULT, FILE, ENVIRONMENT = "default", "file", "environment"


class KeyTold(NamedTuple):
    """A key: the way to it, what it may say, what holds without it, what it means, and values one might give it."""

    path: tuple[str, ...]
    expected: str
    default: object
    about: str
    examples: list[object]

    @property
    def variable(self) -> str:
        """The variable of the environment that says the same."""
        return PREFIX + "__".join(self.path).upper()


class ValueTold(NamedTuple):
    """What holds for a key, and where that is said; line and column in a file, the variable in the environment."""

    path: tuple[str, ...]
    value: object
    default: object
    origin: str
    line: int = 0
    column: int = 0
    variable: str | None = None

    @property
    def key(self) -> str:
        """As it is written."""
        return told_key(self.path)


def keys_told(struct: type[Struct] = Settings, above: tuple[str, ...] = ()) -> Iterator[KeyTold]:
    """Every key, in the order of the file."""
    defaults = struct()
    for name, kind in types_of(struct).items():
        if is_table(kind):
            yield from keys_told(kind, (*above, name))
        else:
            meta = _metadata(kind)
            about, examples = meta.get("description", ""), meta.get("examples", [])
            yield KeyTold((*above, name), expectation(kind), getattr(defaults, name), about, examples)


def _metadata(kind: Any) -> dict[str, Any]:
    about = msgspec.inspect.type_info(kind)
    return (about.extra_json_schema or {}) if isinstance(about, msgspec.inspect.Metadata) else {}


def values_told(sources: Sources) -> list[ValueTold]:
    """What holds for every key, and who says so. BadConfig when something is wrong."""
    holding = msgspec.to_builtins(sources.settings())
    return [_told(key, _at(holding, key.path), sources) for key in keys_told()]


def _told(key: KeyTold, value: object, sources: Sources) -> ValueTold:
    by_variable = [one.variable for one in sources.overrides if _at(one.table, key.path) is not None]
    if by_variable:
        return ValueTold(key.path, value, key.default, ENVIRONMENT, variable=by_variable[-1])
    if key.path not in sources.places.spots:
        return ValueTold(key.path, value, key.default, DEFAULT)
    return ValueTold(key.path, value, key.default, FILE, *sources.places.of_value(key.path))


def _at(table: object, path: tuple[str, ...]) -> object:
    for name in path:
        table = table.get(name) if isinstance(table, dict) else None
    return table
