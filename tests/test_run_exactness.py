"""A real model in real children: paused, killed and resumed, it ends with the same bits."""

import pytest

from daemon.night_settings import WorkloadSettings
from tests.run_world import Config, World, forget_loaded_plugins


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    forget_loaded_plugins()
    world = World(tmp_path_factory.mktemp("line"))
    world.config = Config({"line": WorkloadSettings(settings={"steps": 60, "every": 7, "pause": 0.02})}, attempts=20)
    world.queue.follow(world.config)
    yield world
    world.close()


@pytest.fixture(scope="module")
def whole(world):
    """The bytes of the model, and of its loss curve, of a run that nobody disturbed."""
    world.batches.add("line")
    world.until(world.is_("finished"))
    return (world.of().model / "model.safetensors").read_bytes()


def test_a_paused_run_ends_with_the_bits_of_one_that_was_not(world, whole):
    """Weights and every loss, dropout on; told twice to pause, at whatever step it was."""
    number = world.batches.add("line")
    for more in (3, 9):
        world.turn()
        step = world.of(number).checkpointed_step()
        world.until(world.at_step(step + more, number))
        world.queue.ask_to_yield(world.clock.now(), "person")
        world.until(world.is_("paused", number), starts=False)
    world.until(world.is_("finished", number))
    assert world.run(number)["pauses"] == 2
    assert (world.of(number).model / "model.safetensors").read_bytes() == whole
    assert world.run(number)["last"]["model_hash"] == world.run(1)["last"]["model_hash"]


def test_a_killed_run_ends_with_the_bits_of_one_that_was_not(world, whole):
    """From its last checkpoint, so that steps are done twice."""
    number = world.batches.add("line")
    for more in (4, 11):
        world.turn()
        step = world.of(number).checkpointed_step()
        world.until(world.at_step(step + more, number))
        world.children[f"run-{number:04}"].child.kill()
        world.until(world.is_("waiting", number), starts=False)
    world.until(world.is_("finished", number))
    assert world.run(number)["failures"] == {"died": 2}
    assert (world.of(number).model / "model.safetensors").read_bytes() == whole
