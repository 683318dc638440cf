"""This file knows what is told of each key of config.toml: what it may say, what it means, what holds, who says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from adaptd.overriding import PREFIX
from daemon.config_faults import expectation, is_table, tables_in, told_key, types_of
from daemon.settings import Settings, Sources

OWN_NAME = "name"
"""How the name of a workload is told, where no certain one is meant."""
DEFAULT, FILE, ENVIRONMENT = "default", "file", "environment"


class KeyTold(NamedTuple):
    """A key: the way to it, what it may say, what holds without it, what it means, and values one might give it.

    `table` is the struct that it belongs to.
    """

    path: tuple[str, ...]
    table: type[Struct]
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


def keys_told(
    struct: type[Struct] = Settings, above: tuple[str, ...] = (), holding: object = None
) -> Iterator[KeyTold]:
    """Every key, in the order of the file: those of a table before those of the tables below it.

    A table under a name of one's own stands there once for each of those in `holding`; as OWN_NAME without it.
    """
    defaults = struct()
    for name, kind in sorted(types_of(struct).items(), key=lambda pair: _has_tables(pair[1])):
        path, below = (*above, name), _at(holding, (name,))
        held = _table_under_a_name(kind)
        if is_table(kind):
            yield from keys_told(kind, path, below)
        elif held is not None:
            names = below if isinstance(below, dict) else [OWN_NAME] if holding is None else []
            for own in names:
                yield from keys_told(held, (*path, own), _at(below, (own,)))
        else:
            meta = _metadata(kind)
            about, examples = meta.get("description", ""), meta.get("examples", [])
            yield KeyTold(path, struct, expectation(kind), getattr(defaults, name), about, examples)


def _has_tables(kind: Any) -> bool:
    return is_table(kind) or _table_under_a_name(kind) is not None


def _table_under_a_name(kind: Any) -> type[Struct] | None:
    """What stands under each name of one's own, where that is a table of ours."""
    held: type[Struct] | None = (tables_in(kind) or (None, None))[1]
    return held if is_table(held) else None


def _metadata(kind: Any) -> dict[str, Any]:
    about = msgspec.inspect.type_info(kind)
    return (about.extra_json_schema or {}) if isinstance(about, msgspec.inspect.Metadata) else {}


def values_told(sources: Sources) -> list[ValueTold]:
    """What holds for every key, and who says so. BadConfig when something is wrong."""
    holding = msgspec.to_builtins(sources.settings())
    return [_told(key, _at(holding, key.path), sources) for key in keys_told(holding=holding)]


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
