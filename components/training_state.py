"""The state of weights, optimisers and torch's own chance, as what a checkpoint can keep, and back again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Swapped:
    """Other values in the same tensors, for a while."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], others: Mapping[str, torch.Tensor]) -> None:
        self._tensors, self._others = {name: tensors[name] for name in others}, others

    def __enter__(self) -> None:
        self._were = {name: tensor.detach().clone() for name, tensor in self._tensors.items()}
        copy_into(self._tensors, self._others)

    def __exit__(self, *_: object) -> None:
        copy_into(self._tensors, self._were)


def copy_into(tensors: Mapping[str, torch.Tensor], others: Mapping[str, torch.Tensor]) -> None:
    import torch

    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(others[name])


def optimiser_state(optimiser: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Its tensors under names that say whose they are, and the numbers beside them."""
    import torch

    tensors, numbers = {}, {}
    for place, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{place}.{name}"] = value
            else:
                numbers[f"{place}.{name}"] = value
    return tensors, numbers


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, Any]
) -> None:
    state: dict[int, dict[str, Any]] = {}
    for name, value in [*tensors.items(), *numbers.items()]:
        place, _, key = name.partition(".")
        state.setdefault(int(place), {})[key] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def state_of_chance() -> dict[str, str]:
    """The state of torch's own generators, as text."""
    import torch

    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda:{place}": state for place, state in enumerate(torch.cuda.get_rng_state_all())}
    return {name: state.numpy().tobytes().hex() for name, state in states.items()}


def set_chance(states: Mapping[str, str]) -> None:
    import torch

    for name, text in states.items():
        state = torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
        if name == "cpu":
            torch.set_rng_state(state)
        elif torch.cuda.is_available():
            torch.cuda.set_rng_state(state, int(name.partition(":")[2]))
