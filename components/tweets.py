"""Tweets with names, links, entities, hashtags and emoji brought into a form that a model has seen before.

What is done is counted, so that a report can say it. It does not correct spelling, lower-case or drop words.

>>> text, done = as_words("RT @ann_b: &quot;so #GoodVibes &amp; 😂😂&quot; https://t.co/x1")
>>> text
'RT @user: "so Good Vibes & face with tears of joy " http'
>>> done["names"], done["emoji"]
(1, 2)
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import partial

_NAME = re.compile(r"(?<![\w@])@\w+")
_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|\w+);?")
_HASHTAG = re.compile(r"#(\w+)")
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\U0001f1e6-\U0001f1ff]")
_WORDS = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[^\W\dA-Z_]+|\d+|[A-Z]")
_UNSEEN = re.compile("[\ufe0e\ufe0f\u200d\U0001f3fb-\U0001f3ff]")  # variants, joiners and skin colours of emoji

KINDS = ("entities", "links", "names", "hashtags", "emoji")


def preprocessed(texts: Sequence[str], how: str) -> list[str]:
    """The texts as a model reads them: as they are, or with `tweets` as words."""
    return [as_words(text)[0] for text in texts] if how == "tweets" else list(texts)


def as_words(text: str) -> tuple[str, Counter[str]]:
    """The tweet, and how many of each kind were replaced."""
    done: Counter[str] = Counter()
    text = _replaced(_ENTITY, _entity, text, "entities", done)
    text = _replaced(_LINK, lambda _: "http", text, "links", done)
    text = _replaced(_NAME, lambda _: "@user", text, "names", done)
    text = _replaced(_HASHTAG, _hashtag, text, "hashtags", done)
    text = _emoji(text, done)
    return " ".join(text.split()), done


def counted(texts: Sequence[str]) -> dict[str, int]:
    """How often each kind is met in all of them."""
    total: Counter[str] = Counter()
    for text in texts:
        total += as_words(text)[1]
    return {kind: total[kind] for kind in KINDS}


def _replaced(pattern: re.Pattern[str], by: object, text: str, kind: str, done: Counter[str]) -> str:
    return pattern.sub(partial(_one, by, kind, done), text)


def _one(by: object, kind: str, done: Counter[str], found: re.Match[str]) -> str:
    assert callable(by)
    new = str(by(found))
    done[kind] += new != found[0]
    return new


def _entity(found: re.Match[str]) -> str:
    return html.unescape(found[0])


def _hashtag(found: re.Match[str]) -> str:
    """Its words: #GoodVibes, #good_vibes and #GOODvibes2 are what people wrote without spaces."""
    return " ".join(_WORDS.findall(found[1])) or found[0]


def _emoji(text: str, done: Counter[str]) -> str:
    """By their names, those in a row that are alike once."""
    named, last = [], ""
    for letter in _UNSEEN.sub("", text):
        if not _EMOJI.match(letter):
            named.append(letter)
            last = "" if letter.strip() else last
            continue
        done["emoji"] += 1
        if letter != last:
            named.append(f" {unicodedata.name(letter, 'emoji').lower()} ")
        last = letter
    return "".join(named)
