"""Give an example other retrieved chunks beside the ones that its output rests on.

Chunks that share the output's words support it and stay. Of the others one is exchanged for a chunk of another example
or left out, or all come in another order (fine-tuning among distractors: RAFT, Zhang et al. 2024, arXiv 2403.10131).

What supports the output is judged by its words, not by meaning; where no chunk supports it, only the order changes.

>>> given = ["The bank opens at nine.", "Cats sleep a lot."]
>>> vary_context(given, "It opens at nine: the bank.", Dice(1, "x"))
(['The bank opens at nine.'], 'a chunk that the output does not rest on was left out')
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from components.dice import Dice
from components.example_fields import as_text

CHUNK_FIELDS = ("rag", "chunks", "retrieved", "documents", "passages")
_BETWEEN = re.compile(r"\n\s*\n|\n-{3,}\n")
_WORDS = re.compile(r"[^\W_]{4,}")
_SUPPORTS = 0.5  # of the words that the best chunk shares with the output
_MOST_CHUNKS = 64
_LONGEST_READ = 20_000  # characters of a chunk that are compared

Varied = tuple[Any, str]  # the context, and what was done


def chunks_of(context: Any) -> list[Any]:
    """The retrieved chunks of a context, however it holds them; none where it holds none."""
    where = _place(context)
    held = context if where is None else context[where]
    if isinstance(held, str):
        found = [chunk for chunk in _BETWEEN.split(held) if chunk.strip()]
        return found if where is not None or len(found) > 1 else []
    return list(held) if isinstance(held, list | tuple) else []


def vary_context(context: Any, output: str, dice: Dice, others: Sequence[Any] = ()) -> Varied | None:
    """Another context of the same form, and what was done; None where it has no chunks to vary.

    `others` are chunks of other examples. The caller's context is not changed, and its chunks go on as they are.
    """
    chunks = chunks_of(context)
    if not chunks or len(chunks) > _MOST_CHUNKS:
        return None
    supports = _supporting(chunks, output)
    spare = [] if not any(supports) else [row for row, needed in enumerate(supports) if not needed]
    strangers = _strangers(others, chunks, output) if spare or any(supports) else []
    ways = [way for way, possible in (("other", strangers), ("fewer", spare), ("order", len(chunks) > 1)) if possible]
    if not ways:
        return None
    way = dice.one_of(ways)
    if way == "other":
        varied, what = _with_stranger(chunks, spare, dice.one_of(strangers), dice)
    elif way == "fewer":
        gone = dice.one_of(spare)
        varied = [chunk for row, chunk in enumerate(chunks) if row != gone]
        what = "a chunk that the output does not rest on was left out"
    else:
        varied, what = dice.shuffled(chunks), "the chunks came in another order"
    return None if varied == chunks else (_held_as(context, varied), what)


def _with_stranger(chunks: list[Any], spare: list[int], stranger: Any, dice: Dice) -> tuple[list[Any], str]:
    if not spare:
        place = dice.below(len(chunks) + 1)
        return [*chunks[:place], stranger, *chunks[place:]], "a chunk of another example was put beside"
    gone = dice.one_of(spare)
    said = "a chunk that the output does not rest on was exchanged for one of another example"
    return [stranger if row == gone else chunk for row, chunk in enumerate(chunks)], said


def _supporting(chunks: Sequence[Any], output: str) -> list[bool]:
    """Which chunks share at least half as many of the output's words as the best one; none where none shares any."""
    said = _words(output)
    shared = [len(said & _words(_chunk_text(chunk))) for chunk in chunks]
    best = max(shared)
    return [best > 0 and count >= _SUPPORTS * best for count in shared]


def _strangers(others: Sequence[Any], chunks: Sequence[Any], output: str) -> list[Any]:
    """Chunks of the same make that are not there already and share next to nothing with the output."""
    said, here = _words(output), {as_text(chunk) for chunk in chunks}
    make = type(chunks[0])
    found = []
    for other in others:
        if type(other) is make and as_text(other) not in here:
            shared = len(said & _words(_chunk_text(other)))
            if shared <= 0.1 * max(len(said), 1):
                found.append(other)
    return found


def _words(text: str) -> set[str]:
    return set(_WORDS.findall(text[:_LONGEST_READ].casefold()))


def _chunk_text(chunk: Any) -> str:
    if isinstance(chunk, Mapping):
        return as_text(
            next((chunk[name] for name in ("text", "content", "page_content") if name in chunk), dict(chunk))
        )
    return as_text(chunk)


def _place(context: Any) -> str | None:
    if not isinstance(context, Mapping):
        return None
    return next((name for name in CHUNK_FIELDS if context.get(name)), None)


def _held_as(context: Any, chunks: list[Any]) -> Any:
    where = _place(context)
    held = context if where is None else context[where]
    again = _joined_as(held, chunks)
    return again if where is None else {**context, where: again}


def _joined_as(held: Any, chunks: list[Any]) -> Any:
    if isinstance(held, str):
        between = _BETWEEN.search(held)
        return (between[0] if between else "\n\n").join(chunks)
    return tuple(chunks) if isinstance(held, tuple) else chunks
