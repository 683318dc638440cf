"""docs/fourteen_nights.md, from what bench/fourteen_nights.py has written: what was lived, what was found, and where
the shipped defaults do not win.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.figures_in_words import goals_list, table
from bench.nights_lived import Sizes

ABOUT = """\
# Fourteen nights

Simulated days and nights of the daemon with the workload sbert: log, embeddings, batches, training, judging, gate and
shelf are the real ones, the days are told by a stopped clock. Each day a host answers {outputs} texts with the model
that is in use, and people rate {labels} of the answers, honestly: a thumb up where the answer is right, else the right
label (half of those that nobody asked for are but a thumb down). {asked} are chosen by the arm among all that the
learn side has unrated, {told} are of that day's answers, drawn at random. On the first day {judged} more, of the judge
side, are drawn at random by `adaptd ask --random` in every arm, and count as no arm's labels. A night's training has
{steps} steps of {batch_size} texts, whatever the batch, and begins from the champion; it ends with the first decision
of the gate. Where the daemon had already begun another batch by then, that run is paused and is the next night's: this
befalls arms that leave examples over, and their next night learns nothing of the day before it. Each morning the model
that is in use is asked {tested} texts of the test split, which are in no log.

| arm | stages and their settings | what is rated |
| --- | --- | --- |
| shipped | the shipped defaults | as `adaptd ask` chooses |
| random | the shipped defaults | drawn at random |
| v1 | `preset = "v1"` | drawn at random: that document asks nobody |
| v2 | `preset = "v2"` | by that document's mix of uncertainty, diversity and quality |

`python -m bench.fourteen_nights`

![scores night by night](../bench/results/fourteen_nights.svg)
"""
PARTIAL = "**These results are partial:** the bench was stopped before every arm had lived {nights} nights.\n"


def page(found: dict[str, Any]) -> str:
    """Everything that bench/results/fourteen_nights.json says."""
    sizes = next(iter(found["sets"].values()))["sizes"] if found["sets"] else Sizes().key()
    parts = [ABOUT.format(**sizes, labels=sizes["asked"] + sizes["told"])]
    if not all(one["whole"] for one in found["sets"].values()):
        parts.append(PARTIAL.format(nights=found["nights"]))
    if found.get("note"):
        parts.append(f"{found['note']}\n")
    parts += ["## Goals\n", goals_list(found["goals"])]
    parts += ["## Where the shipped defaults do not win\n", _not_won(found)]
    for name, one in found["sets"].items():
        parts += [
            f"## {name}\n",
            _about(one),
            _scores(one),
            _against(one),
            _figures(one),
            _refusals(one),
            _left_out(one),
        ]
    return "\n".join(parts)


def _not_won(found: dict[str, Any]) -> str:
    lost = [f"- {name}: {one['value']:+.1f}\n" for name, one in found["goals"].items()
            if " ahead of " in name and one["value"] <= 0]  # fmt: skip
    return "".join(lost) or "On no set is another arm ahead of them in the mean over the nights that both have lived.\n"


def _about(one: dict[str, Any]) -> str:
    full = one["full_score"]
    told = f" All labels together reach {full:.3f} (logistic regression over frozen embeddings)." if full else ""
    late = one["sizes"]["new_from_day"]
    new = f" A tenth of the classes come from day {late} on." if one["classes"] >= 10 else ""
    return f"{one['classes']} classes, {one['metric'].replace('_', '-')}.{told}{new}\n"


def _lives(one: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for arm, lives in one["arms"].items():
        for seed, life in lives.items():
            yield (arm if len(lives) == 1 else f"{arm}, seed {seed}"), life


def _scores(one: dict[str, Any]) -> str:
    most = max((life["nights"] for _, life in _lives(one)), default=0)
    head = ["night", *map(str, range(1, most + 1))]
    rows = [[name, *(f"{value:.3f}" for value in life["scores"])] for name, life in _lives(one)]
    return table(head, [row + [""] * (len(head) - len(row)) for row in rows])


def _against(one: dict[str, Any]) -> str:
    """With what chance leaves open: of the test texts alone, since a seed is one draw of everything else."""
    told = [f"- {arm}, after night {gap['night']}: {gap['points']:+.1f} [{gap['low']:+.1f}, {gap['high']:+.1f}]\n"
            for arm, gap in one["against"].items()]  # fmt: skip
    how = "The shipped arm's accuracy less another's, in points, with the 95% interval over the test texts:\n\n"
    return how + "".join(told) if told else ""


def _figures(one: dict[str, Any]) -> str:
    head = ["arm", "nights", "labels to 80 %", "to 90 %", "CPU s a night", "training s a night", "promoted", "refused",
            "worst promotion, points", "forgotten at most, points"]  # fmt: skip
    return table(head, [[name, *_cells(life)] for name, life in _lives(one)])


def _cells(life: dict[str, Any]) -> Iterator[str]:
    yield str(life["nights"])
    for share in ("80", "90"):
        value = life.get("labels_to", {}).get(share)
        yield "-" if value is None else f"{value:.0f}"
    for values in ([one for one in life[name] if one is not None] for name in ("cpu_seconds", "training_seconds")):
        yield f"{np.mean(values):.0f}" if values else "-"
    yield from (str(len(life["promotions"])), str(len(life["refusals"])))
    gains = [each["gain_points"] for each in life["promotions"] if "gain_points" in each]
    yield f"{min(gains):+.1f}" if gains else "-"
    forgotten = life["forgetting"]
    yield "-" if forgotten is None else f"{forgotten['at_most']:.1f}"


def _refusals(one: dict[str, Any]) -> str:
    """Which clause of the gate said no, or what else ended the night."""
    lines = []
    for name, life in _lives(one):
        told = Counter(clause for each in life["refusals"] for clause in each["clauses"] or [each["why"]])
        if told:
            counted = ", ".join(f"{clause} {count}" for clause, count in told.most_common())
            lines.append(f"- {name}: {counted}\n")
    return "Nights without a promotion, by what stood against it:\n\n" + "".join(lines) if lines else ""


def _left_out(one: dict[str, Any]) -> str:
    """Rated examples that a stage kept from a night's batch; the same one counts in each night."""
    lines = []
    for name, life in _lives(one):
        counts: Counter[str] = Counter()
        for batch in life["batches"]:
            for stage in (batch or {}).get("left_out", ()):
                for told in stage["left_out"]:
                    words = re.sub(r"( of \d+|\{0:\.0f\} )", "", told["words"])
                    counts[f"{stage['stage']}, {words}"] += told["count"]
        counts = Counter({words: count for words, count in counts.items() if "not drawn for replay" not in words})
        if counts:
            lines.append(f"- {name}: " + "; ".join(f"{words} {count}" for words, count in counts.most_common()) + "\n")
    told = "Rated examples that a stage left out of a batch, summed over the nights:\n\n"
    return told + "".join(lines) if lines else ""


if __name__ == "__main__":
    from bench.measuring import RESULTS

    print(page(json.loads((RESULTS / "fourteen_nights.json").read_text())))
