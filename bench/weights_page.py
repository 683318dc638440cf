"""What docs/techniques.md says of bench/told_weight.py: what a rating weighs, and what that is worth."""

from __future__ import annotations

from typing import Any

from bench.figures_in_words import number, signed, table

HEADS = {"logistic": "Logistic regression on embeddings", "tiny": "`tiny_classifier`"}
BASELINE = "as_reward"
ABOUT = """\
## What a rating weighs

A model in use is right three times in five. People put a thumb up where it is; of the other answers five in eight are
corrected, and the rest get a bare thumb down. `as_reward` is the reward's magnitude, as in the document: .76 for
thumbs, .46 for a correction. `told_1` raises corrections to 1, the shipped default; `uniform` weighs nothing. A model
that knew nothing learns {rated:,} ratings at once; the one in use goes on for {nights} nights of {a_night}, with few
steps each and no gate, so that it may get worse by them. Scores of `as_reward`, and points on it; {seeds} seeds, judged
on other texts of CLINC150's training side. `python -m bench.told_weight`
"""


def section(found: dict[str, Any]) -> str:
    """Every way of weighing, with both heads."""
    parts = [ABOUT.format(**found)]
    for head, ways in found["heads"].items():
        names = [name for name in ways["uniform"] if name != "in use"]
        rows = [[f"`{BASELINE}`", *(number(ways[BASELINE][name]["score"]) for name in names)]]
        others = [(how, one) for how, one in ways.items() if how != BASELINE]
        rows += [[f"`{how}`", *(signed(one[name]["gain"]) for name in names)] for how, one in others]
        parts.append(f"### {HEADS[head]}\n\nIn use: {number(ways['uniform']['in use']['score'])}.\n")
        parts.append(table(["weights", *names], rows))
    return "\n".join(parts)


def in_words(found: dict[str, Any]) -> str:
    """Beside the promise."""
    told = [
        f"{HEADS[head]}: equal weights {signed(ways['uniform']['at once']['gain'])} points, "
        f"`told_weight = 1` {signed(ways['told_1']['at once']['gain'])}"
        for head, ways in found["heads"].items()
    ]
    about = f"as the weight of ratings, against its magnitude ({found['rated']:,} of CLINC150 at once)"
    return f"Only {about}. {'; '.join(told)}."
