"""What each objective costs: from the embeddings of one batch, one number for each of its texts.

An embedding has length 1 before it is compared or given to the head. Where the label of a text is only known to be
wrong, the head learns the others, and comparisons leave the text out. References: supervised contrast, Khosla et al.
2020 (arXiv 2004.11362); all triplets of a batch, Hermans et al. 2017 (1703.07737); ranking among the batch's own
positives, Henderson et al. 2017 (1705.00652); SimCSE, Gao et al. 2021 (2104.08821); SoftmaxLoss, Reimers and Gurevych
2019 (1908.10084); prefixes that are embeddings too, Kusupati et al. 2022 (2205.13147).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plugins.workloads.sbert.settings import SbertSettings

if TYPE_CHECKING:
    import torch

_NEVER = -1e9  # a similarity that no softmax sees


@dataclass(frozen=True, eq=False)
class Views:
    """The embeddings of one batch, and what is known of its rows."""

    own: torch.Tensor  # (rows, size)
    others: Sequence[torch.Tensor]  # each (rows, size): the text again, or partners, or negatives
    labels: torch.Tensor  # (rows,), places among the classes
    right: torch.Tensor  # (rows,), whether the label is the right one
    missing: torch.Tensor  # (rows,), where there is no partner: the row is its own
    negative_labels: torch.Tensor | None = None  # (rows,), of the last of `others`, in ranking

    def cut(self, size: int) -> Views:
        """The same with the first numbers of each embedding alone."""
        rest = (self.labels, self.right, self.missing, self.negative_labels)
        return Views(self.own[:, :size], [other[:, :size] for other in self.others], *rest)


Losses = Mapping[str, "torch.Tensor"]
Objective = Callable[[Any, Views, SbertSettings], Losses]  # (head, views, settings) → (rows,) each


def losses_of(head: Any, views: Views, settings: SbertSettings) -> Losses:
    """Of the objective in the settings; with `matryoshka`, the mean over the whole embedding and its beginnings."""
    objective = _OBJECTIVES[settings.objective]
    whole = objective(head, views, settings)
    sizes = [size for size in settings.matryoshka if size < views.own.shape[1]]
    if not sizes:
        return whole
    parts = [whole, *(objective(head, views.cut(size), settings) for size in sizes)]
    return {name: sum(part[name] for part in parts) / len(parts) for name in whole}


def logits_of(head: Any, embeddings: torch.Tensor, scale: float) -> torch.Tensor:
    """(rows, classes), of whole embeddings or of their beginnings."""
    import torch

    unit = torch.nn.functional.normalize(embeddings.float(), dim=1)
    return torch.nn.functional.linear(scale * unit, head.weight[:, : embeddings.shape[1]], head.bias)


def unlikeliness(logits: torch.Tensor, labels: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """How unlikely the label is where it is right, how unlikely all others are where it is wrong; (rows,)."""
    import torch

    logits = logits.float()
    whole = torch.logsumexp(logits, dim=1)  # (rows,)
    own = logits.gather(1, labels[:, None]).squeeze(1)  # (rows,)
    if logits.shape[1] == 1:
        return whole - own  # 0, with a slope of 0: there is nothing to learn from one class
    rest = logits.scatter(1, labels[:, None], -torch.inf)  # (rows, classes)
    return whole - torch.where(right, own, torch.logsumexp(rest, dim=1))


def _classify(head: Any, views: Views, settings: SbertSettings) -> Losses:
    logits = logits_of(head, views.own, settings.scale)
    return {"nll": unlikeliness(logits, views.labels, views.right)}


def _softmax_pair(head: Any, views: Views, settings: SbertSettings) -> Losses:  # noqa: ARG001 the document has no scale
    """The document's: the text twice, as (u, v, |u - v|) into one layer. What differs is dropout alone."""
    import torch

    u, v = _unit(views.own), _unit(views.others[0])
    size = u.shape[1]
    width = head.weight.shape[1] // 3
    pieces = [head.weight[:, start : start + size] for start in (0, width, 2 * width)]
    both = torch.cat([u, v, (u - v).abs()], dim=1)  # (rows, 3 size)
    logits = torch.nn.functional.linear(both, torch.cat(pieces, dim=1), head.bias)
    return {"nll": unlikeliness(logits, views.labels, views.right)}


def _contrast(head: Any, views: Views, settings: SbertSettings) -> Losses:  # noqa: ARG001 it has none
    """To each anchor, texts of its label are to be nearer than all others of the batch."""
    import torch

    near, alike, usable = _compared(views)  # (rows, texts) each
    near = (near / settings.temperature).masked_fill(~usable, _NEVER)
    chance = near - torch.logsumexp(near, dim=1, keepdim=True)
    found = alike.sum(1)
    return {"contrast": -(chance * alike).sum(1) / found.clamp(min=1)}  # 0 where nobody in the batch is alike


def _triplet(head: Any, views: Views, settings: SbertSettings) -> Losses:  # noqa: ARG001 it has none
    """All triplets of the batch: each text of the label nearer than each other one, by the margin of cosines."""
    import torch

    near, alike, usable = _compared(views)
    gaps = settings.margin + near[:, None, :] - near[:, :, None]  # (rows, alike, other)
    valid = alike[:, :, None] & (usable & ~alike)[:, None, :]
    lost = torch.relu(gaps) * valid
    active = (lost > 0).sum((1, 2))
    return {"triplet": lost.sum((1, 2)) / active.clamp(min=1)}


def _ranking(head: Any, views: Views, settings: SbertSettings) -> Losses:  # noqa: ARG001 it has none
    """The partner above all other texts of the batch and mined negatives; those of the same label do not count."""
    import torch

    own, positive, *negatives = (_unit(one) for one in (views.own, *views.others))
    candidates = torch.cat([positive, *negatives])  # (texts, size)
    labels = [views.labels, *([views.negative_labels] if views.negative_labels is not None else [])]
    same = views.labels[:, None] == torch.cat(labels)[None, :]  # (rows, texts)
    rows = torch.arange(len(own), device=own.device)
    same[rows, rows] = False  # the own partner is what is sought
    near = (own @ candidates.T / settings.temperature).masked_fill(same, _NEVER)
    lost = torch.nn.functional.cross_entropy(near, rows, reduction="none")
    return {"ranking": torch.where(views.right & ~views.missing, lost, 0.0)}


def _simcse(head: Any, views: Views, settings: SbertSettings) -> Losses:  # noqa: ARG001 it has none
    """The text itself, under other dropout, above all other texts of the batch; labels are not looked at."""
    import torch

    near = _unit(views.own) @ _unit(views.others[0]).T / settings.temperature
    rows = torch.arange(len(near), device=near.device)
    return {"simcse": torch.nn.functional.cross_entropy(near, rows, reduction="none")}


def _classify_contrast(head: Any, views: Views, settings: SbertSettings) -> Losses:
    return {**_classify(head, views, settings), **_contrast(head, views, settings)}


_OBJECTIVES: Mapping[str, Objective] = {
    "classify": _classify,
    "softmax_pair": _softmax_pair,
    "contrast": _contrast,
    "triplet": _triplet,
    "ranking": _ranking,
    "simcse": _simcse,
    "classify_contrast": _classify_contrast,
}


def _unit(embeddings: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.nn.functional.normalize(embeddings.float(), dim=1)


def _compared(views: Views) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Similarity to the batch's texts, which of them have the anchor's label, and which count; (rows, texts) each."""
    import torch

    own = _unit(views.own)
    texts = torch.cat([own, *(_unit(other) for other in views.others)])
    times = 1 + len(views.others)
    labels, right = views.labels.repeat(times), views.right.repeat(times)
    fresh = torch.cat([torch.ones_like(views.missing), *(~views.missing for _ in views.others)])
    itself = torch.arange(len(texts), device=own.device)[None, :] == torch.arange(len(own), device=own.device)[:, None]
    usable = views.right[:, None] & (right & fresh)[None, :] & ~itself
    return own @ texts.T, usable & (views.labels[:, None] == labels[None, :]), usable
