"""An exponential moving average of weights: smoother than the last step's, at the price of a copy.

Polyak and Juditsky 1992 averaged iterates; the exponential form with a warm-up, min(decay, (1+n)/(10+n)), is that of
TensorFlow and timm, so that the first steps do not weigh for ever. It averages floats and copies other tensors.

>>> import torch
>>> weights = {"w": torch.tensor([1.0])}
>>> average = WeightAverage(weights, decay=0.5)
>>> weights["w"].fill_(3.0); average.update(weights); round(float(average.tensors["w"]), 4)
tensor([3.])
2.8
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.bad_input import finite_numbers

if TYPE_CHECKING:
    import torch


class WeightAverage:
    """The average of named tensors; `updates` says over how many steps."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], decay: float, updates: int = 0) -> None:
        (self.decay,) = finite_numbers("ema_decay", [decay], low=0.0, high=1.0)
        self.updates = updates
        self.tensors = {name: tensor.detach().clone() for name, tensor in tensors.items()}

    def update(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take one step's weights in."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, average in self.tensors.items():
            newest = tensors[name].detach()
            if average.is_floating_point():
                average.lerp_(newest.to(average.dtype), 1.0 - decay)
            else:
                average.copy_(newest)
