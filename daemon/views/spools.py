"""Which spool files were read to their end and deleted: totals, and the newest."""

from __future__ import annotations

from daemon.views.newest import NewestOfKinds


class Spools(NewestOfKinds):
    """Finished spool files."""

    name = "spools"
    version = 1
    kinds = ("spool_finished",)
    details = ("spool", "bytes")
    summed = ("bytes",)
