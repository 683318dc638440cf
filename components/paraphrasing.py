"""Say a request in other words, by rules that keep what it asks.

Phrases that mean the same stand in sets ("need to", "have to"); contractions are opened; a request changes its frame
("Draw …", "Please draw …", "I would like you to draw …"). Code, figures, names, quoted text and placeholders are never
touched (`protected_text`). The rules are English; where none fits, nothing is said rather than something doubtful.

It understands nothing and invents nothing: a text without a phrase of the sets and without a known frame has no
paraphrase here.

>>> paraphrase("Generate ERD for the e-commerce system", Dice(1, "x"))
'I need you to produce ERD for the e-commerce system'
>>> paraphrase("Zeichne einen Laden", Dice(1, "x")) is None
True
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from components.dice import Dice
from components.protected_text import asks, parts

# each line is a set of phrases that may stand for each other wherever one stands
_SAME = """
i want to | i would like to | i'd like to
i want you to | i need you to | i would like you to
need to | have to
make sure | ensure
make sure that | ensure that
help me with | assist me with | give me a hand with
show me | let me see
tell me how | let me know how
tell me when | let me know when
tell me if | let me know if
give me the | provide me with the
give me a list of | provide me with a list of
in order to | so as to
for example | for instance
a lot of | lots of | plenty of
right now | at the moment | at this moment
as soon as possible | at the earliest
thanks | thank you
maybe | perhaps
big | large
quickly | rapidly
often | frequently
begin with | start with
look for | search for
because of | owing to
regarding | concerning
how do i | how can i
where can i find | where do i find
what's the | what is the
what's my | what is my
what's a | what is a
consisting of | made up of
as well as | and also
don't | do not
doesn't | does not
didn't | did not
can't | cannot
isn't | is not
aren't | are not
wasn't | was not
weren't | were not
won't | will not
haven't | have not
hasn't | has not
couldn't | could not
shouldn't | should not
wouldn't | would not
""".strip()
# phrases that may take one form, but not back: «do i have to» is not «do I've to»
_ONE_WAY = """
i'm | i am
i've | i have
i'll | i will
you're | you are
you've | you have
you'll | you will
we're | we are
we've | we have
we'll | we will
they're | they are
they've | they have
is able to | can
are able to | can
how do i | what is the way to
how can i | what is the way to
""".strip()
# at the start of a text alone: «what can i do» is not «what may i do»
_STARTS = """
can i | may i | could i
hi | hello
""".strip()
# verbs that ask for a piece of work, with others of the same sense
_VERBS = """
generate | create | produce
create | generate
draw | sketch
write
build | make
make
design
explain | describe
describe
summarize | sum up
summarise | sum up
compute | calculate
calculate | compute
find
implement | write
prepare | draw up
classify | categorize
convert
translate
add
remove
delete
cancel
give
tell
help
remind
provide
suggest
recommend
rewrite
compare
show
""".strip()
# verbs that are nouns as well («order status»): they ask when an object with its article or owner follows
_NOUNS_TOO = """
list | enumerate
display | show
sketch | draw
draft | write
book
order
play
set
update
change
fix
check
plan
sort
count
edit
call
turn
""".strip()
_OBJECT = r"(?=\s+(?:an?|the|my|me|your|our|all|this|that|these|those|some|it|its|his|her|their|each|every)\b)"
_FRAMES = (
    "{}",
    "Please {}",
    "Could you {}?",
    "Would you {}?",
    "Could you please {}?",
    "I would like you to {}",
    "I need you to {}",
)
_QUESTIONS = ("{}", "Can you tell me: {}", "I would like to know: {}", "Tell me, {}", "Quick question: {}")
_OLD_FRAME = re.compile(
    r"(?:please|(?:can|could|would|will) you(?: please| kindly)?|i (?:want|need|would like) you to|i'd like you to)\s+",
    re.IGNORECASE,
)
_QUESTION_START = re.compile(
    r"(?:what|how|where|when|why|who|which|is|are|do|does|did|can|could|should|will|would)\b", re.IGNORECASE
)
_ENGLISH = re.compile(
    r"\b(?:the|a|an|of|to|for|with|and|in|on|my|your|i|you|is|are|do|does|it|this|that|what|how|where|from|by|me)\b",
    re.IGNORECASE,
)


def _sets(table: str) -> list[list[str]]:
    return [[phrase.strip() for phrase in line.split("|")] for line in table.splitlines()]


def _others(*tables: str) -> dict[str, list[str]]:
    """For each phrase the ones that may take its place."""
    found: dict[str, list[str]] = {}
    for phrases in [phrases for table in tables for phrases in _sets(table)]:
        for phrase in phrases:
            own = found.setdefault(phrase, [])
            own += [other for other in phrases if other != phrase and other not in own]
    return found


def _any_of(phrases: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, phrases), key=len, reverse=True))


_OTHERS = _others(_SAME)
for _first, _second in _sets(_ONE_WAY):
    _OTHERS.setdefault(_first, []).append(_second)
_START_OTHERS = _others(_STARTS)
_VERB_OTHERS = {phrases[0]: phrases[1:] for phrases in _sets(_VERBS) + _sets(_NOUNS_TOO)}
# searched in small letters: with IGNORECASE every phrase is tried at every word, which takes four times as long
_PHRASES = re.compile(rf"\b(?<!['’-])(?:{_any_of(_OTHERS)})(?![\w'’-])")
_START = re.compile(rf"\s*({_any_of(_START_OTHERS)})(?![\w'’-])", re.IGNORECASE)
_VERB_START = re.compile(
    rf"(?:(?:{_any_of(phrases[0] for phrases in _sets(_VERBS))})(?=\s+\S)"
    rf"|(?:{_any_of(phrases[0] for phrases in _sets(_NOUNS_TOO))}){_OBJECT})",
    re.IGNORECASE,
)


def paraphrase(text: str, dice: Dice) -> str | None:
    """The text in other words; None where no rule fits."""
    reframed = _reframed(text, dice)
    said = _restarted(text, dice) if reframed is None else reframed
    said = "".join(_with_other_phrases(piece, dice) if free else piece for piece, free in parts(said))
    return said if said != text else None


def _restarted(text: str, dice: Dice) -> str:
    """The text with another of the phrases that only stand at the start."""
    found = _START.match(text)
    if not found:
        return text
    other = _as_cased(dice.one_of(_START_OTHERS[found[1].casefold()]), found[1])
    return text[: found.start(1)] + other + text[found.end(1) :]


def _with_other_phrases(text: str, dice: Dice) -> str:
    small = text.lower()
    if len(small) != len(text):  # «İ» becomes two letters
        return text
    said, place = [], 0
    for found in _PHRASES.finditer(small):
        start, end = found.span()
        if dice.chance(0.8):
            said += [text[place:start], _as_cased(dice.one_of(_OTHERS[found[0]]), text[start:end])]
            place = end
    return "".join([*said, text[place:]])


def _reframed(text: str, dice: Dice) -> str | None:
    """The request or question in another frame; None when it is neither, or not plainly English."""
    if "\n" in text.strip() or not _ENGLISH.search(text):
        return None
    start = text.lstrip()
    old = _OLD_FRAME.match(start)
    bare = start[old.end() :] if old else start
    verb = _VERB_START.match(bare)
    if verb or (old and bare):  # what follows «please» asks for something, known verb or not
        return _in_frame(bare, verb, dice, small=start[:1].islower(), asked=start.rstrip().endswith("?"))
    if old is None and asks(start) and _QUESTION_START.match(start) and not _several_sentences(start):
        frame = dice.one_of(_QUESTIONS)
        return None if frame == "{}" else _framed(frame, start, small=start[:1].islower())
    return None


def _in_frame(bare: str, verb: re.Match[str] | None, dice: Dice, *, small: bool, asked: bool) -> str | None:
    if _several_sentences(bare):
        frame = dice.one_of(_FRAMES[:2])  # a question mark at the end of the last sentence would ask something else
    else:
        frame = dice.one_of(_FRAMES)
    body = (bare if verb is None else _verb(verb[0], dice) + bare[verb.end() :]).rstrip()
    if frame.endswith("?") or asked:
        body = body.rstrip("?.! ")
    return _framed(frame, body, small=small)


def _verb(word: str, dice: Dice) -> str:
    others = _VERB_OTHERS[word.casefold()]
    return dice.one_of(others) if others and dice.chance(0.5) else word


def _framed(frame: str, body: str, *, small: bool) -> str:
    inside = frame != "{}"
    said = frame.replace("{}", body[:1].lower() + body[1:] if inside and _lowerable(body) else body)
    return (said[:1].lower() if small else said[:1].upper()) + said[1:]


def _lowerable(body: str) -> bool:
    """May its first letter be small inside a sentence? Not in «I», «ERD» or «Ada's»; known verbs and questions may."""
    return bool(_VERB_START.match(body) or _QUESTION_START.match(body))


def _several_sentences(text: str) -> bool:
    return re.search(r"[.!?]\s+\S", text) is not None


def _as_cased(phrase: str, like: str) -> str:
    """The phrase with the capitals of the one it replaces; the first person keeps its own."""
    said = re.sub(r"\bi\b", "I", phrase) if "I" in like.split() or "I'" in like else phrase
    return said[:1].upper() + said[1:] if like[:1].isupper() else said
