"""This file knows how a device is had for a child: the best that is free, and its lease, or why there is none now."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.device import Choice, Need, choose
from daemon.device_lease import Lease

if TYPE_CHECKING:
    from daemon.gpus import LooksAtGpus
    from daemon.night_settings import DeviceSettings


def had(
    settings: DeviceSettings, need: Need, gpus: LooksAtGpus, leases: Path, ours: Collection[int] = ()
) -> tuple[Choice, Lease | None]:
    """A device that is free, and its lease: of several GPUs the best that no other run has.

    NoSuchDevice where none ever will do, NoLeases where none can be kept.
    """
    found = list(gpus.look()) if settings.use != "cpu" and "cuda" in need.devices else []
    refused: list[str] = []
    while True:
        choice = choose(settings, need, found, ours)
        if choice.device is None:
            return choice._replace(why_not="; ".join([*refused, choice.why_not])), None
        lease = Lease.take(leases, choice.uuid or choice.device)
        if lease is not None:
            return choice, lease
        refused.append(f"another run has {choice.device}")
        found = [gpu for gpu in found if gpu.uuid != choice.uuid]
        if choice.uuid is None or not found:
            return Choice(None, why_not="; ".join(refused)), None
