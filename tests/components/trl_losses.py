"""trl's own loss code, run on given log-probabilities: no model, no data set, no training.

The trainers' `_compute_loss` is called with a stand-in for the trainer (the settings that it reads, and an accelerator
of one process) and a stand-in for the model, which hands out the given log-probabilities as if each output were as
many tokens long as it is said to be.
"""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import torch

_ONE_PROCESS = SimpleNamespace(device=torch.device("cpu"), gather=lambda x: x, gather_for_metrics=lambda x: x)


class Scripted:
    """A model that answers with the next of the given log-probabilities, spread over the tokens of each output."""

    training = False

    def __init__(self, *log_probs: torch.Tensor) -> None:
        self.waiting = list(log_probs)

    def __call__(self, *, labels: torch.Tensor, **_: Any) -> SimpleNamespace:
        mask = (labels[:, 1:] != -100).to(torch.float64)
        per_token = mask * (self.waiting.pop(0) / mask.sum(1))[:, None]
        return SimpleNamespace(log_probs=per_token, entropy=mask, mean_logits=mask, is_top1=mask.bool())


def trl_dpo(kind: str, pairs: SimpleNamespace, *, beta: float, smoothing: float = 0.0) -> torch.Tensor:
    """The losses of the pairs, one by one, as trl's DPOTrainer counts them."""
    from trl.trainer.dpo_trainer import DPOTrainer

    losses = []
    for i in range(len(pairs.chosen)):
        trainer = _trainer(beta, loss_types=[kind], loss_weights=[1.0], label_smoothing=smoothing)
        mask = _completions(torch.stack([pairs.chosen_tokens[i], pairs.rejected_tokens[i]]))
        inputs = {
            "input_ids": torch.ones_like(mask),
            "attention_mask": torch.ones_like(mask),
            "completion_mask": mask,
            "ref_chosen_logps": pairs.ref_chosen[i : i + 1],
            "ref_rejected_logps": pairs.ref_rejected[i : i + 1],
        }
        model = Scripted(torch.stack([pairs.chosen[i], pairs.rejected[i]]))
        losses.append(DPOTrainer._compute_loss(trainer, model, inputs, False))
    return torch.stack(losses)


def trl_kto(
    thumbs: SimpleNamespace, *, beta: float, desirable_weight: float, undesirable_weight: float
) -> torch.Tensor:
    """The mean loss of one batch of thumbs as trl's KTOTrainer counts it, its reference point included."""
    from trl.trainer.kto_trainer import KTOTrainer

    trainer = _trainer(beta, loss_type="kto", desirable_weight=desirable_weight, undesirable_weight=undesirable_weight)
    trainer.calculate_KL = True
    trainer._compute_kl_logps = lambda model, batch: KTOTrainer._compute_kl_logps(trainer, model, batch)
    mask = _completions(thumbs.tokens)
    inputs = {
        "input_ids": torch.ones_like(mask),
        "attention_mask": torch.ones_like(mask),
        "completion_mask": mask,
        "KL_input_ids": torch.ones_like(mask),
        "KL_attention_mask": torch.ones_like(mask),
        "KL_completion_mask": mask,
        "label": thumbs.desirable,
        "ref_logps": thumbs.reference,
        "ref_KL_logps": thumbs.ref_kl,
    }
    return KTOTrainer._compute_loss(trainer, Scripted(thumbs.kl, thumbs.policy), inputs, False)


def trl_cpo(kind: str, chosen: torch.Tensor, rejected: torch.Tensor, **settings: float) -> torch.Tensor:
    """The losses of the pairs as trl's CPOTrainer counts them: it knows no reference."""
    from trl.experimental.cpo.cpo_trainer import CPOTrainer

    trainer = SimpleNamespace(accelerator=_ONE_PROCESS, alpha=0.0, loss_type=kind, label_smoothing=0.0, **settings)
    return CPOTrainer.cpo_loss(trainer, chosen, rejected)[0]


def _trainer(beta: float, **settings: Any) -> SimpleNamespace:
    return SimpleNamespace(
        model=Scripted(),
        accelerator=_ONE_PROCESS,
        beta=beta,
        aux_loss_enabled=False,
        precompute_ref_logps=True,
        ld_alpha=None,
        f_divergence_type="reverse_kl",
        use_weighting=False,
        _metrics={"train": defaultdict(list), "eval": defaultdict(list)},
        _total_train_tokens=0,
        **settings,
    )


def _completions(tokens: torch.Tensor) -> torch.Tensor:
    """A mask of one prompt token and then as many completion tokens as each output has."""
    place = torch.arange(int(tokens.max()) + 1)
    return ((place >= 1) & (place <= tokens[:, None])).long()
