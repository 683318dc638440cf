"""This file knows how a run's process says that it lives and how far it is: by its own steps, never by a thread beside.

A thread that beats would hide a step that hangs. So the heart beats where the training asks whether to stop and where
it tells its figures, at most twice a second.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from daemon.run_folder import Progress, RunFolder, Start

EVERY_SECONDS = 0.5
MOST_LOSSES = 256
PAUSE_REASONS = ("window", "person", "device", "daemon")


class Heart:
    """Of one start. `stopped_by` is why the training was told to stop, None when it was not."""

    def __init__(
        self,
        folder: RunFolder,
        start: Start,
        told: Callable[[], bool],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._start, self._told, self._elapsed = folder, start, told, elapsed
        self._began, seconds = elapsed(), start.seconds
        self._until = None if seconds is None else self._began + seconds
        self._beats, self._written = 0, -math.inf
        self._first: tuple[int, float] | None = None  # step and time of the first figures
        self._stride = 1
        self.step = 0
        self.steps: int | None = None
        self.loss: float | None = None
        self.losses: list[tuple[int, float]] = []
        self.stopped_by: str | None = None
        self.stopped_at: float | None = None

    def take_up(self, before: Progress | None, from_step: int) -> None:
        """What earlier starts told, as far as this one goes on from it."""
        self.step = from_step
        if before is not None:
            self.steps = before.steps
            self.losses = [point for point in before.losses if point[0] <= from_step][:MOST_LOSSES]
            self._stride = max(1, self.losses[-1][0] // MOST_LOSSES) if self.losses else 1

    @property
    def seconds(self) -> float:
        """Since this start."""
        return self._elapsed() - self._began

    @property
    def rate(self) -> float | None:
        """Steps a second, from the first figures on: what is done before is not the steps' doing."""
        if self._first is None or self.step <= self._first[0]:
            return None
        return (self.step - self._first[0]) / max(1e-6, self._elapsed() - self._first[1])

    def log(self, figures: Mapping[str, float]) -> None:
        """What the training tells: `step`, `steps` and `loss` are kept."""
        step, steps, loss = (_finite(figures.get(name)) for name in ("step", "steps", "loss"))
        if step is not None:
            self.step = int(step)
            self._first = self._first or (self.step, self._elapsed())
        self.steps = self.steps if steps is None else int(steps)
        if loss is not None:
            self.loss = loss
            self._keep(self.step, loss)
        self.beat()

    def _keep(self, step: int, loss: float) -> None:
        """As many as a chart needs: every second one goes when there are too many."""
        if self.losses and step < self.losses[-1][0] + self._stride:
            return
        self.losses.append((step, loss))
        if len(self.losses) > MOST_LOSSES:
            self.losses, self._stride = self.losses[::2], 2 * self._stride

    def should_stop(self) -> bool:
        """Whether the daemon, a signal or the end of the window says so; once yes, always yes."""
        self.beat()
        if self.stopped_by is None:
            self.stopped_by, self.stopped_at = self._wish(), self._elapsed()
        return self.stopped_by is not None

    def _wish(self) -> str | None:
        reason = self._folder.stop_reason()
        if reason is not None:
            return reason if reason in PAUSE_REASONS else "person"
        if self._told():
            return "daemon"
        return "window" if self._until is not None and self._elapsed() >= self._until else None

    def beat(self, *, now: bool = False) -> None:
        """Writes how far it is, unless that was just done."""
        moment = self._elapsed()
        if not now and moment - self._written < EVERY_SECONDS:
            return
        self._written, self._beats = moment, self._beats + 1
        self._folder.write("progress.json", self.progress())

    def progress(self) -> Progress:
        rate = self.rate
        left = None if rate is None or self.steps is None else max(0, self.steps - self.step) / rate
        return Progress(
            start=self._start.start,
            beat=self._beats,
            step=self.step,
            steps=self.steps,
            loss=self.loss,
            seconds=round(self.seconds, 3),
            rate=rate,
            left_seconds=left,
            losses=self.losses,
        )

    def yielded_in(self) -> float | None:
        """From the wish to now; None without a wish."""
        if self.stopped_by is None or self.stopped_at is None:
            return None
        return round(self._elapsed() - self.stopped_at, 3)


def _finite(value: float | None) -> float | None:
    """The number; None for what JSON cannot hold."""
    if value is None:
        return None
    value = float(value)
    return value if math.isfinite(value) else None
