"""This file knows what is told of nights to somebody who looks: open, paused, when the next one is; and each workload.

`status` comes here, so nothing is loaded where no workload is configured, and the zone's clock as seldom as can be.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from daemon.nights import Nights


class WorkloadOutlook:
    """One workload: an ask that nobody answered yet, its newest batch, why there was none since; in microseconds."""

    def __init__(
        self,
        name: str,
        *,
        asked_at: int | None = None,
        batch: int | None = None,
        batch_at: int | None = None,
        not_formed: str | None = None,
        not_formed_at: int | None = None,
    ) -> None:
        self.name = name
        self.asked_at = asked_at
        self.batch = batch
        self.batch_at = batch_at
        self.not_formed = not_formed if (not_formed_at or 0) > (batch_at or 0) else None
        self.not_formed_at = not_formed_at


class NightOutlook:
    """What config.toml says of nights, and what the log says of pauses and late ones; asked with the time."""

    def __init__(
        self,
        timezone: str = "UTC",
        window: str = "01:00-06:00",
        on: Mapping[str, str] | None = None,
        *,
        pause: Mapping[str, Any] | None = None,
        late_until: int | None = None,
    ) -> None:
        self.timezone, self.window, self.on = timezone, window, on or {}
        self.pause, self.late_until = pause, late_until

    def at(self, now: int) -> dict[str, Any]:
        """`state` (paused, open, waiting or off), with `until`, `reason`, `next_opens_at`, `next_closes_at` if so."""
        from daemon.nights_remembered import nights_at

        night = nights_at(self.timezone, self.window, self.on, now, os.environ)
        found = {name: night[name] for name in ("next_opens_at", "next_closes_at") if night[name] is not None}
        pause = self.pause
        if pause is not None and (pause["until"] is None or now < pause["until"]):
            return {"state": "paused", "until": pause["until"], "reason": pause["reason"], **found}
        until = self._open_until(night["open_until"], now)
        if until is not None:
            return {"state": "open", "until": until, **found}
        return {"state": "waiting" if found else "off", **found}

    def moment(self, moment: int, now: int) -> str:
        """As the clock on the wall shows it, with its date where that is not today's."""
        from datetime import datetime

        zone = self._nights().zone
        meant, today = (datetime.fromtimestamp(one / 1_000_000, zone) for one in (moment, now))
        return f"{meant:%H:%M}" if meant.date() == today.date() else f"{meant:%Y-%m-%d %H:%M}"

    def hours(self, opens_at: int, closes_at: int) -> str:
        """`01:00-06:00`, by the clock on the wall."""
        from datetime import datetime

        zone = self._nights().zone
        opens, closes = (datetime.fromtimestamp(one / 1_000_000, zone) for one in (opens_at, closes_at))
        return f"{opens:%H:%M}-{closes:%H:%M}"

    def _nights(self) -> Nights:
        from daemon.nights import Nights

        return Nights.of(self.timezone, self.window, self.on)

    def _open_until(self, closes_at: int | None, now: int) -> int | None:
        if closes_at is not None:
            return closes_at
        return self.late_until if self.late_until is not None and now < self.late_until else None


def outlooks_of(table: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[NightOutlook | None, list[WorkloadOutlook]]:
    """The nights and the workloads of config.toml as it was read, with what the view of nights says of them.

    Nothing without a workload. The configuration is one that was checked.
    """
    workloads, night = table.get("workloads"), table.get("night") or {}
    if not isinstance(workloads, dict) or not workloads:
        return None, []
    said = {name: night[name] for name in ("timezone", "window", "on") if name in night}
    nights = NightOutlook(**said, pause=told["pause"], late_until=told["late_until"])
    return nights, [WorkloadOutlook(name, **told["workloads"].get(name, {})) for name in workloads]
