"""What a call may say: every field of an event with the values it may have, and the records that travel.

It checks and turns values into their wire form; it writes nothing.
"""

from __future__ import annotations

from adaptd.plain_values import Unusable, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, ClassVar

LONGEST_IDENTIFIER = 200
LAST_SECOND = 253_402_300_799  # the year 9999 ends


class FeedbackType(str):
    """How an output fared, as text: `FeedbackType.SUCCESS == "success"`.

    The V2 document names only SUCCESS; FAILURE, PARTIAL, CORRECTED and REJECTED are adaptd's own. Any other text of at
    most 200 printable characters may be recorded as well: `FeedbackType("needs_review")`.
    """

    __slots__ = ()

    SUCCESS: ClassVar[FeedbackType]
    FAILURE: ClassVar[FeedbackType]
    PARTIAL: ClassVar[FeedbackType]
    CORRECTED: ClassVar[FeedbackType]
    REJECTED: ClassVar[FeedbackType]

    @property
    def value(self) -> str:
        return str(self)

    @property
    def name(self) -> str:
        return self.upper()

    def __repr__(self) -> str:
        return f"FeedbackType({str(self)!r})"


for _type in ("success", "failure", "partial", "corrected", "rejected"):
    setattr(FeedbackType, _type.upper(), FeedbackType(_type))


class Feedback:
    """One feedback as a record, for `record_feedback_many`: the arguments of `record_feedback`, frozen.

    >>> Feedback(output_id="a1", score=85).score
    85
    """

    __slots__ = ("_given",)
    _given: dict[str, Any]

    def __init__(self, **given: Any) -> None:
        object.__setattr__(self, "_given", given)

    def __getattr__(self, name: str) -> Any:
        if name in FEEDBACK_RULES or name in FEEDBACK_ALIASES:
            return self._given.get(name)
        raise AttributeError(f"Feedback has no field {name!r}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Feedback is frozen: make a new one with {name}={value!r}")

    def keys(self) -> Iterator[str]:
        return iter(self._given)

    def __getitem__(self, name: str) -> Any:
        return self._given[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Feedback) and self._given == other._given

    __hash__ = None  # type: ignore[assignment]  # its context is a dict

    def __reduce__(self) -> tuple[Any, ...]:
        return _feedback_of, (self._given,)

    def __repr__(self) -> str:
        return f"Feedback({', '.join(f'{name}={value!r}' for name, value in self._given.items())})"


def _feedback_of(given: dict[str, Any]) -> Feedback:
    return Feedback(**given)


def identifier(value: Any) -> str:
    """Return 1 to 200 printable characters; a whole number is taken as its digits."""
    if type(value) is str:
        if 0 < len(value) <= LONGEST_IDENTIFIER and value.isprintable():
            return value
        raise Unusable(_identifier_wanted(), found=_what_is_wrong(value))
    if isinstance(value, str):
        return identifier(str.__str__(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return identifier(str(value))
    return identifier(_plain_text(value, _identifier_wanted()))


def _identifier_wanted() -> str:
    return f"1 to {LONGEST_IDENTIFIER} printable characters"


def _what_is_wrong(value: str) -> str:
    if not value:
        return "an empty text"
    return f"{len(value)} characters" if len(value) > LONGEST_IDENTIFIER else "one that is not printable"


def _plain_text(value: Any, wanted: str) -> str:
    """Return the text that a UUID, a path or a member of an Enum stands for."""
    try:
        text = plain(value)
    except TypeError:
        raise Unusable(wanted, found=f"a {type(value).__name__}") from None
    if not isinstance(text, str):
        raise Unusable(wanted, found=f"a {type(value).__name__}")
    return text


def words(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise Unusable("a text", found=f"a {type(value).__name__}")


def content(value: Any) -> Any:
    """Return a text, object or array: what an input, an output or a correction may be."""
    if isinstance(value, (str, dict, list, tuple)):
        return value
    wanted = "a text, an object (dict) or an array (list)"
    try:
        nearer = plain(value)
    except TypeError:
        nearer = None
    if isinstance(nearer, (str, dict, list, tuple)):
        return nearer
    raise Unusable(wanted, found=f"a {type(value).__name__}")


def context_object(value: Any) -> Any:
    nearer = value if isinstance(value, dict) else content(value)
    if isinstance(nearer, dict):
        return nearer
    raise Unusable("an object (dict)", found=f"a {type(value).__name__}")


def labels(value: Any) -> Any:
    """Return tags: an array of texts, or an object of texts; whole numbers become their digits."""
    wanted = 'texts: ["a", "b"] or {"name": "value"}'
    if isinstance(value, str) or not isinstance(value, (dict, list, tuple, set, frozenset)):
        raise Unusable(wanted, found=f"a {type(value).__name__}")
    if isinstance(value, dict):
        return {_label(key, wanted): _label(part, wanted) for key, part in value.items()}
    return [_label(part, wanted) for part in (plain(value) if isinstance(value, (set, frozenset)) else value)]


def _label(part: Any, wanted: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, int) and not isinstance(part, bool):
        return str(part)
    raise Unusable(wanted, found=f"a {type(part).__name__} among them")


def score_of_100(value: Any) -> float:
    if (type(value) is float or type(value) is int) and 0 <= value <= 100:
        return value
    number = _number(value, "a number from 0 to 100")
    if 0 <= number <= 100:
        return number
    raise Unusable("a number from 0 to 100")


def _number(value: Any, wanted: str) -> float:
    """Return a finite int or float; numpy's scalars and Decimal are taken by their __float__."""
    if isinstance(value, bool) or not hasattr(type(value), "__float__"):
        raise Unusable(wanted, found=f"a {type(value).__name__}")
    try:
        number = int(value) if isinstance(value, int) else float(value)
    except Exception:  # noqa: BLE001 - the host's own __float__ may raise anything
        raise Unusable(wanted, found=f"a {type(value).__name__} that is no single number") from None
    if number - number != 0:  # only NaN and the infinities
        raise Unusable(wanted, found=repr(number))
    return number


def not_negative(value: Any) -> float:
    wanted = "a finite number of at least 0"
    number = _number(value, wanted)
    if number < 0:
        raise Unusable(wanted)
    return number


def propensity_share(value: Any) -> float:
    wanted = "a probability above 0 and at most 1"
    number = _number(value, wanted)
    if 0 < number <= 1:
        return number
    raise Unusable(wanted)


def one_of(*choices: str) -> Callable[[Any], str]:
    """Return a rule that lets these texts through, and members of an Enum that stand for them."""
    wanted = "one of " + ", ".join(repr(choice) for choice in choices)

    def rule(value: Any) -> str:
        text = str.__str__(value) if isinstance(value, str) else _plain_text(value, wanted)
        if text in choices:
            return text
        raise Unusable(wanted)

    return rule


def thumb_up_or_down(value: Any) -> str:
    if value is True or value == "up":
        return "up"
    if value is False or value == "down":
        return "down"
    raise Unusable("'up', 'down', True or False")


def feedback_type(value: Any) -> str:
    """Return the text of a FeedbackType, of any Enum's member, or the text itself."""
    if isinstance(getattr(value, "value", None), int) and isinstance(getattr(value, "name", None), str):
        return identifier(value.name.lower())
    return identifier(value)


def microseconds(value: Any) -> int:
    """Return microseconds since 1970 for a datetime that knows its zone, or for unix seconds."""
    wanted = "a datetime with a time zone, or unix seconds since 1970"
    if hasattr(type(value), "utcoffset") and hasattr(type(value), "timestamp"):
        if value.utcoffset() is None:
            raise Unusable(wanted, found="a datetime without a time zone: add tzinfo=timezone.utc or .astimezone()")
        value = value.timestamp()
    seconds = _number(value, wanted)
    if 0 <= seconds <= LAST_SECOND:
        return round(seconds * 1_000_000)
    raise Unusable(f"{wanted} (0 to {LAST_SECOND})")


OUTPUT_RULES: dict[str, Callable[[Any], Any]] = {
    "input": content,
    "output": content,
    "artifact_type": identifier,
    "model": identifier,
    "context": context_object,
    "tags": labels,
    "subject": identifier,
    "episode": identifier,
    "latency_ms": not_negative,
    "propensity": propensity_share,
    "occurred_at": microseconds,
}

FEEDBACK_RULES: dict[str, Callable[[Any], Any]] = {
    "output_id": identifier,
    "input": content,
    "output": content,
    "artifact_type": identifier,
    "model": identifier,
    "latency_ms": not_negative,
    "propensity": propensity_share,
    "score": score_of_100,
    "thumb": thumb_up_or_down,
    "feedback_type": feedback_type,
    "category": identifier,
    "comment": words,
    "correction": content,
    "verdict": one_of("better", "worse", "tie"),
    "compared_with": content,
    "compared_with_id": identifier,
    "implicit": one_of("copy", "regenerate", "dwell", "silence"),
    "amount": not_negative,
    "retracts": identifier,
    "supersedes": identifier,
    "source": one_of("human", "llm_judge", "code"),
    "rater": identifier,
    "rationale": words,
    "subject": identifier,
    "episode": identifier,
    "tags": labels,
    "context": context_object,
    "occurred_at": microseconds,
}

# the names of the V2 document, which mean the same
FEEDBACK_ALIASES = {"input_data": "input", "ai_output": "output", "model_used": "model", "validation_score": "score"}

_SAYS = ("score", "thumb", "feedback_type", "category", "comment", "correction", "verdict", "implicit", "retracts")
_ABOUT = ("output_id", "output", "retracts", "supersedes")
_V2_NAMES, _SAYS_SOMETHING, _IS_ABOUT = frozenset(FEEDBACK_ALIASES), frozenset(_SAYS), frozenset(_ABOUT)


def output_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Return the wire fields of an output; raises Unusable (its `place` begins with the argument's name)."""
    fields = _checked(given, OUTPUT_RULES)
    if "output" not in fields:
        raise Unusable("what the model put out", found="nothing", place="output")
    return fields


def feedback_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Return the wire fields of a feedback; raises Unusable (its `place` begins with the argument's name)."""
    if not _V2_NAMES.isdisjoint(given):
        given = _in_new_names(given)
    fields = _checked(given, FEEDBACK_RULES)
    if _SAYS_SOMETHING.isdisjoint(fields):
        raise Unusable(f"at least one of {', '.join(_SAYS)}", found="a feedback that says nothing", place="score")
    if _IS_ABOUT.isdisjoint(fields):
        raise Unusable(f"one of {', '.join(_ABOUT)}", found="a feedback about nothing", place="output_id")
    if "verdict" in fields and "compared_with" not in fields and "compared_with_id" not in fields:
        raise Unusable("what the output was compared with", found="a verdict alone", place="compared_with")
    if "verdict" not in fields and ("compared_with" in fields or "compared_with_id" in fields):
        raise Unusable("better, worse or tie", found="a comparison without one", place="verdict")
    if "output_id" in fields and "output" in fields:
        raise Unusable("an output, or the output_id of one that was recorded", found="both", place="output_id")
    if "retracts" in fields and "supersedes" in fields:
        raise Unusable("one of retracts and supersedes", found="both", place="retracts")
    return fields


def _checked(given: dict[str, Any], rules: dict[str, Callable[[Any], Any]]) -> dict[str, Any]:
    fields = {}
    name = ""
    try:
        for name, value in given.items():
            if value is not None:
                fields[name] = rules[name](value)
    except Unusable as unusable:
        unusable.place = name + unusable.place
        raise
    except KeyError:
        wanted = f"an argument among {', '.join(rules)}"
        raise Unusable(wanted, found="one that adaptd does not know", place=name) from None
    return fields


def _in_new_names(given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with the V2 names turned into the newer ones, in the order of the wire."""
    renamed = {name: value for name, value in given.items() if name not in FEEDBACK_ALIASES and value is not None}
    for alias, name in FEEDBACK_ALIASES.items():
        value = given.get(alias)
        if value is None:
            continue
        if name in renamed and renamed[name] != value:
            raise Unusable(f"the same value as {name}, of which it is the V2 name", place=alias)
        renamed[name] = value
    order = [name for name in FEEDBACK_RULES if name in renamed]
    return {name: renamed.pop(name) for name in order} | renamed
