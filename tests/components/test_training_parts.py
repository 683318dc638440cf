"""Orders, schedules, averages and signs of sickness, each beside a slow or foreign implementation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.batch_order import BatchOrder, step_rng
from components.schedules import Plateau, factor
from components.training_health import Rules
from components.weight_averaging import WeightAverage


@given(st.integers(1, 200), st.integers(1, 40), st.integers(0, 5), st.booleans())
def test_every_epoch_has_every_row_once(rows, batch, seed, bucketed):
    """In any sizes; and another epoch has another order."""
    order = BatchOrder(rows, batch, seed, np.arange(rows) % 11 if bucketed else None)
    epochs = [
        np.concatenate([order.rows_of(epoch * order.steps_per_epoch + step) for step in range(order.steps_per_epoch)])
        for epoch in range(2)
    ]
    for seen in epochs:
        assert sorted(seen.tolist()) == list(range(rows))
    if rows > 20:
        assert epochs[0].tolist() != epochs[1].tolist()


def test_the_order_is_a_function_of_the_step_alone():
    """Asked in any order, by another object."""
    one, other = BatchOrder(100, 7, 3), BatchOrder(100, 7, 3)
    backwards = {step: other.rows_of(step).tolist() for step in reversed(range(40))}
    assert {step: one.rows_of(step).tolist() for step in range(40)} == backwards
    assert BatchOrder(100, 7, 4).rows_of(0).tolist() != one.rows_of(0).tolist()
    assert step_rng(1, 2).random() == step_rng(1, 2).random() != step_rng(1, 3).random()


def test_bucketing_puts_like_lengths_together():
    """The spread within a step is a small part of the whole, and steps are still shuffled."""
    lengths = np.random.default_rng(1).integers(1, 500, 3200)
    order = BatchOrder(3200, 32, 0, lengths)
    steps = [lengths[order.rows_of(step)] for step in range(100)]
    assert np.mean([np.ptp(step) for step in steps]) < 0.1 * np.ptp(lengths)
    means = [step.mean() for step in steps]
    assert means != sorted(means)


def test_lengths_that_do_not_fit_are_told():
    """One for each row."""
    with pytest.raises(BadInput, match="lengths: found 2, expected one for each of 3 rows"):
        BatchOrder(3, 1, 0, [1, 2])


@pytest.mark.parametrize(
    ("name", "make"), [("linear", "linear"), ("cosine", "cosine"), ("constant", "constant_with_warmup")]
)
@pytest.mark.parametrize("warmup", [0, 7])
def test_schedules_are_those_of_transformers(name, make, warmup):
    """At every step."""
    from transformers import get_scheduler

    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    peer = get_scheduler(make, optimiser, num_warmup_steps=warmup, num_training_steps=50)
    for step in range(51):
        assert factor(name, step, steps=50, warmup=warmup) == pytest.approx(peer.get_last_lr()[0], abs=1e-12)
        optimiser.step()
        peer.step()


@given(st.lists(st.floats(-5, 5), max_size=40))
def test_the_plateau_is_that_of_torch(metrics):
    """For any course of the metric."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    peer = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, mode="max", factor=0.1, patience=2, threshold=1e-4, min_lr=1e-3
    )
    state = Plateau()
    for metric in metrics:
        if metric < 0 and state.best is not None and state.best < 0:
            return  # torch asks less of a negative metric, by its formula; ours is the same on both sides of 0
        state = state.after(metric)
        peer.step(metric)
        if metric < 0:
            return
        assert state.factor == pytest.approx(optimiser.param_groups[0]["lr"])


def test_the_average_is_that_of_a_slow_sum():
    """In double precision, with its warm-up; whole numbers are copied."""
    rng = np.random.default_rng(2)
    values = rng.standard_normal((30, 5))
    tensors = {"w": torch.tensor(values[0]), "steps": torch.tensor(0)}
    average, slow = WeightAverage(tensors, 0.9), values[0]
    for update, value in enumerate(values[1:]):
        average.update({"w": torch.tensor(value), "steps": torch.tensor(update)})
        decay = min(0.9, (1 + update) / (10 + update))
        slow = decay * slow + (1 - decay) * value
    assert average.tensors["w"].numpy() == pytest.approx(slow, abs=1e-12)
    assert average.tensors["steps"] == 28
    with pytest.raises(BadInput, match=r"ema_decay\[0\]: found 1.5, expected numbers from 0 to 1"):
        WeightAverage(tensors, 1.5)


def healthy(rng, steps=400):
    """Losses as they fall, with noise."""
    return 2 * np.exp(-np.arange(steps) / 80) + 0.3 + 0.1 * np.abs(rng.standard_normal(steps))


def found_in(losses, **others):
    rules = Rules()
    for step, loss in enumerate(losses):
        told = {"loss": float(loss)} | {name: float(values[step]) for name, values in others.items()}
        if finding := rules.after_step(step, told):
            return finding
        rules = Rules.restored(rules.state())  # as a checkpoint would keep it
    return None


@pytest.mark.parametrize("seed", range(20))
def test_healthy_runs_are_left_alone(seed):
    """No rule fires on a loss that falls, however noisy, nor on one that ends near nothing, nor below zero."""
    rng = np.random.default_rng(seed)
    losses = healthy(rng)
    assert found_in(losses) is None
    assert found_in(losses, one=losses * 0.7, two=losses * 0.3) is None
    assert found_in(np.exp(-np.arange(400) / 20) * (1 + 0.3 * rng.random(400))) is None
    assert found_in(losses - 5) is None
    rules = Rules()
    for step in range(20):
        metrics = {"loss": 1.1 * losses[step], "spread": 0.5 - 0.01 * step}
        assert rules.after_evaluation(step, losses[step], metrics) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_ends_a_run(value):
    """In any loss or metric, at once."""
    finding = Rules().after_step(3, {"loss": 1.0, "part": value})
    assert (finding.rule, finding.ends, finding.words) == ("not a number", True, f"part is {value}")
    assert Rules().after_evaluation(3, 1.0, {"score": value}).words == f"metric score is {value}"


def test_a_loss_that_climbs_ends_a_run():
    """Some steps after it has left its best behind; a single spike does not."""
    losses = np.concatenate([healthy(np.random.default_rng(1)), np.full(60, 9.0)])
    finding = found_in(losses)
    assert (finding.rule, finding.ends) == ("divergence", True)
    assert 400 < finding.step < 460
    spike = healthy(np.random.default_rng(1))
    spike[200] = 6.0
    assert found_in(spike) is None


def test_a_run_that_knows_everything_by_heart_has_not_diverged():
    """Its loss is nothing, and one batch of many times nothing is no sign."""
    losses = 2 * np.exp(-np.arange(300.0) / 10)
    losses[250:260] = 0.05
    assert found_in(losses) is None
    losses[260:] = 1.0
    assert found_in(losses).rule == "divergence"


def test_vectors_that_fall_together_end_a_run():
    """By a metric that the workload gives."""
    rules = Rules()
    assert rules.after_evaluation(1, 1.0, {"spread_of_embeddings": 0.5}) is None
    finding = rules.after_evaluation(2, 1.0, {"spread_of_embeddings": 0.004})
    assert (finding.rule, finding.ends) == ("collapse", True)
    assert finding.words == "spread_of_embeddings fell from 0.5 to 0.004"


def test_a_loss_that_vanishes_beside_others_is_flagged_once():
    """The run goes on."""
    losses = np.full(100, 1.0)
    finding = found_in(losses, kl=np.where(np.arange(100) < 10, 0.4, 0.0), words=losses)
    assert (finding.rule, finding.ends, finding.step) == ("vanished loss", False, 29)
    rules = Rules()
    for step in range(100):
        rules.after_step(step, {"loss": 1.0, "kl": 0.4 if step < 10 else 0.0, "words": 1.0})
    assert rules.flagged == ["vanished loss kl"]


def test_a_widening_gap_is_flagged_once():
    """When validation has been far behind for several evaluations."""
    rules = Rules()
    found = [rules.after_evaluation(step, 1 / (1 + step), {"loss": 1.0}) for step in range(10)]
    assert [finding.rule for finding in found if finding] == ["gap"]
