"""One call of the host becomes one event; whatever goes wrong is counted and told, and the host goes on."""

from __future__ import annotations

from time import time_ns

from adaptd.complaints import complaints
from adaptd.destination import here, open_sink
from adaptd.errors import AdaptdError, LineTooLong, NotRecorded, ValueNotRecorded
from adaptd.event_ids import new_id
from adaptd.json_text import quote
from adaptd.plain_values import Unusable, body_of
from adaptd.records import FEEDBACK_ALIASES, feedback_fields, identifier, output_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Literal, SupportsFloat, TypeAlias, TypeVar

    from adaptd.destination import Sink
    from adaptd.records import Feedback

    Content: TypeAlias = str | Mapping[str, Any] | list[Any] | tuple[Any, ...] | os.PathLike[str] | object
    Identifier: TypeAlias = str | int | object
    Number: TypeAlias = float | SupportsFloat
    Tags: TypeAlias = Mapping[str, str | int] | Iterable[str | int]
    Moment: TypeAlias = dt.datetime | float
    Declared = TypeVar("Declared", bound=Callable[..., str | None])

MOST_BYTES_AT_ONCE = 64 * 1024
LONGEST_REPR = 2000


def _recording(
    kind: str, fields_of: Callable[[dict[str, Any]], dict[str, Any]], *positional: str
) -> Callable[[Declared], Declared]:
    """Turn a declaration (signature and docstring) into the function that records such events.

    The function itself takes any arguments: it sees the given ones only, which is twice as fast as going through forty
    defaults, and an argument that does not exist is one more value that cannot be used.
    """

    def recording(declaration: Declared) -> Declared:
        call = declaration.__name__

        def record(*values: Any, **given: Any) -> str | None:
            event_id = None
            strict = given.pop("strict", None)
            try:
                sink = here.sink or open_sink()
                if sink is None:
                    return None
                if values:
                    given = _by_name(values, positional, given)
                durable = given.pop("durable", None)
                event_id = given.pop("id", None)
                body = body_of(fields_of(given))
                at = time_ns() // 1000
                if event_id is None:
                    event_id = new_id(at)
                    quoted_id = f'"{event_id}"'
                else:
                    event_id = _own_id(event_id)
                    quoted_id = quote(event_id)
                sink.put(kind, quoted_id, at, body, durable=here.wishes.durable if durable is None else durable)
                return event_id
            except Exception as trouble:  # noqa: BLE001 - the edge: nothing of ours may break the host
                _not_recorded(call, given | {"id": event_id}, trouble, strict=strict)
                return None

        record.__name__ = record.__qualname__ = call
        record.__module__, record.__doc__ = declaration.__module__, declaration.__doc__
        record.__annotations__ = declaration.__annotations__
        record.__wrapped__ = declaration  # type: ignore[attr-defined] # where inspect finds the signature
        return record  # type: ignore[return-value]

    return recording


def _by_name(values: tuple[Any, ...], names: tuple[str, ...], given: dict[str, Any]) -> dict[str, Any]:
    if len(values) > len(names):
        wanted = f"at most {len(names)} arguments without a name" if names else "every argument by its name"
        raise Unusable(wanted, found=f"{len(values)} without", place="arguments")
    return dict(zip(names, values, strict=False)) | given


@_recording("output_recorded/1", output_fields, "input", "output")
def record_output(
    input: Content | None,  # noqa: A002 - the wire's own name
    output: Content,
    *,
    artifact_type: Identifier | None = None,
    model: Identifier | None = None,
    context: Mapping[str, Any] | object | None = None,
    tags: Tags | None = None,
    subject: Identifier | None = None,
    episode: Identifier | None = None,
    latency_ms: Number | None = None,
    propensity: Number | None = None,
    occurred_at: Moment | None = None,
    id: Identifier | None = None,  # noqa: A002 - the wire's own name
    durable: bool | None = None,
    strict: bool | None = None,
) -> str | None:
    """Record what a model put out; return its id, to which feedback refers, or None when it was not recorded.

    `latency_ms` how long it took; `propensity` the probability with which this output was chosen; `occurred_at` a
    datetime with a zone or unix seconds; `durable` waits for the disk; `strict` raises NotRecorded instead of None.
    """
    raise NotImplementedError  # the decorator's


@_recording("feedback_recorded/1", feedback_fields)
def record_feedback(
    *,
    output_id: Identifier | None = None,
    input: Content | None = None,  # noqa: A002 - the wire's own name
    output: Content | None = None,
    artifact_type: Identifier | None = None,
    model: Identifier | None = None,
    latency_ms: Number | None = None,
    propensity: Number | None = None,
    score: Number | None = None,
    thumb: bool | Literal["up", "down"] | None = None,
    feedback_type: str | object | None = None,
    category: Identifier | None = None,
    comment: str | None = None,
    correction: Content | None = None,
    verdict: Literal["better", "worse", "tie"] | None = None,
    compared_with: Content | None = None,
    compared_with_id: Identifier | None = None,
    implicit: Literal["copy", "regenerate", "dwell", "silence"] | None = None,
    amount: Number | None = None,
    retracts: Identifier | None = None,
    supersedes: Identifier | None = None,
    source: Literal["human", "llm_judge", "code"] | None = None,
    rater: Identifier | None = None,
    rationale: str | None = None,
    subject: Identifier | None = None,
    episode: Identifier | None = None,
    tags: Tags | None = None,
    context: Mapping[str, Any] | object | None = None,
    occurred_at: Moment | None = None,
    id: Identifier | None = None,  # noqa: A002 - the wire's own name
    input_data: Content | None = None,
    ai_output: Content | None = None,
    model_used: Identifier | None = None,
    validation_score: Number | None = None,
    durable: bool | None = None,
    strict: bool | None = None,
) -> str | None:
    """Record a judgement of an output; return the event's id, or None when it was not recorded.

    It is about `output_id`, or about the `output` given with it (then the returned id is the output's too). It says a
    `score` of 0 to 100, a `thumb`, a `feedback_type`, a `category`, a `comment`, a `correction`, a `verdict` against
    `compared_with`, something `implicit`, or `retracts` an earlier event. `input_data`, `ai_output`, `model_used` and
    `validation_score` are the V2 names of input, output, model and score.
    """
    raise NotImplementedError  # the decorator's


def retract(event_id: Identifier, **more: Any) -> str | None:
    """Take an earlier event back; `more` may say who and why, as in record_feedback."""
    return record_feedback(retracts=event_id, **more)


async def arecord_feedback(**given: Any) -> str | None:
    """Record a judgement as record_feedback does, without holding up the event loop while the disk is waited for."""
    wishes = here.wishes
    durable = given.get("durable")
    if not (wishes.socket or (wishes.durable if durable is None else durable)):
        return record_feedback(**given)
    from asyncio import to_thread

    return await to_thread(record_feedback, **given)


def _own_id(value: Any) -> str:
    try:
        return identifier(value)
    except Unusable as unusable:
        unusable.place = "id"
        raise


def record_feedback_many(
    items: Iterable[Mapping[str, Any] | Feedback], *, durable: bool | None = None, strict: bool | None = None
) -> list[str | None]:
    """Record many feedbacks by few writes and at most one flush; return an id, or None, for each, in their order.

    An item that cannot be used does not stop the others, unless `strict`: then those before it are recorded.
    """
    many = _Many(strict=strict)
    try:
        try:
            for item in items:
                many.take(item)
        finally:
            many.write()
    except NotRecorded:
        raise
    except Exception as trouble:  # noqa: BLE001 - the host's iterator ended early: what came before it is recorded
        _not_recorded("record_feedback_many", {}, trouble, strict=strict)
    many.flush(durable=here.wishes.durable if durable is None else durable)
    return many.ids


class _Many:
    """A batch on its way: the ids so far, and what is not written yet."""

    def __init__(self, *, strict: bool | None) -> None:
        self.ids: list[str | None] = []
        self._strict = strict
        self._sink: Sink | None = None
        self._waiting: list[tuple[str, int, bytes]] = []
        self._places: list[int] = []  # of the waiting ones in `ids`
        self._size = 0

    def take(self, item: Mapping[str, Any] | Feedback) -> None:
        self.ids.append(None)
        given: dict[str, Any] = {}
        try:
            self._sink = here.sink or open_sink()
            if self._sink is None:
                return
            given = {name: item[name] for name in item.keys()}  # noqa: SIM118 - a Feedback does not iterate
            event_id = given.pop("id", None)
            body = body_of(feedback_fields(given))
            at = time_ns() // 1000
            event_id = new_id(at) if event_id is None else _own_id(event_id)
            if self._size + len(body) > MOST_BYTES_AT_ONCE:
                self.write()
            self.ids[-1] = event_id
            self._waiting.append((quote(event_id), at, body))
            self._places.append(len(self.ids) - 1)
            self._size += len(body) + 200
        except NotRecorded:
            raise
        except Exception as trouble:  # noqa: BLE001 - the edge: one bad item does not stop the others
            _not_recorded("record_feedback_many", given, trouble, strict=self._strict)

    def write(self) -> None:
        waiting, places, self._waiting, self._places, self._size = self._waiting, self._places, [], [], 0
        if not waiting or self._sink is None:
            return
        try:
            answers = self._sink.put_many("feedback_recorded/1", waiting)
        except Exception as trouble:  # noqa: BLE001 - the edge
            self._lost(places, trouble)
            return
        for place, answer in zip(places, answers, strict=True):
            if answer is not None:
                self._lost([place], answer)

    def flush(self, *, durable: bool) -> None:
        if not durable or self._sink is None:
            return
        try:
            self._sink.flush()
        except Exception as trouble:  # noqa: BLE001 - the edge
            self._lost([place for place, event_id in enumerate(self.ids) if event_id is not None], trouble)

    def _lost(self, places: list[int], trouble: Exception) -> None:
        for place in places:
            self.ids[place] = None
        complaints.count(failed=len(places) - 1)
        _not_recorded("record_feedback_many", {}, trouble, strict=self._strict)


def _not_recorded(call: str, given: dict[str, Any], trouble: Exception, *, strict: bool | None) -> None:
    """Count, keep and tell what was not recorded; raises NotRecorded when strict."""
    error: NotRecorded
    if isinstance(trouble, (Unusable, LineTooLong)):
        error = _rejected(call, {name: value for name, value in given.items() if value is not None}, trouble)
        reason = f"{error.field}: {trouble}" if isinstance(trouble, Unusable) else error.field
    else:
        complaints.count(failed=1)
        error = NotRecorded(call, _text_of(trouble))
        reason = ""
    error.__cause__ = trouble
    if here.wishes.strict if strict is None else strict:
        raise error
    complaints.tell(error, type(trouble).__name__, reason)


def _rejected(call: str, given: dict[str, Any], trouble: Unusable | LineTooLong) -> ValueNotRecorded:
    complaints.count(rejected=1)
    error = _value_error(call, given, trouble)
    _keep(call, given, error)
    return error


def _text_of(trouble: Exception) -> str:
    if isinstance(trouble, AdaptdError):
        return str(trouble)
    return f"{type(trouble).__name__}: {str(trouble)[:LONGEST_REPR]}. The call was not recorded."


def _value_error(call: str, given: dict[str, Any], trouble: Unusable | LineTooLong) -> ValueNotRecorded:
    kept = "What was given is kept in the spool as rejected/1."
    if isinstance(trouble, LineTooLong):
        largest = max(given, key=lambda name: len(_short_repr(given[name], 10**9)), default="")
        reason = f"{trouble} ([intake] max_event_bytes); the largest argument is {largest}. {kept}"
        return ValueNotRecorded(call, largest, given.get(largest), reason)
    field = _as_the_host_wrote_it(trouble.place, given)
    argument = field.split(".")[0].split("[")[0]
    shown = trouble.found
    if field == argument and argument in given:
        value = _short_repr(given[argument], 100)
        shown = f"{value} ({trouble.found})" if trouble.found else value
    reason = f"{field} = {shown}, expected {trouble.expected}. {kept}"
    return ValueNotRecorded(call, argument, given.get(argument), reason)


def _as_the_host_wrote_it(place: str, given: dict[str, Any]) -> str:
    for alias, name in FEEDBACK_ALIASES.items():
        if place.startswith(name) and name not in given and alias in given:
            return alias + place.removeprefix(name)
    return place


def _keep(call: str, given: dict[str, Any], error: ValueNotRecorded) -> None:
    """Spool the rejected call as one rejected/1 line, so that it is not lost; where that fails, it is only counted."""
    try:
        sink = here.sink or open_sink()
        if sink is None:
            return
        at = time_ns() // 1000
        shown = {str(name)[:200]: _short_repr(value, LONGEST_REPR) for name, value in given.items()}
        fields = {"call": call, "field": error.field or None, "reason": error.reason[:LONGEST_REPR], "given": shown}
        sink.put("rejected/1", f'"{new_id(at)}"', at, body_of(fields))
        complaints.count(rejected_lines=1)
    except Exception:  # noqa: BLE001 - the host hears of the rejected value, which is the cause
        complaints.count(failed=1)


def _short_repr(value: object, most: int) -> str:
    """Return at most so many characters of the value's repr, without making a long one first."""
    try:
        from reprlib import Repr

        short = Repr()
        short.maxstring = short.maxother = short.maxlong = most
        short.maxdict = short.maxlist = short.maxtuple = short.maxset = short.maxfrozenset = 50
        return short.repr(value)[:most]
    except Exception as trouble:  # noqa: BLE001 - the host's own __repr__ may raise anything
        return f"a {type(value).__name__} whose repr raised {type(trouble).__name__}"
