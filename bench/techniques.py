"""What the techniques that run over every example cost, beside the loop that one would write with nltk and difflib.

    python -m bench.techniques [--rounds N] [--json FILE]

Four parts: how alike 1,000 texts are to 1,000 others, and one to 1,000; quality and variety of 10,000 responses;
rewards for a million rows; augmented examples. In a round each case runs once, in an order that turns, and the ratio is
taken inside the round. A loop that would take minutes is run on a share of the work, drawn anew in each round, and
multiplied up: its cost is that of its pairs, since it keeps nothing from one to the next. Texts are split into words
for the loops over pairs beforehand, in their favour. Before the clock starts, ours and theirs are compared: equal to
1e-9 or no figure. Writes bench/results/techniques.json.
"""

from __future__ import annotations

import difflib
import gzip
import importlib
import importlib.util
import itertools
import json
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.measuring import arguments, goal, show_goals, spread, write_json
from components.embeddings import EmbeddingGenerator
from components.ngrams import words
from components.similarity_metrics import SimilarityCalculator
from components.text_metrics import text_metrics

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SIDE = 1_000
SHARE_OF_PAIRS = 1_000
SHARE_OF_LONG_PAIRS = 100
RESPONSES = 10_000
SHARE_OF_RESPONSES = 200
ROWS = 1_000_000
AUGMENTED = 300
CLOSE = 1e-9


class Timed:
    """A case: what one call does, and how many times that the whole work is."""

    def __init__(self, name: str, call: Callable[[], Any], *, times: float = 1.0) -> None:
        self.name, self.call, self.times = name, call, times
        self.seconds: list[float] = []

    def run(self) -> None:
        began = time.perf_counter()
        self.call()
        self.seconds.append((time.perf_counter() - began) * self.times)

    def summary(self) -> dict[str, Any]:
        measured = {} if self.times == 1 else {"measured share": f"1/{round(self.times)}"}
        return {"seconds": spread(self.seconds), **measured}


def in_turn(cases: Sequence[Timed], rounds: int) -> dict[str, Any]:
    """Every case in every round after one that warms up; the first is ours: how many times faster than each other."""
    for turn in range(rounds + 1):
        for i in range(len(cases)):
            cases[(turn + i) % len(cases)].run()
    for case in cases:
        del case.seconds[0]
    ours = cases[0]
    return {
        "cases": {case.name: case.summary() for case in cases},
        "times faster": {
            case.name: spread([theirs / own for theirs, own in zip(case.seconds, ours.seconds, strict=True)])
            for case in cases[1:]
        },
    }


def short_texts(count: int) -> tuple[list[str], str]:
    """Different sentences, and where they are from."""
    rows = read("clinc150.jsonl.gz")
    if rows:
        return list(dict.fromkeys(row["text"] for row in rows))[:count], "CLINC150, 40 letters on average"
    rng = np.random.default_rng(1)
    known = ["".join(rng.choice(list("etaoinshrdlu"), rng.integers(2, 9))) for _ in range(3000)]
    likely = 1 / np.arange(1, 3001)
    picked = (rng.choice(known, rng.integers(3, 15), p=likely / likely.sum()) for _ in range(count))
    return [" ".join(one) for one in picked], "made: words drawn by Zipf's law"


def long_texts(count: int) -> tuple[list[str], str]:
    """Longer answers of models, where there are such."""
    texts = [row[name] for row in read("pandalm.jsonl.gz") for name in ("response1", "response2")]
    texts = [text for text in dict.fromkeys(texts) if isinstance(text, str) and len(text) > 200][:count]
    return texts, f"PandaLM responses above 200 letters, {round(np.mean([len(t) for t in texts] or [0]))} on average"


def read(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.exists():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def levenshtein(text: str, other: str) -> int:
    """The table, row by row, as it is written everywhere."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(text, 1):
        above, row[0] = row[0], i
        for j, other_letter in enumerate(other, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (letter != other_letter))
    return row[-1]


def by_table(text: str, other: str) -> float:
    return 1 - levenshtein(text, other) / max(len(text), len(other), 1)


def by_difflib(text: str, other: str) -> float:
    return difflib.SequenceMatcher(None, text, other).ratio()


def by_rapidfuzz(text: str, other: str) -> float:
    return float(importlib.import_module("rapidfuzz.distance").Levenshtein.normalized_similarity(text, other))


def nltk_bleu() -> Callable[[list[str], list[str]], float]:
    score = importlib.import_module("nltk.translate.bleu_score")
    method = score.SmoothingFunction().method1
    return lambda reference, response: score.sentence_bleu([reference], response, smoothing_function=method)


class Loop:
    """The plain loop over pairs: nltk's BLEU and a likeness by letters, one pair after the other."""

    def __init__(self, texts: list[str], others: list[str], likeness: Callable[[str, str], float]) -> None:
        self.texts, self.others, self.likeness, self.bleu = texts, others, likeness, nltk_bleu()
        self.split = [words(text) for text in texts], [words(text) for text in others]

    def pair(self, i: int, j: int) -> tuple[float, float]:
        return self.likeness(self.texts[i], self.others[j]), self.bleu(self.split[0][i], self.split[1][j])

    def share(self, pairs: int, rng: np.random.Generator) -> Callable[[], Any]:
        def run() -> list[tuple[float, float]]:
            rows, columns = rng.integers(0, len(self.texts), pairs), rng.integers(0, len(self.others), pairs)
            return [self.pair(i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True)]

        return run


def equal_on(loop: Loop, found: Any, pairs: int) -> int:
    """How many drawn pairs are equal to what the loop says; all of them, or this stops here."""
    rng = np.random.default_rng(9)
    for i, j in rng.integers(0, min(found.edit.shape), (pairs, 2)).tolist():
        edit, bleu = loop.pair(i, j)
        assert math.isclose(found.edit[i, j], edit, abs_tol=CLOSE), (i, j, found.edit[i, j], edit)
        assert math.isclose(found.bleu[i, j], bleu, abs_tol=CLOSE), (i, j, found.bleu[i, j], bleu)
    return pairs


def all_pairs(texts: list[str], others: list[str], share: int, rounds: int) -> dict[str, Any]:
    """Every text with every other: letters and BLEU."""
    calculator, rng = SimilarityCalculator(use_embeddings=False), np.random.default_rng(2)
    loops = {
        "nltk + Levenshtein in Python": Loop(texts, others, by_table),
        "nltk + difflib": Loop(texts, others, by_difflib),
        "nltk + rapidfuzz, one pair at a time": Loop(texts, others, by_rapidfuzz),
    }
    checked = equal_on(loops["nltk + Levenshtein in Python"], calculator.all_pairs(texts, others), share)
    times = len(texts) * len(others) / share
    cases = [Timed("ours", lambda: calculator.all_pairs(texts, others))]
    cases += [Timed(name, loop.share(share, rng), times=times) for name, loop in loops.items()]
    return {"pairs": len(texts) * len(others), "pairs compared with ours": checked, **in_turn(cases, rounds)}


def one_to_many(texts: list[str], rounds: int) -> dict[str, Any]:
    """One text with 1,000; the loops run whole."""
    calculator = SimilarityCalculator(use_embeddings=False)
    cases = [Timed("ours", lambda: calculator.one_to_many(texts[0], texts))]
    for name, likeness in (("nltk + Levenshtein in Python", by_table), ("nltk + difflib", by_difflib)):
        loop = Loop(texts[:1], texts, likeness)
        cases.append(Timed(name, lambda loop=loop: [loop.pair(0, j) for j in range(len(texts))]))
    return {"pairs": len(texts), **in_turn(cases, rounds)}


def three_metrics(texts: list[str], others: list[str], rounds: int) -> dict[str, Any] | str:
    """With meaning: every text embedded once, its vector kept; the loop has the vectors too."""
    with tempfile.TemporaryDirectory() as folder:
        generator = EmbeddingGenerator(cache_dir=folder)
        if not generator.uses_model:
            return generator.describe()
        began = time.perf_counter()
        vectors = generator.encode(texts), generator.encode(others)
        embedding = time.perf_counter() - began
        calculator, rng = SimilarityCalculator(embeddings=generator), np.random.default_rng(2)
        loop = Loop(texts, others, by_table)

        def share() -> list[float]:
            rows, columns = rng.integers(0, len(texts), SHARE_OF_PAIRS), rng.integers(0, len(others), SHARE_OF_PAIRS)
            pairs = zip(rows.tolist(), columns.tolist(), strict=True)
            return [0.3 * sum(loop.pair(i, j)) + 0.4 * float(vectors[0][i] @ vectors[1][j]) for i, j in pairs]

        cases = [
            Timed("ours", lambda: calculator.all_pairs(texts, others)),
            Timed("nltk + Levenshtein in Python", share, times=len(texts) * len(others) / SHARE_OF_PAIRS),
        ]
        first = {"embedding all texts the first time, seconds": round(embedding, 2)}
        return {"embeddings": generator.describe(), **first, **in_turn(cases, rounds)}


def naive_text_metrics(responses: list[str], references: list[str]) -> dict[str, list[float]]:
    """The loop over responses: nltk three times, rouge-score, and Counters."""
    score = importlib.import_module("nltk.translate.bleu_score")
    scorer = importlib.import_module("rouge_score.rouge_scorer").RougeScorer(["rouge1", "rouge2", "rougeL"])
    method, found = score.SmoothingFunction().method1, {"bleu_4": [], "rouge_l": [], "distinct_2": [], "entropy": []}
    for response, reference in zip(responses, references, strict=True):
        own, there = words(response), words(reference)
        for n in (1, 2, 4):
            bleu = score.sentence_bleu([there], own, weights=(1 / n,) * n, smoothing_function=method)
        found["bleu_4"].append(bleu)
        found["rouge_l"].append(scorer.score(reference, response)["rougeL"].fmeasure)
        shares = []
        for n in (1, 2, 3):
            grams = [tuple(own[i : i + n]) for i in range(len(own) - n + 1)]
            shares.append(len(set(grams)) / max(1, len(grams)))
        found["distinct_2"].append(shares[1])
        sum(a == b for a, b in itertools.pairwise(own))
        counts = Counter(own)
        found["entropy"].append(-sum(c / len(own) * math.log2(c / len(own)) for c in counts.values()))
    return found


def measured_texts(rounds: int) -> dict[str, Any] | str:
    """Quality and variety of 10,000 responses."""
    if not importlib.util.find_spec("rouge_score"):
        return "rouge-score is not installed"
    texts, source = short_texts(2 * RESPONSES)
    half = len(texts) // 2
    # Every other response shares words with its reference, as a model's answers do.
    responses = [f"{a} {b}" if i % 2 else a for i, (a, b) in enumerate(zip(texts[:half], texts[half:], strict=False))]
    references = texts[half : half + len(responses)]
    ours, theirs = text_metrics(responses, references), naive_text_metrics(responses[:500], references[:500])
    for name, column in theirs.items():
        assert np.allclose(ours.per_response[name][:500], column, rtol=0, atol=CLOSE), name
    rng = np.random.default_rng(4)

    def share() -> None:
        rows = rng.integers(0, len(responses), SHARE_OF_RESPONSES).tolist()
        naive_text_metrics([responses[row] for row in rows], [references[row] for row in rows])

    times = len(responses) / SHARE_OF_RESPONSES
    cases = [
        Timed("ours", lambda: text_metrics(responses, references)),
        Timed("nltk + rouge-score + Counter", share, times=times),
    ]
    return {"texts": source, "responses": len(responses), "compared with ours": 500, **in_turn(cases, rounds)}


def rewards(rounds: int) -> dict[str, Any] | str:
    """A million rows at once, beside one call per row."""
    try:
        module = importlib.import_module("components.reward_calculator_enhanced")
    except ModuleNotFoundError as missing:
        return str(missing)
    rng, calculator = np.random.default_rng(5), module.EnhancedRewardCalculator()
    columns = (
        rng.uniform(0, 100, ROWS),
        rng.choice(np.array(["success", "failure"]), ROWS),
        rng.uniform(0, 400, ROWS),
        rng.uniform(0, 1, ROWS),
        rng.choice(np.array(["erd", "code_prototype", "architecture"]), ROWS, p=[0.7, 0.2, 0.1]),
    )

    def loop() -> float:
        total = 0.0
        for score, kind, age, difficulty in zip(
            *(column[: ROWS // 100].tolist() for column in columns[:4]), strict=True
        ):
            reward = math.tanh((score - 50) / 25) if kind == "success" else -abs(math.tanh((score - 50) / 25))
            total += max(-1.0, min(1.0, reward * 0.95**age * (1 + 0.5 * difficulty)))
        return total

    codes = columns[0], *numbered(module, columns[1:])
    cases = [
        Timed("ours", lambda: calculator.calculate_rewards(*codes)),
        Timed("ours, kinds and types as text", lambda: calculator.calculate_rewards(*columns)),
        Timed("a loop in Python over rows, without balancing", loop, times=100),
    ]
    return {"rows": ROWS, **in_turn(cases, rounds)}


def numbered(module: Any, columns: Sequence[Any]) -> tuple[Any, ...]:
    """Kinds and artifact types as a pool of columns holds them, if the module says how it numbers kinds."""
    kinds, ages, difficulties, types = columns
    known = list(getattr(module, "KINDS", ()))
    if not known:
        return tuple(columns)
    codes = np.full(len(kinds), -1, dtype=np.int8)
    for kind in np.unique(kinds):
        codes[kinds == kind] = known.index(str(kind))
    return codes, ages, difficulties, np.unique(types, return_inverse=True)[1].astype(np.int32)


SYNONYMS = {
    "my": "the",
    "please": "kindly",
    "show": "display",
    "want": "would like",
    "tell": "inform",
    "need": "require",
}


def augmented_by_loop(examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What one would write: swap words from a table, and keep what difflib and nltk find neither equal nor far away."""
    bleu, kept = nltk_bleu(), []
    for example in examples:
        text = example["input"]
        for seed in range(4):
            swapped = [SYNONYMS.get(word, word) if (len(word) + seed) % 3 else word for word in text.split()]
            child = " ".join(swapped) if seed % 2 else " ".join(swapped) + ", please"
            likeness = 0.5 * by_difflib(text, child) + 0.5 * bleu(words(text), words(child))
            beside = [one for one in kept[-20:] if by_difflib(one["input"], child) > 0.98]
            if 0.3 < likeness < 0.98 and not beside:
                kept.append({**example, "input": child})
                break
    return kept


def swapped(examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Less than one would write: words from a table, and nothing looked at; children may be equal to their sources."""
    return [
        {**example, "input": " ".join(SYNONYMS.get(word, word) for word in example["input"].split())}
        for example in examples
    ]


NOT_DONE = (
    "The loop keeps neither figures, names, quoted text nor negations, and knows no parents. The bare swap checks "
    "nothing at all: it says what a pass over the words costs."
)


def augmentation(rounds: int) -> dict[str, Any] | str:
    """Examples in, twice as many out."""
    try:
        module = importlib.import_module("components.data_augmenter")
    except ModuleNotFoundError as missing:
        return str(missing)
    texts, source = short_texts(AUGMENTED)
    examples = [
        {"id": f"e{i}", "input": text, "output": f"Done: {text}.", "artifact_type": "note", "score": 80.0}
        for i, text in enumerate(texts)
    ]
    made = len(module.augment_training_data(examples, augmentation_factor=2)) - len(examples)
    by_loop = len(augmented_by_loop(examples))
    cases = [
        Timed("ours", lambda: module.augment_training_data(examples, augmentation_factor=2)),
        Timed("a table of synonyms + nltk + difflib", lambda: augmented_by_loop(examples)),
        Timed("a bare swap of words", lambda: swapped(examples)),
    ]
    result = in_turn(cases, rounds)
    seconds = {name: case["seconds"]["median"] for name, case in result["cases"].items()}
    counts = (made, by_loop, len(swapped(examples)))
    rates = {name: round(count / seconds[name]) for name, count in zip(seconds, counts, strict=True)}
    about = {"texts": source, "examples": len(examples), "about": NOT_DONE}
    return {**about, "children": made, "children a second": rates, **result}


def measure(rounds: int) -> dict[str, Any]:
    """Every part with its goals; a part that cannot be had is a sentence that says why."""
    texts, source = short_texts(2 * SIDE)
    longer, long_source = long_texts(2 * SIDE)
    half = len(longer) // 2
    result: dict[str, Any] = {
        "all pairs": {"texts": source, **all_pairs(texts[:SIDE], texts[SIDE:], SHARE_OF_PAIRS, rounds)},
        "all pairs of longer texts": "PandaLM is not there",
        "one to many": {"texts": source, **one_to_many(texts[:SIDE], rounds)},
        "all pairs with embeddings": three_metrics(texts[:SIDE], texts[SIDE:], rounds),
        "text metrics": measured_texts(rounds),
        "rewards": rewards(rounds),
        "augmentation": augmentation(rounds),
    }
    if half:
        pairs = all_pairs(longer[:half], longer[half:], SHARE_OF_LONG_PAIRS, rounds)
        result["all pairs of longer texts"] = {"texts": long_source, **pairs}
    return {"goals": goals(result), **result}


def goals(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What was set beforehand, met or not by the median of the rounds."""
    found = {}
    for part in ("all pairs", "one to many"):
        for name in ("nltk + Levenshtein in Python", "nltk + difflib"):
            found[f"{part}: times faster than {name}"] = goal(
                result[part]["times faster"][name]["median"], 20, at_most=False
            )
    if isinstance(result["rewards"], dict):
        for name in ("ours", "ours, kinds and types as text"):
            seconds = result["rewards"]["cases"][name]["seconds"]["median"]
            found[f"rewards for a million rows, seconds: {name}"] = goal(seconds, 0.2, at_most=True)
    return found


def report(result: dict[str, Any]) -> str:
    """A few lines for each part, or why there are none."""
    lines = []
    for part, found in result.items():
        if part == "goals":
            continue
        if isinstance(found, str):
            lines.append(f"{part}: not measured, {found}")
            continue
        lines.append(f"{part}: {found['cases']['ours']['seconds']['median']:.3g} s")
        for name, ratio in found["times faster"].items():
            lines.append(f"    {ratio['median']:.3g} ({ratio['q1']:.3g}–{ratio['q3']:.3g}) times faster than {name}")
    return "\n".join(lines) + "\n"


def main() -> None:
    options = arguments("techniques", rounds=7)
    result = measure(options.rounds)
    sys.stdout.write(report(result))
    show_goals(result["goals"])
    write_json(options.json, result)


if __name__ == "__main__":
    main()
