"""How a host's values become JSON: dates, paths, sets, numpy, dataclasses; and where exactly one cannot."""

from __future__ import annotations

from sys import modules

from adaptd.json_text import make_writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_DEPTH = 200  # levels of a value that is looked through piece by piece
MOST_BITS = 14_000  # Python writes integers of up to 4300 digits


class Unusable(Exception):
    """A value that no event can carry: `place` is where in the argument, `found` what is there."""

    def __init__(self, expected: str, *, found: str | None = None, place: str = "") -> None:
        super().__init__(expected)
        self.expected, self.found, self.place = expected, found, place


def body_of(fields: dict[str, Any]) -> bytes:
    """Return the fields as compact UTF-8 JSON; a lone surrogate becomes U+FFFD. Raises Unusable."""
    try:
        text = _write(fields)
    except (TypeError, ValueError, RecursionError):
        text = _write(plain_fields(fields))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def plain(value: object) -> Any:
    """Return something nearer to JSON for a value that JSON lacks; raises TypeError for what has no plain form."""
    if isinstance(value, (set, frozenset)):
        return _in_order(value)
    if _is_a(value, "enum", "Enum"):
        return value.value  # type: ignore[attr-defined]
    if _is_a(value, "decimal", "Decimal"):
        return float(value)  # type: ignore[arg-type]
    if _is_a(value, "uuid", "UUID"):
        return str(value)
    return _by_what_it_offers(value)


def _in_order(values: set[Any] | frozenset[Any]) -> list[Any]:
    """Return a set's members in an order that does not change from process to process."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=lambda member: (type(member).__name__, repr(member)))


def _is_a(value: object, module: str, name: str) -> bool:
    """Say whether the value is of that class, without importing a module that nobody has imported yet."""
    loaded = modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))


def _by_what_it_offers(value: Any) -> Any:
    kind = type(value)
    if hasattr(kind, "isoformat"):  # datetime, date, time
        return value.isoformat()
    if hasattr(kind, "__fspath__"):
        path = value.__fspath__()
        return path if isinstance(path, str) else path.decode("utf-8", "replace")
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in kind.__dataclass_fields__}
    if hasattr(kind, "tolist"):  # numpy's arrays and scalars
        return value.tolist()
    if hasattr(kind, "model_dump"):  # pydantic
        return value.model_dump()
    if hasattr(kind, "keys") and hasattr(kind, "__getitem__"):
        return {key: value[key] for key in value.keys()}  # noqa: SIM118 - a mapping need not iterate over its keys
    raise TypeError(f"{kind.__name__} has no plain form")


_write = make_writer(plain)


def plain_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a copy that the writer takes; raises Unusable naming the first place that no JSON can carry."""
    return {name: _copied(value, name, ()) for name, value in fields.items()}


def _copied(value: Any, place: str, above: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return _countable(value, place)
    if isinstance(value, float):
        return _finite(value, place)
    if id(value) in above:
        found = f"a {type(value).__name__} inside itself"
        raise Unusable("a value that does not contain itself", found=found, place=place)
    if len(above) >= MOST_DEPTH:
        raise Unusable(f"at most {MOST_DEPTH} levels of nesting", found="deeper nesting", place=place[:200])
    return _copied_parts(value, place, (*above, id(value)))


def _copied_parts(value: Any, place: str, above: tuple[int, ...]) -> Any:
    if isinstance(value, dict):
        return {_key(key, place): _copied(part, f"{place}.{key}", above) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copied(part, f"{place}[{i}]", above) for i, part in enumerate(value)]
    try:
        nearer = plain(value)
    except Exception as trouble:  # noqa: BLE001 - the host's own object may raise anything
        found = f"a {type(value).__module__}.{type(value).__qualname__}"
        why = "" if isinstance(trouble, TypeError) else f" that raised {type(trouble).__name__}"
        raise Unusable("a value that JSON can carry", found=found + why, place=place) from None
    return _copied(nearer, place, above)


def _key(key: object, place: str) -> str:
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, (bytes, tuple, frozenset)):
        raise Unusable("keys that are text", found=f"a key of type {type(key).__name__}", place=place)
    return str(key)


def _finite(value: float, place: str) -> float:
    if value - value != 0:  # only NaN and the infinities
        raise Unusable("a finite number", found=repr(value), place=place)
    return value


def _countable(value: Any, place: str) -> Any:
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise Unusable(f"an integer of at most {MOST_BITS} bits", found=f"one of {value.bit_length()}", place=place)
    return value
