"""What NVML says becomes a look at the GPUs; a fake stands at that edge, with answers as real drivers give them."""

import os
from pathlib import Path
from types import SimpleNamespace

from daemon.device import Gpu, GpuProcess
from daemon.gpus import Nvml, gpus_of_this_machine


class Fake:
    """A driver with two cards, or with what is changed of it."""

    NVML_ERROR_NOT_FOUND = 6

    class NVMLError(Exception):
        def __init__(self, value=3):
            self.value = value

    def __init__(self, **changed):
        self.changed = changed

    def _answer(self, name, usual):
        answer = self.changed.get(name, usual)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def nvmlDeviceGetCount(self):  # noqa: N802 NVML's own names
        return self._answer("count", 2)

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        return self._answer(f"handle {index}", index)

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(free=10 + handle, total=20)

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        return f"GPU-{handle}abc"

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return "Card"

    def nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        return self._answer("rates", SimpleNamespace(gpu=40))

    def nvmlDeviceGetComputeRunningProcesses(self, handle):  # noqa: N802
        return self._answer("processes", [SimpleNamespace(pid=os.getpid()), SimpleNamespace(pid=2**30)])

    def nvmlDeviceGetProcessUtilization(self, handle, since):  # noqa: N802
        samples = [(os.getpid(), 5, 30), (os.getpid(), 9, 20), (os.getpid(), 7, 90)]
        made = [SimpleNamespace(pid=pid, timeStamp=at, smUtil=share) for pid, at, share in samples]
        return self._answer("samples", made)

    def nvmlSystemGetProcessName(self, pid):  # noqa: N802
        return self._answer("name", "/usr/bin/far")


ERROR = Fake.NVMLError()


def look(visible=None, **changed):
    return Nvml(Fake(**changed), visible).look()


def test_each_card_is_told_with_its_processes():
    """The newest sample of each counts; of a process that is not in /proc NVML knows the name."""
    first, second = look()
    own = Path("/proc/self/cmdline").read_text().replace("\0", " ").strip()
    processes = (GpuProcess(os.getpid(), own, 20), GpuProcess(2**30, "/usr/bin/far", 0))
    assert first == Gpu(0, "GPU-0abc", "Card", 10, 20, 40, processes)
    assert second.number == 1


def test_what_a_driver_does_not_tell_is_not_known():
    """Utilisation by process on consumer cards, names in containers, rates of slices."""
    (first, _) = look(samples=ERROR, name=ERROR, rates=ERROR)
    assert first.processes[1] == GpuProcess(2**30, "", None)
    assert first.utilisation == 0


def test_no_samples_lately_is_no_use():
    """NVML says «not found» when nobody computed."""
    (first, _) = look(samples=Fake.NVMLError(6))
    assert [one.utilisation for one in first.processes] == [0, 0]


def test_a_card_that_fell_off_the_bus_is_left_out():
    """And so are all when the driver is being taken away."""
    assert [one.number for one in look(**{"handle 0": ERROR})] == [1]
    assert look(count=ERROR) == ()
    assert look(processes=ERROR)[0].processes == ()


def test_only_the_cards_that_are_left_to_this_process_are_seen():
    """By number or by the beginning of the uuid, as CUDA_VISIBLE_DEVICES says it; empty is none."""
    assert [one.number for one in look(["1"])] == [1]
    assert [one.number for one in look(["GPU-0"])] == [0]
    assert look([""]) == ()


def test_a_machine_without_them_says_why():
    """No library, no driver or no card: one sentence, and the CPU does."""
    found = gpus_of_this_machine({})
    assert found.why_none
    assert list(found.look()) == [] or found.look()[0].total_bytes > 0
