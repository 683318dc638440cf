"""What a line from a host may say: its shape, its limits, and what of it is private.

One decoding for the spool, the socket and the command line. It knows nothing of files, of the log, or of who sent it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from adaptd.errors import AdaptdError

Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Moment = Annotated[int, Meta(ge=0, le=253_402_300_799_999_999)]  # the end of the year 9999, in microseconds
Content = str | dict[str, Any] | list[Any]
Tags = dict[str, str] | list[str]

IMPLICIT = ("copy", "regenerate", "dwell", "silence")
FEEDBACK_TYPES = ("success", "partial", "corrected", "failure", "rejected", "other")  # as `says` tells them
MOST_LEVELS = 400  # of nesting: every reader of the log, at whatever depth of calls, must be able to read it again


class NotUsable(AdaptdError):
    """A line that was received cannot become an event; the text says why.

    `public` is the same without anything of the line itself: it may stand in the log, which cannot be erased.
    """

    def __init__(self, reason: str, public: str | None = None) -> None:
        super().__init__(reason)
        self.public = public or reason


class _Envelope(Struct, tag_field="kind", forbid_unknown_fields=True, omit_defaults=True, kw_only=True, gc=False):
    id: Identifier
    writer: Annotated[str, Meta(min_length=16, max_length=16)] | None = None
    n: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    at: Moment | None = None
    input: Content | None = None
    output: Content | None = None
    artifact_type: Identifier | None = None
    model: Identifier | None = None
    context: dict[str, Any] | None = None
    tags: Tags | None = None
    subject: Identifier | None = None
    episode: Identifier | None = None
    latency_ms: Annotated[float, Meta(ge=0)] | None = None
    propensity: Annotated[float, Meta(gt=0, le=1)] | None = None
    occurred_at: Moment | None = None


class OutputRecorded(_Envelope, tag="output_recorded/1"):
    """A model of the host produced an output."""

    output_id: None = None  # an output's own id is its id; the name is here so that both kinds can be asked alike


class FeedbackRecorded(_Envelope, tag="feedback_recorded/1"):
    """A judgement of an output."""

    output_id: Identifier | None = None
    score: Annotated[float, Meta(ge=0, le=100)] | None = None
    thumb: Literal["up", "down"] | None = None
    feedback_type: Identifier | None = None
    category: Identifier | None = None
    comment: str | None = None
    correction: Content | None = None
    verdict: Literal["better", "worse", "tie"] | None = None
    compared_with: Content | None = None
    compared_with_id: Identifier | None = None
    implicit: Literal["copy", "regenerate", "dwell", "silence"] | None = None
    amount: float | None = None
    retracts: Identifier | None = None
    supersedes: Identifier | None = None
    source: Literal["human", "llm_judge", "code"] | None = None
    rater: Identifier | None = None
    rationale: str | None = None


class Rejected(Struct, tag_field="kind", tag="rejected/1", forbid_unknown_fields=True, kw_only=True):
    """A call in the host whose values could not be used; the host sends it so that it is not lost."""

    id: str
    writer: str | None = None
    n: int | None = None
    at: int | None = None
    call: str
    field: str | None = None
    reason: str
    given: dict[str, str] = {}


_NFKC_AT_MOST = 4096  # characters: its time grows with the square of how many marks stand on one letter
_ASCII_SPACES = b" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"  # what str.split() takes for space
_FLAT = {str, int, float, bool, type(None)}
Recorded = OutputRecorded | FeedbackRecorded
_Line = OutputRecorded | FeedbackRecorded | Rejected
_REASON_AT_MOST = 2000  # characters
_TOO_DEEP = f"nested too deeply, expected at most {MOST_LEVELS} levels"
_decode: Callable[[bytes | str], _Line] = msgspec.json.Decoder(_Line).decode
_canonical = msgspec.json.Encoder(order="sorted").encode
to_json = msgspec.json.Encoder().encode

# What can name a person or hold what a person wrote: design §4. The subject itself is not kept in an event at all.
PRIVATE = (
    "input",
    "output",
    "context",
    "tags",
    "episode",
    "comment",
    "correction",
    "compared_with",
    "rater",
    "rationale",
)


def read_line(line: bytes | str) -> Recorded:
    """The event that a line holds; raises NotUsable with the reason otherwise."""
    try:
        event = _decode(line)
    except msgspec.ValidationError as error:
        reason = _explained(str(error))
        raise NotUsable(reason[:_REASON_AT_MOST], _without_the_line(reason)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotUsable(f"not one whole JSON object: {error}", "not one whole JSON object in UTF-8") from None
    except RecursionError:
        raise NotUsable(_TOO_DEEP) from None
    if len(line) > 2 * MOST_LEVELS and not _is_flat(event):  # a shorter line has no room for as many brackets
        _check_levels(event)
    return _checked(event)


def _is_flat(event: _Line) -> bool:
    """Nearly every event is texts and a flat context; to see that is ten times as quick as to count levels."""
    if type(event) is FeedbackRecorded:
        types = {type(event.output), type(event.input), type(event.correction), type(event.compared_with)}
    elif isinstance(event, Rejected):
        return True
    else:
        types = {type(event.output), type(event.input)}
    if event.context is not None:
        types.update(map(type, event.context.values()))
    return types <= _FLAT


def _checked(event: _Line) -> Recorded:
    if type(event) is FeedbackRecorded:
        _check_feedback(event)
    elif isinstance(event, Rejected):
        field = event.field if event.field in FeedbackRecorded.__struct_fields__ else "is none that there is"
        raise NotUsable(
            f"the host could not use it: {event.call}({event.field or '…'}): {event.reason}"[:_REASON_AT_MOST],
            f"the host could not use it: its field {field}",
        )
    elif event.output is None:
        raise NotUsable("output: missing, expected what the model produced (text, object or list)")
    _check_identifiers(event)
    return event


def _explained(problem: str) -> str:
    if "`kind`" in problem or "$.kind" in problem:
        expected = "expected kind output_recorded/1, feedback_recorded/1 or rejected/1"
        return f"{problem}; {expected}. A newer client? Upgrade the daemon."
    return problem


def _without_the_line(problem: str) -> str:
    """A reason that holds nothing of what was received: where msgspec quotes a name or a value, only the place."""
    if problem.startswith("Object contains unknown field"):
        return "a field that is not known here. A newer client? Upgrade the daemon."
    if problem.startswith("Invalid"):
        return "not one of the values expected - at `$" + problem.rpartition(" - at `$")[2]
    return problem


def _check_levels(event: _Line) -> None:
    names = ("input", "output", "context", "correction", "compared_with")
    level = [value for name in names if isinstance(value := getattr(event, name, None), dict | list)]
    for _ in range(MOST_LEVELS):
        if not level:
            return
        inner = (value for outer in level for value in (outer.values() if isinstance(outer, dict) else outer))
        level = [value for value in inner if isinstance(value, dict | list)]
    if level:
        raise NotUsable(_TOO_DEEP)


def _check_identifiers(event: Recorded) -> None:
    text = f"{event.id}{event.artifact_type or ''}{event.model or ''}{event.subject or ''}{event.episode or ''}"
    if type(event) is FeedbackRecorded:
        text += (
            f"{event.output_id or ''}{event.feedback_type or ''}{event.category or ''}{event.rater or ''}"
            f"{event.retracts or ''}{event.supersedes or ''}{event.compared_with_id or ''}"
        )
    if not text.isprintable():
        raise NotUsable("an identifier holds a control character, expected printable text of 1 to 200 characters")
    if event.writer is not None:
        writer_number(event.writer)


def _check_feedback(event: FeedbackRecorded) -> None:
    if event.output_id is None and event.output is None and event.retracts is None and event.supersedes is None:
        raise NotUsable("about nothing: expected output_id, or output, or retracts, or supersedes")
    if event.output_id is not None and event.output is not None:
        raise NotUsable("both output_id and output: expected one; an output is recorded once, and then named by its id")
    if (event.compared_with is not None or event.compared_with_id is not None) and event.verdict is None:
        raise NotUsable("compared_with without a verdict: expected verdict better, worse or tie")
    if event.verdict is not None and event.compared_with is None and event.compared_with_id is None:
        raise NotUsable(
            f"verdict {event.verdict}: expected compared_with or compared_with_id, the output it was compared with"
        )
    if event.retracts is not None and event.supersedes is not None:
        raise NotUsable("both retracts and supersedes: expected one of them")
    if not _says_something(event):
        raise NotUsable(
            "says nothing: expected at least one of score, thumb, feedback_type, category, comment, correction, "
            "verdict, implicit, retracts"
        )


def _says_something(event: FeedbackRecorded) -> bool:
    return (
        event.score is not None
        or event.thumb is not None
        or event.feedback_type is not None
        or event.category is not None
        or event.comment is not None
        or event.correction is not None
        or event.verdict is not None
        or event.implicit is not None
        or event.retracts is not None
    )


@lru_cache(maxsize=4096)  # a batch has few writers
def writer_number(writer: str) -> int:
    """The writer's sixteen hex characters as the signed 64-bit number that the log stores."""
    try:
        number = bytes.fromhex(writer)  # skips spaces, where int() skips signs, underscores and 0x
    except ValueError:
        number = b""
    if len(number) != 8:
        raise NotUsable(f"writer {writer!r}: expected 16 hexadecimal characters", "writer: expected 16 hex characters")
    return int.from_bytes(number, signed=True)


def says_of(event: Recorded) -> str | None:
    """What a feedback says, as a few words joined by +; None for an output."""
    if type(event) is not FeedbackRecorded:
        return None
    words = []
    if event.output is not None:
        words.append("output")
    if event.score is not None:
        words.append("score")
    if event.thumb is not None:
        words.append(event.thumb)
    if event.feedback_type is not None:
        words += ("type", type_word(event.feedback_type))
    if event.category is not None:
        words.append("category")
    if event.comment is not None:
        words.append("comment")
    if event.correction is not None:
        words.append("correction")
    if event.verdict is not None:
        words.append(event.verdict)
    if event.implicit is not None:
        words.append(event.implicit)
    if event.retracts is not None:
        words.append("retract")
    return "+".join(words)


def type_word(feedback_type: Any) -> str:
    """The word of `says` for a feedback type; "other" for one that says nothing of quality."""
    word = feedback_type.lower() if isinstance(feedback_type, str) else ""
    return word if word in FEEDBACK_TYPES else "other"


def same_received(one: bytes | str, other: bytes | str) -> bool:
    """Do two lines say the same, apart from the host's clock and counter?"""
    return canonical(read_line(one)) == canonical(read_line(other))


def canonical(event: Recorded) -> bytes:
    """The received fields in one spelling, without what a retry may change (client time, writer and counter)."""
    return _canonical(msgspec.structs.replace(event, at=None, n=None, writer=None))


def split_private(event: Recorded) -> tuple[dict[str, Any], dict[str, Any]]:
    """An event's fields in two: what anybody with the log may read, and what is sealed. The subject is in neither."""
    fields: dict[str, Any] = msgspec.to_builtins(event)
    fields.pop("subject", None)
    private = {name: fields.pop(name) for name in PRIVATE if name in fields}
    return fields, private


def normalised(content: Content) -> bytes:
    """An input as it counts for «the same input»: case, spacing and Unicode form do not matter."""
    if not isinstance(content, str):
        return _canonical(content)
    if content.isascii():
        return content.encode().lower().translate(None, _ASCII_SPACES)
    content = "".join(content.split())
    head, rest = content[:_NFKC_AT_MOST], content[_NFKC_AT_MOST:]
    head = "".join(unicodedata.normalize("NFKC", head).casefold().split())
    return (head + rest.casefold()).encode("utf-8", "replace")


def has_private(event: Recorded) -> bool:
    """Is there anything in it to seal?"""
    return any(getattr(event, name, None) is not None for name in PRIVATE)
