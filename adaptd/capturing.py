"""Recording around a piece of the host's code: a `with` block or a decorated function, its time and its failure."""

from __future__ import annotations

from time import perf_counter, time_ns

from adaptd.complaints import complaints
from adaptd.event_ids import new_id
from adaptd.recording import record_feedback, record_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, ParamSpec, Self, TypeVar

    Arguments = ParamSpec("Arguments")
    Result = TypeVar("Result")

LONGEST_COMMENT = 500
IS_COROUTINE_FUNCTION = 0x80  # CO_COROUTINE of `inspect`, which is not imported


class Capture:
    """One output in the making: set `output` inside the block; `id` is the output's id from the start.

    >>> with capture("erd", input="a shop") as c:  # doctest: +SKIP
    ...     c.output = model("a shop")
    """

    def __init__(self, artifact_type: object, given: dict[str, Any]) -> None:
        given_id = given.pop("id", None)
        self.id: str = new_id(time_ns() // 1000) if given_id is None else given_id
        self.output: Any = None
        self.recorded_id: str | None = None
        self._given = {"artifact_type": artifact_type, **given}
        self._began = 0.0

    def __enter__(self) -> Self:
        self._began = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        given = {"latency_ms": round((perf_counter() - self._began) * 1000, 3), **self._given, "id": self.id}
        if failure is None or (self.output is not None and not isinstance(failure, Exception)):
            self.recorded_id = record_output(output=self.output, **given)
        elif isinstance(failure, Exception):
            self._failed(failure, given)

    def _failed(self, failure: Exception, given: dict[str, Any]) -> None:
        """Record a failure of the output that there is, or of an empty one."""
        given["output"] = "" if self.output is None else self.output
        self.recorded_id = record_feedback(feedback_type="failure", source="code", comment=_named(failure), **given)


def capture(artifact_type: object, *, input: object = None, **given: Any) -> Capture:  # noqa: A002 - the wire's own name
    """Return a block that records its output when it ends, with `latency_ms`; `given` are those of record_output.

    An exception inside is recorded as `feedback_type="failure"` and goes on its way. The id is there from the start as
    `.id`; `.recorded_id` is None afterwards when nothing was recorded.
    """
    return Capture(artifact_type, {"input": input, **given})


def feedback(
    *,
    artifact_type: object,
    score: Callable[[Any], Any] | None = None,
    input: Callable[..., Any] | None = None,  # noqa: A002 - the wire's own name
    on_recorded: Callable[[str], object] | None = None,
    **given: Any,
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Return a decorator that records what a function (plain or async) returns.

    `score` is called with the result and says 0 to 100 (then it is a feedback by `code`), `input` with the arguments
    and says what the input was (by default the only argument, or all of them by name), `on_recorded` with the id.
    None of them can break the function: what they raise is counted and warned of once. `given` are those of
    record_output.
    """
    watch = _Watch({"artifact_type": artifact_type, **given}, score, input, on_recorded)

    def decorator(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        from functools import wraps

        code = getattr(function, "__code__", None)

        if code is not None and code.co_flags & IS_COROUTINE_FUNCTION:

            @wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with watch.one_call(function, args, kwargs) as call:
                    call.output = await function(*args, **kwargs)  # type: ignore[misc] # its flags say that it is a coroutine function
                return call.output

            return awaited  # type: ignore[return-value]

        @wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with watch.one_call(function, args, kwargs) as call:
                call.output = function(*args, **kwargs)
            return call.output

        return called

    return decorator


class _Watch:
    """What a decorator was asked for."""

    def __init__(
        self,
        given: dict[str, Any],
        score: Callable[[Any], Any] | None,
        input_of: Callable[..., Any] | None,
        on_recorded: Callable[[str], object] | None,
    ) -> None:
        self.given, self.score, self.input_of, self.on_recorded = given, score, input_of, on_recorded

    def one_call(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _WatchedCall:
        input_of = self.input_of or (lambda *args, **kwargs: _arguments(function, args, kwargs))
        return _WatchedCall(self, _asked("input", lambda: input_of(*args, **kwargs)))


class _WatchedCall(Capture):
    """One call of a decorated function."""

    def __init__(self, watch: _Watch, input: object) -> None:  # noqa: A002 - the wire's own name
        self._watch = watch
        given = dict(watch.given)
        super().__init__(given.pop("artifact_type"), {"input": input, **given})

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        watch = self._watch
        score_of = watch.score
        score = None if failure is not None or score_of is None else _asked("score", lambda: score_of(self.output))
        if score is None:
            super().__exit__(kind, failure, trace)
        else:
            latency_ms = round((perf_counter() - self._began) * 1000, 3)
            given = {"source": "code", **self._given, "output": self.output, "latency_ms": latency_ms, "id": self.id}
            self.recorded_id = record_feedback(score=score, **given)
        on_recorded, recorded_id = watch.on_recorded, self.recorded_id
        if on_recorded is not None and recorded_id is not None:
            _asked("on_recorded", lambda: on_recorded(recorded_id))


def _asked(what: str, question: Callable[[], Any]) -> Any:
    """Return the answer of the host's own function; None when it raises, which is counted and told once."""
    try:
        return question()
    except Exception as trouble:  # noqa: BLE001 - the edge: the decorated function must not break
        from adaptd.errors import NotRecorded

        complaints.count(failed=1)
        complaints.tell(NotRecorded("feedback", f"{what}= raised {_named(trouble)}"), what, type(trouble).__name__)
        return None


def _named(failure: Exception) -> str:
    try:
        return f"{type(failure).__name__}: {failure}"[:LONGEST_COMMENT]
    except Exception:  # noqa: BLE001 - the host's own __str__ may raise
        return type(failure).__name__


def _arguments(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the only argument when it is a text, else all of them by name; without `self` and `cls`."""
    code = getattr(function, "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    by_name = dict(zip(names, args, strict=False))
    more = args[len(names) :]
    by_name.update({"more_arguments": list(more)} if more else {}, **kwargs)
    by_name.pop("self", None)
    by_name.pop("cls", None)
    only = next(iter(by_name.values())) if len(by_name) == 1 else None
    return only if isinstance(only, str) else by_name
