"""What could not be taken in: how much, and the newest with the reason. The lines themselves are in quarantine.db."""

from __future__ import annotations

from daemon.views.newest import NewestOfKinds


class Quarantine(NewestOfKinds):
    """Lines set aside and events refused."""

    name = "quarantine"
    version = 2
    kinds = ("line_quarantined", "event_refused")
    details = ("source", "offset", "length", "reason", "quarantine_id", "id", "count")
