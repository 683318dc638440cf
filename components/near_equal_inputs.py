"""Which inputs ask the same thing, so that what was judged on one may be compared with what was judged on the other.

Two texts are *equal* when they differ in nothing but case, spacing, width of characters and the marks at the end of
words. They are *near-equal* when besides one word is spelt a little differently («orders» and «order», «raing» and
«rating»): one word of at least five letters, begun by the same letter, at least 87% alike (the indel ratio of
rapidfuzz). Near-equality is carried on: what is near to what is near belongs to one group.

The rule is meant to miss rather than to mix. Another number, «on» for «off», «can» for «can't», «increase» for
«decrease», another order of words: another question. Scripts without capitals (Chinese, Arabic, Hindi …) are joined by
equality alone, and so are texts of more than 200 words. Where more than 300 different words of one initial have stood
in one place of one sentence, it is a slot for names or codes, and nothing is joined there. It knows no meaning and no
paraphrase; whoever has groups from embeddings hands those to `preference_pairs` instead.

>>> group_inputs(["Where is my order?", "where is  my order", "Where is my ordeer?", "Where is my order 2?"]).tolist()
[0, 0, 0, 1]
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

ALIKE = 0.87  # one letter wrong in eight, one missing in five; «should» for «shouldn't» is at 0.80
SHORTEST_WORD = 5
MOST_WORDS = 200
MOST_FILLINGS = 300

_Grouped = NDArray[np.int64]


def group_inputs(texts: Sequence[str], *, near: bool = True) -> _Grouped:
    """The group of each text, numbered from 0 in order of first appearance; near=False joins equal texts alone."""
    keys: dict[str, int] = {}
    key_of_text = np.fromiter((keys.setdefault(equality_key(text), len(keys)) for text in texts), np.int64, len(texts))
    if not near or len(keys) < 2:
        return key_of_text
    return _numbered_by_appearance(_joined(list(keys))[key_of_text])


def equality_key(text: str) -> str:
    """The text as it is compared: NFKC, case folded, single spaces, words without the marks around them."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    words = (_without_marks(word) for word in text.split())
    return " ".join(word for word in words if word) or text.strip()  # «?!» and «:-)» stay what they are


def _without_marks(word: str) -> str:
    return word if word.isalnum() else word.strip(".,;:!?\"'()[]{}<>«»„“”‚‘…¿¡。、，！？「」")


def spelt_alike(one: str, other: str) -> bool:
    """Whether two words may be one word and a slip of the pen; both as `equality_key` leaves them."""
    if min(len(one), len(other)) < SHORTEST_WORD or one[0] != other[0]:
        return False
    most = 2 * min(len(one), len(other)) / (len(one) + len(other))
    return most >= ALIKE and _cased(one) and _cased(other) and _indel_ratio(one, other) >= ALIKE


def _cased(word: str) -> bool:
    return all(letter.upper() != letter for letter in word)


def _indel_ratio(one: str, other: str) -> float:
    """Twice the longest common subsequence over both lengths: rapidfuzz's `ratio`, for words, without rapidfuzz."""
    row = [0] * (len(other) + 1)
    for letter in one:
        before = 0
        for place, its in enumerate(other, start=1):
            before, row[place] = row[place], before + 1 if letter == its else max(row[place], row[place - 1])
    return 2 * row[-1] / (len(one) + len(other))


def _joined(keys: list[str]) -> _Grouped:
    """A representative for each key: near-equal ones have the same.

    Texts that differ in one word are equal with that word masked. So each text gives one hash per word, and only texts
    that share one are compared: the work grows with the number of words, not with the pairs of texts.
    """
    root = list(range(len(keys)))
    words = [key.split(" ") for key in keys]
    for block in _same_but_one_word(words):
        _join_spelt_alike(block, words, root)
    return np.array([_root_of(place, root) for place in range(len(keys))], dtype=np.int64)


def _same_but_one_word(words: list[list[str]]) -> Iterator[list[tuple[int, int]]]:
    """Blocks of (text, place of the masked word) that are equal around it; by hash, so to be looked at again."""
    lengths = np.array([len(own) if len(own) <= MOST_WORDS else 0 for own in words], dtype=np.int64)
    flat = [word for own in words if len(own) <= MOST_WORDS for word in own]
    if not flat:
        return
    numbers: dict[str, int] = {}
    codes = np.fromiter((numbers.setdefault(word, len(numbers) + 1) for word in flat), np.uint64, len(flat))
    long_enough = np.fromiter(map(len, flat), np.int64, len(flat)) >= SHORTEST_WORD
    owners = np.repeat(np.arange(len(words)), lengths)
    starts = np.cumsum(lengths) - lengths
    places = np.arange(len(flat)) - starts[owners]
    terms = _scrambled(codes * _MIXER + places.astype(np.uint64))
    sums = np.concatenate(
        [np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)]
    )  # it wraps, and so do differences
    whole = sums[starts + lengths] - sums[starts]
    mask = _scrambled(lengths[owners].astype(np.uint64) * _MIXER + places.astype(np.uint64))
    masked = (whole[owners] - terms + mask)[long_enough]
    owners, places = owners[long_enough], places[long_enough]
    order = np.argsort(masked, kind="stable")
    edges = np.flatnonzero(np.diff(masked[order])) + 1
    begins, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(order)]])
    for begin, end in zip(begins[ends - begins > 1].tolist(), ends[ends - begins > 1].tolist(), strict=True):
        run = order[begin:end]
        yield list(zip(owners[run].tolist(), places[run].tolist(), strict=True))


_MIXER = np.uint64(0x9E3779B97F4A7C15)


def _scrambled(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finish: sums of such numbers collide about as rarely as random ones."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _join_spelt_alike(block: list[tuple[int, int]], words: list[list[str]], root: list[int]) -> None:
    """Join the texts of a block whose masked words are spelt alike, and that are truly equal around them."""
    by_letter: dict[str, list[tuple[int, int]]] = {}
    for owner, place in block:
        by_letter.setdefault(words[owner][place][0], []).append((owner, place))
    for fillings in by_letter.values():
        if len(fillings) > MOST_FILLINGS:
            continue
        for (one, place), (other, _) in combinations(fillings, 2):
            same_around = _differ_in_one(words[one], words[other], place)  # first: a collision may join unequal lengths
            if same_around and spelt_alike(words[one][place], words[other][place]):
                _join(one, other, root)


def _differ_in_one(one: list[str], other: list[str], place: int) -> bool:
    """Whether they are equal but for that word: a hash alone is no proof."""
    return len(one) == len(other) and one[:place] == other[:place] and one[place + 1 :] == other[place + 1 :]


def _root_of(place: int, root: list[int]) -> int:
    while root[place] != place:
        root[place] = root[root[place]]
        place = root[place]
    return place


def _join(one: int, other: int, root: list[int]) -> None:
    low, high = sorted((_root_of(one, root), _root_of(other, root)))
    root[high] = low


def _numbered_by_appearance(groups: _Grouped) -> _Grouped:
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[inverse]


def worked_example() -> str:
    """A few questions and the groups that they fall into."""
    texts = [
        "How do I reset my password?",
        "how do I reset my passwort",
        "How do I reset my PIN?",
        "Turn the light on",
        "Turn the light off",
        "Ship order 1041",
        "Ship order 1042",
        "ship order 1041!",
    ]
    return "\n".join(f"{group:>3}  {text}" for group, text in zip(group_inputs(texts), texts, strict=True))


if __name__ == "__main__":
    print(worked_example())
