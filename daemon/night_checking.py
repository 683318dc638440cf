"""This file knows which hours and zones in config.toml cannot be meant, though they look like some."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from daemon.config_faults import Misfit
from daemon.nights import WEEKDAYS, BadWindow, window_of, zone_of


def night_misfits(table: Mapping[str, Any]) -> Iterator[Misfit]:
    """What is wrong in `[night]` beyond its shape; what is no text there is left to whoever looks at shapes."""
    night = table.get("night")
    if not isinstance(night, dict):
        return
    yield from _misfits_of(("night", "timezone"), night.get("timezone"), zone_of)
    yield from _misfits_of(("night", "window"), night.get("window"), _hours)
    on = night["on"] if isinstance(night.get("on"), dict) else {}
    for day in WEEKDAYS:
        yield from _misfits_of(("night", "on", day), on.get(day), _hours)


def _hours(text: str) -> None:
    if text != "off":
        window_of(text)


def _misfits_of(key: tuple[str, ...], value: object, look: Callable[[str], object]) -> Iterator[Misfit]:
    if not isinstance(value, str):
        return
    try:
        look(value)
    except BadWindow as bad:
        yield Misfit(key, "", "", words=str(bad).partition(" ")[2])
