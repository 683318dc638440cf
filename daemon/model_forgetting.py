"""This file knows which models learnt from somebody: their batches, and the batches of the models they began from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from daemon.views.batches import Batches
from daemon.views.models import Models, Standing
from daemon.views.page import Ints


class Affected(NamedTuple):
    """A model, how it stands, and how many of those outputs it learnt from."""

    workload: str
    model: int
    state: str
    outputs: int


class Lineage(NamedTuple):
    """The models of one workload, and what each learnt."""

    batches: Batches
    standing: Standing

    def batches_of(self, number: int) -> list[int]:
        """The batches in all of that line."""
        found = (self.standing.models[one].batch for one in self.standing.line_of(number))
        return [batch for batch in found if batch is not None]

    def outputs_of(self, number: int) -> Ints:
        """By number in the log, every output that it learnt from, itself or before."""
        batches = self.batches_of(number)
        events = [seq for seq, told in self.batches.formed.items() if told["batch"] in batches]
        learnt = self.batches.learnt
        return np.unique(learnt["output_seq"][np.isin(learnt["event_seq"], np.array(events, np.int64))])

    def learnt_of(self, number: int, outputs: Ints) -> int:
        """How many of these it learnt from."""
        return int(np.isin(self.outputs_of(number), outputs).sum()) if len(outputs) else 0


def affected(models: Models, batches: Batches, outputs: Ints) -> Iterator[Affected]:
    """The models that learnt from any of these outputs."""
    for workload in models.workloads():
        standing = models.standing(workload)
        lineage = Lineage(batches, standing)
        for number, model in sorted(standing.models.items()):
            count = lineage.learnt_of(number, outputs)
            if count:
                yield Affected(workload, number, model.state, count)
