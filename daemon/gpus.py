"""This file knows how the GPUs of this machine are looked at: NVIDIA's management library, where it is there.

Without the library, the driver or a GPU there are none, and why is told once. It decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from daemon.device import Gpu, GpuProcess


class LooksAtGpus(Protocol):
    """Whoever can say what the GPUs do."""

    @property
    def why_none(self) -> str:
        """Where there are none."""

    def look(self) -> Sequence[Gpu]:
        """All of them as they are now; none where there are none."""


class NoGpus:
    """A machine without one."""

    def __init__(self, why_none: str = "no GPU") -> None:
        self._why_none = why_none

    @property
    def why_none(self) -> str:
        return self._why_none

    def look(self) -> Sequence[Gpu]:
        return ()


class Nvml:
    """Through NVML. A GPU that cannot be asked, since it fell off the bus or is being reset, is left out."""

    @property
    def why_none(self) -> str:
        return "NVML sees no GPU"

    def __init__(self, nvml: Any, visible: Sequence[str] | None = None) -> None:
        self._nvml, self._visible = nvml, visible

    def look(self) -> Sequence[Gpu]:
        try:
            count = self._nvml.nvmlDeviceGetCount()
        except self._nvml.NVMLError:
            return ()
        found = (self._gpu(index) for index in range(count))
        return tuple(gpu for gpu in found if gpu is not None and self._may_see(gpu))

    def _may_see(self, gpu: Gpu) -> bool:
        wanted = self._visible
        return wanted is None or any(one == str(gpu.number) or (one and gpu.uuid.startswith(one)) for one in wanted)

    def _gpu(self, index: int) -> Gpu | None:
        nvml = self._nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            return Gpu(
                index,
                nvml.nvmlDeviceGetUUID(handle),
                nvml.nvmlDeviceGetName(handle),
                memory.free,
                memory.total,
                self._utilisation(handle),
                self._processes(handle),
            )
        except nvml.NVMLError:
            return None

    def _utilisation(self, handle: Any) -> int:
        try:
            return int(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        except self._nvml.NVMLError:  # a slice of a GPU (MIG) has none
            return 0

    def _processes(self, handle: Any) -> tuple[GpuProcess, ...]:
        try:
            running = self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        except self._nvml.NVMLError:
            return ()
        shares = self._shares(handle)
        pids = dict.fromkeys(int(one.pid) for one in running)
        return tuple(
            GpuProcess(pid, self._command(pid), shares.get(pid, 0) if shares is not None else None) for pid in pids
        )

    def _shares(self, handle: Any) -> dict[int, int] | None:
        """What each process used lately; None where the driver keeps no samples, as on many consumer cards."""
        try:
            samples = self._nvml.nvmlDeviceGetProcessUtilization(handle, 0)
        except self._nvml.NVMLError as error:
            nothing_lately = getattr(self._nvml, "NVML_ERROR_NOT_FOUND", None)
            return {} if getattr(error, "value", None) == nothing_lately else None
        newest: dict[int, tuple[int, int]] = {}
        for one in samples:
            newest[int(one.pid)] = max(newest.get(int(one.pid), (0, 0)), (int(one.timeStamp), int(one.smUtil)))
        return {pid: share for pid, (_, share) in newest.items()}

    def _command(self, pid: int) -> str:
        """Its whole command line: the host's model server is often a python with a module's name behind it."""
        try:
            text = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            text = ""
        if text:
            return text
        try:
            return str(self._nvml.nvmlSystemGetProcessName(pid))
        except self._nvml.NVMLError:
            return ""


def gpus_of_this_machine(environ: Mapping[str, str] = os.environ) -> LooksAtGpus:
    """Whoever can look at them here; only those that CUDA_VISIBLE_DEVICES leaves to this process."""
    try:
        import pynvml
    except ImportError:
        return NoGpus("nvidia-ml-py is not installed, so GPUs cannot be seen: pip install 'adaptd[gpu]'")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return NoGpus(f"NVML: {error}")
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    return Nvml(pynvml, None if visible is None else [one.strip() for one in visible.split(",")])


class GpusOfThisMachine:
    """Found when they are first looked at: most verbs never do."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._found: LooksAtGpus | None = None

    @property
    def why_none(self) -> str:
        return "" if self._found is None else self._found.why_none

    def look(self) -> Sequence[Gpu]:
        if self._found is None:
            self._found = gpus_of_this_machine(self._environ)
        return self._found.look()
