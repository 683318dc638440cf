"""This file knows which settings of a workload are searched, within which bounds, and what they are now."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from adaptd.errors import AdaptdError
from components.search_space import SEARCH_SPACE, Range
from daemon.plugin_loading import Plugin


class CannotTune(AdaptdError):
    """There is nothing to search, or nothing to search with."""


def numbers(settings: Any) -> dict[str, int | float]:
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return {name: value for name, value in values.items() if type(value) in (int, float)}


def space_of(
    plugin: Plugin,
    workload: str,
    fixed: Mapping[str, Any],
    usual: Mapping[str, int | float],
    current: Mapping[str, int | float],
) -> dict[str, Range]:
    """What the workload says, else the documented space; wide enough for what holds now and what holds without a word.

    What config.toml names is not searched: it would win over any choice.
    """
    given: Mapping[str, Range] = getattr(plugin.made_by, "search", None) or SEARCH_SPACE
    free = {name: range_ for name, range_ in given.items() if name in usual and name not in fixed}
    if not free:
        named = ", ".join(name for name in given if name in fixed)
        found = f"config.toml names {named}" if named else f"{plugin.name} has none of {', '.join(given)}"
        raise CannotTune(
            f"tune {workload}: nothing to search, since {found}. Take a setting out of [workloads.{workload}.settings]."
        )
    return {
        name: dataclasses.replace(
            range_, low=min(range_.low, usual[name], current[name]), high=max(range_.high, usual[name], current[name])
        )
        for name, range_ in free.items()
    }
