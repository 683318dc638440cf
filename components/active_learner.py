"""Which examples teach the most: the V2 document's active learner, and strategies that were measured.

Settles (2009), "Active learning literature survey". Two questions, two functions: choose_to_ask says which unrated
outputs to show to people (components/asking.py), choose_to_train which rated ones to spend training time on
(components/training_rows.py). Pools are arrays: embeddings, and where there are any, labels, scores and a model's
probabilities. ActiveLearner answers both for examples as the V2 document has them.

It deliberately does not train anything, and keeps no state between calls. v2_mix is the document's 40/30/30 as weights
of one sum, in which the quality term takes back three quarters of the uncertainty term: for asking it needed more
labels than chance on CLINC150, typical_then_margin half as many.

>>> learner = ActiveLearner(embed="hashing")
>>> rated = [{"input": f"draw the tables of shop {n}", "score": score} for n, score in enumerate((95, 20, 60, 90))]
>>> selected, metadata = learner.select_informative_examples(rated, budget=2)
>>> [example["score"] for example in selected], metadata["strategy"]
([20, 60], 'v2_mix')
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__" and __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # so that `python components/active_learner.py` runs too

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.asking import STRATEGIES, V2_WEIGHTS, ask_limit, choose_to_ask
from components.bad_input import BadInput, one_of, whole_number
from components.choosing import Choice, check_weights
from components.example_fields import as_text, column, field
from components.training_rows import TRAIN_RULES, choose_to_train

__all__ = [
    "STRATEGIES",
    "TRAIN_RULES",
    "ActiveLearner",
    "Choice",
    "ask_limit",
    "choose_to_ask",
    "choose_to_train",
]
ASK_BY_DEFAULT = "typical_then_margin"  # bench/label_efficiency.py


class ActiveLearner:
    """Selects examples by the document's 40/30/30 rule, or by another rule or strategy.

    `strategy` is a rule of TRAIN_RULES for `select_informative_examples`, or a strategy of STRATEGIES for `ask`.
    `embed` is an EmbeddingGenerator or the name of one; an example's own `embedding` counts before it.
    """

    def __init__(
        self,
        strategy: str = "v2_mix",
        uncertainty_weight: float = V2_WEIGHTS[0],
        diversity_weight: float = V2_WEIGHTS[1],
        quality_weight: float = V2_WEIGHTS[2],
        seed: int = 0,
        *,
        embed: Any = "all-MiniLM-L6-v2",
    ) -> None:
        self.strategy = one_of("strategy", strategy, tuple(dict.fromkeys((*TRAIN_RULES, *STRATEGIES))))
        self.weights = check_weights((uncertainty_weight, diversity_weight, quality_weight))
        self.seed = whole_number("seed", seed)
        self._embed = embed

    def select_informative_examples(
        self,
        candidates: Sequence[Any],
        budget: int,
        *,
        embeddings: NDArray[Any] | None = None,
        probabilities: NDArray[Any] | None = None,
    ) -> tuple[list[Any], dict[str, Any]]:
        """What to train on among rated candidates: those objects, the most wanted first, and why each was taken.

        A candidate says its score (0-100), or a `label`. Fewer candidates than the budget are all selected, and
        the metadata says so.
        """
        rule = one_of("strategy", self.strategy, TRAIN_RULES)
        asked = self._asked(candidates, budget)
        scores = column(candidates, "score")
        labels = column(candidates, "label")
        choice = choose_to_train(
            self._vectors(candidates, embeddings),
            asked,
            rule=rule,
            labels=None if any(label is None for label in labels) else labels,
            scores=self._scores(scores) if any(score is not None for score in scores) else None,
            probabilities=probabilities,
            weights=self.weights,
            rng=np.random.default_rng(self.seed),
        )
        return self._told(candidates, budget, choice)

    def ask(
        self,
        candidates: Sequence[Any],
        budget: int,
        *,
        embeddings: NDArray[Any] | None = None,
        probabilities: NDArray[Any] | None = None,
        strategy: str | None = None,
    ) -> tuple[list[Any], dict[str, Any]]:
        """What to ask people about among unrated candidates; those that have a label count as asked already.

        Where none has a label and some have a score, the scores are what is known: successes (from 70) and failures.
        """
        wanted = strategy or (
            self.strategy if self.strategy in STRATEGIES and self.strategy != "v2_mix" else ASK_BY_DEFAULT
        )
        labels, scores = column(candidates, "label"), column(candidates, "score")
        by_scores = not any(label is not None for label in labels) and any(score is None for score in scores)
        said = scores if by_scores else labels
        labelled = [row for row, one in enumerate(said) if one is not None]
        known = [said[row] for row in labelled]
        if labelled and len(labelled) == len(said):
            raise BadInput("candidates", f"{len(said)}, all of them rated", "at least one that nobody has rated")
        choice = choose_to_ask(
            self._vectors(candidates, embeddings),
            self._asked([one for one in said if one is None], budget),
            strategy=wanted,
            labelled=labelled,
            labels=() if by_scores else known,
            scores=known if by_scores else (),
            probabilities=probabilities,
            weights=self.weights,
            rng=np.random.default_rng(self.seed),
        )
        return self._told(candidates, budget, choice)

    def _asked(self, candidates: Sequence[Any], budget: int) -> int:
        asked = whole_number("budget", budget, low=1)
        if not len(candidates):
            raise BadInput("candidates", "an empty pool", "at least one example", "Record outputs first.")
        return min(asked, len(candidates))

    def _scores(self, scores: Sequence[Any]) -> list[float]:
        missing = [place for place, score in enumerate(scores) if score is None]
        if missing:
            step = "Leave it out: what nobody rated is for ask()."
            raise BadInput(f"candidates[{missing[0]}].score", None, "a score from 0 to 100", step)
        return list(scores)

    def _vectors(self, candidates: Sequence[Any], embeddings: NDArray[Any] | None) -> NDArray[Any]:
        """As given; as the candidates bring them; else of their inputs, made here."""
        if embeddings is not None:
            return np.asarray(embeddings)
        own = [field(candidate, "embedding") for candidate in candidates]
        if own and all(vector is not None for vector in own):
            return np.asarray(own, np.float32)
        from components.embeddings import EmbeddingGenerator

        generator = EmbeddingGenerator(self._embed) if isinstance(self._embed, str | Path) else self._embed
        texts = [as_text(text) for text in column(candidates, "input")]
        return np.asarray(generator.encode(texts), np.float32)

    def _told(self, candidates: Sequence[Any], budget: int, choice: Choice) -> tuple[list[Any], dict[str, Any]]:
        rows = choice.rows.tolist()
        metadata: dict[str, Any] = {
            "strategy": choice.strategy,
            "how": choice.how,
            "rows": rows,
            "reasons": [choice.why(place) for place in range(len(rows))],
        }
        if len(rows) < budget:
            metadata["note"] = f"{budget} asked for, {len(rows)} could be chosen"
        return [candidates[row] for row in rows], metadata


def _example() -> str:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((4, 16)) * 3
    points = (np.repeat(centres, 25, axis=0) + rng.standard_normal((100, 16))).astype(np.float32)
    scores = rng.uniform(20, 100, 100)
    rated = [{"input": f"request {row}", "score": score, "embedding": points[row]} for row, score in enumerate(scores)]
    selected, metadata = ActiveLearner().select_informative_examples(rated, 4)
    lines = ["To train on, of 100 rated examples, by the document's 40/30/30:"]
    for example, why in zip(selected, metadata["reasons"], strict=True):
        terms = ", ".join(f"{name} {value:.2f}" for name, value in why.items() if name != "sum")
        lines.append(f"  {example['input']:<11} score {example['score']:3.0f}   {terms}")
    choice = choose_to_ask(points, 4, rng=np.random.default_rng(0))
    lines += ["", f"To ask about, of 100 unrated ones ({choice.strategy}):"]
    lines += [f"  request {row:<4} of cluster {row // 25}" for row in choice.rows.tolist()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(_example())
