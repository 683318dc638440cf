"""The errors of adaptd that a host or an operator may meet, each built from its facts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class AdaptdError(Exception):
    """The base of every error that adaptd raises on purpose."""


class NotConfigured(AdaptdError):
    """No place to record in was found; `looked_at` names every place that was tried."""

    def __init__(self, looked_at: Sequence[str]) -> None:
        self.looked_at = list(looked_at)
        super().__init__(
            f"adaptd is not configured: looked at {'; '.join(self.looked_at)}. Run `adaptd init` in the folder of your "
            "application, or call adaptd.configure(state_dir=...) or set ADAPTD_CONFIG to a config.toml."
        )


class ConfigUnreadable(AdaptdError):
    """A config.toml that was asked for, or that speaks of adaptd, cannot be used."""

    def __init__(self, path: str, why: str, reason: str, next_step: str) -> None:
        self.path, self.why, self.reason = path, why, reason
        self.state_dir: str | None = (
            None  # what its [adaptd] table says all the same, where only other lines are broken
        )
        super().__init__(f"{path} ({why}): {reason}. {next_step}")


class BrokenElsewhere(AdaptdError):
    """A config.toml is broken, but not where it says where to record: nothing is lost, and somebody is told."""

    def __init__(self, broken: ConfigUnreadable, state_dir: str) -> None:
        super().__init__(f"{broken}. Until then this process records in {state_dir}, as its [adaptd] table says")


class NotRecorded(AdaptdError):
    """A call left no event: raised in strict mode only, otherwise the call returns None."""

    def __init__(self, call: str, reason: str) -> None:
        self.call, self.reason = call, reason
        super().__init__(f"adaptd.{call}: {reason}")


class ValueNotRecorded(NotRecorded, ValueError):
    """A call left no event because one of its values cannot be used; `field` names it, `value` is what was given."""

    def __init__(self, call: str, field: str, value: object, reason: str) -> None:
        self.field, self.value = field, value
        super().__init__(call, reason)


class SpoolFailed(AdaptdError):
    """A spool file could not be made, written or flushed."""

    def __init__(self, folder: str, reason: str, next_step: str) -> None:
        self.folder, self.reason, self.next_step = folder, reason, next_step
        super().__init__(f"the spool {folder} cannot be written: {reason}. {next_step}")


class LineTooLong(AdaptdError):
    """An event's line has more bytes than one line may have."""

    def __init__(self, size: int, limit: int) -> None:
        self.size, self.limit = size, limit
        super().__init__(f"the event is a line of {size} bytes, expected at most {limit}")
