"""This file knows which device a run may have, and when it has to give it back to somebody else.

It decides from one look at the GPUs: free memory, utilisation, processes. Who looks is `daemon.gpus`; who holds a
device among the runs of this machine is `daemon.device_lease`. Without a GPU there is the CPU, for which nobody makes
room: nice and the window are enough.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from adaptd.errors import AdaptdError

if TYPE_CHECKING:
    from daemon.night_settings import DeviceSettings

CPU = "cpu"
PATIENCE_SECONDS = 5.0
"""So long others have to use a GPU beyond the limit before a run yields: one request to a model server is no claim."""


class NoSuchDevice(AdaptdError):
    """What config.toml or the workload wants is not in this machine."""


class GpuProcess(NamedTuple):
    """A process that computes on a GPU. `utilisation` is its own, in per cent; None where the driver does not say."""

    pid: int
    command: str
    utilisation: int | None = None


class Gpu(NamedTuple):
    """One GPU, as it was a moment ago. `number` is its place in the machine's own order."""

    number: int
    uuid: str
    name: str
    free_bytes: int
    total_bytes: int
    utilisation: int
    processes: tuple[GpuProcess, ...] = ()


class Need(NamedTuple):
    """What a run wants."""

    devices: Collection[str] = ("cpu", "cuda")
    memory_bytes: int = 0  # 0 is not known


class Choice(NamedTuple):
    """A device that may be had now, or why none may."""

    device: str | None  # "cpu", or "cuda:INDEX" in the machine's order
    uuid: str | None = None
    why_not: str = ""


def choose(settings: DeviceSettings, need: Need, gpus: Sequence[Gpu], ours: Collection[int] = ()) -> Choice:
    """The device for a run; of several GPUs the one with most free memory. NoSuchDevice where none ever will do."""
    if settings.use == CPU or (settings.use == "auto" and not (gpus and "cuda" in need.devices)):
        if CPU not in need.devices:
            raise NoSuchDevice(
                f"device = {settings.use!r} gives the CPU here, and the workload runs on {', '.join(need.devices)} "
                "alone. Is the driver installed (nvidia-smi), and nvidia-ml-py (pip install 'adaptd[gpu]')?"
            )
        return Choice(CPU)
    candidates = _wanted(settings.use, need, gpus)
    refusals = {gpu.number: _why_not(settings, need, gpu, ours) for gpu in candidates}
    free = [gpu for gpu in candidates if refusals[gpu.number] is None]
    if free:
        best = max(free, key=lambda gpu: (gpu.free_bytes, -gpu.number))
        return Choice(f"cuda:{best.number}", best.uuid)
    told = "; ".join(f"GPU {index} {why}" for index, why in refusals.items())
    return Choice(None, why_not=told)


def _wanted(use: str, need: Need, gpus: Sequence[Gpu]) -> list[Gpu]:
    if "cuda" not in need.devices:
        raise NoSuchDevice(f"device = {use!r}, and the workload runs on {', '.join(need.devices)} alone. Use auto.")
    index = use.partition(":")[2]
    found = [gpu for gpu in gpus if not index or gpu.number == int(index)]
    if not found:
        there = ", ".join(f"cuda:{gpu.number}" for gpu in gpus) or "no GPU"
        raise NoSuchDevice(
            f"device = {use!r}: found {there}. Look with nvidia-smi, and see that nvidia-ml-py is installed "
            "(pip install 'adaptd[gpu]'); or set use = \"auto\" under [device]."
        )
    return found


def _why_not(settings: DeviceSettings, need: Need, gpu: Gpu, ours: Collection[int]) -> str | None:
    if gpu.free_bytes < need.memory_bytes:
        return f"has {gpu.free_bytes >> 20:,} MiB free, {need.memory_bytes >> 20:,} are needed"
    used = others_use(gpu, settings.ignore, ours)
    if used >= settings.max_utilisation:
        return f"is used to {used}% by others, the limit is {settings.max_utilisation}%"
    return None


def others(gpu: Gpu, ignore: Collection[str], ours: Collection[int]) -> list[GpuProcess]:
    """The processes for which a run makes room: neither our own nor one of those that config.toml names.

    In a container the driver tells numbers that are not ours to see: while a run of ours is there, one may be it.
    """
    return [
        process
        for process in gpu.processes
        if process.pid not in ours
        and (process.command or not ours)
        and not any(part in process.command for part in ignore)
    ]


def others_use(gpu: Gpu, ignore: Collection[str], ours: Collection[int]) -> int:
    """How much others use it, in per cent.

    Where the driver does not tell it by process, all of it is theirs as long as one of them is there, or as none of the
    processes can be seen, as in a container.
    """
    theirs = others(gpu, ignore, ours)
    told = [process.utilisation for process in theirs]
    if theirs and None not in told:
        return min(100, sum(one or 0 for one in told))
    if not theirs and gpu.processes:
        return 0
    return 0 if ours and not gpu.processes else gpu.utilisation


class Watch:
    """Looks on while a run has a GPU, and says when somebody else wants it.

    Who computed there when the run began was there with the run's consent; who comes later wants the GPU at once, and
    who uses it beyond the limit for some seconds wants it too.
    """

    def __init__(self, gpu: Gpu | None, settings: DeviceSettings, ours: Collection[int] = ()) -> None:
        self._settings = settings
        self._there = {one.pid for one in others(gpu, settings.ignore, ours)} if gpu else set()
        self._busy_since: int | None = None

    def wanted_by(self, gpu: Gpu, ours: Collection[int], now: int) -> str | None:
        """Who wants it, in words; None while nobody does. `now` in microseconds."""
        theirs = others(gpu, self._settings.ignore, ours)
        come = [one for one in theirs if one.pid not in self._there]
        if come:
            return f"process {come[0].pid} ({come[0].command[:60]}) came to GPU {gpu.number}"
        self._there &= {one.pid for one in theirs}  # a number that comes again later is another process
        used = others_use(gpu, self._settings.ignore, ours) if theirs else 0
        if used < self._settings.max_utilisation:
            self._busy_since = None
            return None
        self._busy_since = now if self._busy_since is None else self._busy_since
        if now - self._busy_since < PATIENCE_SECONDS * 1e6:
            return None
        return f"others use GPU {gpu.number} to {used}%"
