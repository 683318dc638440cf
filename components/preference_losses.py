"""What a preference costs a model: losses on the log-probabilities that it gives to outputs.

A pair (chosen over rejected) says that the policy should raise the one against the other, measured from a frozen
reference: DPO (arXiv 2305.18290) by a logistic loss, with label smoothing it is cDPO; the hinge of SLiC (2305.10425);
IPO's square (2310.12036). KTO (2402.01306) needs no pair, a thumb is enough. RePO (2503.07426) has no reference and no
temperature: a max-margin on log-probabilities per token. `group_loss` estimates one preference from several sampled
pairs: `epo` is minus the logarithm of the *expected* win probability, `pairwise_mean` the mean of the pairs' losses.

Where trl has the same loss the numbers are trl's (its DPOTrainer and KTOTrainer, and CPOTrainer for cDPO), to 1e-6.
Everything is counted in log space: no margin is too large, and no clamp ends the gradient of a pair that is far off.

It deliberately does not compute log-probabilities, hold a reference model or train; numbers that are not finite pass
through, since looking at them would make a GPU wait: health rules belong to the training loop.

>>> import torch
>>> chosen, rejected = torch.tensor([-10.0, -12.0]), torch.tensor([-14.0, -9.0])
>>> reference = torch.tensor([-12.0, -11.0])
>>> [round(x, 4) for x in dpo_loss(chosen, rejected, reference, reference, reduce="none").tolist()]
[0.513, 0.8544]
>>> margins = torch.tensor([[4.0, -3.0]])  # one group of two sampled pairs
>>> [round(float(group_loss(margins, beta=1.0, estimator=name)), 4) for name in GROUP_ESTIMATORS]
[1.5334, 0.6641]
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from typing import Any, TypeAlias

from components.bad_input import BadInput, one_of

Tensor: TypeAlias = Any  # torch.Tensor; torch itself is loaded when a loss is first counted

DPO_KINDS = ("sigmoid", "hinge", "ipo")
GROUP_ESTIMATORS = ("pairwise_mean", "epo")
GROUP_OBJECTIVES = ("sigmoid", "repo_relu")
REDUCTIONS = ("mean", "sum", "none")


def pair_margins(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor | None = None, ref_rejected: Tensor | None = None
) -> Tensor:
    """How much more the policy prefers the chosen output than the reference does; without a reference, than nothing."""
    better, worse = _gains(chosen, rejected, ref_chosen, ref_rejected)
    return better - worse


def dpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    ref_chosen: Tensor | None = None,
    ref_rejected: Tensor | None = None,
    *,
    kind: str = "sigmoid",
    beta: float = 0.1,
    label_smoothing: float | Tensor = 0.0,
    chosen_tokens: Tensor | None = None,
    rejected_tokens: Tensor | None = None,
    weights: Tensor | None = None,
    reduce: str = "mean",
) -> Tensor:
    """The loss of pairs, from the log-probabilities of whole outputs (summed over their tokens).

    `label_smoothing` (sigmoid alone) is the share of pairs believed to be the wrong way round, one number or one per
    pair. `ipo` is counted per token: give both token counts, or log-probabilities that are means already.
    """
    one_of("kind", kind, DPO_KINDS)
    _positive("beta", beta)
    if kind == "ipo":
        margins = _margins_per_token(chosen, rejected, ref_chosen, ref_rejected, chosen_tokens, rejected_tokens)
    else:
        margins = pair_margins(chosen, rejected, ref_chosen, ref_rejected)
    smoothing = _smoothing(label_smoothing, margins, allowed=kind == "sigmoid")
    return weighted(_pair_loss(kind, margins, beta, smoothing), weights, reduce)


def _pair_loss(kind: str, margins: Tensor, beta: float, smoothing: Tensor | float) -> Tensor:
    from torch.nn.functional import logsigmoid  # softplus(-x) is the same but for its short cut beyond 20

    if kind == "hinge":
        return (1 - beta * margins).relu()
    if kind == "ipo":
        return (margins - 1 / (2 * beta)) ** 2
    right = -logsigmoid(beta * margins)
    if isinstance(smoothing, int | float) and smoothing == 0:
        return right
    return (1 - smoothing) * right - smoothing * logsigmoid(-beta * margins)


def kto_reference_point(kl: Tensor, ref_kl: Tensor) -> Tensor:
    """Where KTO's gains turn into losses: how far the policy has moved on outputs given to the *wrong* inputs.

    Both are log-probabilities of mismatched outputs (trl shifts them by one within the batch). Never below 0, and no
    gradient flows through it.
    """
    kl = _numbers("kl", kl)
    return (kl - _numbers("ref_kl", ref_kl, like=kl)).mean().detach().clamp(min=0)


def kto_loss(
    policy: Tensor,
    reference: Tensor,
    desirable: Tensor,
    *,
    beta: float = 0.1,
    reference_point: Tensor | float = 0.0,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
    weights: Tensor | None = None,
    reduce: str = "mean",
) -> Tensor:
    """The loss of outputs that were judged alone: `desirable` is true where the thumb went up.

    The two class weights multiply the losses and leave the divisor of the mean alone, as in trl: see
    `preference_pairs.kto_class_weights` for what they should be.
    """
    import torch

    _positive("beta", beta)
    policy = _numbers("policy", policy)
    ratio = policy - _numbers("reference", reference, like=policy)
    up = torch.as_tensor(desirable, dtype=torch.bool, device=ratio.device)
    if up.shape != ratio.shape:
        raise BadInput("desirable", tuple(up.shape), f"one thumb per output, {tuple(ratio.shape)}")
    gain = torch.where(up, ratio - reference_point, reference_point - ratio)
    class_weight = torch.where(up, gain.new_full((), desirable_weight), gain.new_full((), undesirable_weight))
    return weighted(class_weight * torch.sigmoid(-beta * gain), weights, reduce)


def repo_loss(
    chosen: Tensor,
    rejected: Tensor,
    *,
    chosen_tokens: Tensor | None = None,
    rejected_tokens: Tensor | None = None,
    margin: float = 0.5,
    weights: Tensor | None = None,
    reduce: str = "mean",
) -> Tensor:
    """RePO's max-margin: a pair costs what its margin per token lacks of `margin`, and nothing beyond it.

    Without token counts the log-probabilities (or logits) are taken as means already.
    """
    _not_negative("margin", margin)
    margins = _margins_per_token(chosen, rejected, None, None, chosen_tokens, rejected_tokens)
    return weighted((margin - margins).relu(), weights, reduce)


def group_loss(
    margins: Tensor,
    groups: Tensor | None = None,
    *,
    estimator: str = "epo",
    objective: str = "sigmoid",
    beta: float = 0.1,
    margin: float = 0.5,
    pair_weights: Tensor | None = None,
    weights: Tensor | None = None,
    reduce: str = "mean",
) -> Tensor:
    """One loss per group of sampled pairs: margins as rows of a matrix, or as one row with a group number for each.

    `epo` trusts the group: a single pair that is far off costs at most what its share of the win probability costs,
    where `pairwise_mean` lets it dominate. `repo_relu` takes the mean of the pairs' losses under either name. Groups
    come back in the order of their numbers; `pair_weights` count within a group, `weights` between groups.
    """
    import torch
    from torch.nn.functional import logsigmoid

    one_of("estimator", estimator, GROUP_ESTIMATORS)
    one_of("objective", objective, GROUP_OBJECTIVES)
    _positive("beta", beta)
    flat, place, count = _in_groups(margins, groups)
    within = torch.ones_like(flat) if pair_weights is None else _numbers("pair_weights", pair_weights, like=margins)
    within, total, counted = _shares(within.reshape(-1).to(flat), place, count)
    if objective == "sigmoid" and estimator == "epo":
        log_shares = within.log() - total.log()[place]
        losses = -_logsumexp(logsigmoid(beta * flat) + log_shares, place, count)
    else:
        per_pair = -logsigmoid(beta * flat) if objective == "sigmoid" else (margin - flat).relu()
        losses = flat.new_zeros(count).index_add(0, place, per_pair * within) / total
    between = counted if weights is None else counted * _numbers("weights", weights, like=losses).to(losses)
    return weighted(losses, between, reduce)


def weighted(losses: Tensor, weights: Tensor | None = None, reduce: str = "mean") -> Tensor:
    """The losses as one number: their weighted mean, their weighted sum, or one by one (`none`), weights applied.

    A batch whose weights are all zero costs zero. With gradient accumulation take `sum`, and divide once by the weights
    of the whole step.
    """
    one_of("reduce", reduce, REDUCTIONS)
    if weights is None:
        return losses if reduce == "none" else getattr(losses, reduce)()
    weights = _numbers("weights", weights, like=losses).to(losses)
    losses = losses * weights
    if reduce == "none":
        return losses
    total = losses.sum()
    if reduce == "sum":
        return total
    weight = weights.sum()
    return total / weight.where(weight > 0, weight.new_ones(()))


def _in_groups(margins: Tensor, groups: Tensor | None) -> tuple[Tensor, Tensor, int]:
    """The margins in one row, the group of each counted from 0, and how many groups there are."""
    import torch

    margins = _numbers("margins", margins)
    if groups is None:
        if margins.ndim != 2 or 0 in margins.shape:
            raise BadInput("margins", tuple(margins.shape), "a row of pairs per group", "Or give the groups' numbers.")
        rows, pairs = margins.shape
        return margins.reshape(-1), torch.arange(rows, device=margins.device).repeat_interleave(pairs), rows
    groups = torch.as_tensor(groups, device=margins.device)
    if margins.ndim != 1 or groups.shape != margins.shape or not len(groups):
        raise BadInput("groups", tuple(groups.shape), f"one number per margin, {tuple(margins.shape)}, at least one")
    numbers, place = torch.unique(groups, return_inverse=True)
    return margins, place, len(numbers)


def _shares(within: Tensor, place: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The weights within groups, each group's sum of them, and 1 for the groups that count: those with any weight."""
    total = within.new_zeros(count).index_add(0, place, within)
    counted = total > 0
    within = within.where(counted[place], within.new_ones(()))  # any numbers would do, as long as no 0/0 arises
    total = within.new_zeros(count).index_add(0, place, within)
    return within, total, counted.to(within)


def _logsumexp(values: Tensor, place: Tensor, count: int) -> Tensor:
    """The logarithm of each group's sum of exponentials, by the group's own largest value: no overflow, no clamp."""
    largest = values.detach().new_full((count,), -float("inf")).scatter_reduce(0, place, values.detach(), "amax")
    sums = values.new_zeros(count).index_add(0, place, (values - largest[place]).exp())
    return largest + sums.log()


def _margins_per_token(
    chosen: Tensor,
    rejected: Tensor,
    ref_chosen: Tensor | None,
    ref_rejected: Tensor | None,
    chosen_tokens: Tensor | None,
    rejected_tokens: Tensor | None,
) -> Tensor:
    better, worse = _gains(chosen, rejected, ref_chosen, ref_rejected)
    if chosen_tokens is None and rejected_tokens is None:
        return better - worse
    if chosen_tokens is None or rejected_tokens is None:
        raise BadInput("tokens", "one of two", "token counts of the chosen and of the rejected outputs, or none")
    _same_shape("chosen_tokens", chosen_tokens, better)
    _same_shape("rejected_tokens", rejected_tokens, worse)
    return better / chosen_tokens.clamp(min=1) - worse / rejected_tokens.clamp(min=1)  # an empty output has no token


def _gains(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor | None, ref_rejected: Tensor | None
) -> tuple[Tensor, Tensor]:
    """What the policy gives the two outputs beyond what the reference gives them."""
    chosen = _numbers("chosen", chosen)
    rejected = _numbers("rejected", rejected, like=chosen)
    if ref_chosen is None and ref_rejected is None:
        return chosen, rejected
    if ref_chosen is None or ref_rejected is None:
        raise BadInput("reference", "one of two", "log-probabilities of the chosen and of the rejected output, or none")
    ref_chosen = _numbers("ref_chosen", ref_chosen, like=chosen)
    return chosen - ref_chosen, rejected - _numbers("ref_rejected", ref_rejected, like=chosen)


def _numbers(thing: str, values: Tensor, *, like: Tensor | None = None) -> Tensor:
    """The tensor, with half precision widened: a difference of two large sums has no digits left in 16 bits."""
    import torch

    if not isinstance(values, torch.Tensor):
        raise BadInput(thing, values, "a torch tensor")
    if like is not None:
        _same_shape(thing, values, like)
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _same_shape(thing: str, values: Tensor, like: Tensor) -> None:
    if values.shape != like.shape:
        raise BadInput(thing, tuple(values.shape), f"the shape of the others, {tuple(like.shape)}")


def _smoothing(value: float | Tensor, margins: Tensor, *, allowed: bool) -> float | Tensor:
    if not isinstance(value, int | float):
        _same_shape("label_smoothing", value, margins)
    elif not 0 <= value < 0.5:
        raise BadInput("label_smoothing", value, "a share from 0 to less than 0.5")
    if not allowed and not (isinstance(value, int | float) and value == 0):
        raise BadInput("label_smoothing", value, "0 for this kind", "Only kind='sigmoid' smooths labels (cDPO).")
    return value


def _positive(thing: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise BadInput(thing, value, "a number above 0")


def _not_negative(thing: str, value: float) -> None:
    if not 0 <= value < float("inf"):
        raise BadInput(thing, value, "a number of at least 0")


def worked_example() -> str:
    """A line of numbers for each loss, over margins from badly wrong to clearly right."""
    import torch

    margins = torch.tensor([-20.0, -2.0, 0.0, 2.0, 20.0])
    zero = torch.zeros_like(margins)
    rows = {
        "DPO, sigmoid": dpo_loss(margins, zero, reduce="none"),
        "cDPO, 10% smoothing": dpo_loss(margins, zero, label_smoothing=0.1, reduce="none"),
        "DPO, hinge": dpo_loss(margins, zero, kind="hinge", reduce="none"),
        "IPO": dpo_loss(margins, zero, kind="ipo", reduce="none"),
        "KTO, thumb up": kto_loss(margins, zero, torch.ones(5, dtype=torch.bool), reduce="none"),
        "RePO, margin 0.5": repo_loss(margins, zero, reduce="none"),
    }
    lines = ["margin".ljust(24) + "".join(f"{m:>10.0f}" for m in margins.tolist())]
    lines += [name.ljust(24) + "".join(f"{x:>10.3f}" for x in losses.tolist()) for name, losses in rows.items()]
    one_bad = torch.tensor([[4.0, 4.0, 4.0, -20.0]])
    lines += ["", "a group of four sampled pairs, one of them far off (4, 4, 4, -20), beta 1:"]
    for estimator in reversed(GROUP_ESTIMATORS):
        lines.append(f"  {estimator:<22}{float(group_loss(one_bad, beta=1.0, estimator=estimator)):>10.3f}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(worked_example())
