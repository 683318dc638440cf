"""How soon a run gives the device back: from the wish to a process that is gone, and what going on costs in bits.

Real children of the queue are told to pause at random steps, by the stop file and by TERM in turns, and go on until the
run is over; its weights and its whole loss curve must be those of a run that nobody disturbed. In one process the
shared loop is paused a hundred times for two sizes of model, with the time that the checkpoint alone takes.
"""

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench.measuring import arguments, goal, percentile, show_goals, write_json
from daemon.night_settings import WorkloadSettings
from tests.run_world import Config, World

YIELDS = 100
CHILDREN = 20
MOST_SECONDS = 2.0
SIZES = {"tiny (17k parameters)": (512, 32), "small (4.2M parameters)": (2048, 2048)}
STEPS = {"steps": 700, "every": 100, "pause": 0.01}


def in_process(width, hidden, yields):
    """Seconds from the wish to `train`'s return, seconds of the checkpoint in it, and whether the curve is the same."""
    import torch

    from components import checkpoints
    from components.training_loop import Plan, Task, train

    torch.set_num_threads(1)
    x = torch.randn(64, width, generator=torch.Generator().manual_seed(1))
    y = x[:, 0].sign()

    def model():
        torch.manual_seed(3)
        return torch.nn.Sequential(
            torch.nn.Linear(width, hidden), torch.nn.Tanh(), torch.nn.Dropout(0.1), torch.nn.Linear(hidden, 1)
        )

    task = Task(
        rows=64,
        collate=lambda rows, _rng: rows,
        losses=lambda net, rows, _part: {"square": (net(x[rows])[:, 0] - y[rows]).square()},
    )
    plan = Plan(
        max_steps=4 * yields, batch_size=8, learning_rate=1e-5
    )  # so low that it goes on for as long as is needed
    rng, saving, times = random.Random(5), [], []
    save = checkpoints.save

    def timed(*given, **how):
        began = time.perf_counter()
        done = save(*given, **how)
        saving.append(time.perf_counter() - began)
        return done

    with tempfile.TemporaryDirectory() as folder, _replaced(checkpoints, "save", timed):
        whole = train(model(), task, plan, Path(folder) / "whole")
        done, wished = None, [0.0]
        while done is None or done.state == "paused":
            left = [rng.randrange(1, 7)]

            def stop(left=left):
                left[0] -= 1
                if left[0] == 0:
                    wished[0] = time.perf_counter()
                return left[0] <= 0

            again = model()
            done = train(again, task, plan, Path(folder) / "paused", should_stop=stop)
            if done.state == "paused":
                times.append(time.perf_counter() - wished[0])
    same = done.history == whole.history
    return times[:yields], saving[:yields], same


@contextlib.contextmanager
def _replaced(module, name, other):
    before = getattr(module, name)
    setattr(module, name, other)
    yield
    setattr(module, name, before)


def by_children(count):
    """The same of real processes: seconds until each was gone, what it said its checkpoint took, and the bits."""
    rng, gone, saving = random.Random(6), [], []
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(World(Path(folder))) as world:
        world.config = Config({"line": WorkloadSettings(settings=STEPS)}, attempts=20)
        world.queue.follow(world.config)
        world.batches.add("line")
        world.until(world.is_("finished"))
        number, same = world.batches.add("line"), []
        while len(gone) < count:
            world.turn()
            step = world.of(number).checkpointed_step() + rng.randrange(5, 60)
            further, over = world.at_step(step, number), world.is_("finished", number)
            world.until(lambda further=further, over=over: further() or over())
            seconds = None if over() else _seconds_to_end(world, number, by_term=len(gone) % 2 == 1)
            world.until(lambda: not world.children, starts=False)
            if over():  # it came to its end before it heard
                same.append(_model(world, number) == _model(world, 1))
                number = world.batches.add("line")
            else:
                gone.append(seconds)
                saving.append(world.run(number)["checkpoint_seconds"])
        world.until(world.is_("finished", number))
        same.append(_model(world, number) == _model(world, 1))
    return gone, saving, all(same)


def _model(world, number):
    return (world.of(number).model / "model.safetensors").read_bytes()


def _seconds_to_end(world, number, *, by_term):
    """The process gone: whatever memory it held, on whatever device, is free."""
    child = world.children[f"run-{number:04}"].child
    began = time.perf_counter()
    if by_term:
        os.kill(child.pid, signal.SIGTERM)
    else:
        world.queue.ask_to_yield(world.clock.now(), "person")
    assert child.wait(60)
    return time.perf_counter() - began


def told(times, saving, same):
    return {
        "yields": len(times),
        "p50_s": percentile(times, 50),
        "p99_s": percentile(times, 99),
        "max_s": round(max(times), 3),
        "checkpoint_p50_s": round(sorted(saving)[len(saving) // 2], 4),
        "checkpoint_max_s": round(max(saving), 4),
        "same_curve_to_the_bit": same,
    }


def main():
    options = arguments("yield", rounds=1)
    result = {"children": told(*by_children(CHILDREN))}
    for name, (width, hidden) in SIZES.items():
        result[f"in one process, {name}"] = told(*in_process(width, hidden, YIELDS))
    goals = {f"{name}: p99": goal(one["p99_s"], MOST_SECONDS, at_most=True) for name, one in result.items()}
    goals |= {
        f"{name}: same bits": goal(float(one["same_curve_to_the_bit"]), 1.0, at_most=False)
        for name, one in result.items()
    }
    write_json(options.json, {"model": "tests/run_world.py's line", "results": result, "goals": goals})
    show_goals(goals)


if __name__ == "__main__":
    sys.exit(main())
