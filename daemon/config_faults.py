"""This file knows what is wrong with a configuration, and how each fault is told: where, which key, what was expected.

Which keys there are is not known here: it goes by the structs it is given.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import msgspec
from msgspec import Struct

from adaptd.errors import AdaptdError
from adaptd.overriding import PREFIX, Override
from daemon.toml_places import Path as Place
from daemon.toml_places import Places

Key = tuple[str, ...]
BARE_KEY = re.compile(r"[\w-]+", re.ASCII)
PLACE_OF_SYNTAX = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
SAID_OF_SYNTAX = {
    "Invalid value": "an invalid value",
    "Invalid statement": "an invalid statement",
    "Unterminated string": "a string without its end",
    "Unclosed array": "an array without its end",
    "Cannot overwrite a value": "a key that was there before",
}
TWICE = "Cannot declare "
WORD = re.compile(r"[^\s#,\[\]{}\"']+")


class Fault(NamedTuple):
    """One thing wrong. Line and column count from 1; 0 is «somewhere»; `variable` when it is in the environment.

    `words` are a whole sentence in the place of expected and found, where somebody else has found the fault.
    """

    key: str
    expected: str
    found: str
    hint: str = ""
    line: int = 0
    column: int = 0
    variable: str | None = None
    words: str = ""

    def told(self, path: object) -> str:
        """The one line that an operator reads."""
        place = f"environment {self.variable}" if self.variable else f"{path}"
        place += f":{self.line}:{self.column}" if self.line else ""
        words = self.words or f"expected {self.expected}, found {self.found}"
        return f"{place}: {self.key}: {words}" + (self.hint and f", {self.hint}")


class Misfit(NamedTuple):
    """A fault before anybody asked where it stands. `meant` is the key that was probably meant by an unknown one."""

    key: Place
    expected: str
    found: str
    hint: str = ""
    meant: Key | None = None
    is_unknown: bool = False
    words: str = ""


class BadConfig(AdaptdError):
    """A configuration that says something that cannot be meant; `faults` has everything that is wrong with it."""

    exit_code = 78

    def __init__(self, path: Path | None, faults: list[Fault]) -> None:
        self.path = path
        self.faults = faults
        super().__init__("\n".join(fault.told(path) for fault in faults))

    def lines(self, folder: str | None = None) -> list[str]:
        """A line for each fault, with the path as somebody in that folder (the working folder) would write it."""
        folder = _working_folder() if folder is None else folder
        path = "" if self.path is None else str(self.path)
        return [fault.told(path.removeprefix(folder.rstrip(os.sep) + os.sep)) for fault in self.faults]


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # somebody removed it
        return os.sep


def faults_in_file(table: dict[str, Any], struct: type[Struct], places: Places) -> list[Fault]:
    """What is wrong in what a file says, in the order of the file."""
    return in_order(_in_file(misfit, places) for misfit in misfits(table, struct))


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """Of the file in its order, then of the environment by name."""
    return sorted(faults, key=lambda fault: (fault.variable or "", fault.line, fault.column))


def faults_in_variable(override: Override, struct: type[Struct]) -> list[Fault]:
    """What is wrong in what one variable says; a guess names the variable that is meant."""
    return [_in_variable(misfit, override) for misfit in misfits(override.table, struct)]


def placed(misfit: Misfit, places: Places, overrides: Sequence[Override]) -> Fault:
    """What is wrong with what file and variables say together, at the place of whoever said it."""
    shared = [(one, min(len(one.key), len(misfit.key))) for one in overrides]
    said = [one for one, length in shared if one.key[:length] == misfit.key[:length]]
    return _in_variable(misfit, said[-1]) if said else _in_file(misfit, places)


def _in_file(misfit: Misfit, places: Places) -> Fault:
    line, column = _place_of(misfit, places)
    hint = _guess(_meant_in_file(misfit)) or misfit.hint
    return Fault(told_key(misfit.key), misfit.expected, misfit.found, hint, line, column, words=misfit.words)


def _place_of(misfit: Misfit, places: Places) -> tuple[int, int]:
    """Where the key or its value stands; where neither is said, the table above it."""
    key, find = misfit.key, places.of_key if misfit.is_unknown else places.of_value
    while key and find(key) == (0, 0):
        key, find = key[:-1], places.of_key
    return find(key) if key else (0, 0)


def _meant_in_file(misfit: Misfit) -> str | None:
    """The key alone when it belongs to the same table."""
    if misfit.meant is None:
        return None
    return misfit.meant[-1] if misfit.meant[:-1] == misfit.key[:-1] else told_key(misfit.meant)


def _in_variable(misfit: Misfit, override: Override) -> Fault:
    meant = None
    if misfit.meant is not None:
        meant = PREFIX + "__".join((*misfit.meant, *override.key[len(misfit.key) :])).upper()
    hint = _guess(meant) or misfit.hint
    words, variable = misfit.words, override.variable
    return Fault(told_key(misfit.key), misfit.expected, misfit.found, hint, variable=variable, words=words)


def _guess(meant: str | None) -> str:
    return f"did you mean {meant}?" if meant else ""


def syntax_fault(error: Exception, text: str) -> Fault:
    """What tomllib could not read, where; for a text without quotes, the same with quotes."""
    told = str(error)
    place = PLACE_OF_SYNTAX.search(told)
    if place is None:
        return Fault("syntax", "TOML", told)
    line, column = int(place[1] or 0), int(place[2] or 0)
    if not line:
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    what = told[: place.start()]
    expected, found = _said_of_syntax(what) if not what.startswith(TWICE) else ("TOML", _said_twice(text, line))
    return Fault("syntax", expected, found, _quoted_hint(what, text, line, column), line, column)


def _said_of_syntax(what: str) -> tuple[str, str]:
    """What tomllib says, in the words of the other faults."""
    if what.startswith("Expected "):
        return what.removeprefix("Expected "), "something else"
    return "TOML", SAID_OF_SYNTAX.get(what) or what.removeprefix("Found ")


def _said_twice(text: str, line: int) -> str:
    """The header of that line, and where the same one stands before it; a table may be there without a header."""
    lines = [one.partition("#")[0].strip() for one in text.split("\n")]
    header = lines[line - 1]
    before = lines.index(header) + 1
    return f"{header} a second time" + (f", it begins at line {before}: put both together" if before < line else "")


def _quoted_hint(what: str, text: str, line: int, column: int) -> str:
    """A text without its quotes, or a truth value as other languages write it."""
    word = WORD.match(text.split("\n")[line - 1], column - 1) if what == "Invalid value" else None
    if word is None:
        return ""
    return _guess(word[0].lower() if word[0].lower() in ("true", "false") else shown(word[0]))


def told_key(path: tuple[str | int, ...]) -> str:
    """The key as it is written: with dots, quotes where it needs them, and numbers in brackets."""
    parts = [f"[{one}]" if isinstance(one, int) else one if BARE_KEY.fullmatch(one) else shown(one) for one in path]
    return ".".join(parts).replace(".[", "[")


def shown(value: object) -> str:
    """A value as TOML has it, shortened, on one line."""
    text = written(value)
    return text if len(text) <= 60 else text[:57] + "..."


def written(value: object) -> str:
    """The same, whole. JSON writes texts, numbers and truth as TOML does."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{told_key((str(name),))} = {written(held)}" for name, held in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if text.isprintable() else json.dumps(value, default=str)


def expectation(kind: Any) -> str:
    """What a key of this type may say, in words: those of its Meta where it has some."""
    about = msgspec.inspect.type_info(kind)
    if isinstance(about, msgspec.inspect.Metadata) and "expected" in (about.extra or {}):
        return str((about.extra or {})["expected"])
    return _expected(_type_of(kind))


def _expected(about: msgspec.inspect.Type) -> str:
    if isinstance(about, msgspec.inspect.Metadata):
        return _expected(about.type)
    if isinstance(about, msgspec.inspect.UnionType):
        return " or ".join(filter(None, map(_expected, about.types)))
    if isinstance(about, msgspec.inspect.LiteralType):
        return " or ".join(f'"{value}"' for value in about.values)
    if isinstance(about, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        return _number(about)
    if isinstance(about, msgspec.inspect.VarTupleType):
        return "a list of texts"
    if isinstance(about, msgspec.inspect.StrType):
        return "a text" if not about.min_length else "a text that is not empty"
    return "a table" if isinstance(about, msgspec.inspect.DictType) else ""


def _number(about: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    number = "a whole number" if isinstance(about, msgspec.inspect.IntType) else "a number"
    if about.gt is not None:
        return f"{number} above {about.gt}" + (f", at most {about.le}" if about.le is not None else "")
    least = f" from {about.ge}" if about.ge is not None else ""
    return number + least + (f" to {about.le}" if about.le is not None else "")


def _type_of(kind: Any) -> msgspec.inspect.Type:
    about = msgspec.inspect.type_info(kind)
    return about.type if isinstance(about, msgspec.inspect.Metadata) else about


def is_table(kind: Any) -> bool:
    """Whether a key of this type is a table of others."""
    return isinstance(kind, type) and issubclass(kind, Struct)


def tables_in(kind: Any) -> tuple[Any, Any] | None:
    """Of a table whose keys are one's own to name: what a name may be, and what stands under it. None for others."""
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(bare) is not dict:
        return None
    named, held = get_args(bare)
    return named, held


def types_of(struct: type[Struct]) -> dict[str, Any]:
    """Each key of a table, with its type."""
    return {field.name: field.type for field in msgspec.structs.fields(struct)}


def misfits(table: dict[str, Any], struct: type[Struct]) -> Iterator[Misfit]:
    """Everything in the table that the struct has no place for."""
    return _misfits(table, struct, (), struct)


def _misfits(table: dict[str, Any], struct: type[Struct], above: Key, whole: type[Struct]) -> Iterator[Misfit]:
    kinds = types_of(struct)
    for name, value in table.items():
        key = (*above, name)
        if name in kinds:
            yield from _misfits_of(key, value, kinds[name], whole)
        else:
            yield _unknown(key, struct, whole)


def _misfits_of(key: Key, value: object, kind: Any, whole: type[Struct]) -> Iterator[Misfit]:
    """Of a table of ours, of one whose keys are one's own to name, or of a value."""
    named = tables_in(kind)
    if not is_table(kind) and named is None:
        yield from _value_misfits(key, value, kind)
    elif not isinstance(value, dict):
        yield Misfit(key, f"a table [{told_key(key)}]", shown(value))
    elif named is None:
        yield from _misfits(value, kind, key, whole)
    else:
        for name, held in value.items():
            yield from _name_misfits((*key, name), named[0])
            yield from _misfits_of((*key, name), held, named[1], whole)


def _name_misfits(key: Key, kind: Any) -> Iterator[Misfit]:
    """Of a name that one gave oneself."""
    name = key[-1]
    if _fits(name, kind):
        return
    about = _type_of(kind)
    choices = [str(choice) for choice in about.values] if isinstance(about, msgspec.inspect.LiteralType) else []
    meant = nearest(name, choices) if choices else name.lower() if _fits(name.lower(), kind) else None
    yield Misfit(key, expectation(kind), shown(name), meant=(*key[:-1], meant) if meant else None, is_unknown=True)


def _fits(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _unknown(key: Key, struct: type[Struct], whole: type[Struct]) -> Misfit:
    kinds = types_of(struct)
    near = nearest(key[-1], kinds)
    below, elsewhere = _leaves(struct, key[:-1]), _leaves(whole, ())  # it stands in another table
    moved = next((leaf for leaf in (*below, *elsewhere) if leaf[-1] == key[-1]), None)
    names = ", ".join(sorted(kinds))
    expected = f"one of {names}" if key[1:] else f"one of the tables {names}"
    return Misfit(key, expected, "an unknown key", meant=(*key[:-1], near) if near else moved, is_unknown=True)


def _leaves(struct: type[Struct], above: Key) -> Iterator[Key]:
    for name, kind in types_of(struct).items():
        if is_table(kind):
            yield from _leaves(kind, (*above, name))
        elif tables_in(kind) is None:
            yield (*above, name)


def _value_misfits(key: Key, value: object, kind: Any) -> Iterator[Misfit]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        yield Misfit(key, expectation(kind) or str(error), shown(value), _value_hint(value, kind))


def _value_hint(value: object, kind: Any) -> str:
    """A choice that is almost right; a number in quotes; a text without."""
    about = _type_of(kind)
    if isinstance(about, msgspec.inspect.LiteralType) and isinstance(value, str):
        near = nearest(value, [str(choice) for choice in about.values])
        return _guess(near and shown(near))
    if isinstance(about, msgspec.inspect.StrType) and isinstance(value, int | float):
        return _guess(shown(str(value)))
    if isinstance(about, msgspec.inspect.IntType) and isinstance(value, str) and value.strip().isdecimal():
        return _guess(shown(int(value)))
    return ""


def nearest(given: str, known: Iterable[str]) -> str | None:
    """What of the known was probably meant; None when nothing is near."""
    names = list(known)
    near = difflib.get_close_matches(given, names, 1) or difflib.get_close_matches(given.lower(), names, 1)
    return near[0] if near else None


def unreadable(path: Path, error: Exception) -> BadConfig:
    """The file could not be read at all."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return BadConfig(path, [Fault("the file", "UTF-8 text that can be read", reason)])
