"""A run on a GPU: which it gets, what it waits for, for whom it makes room. The look at the GPUs is a recorded one."""

import pytest

from daemon.device import Gpu, GpuProcess
from daemon.device_lease import Lease
from daemon.gpus import NoGpus
from daemon.night_settings import DeviceSettings, WorkloadSettings
from tests.run_world import Config, World, forget_loaded_plugins

NOTEBOOK = GpuProcess(2**30, "ipykernel", 0)


class Recorded:
    """What is seen at each look until somebody changes it."""

    why_none = ""

    def __init__(self, *gpus):
        self.gpus = gpus

    def look(self):
        return self.gpus


def gpu(number, free=8, utilisation=0, processes=()):
    return Gpu(number, f"GPU-{number}", "Card", free << 30, 8 << 30, utilisation, tuple(processes))


@pytest.fixture
def world(tmp_path):
    forget_loaded_plugins()
    world = World(tmp_path)
    world.config = Config({"counting": WorkloadSettings(settings={"steps": 3000, "pause": 0.01})})
    world.config.device = DeviceSettings()
    yield world
    world.close()


def see(world, *gpus):
    world.gpus = world.queue._gpus = world.queue._children._gpus = Recorded(*gpus)
    world.queue.follow(world.config)


def test_the_child_has_the_gpu_and_sees_no_other(world):
    """The one with more memory, which no other daemon of the machine has; the log says which."""
    see(world, gpu(0, 4), gpu(1, 8), gpu(2, 6))
    world.batches.add()
    other = Lease.take(world.folder / "leases", "GPU-1")
    world.turn()
    other.close()
    assert world.events()[-1][1]["device"] == "cuda:2"
    world.until(world.at_step(1))
    assert "on cuda:0 of GPU-2\n" in world.of().out_log.read_text()
    assert Lease.take(world.folder / "leases", "GPU-2") is None


def test_a_run_waits_for_memory_and_begins_by_itself(world):
    """And says so, once."""
    see(world, gpu(0, 0))
    world.batches.add()
    world.turn()
    world.turn()
    assert world.told[-1] == "run-0001 waits: GPU 0 has 0 MiB free, 1,024 are needed"
    assert world.told.count(world.told[-1]) == 1
    see(world, gpu(0, 8))
    world.turn()
    assert world.kinds() == ["planned", "started"]
    assert not (world.of().path / "waiting").read_text()


def test_a_run_makes_room_for_who_comes_and_comes_back_when_they_are_idle(world):
    """Its checkpoint saved; the reason stands in the log, and who it was in the daemon's words."""
    see(world, gpu(0))
    world.batches.add()
    world.until(world.at_step(3))
    see(world, gpu(0, processes=[NOTEBOOK._replace(utilisation=90)]))
    world.until(world.is_("paused"), seconds=1, starts=False)
    came = "run-0001 is told to pause, reason: device: process 1073741824 (ipykernel) came to GPU 0"
    assert came in world.told
    assert world.events()[-1][1]["reason"] == "device"
    world.turn()
    assert world.told[-1] == "run-0001 waits: GPU 0 is used to 90% by others, the limit is 30%"
    see(world, gpu(0, processes=[NOTEBOOK]))
    world.turn()
    assert world.kinds()[-1] == "started"
    world.until(world.at_step(world.events()[-1][1]["from_step"] + 1))
    world.turn(seconds=10)
    assert world.kinds()[-1] == "started"


def test_a_device_that_never_was_ends_the_run_with_the_next_step(world):
    """Nobody waits for a card that is not in the machine."""
    world.config.device = DeviceSettings(use="cuda:3")
    see(world, gpu(0))
    world.batches.add()
    world.turn()
    assert world.events()[-1][1]["reason"].startswith("device = 'cuda:3': found cuda:0. Look with nvidia-smi")


def test_without_a_gpu_runs_have_the_cpu_and_that_is_said_once(world):
    """With the reason."""
    world.queue._gpus = NoGpus("nvidia-ml-py is not installed")
    world.queue.follow(world.config)
    world.batches.add()
    world.batches.add()
    world.until(lambda: len([one for one in world.kinds() if one == "started"]) == 1)
    world.queue.cancel("run-0001", None, world.clock.now())
    world.until(lambda: world.kinds().count("started") == 2)
    assert world.told.count("runs have the CPU: nvidia-ml-py is not installed") == 1
