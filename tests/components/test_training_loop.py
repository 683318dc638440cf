"""The training loop learns what it is given, counts every row as it says, and goes on to the same last bit."""

import os
import signal

import numpy as np
import pytest
import torch

from components import checkpoints, training_loop
from components.bad_input import BadInput
from components.training_loop import Part, Plan, Task, train

ROWS, WIDTH = 48, 6
torch.set_num_threads(1)


def model(seed=1, dropout=0.3):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(WIDTH, 16),
        torch.nn.Tanh(),
        torch.nn.Dropout(dropout),
        torch.nn.BatchNorm1d(16),
        torch.nn.Linear(16, 3),
    )


def without_chance(seed=1):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(WIDTH, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))


def data(rows=ROWS):
    rng = np.random.default_rng(5)
    x = torch.tensor(rng.standard_normal((rows, WIDTH)), dtype=torch.float32)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long()


X, Y = data()


def cross_entropy(net, batch, part):
    return {"cross_entropy": torch.nn.functional.cross_entropy(net(batch[0]), batch[1], reduction="none")}


def accuracy(net):
    with torch.no_grad():
        logits = net(X)
    return {"score": (logits.argmax(1) == Y).float().mean(), "loss": torch.nn.functional.cross_entropy(logits, Y)}


def task(**changes):
    base = {
        "rows": ROWS,
        "collate": lambda rows, rng: (X[rows], Y[rows]),
        "losses": cross_entropy,
        "evaluate": accuracy,
    }
    return Task(**(base | changes))


PLAN = {
    "max_steps": 30,
    "batch_size": 8,
    "learning_rate": 0.02,
    "warmup_share": 0.1,
    "schedule": "cosine",
    "weight_decay": 0.01,
}
WHOLE = PLAN | {"evaluate_every": 4, "ema_decay": 0.9, "patience": 50, "checkpoint_every": 1, "bucket_by_length": True}


def weights_of(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def same_bits(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def near(one, other, tolerance):
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one) <= tolerance


def test_it_learns(tmp_path):
    """A small network separates three classes that a line or two separate."""
    net = model(dropout=0.0)
    done = train(net, task(), Plan(max_steps=300, batch_size=16, learning_rate=0.02), tmp_path)
    assert (done.state, done.step, len(done.history), done.flags) == ("finished", 300, 300, [])
    assert accuracy(net)["score"] > 0.95
    assert not net.training


@pytest.mark.parametrize("every", [1, 4, 7])
def test_a_run_that_is_killed_ends_in_the_same_bits(every, tmp_path):
    """SIGKILL at every k-th step, with dropout, batch norm, averages, early stopping and bucketing on."""
    plan = Plan(**(WHOLE | {"max_steps": 16}))
    whole, wanted = uninterrupted(plan, tmp_path)
    for die_at in range(every, plan.max_steps, every):
        assert os.WTERMSIG(_in_a_child(plan, tmp_path / "killed", die_at)) == signal.SIGKILL
    assert checkpoints.newest(tmp_path / "killed")[0].step >= plan.max_steps - every - 1
    assert_it_ends_the_same(plan, tmp_path / "killed", whole, wanted)


@pytest.mark.parametrize(
    ("moment", "every"),
    [("after a step", 1), ("in an evaluation", 1), ("while a checkpoint is written", 3), ("after one", 3)],
)
def test_a_run_that_is_killed_at_any_moment_ends_in_the_same_bits(moment, every, tmp_path):
    """At every step, with a checkpoint at every third, so that some steps are done again."""
    plan = Plan(**(WHOLE | {"max_steps": 16, "evaluate_every": 1, "checkpoint_every": 3}))
    whole, wanted = uninterrupted(plan, tmp_path)
    for die_at in range(every, plan.max_steps, every):
        assert os.WTERMSIG(_in_a_child(plan, tmp_path / "killed", die_at, moment)) == signal.SIGKILL
    assert_it_ends_the_same(plan, tmp_path / "killed", whole, wanted)


def uninterrupted(plan, folder):
    whole = model()
    return whole, train(whole, task(lengths=np.arange(ROWS) % 7), plan, folder / "whole")


def assert_it_ends_the_same(plan, folder, whole, wanted):
    """Weights and losses to the last bit, whatever the model was made with: the checkpoint says what it is."""
    again = model(seed=99)
    done = train(again, task(lengths=np.arange(ROWS) % 7), plan, folder)
    assert same_bits(weights_of(again), weights_of(whole))
    assert (done.history, done.evaluations, done.best_step) == (wanted.history, wanted.evaluations, wanted.best_step)
    assert done.flags == wanted.flags == []


def _in_a_child(plan, folder, die_at, moment="after a step"):
    """How a process ended that was killed at this step."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    at = {"step": 0}

    def die_when(now):
        if now == moment and at["step"] == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def evaluate(net):
        die_when("in an evaluation")
        return accuracy(net)

    def save(folder, checkpoint, keep):
        synced = checkpoints._sync
        checkpoints._sync = lambda path: (die_when("while a checkpoint is written"), synced(path))
        written(folder, checkpoint, keep)
        die_when("after one")

    written, checkpoints.save = checkpoints.save, save
    log = lambda told: (at.update(step=told["step"]), die_when("after a step"))  # noqa: E731
    try:
        train(model(), task(lengths=np.arange(ROWS) % 7, evaluate=evaluate), plan, folder, log=log)
    finally:
        os._exit(0)


def test_a_run_that_is_paused_ends_in_the_same_bits(tmp_path):
    """At any step's boundary, as often as somebody wants the device."""
    plan, whole = Plan(**(WHOLE | {"checkpoint_every": None})), model()
    wanted = train(whole, task(), plan, tmp_path / "whole")
    for turn in range(100):
        steps, net = iter([False, False, False, True]), model(seed=1 + turn)  # later ones find their weights
        done = train(net, task(), plan, tmp_path / "paused", should_stop=lambda steps=steps: next(steps))
        if done.state != "paused":
            break
        assert checkpoints.newest(tmp_path / "paused")[0].step == done.step
    assert done.state == "finished"
    assert same_bits(weights_of(net), weights_of(whole))
    assert done.history == wanted.history


def test_small_pieces_are_the_large_batch(tmp_path):
    """To 1e-6, whatever fits into memory at once; also where the last piece is a smaller one."""
    nets = []
    for micro in (None, 1, 3, 8):
        nets.append(without_chance())
        weighted = task(evaluate=None, weights=np.linspace(0, 3, ROWS))
        train(nets[-1], weighted, Plan(**PLAN, micro_batch_size=micro), tmp_path / str(micro))
    for net in nets[1:]:
        assert near(weights_of(net), weights_of(nets[0]), 1e-6)


def test_a_weight_of_two_is_the_row_twice(tmp_path):
    """And a weight of zero is no row at all."""
    once, twice = without_chance(), without_chance()
    rows = np.array([0, 1, 2, 2, 3])
    plan = Plan(max_steps=20, batch_size=5, learning_rate=0.05)
    train(twice, task(rows=5, collate=lambda r, g: (X[rows[r]], Y[rows[r]]), evaluate=None), plan, tmp_path / "a")
    train(once, task(rows=5, weights=[1, 1, 2, 1, 0], evaluate=None), plan, tmp_path / "b")
    assert near(weights_of(once), weights_of(twice), 1e-6)


def test_the_first_step_is_adam_s_own(tmp_path):
    """Beside torch by hand: weighted mean, clipping, rate of the schedule, decay."""
    net, other = without_chance(), without_chance()
    weights = np.linspace(0.5, 2, ROWS)
    plan = Plan(
        max_steps=1, batch_size=ROWS, learning_rate=0.1, weight_decay=0.1, max_grad_norm=0.01, schedule="constant"
    )
    train(net, task(weights=weights, evaluate=None), plan, tmp_path)
    adam = torch.optim.AdamW(other.parameters(), lr=0.1, weight_decay=0.1)
    loss = torch.nn.functional.cross_entropy(other(X), Y, reduction="none")
    (torch.tensor(weights) * loss).sum().div(weights.sum()).backward()
    torch.nn.utils.clip_grad_norm_(other.parameters(), 0.01)
    adam.step()
    assert near(weights_of(net), weights_of(other), 1e-6)


def test_two_parts_learn_from_their_own_losses(tmp_path):
    """Each with its own rate; neither's gradient reaches the other's parameters."""
    net = torch.nn.ModuleDict({"a": torch.nn.Linear(WIDTH, 1), "b": torch.nn.Linear(WIDTH, 1)})
    before = weights_of(net)

    def losses(net, batch, part):
        both = (net["a"](batch[0]) + net["b"](batch[0])).squeeze(1)
        return {f"{part}_loss": (both - (1.0 if part == "a" else -1.0)) ** 2}

    parts = [
        Part(name="a", parameters=list(net["a"].parameters())),
        Part(name="b", parameters=list(net["b"].parameters()), learning_rate=1e-12),
    ]
    done = train(net, task(losses=losses, evaluate=None), Plan(**PLAN), tmp_path, parts=parts)
    assert set(done.history[0]) == {"a_loss", "b_loss", "loss", "gradient_norm"}
    moved = {name: (tensor - before[name]).abs().max().item() for name, tensor in weights_of(net).items()}
    assert max(moved["b.weight"], moved["b.bias"]) < 1e-6
    assert min(moved["a.weight"], moved["a.bias"]) > 0.02


def test_losses_are_summed_by_their_weights(tmp_path):
    """What is told as the loss is what was learnt from."""

    def losses(net, batch, part):
        one = cross_entropy(net, batch, part)["cross_entropy"]
        return {"one": one, "two": one * 3}

    done = train(without_chance(), task(losses=losses, loss_weights={"two": 0.5}), Plan(**PLAN), tmp_path)
    for told in done.history:
        assert told["loss"] == pytest.approx(told["one"] + 0.5 * told["two"])


def test_the_best_weights_are_handed_out(tmp_path):
    """Not the last ones; and a run without a better one for a while ends."""
    scores = iter([0.1, 0.9, 0.5, 0.4, 0.3])
    kept = []

    def evaluate(net):
        kept.append(weights_of(net))
        return {"score": next(scores)}

    net = without_chance()
    plan = Plan(**(PLAN | {"evaluate_every": 2, "patience": 3}))
    done = train(net, task(evaluate=evaluate), plan, tmp_path)
    assert (done.state, done.step, done.best_step) == ("stopped early", 10, 4)
    assert same_bits(weights_of(net), kept[1])


def test_the_average_is_what_is_judged_and_handed_out(tmp_path):
    """Beside a slow average of the weights after each step."""
    net, decay = without_chance(), 0.8
    seen = []

    class Watched(training_loop._Run):
        def apply(self):
            super().apply()
            seen.append(weights_of(self.model))

    average = {name: tensor.double() for name, tensor in weights_of(net).items()}
    original, training_loop._Run = training_loop._Run, Watched
    try:
        train(net, task(evaluate=None), Plan(**PLAN, ema_decay=decay), tmp_path)
    finally:
        training_loop._Run = original
    for updates, weights in enumerate(seen):
        rate = min(decay, (1 + updates) / (10 + updates))
        average = {name: rate * average[name] + (1 - rate) * weights[name].double() for name in average}
    assert near(weights_of(net), average, 1e-6)


@pytest.mark.parametrize(("wrong", "told"), [("loss", "cross_entropy is nan"), ("gradient", "gradient_norm is nan")])
def test_a_step_that_is_no_number_never_reaches_the_weights(wrong, told, tmp_path):
    """Neither a loss nor a gradient; the run ends and says where."""
    after_five = []

    def losses(net, batch, part):
        loss = cross_entropy(net, batch, part)["cross_entropy"]
        if len(after_five) < 5:
            after_five.append(None)
            return {"cross_entropy": loss}
        after_five.append(weights_of(net))
        if wrong == "loss":
            return {"cross_entropy": loss * float("nan")}
        return {"cross_entropy": loss + 0 * torch.sqrt(net[0].weight.sum() * 0)}  # its slope at 0 is infinite

    net = without_chance()
    done = train(net, task(losses=losses), Plan(**PLAN, checkpoint_every=1), tmp_path)
    assert (done.state, done.step) == ("unhealthy", 5)
    assert done.problem == f"not a number at step 5: {told}"
    assert same_bits(weights_of(net), after_five[5])
    saved = checkpoints.newest(tmp_path)[0]
    assert saved.step == 5
    assert all(torch.isfinite(tensor).all() for tensor in saved.tensors["model"].values())


def slips(times, at=5):
    """Losses of which so many are no number, from the step after so many on."""
    calls = []

    def losses(net, batch, part):
        calls.append(None)
        loss = cross_entropy(net, batch, part)
        slipped = at < len(calls) <= at + times
        return {"cross_entropy": loss["cross_entropy"] * float("nan")} if slipped else loss

    return losses


@pytest.mark.parametrize(("every", "back"), [(2, 4), (100, 0)])
def test_what_is_no_number_once_leaves_no_trace_in_the_weights(every, back, tmp_path):
    """The run goes back to its last checkpoint, or its beginning, and says so."""
    net, calm = model(), model()
    plan = Plan(**(WHOLE | {"checkpoint_every": every}))
    wanted = train(calm, task(), plan, tmp_path / "calm")
    done = train(net, task(losses=slips(1)), plan, tmp_path / "slipped")
    assert done.state == "finished"
    assert done.flags == [f"not a number at step 5: cross_entropy is nan; gone back to step {back}"]
    assert same_bits(weights_of(net), weights_of(calm))
    assert (done.history, done.evaluations) == (wanted.history, wanted.evaluations)


def test_what_is_no_number_twice_ends_a_run(tmp_path):
    """Wherever the second time is."""
    done = train(model(), task(losses=slips(2)), Plan(**WHOLE), tmp_path)
    assert (done.state, done.problem) == ("unhealthy", "not a number at step 5: cross_entropy is nan")
    assert done.flags == ["not a number at step 5: cross_entropy is nan; gone back to step 5"]


def test_a_metric_that_is_no_number_sends_a_run_back_too(tmp_path):
    """Once."""
    scores = iter([0.5, float("nan"), *[0.5] * 20])
    plan = Plan(**(WHOLE | {"checkpoint_every": 3}))
    done = train(model(), task(evaluate=lambda net: {"score": next(scores)}), plan, tmp_path)
    assert done.state == "finished"
    assert done.flags == ["not a number at step 8: metric score is nan; gone back to step 6"]
    assert [one["step"] for one in done.evaluations] == [4, 8, 12, 16, 20, 24, 28, 30]


class Killed(Exception):
    """What ends a run as kill -9 does: nothing more is saved."""


def test_a_run_that_went_back_and_was_killed_does_not_go_back_again(tmp_path):
    """That it did is saved before anything else."""
    plan, told = Plan(**(WHOLE | {"checkpoint_every": 4})), []

    def log(figures):
        told.append(figures["step"])
        if told[-2:] == [5, 5]:
            raise Killed

    with pytest.raises(Killed):
        train(model(), task(losses=slips(1)), plan, tmp_path, log=log)
    assert told == [1, 2, 3, 4, 5, 5]
    done = train(model(), task(losses=slips(1, at=0)), plan, tmp_path)
    assert done.state == "unhealthy"
    assert done.flags == ["not a number at step 5: cross_entropy is nan; gone back to step 4"]


def test_what_was_flagged_before_going_back_is_said_once(tmp_path):
    """The steps are done again, and so are their signs."""
    slipped, steps = slips(1, at=28), iter(range(1000))

    def losses(net, batch, part):
        one = slipped(net, batch, part)["cross_entropy"]
        return {"one": one, "two": one * (next(steps) < 3)}

    done = train(without_chance(), task(losses=losses), Plan(**PLAN, checkpoint_every=20), tmp_path)
    assert [flag.partition(" at step ")[0] for flag in done.flags] == ["not a number", "vanished loss"]


def test_one_easy_batch_makes_no_gap(tmp_path):
    """Validation is held against the loss as it went, not against the last batch alone."""
    steps = iter(range(1000))

    def losses(net, batch, part):
        easy = 0.01 if (step := next(steps)) > 5 and step % 5 == 4 else 1.0
        return {"cross_entropy": cross_entropy(net, batch, part)["cross_entropy"] * easy}

    watched = task(losses=losses, evaluate=lambda net: {"score": 0.5, "loss": 1.0})
    done = train(without_chance(), watched, Plan(**(PLAN | {"learning_rate": 1e-6}), evaluate_every=5), tmp_path)
    assert done.flags == []


def test_without_a_checkpoint_there_is_nothing_to_go_back_to(tmp_path):
    """A plan that asks for none."""
    done = train(model(), task(losses=slips(1)), Plan(**PLAN), tmp_path)
    assert (done.state, done.flags) == ("unhealthy", [])


def test_memory_that_runs_out_halves_the_pieces(tmp_path):
    """The step is done again, and the weights are those of a run with small pieces from the start."""

    def losses(net, batch, part):
        if len(batch[0]) > 2:
            raise torch.OutOfMemoryError("planted")
        return cross_entropy(net, batch, part)

    net, small = without_chance(), without_chance()
    done = train(net, task(losses=losses, evaluate=None), Plan(**PLAN), tmp_path / "a")
    train(small, task(evaluate=None), Plan(**PLAN, micro_batch_size=2), tmp_path / "b")
    assert done.micro_batch_size == 2
    assert done.flags == [
        "out of memory at step 0: 4 rows at once from here",
        "out of memory at step 0: 2 rows at once from here",
    ]
    assert same_bits(weights_of(net), weights_of(small))


def test_one_row_that_does_not_fit_is_the_callers_trouble(tmp_path):
    """There is nothing smaller to try."""

    def losses(net, batch, part):
        raise torch.OutOfMemoryError("planted")

    with pytest.raises(torch.OutOfMemoryError):
        train(without_chance(), task(losses=losses), Plan(**PLAN), tmp_path)


def test_a_run_that_diverges_ends(tmp_path):
    """Its losses climb though every one of them is a number."""
    steps = iter(range(1000))

    def losses(net, batch, part):
        return {"cross_entropy": cross_entropy(net, batch, part)["cross_entropy"] * 1.2 ** next(steps)}

    done = train(without_chance(), task(losses=losses), Plan(**(PLAN | {"max_steps": 100})), tmp_path)
    assert (done.state, done.problem.partition(" at step ")[0]) == ("unhealthy", "divergence")


def test_a_run_whose_vectors_collapse_ends(tmp_path):
    """By what its evaluation says of their spread."""
    spreads = iter([1.0, 0.5, 0.001])
    watched = task(evaluate=lambda net: {"score": 0.5, "spread": next(spreads)})
    done = train(without_chance(), watched, Plan(**PLAN, evaluate_every=5), tmp_path)
    assert (done.state, done.problem) == ("unhealthy", "collapse at step 15: spread fell from 1 to 0.001")


def test_a_loss_that_vanishes_and_a_gap_that_widens_are_flagged(tmp_path):
    """The run goes on to its end, and each is said once."""
    steps = iter(range(1000))

    def losses(net, batch, part):
        one = cross_entropy(net, batch, part)["cross_entropy"]
        return {"one": one, "two": one * (next(steps) < 3)}

    watched = task(losses=losses, evaluate=lambda net: {"score": 0.5, "loss": 50.0})
    done = train(without_chance(), watched, Plan(**PLAN, evaluate_every=5), tmp_path)
    assert done.state == "finished"
    assert [flag.partition(" at step ")[0] for flag in done.flags] == ["vanished loss"]
    falling = iter(range(1, 1000))
    watched = task(evaluate=lambda net: {"score": 0.5, "loss": float(next(falling))})
    done = train(without_chance(), watched, Plan(**PLAN, evaluate_every=5), tmp_path / "gap")
    assert [flag.partition(" at step ")[0] for flag in done.flags] == ["gap"]


def test_a_row_without_weight_is_never_looked_at(tmp_path):
    """A batch of such rows would be no number: its weight is nothing."""
    seen = []
    weights = np.arange(ROWS) % 12 == 3
    watched = task(weights=weights, collate=lambda rows, rng: (seen.extend(rows.tolist()), X[rows], Y[rows])[1:])
    done = train(without_chance(), watched, Plan(epochs=2, batch_size=1, learning_rate=0.01), tmp_path)
    assert (done.state, done.step) == ("finished", 8)
    assert sorted(seen) == sorted(2 * np.flatnonzero(weights).tolist())


def test_the_rate_that_is_told_is_the_steps_own(tmp_path):
    """From nothing, through the warm-up, down to nothing."""
    told = []
    plan = Plan(max_steps=10, batch_size=8, learning_rate=0.1, warmup_share=0.2, schedule="linear")
    train(without_chance(), task(), plan, tmp_path, log=told.append)
    assert [(one["step"], one["steps"]) for one in told] == [(step, 10) for step in range(1, 11)]
    assert [one["learning_rate"] for one in told] == pytest.approx(
        [0, 0.05] + [0.1 * left / 8 for left in range(8, 0, -1)]
    )


def test_a_metric_that_is_waited_for_in_vain_is_told(tmp_path):
    """Early stopping and plateau go by it."""
    for how in ({"patience": 2}, {"schedule": "plateau"}):
        plan = Plan(**(PLAN | {"evaluate_every": 2, "watch": "f1"} | how))
        with pytest.raises(BadInput, match="watch: found 'f1', expected one of the metrics, score, loss"):
            train(without_chance(), task(), plan, tmp_path)


def test_a_frozen_base_is_not_saved(tmp_path):
    """Checkpoints of an adapter are as small as the adapter."""
    net = without_chance()
    net[0].requires_grad_(False)
    train(net, task(), Plan(**PLAN, checkpoint_every=10), tmp_path)
    assert set(checkpoints.newest(tmp_path)[0].tensors["model"]) == {"2.weight", "2.bias"}


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    """Another plan, other weights of rows, or another version of the data; nothing was trained."""
    plan = Plan(**PLAN, checkpoint_every=5)
    train(without_chance(), task(), plan, tmp_path)
    for others in ({"version": "b"}, {"weights": np.arange(ROWS)}, {"loss_weights": {"cross_entropy": 2.0}}):
        with pytest.raises(BadInput, match=r"expected those of this plan, these parts and this data\. Give it"):
            train(without_chance(), task(**others), plan, tmp_path)
    with pytest.raises(BadInput, match="those of this plan"):
        train(without_chance(), task(), Plan(**(PLAN | {"learning_rate": 0.5})), tmp_path)
    net = without_chance()
    parts = [Part(name="all", parameters=list(net.parameters()), learning_rate=0.5)]
    with pytest.raises(BadInput, match="those of this plan"):
        train(net, task(), plan, tmp_path, parts=parts)
    bucketed = Plan(**PLAN, bucket_by_length=True)
    train(
        without_chance(),
        task(lengths=np.arange(ROWS)),
        Plan(**PLAN, bucket_by_length=True, checkpoint_every=5),
        tmp_path / "b",
    )
    with pytest.raises(BadInput, match="those of this plan"):
        train(without_chance(), task(lengths=np.ones(ROWS)), bucketed, tmp_path / "b")


def test_how_often_one_evaluates_changes_nothing(tmp_path):
    """Training draws the same chance."""
    nets = [model(), model()]
    for net, every in zip(nets, (1, 10), strict=True):
        watched = task(evaluate=lambda net: {"score": float(torch.rand(1)), "loss": 1.0})
        plan = Plan(**PLAN, evaluate_every=every, watch="nothing")
        train(net, watched, plan, tmp_path / str(every))
    assert same_bits(weights_of(nets[0]), weights_of(nets[1]))


@pytest.mark.parametrize("precision", ["bfloat16"])
def test_half_precision_learns_too(precision, tmp_path):
    """On the CPU as well, with losses in float32."""
    net = without_chance()
    train(net, task(), Plan(max_steps=200, batch_size=16, learning_rate=0.02, precision=precision), tmp_path)
    assert accuracy(net)["score"] > 0.9


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"learning_rate": 0}, "learning_rate: found 0, expected more than 0"),
        ({"learning_rate": float("nan")}, r"learning_rate\[0\]: found nan"),
        ({"batch_size": 0}, "batch_size: found 0, expected a whole number of at least 1"),
        ({"schedule": "cosin"}, "schedule: found 'cosin', expected one of constant, linear, cosine, plateau"),
        ({"precision": "int8"}, "precision: found 'int8', expected one of float32"),
        ({"warmup_share": 2}, r"warmup_share\[0\]: found 2.0, expected numbers from 0 to 1"),
        ({"schedule": "plateau"}, "evaluate_every: found None, expected a number of steps"),
        ({"seed": -1}, "seed: found -1"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_told(changes, told):
    """When it is made, not when the night is over."""
    with pytest.raises(BadInput, match=told):
        Plan(**changes)


def test_a_task_that_does_not_fit_is_told(tmp_path):
    """Weights that weigh nothing, losses that are not one per row, nothing to learn, no rows."""
    plan = Plan(**PLAN)
    with pytest.raises(BadInput, match="weights: found '48 with sum 0', expected 48, not all of them 0"):
        train(without_chance(), task(weights=np.zeros(ROWS)), plan, tmp_path)
    with pytest.raises(BadInput, match=r"loss 'one': found \(\), expected one number for each of 8 rows"):
        train(without_chance(), task(losses=lambda n, b, p: {"one": n(b[0]).mean()}), plan, tmp_path)
    with pytest.raises(BadInput, match="part 'all': found 'no parameter that learns'"):
        train(without_chance().requires_grad_(False), task(), plan, tmp_path)
    with pytest.raises(BadInput, match="rows: found 0"):
        train(without_chance(), task(rows=0), plan, tmp_path)
    with pytest.raises(BadInput, match="lengths: found 2, expected one for each of 48 rows"):
        train(without_chance(), task(lengths=[1, 2]), Plan(**PLAN, bucket_by_length=True), tmp_path)
