"""The choosers of small-text and scikit-activeml, as they come, with their own defaults, on our probe's probabilities.

What their classes need of a classifier is answered by the probe that was fitted for all: none of them trains a model of
its own, except the two discriminative ones, which ask for a second one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from bench.asking import Rows, Situation, Strategy
from bench.probe import Probe

NOT_RUN = {
    "small-text SEALS, AnchorSubsampling": "need hnswlib, which has no wheel here",
    "small-text BALD": "needs a classifier with dropout",
    "scikit-activeml BatchBALD, GreedyBALD, QueryByCommittee": "need an ensemble of classifiers",
    "scikit-activeml ProbabilisticAL, FourDs": "need a classifier that gives frequencies or a mixture model",
    "scikit-activeml MonteCarloEER, ValueOfInformationEER": "train the classifier anew for every row and class",
}
NEED_LABELS_FIRST = {
    "BreakingTies", "LeastConfidence", "PredictionEntropy", "GreedyCoreset", "ContrastiveActiveLearning",
    "DiscriminativeActiveLearning", "margin", "entropy", "least_confident", "Badge", "Falcun", "Clue", "DropQuery",
    "ContrastiveAL", "DiscriminativeAL",
}  # fmt: skip


def peers() -> list[Strategy]:
    """Every strategy of theirs that chooses from a pool of vectors with one classifier."""
    return [*_small_text(), *_scikit_activeml()]


def _small_text() -> list[Strategy]:
    from small_text import query_strategies as theirs

    def discriminative() -> Any:
        return theirs.DiscriminativeActiveLearning(_SmallTextFactory(), num_iterations=10, pbar=None)

    makers: dict[str, Callable[[], Any]] = {
        "BreakingTies": theirs.BreakingTies,
        "LeastConfidence": theirs.LeastConfidence,
        "PredictionEntropy": theirs.PredictionEntropy,
        "EmbeddingKMeans": theirs.EmbeddingKMeans,
        "LightweightCoreset": theirs.LightweightCoreset,
        "ContrastiveActiveLearning": lambda: theirs.ContrastiveActiveLearning(pbar=None),
        "DiscriminativeActiveLearning": discriminative,
        "GreedyCoreset": theirs.GreedyCoreset,
    }
    return [_peer(name, "small-text", _small_text_chooser(make)) for name, make in makers.items()]


def _small_text_chooser(make: Callable[[], Any]) -> Callable[[Situation, int], Rows]:
    def choose(situation: Situation, count: int) -> Rows:
        np.random.seed(int(situation.rng("small-text").integers(2**31)))  # they take no generator
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            chosen = make().query(
                _SmallTextClassifier(situation), _SmallTextRows(situation.vectors), situation.unlabelled,
                situation.labelled, situation.labels, n=count,
            )  # fmt: skip
        return np.asarray(chosen, dtype=np.int64)

    return choose


class _SmallTextRows:
    """As much of a small-text data set as the strategies use."""

    is_multi_label = False

    def __init__(self, x: Any, y: Any = None) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: Any) -> _SmallTextRows:
        return _SmallTextRows(self.x[rows])

    def clone(self) -> _SmallTextRows:
        return _SmallTextRows(self.x.copy())


class _SmallTextClassifier:
    def __init__(self, situation: Situation) -> None:
        self._probe = situation.probe

    def predict_proba(self, rows: _SmallTextRows) -> Any:
        assert self._probe is not None
        return self._probe.probabilities(rows.x)

    def embed(self, rows: _SmallTextRows, *, return_proba: bool = False, **_: Any) -> Any:
        if return_proba:
            return rows.x, None if self._probe is None else self.predict_proba(rows)
        return rows.x


class _SmallTextFactory:
    """Makes the second classifier that the discriminative strategy asks for: labelled or not."""

    def new(self) -> _SmallTextFactory:
        return self

    def fit(self, rows: _SmallTextRows) -> Any:
        self._probe = Probe(2).fit(rows.x, np.asarray(rows.y, dtype=np.int64))
        return self

    def predict_proba(self, rows: _SmallTextRows) -> Any:
        return self._probe.probabilities(rows.x)


def _scikit_activeml() -> list[Strategy]:
    from skactiveml import pool as theirs

    def alone(make: Callable[..., Any]) -> Callable[[Situation, int], Rows]:
        """Looks at vectors and at which rows have labels."""
        return lambda situation, count: _asked(make, situation, count)

    def with_probe(make: Callable[..., Any]) -> Callable[[Situation, int], Rows]:
        return lambda situation, count: _asked(
            make, situation, count, clf=_sk_classifier()(situation.probe, situation.classes), fit_clf=False
        )

    def uncertainty(method: str) -> Callable[[Situation, int], Rows]:
        return with_probe(lambda **given: theirs.UncertaintySampling(method=method, **given))

    def clue(situation: Situation, count: int) -> Rows:
        estimator = _sk_classifier()(situation.probe, situation.classes)
        return _asked(theirs.Clue, situation, count, estimator=estimator, fit_estimator=False)

    def cover(situation: Situation, count: int) -> Rows:
        return _asked(lambda **given: theirs.ProbCover(n_classes=situation.classes, **given), situation, count)

    def discriminative(situation: Situation, count: int) -> Rows:
        return _asked(theirs.DiscriminativeAL, situation, count, discriminator=_sk_classifier()(None, 2))

    choosers = {
        "margin": uncertainty("margin_sampling"),
        "entropy": uncertainty("entropy"),
        "least_confident": uncertainty("least_confident"),
        "Falcun": with_probe(theirs.Falcun),
        "Clue": clue,
        "DropQuery": with_probe(theirs.DropQuery),
        "ContrastiveAL": with_probe(theirs.ContrastiveAL),
        "Badge": with_probe(theirs.Badge),
        "TypiClust": alone(theirs.TypiClust),
        "ProbCover": cover,
        "CoreSet": alone(theirs.CoreSet),
        "MaxHerding": alone(theirs.MaxHerding),
        "DiscriminativeAL": discriminative,
    }
    return [_peer(name, "scikit-activeml", choose) for name, choose in choosers.items()]


def _asked(make: Callable[..., Any], situation: Situation, count: int, **given: Any) -> Rows:
    labels = np.full(len(situation.vectors), np.nan)
    labels[situation.labelled] = situation.labels
    strategy = make(random_state=int(situation.rng("scikit-activeml").integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = strategy.query(X=situation.vectors, y=labels, batch_size=count, **given)
    return np.asarray(chosen, dtype=np.int64)


def _sk_classifier() -> Any:
    """Our probe as scikit-activeml's classifier; made inside a function, since its base class is theirs."""
    from skactiveml.base import SkactivemlClassifier

    class ProbeClassifier(SkactivemlClassifier):
        def __init__(
            self,
            probe: Probe | None = None,
            count: int = 2,
            classes: Any = None,
            missing_label: Any = np.nan,
            cost_matrix: Any = None,
            random_state: Any = None,
        ) -> None:
            super().__init__(classes, missing_label, cost_matrix, random_state)
            self.probe, self.count = probe, count
            self.classes_ = np.arange(count)

        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:  # noqa: N803, ARG002 (their names)
            known = ~np.isnan(np.asarray(y, dtype=np.float64))
            vectors = np.asarray(X, dtype=np.float32)[known]
            self.probe = Probe(self.count).fit(vectors, np.asarray(y)[known].astype(np.int64))
            return self

        def predict_proba(self, X: Any, **_: Any) -> Any:  # noqa: N803
            assert self.probe is not None
            return self.probe.probabilities(np.asarray(X, dtype=np.float32)).astype(np.float64)

        def predict(self, X: Any, **_: Any) -> Any:  # noqa: N803
            return self.predict_proba(X).argmax(axis=1)

    return ProbeClassifier


def _peer(name: str, package: str, choose: Callable[[Situation, int], Rows]) -> Strategy:
    origin = f"{package} {version(package)}"
    return Strategy(f"{package} {name}", origin, choose, name not in NEED_LABELS_FIRST, f"{origin} 1")
