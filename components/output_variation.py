r"""Write an output another way without changing what it says, by permuting only what has no order.

JSON objects have no order of keys (RFC 8259), an ERD in Mermaid none of its entities and of its relations, and an
unordered list none of its points. The result is parsed again and compared with the source: same values, same entities,
same relations, same points, or there is no result.

Left alone: arrays, attributes of an entity, diagrams that are no ERDs, lists whose points or whose heading speak of an
order, keys that are numbered or that speak of reasoning (which comes before its answer), code, and what cannot be read.

>>> vary_output('{"name": "Ada", "age": 36}', Dice(1, "x"))
('{"age": 36, "name": "Ada"}', 'keys of JSON objects')
>>> vary_output("1. Wake\n2. Rise", Dice(1, "x")) is None
True
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from components.dice import Dice

_LONGEST_READ = 200_000  # characters; a longer output is left alone
_TRIES = 4  # a shuffle of two may give the same order again
_FENCED = re.compile(
    r"^(?P<open>(?:```|~~~)[ \t]*(?P<language>\w*)[^\n]*\n)(?P<body>.*?)(?P<close>^(?:```|~~~)[ \t]*$)",
    re.MULTILINE | re.DOTALL,
)

Varied = tuple[str, str]  # the output, and what was permuted


def vary_output(text: str, dice: Dice) -> Varied | None:
    """The same output with something permuted, and what; None where nothing can be permuted safely."""
    if len(text) > _LONGEST_READ:
        return None
    bare = text.strip()
    if bare[:1] in ("{", "["):
        return _around(text, bare, vary_json, "keys of JSON objects", dice)
    if re.match(r"erDiagram\b", bare):
        return _around(text, bare, vary_erd, "entities and relations of the ERD", dice)
    return _vary_fenced(text, dice) or _named(vary_lists(text, dice), "points of unordered lists")


def _around(text: str, bare: str, vary: Callable[[str, Dice], str | None], what: str, dice: Dice) -> Varied | None:
    start = text.index(bare)
    varied = vary(bare, dice)
    return None if varied is None else (text[:start] + varied + text[start + len(bare) :], what)


def _named(varied: str | None, what: str) -> Varied | None:
    return None if varied is None else (varied, what)


def _vary_fenced(text: str, dice: Dice) -> Varied | None:
    for found in _FENCED.finditer(text):
        language = found["language"].casefold()
        if language not in ("json", "mermaid"):
            continue
        varied = vary_output(found["body"], dice)
        if varied is not None:
            return text[: found.start("body")] + varied[0] + text[found.end("body") :], varied[1]
    return None


# JSON


class _Literal(str):
    """A number as it was written: 1.50 stays 1.50."""

    __slots__ = ()


class _Object(list[tuple[str, Any]]):
    """The pairs of an object in their order."""

    __slots__ = ()


_KEEPS_ORDER = re.compile(
    r"reason\w*|thoughts?|thinking|analysis|rationale|explanation|scratch_?pad|chain_of_thought|plan|.*\d+",
    re.IGNORECASE,
)


class _Unreadable(ValueError):
    """JSON that would not come back as it was: a key twice, or NaN."""


def vary_json(text: str, dice: Dice) -> str | None:
    """The same JSON value with the keys of its objects in another order, indented as before."""
    try:
        value = json.loads(
            text, object_pairs_hook=_pairs, parse_float=_Literal, parse_int=_Literal, parse_constant=_no_constant
        )
        for _ in range(_TRIES):
            varied = _written(_shuffled(value, dice), _style(text), 0)
            if varied != text and same_json(text, varied) and _same_but_for_order(text, varied):
                return varied
    except (ValueError, RecursionError):
        return None
    return None


def same_json(one: str, other: str) -> bool:
    """Do both texts hold the same value, read without any of what is used to write them?"""
    return bool(json.loads(one) == json.loads(other))


def _same_but_for_order(one: str, other: str) -> bool:
    """The same letters, 1.50 as 1.50, and moved: a difference in spacing alone is no variation."""
    bare_one, bare_other = (re.sub(r"\s+", "", text) for text in (one, other))
    return bare_one != bare_other and Counter(bare_one) == Counter(bare_other)


def _pairs(pairs: list[tuple[str, Any]]) -> _Object:
    if len({key for key, _ in pairs}) < len(pairs):
        raise _Unreadable("a key stands twice")
    return _Object(pairs)


def _no_constant(name: str) -> Any:
    raise _Unreadable(name)


def _shuffled(value: Any, dice: Dice) -> Any:
    if isinstance(value, _Object):
        inside = [(key, _shuffled(one, dice)) for key, one in value]
        fixed = any(_KEEPS_ORDER.fullmatch(key) for key, _ in inside)
        return _Object(inside if fixed else dice.shuffled(inside))
    return [_shuffled(one, dice) for one in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class _Style:
    indent: str  # of one level; "" where all stands on one line
    colon: str
    comma: str
    ascii_only: bool


def _style(text: str) -> _Style:
    indented = re.search(r"[\[{]\n([ \t]+)\S", text)
    indent = indented[1] if indented else ""
    comma = "," if indent or not re.search(r'[\d"\]}el], ', text) else ", "
    return _Style(indent, ": " if re.search(r'": ', text) else ":", comma, text.isascii() and "\\u" in text)


def _written(value: Any, style: _Style, depth: int) -> str:
    if isinstance(value, _Literal):
        return str(value)
    if not isinstance(value, list):
        return json.dumps(value, ensure_ascii=style.ascii_only)
    opens, closes = ("{", "}") if isinstance(value, _Object) else ("[", "]")
    if not value:
        return opens + closes
    inside = [
        json.dumps(one[0], ensure_ascii=style.ascii_only) + style.colon + _written(one[1], style, depth + 1)
        if isinstance(value, _Object)
        else _written(one, style, depth + 1)
        for one in value
    ]
    if not style.indent:
        return opens + style.comma.join(inside) + closes
    line = "\n" + style.indent * (depth + 1)
    return opens + line + ("," + line).join(inside) + "\n" + style.indent * depth + closes


# ERDs in Mermaid

_NAME = r'(?:"[^"\n]+"|[\w-]+)(?:\["[^"\n]*"\]|\[[\w -]+\])?'
_BLOCK_START = re.compile(rf"\s*({_NAME})\s*\{{\s*")
_BLOCK_LINE = re.compile(rf"\s*({_NAME})\s*\{{[^{{}}\n]*\}}\s*")
_RELATION = re.compile(rf"\s*{_NAME}\s+[|}}][|o](?:--|\.\.)[|o][|{{]\s+{_NAME}(?:\s*:.*)?\s*")
_BARE = re.compile(rf"\s*{_NAME}\s*")


@dataclass(frozen=True, slots=True)
class Erd:
    """An ERD as far as it has an order: its units in their order, each an entity, a relation or an empty line."""

    head: str
    units: tuple[tuple[str, str], ...]  # (kind, the lines as they stand)

    def meaning(self) -> tuple[str, Counter[tuple[str, str]]]:
        """What remains when the order of entities and relations does not count."""
        return self.head, Counter((kind, unit.strip()) for kind, unit in self.units if kind != "empty")


def read_erd(text: str) -> Erd | None:
    """The units of an ERD; None when a line is none of entity, attribute, relation or empty."""
    head, *lines = text.split("\n")
    if head.strip() != "erDiagram":
        return None
    units: list[tuple[str, str]] = []
    block: list[str] | None = None
    for line in lines:
        if block is not None:
            block.append(line)
            if line.strip() == "}":
                units.append(("entity", "\n".join(block)))
                block = None
            elif "{" in line or "}" in line:
                return None
            continue
        kind = _kind_of_line(line)
        if kind is None:
            return None
        if kind == "opens":
            block = [line]
        else:
            units.append((kind, line))
    return None if block is not None else Erd(head.strip(), tuple(units))


def _kind_of_line(line: str) -> str | None:
    if not line.strip():
        return "empty"
    if _RELATION.fullmatch(line):
        return "relation"
    if _BLOCK_LINE.fullmatch(line) or (
        _BARE.fullmatch(line) and line.split(maxsplit=1)[0] not in ("direction", "title")
    ):
        return "entity"
    return "opens" if _BLOCK_START.fullmatch(line) else None


def vary_erd(text: str, dice: Dice) -> str | None:
    """The same ERD with its entities in another order, and its relations in another order, each in their places."""
    erd = read_erd(text)
    if erd is None:
        return None
    for _ in range(_TRIES):
        mixed = {
            kind: iter(dice.shuffled([unit for one, unit in erd.units if one == kind]))
            for kind in ("entity", "relation")
        }
        units = [(kind, next(mixed[kind]) if kind in mixed else unit) for kind, unit in erd.units]
        varied = "\n".join([text.split("\n", 1)[0], *(unit for _, unit in units)])
        again = read_erd(varied)
        if varied != text and again is not None and again.meaning() == erd.meaning():
            return varied
    return None


# unordered lists in Markdown

_POINT = re.compile(r"(?P<indent>[ \t]*)(?P<mark>[-*+])[ \t]+\S")
_ORDER_ANNOUNCED = re.compile(
    r"\b(?:steps?|order(?:ed)?|sequence|first|then|rank\w*|priorit\w+|top|timeline|history|procedure|how to|following|"
    r"follow|instructions?|process|stages?|phases?|chronolog\w+|schedule|agenda|ascending|descending|roadmap)\b",
    re.IGNORECASE,
)
_ORDER_INSIDE = re.compile(
    r"^\W*(?:\[[ x]\] )?\W*(?:first|second|third|then|next|after|before|finally|last|lastly|later|step|phase|stage|day|"
    r"week|and|or|also|else|otherwise|\d)\b|\b(?:above|below|previous|preceding|former|latter|aforementioned|respectively)\b",
    re.IGNORECASE,
)


def vary_lists(text: str, dice: Dice) -> str | None:
    """The same text with the points of its unordered lists in another order."""
    lines = text.split("\n")
    lists = _lists(lines)
    if not lists:
        return None
    for _ in range(_TRIES):
        mixed = list(lines)
        for points in lists:
            start, end = points[0][0], points[-1][1]
            mixed[start:end] = [line for one, other in dice.shuffled(points) for line in lines[one:other]]
        varied = "\n".join(mixed)
        if varied != text and _points(varied) == _points(text) and sorted(mixed) == sorted(lines):
            return varied
    return None


def _lists(lines: list[str]) -> list[list[tuple[int, int]]]:
    """The outermost lists that have no order: for each its points, as (first line, line after the last)."""
    found: list[list[tuple[int, int]]] = []
    row, fenced = 0, False
    while row < len(lines):
        if re.match(r" {0,3}(?:```|~~~)", lines[row]):
            fenced = not fenced
        if fenced or not _POINT.match(lines[row]):
            row += 1
            continue
        points = _points_from(lines, row)
        row = points[-1][1]
        if len(points) > 1 and not _has_order(lines, points):
            found.append(points)
    return [] if fenced else found


def _points_from(lines: list[str], start: int) -> list[tuple[int, int]]:
    """The points of the list that begins there: each with what is indented under it, up to an empty line."""
    first = _POINT.match(lines[start])
    assert first is not None
    points: list[tuple[int, int]] = []
    row = start
    while row < len(lines):
        here = _POINT.match(lines[row])
        if here is None or here["indent"] != first["indent"] or here["mark"] != first["mark"]:
            break
        end = row + 1
        while end < len(lines) and lines[end].strip() and _indent(lines[end]) > len(first["indent"]):
            end += 1
        points.append((row, end))
        row = end
    return points


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _has_order(lines: list[str], points: list[tuple[int, int]]) -> bool:
    """Does what stands before it, or a point of it, speak of an order? Or does it go on where it cannot be cut?"""
    before = [line for line in lines[: points[0][0]] if line.strip()][-2:]
    start, end = points[0][0], points[-1][1]
    goes_on = end < len(lines) and lines[end].strip() != ""
    inside = any(_ORDER_INSIDE.search(lines[row].strip(" \t-*+")) for row, _ in points)
    fences = any("```" in line or "~~~" in line for line in lines[start:end])
    return goes_on or fences or inside or any(_ORDER_ANNOUNCED.search(line) for line in before)


def _points(text: str) -> tuple[list[str], Counter[str]]:
    """What a reader of the lists finds: the lines outside, in order, and every point with what is under it."""
    lines = text.split("\n")
    inside: Counter[str] = Counter()
    outside: list[str] = []
    place = 0
    for points in _lists(lines):
        outside += [*lines[place : points[0][0]], "•"]
        inside.update("\n".join(lines[start:end]) for start, end in points)
        place = points[-1][1]
    return outside + lines[place:], inside
