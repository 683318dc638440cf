"""How a host is told of what was not recorded: counted always, warned of once per reason, or by its own on_error."""

from __future__ import annotations

from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MOST_REASONS = 1000  # remembered; after that, new ones are only counted


class Complaints:
    """Counts and reasons of one process."""

    def __init__(self) -> None:
        self.on_error: Callable[[Exception], object] | None = None
        self._told: set[tuple[str, ...]] = set()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Set the counts to zero, as a forked child does."""
        self._lock = RLock()
        self.rejected = self.rejected_lines = self.failed = 0

    def count(self, *, rejected: int = 0, rejected_lines: int = 0, failed: int = 0) -> None:
        with self._lock:
            self.rejected += rejected
            self.rejected_lines += rejected_lines
            self.failed += failed

    def tell(self, trouble: Exception, *key: str) -> None:
        """Hand the error to the host's on_error, or warn of it once per key. Raises nothing."""
        try:
            if self.on_error is not None:
                self.on_error(trouble)
            elif key not in self._told and len(self._told) < MOST_REASONS:
                self._told.add(key)
                self._warn(str(trouble))
        except Exception:  # noqa: BLE001, S110 - warnings may be set to raise, and on_error is the host's own
            pass

    def _warn(self, text: str) -> None:
        from warnings import warn

        warn(text, RuntimeWarning, stacklevel=_frames_of_ours())


def _frames_of_ours() -> int:
    """Return how far up the first frame outside adaptd is, as `warn` counts from its caller."""
    from sys import _getframe

    depth = 2
    try:
        while _getframe(depth).f_globals.get("__name__", "").startswith("adaptd."):
            depth += 1
    except ValueError:
        return 1
    return depth


complaints = Complaints()
