"""This file knows how things are put on the terminal: JSON lines, counts, sizes, ages, and text that cannot harm it.

stdout is data, stderr is talk. Standard library alone, and little of it.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

COLOURS = {"red": 31, "green": 32, "yellow": 33}
MINUTE, HOUR, DAY = 60, 3600, 86400


def as_json(value: object) -> bytes:
    """One line of UTF-8 JSON with its newline; escaped where a text holds what UTF-8 cannot."""
    import json

    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def print_json(value: object) -> None:
    """One JSON line on stdout, whatever the terminal's encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(as_json(value))
    sys.stdout.buffer.flush()


class _Manner:
    """How this process talks."""

    quiet = False


def talk(*, quiet: bool) -> None:
    """Say whether there shall be talk at all; what went wrong is told in any case."""
    _Manner.quiet = quiet


def may_talk() -> bool:
    """Whether there shall be talk."""
    return not _Manner.quiet


def say(text: str) -> None:
    """Talk, on stderr: what is good to know, and not needed. Nothing with --quiet."""
    if not _Manner.quiet:
        complain(text)


def complain(text: str) -> None:
    """What went wrong, on stderr, whether or not there shall be talk; folded at a terminal."""
    _folded_on(sys.stderr, text)


def tell(text: str) -> None:
    """A sentence that was asked for, on stdout; folded alike."""
    _folded_on(sys.stdout, text)


def _folded_on(stream: TextIO, text: str) -> None:
    print("\n".join(folded(text, width_of(stream))), file=stream)


def folded(text: str, width: int | None, indent: int = 2) -> list[str]:
    """The text in lines of whole words that fit, later ones set in; a word that fits on none, as a path, is whole."""
    return [piece for line in text.split("\n") for piece in _pieces(line, width, indent)]


def _pieces(line: str, width: int | None, indent: int) -> Iterator[str]:
    while width is not None and len(line) > width:
        end = line.rfind(" ", len(line) - len(line.lstrip()), width + 1)
        end = line.find(" ", width) if end < 0 else end
        if end < 0:
            break
        yield line[:end].rstrip()
        line = " " * indent + line[end:].lstrip()
    yield line


def coloured(text: str, colour: str) -> str:
    """The text in a colour of COLOURS, where somebody sees colours and wants them."""
    unwanted = os.environ.get("TERM", "") in ("", "dumb") or os.environ.get("NO_COLOR")
    return text if unwanted or not sys.stdout.isatty() else f"\033[{COLOURS[colour]}m{text}\033[0m"


def silence_stdout() -> None:
    """Whoever read it has gone: from now on it goes nowhere, and Python's own flush at the end has no complaint."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def harmless(text: str) -> str:
    """The text with everything that could steer a terminal shown as an escape; newlines stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def line_width() -> int | None:
    """The columns of the terminal that stdout is, None when it is none: then nothing is cut."""
    return width_of(sys.stdout)


def width_of(stream: TextIO) -> int | None:
    """The columns of the terminal behind it, None when there is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return None


def cut(text: str, width: int | None) -> str:
    """At most that many characters, with a sign that there was more."""
    return text if width is None or len(text) <= width else text[: max(0, width - 1)] + "…"


def in_columns(rows: Sequence[Sequence[str]], head: Sequence[str], width: int | None) -> list[str]:
    """The rows as columns as wide as what they hold, made harmless.

    At a terminal (`width` says how wide) under a head; a last cell that would not fit stands on a line of its own,
    whole, since it is what the next command is given.
    """
    held = [place for place in range(len(head)) if any(row[place] for row in rows)]  # an empty column says nothing
    table = [[harmless(row[place]).replace("\n", " ") for place in held] for row in rows]
    shown = [[head[place] for place in held], *table] if width is not None and table else table
    wide = [max(map(len, column)) for column in zip(*shown, strict=True)]
    fits = width is None or sum(wide) + 2 * (len(wide) - 1) <= width
    lines = []
    for row in shown:
        *before, last = (f"{cell:<{size}}" for cell, size in zip(row, wide, strict=True))
        if fits:
            lines.append("  ".join([*before, last]).rstrip())
        else:
            lines += [cut("  ".join(before).rstrip(), width), *(["  " + last.rstrip()] if last.strip() else [])]
    return lines


def count_of(number: int, thing: str) -> str:
    """«1 event», «2,000 events»."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def size_of(size: int) -> str:
    """Bytes as a person says them: «812 bytes», «1.4 MB»."""
    if size < 1000:
        return count_of(size, "byte")
    amount, unit = float(size), ""
    for unit in ("kB", "MB", "GB", "TB"):  # noqa: B007 the unit that fits is wanted after the loop
        amount /= 1000
        if amount < 999.5:
            break
    return f"{amount:.1f} {unit}" if amount < 99.5 else f"{amount:.0f} {unit}"


def age_of(microseconds: int) -> str:
    """«12 seconds», «3 hours»; a clock that was set back gives «a moment»."""
    return duration_of(microseconds // 1_000_000)


def duration_of(seconds: float) -> str:
    """«12 seconds», «3 hours», «a moment»."""
    seconds = int(seconds)
    if seconds < 1:
        return "a moment"
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= 2 * unit or (unit == DAY and seconds >= unit):
            return count_of(seconds // unit, name)
    return count_of(seconds, "second")
