"""The losses are trl's to 1e-6, their gradients are right, and no margin is too large for them."""

from __future__ import annotations

import math
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.bad_input import BadInput

torch = pytest.importorskip("torch", reason="the losses are torch functions")

from components.preference_losses import (  # noqa: E402 - after torch is known to be there
    DPO_KINDS,
    GROUP_ESTIMATORS,
    REDUCTIONS,
    dpo_loss,
    group_loss,
    kto_loss,
    kto_reference_point,
    pair_margins,
    repo_loss,
    weighted,
    worked_example,
)

ROWS = 12


def randomly(seed: int, *, spread: float = 30.0, rows: int = ROWS) -> SimpleNamespace:
    """Log-probabilities and token counts of pairs and thumbs, in double precision."""
    source = torch.Generator().manual_seed(seed)

    def some() -> torch.Tensor:
        return -spread * torch.rand(rows, generator=source, dtype=torch.float64)

    def counts() -> torch.Tensor:
        return torch.randint(1, 20, (rows,), generator=source)

    names = ("chosen", "rejected", "ref_chosen", "ref_rejected", "policy", "reference", "kl", "ref_kl")
    thumbs = torch.rand(rows, generator=source) < 0.5
    thumbs[0], thumbs[1] = True, False
    tokens = {name: counts() for name in ("chosen_tokens", "rejected_tokens", "tokens")}
    return SimpleNamespace(**{name: some() for name in names}, **tokens, desirable=thumbs)


def four(pairs: SimpleNamespace) -> tuple[torch.Tensor, ...]:
    return pairs.chosen, pairs.rejected, pairs.ref_chosen, pairs.ref_rejected


@pytest.fixture(scope="module")
def trl():
    """trl's own code, loaded once; what its libraries warn of at import is theirs."""
    pytest.importorskip("trl", reason="the losses are pinned to trl's")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import trl.experimental.cpo.cpo_trainer
        import trl.trainer.dpo_trainer
        import trl.trainer.kto_trainer  # noqa: F401 - loaded here, used by the helpers

        from tests.components import trl_losses
    return trl_losses


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("beta", [0.02, 0.1, 1.7])
@pytest.mark.parametrize("kind", DPO_KINDS)
def test_dpo_is_trls(trl, kind, beta, seed) -> None:
    """Sigmoid, hinge and IPO, pair by pair and as a mean."""
    pairs = randomly(seed)
    tokens = {"chosen_tokens": pairs.chosen_tokens, "rejected_tokens": pairs.rejected_tokens} if kind == "ipo" else {}
    theirs = trl.trl_dpo(kind, pairs, beta=beta)
    ours = dpo_loss(*four(pairs), kind=kind, beta=beta, reduce="none", **tokens)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)
    torch.testing.assert_close(dpo_loss(*four(pairs), kind=kind, beta=beta, **tokens), theirs.mean(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.05, 0.3])
def test_cdpo_is_trls(trl, smoothing) -> None:
    """DPOTrainer has label smoothing under the name `aot_unpaired`, which for a single pair sorts nothing."""
    pairs = randomly(7)
    theirs = trl.trl_dpo("aot_unpaired", pairs, beta=0.3, smoothing=smoothing)
    ours = dpo_loss(*four(pairs), beta=0.3, label_smoothing=smoothing, reduce="none")
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", ["sigmoid", "hinge", "ipo"])
def test_without_a_reference_it_is_trls_cpo(trl, kind) -> None:
    """The reference may be left out; CPOTrainer is trl's code for that."""
    pairs = randomly(8)
    theirs = trl.trl_cpo(kind, pairs.chosen, pairs.rejected, beta=0.2)
    torch.testing.assert_close(dpo_loss(pairs.chosen, pairs.rejected, kind=kind, beta=0.2, reduce="none"), theirs)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("class_weights", [(1.0, 1.0), (1.3, 0.4)])
def test_kto_is_trls(trl, class_weights, seed) -> None:
    """With its reference point, its class weights, and its mean over the whole batch."""
    thumbs, (up, down) = randomly(seed), class_weights
    theirs = trl.trl_kto(thumbs, beta=0.1, desirable_weight=up, undesirable_weight=down)
    ours = kto_loss(
        thumbs.policy,
        thumbs.reference,
        thumbs.desirable,
        reference_point=kto_reference_point(thumbs.kl, thumbs.ref_kl),
        desirable_weight=up,
        undesirable_weight=down,
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


def test_repo_is_what_trls_simpo_becomes_without_a_temperature(trl) -> None:
    """SimPO's loss divided by beta, as beta grows, is RePO's: the paper's own claim, on trl's SimPO."""
    pairs, beta, margin = randomly(9), 1e4, 0.7
    chosen, rejected = pairs.chosen / pairs.chosen_tokens, pairs.rejected / pairs.rejected_tokens
    theirs = trl.trl_cpo("simpo", chosen, rejected, beta=beta, simpo_gamma=margin * beta) / beta
    ours = repo_loss(
        pairs.chosen,
        pairs.rejected,
        chosen_tokens=pairs.chosen_tokens,
        rejected_tokens=pairs.rejected_tokens,
        margin=margin,
        reduce="none",
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_repo_with_a_margin_of_one_is_trls_hinge(trl) -> None:
    """Two names for one bend, where no reference and no temperature are left."""
    pairs = randomly(10)
    theirs = trl.trl_cpo("hinge", pairs.chosen, pairs.rejected, beta=1.0)
    torch.testing.assert_close(repo_loss(pairs.chosen, pairs.rejected, margin=1.0, reduce="none"), theirs)


def slow_group_loss(margins, weights, *, estimator, objective, beta, margin) -> float:
    """One group, in plain Python numbers, from the definitions."""
    share = [w / sum(weights) for w in weights]
    win = [1 / (1 + math.exp(-beta * m)) for m in margins]
    if objective == "repo_relu":
        return sum(s * max(0.0, margin - m) for s, m in zip(share, margins, strict=True))
    if estimator == "epo":
        return -math.log(sum(s * p for s, p in zip(share, win, strict=True)))
    return sum(-s * math.log(p) for s, p in zip(share, win, strict=True))


group_numbers = st.lists(
    st.tuples(st.integers(0, 3), st.floats(-30, 30), st.floats(0.1, 5)), min_size=1, max_size=12
).map(lambda rows: list(zip(*rows, strict=True)))


@settings(max_examples=60, deadline=None)
@given(group_numbers, st.sampled_from(GROUP_ESTIMATORS), st.sampled_from(["sigmoid", "repo_relu"]), st.floats(0.05, 3))
def test_groups_are_what_the_definition_says(rows, estimator, objective, beta) -> None:
    """Ragged groups in any order, with weights, against sums written out in plain Python."""
    groups, margins, weights = rows
    found = group_loss(
        torch.tensor(margins, dtype=torch.float64),
        torch.tensor(groups),
        estimator=estimator,
        objective=objective,
        beta=beta,
        pair_weights=torch.tensor(weights, dtype=torch.float64),
        reduce="none",
    )
    expected = []
    for group in sorted(set(groups)):
        own = [i for i, g in enumerate(groups) if g == group]
        m, w = [margins[i] for i in own], [weights[i] for i in own]
        expected.append(slow_group_loss(m, w, estimator=estimator, objective=objective, beta=beta, margin=0.5))
    assert found.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_rows_of_a_matrix_are_groups() -> None:
    """A matrix and the same margins with group numbers give the same."""
    margins = randomly(3).chosen.reshape(4, 3)
    flat = group_loss(margins.reshape(-1), torch.arange(4).repeat_interleave(3), reduce="none")
    torch.testing.assert_close(group_loss(margins, reduce="none"), flat)


@pytest.mark.parametrize("estimator", GROUP_ESTIMATORS)
def test_a_group_of_one_pair_is_dpo(estimator) -> None:
    """Several sampled pairs are a generalisation of one."""
    pairs = randomly(4)
    margins = pair_margins(*four(pairs))
    torch.testing.assert_close(group_loss(margins[:, None], estimator=estimator), dpo_loss(*four(pairs)))


def test_the_expectation_is_never_above_the_mean() -> None:
    """Jensen: minus the logarithm of a mean is at most the mean of minus the logarithms."""
    margins = randomly(5, rows=40).chosen.reshape(8, 5) + 15
    epo, mean = (group_loss(margins, estimator=name, reduce="none") for name in ("epo", "pairwise_mean"))
    assert (epo <= mean + 1e-12).all()


# Every loss as a function of the log-probabilities alone.
LOSSES = {
    **{kind: (lambda p, kind=kind: dpo_loss(*four(p), kind=kind, reduce="none")) for kind in DPO_KINDS},
    "cdpo": lambda p: dpo_loss(*four(p), label_smoothing=0.2, reduce="none"),
    "ipo_per_token": lambda p: dpo_loss(
        *four(p), kind="ipo", chosen_tokens=p.chosen_tokens, rejected_tokens=p.rejected_tokens, reduce="none"
    ),
    "kto": lambda p: kto_loss(
        p.chosen, p.rejected, p.desirable, reference_point=0.4, undesirable_weight=0.7, reduce="none"
    ),
    "repo": lambda p: repo_loss(p.chosen, p.rejected, reduce="none"),
    **{
        name: (lambda p, name=name: group_loss((p.chosen - p.rejected).reshape(-1, 3), estimator=name, reduce="none"))
        for name in GROUP_ESTIMATORS
    },
    "repo_group": lambda p: group_loss((p.chosen - p.rejected).reshape(-1, 3), objective="repo_relu", reduce="none"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name) -> None:
    """At random points, in both outputs."""
    pairs = randomly(6)
    chosen, rejected = pairs.chosen.requires_grad_(), pairs.rejected.requires_grad_()

    def loss(chosen: torch.Tensor, rejected: torch.Tensor) -> torch.Tensor:
        return LOSSES[name](SimpleNamespace(**{**vars(pairs), "chosen": chosen, "rejected": rejected}))

    assert torch.autograd.gradcheck(loss, (chosen, rejected), eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("name", LOSSES)
def test_no_margin_is_too_large(name, size) -> None:
    """In single precision, with margins of a million either way: losses and gradients stay finite."""
    pairs = SimpleNamespace(**{k: v.float() if v.is_floating_point() else v for k, v in vars(randomly(11)).items()})
    signs = torch.tensor([1.0, -1.0] * (ROWS // 2))
    pairs.chosen = (pairs.chosen + signs * size).requires_grad_()
    losses = LOSSES[name](pairs)
    losses.sum().backward()
    assert torch.isfinite(losses).all()
    assert torch.isfinite(pairs.chosen.grad).all()


def test_a_pair_that_is_far_off_still_pulls() -> None:
    """Where a clamp at 1e-8 would have ended the gradient, the expectation passes it on in full."""
    margins = torch.full((1, 4), -1e4, requires_grad=True)
    group_loss(margins, beta=1.0, estimator="epo").backward()
    torch.testing.assert_close(margins.grad, torch.full((1, 4), -0.25))


def test_an_output_without_a_token_is_not_divided_by_zero() -> None:
    """An empty output has the log-probability 0, whatever it is divided by."""
    chosen, rejected = torch.tensor([0.0, -4.0]), torch.tensor([-3.0, 0.0])
    found = repo_loss(
        chosen, rejected, chosen_tokens=torch.tensor([0, 2]), rejected_tokens=torch.tensor([3, 0]), reduce="none"
    )
    assert found.tolist() == [0.0, 2.5]


def test_half_precision_is_widened() -> None:
    """A margin of 0.25 between sums of -300 does not survive 16 bits, so the difference is taken in 32."""
    chosen, rejected = torch.tensor([-300.0]).bfloat16(), torch.tensor([-302.0]).bfloat16()
    loss = dpo_loss(chosen, rejected, rejected, chosen)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, dpo_loss(chosen.float(), rejected.float(), rejected.float(), chosen.float()))


def test_no_gradient_goes_to_the_reference_point() -> None:
    """KTO's reference point is a constant, and never below 0."""
    kl = torch.tensor([-3.0, -5.0], requires_grad=True)
    point = kto_reference_point(kl, torch.tensor([-6.0, -5.0]))
    assert (float(point), point.requires_grad) == (1.5, False)
    assert float(kto_reference_point(torch.tensor([-9.0]), torch.tensor([-1.0]))) == 0.0


WEIGHTED = {
    "dpo": lambda p, **how: dpo_loss(*four(p), label_smoothing=0.1, **how),
    "ipo": lambda p, **how: dpo_loss(*four(p), kind="ipo", **how),
    "kto": lambda p, **how: kto_loss(p.policy, p.reference, p.desirable, undesirable_weight=0.5, **how),
    "repo": lambda p, **how: repo_loss(p.chosen, p.rejected, **how),
    "group": lambda p, **how: group_loss((p.chosen - p.rejected)[:, None].repeat(1, 2), **how),
}


@pytest.mark.parametrize("name", WEIGHTED)
def test_an_example_with_weight_two_counts_as_two(name) -> None:
    """A whole weight is the same as that many copies; a zero is the same as leaving it out."""
    pairs = randomly(12)
    weights = torch.tensor([0, 1, 2, 3] * 3)
    copies = torch.arange(ROWS).repeat_interleave(weights)
    repeated = SimpleNamespace(**{name: values[copies] for name, values in vars(pairs).items()})
    for reduce in ("mean", "sum"):
        found = WEIGHTED[name](pairs, weights=weights, reduce=reduce)
        torch.testing.assert_close(found, WEIGHTED[name](repeated, reduce=reduce))


def test_weights_that_are_all_zero_cost_nothing() -> None:
    """No division by zero, and a gradient of zero."""
    margins = torch.tensor([[1.0, -2.0], [3.0, 4.0]], requires_grad=True)
    zero = group_loss(margins, weights=torch.zeros(2))
    zero.backward()
    assert (zero.item(), margins.grad.abs().sum().item()) == (0.0, 0.0)


@pytest.mark.parametrize("estimator", GROUP_ESTIMATORS)
def test_a_group_whose_pairs_weigh_nothing_is_left_out(estimator) -> None:
    """Its loss does not dilute the mean, and no NaN comes from its empty sum."""
    margins = torch.tensor([[1.0, -2.0], [3.0, 4.0]], requires_grad=True)
    found = group_loss(margins, estimator=estimator, pair_weights=torch.tensor([[0.0, 0.0], [1.0, 3.0]]))
    alone = group_loss(margins[1:], estimator=estimator, pair_weights=torch.tensor([[1.0, 3.0]]))
    torch.testing.assert_close(found, alone)
    found.backward()
    assert torch.isfinite(margins.grad).all()
    assert margins.grad[0].tolist() == [0.0, 0.0]


def test_smoothing_may_differ_from_pair_to_pair() -> None:
    """One share of doubt per pair gives what each share gives alone."""
    pairs = randomly(13)
    doubts = torch.linspace(0, 0.45, ROWS, dtype=torch.float64)
    together = dpo_loss(*four(pairs), label_smoothing=doubts, reduce="none")
    alone = [float(dpo_loss(*four(pairs), label_smoothing=float(d), reduce="none")[i]) for i, d in enumerate(doubts)]
    assert together.tolist() == pytest.approx(alone)


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_ways_of_reducing(reduce) -> None:
    """One by one, as a sum, as a mean: by their sum of weights, not by their number."""
    losses, weights = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 1.0, 2.0])
    expected = {"none": [1.0, 2.0, 8.0], "sum": 11.0, "mean": 2.75}[reduce]
    assert weighted(losses, weights, reduce).tolist() == expected


two = torch.tensor([-1.0, -2.0])

WRONG = {
    "chosen: found [1.0], expected a torch tensor.": lambda: dpo_loss([1.0], two),
    "rejected: found (1,), expected the shape of the others, (2,).": lambda: dpo_loss(two, two[:1]),
    "ref_rejected: found (1,), expected the shape of the others, (2,).": lambda: dpo_loss(two, two, two, two[:1]),
    "reference: found 'one of two', expected log-probabilities of the chosen and of the rejected output, or none.": (
        lambda: dpo_loss(two, two, two)
    ),
    "tokens: found 'one of two', expected token counts of the chosen and of the rejected outputs, or none.": (
        lambda: repo_loss(two, two, chosen_tokens=torch.tensor([1, 2]))
    ),
    "chosen_tokens: found (1,), expected the shape of the others, (2,).": (
        lambda: repo_loss(two, two, chosen_tokens=torch.tensor([1]), rejected_tokens=torch.tensor([1]))
    ),
    "kind: found 'exo', expected one of sigmoid, hinge, ipo.": lambda: dpo_loss(two, two, kind="exo"),
    "beta: found 0, expected a number above 0.": lambda: dpo_loss(two, two, beta=0),
    "margin: found nan, expected a number of at least 0.": lambda: repo_loss(two, two, margin=float("nan")),
    "label_smoothing: found 0.5, expected a share from 0 to less than 0.5.": (
        lambda: dpo_loss(two, two, label_smoothing=0.5)
    ),
    "label_smoothing: found 0.1, expected 0 for this kind. Only kind='sigmoid' smooths labels (cDPO).": (
        lambda: dpo_loss(two, two, kind="hinge", label_smoothing=0.1)
    ),
    "desirable: found (1,), expected one thumb per output, (2,).": lambda: kto_loss(two, two, torch.tensor([True])),
    "reduce: found 'median', expected one of mean, sum, none.": lambda: dpo_loss(two, two, reduce="median"),
    "margins: found (2,), expected a row of pairs per group. Or give the groups' numbers.": lambda: group_loss(two),
    "groups: found (1,), expected one number per margin, (2,), at least one.": (
        lambda: group_loss(two, torch.tensor([0]))
    ),
    "estimator: found 'best', expected one of pairwise_mean, epo.": lambda: group_loss(two[None], estimator="best"),
    "weights: found (1,), expected the shape of the others, (2,).": lambda: dpo_loss(two, two, weights=two[:1]),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_counted_is_said(text) -> None:
    """Each complaint names the thing, what was found and what was expected."""
    with pytest.raises(BadInput) as told:
        WRONG[text]()
    assert str(told.value) == text


def test_the_module_is_light_until_a_loss_is_counted() -> None:
    """Importing it loads no torch."""
    code = "import sys, components.preference_losses; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_worked_example_fits_a_terminal() -> None:
    """No line is wider than 80 columns."""
    assert max(map(len, worked_example().splitlines())) <= 80
