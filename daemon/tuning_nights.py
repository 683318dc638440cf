"""This file knows how settings are searched at night: `adaptd tune` as a child, for a share of the window.

Each workload that has a share is searched for once a night, with all that it learns. A search that the night's end, a
pause or the daemon's end takes away goes on in the next night, since its study is kept. The child searches and hands
its choice over as the verb does; here it is only started, looked at and ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from daemon.clock_and_chance import MICROSECONDS
from daemon.night_parts import Told
from daemon.nights import Night
from daemon.run_process import ALWAYS, PASSED_ON
from daemon.settings import Settings

STOP_PATIENCE_SECONDS = 10
LEAST_SECONDS = 1.0
LOG = "night.log"


class TuningNights:
    """At most one search at a time. `chosen_at` says when a workload's settings were chosen last, 0 for never."""

    def __init__(
        self,
        state_dir: Path,
        config_path: Path,
        settings: Settings,
        environ: Mapping[str, str],
        chosen_at: Callable[[str], int],
    ) -> None:
        self._state_dir, self._config_path, self._environ, self._chosen_at = state_dir, config_path, environ, chosen_at
        self._child: subprocess.Popen[bytes] | None = None
        self._workload = ""
        self._begun: set[tuple[str, str]] = set()
        self.follow(settings)

    def follow(self, settings: Settings) -> None:
        self._shares = {name: one.tune_share for name, one in settings.workloads.items() if one.tune_share > 0}

    def working(self) -> bool:
        """Whether a search has the device."""
        return self._child is not None

    def turn(self, now: int, night: Night) -> Told:
        """Takes note of a search that ended, and starts the next one that this night owes."""
        told = self._reap()
        if self._child is None:
            for name, share in self._shares.items():
                seconds = self._seconds_for(name, share, now, night)
                if seconds >= LEAST_SECONDS:
                    return [*told, self._start(name, seconds, night)]
        return told

    def stop(self, now: int) -> Told:  # noqa: ARG002 as the other parts are told
        """Ends the search that runs, with its trial; what it has scored stays."""
        if self._child is None:
            return self._reap()
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGTERM)
        try:
            self._child.wait(STOP_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        self._child = None
        return [f"{self._workload}: the search for settings was ended; it goes on in the next night"]

    def _seconds_for(self, name: str, share: float, now: int, night: Night) -> float:
        """How long it may take; 0 where this night has had it, in this process or before."""
        if (night.event_id, name) in self._begun or self._chosen_at(name) >= night.opens_at:
            return 0.0
        whole, left = night.closes_at - night.opens_at, night.closes_at - now
        return min(share * whole, left) / MICROSECONDS

    def _start(self, name: str, seconds: float, night: Night) -> str:
        self._begun.add((night.event_id, name))
        command = [sys.executable, "-P", "-m", "daemon.cli.main", "tune", name, "--minutes", f"{seconds / 60:.4f}"]
        folder = self._state_dir / "tuning" / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = {
            key: one for key, one in self._environ.items() if key in PASSED_ON or key.startswith(("LC_", "ADAPTD_"))
        }
        with (folder / LOG).open("wb") as log:
            self._child = subprocess.Popen(
                [*command, "--config", str(self._config_path), "--quiet"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=kept | ALWAYS,
                start_new_session=True,
            )
        self._workload = name
        return f"{name}: settings are searched for at most {seconds:.0f} seconds, process {self._child.pid}"

    def _reap(self) -> list[str]:
        if self._child is None or self._child.poll() is None:
            return []
        code, self._child = self._child.returncode, None
        if code == 0:
            return [f"{self._workload}: settings were chosen"]
        return [f"{self._workload}: no settings were chosen, {self._last_words() or f'the search ended with {code}'}"]

    def _last_words(self) -> str:
        lines = (self._state_dir / "tuning" / self._workload / LOG).read_text(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("adaptd: ") if lines else ""
