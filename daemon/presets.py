"""This file knows the presets of a workload: which stages in which order, and their settings where a preset says them.

`shipped` is what measured best (docs/techniques.md), and where nothing was measured what does the least harm; its
settings are the stages' own defaults. `v1` and `v2` are the baseline and the document that adaptd began from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Preset = Literal["shipped", "v1", "v2"]
Stages = Mapping[str, Mapping[str, Any]]  # a stage's name → its settings, in the order of the line

# Not in it: order_by_difficulty (easy to hard was slower than a shuffled order), augment_examples (-0.4 and -0.1
# points), mine_hard_negatives (not measured on batches of feedback; rules that take the hardest alone lost 66 points),
# and pair_preferences, which is for workloads that learn pairs. Texts are judged after the picking, so that what is not
# picked costs no reading.
SHIPPED: Stages = {"reward_feedback": {}, "pick_informative": {}, "keep_quality": {}, "size_batch": {}}

# Batches of fifty, drawn at random from what is new, rewards in steps, nothing of what was learnt before.
V1: Stages = {
    "keep_quality": {},
    "reward_feedback": {"shape": "steps", "weight": "reward", "told_weight": 0.0},
    "pick_informative": {"rule": "random", "budget": 50},
    "size_batch": {
        "min_batch_size": 50,
        "default_batch_size": 50,
        "max_batch_size": 50,
        "replay_share": 0.0,
        "max_examples": 50,
    },
}

# In the order of the document's drawing. It names no budget of its own for picking: a hundred is its largest batch, and
# two hundred examples are what a factor of 2 makes of it.
V2: Stages = {
    "keep_quality": {},
    "reward_feedback": {
        "weight": "reward",
        "told_weight": 0.0,
        "time_decay_rate": 0.95,
        "difficulty_weight": 1.5,
        "balance_threshold": 100,
    },
    "order_by_difficulty": {
        "mode": "stages",
        "easy_threshold": 0.35,
        "medium_threshold": 0.65,
        "progression_score": 75.0,
        "evaluations_to_advance": 3,
    },
    "pick_informative": {"rule": "v2_mix", "budget": 100},
    "mine_hard_negatives": {"share": 0.35, "failure_below": 60.0},
    "augment_examples": {"factor": 2},
    "size_batch": {
        "min_batch_size": 20,
        "default_batch_size": 50,
        "max_batch_size": 100,
        "target_quality": 0.7,
        "replay_share": 0.0,
        "max_examples": 200,
    },
}

PRESETS: Mapping[str, Stages] = {"shipped": SHIPPED, "v1": V1, "v2": V2}


def preset_stages(name: str) -> tuple[str, ...]:
    """The stages of a preset in their order; KeyError for a name that config.toml could not have."""
    return tuple(PRESETS[name])


def preset_settings(name: str, stage: str) -> dict[str, Any]:
    """What a preset says of a stage's settings; nothing of a stage that is not in its order, and the defaults hold."""
    return dict(PRESETS[name].get(stage, {}))
