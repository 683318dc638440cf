"""Writes docs/techniques.md from bench/results/: what the V2 document promised, and what was measured here.

    python -m bench.techniques_page            writes the page
    python -m bench.techniques_page --check    1 when the page says something else than the results

Nothing on the page is typed by hand but the promises and the sentences that say what a figure is; the tests compare it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.figures_in_words import goals_list, number, ranged, signed, table, times
from bench.measuring import RESULTS
from bench.selection_page import section as selection_section
from bench.weights_page import in_words as weights_in_words
from bench.weights_page import section as weights_section

PAGE = Path(__file__).resolve().parents[1] / "docs" / "techniques.md"
OURS = "typical_then_margin"
Results = dict[str, dict[str, Any]]
SETS = {
    "clinc150": "CLINC150",
    "clinc150_imbalanced": "CLINC150, imbalanced",
    "davidson": "Davidson tweets",
    "clinc150, 10% wrong": "CLINC150, a tenth of the labels wrong",
    "davidson, 10% wrong": "Davidson tweets, a tenth of the labels wrong",
}
METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
HEAD = """\
# The techniques: what was promised, what was measured

<!-- Written by `python -m bench.techniques_page` from bench/results/. Change the benchmark, not the page. -->

The V2 document promises a gain for each technique, and “~175% over baseline” for all of them together, without saying
how any of it was measured. This page sets what was measured here beside it, the losers included. Square brackets hold
95% intervals over the seeds (Student's t), paired with the baseline seed by seed. What is measured with a linear model
on frozen sentence embeddings is not shown for the fine-tuning of a large one. Where nothing was measured, it says so.
"""


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.techniques_page")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    page = page_of(read_results(RESULTS))
    if not parser.parse_args(words).check:
        PAGE.write_text(page)
        print(f"written: {PAGE}")
        return 0
    same = PAGE.exists() and PAGE.read_text() == page
    if not same:
        print(f"{PAGE}: not what bench/results says. Run `python -m bench.techniques_page`.", file=sys.stderr)
    return int(not same)


def read_results(folder: Path) -> Results:
    """Every result by its file's name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def page_of(results: Results) -> str:
    sections = (promises_table, asking, training, order, weights, selecting, gains, costs)
    return "\n".join([HEAD, *filter(None, (section(results) for section in sections))])


# The promises


def promises_table(results: Results) -> str:
    rows = [[f"`{name}`", promise, measured(results)] for name, promise, measured in PROMISES]
    return "## Promise by promise\n\n" + table(["technique", "V2 promised", "measured here"], rows)


def not_measured(bench: str) -> str:
    return f"Not measured yet: `python -m bench.{bench}`."


def _nothing(_: Results) -> str:
    return "Not measured: it shows only in models that are fine-tuned with and without it, which nothing does yet."


def _rewards(results: Results) -> str:
    found = results.get("techniques", {}).get("rewards")
    told = _weights(results)
    if not isinstance(found, dict):
        return f"{told} Cost: not measured yet (`python -m bench.techniques`)."
    seconds = found["cases"]["ours"]["seconds"]
    spread = f"{seconds['median']:.2g} s ({seconds['q1']:.2g}–{seconds['q3']:.2g})"
    return f"{told} Cost: a million rewards in {spread}."


def _weights(results: Results) -> str:
    found = results.get("told_weight")
    if not found:
        return not_measured("told_weight")
    return weights_in_words(found)


def _similarity(results: Results) -> str:
    found = results.get("promises", {}).get("similarity")
    if not found:
        return not_measured("promises")
    ours, v1 = found["ways"]["all three"], found["ways"]["characters (V1)"]
    alone = {name: one for name, one in found["ways"].items() if one is not ours and one is not v1}
    parts = ", ".join(f"{name} {number(one['auc'])}" for name, one in alone.items())
    return (
        "Telling pairs of equal intent from others on CLINC150 (area under the ROC curve): "
        f"{number(ours['auc'])} for all three together, {number(v1['auc'])} for V1's characters, "
        f"{signed(ours['gain'])} points. Alone: {parts}."
    )


def _gain(*parts: str) -> Callable[[Results], str]:
    def measured(results: Results) -> str:
        found = [results.get("promises", {}).get(part) for part in parts]
        return " ".join(str(one["told"]) for one in found if one) or not_measured("promises")

    return measured


def _ways(*ways: str, edge: bool = False) -> Callable[[Results], str]:
    """Of bench/training_order.py, these ways."""

    def measured(results: Results) -> str:
        found = results.get("training_order")
        if not found:
            return not_measured("training_order")
        return " ".join(_told_ways(name, figures, ways, edge) for name, figures in found["sets"].items())

    return measured


def _told_ways(name: str, figures: dict[str, Any], ways: tuple[str, ...], edge: bool) -> str:
    told = []
    for way in ways:
        one = figures["ways"][way]
        share = one["steps_to"]["90"]["of_shuffled"]
        steps = "90% never reached" if share["mean"] is None else f"{times(share)} the steps to 90%"
        more = f", edge cases {signed(one['edge_gain'])} points" if edge else ""
        told.append(f"{way}: {steps}{more}")
    return f"{SETS[name]}: {'; '.join(told)}."


def _asking(results: Results) -> str:
    found = results.get("label_efficiency")
    if not found:
        return not_measured("label_efficiency")
    return " ".join(_told_asking(name, figures) for name, figures in found["sets"].items())


def _told_asking(name: str, figures: dict[str, Any]) -> str:
    told = []
    for strategy in ("v2_mix", OURS):
        one = figures["strategies"].get(strategy)
        if one and one["status"] == "ended":
            share = one["labels_to"]["80"]["of_random"]
            labels = "80% never reached" if share["mean"] is None else f"{times(share)} random's labels to 80%"
            told.append(f"`{strategy}` {labels}, area {times(one['area_of_random'])}")
    return f"{SETS[name]}: {'; '.join(told)}."


PROMISES: list[tuple[str, str, Callable[[Results], str]]] = [
    ("reward_calculator_enhanced", "+20% quality", _rewards),
    ("similarity_metrics", "+15% accuracy", _similarity),
    ("batch_manager_adaptive", "+10% efficiency", _nothing),
    ("performance_tracker", "+20% quality", _nothing),
    (
        "curriculum_learner",
        "+40% faster",
        _ways("easy to hard, by the model in use", "easy to hard, by length"),
    ),
    ("active_learner", "+30% efficiency; 350 examples to 80% quality, not 500", _asking),
    ("hyperparameter_optimizer", "+15% quality", _nothing),
    ("preference_learner", "+10% quality", _nothing),
    ("data_augmenter", "+20% robustness", _gain("augmentation")),
    (
        "hard_negative_miner",
        "+30% edge cases",
        _ways("35% hard ones, by the model in use", "35% hardest of the moment", edge=True),
    ),
    ("quality_gates", "generic content from 20% to 3%", _gain("quality gates", "quality gates, real answers")),
]


# What was measured, in full

ASKING = """\
## What to ask about

How many labels a linear probe on frozen embeddings needs to get to 80 and 90% of what all labels give (in brackets: as
a multiple of random's), and the area under its curve of scores from the first labels to the last. A peer's strategy
is listed where it ran in the same run, with its own defaults; one that passes ten CPU minutes in a curve is stopped.
`python -m bench.label_efficiency`, or with `--data FILE.jsonl` on any other texts.

![curves](../bench/results/label_efficiency.svg)
"""


def asking(results: Results) -> str:
    """Every strategy on every set."""
    found = results.get("label_efficiency")
    if not found:
        return ""
    parts = [ASKING]
    head = ["strategy", "labels to 80%", "to 90%", "area", "area / random's", "CPU s"]
    for name, figures in found["sets"].items():
        metric, full = METRICS[figures["metric"]], figures["all_labels"]["mean"]
        about = f"{figures['pool']:,} texts to ask about, {figures['classes']} classes, {figures['seeds']} seeds"
        parts.append(f"### {SETS[name]}\n\n{about}; {metric}, {full:.3f} with all labels.\n")
        parts.append(table(head, list(_strategies(figures))))
    return "\n".join([*parts, "Goals:\n", goals_list(found["goals"])])


def _strategies(figures: dict[str, Any]) -> Iterator[list[str]]:
    for name, one in figures["strategies"].items():
        shown = f"**`{name}`**" if name == OURS else f"`{name}`" if one["origin"] == "adaptd" else name
        if one["status"] != "ended":
            yield [shown, f"{one['status']} after {one['labels_reached']} labels: {one['why']}", "", "", "", ""]
            continue
        needed = [_needed(one["labels_to"][share]) for share in ("80", "90")]
        area = f"{one['area']['mean']:.4f}"
        if one["area"]["n"] < figures["seeds"]:  # what was surely behind was spared the rest
            shown += f" ({one['area']['n']} seeds)"
        yield [shown, *needed, area, ranged(one["area_of_random"], 3), f"{one['choosing_seconds']:.1f}"]


def _needed(one: dict[str, Any]) -> str:
    if one.get("mean") is None:
        return f"by {one['reached']} of {one['n']} seeds"
    of_random = one["of_random"]
    bound = "< " if of_random.get("at_most") else ""
    return f"{one['mean']:.0f} ({bound}{of_random['mean']:.2f}×)"


def training(results: Results) -> str:
    """Every rule on every set."""
    found = results.get("subset_selection")
    if not found:
        return ""
    about = (
        f"{found['budget']:,} of {found['rated']:,} rated examples, {found['seeds']} seeds: the labels are there, "
        "training time is what is saved. `python -m bench.subset_selection`"
    )
    parts = [f"## What to train on\n\n{about}\n\n{_winner(found['winner'])}\n"]
    head = ["rule", "score", "gain on random, points", "verdict", "choosing, CPU s", "training, CPU s"]
    for name, figures in found["sets"].items():
        metric = METRICS[figures["metric"]]
        parts.append(f"### {SETS[name]}\n\n{metric[0].upper()}{metric[1:]} on the test side.\n")
        parts.append(table(head, list(_rules(figures))))
    return "\n".join(parts)


def _winner(winner: dict[str, Any]) -> str:
    if not winner["beats_random"]:
        return (
            "**No rule beats random** on one set without being below it on another: the stage is to ship with `random`."
        )
    gain = f"{100 * winner['mean_gain']:+.1f} points on random"
    return f"**`{winner['rule']}`** is to be the stage's default: {gain}, the mean of the sets, and below it on none."


def _rules(figures: dict[str, Any]) -> Iterator[list[str]]:
    for rule, one in figures["rules"].items():
        shown = "all of them" if rule == "all" else f"`{rule}`"
        seconds = [f"{one[what]:.2f}" for what in ("choosing_seconds", "training_seconds")]
        verdict = "" if rule in ("all", "random") else one["verdict"]
        yield [shown, number(one["score"]), signed(one["gain"]), verdict, *seconds]


def order(results: Results) -> str:
    found = results.get("training_order")
    if not found:
        return ""
    about = (
        f"A linear head by Adam on the same ten thousand examples, batches of {found['batch']}, {found['seeds']} "
        "seeds. Edge cases are the test rows that the model in use gets wrong. `python -m bench.training_order`"
    )
    parts = [f"## In which order\n\n{about}\n"]
    head = [
        "order",
        "steps to 80%, of shuffled's",
        "to 90%",
        "at the end, of all examples' score",
        "edge cases, points",
    ]
    for name, figures in found["sets"].items():
        parts.append(f"### {SETS[name]}, {METRICS[figures['metric']]}\n")
        parts.append(table(head, list(_orders(figures))))
    return "\n".join(parts)


def _orders(figures: dict[str, Any]) -> Iterator[list[str]]:
    for way, one in figures["ways"].items():
        shares = [one["steps_to"][share]["of_shuffled"] for share in ("80", "90")]
        cells = ["not by every seed" if share["mean"] is None else ranged(share) for share in shares]
        yield [way, *cells, number(one["end"]), signed(one["edge_gain"])]


def selecting(results: Results) -> str:
    found = results.get("selection_cost")
    return selection_section(found) if found else ""


def weights(results: Results) -> str:
    found = results.get("told_weight")
    return weights_section(found) if found else ""


def gains(results: Results) -> str:
    """How each small experiment was made."""
    found = results.get("promises")
    if not found:
        return ""
    rows = [[name, one["how"]] for name, one in found.items() if isinstance(one, dict) and "how" in one]
    return "## How the smaller figures were made\n\n`python -m bench.promises`\n\n" + table(["figure", "how"], rows)


def costs(results: Results) -> str:
    """Throughput, and the goals that speak of it."""
    parts = []
    found = results.get("techniques", {})
    if found.get("goals"):
        parts.append("`python -m bench.techniques`\n\n" + goals_list(found["goals"]))
    rows = list(_faster(found))
    if rows:
        head = ["work", "seconds", "beside", "times faster"]
        parts.append("Median and quartiles of the rounds:\n\n" + table(head, rows))
    parts += [f"{name.capitalize()}: {one['about']}\n" for name, one in found.items() if _has_about(one)]
    return "## What they cost\n\n" + "\n".join(parts) if parts else ""


def _has_about(part: Any) -> bool:
    return isinstance(part, dict) and "about" in part


def _faster(techniques: dict[str, Any]) -> Iterator[list[str]]:
    for part, one in techniques.items():
        if isinstance(one, dict) and "times faster" in one:
            seconds = one["cases"]["ours"]["seconds"]["median"]
            for peer, ratio in one["times faster"].items():
                faster = f"{ratio['median']:.3g} ({ratio['q1']:.3g}–{ratio['q3']:.3g})"
                yield [part, f"{seconds:.3g}", peer, faster]


if __name__ == "__main__":
    sys.exit(main())
