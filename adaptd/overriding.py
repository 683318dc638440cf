"""What the environment says in the place of config.toml: ADAPTD__SECTION__KEY, a TOML value or else a text.

Loaded only where there is such a variable. Which keys there are, and what they may say, is not known here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PREFIX = "ADAPTD__"
BEGINS_A_VALUE = "\"'[{+-0123456789"
WORDS = {"true": True, "false": False, "inf": float("inf"), "nan": float("nan")}


class Override:
    """One variable: its name, the key that it is for, and what it says."""

    __slots__ = ("key", "value", "variable")

    def __init__(self, variable: str, key: tuple[str, ...], value: Any) -> None:
        self.variable, self.key, self.value = variable, key, value

    @property
    def table(self) -> dict[str, Any]:
        """What config.toml would have to say for the same."""
        said = self.value
        for name in reversed(self.key):
            said = {name: said}
        table: dict[str, Any] = said
        return table


def overrides_in(environ: Mapping[str, str]) -> list[Override]:
    """Every such variable that is not empty, by name."""
    return [
        Override(name, tuple(name[len(PREFIX) :].lower().split("__")), value_of(environ[name]))
        for name in sorted(environ)
        if name.startswith(PREFIX) and environ[name]
    ]


def value_of(text: str) -> Any:
    """The TOML value that this is, or else the text. tomllib is loaded only for what only it can read."""
    plain = text.strip()
    if plain in WORDS:
        return WORDS[plain]
    if plain.isascii() and plain.isdigit() and len(plain) < 19 and (plain == "0" or plain[0] != "0"):
        return int(plain)
    return text if plain[:1] not in BEGINS_A_VALUE else _by_tomllib(text)


def _by_tomllib(text: str) -> Any:
    import tomllib

    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text


def merged(table: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both tables in one; where both say something, `other` counts."""
    result = dict(table)
    for name, value in other.items():
        below = result.get(name)
        result[name] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def overridden(table: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The table as the environment changes it."""
    result = dict(table)
    for override in overrides_in(environ):
        result = merged(result, override.table)
    return result
