"""Which device a run gets and when it gives it back, from recorded situations of a machine."""

import pytest

from daemon.device import Choice, Gpu, GpuProcess, Need, NoSuchDevice, Watch, choose, others, others_use
from daemon.night_settings import DeviceSettings

GIB = 1 << 30
OURS = 100
VLLM = GpuProcess(7, "/usr/bin/python -m vllm.entrypoints.openai.api_server", 85)
NOTEBOOK = GpuProcess(8, "/usr/bin/python -m ipykernel_launcher", 50)
RUN = GpuProcess(OURS, "/usr/bin/python -P -m daemon.run_child", 99)
UNSEEN = GpuProcess(9, "", None)


def gpu(number=0, free=20, utilisation=0, processes=()):
    return Gpu(number, f"GPU-{number}", "Card", free * GIB, 24 * GIB, utilisation, tuple(processes))


def settings(use="auto", ignore=("vllm",), limit=30):
    return DeviceSettings(use=use, ignore=ignore, max_utilisation=limit)


NEED = Need(memory_bytes=8 * GIB)
CHOICES = {
    "no GPU": (settings(), NEED, [], "cpu"),
    "a GPU, and the CPU is wanted": (settings("cpu"), NEED, [gpu()], "cpu"),
    "a GPU, and the workload knows only CPUs": (settings(), Need(("cpu",)), [gpu()], "cpu"),
    "a free GPU": (settings(), NEED, [gpu()], "cuda:0"),
    "the one with more memory": (settings(), NEED, [gpu(0, 10), gpu(1, 12)], "cuda:1"),
    "the one that is asked for": (settings("cuda:0"), NEED, [gpu(0, 10), gpu(1, 12)], "cuda:0"),
    "the one that is not used": (settings(), NEED, [gpu(0, 23, 80, [NOTEBOOK]), gpu(1, 12)], "cuda:1"),
    "a model server that is ignored": (settings(), NEED, [gpu(0, 10, 85, [VLLM])], "cuda:0"),
    "used, but not by those that count": (settings(limit=60), NEED, [gpu(0, 10, 95, [VLLM, NOTEBOOK])], "cuda:0"),
    "memory that nobody knows the need of": (settings(), Need(), [gpu(0, 0)], "cuda:0"),
}


@pytest.mark.parametrize("situation", CHOICES)
def test_a_device_is_chosen(situation):
    """Of what is free the best."""
    wanted, need, gpus, device = CHOICES[situation]
    uuid = f"GPU-{device[-1]}" if device != "cpu" else None
    assert choose(wanted, need, gpus) == Choice(device, uuid)


WAITS = {
    "too little memory": ([gpu(0, 4)], "GPU 0 has 4,096 MiB free, 8,192 are needed"),
    "used by others": ([gpu(0, 20, 55, [NOTEBOOK])], "GPU 0 is used to 50% by others, the limit is 30%"),
    "used, nobody knows by whom": (
        [gpu(0, 20, 55, [NOTEBOOK._replace(utilisation=None)])],
        "GPU 0 is used to 55% by others, the limit is 30%",
    ),
    "used, by nobody that can be seen": ([gpu(0, 20, 55)], "GPU 0 is used to 55% by others, the limit is 30%"),
    "both": (
        [gpu(0, 4), gpu(1, 20, 99, [NOTEBOOK])],
        "GPU 0 has 4,096 MiB free, 8,192 are needed; GPU 1 is used to 50% by others, the limit is 30%",
    ),
}


@pytest.mark.parametrize("situation", WAITS)
def test_a_run_waits_and_says_for_what(situation):
    """For each GPU its reason; it does not fall back to the CPU, where it would never end."""
    gpus, why_not = WAITS[situation]
    assert choose(settings(), NEED, gpus) == Choice(None, None, why_not)


def test_what_is_not_in_the_machine_is_an_error_with_the_next_step():
    """As far as that can be seen."""
    with pytest.raises(
        NoSuchDevice, match=r"device = 'cuda:3': found cuda:0\. Look with nvidia-smi, and see that nvid"
    ):
        choose(settings("cuda:3"), NEED, [gpu()])
    with pytest.raises(NoSuchDevice, match=r"device = 'cuda': found no GPU"):
        choose(settings("cuda"), NEED, [])
    with pytest.raises(NoSuchDevice, match=r"device = 'cuda', and the workload runs on cpu alone\. Use auto\."):
        choose(settings("cuda"), Need(("cpu",)), [gpu()])
    with pytest.raises(NoSuchDevice, match=r"'auto' gives the CPU here, and the workload runs on cuda alone\. Is the"):
        choose(settings(), Need(("cuda",)), [])


def test_others_are_those_for_whom_room_is_made():
    """Neither our own nor the ignored; who cannot be seen is taken for us while we are there."""
    busy = gpu(processes=[VLLM, NOTEBOOK, RUN, UNSEEN])
    assert others(busy, ("vllm",), {OURS}) == [NOTEBOOK]
    assert others(busy, (), {OURS}) == [VLLM, NOTEBOOK]
    assert others(gpu(processes=[UNSEEN]), (), set()) == [UNSEEN]
    assert others_use(gpu(utilisation=99, processes=[RUN]), (), {OURS}) == 0
    assert others_use(gpu(utilisation=99), (), {OURS}) == 0


def look_on(gpus, began=None, limit=30):
    """Who wants it, at each look; a second lies between two."""
    watch = Watch(began or gpu(), settings(limit=limit))
    return [watch.wanted_by(one, {OURS}, second * 1_000_000) for second, one in enumerate(gpus)]


def test_who_comes_wants_it_at_once():
    """A person who starts a notebook has not to wait."""
    told = look_on([gpu(processes=[RUN]), gpu(processes=[RUN, NOTEBOOK._replace(utilisation=0)])])
    assert told == [None, "process 8 (/usr/bin/python -m ipykernel_launcher) came to GPU 0"]


def test_who_was_there_wants_it_when_using_it_for_some_seconds():
    """One request is no claim, and using less than the limit is none."""
    idle, busy = gpu(processes=[NOTEBOOK._replace(utilisation=3)]), gpu(processes=[RUN, NOTEBOOK])
    assert look_on([busy] * 7, began=idle) == [None] * 5 + ["others use GPU 0 to 50%"] * 2
    assert look_on([busy, busy, busy, idle] * 3, began=idle) == [None] * 12
    assert look_on([busy] * 9, began=idle, limit=60) == [None] * 9


def test_who_is_ignored_never_wants_it():
    """Whether it was there or comes."""
    assert look_on([gpu(utilisation=99, processes=[RUN, VLLM])] * 9) == [None] * 9


def test_a_number_that_comes_again_is_another_process():
    """Who left and came back wants it."""
    idle = NOTEBOOK._replace(utilisation=0)
    there, gone = gpu(processes=[RUN, idle]), gpu(processes=[RUN])
    assert [bool(told) for told in look_on([there, gone, there], began=there)] == [False, False, True]
