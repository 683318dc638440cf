r"""What an output of each kind of artifact must look like to be worth learning from.

One text at a time: is there anything, is it of its kind, was it cut off, does it say the same again and again, is it a
stock phrase. Kinds are `mermaid` (ERDs and other diagrams), `json`, `code`, `markdown` and `other`, which has the
general rules alone. A rule speaks only where it is sure: better to learn from a dull output than to lose a good one.

It does not judge whether an output is right, and knows nothing of other outputs: `quality_gates` does.

>>> fault("erDiagram\n  SHOP {\n    int id\n", kind_of("erd"))
('truncated', 'the bracket { is never closed')
>>> fault("Sure, here is your diagram!", kind_of("erd"))
('off_type', 'no Mermaid diagram begins in it')
"""

from __future__ import annotations

import ast
import json
import keyword
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from operator import eq

KINDS = ("mermaid", "json", "code", "markdown", "other")
GATES = ("empty", "off_type", "truncated", "repetitive", "stock_phrase")
_WORDS_OF_KINDS = {
    "mermaid": {"erd", "er", "mermaid", "diagram", "flowchart", "sequence", "gantt"},
    "json": {"json", "openapi", "jsonschema"},
    "code": {"code", "python", "javascript", "typescript", "java", "sql", "script", "program"},
    "markdown": {"markdown", "architecture", "documentation", "docs", "readme", "report", "adr"},
}
_LONGEST_READ = 200_000  # characters: enough of a text of a megabyte to tell

Fault = tuple[str, str]  # the gate, and the reason in words

_FENCE = re.compile(
    r"^ {0,3}(?:```|~~~)[ \t]*([\w+-]*)[^\n`]*\n(.*?)^ {0,3}(?:```|~~~)[ \t]*$", re.MULTILINE | re.DOTALL
)
_FENCE_LINE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_DIAGRAM = re.compile(
    r"^\s*(?:erDiagram|flowchart|graph|sequenceDiagram|classDiagram(?:-v2)?|stateDiagram(?:-v2)?|gantt|pie|journey|"
    r"mindmap|timeline|gitGraph|requirementDiagram|quadrantChart|C4\w+|architecture-beta|block-beta)\b",
    re.MULTILINE,
)
_ERD = re.compile(r"^\s*erDiagram\b", re.MULTILINE)
_NOTHING = re.compile(r"n/?a|null|nil|nan|undefined|todo|tbd|fixme|placeholder|\[\]|\{\}|-+", re.IGNORECASE)
_STOCK = re.compile(
    r"\bas an? (?:\w+ ){0,2}(?:ai|language model|artificial intelligence)\b(?: language model| assistant)?|"
    r"\bi(?:'m| am)(?: really| very| so)? sorry,? but i (?:can(?:no|')t|am unable|am not able)|"
    r"\blorem ipsum\b|"
    r"\[(?:insert|your|enter|placeholder) [^\]\n]{1,60}\](?!\()|"
    r"<(?:insert|your|placeholder)[ _-][^>\n]{0,60}>|"
    r"\b(?:your|insert) (?:content|text|code|answer) (?:goes )?here\b",
    re.IGNORECASE,
)
# one of these stands in whatever _STOCK finds: to look for ten texts is a tenth of the work of looking for it
_IN_STOCK = (
    "as a",
    "sorry",
    "lorem",
    "[",
    "<",
    *(f"{word} here" for word in ("content", "text", "code", "answer", "goes")),
)
# words that end no sentence; «of», «for», «on» and their like end many that people type
_DANGLING = re.compile(r"(?:an?|the|and|or|because|than|their|its|our|your|my|if|der|die|und|oder)", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_FIVE_TIMES = b"\1" * 5  # the next word is the same
_SAME_SIGN = re.compile(r"([^\s=*#_.|+-])\1{39,}")
_SAME_PIECE = re.compile(r"([^\s=*#_.|+-]{2,12}?)\1{19,}")
_SAME_WORD = re.compile(r"\b([^\W\d_]+)(?:\s+\1\b){5,}", re.IGNORECASE)
_SAME_WORD_IN_PROSE = re.compile(r"\b([^\W\d_]+)(?:\W+\1\b){5,}", re.IGNORECASE)
_CODE_SIGNS = re.compile(
    r"^\s*(?:def |class |import |from \w[\w.]* import|#include|package |using |public |private |function\b|const |let |"
    r"var |fn |func |if ?\(|for ?\(|while ?\(|return\b|select\b|create\b|insert\b|update\b|with\b.*\bas\b|@\w+|</?\w+|"
    r"#!|\w[\w.\[\]]* ?[-+*/]?= ?\S|[\w.]+\(.*\)[;:]?$|[\])]+[;,]?$|.*[{};]$)",
    re.IGNORECASE,
)
_QUOTED = r'"(?:\\.|[^"\\\n])*"'
_NO_BRACKETS_IN_MERMAID = re.compile(_QUOTED + r"|%%.*$|[|}][|o][.-]{2}[|o][|{]", re.MULTILINE)
_NO_BRACKETS_IN_CODE = re.compile(_QUOTED + r"|'(?:\\.|[^'\\\n])*'|//.*$|(?:^|\s)(?:#|--)\s.*$", re.MULTILINE)
_OPENERS = {"(": ")", "[": "]", "{": "}"}
_TWO_WORDS = re.compile(r"\s*([^\W\d]\w*)[ \t]+([^\W\d]\w*)")
_KEYWORDS = {*keyword.kwlist, *keyword.softkwlist}
_CUT_IN_PYTHON = ("was never closed", "unterminated", "unexpected EOF", "expected an indented block")


def kind_of(artifact_type: str, kinds: Mapping[str, str] | None = None) -> str:
    """The kind whose rules an artifact type has: as given, by a word of its name, or `other`."""
    if kinds and artifact_type in kinds:
        return kinds[artifact_type]
    words = set(re.split(r"[^a-z]+", artifact_type.casefold()))
    return next((kind for kind, names in _WORDS_OF_KINDS.items() if words & names), "other")


def fault(text: str, kind: str) -> Fault | None:
    """The first gate that the text does not pass, with the reason; None when it passes all."""
    read = text[:_LONGEST_READ]
    whole = len(text) <= _LONGEST_READ
    return (
        _empty(read)
        or _stock_phrase(read)
        or _repetitive(read, kind)
        or _off_type(read, kind, whole=whole)
        or (_truncated(read, kind) if whole else None)
    )


def body(text: str, words: tuple[str, ...] = ()) -> str:
    """What stands inside the first fence (of those languages, when some are named); the text itself without one."""
    fences = _FENCE.findall(text)
    inside = [content for language, content in fences if not words or language.casefold() in words]
    return str(inside[0] if inside else fences[0][1] if fences else text)


def _empty(text: str) -> Fault | None:
    bare = text.strip(" \t\r\n`~.!\"'\u200b\ufeff")
    if not bare:
        return "empty", "there is nothing in it"
    if _NOTHING.fullmatch(bare):
        return "empty", f"«{bare}» stands for nothing"
    fenced = _FENCE.fullmatch(text.strip())
    return ("empty", "there is nothing between its fences") if fenced and not fenced[2].strip() else None


def _stock_phrase(text: str) -> Fault | None:
    folded = text.casefold()
    found = _STOCK.search(text) if any(sign in folded for sign in _IN_STOCK) else None
    return ("stock_phrase", f"it says «{found[0].strip()}»") if found else None


def _repetitive(text: str, kind: str) -> Fault | None:
    prose = kind in ("markdown", "other")
    run = _same_signs(text)
    if run:
        return "repetitive", f"«{run[0][:12]}…» goes on for {len(run[0])} characters"
    words = _WORD.findall(text.casefold())
    again = (_SAME_WORD_IN_PROSE if prose else _SAME_WORD).search(text) if _may_say_again(text, words) else None
    if again:
        return "repetitive", f"«{again[1]}» stands {len(_WORD.findall(again[0]))} times in a row"
    line, times, lines = _most_common_line(text)
    if times >= 5 and times > 0.4 * lines:
        return "repetitive", f"the line «{line[:40]}» stands {times} times in {lines}"
    if len(words) < 24:
        return None
    different = len(set(zip(words, words[1:], words[2:], words[3:], strict=False)))
    share = 1 - different / (len(words) - 3)
    if prose and share > 0.5:
        return "repetitive", f"{share:.0%} of its runs of four words were said before"
    times = _times_in_a_row(words) if share > 0.1 else 0
    return ("repetitive", f"a few words stand {times} times in a row") if times >= 8 else None


def _same_signs(text: str) -> re.Match[str] | None:
    long_words = [word for word in text.split() if len(word) >= 40]
    if not long_words:
        return None
    together = " ".join(long_words)
    return _SAME_SIGN.search(together) or _SAME_PIECE.search(together)


def _may_say_again(text: str, words: list[str]) -> bool:
    """Whether a word stands six times in a row; where none does, no pattern need be tried at each place of the text.

    Cases as the pattern folds them: single letters, of which alone «İ» is not folded so by `casefold`.
    """
    if not text.isascii():
        words = [word.casefold() for word in _WORD.findall(text)]
    return _FIVE_TIMES in bytes(map(eq, words, words[1:])) or "İ" in text


def _most_common_line(text: str) -> tuple[str, int, int]:
    """The line that stands there most often, how often, and of how many; lines of less than three words are none."""
    lines = text.splitlines()
    if len(lines) < 6:
        return "", 0, 0
    lines = [line.strip() for line in lines if len(_WORD.findall(line)) >= 3]
    return (*Counter(lines).most_common(1)[0], len(lines)) if len(lines) >= 6 else ("", 0, 0)


def _times_in_a_row(words: list[str]) -> int:
    """How often the same two to five words, not figures alone, follow each other at most."""
    most = 0
    for length in range(2, 6):
        run = 0
        for word, later in zip(words, words[length:], strict=False):
            run = run + 1 if word == later and not word.isdigit() else 0
            most = max(most, run // length + 1)
    return most


def _off_type(text: str, kind: str, *, whole: bool) -> Fault | None:
    if kind == "mermaid" and not _DIAGRAM.search(text):
        return "off_type", "no Mermaid diagram begins in it"
    if kind == "mermaid":
        return _empty_diagram(text)
    if kind == "json" and whole:
        return _json_fault(body(text, ("json",)))
    if kind == "code" and not _FENCE_LINE.search(text):
        lines = [line for line in text.splitlines() if line.strip()]
        if not any(_CODE_SIGNS.match(line) for line in lines) and not _parses(text):
            return "off_type", "no line of it looks like code"
    if kind == "markdown" and len(_WORD.findall(text)) < 8:
        return "off_type", f"{len(_WORD.findall(text))} words are no document"
    return None


def _empty_diagram(text: str) -> Fault | None:
    start = _DIAGRAM.search(text)
    assert start is not None
    rest = re.sub(r"^\s*(?:%%|```|~~~).*$", "", text[start.end() :], flags=re.MULTILINE)
    inside = rest if _ERD.match(start[0]) else " ".join(re.split(r"[\n;]", rest)[1:])  # «graph TD» alone is empty
    return None if _WORD.search(inside) else ("empty", f"«{start[0].strip()}» has nothing in it")


def _json_fault(text: str) -> Fault | None:
    bare = text.strip()
    try:
        value = json.loads(bare)
    except RecursionError:
        return "off_type", "it is nested too deeply to be read"
    except ValueError as error:
        if bare[:1] not in ("{", "["):
            return "off_type", "it does not begin as an object or an array"
        place = getattr(error, "pos", 0)
        if place >= len(bare) - 1 or "Unterminated string" in str(error) or _left_open(bare, "json"):
            return "truncated", f"it ends inside JSON that began ({error})"
        return "off_type", f"it is no JSON ({error})"
    if not isinstance(value, dict | list):
        return "off_type", f"a {type(value).__name__} is no object or array"
    return None if value else ("empty", "the object or array has nothing in it")


def _truncated(text: str, kind: str) -> Fault | None:
    if ("```" in text or "~~~" in text) and len(_FENCE_LINE.findall(text)) % 2:
        return "truncated", "a fence is opened and never closed"
    if kind in ("mermaid", "code"):
        return _cut_code(body(text, ("mermaid",) if kind == "mermaid" else ()), kind)
    return _cut_prose(text) if kind in ("markdown", "other") else None


def _cut_code(text: str, kind: str) -> Fault | None:
    if kind == "code":
        error = _python_error(text)
        if error is None and _does_something(text):
            return None
        if (
            error
            and any(words in error for words in _CUT_IN_PYTHON)
            and re.search(r"^\s*(?:def|class) .*:", text, re.MULTILINE)
        ):
            return "truncated", f"it ends inside Python that began ({error})"
    left = _left_open(text, kind)
    if len(left) == 1:
        return "truncated", f"the bracket {left[0]} is never closed"
    return ("truncated", f"{len(left)} brackets are never closed, the first is {left[0]}") if left else None


def _cut_prose(text: str) -> Fault | None:
    end = text.rstrip()
    if end.endswith((",", "(", "[", "{", " -", " –", "\\")):
        return "truncated", f"it ends with «{end[-1]}»"
    words = _WORD.findall(end.rsplit(None, 1)[-1]) if end[-1:].isalnum() else []
    if words and _DANGLING.fullmatch(words[-1]) and len(_WORD.findall(text)) >= 6:
        return "truncated", f"it ends with «{words[-1]}»"
    return None


def _left_open(text: str, kind: str) -> list[str]:
    """The brackets that nothing closes, outside of quotes, comments and the feet of crows in ERDs."""
    bare = (_NO_BRACKETS_IN_MERMAID if kind == "mermaid" else _NO_BRACKETS_IN_CODE).sub(" ", text)
    open_ones: list[str] = []
    for sign in re.findall(r"[()\[\]{}]", bare):
        if sign in _OPENERS:
            open_ones.append(sign)
        elif open_ones and _OPENERS[open_ones[-1]] == sign:
            open_ones.pop()
    return open_ones


def _parses(text: str) -> bool:
    """Is it Python that does something? Two words in a row begin none, unless Python knows one: so most prose ends."""
    begin = _TWO_WORDS.match(text)
    if begin is not None and _KEYWORDS.isdisjoint(begin.groups()):
        return False
    return _python_error(text) is None and _does_something(text)


def _does_something(python: str) -> bool:
    """«Sure» and «see, above» parse as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(python)
    return any(not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in tree.body)


def _python_error(text: str) -> str | None:
    """Why it is no Python; None when it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SyntaxWarning: odd escapes are no concern of ours
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return str(error)
    return None
