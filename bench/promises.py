"""Small experiments, one for each promise of the V2 document that needs no fine-tune to be looked at.

    python -m bench.promises [--cache FOLDER] [--json OUT]

Similarity: does it tell pairs of equal intent from others better than V1's characters? Augmentation: what do children
beside 500 training texts change, on the test texts as they are and with typing mistakes, and what do repetitions of the
same texts change? Quality gates: how much generic content is left of a planted fifth, among made examples and among
real answers? A part whose technique is not there is left out.
"""

from __future__ import annotations

import argparse
import difflib
import gzip
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.label_curves import interval
from bench.labelled_texts import SHARED, LabelledTexts, UnreadableData, read_known
from bench.measuring import RESULTS, write_json
from bench.probe import Probe, accuracy
from bench.text_vectors import CACHE

SEEDS = 5
PAIRS = 1_000  # of each kind
V1, ALL = "characters (V1)", "all three"
TRAINED_ON = 500
TYPOS = 0.08  # the share of letters that change places with the next one
MIXTURE, GENERIC = 2_000, 0.2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.promises")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where embeddings stay (default {CACHE})")
    parser.add_argument("--json", type=Path, default=RESULTS / "promises.json")
    given = parser.parse_args()
    try:
        data = read_known("clinc150")
    except UnreadableData as error:
        print(error, file=sys.stderr)
        return 2
    parts: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
        "similarity": ("similarity_metrics", lambda: similarity(data)),
        "augmentation": ("data_augmenter", lambda: augmentation(data, given.cache)),
        "quality gates": ("quality_gates", quality_gates),
        "quality gates, real answers": ("quality_gates", quality_gates_on_answers),
    }
    result: dict[str, Any] = {"schema": "adaptd.bench.promises/1"}
    for name, (component, measure) in parts.items():
        if importlib.util.find_spec(f"components.{component}") is None:
            print(f"{name}: components/{component}.py is not there")
            continue
        result[name] = measure()
        print(f"{name}: {result[name]['told']}", flush=True)
    write_json(given.json, result)
    return 0


def similarity(data: LabelledTexts) -> dict[str, Any]:
    """The area under the ROC curve of each metric, and of their mean."""
    from components.similarity_metrics import SimilarityCalculator

    calculator, taken = SimilarityCalculator(use_embeddings=True), []
    for seed in range(SEEDS):
        texts, others, equal = _pairs(data, np.random.default_rng([seed, 1]))
        found = calculator.aligned(texts, others)
        ways = {"edit distance": found.edit, "BLEU": found.bleu, "embeddings": found.embedding, ALL: found.similarity}
        ways[V1] = [difflib.SequenceMatcher(None, a, b).ratio() for a, b in zip(texts, others, strict=True)]
        taken.append({name: roc_area(values, equal) for name, values in ways.items() if values is not None})
    told: dict[str, Any] = {}
    for name in taken[0]:
        gain = interval([one[name] - one[V1] for one in taken])
        told[name] = {"auc": interval([one[name] for one in taken]), "gain": gain}
    line = f"{told[ALL]['auc']['mean']:.3f}, V1's characters {told[V1]['auc']['mean']:.3f}"
    how = (
        f"{PAIRS:,} pairs of test texts of CLINC150 with one intent and {PAIRS:,} of different ones, drawn by each "
        f"of {SEEDS} seeds; V1's way is `difflib.SequenceMatcher.ratio`"
    )
    return {"ways": told, "told": line, "how": how}


def _pairs(data: LabelledTexts, rng: np.random.Generator) -> tuple[list[str], list[str], Any]:
    _, test = data.split(0)
    first = rng.choice(test, 2 * PAIRS)
    second = np.empty_like(first)
    equal = np.arange(2 * PAIRS) < PAIRS
    for place, row in enumerate(first):
        same = data.labels[test] == data.labels[row]
        second[place] = rng.choice(test[same & (test != row)] if equal[place] else test[~same])
    return [data.texts[row] for row in first], [data.texts[row] for row in second], equal


def roc_area(values: Any, positive: Any) -> float:
    """The chance that a positive has a larger value than a negative; a tie counts half."""
    from scipy.stats import rankdata

    ranks, positives = rankdata(values), int(np.sum(positive))
    negatives = len(ranks) - positives
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def augmentation(data: LabelledTexts, cache: Path) -> dict[str, Any]:
    """Accuracy with children beside the sources, on the test as it is and with typing mistakes."""
    from components.data_augmenter import augment_training_data
    from components.embeddings import EmbeddingGenerator
    from components.example_fields import field

    generator = EmbeddingGenerator(cache_dir=cache / "embeddings")
    pool, test = data.split(0)
    judged = np.random.default_rng(0).choice(test, 1_500, replace=False)
    texts = [data.texts[row] for row in judged]
    tests = {"as they are": generator.encode(texts), "with typing mistakes": generator.encode(with_typos(texts, 0))}
    taken = []
    for seed in range(SEEDS):
        rows = np.random.default_rng([seed, 2]).choice(pool, TRAINED_ON, replace=False)
        examples = [{"id": str(row), "input": data.texts[row], "output": data.classes[data.labels[row]],
                     "artifact_type": "intent"} for row in rows]  # fmt: skip
        more = list(augment_training_data(examples, augmentation_factor=2))
        names = {name: number for number, name in enumerate(data.classes)}
        pairs = [(str(field(one, "input")), names[str(field(one, "output"))]) for one in more]
        one: dict[str, float] = {"times": len(pairs) / len(examples)}
        own = [(data.texts[row], int(data.labels[row])) for row in rows]
        for way, given in (("without", own), ("with", pairs), ("repeated", repeated_as(own, pairs))):
            vectors, labels = generator.encode([text for text, _ in given]), np.array([label for _, label in given])
            probe = Probe(len(data.classes), tolerance=1e-5).fit(vectors, labels)
            for name, judged_vectors in tests.items():
                predicted = probe.probabilities(judged_vectors).argmax(axis=1)
                one[f"{way}, {name}"] = accuracy(predicted, data.labels[judged])
        taken.append(one)
    gains = {
        f"{way}, {name}": interval([one[f"{way}, {name}"] - one[f"without, {name}"] for one in taken])
        for name in tests
        for way in ("with", "repeated")
    }
    scores = {key: interval([one[key] for one in taken]) for key in taken[0]}
    parts = [
        f"{_points(gains[f'with, {name}'])} of accuracy on test texts {name} "
        f"(the same texts repeated as often instead: {_points(gains[f'repeated, {name}'])})"
        for name in tests
    ]
    line = f"{scores['times']['mean']:.2f}× the data; {'; '.join(parts)}."
    how = (
        f"{TRAINED_ON} training texts of CLINC150, with and without the children of `augment_training_data(…, 2)`, "
        f"under a probe on frozen embeddings; {SEEDS} seeds; repetitions give the probe as many rows and nothing new, "
        f"with which it is held back less; with typing mistakes {TYPOS:.0%} of the letters change "
        "places with the next one"
    )
    return {"scores": scores, "gains": gains, "told": line[0].upper() + line[1:], "how": how}


def repeated_as(own: list[tuple[str, int]], pairs: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """As many rows as there are with children, of the sources alone, the first of them more often than the last."""
    return [own[place % len(own)] for place in range(len(pairs))]


def with_typos(texts: list[str], seed: int) -> list[str]:
    """Letters that changed places with the next one."""
    rng, changed = np.random.default_rng(seed), []
    for text in texts:
        letters = list(text)
        for place in np.flatnonzero(rng.random(max(0, len(letters) - 1)) < TYPOS):
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        changed.append("".join(letters))
    return changed


def quality_gates() -> dict[str, Any]:
    """What is left of planted generic content, and what it cost in sound outputs."""
    from components.planted_mixtures import sound_examples

    found = _gated(lambda seed: sound_examples(MIXTURE, seed=seed))
    told = f"On planted mixtures of made examples {_fell(found)} were sound outputs that were refused."
    how = (
        f"{MIXTURE:,} made examples with faults of our own making (`components/planted_mixtures.py`): kinder than life"
    )
    return found | {"told": told, "how": how}


def quality_gates_on_answers() -> dict[str, Any]:
    """The same faults among answers of language models, of which nobody knows how many were sound."""
    answers = answers_of_models(SHARED / "pandalm.jsonl.gz")
    if not answers:
        return {"told": "", "how": "not measured: ../shared/data/pandalm.jsonl.gz is not there"}
    found = _gated(lambda _: answers)
    told = f"Among real answers of models {_fell(found)} were untouched ones that were refused."
    how = (
        f"{len(answers):,} different answers of PandaLM's models, with the same faults; some of the untouched ones "
        "deserve it: they go round in circles, or leave «[Your Name]» to be filled in"
    )
    return found | {"told": told, "how": how}


def _gated(examples_of: Callable[[int], list[Any]]) -> dict[str, Any]:
    from components.planted_mixtures import measure_gates, plant_flaws

    taken = [measure_gates(plant_flaws(examples_of(seed), generic_share=GENERIC, seed=seed)) for seed in range(SEEDS)]
    return {
        "before": interval([one.generic_share_before for one in taken]),
        "after": interval([one.generic_share_after for one in taken]),
        "lost": interval([one.lost / one.rows for one in taken]),
    }


def _fell(found: dict[str, Any]) -> str:
    after = found["after"]
    left = f"{after['mean']:.1%} [{max(0.0, after['low']):.1%}, {after['high']:.1%}]"
    return f"generic content fell from {found['before']['mean']:.1%} to {left}; {found['lost']['mean']:.1%} of all rows"


def answers_of_models(path: Path) -> list[dict[str, Any]]:
    """Each different answer in PandaLM's file with what was asked."""
    if not path.exists():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    asked = [f"{row['instruction']} {row['input'] or ''}".strip() for row in rows]
    pairs = [(given, row[name]) for given, row in zip(asked, rows, strict=True) for name in ("response1", "response2")]
    return [
        {"input": given, "output": made, "artifact_type": "chat"}
        for given, made in dict.fromkeys(pairs)
        if isinstance(made, str) and made.strip()
    ]


def _points(gain: dict[str, Any]) -> str:
    return f"{100 * gain['mean']:+.1f} [{100 * gain['low']:+.1f}, {100 * gain['high']:+.1f}] points"


if __name__ == "__main__":
    sys.exit(main())
