"""This file knows how the process of a run is started, found again after the daemon was killed, and ended.

A child that we started is known by its handle; one that an earlier daemon started by the lock that it holds. Nothing is
ever sent to a process that is not known to be a run's.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from daemon import run_lock
from daemon.device_lease import Lease
from daemon.run_folder import Held, RunFolder, Start

PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_HOME", "HF_HOME",
    "XDG_CACHE_HOME", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_ALLOC_CONF",
)  # fmt: skip
"""What a child has of the daemon's environment; tokens and PYTHONPATH are no business of somebody else's code."""
ALWAYS = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",  # what was printed before a kill is in out.log
    "PYTHONFAULTHANDLER": "1",
    "PYTHONDONTWRITEBYTECODE": "1",  # plugins lie beside config.toml, and that folder is not ours
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it the same step gives other bits on a GPU
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as NVML counts
}


class Ended(NamedTuple):
    """A child that is gone; its exit code (minus the signal's number), None of one that was not ours to wait for."""

    code: int | None


class Child:
    """The process of a run. `started` is False for one that was found."""

    def __init__(
        self, folder: RunFolder, held: Held, process: subprocess.Popen[bytes] | None, pidfd: int | None
    ) -> None:
        self.folder, self.held = folder, held
        self._process, self._pidfd = process, pidfd

    @property
    def pid(self) -> int:
        return self.held.pid

    @property
    def started(self) -> bool:
        return self._process is not None

    def poll(self) -> Ended | None:
        """None while it lives."""
        if self._process is not None:
            return self._poll_ours(self._process)
        return None if run_lock.holder(self.folder.lock) is not None else Ended(None)

    def _poll_ours(self, process: subprocess.Popen[bytes]) -> Ended | None:
        """With it goes what it has forked, which would hold its locks. Until it is waited for the number is its own."""
        if process.returncode is None:
            if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        return Ended(process.wait())

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within that time."""
        if self._pidfd is not None:
            select.select([self._pidfd], [], [], seconds)
        return self.poll() is not None

    def kill(self) -> None:
        """At once and for good. What it had saved is there."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # not waited for yet, so the number is its own
        elif self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


def started(
    folder: RunFolder,
    start: Start,
    lease: Lease,
    environ: Mapping[str, str],
    gpu_uuid: str | None = None,
    *,
    module: str = "daemon.run_child",
) -> Child | None:
    """A new child, which holds folder and device for its life; None where another process holds the folder."""
    held = Held(0, start.start, start.device, folder.checkpointed_step())
    lock = run_lock.take(folder.lock, held)
    if lock is None:
        return None
    try:
        folder.clear_for(start)
        process = _spawned(module, folder, lock, lease.descriptor, _environment(environ, gpu_uuid))
    finally:
        os.close(lock)
    return Child(folder, held._replace(pid=process.pid), process, _pidfd(process.pid))


def _spawned(
    module: str, folder: RunFolder, lock: int, lease: int, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", module, str(folder.path), f"--lock={lock}", f"--lease={lease}"]
    out = os.open(folder.out_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder.path,
            env=environment,
            pass_fds=(lock, lease),
            start_new_session=True,
        )
    finally:
        os.close(out)


def _environment(environ: Mapping[str, str], gpu_uuid: str | None) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if name in PASSED_ON or name.startswith("LC_")}
    return kept | ALWAYS | {"CUDA_VISIBLE_DEVICES": gpu_uuid or ""}


def found(folder: RunFolder) -> Child | None:
    """The child that an earlier daemon started, when it still lives."""
    held = run_lock.holder(folder.lock)
    if held is None:
        return None
    pidfd = _pidfd(held.pid)
    if (
        pidfd is not None and run_lock.holder(folder.lock) != held
    ):  # it ended meanwhile, and the number may be another's
        os.close(pidfd)
        pidfd = None
    return Child(folder, held, None, pidfd)


def _pidfd(pid: int) -> int | None:
    if pid <= 0:
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
