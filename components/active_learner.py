"""Which examples teach the most: the V2 document's active learner, and strategies that were measured.

Settles (2009), "Active learning literature survey". Two questions, two functions: choose_to_ask says which unrated
outputs to show to people (components/asking.py), choose_to_train which rated ones to spend training time on
(components/training_rows.py). ActiveLearner is the V2 call over both: 40% uncertainty (the model struggled), 30%
diversity (far from what is chosen), 30% quality (a good score), as the weights of one sum.

It trains nothing and asks nobody. The 40/30/30 rule is the document's, kept under its name v2_mix: in that sum the
quality term takes back three quarters of the uncertainty term, and on CLINC150 it needed more labels than chance. For
asking, typical_then_margin needed half as many.

>>> rows = np.array([[0.0, 1.0], [0.1, 0.9], [0.2, 1.0], [1.0, 0.0], [0.9, 0.1]], dtype=np.float32)
>>> choice = choose_to_ask(rows, 2, rng=np.random.default_rng(0))
>>> choice.rows.tolist(), choice.how, choice.why(0)["cluster_size"]
([1, 3], 'exact', 3)
>>> learner = ActiveLearner()
>>> asked = [{"input_data": "x", "validation_score": s, "embedding": [s / 50, 1.0]} for s in (20, 90, 60)]
>>> learner.select_informative_examples(asked, budget=2)[1]["rows"]
[0, 1]
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__" and __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # so that `python components/active_learner.py` runs too

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.asking import STRATEGIES, ask_limit, choose_to_ask
from components.bad_input import BadInput, one_of, same_length, whole_number
from components.bad_input import scores as check_scores
from components.choosing import Choice, check_budget, check_weights
from components.example_fields import as_text, column, field
from components.training_rows import TRAIN_RULES, choose_to_train
from components.uncertainty import chances_of_scores

__all__ = ["STRATEGIES", "TRAIN_RULES", "ActiveLearner", "Choice", "ask_limit", "choose_to_ask", "choose_to_train"]

Embed = Callable[[list[str]], ArrayLike]
_BOTH: Final = tuple(dict.fromkeys([*STRATEGIES, *TRAIN_RULES]))


class ActiveLearner:
    """The V2 call: candidates in, the most informative ones and the reasons out.

    `strategy` is one of STRATEGIES or TRAIN_RULES; the weights are v2_mix's. `embed` makes vectors of texts, by default
    components.embeddings; candidates that carry an `embedding` each need none.
    """

    def __init__(
        self,
        strategy: str = "v2_mix",
        uncertainty_weight: float = 0.4,
        diversity_weight: float = 0.3,
        quality_weight: float = 0.3,
        seed: int = 0,
        *,
        embed: Embed | None = None,
    ) -> None:
        self.strategy = one_of("strategy", strategy, _BOTH)
        self.weights = check_weights((uncertainty_weight, diversity_weight, quality_weight))
        self.seed = whole_number("seed", seed)
        self._embed = embed

    def select_informative_examples(self, candidates: Sequence[Any], budget: int) -> tuple[list[Any], dict[str, Any]]:
        """`budget` of the candidates, the first the most wanted, and what was done, with the terms of each pick.

        When all candidates have a score, the choice is among them. When some have none, it is among those: it is they
        that a rating would tell something about, and the rated ones are what is known.
        """
        if not len(candidates):
            raise BadInput("candidates", "an empty pool", "at least one example", "Record outputs first.")
        scores = column(candidates, "score")
        rated = np.array([score is not None for score in scores])
        asked = check_budget(budget, len(scores) if rated.all() else int((~rated).sum()))
        known = check_scores("scores", [score for score in scores if score is not None])
        embeddings, told = self._vectors(candidates)
        if rated.all():
            choice = self._among_rated(embeddings, asked, known, _labels_of(candidates))
        else:
            choice = self._among_unrated(embeddings, asked, rated, known, candidates)
        picked = known[choice.rows] if rated.all() else np.empty(0)
        return [candidates[row] for row in choice.rows.tolist()], {
            "strategy": choice.strategy,
            "use": "train" if rated.all() else "ask",
            "how": choice.how,
            "candidates": len(candidates),
            "selected": len(choice.rows),
            "rows": choice.rows.tolist(),
            "why": [choice.why(place) for place in range(len(choice.rows))],
            "embedding": told,
            "mean_score": float(picked.mean()) if len(picked) else None,
        }

    def _among_rated(
        self, embeddings: NDArray[Any], budget: int, scores: NDArray[np.float64], labels: list[Any] | None
    ) -> Choice:
        rng = np.random.default_rng(self.seed)
        if self.strategy in TRAIN_RULES:
            return choose_to_train(
                embeddings, budget, rule=self.strategy, labels=labels, scores=scores, weights=self.weights, rng=rng
            )
        # A strategy for asking: the ratings are all that is believed, and nothing counts as labelled.
        chances = chances_of_scores(scores)
        return choose_to_ask(embeddings, budget, strategy=self.strategy, probabilities=chances, rng=rng)

    def _among_unrated(
        self,
        embeddings: NDArray[Any],
        budget: int,
        rated: NDArray[np.bool_],
        scores: NDArray[np.float64],
        candidates: Sequence[Any],
    ) -> Choice:
        if self.strategy not in STRATEGIES:
            found = f"{int((~rated).sum())} candidates without a score"
            raise BadInput(
                f"strategy {self.strategy}", found, "a score on each", f"Use one of {', '.join(STRATEGIES)}."
            )
        believed = column(candidates, "probabilities")
        return choose_to_ask(
            embeddings,
            budget,
            strategy=self.strategy,
            labelled=np.flatnonzero(rated),
            scores=scores,
            probabilities=None if any(one is None for one in believed) else _matrix("probabilities", believed),
            weights=self.weights,
            rng=np.random.default_rng(self.seed),
        )

    def _vectors(self, candidates: Sequence[Any]) -> tuple[NDArray[Any], str]:
        """A row for each candidate, and whose vectors they are."""
        given = column(candidates, "embedding")
        if all(one is not None for one in given):
            return _matrix("embedding", given), "the candidates' own"
        texts = [as_text(field(one, "input")) or as_text(field(one, "output")) for one in candidates]
        if self._embed is not None:
            vectors = _matrix("embed(texts)", self._embed(texts))
            same_length(candidates=candidates, vectors=vectors)
            return vectors, "the function given as embed"
        from components.embeddings import EmbeddingGenerator

        generator = EmbeddingGenerator()
        return generator.encode(texts), generator.describe()


def _labels_of(candidates: Sequence[Any]) -> list[Any] | None:
    """Each candidate's label, or else its artifact type; None when one has neither."""
    found = [field(one, "label", field(one, "artifact_type")) for one in candidates]
    return None if any(one is None for one in found) else found


def _matrix(thing: str, rows: Any) -> NDArray[Any]:
    """Rows of numbers of equal length, as one array of floating numbers."""
    try:
        found = np.asarray(rows, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise BadInput(thing, rows, "numbers, as many on each candidate") from error
    if found.ndim != 2:
        raise BadInput(thing, f"an array of shape {found.shape}", "numbers, as many on each candidate")
    return found


def _show() -> None:
    """Two topics of questions, one of them rare; then the V2 call."""
    rng = np.random.default_rng(0)
    topic = np.array([0] * 16 + [1] * 4)
    pool = (np.eye(2)[topic] + rng.normal(0, 0.1, (20, 2))).astype(np.float32)
    print("20 outputs, 16 of topic A and 4 of topic B. Which two should people rate?\n")
    for strategy in ("random", "typical_then_margin"):
        choice = choose_to_ask(pool, 2, strategy=strategy, rng=np.random.default_rng(1))
        print(
            f"  {strategy:20} rows {choice.rows.tolist()!s:9} topics {''.join('AB'[topic[row]] for row in choice.rows)}"
        )
        print(f"    since {_in_words(choice.why(0))}")
    examples = [
        {"input_data": f"question {row}", "validation_score": float(score), "embedding": pool[row]}
        for row, score in enumerate(rng.integers(30, 100, 20))
    ]
    chosen, told = ActiveLearner().select_informative_examples(examples, budget=3)
    print("\nThe V2 call: .4 uncertainty + .3 diversity + .3 quality, among rated examples:\n")
    for example, why in zip(chosen, told["why"], strict=True):
        print(f"  {example['input_data']:12} {_in_words(why)}")


def _in_words(terms: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in terms.items())


if __name__ == "__main__":
    _show()
