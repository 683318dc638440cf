"""JSON as text, written and read without importing `json`, which costs 0.6 of a bare Python start.

It uses the C functions that `json` itself stands on, and `json` where a Python lacks them. It knows nothing of events.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _writer_of_c(default: Callable[[Any], Any]) -> Callable[[object], str]:
    from _json import encode_basestring, make_encoder

    markers = indent = None
    sort_keys = skipkeys = allow_nan = False
    chunks: Any = make_encoder(markers, default, encode_basestring, indent, ":", ",", sort_keys, skipkeys, allow_nan)
    join = "".join

    def write(value: object) -> str:
        return join(chunks(value, 0))

    if write({"é": [1, None, "\n"]}) != '{"é":[1,null,"\\n"]}':
        raise TypeError("_json.make_encoder is not the one known here")
    return write


def _writer_of_json(default: Callable[[Any], Any]) -> Callable[[object], str]:
    from json import JSONEncoder

    return JSONEncoder(
        ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"), default=default
    ).encode


def make_writer(default: Callable[[Any], Any]) -> Callable[[object], str]:
    """Return a function that writes compact JSON; `default` turns what JSON lacks into what it has.

    The function raises TypeError, ValueError (not finite) or RecursionError (cyclic) where it cannot.
    """
    try:
        return _writer_of_c(default)
    except (ImportError, TypeError):
        return _writer_of_json(default)


class _Reading:
    """What `_json.make_scanner` wants to be told."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = None
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner's own cache of keys


def read_json(text: str) -> Any:
    """Return the value of one JSON text; raises ValueError where there is none."""
    try:
        from _json import make_scanner
    except ImportError:
        from json import loads

        return loads(text)
    try:
        value, end = make_scanner(_Reading)(text, 0)  # type: ignore[arg-type]
    except StopIteration:
        raise ValueError("not a JSON text") from None
    if text[end:].strip():
        raise ValueError(f"something follows the JSON text at character {end}")
    return value


def quote(text: str) -> str:
    """Return the JSON text of a string."""
    try:
        from _json import encode_basestring
    except ImportError:
        from json import dumps

        return dumps(text, ensure_ascii=False)
    return encode_basestring(text)
