"""Dense vectors for texts without a model: hashed words and character n-grams, projected by random signs.

Feature hashing (Weinberger et al. 2009, arXiv 0902.2206) with a sparse random projection (Kane and Nelson 2014): each
word, pair of neighbouring words and run of 3 or 4 characters adds ±(1 + log(count)) at four of the vector's places.
It knows spelling, not meaning: "car" and "automobile" have nothing in common. No weighting by how rare a feature is,
because that would need a corpus, and a text's vector would change when others come.

>>> vectors = hashed_vectors(["Reset my password", "reset my password!", "Wie spät ist es?"])
>>> (vectors @ vectors.T).round(2)
array([[ 1.  ,  0.94, -0.03],
       [ 0.94,  1.  , -0.01],
       [-0.03, -0.01,  1.  ]], dtype=float32)
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from components.bad_input import whole_number

DIMENSION: Final = 512
VERSION: Final = 1  # part of the fingerprint: rises whenever the same text would get another vector
_PLACES: Final = 4
_GRAMS: Final = (3, 4)
_BATCH_CHARACTERS: Final = 200_000
_BASE: Final = np.uint64(0x9E3779B97F4A7C15)  # odd, so it has an inverse among the 64-bit numbers
_INVERSE: Final = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_SPACE: Final = 32


def hashed_vectors(texts: Sequence[str], dimension: int = DIMENSION) -> NDArray[np.float32]:
    """A row of unit length for each text; zeros for one in which there is nothing but white space."""
    whole_number("dimension", dimension, low=1)
    out = np.zeros((len(texts), dimension), dtype=np.float32)
    start, waiting = 0, 0
    for end, text in enumerate(texts, 1):
        waiting += len(text)
        if waiting >= _BATCH_CHARACTERS or end == len(texts):
            out[start:end] = _vectors(texts[start:end], dimension)
            start, waiting = end, 0
    return out


def _vectors(texts: Sequence[str], dimension: int) -> NDArray[np.float32]:
    characters, owner = _characters(texts)
    found = [_grams(characters, owner, n) for n in _GRAMS]
    found += _words(characters, owner)
    owners = np.concatenate([of for of, _ in found])
    features = np.concatenate([feature for _, feature in found])
    owners, features, counts = _counted(owners, features)
    weights = 1.0 + np.log(counts)
    sums = np.zeros(len(texts) * dimension)
    for turn in range(_PLACES):
        drawn = _mixed(features + np.uint64((turn + 1) * int(_BASE) % 2**64))
        signs = np.where(drawn >> np.uint64(63), weights, -weights)
        places = owners * dimension + (drawn % np.uint64(dimension)).astype(np.int64)
        sums += np.bincount(places, weights=signs, minlength=len(sums))
    rows = sums.reshape(len(texts), dimension)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def _characters(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Code points of all texts, each between two spaces, and whose they are."""
    plain = [f" {' '.join(unicodedata.normalize('NFKC', text).casefold().split())} " for text in texts]
    joined = "".join(plain).encode("utf-32-le", "surrogatepass")
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in plain])
    return np.frombuffer(joined, dtype=np.uint32).astype(np.uint64), owner


def _grams(
    characters: NDArray[np.uint64], owner: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Every run of n characters inside one text."""
    count = max(0, len(characters) - n + 1)
    hashed = np.full(count, n, dtype=np.uint64)
    for i in range(n):
        hashed = hashed * _BASE + characters[i : i + count]
    inside = owner[:count] == owner[n - 1 : n - 1 + count]
    return owner[:count][inside], _mixed(hashed[inside])


def _words(
    characters: NDArray[np.uint64], owner: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], NDArray[np.uint64]]]:
    """Words and pairs of neighbours. Runs of letters and digits are words; an ideograph or emoji is one by itself."""
    kinds, place = np.unique(characters, return_inverse=True)
    kind = np.array([_kind(chr(int(code))) for code in kinds], dtype=np.int8)[place]
    begins = np.flatnonzero((kind == 2) | ((kind == 1) & (np.append(0, kind[:-1]) != 1)))
    if not len(begins):
        nothing = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64))
        return [nothing, nothing]
    ends = np.flatnonzero((kind == 2) | ((kind == 1) & (np.append(kind[1:], 0) != 1))) + 1
    # A word's hash is the sum of character × base^(place in the word), all modulo 2^64: the difference of two places of
    # one running sum, multiplied back as if the word stood at the front.
    powers = np.cumprod(np.full(len(characters), _BASE), dtype=np.uint64)
    back = np.cumprod(np.full(len(characters), _INVERSE), dtype=np.uint64)
    sums = np.append(np.uint64(0), np.cumsum((characters + np.uint64(1)) * powers, dtype=np.uint64))
    words = _mixed((sums[ends] - sums[begins]) * back[begins])
    of = owner[begins]
    beside = of[1:] == of[:-1]
    pairs = _mixed(words[:-1] * _BASE + words[1:])
    return [(of, words), (of[1:][beside], pairs[beside])]


def _kind(character: str) -> int:
    """0 between words, 1 part of a word, 2 a word by itself."""
    if character.isalnum() or character == "_":
        return 2 if unicodedata.category(character) == "Lo" and ord(character) >= 0x2E80 else 1
    mark = unicodedata.category(character)[0]
    if mark == "M":
        return 1  # an accent that stands alone belongs to its letter
    return 2 if mark == "S" and ord(character) > 127 else 0


def _counted(
    owners: NDArray[np.int64], features: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
    """Each feature once per text, with how often it is there."""
    order = np.lexsort((features, owners))
    owners, features = owners[order], features[order]
    first = np.flatnonzero(
        np.append(True, (owners[1:] != owners[:-1]) | (features[1:] != features[:-1]))[: len(owners)]
    )
    return owners[first], features[first], np.diff(np.append(first, len(owners)))


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's last step: every bit of the result hangs on every bit given."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))
