"""This file knows what the components of the V2 document's loop are in a workload's stage line: stages and settings.

What of a component no setting can name is told, for the batch that it shapes. It reads components, and changes none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from components.active_learner import ActiveLearner
from components.batch_manager_adaptive import AdaptiveBatchManager
from components.bounded_choice import RULES
from components.curriculum_learner import CurriculumLearner
from components.data_augmenter import DataAugmenter
from components.hard_negative_miner import HardNegativeMiner
from components.preference_learner import PreferenceLearner
from components.reward_calculator_enhanced import EnhancedRewardCalculator
from daemon.presets import preset_stages
from daemon.settings import Settings

PAIRS, LAST = "pair_preferences", "size_batch"


class Place(NamedTuple):
    """Where a component stands: its stage, its class, its attributes by the stage's settings, who makes one there."""

    stage: str
    made_by: type
    attributes: Mapping[str, str]
    maker: str | None = None  # the method of the stage's settings; None: the stage has rules of its own


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


PLACES: Mapping[str, Place] = {
    "reward_calculator": Place(
        "reward_feedback",
        EnhancedRewardCalculator,
        _same("time_decay_rate", "difficulty_weight", "balance_threshold", "negative_difficulty"),
        "calculator",
    ),
    "curriculum_learner": Place(
        "order_by_difficulty",
        CurriculumLearner,
        _same(
            "easy_threshold", "medium_threshold", "progression_score", "evaluations_to_advance", "mode", "complexity"
        ),
        "learner",
    ),
    "active_learner": Place("pick_informative", ActiveLearner, {"rule": "strategy"}),
    "hard_negative_miner": Place(
        "mine_hard_negatives",
        HardNegativeMiner,
        {"share": "hard_share", "failure_below": "failure_threshold"}
        | _same("decay_per_day", "suspect_from", "give_up_after"),
    ),
    "data_augmenter": Place(
        "augment_examples", DataAugmenter, {"factor": "augmentation_factor", "methods": "methods"}, "augmenter"
    ),
    "preference_learner": Place(PAIRS, PreferenceLearner, {"near": "near_equal"} | _same("min_margin", "most_pairs")),
    "batch_manager": Place(
        LAST,
        AdaptiveBatchManager,
        _same("min_batch_size", "max_batch_size", "default_batch_size", "target_quality"),
        "manager",
    ),
}
SWITCHES: Mapping[str, str] = {
    "enable_curriculum": "order_by_difficulty",
    "enable_active_learning": "pick_informative",
    "enable_hard_negative_mining": "mine_hard_negatives",
    "enable_augmentation": "augment_examples",
}


class Shaping(NamedTuple):
    """The stages, their settings, and what of the components no setting can name: words, and who is used itself."""

    stages: tuple[str, ...]
    settings: dict[str, dict[str, Any]]
    unnamed: tuple[str, ...]
    objects: dict[str, tuple[str, Any]]  # by stage: the method of its settings, and the component that it gives

    def applied(self, settings: Settings) -> Settings:
        """The settings with this line in every workload; what config.toml says of its stages stays beneath."""
        workloads = {}
        for name, one in settings.workloads.items():
            own = {stage: one.stage.get(stage, {}) | self.settings.get(stage, {}) for stage in self.stages}
            trigger = msgspec.structs.replace(one.trigger, new_examples="sized")
            workloads[name] = msgspec.structs.replace(one, preset="v2", stages=self.stages, stage=own, trigger=trigger)
        return msgspec.structs.replace(settings, workloads=workloads)


def shaping_of(loop: Any) -> Shaping:
    """What the flags and components of the loop say now, in the order of the document's drawing."""
    off = {stage for switch, stage in SWITCHES.items() if not getattr(loop, switch)}
    stages = [stage for stage in preset_stages("v2") if stage not in off]
    if loop.enable_preference_learning:
        stages.insert(stages.index(LAST), PAIRS)
    settings, unnamed, objects = {}, [], {}
    for name, place in PLACES.items():
        if place.stage not in stages:
            continue
        component = getattr(loop, name)
        settings[place.stage] = _named(component, place)
        beyond = [*_beyond(component, place)]
        unnamed += [f"{name}: {words}" for words in beyond]
        if beyond and place.maker is not None:
            objects[place.stage] = (place.maker, component)
    return Shaping(tuple(stages), settings, tuple(unnamed), objects)


def _named(component: Any, place: Place) -> dict[str, Any]:
    """The settings that the component's attributes name; of one that has others, those that it has."""
    found = {ours: getattr(component, its) for ours, its in place.attributes.items() if hasattr(component, its)}
    if place.made_by is ActiveLearner and found.get("rule") not in RULES:
        found.pop("rule", None)
    if "methods" in found:
        found["methods"] = [one for one in found["methods"] if one != "back_translation"]
    if "share" in found:
        found["share"] = min(found["share"], 0.95)
    return {ours: dict(value) if isinstance(value, Mapping) else value for ours, value in found.items()}


def _beyond(component: Any, place: Place) -> list[str]:
    """What the component is that no setting can say, in words."""
    if type(component) is not place.made_by:
        return [type(component).__name__]
    return [words for words, has in BEYOND.get(place.made_by, {}).items() if has(component)]


BEYOND: Mapping[type, Mapping[str, Callable[[Any], bool]]] = {
    CurriculumLearner: {"weights": lambda one: one.weights != CurriculumLearner().weights},
    ActiveLearner: {
        "weights": lambda one: one.weights != ActiveLearner().weights,
        "strategy": lambda one: one.strategy not in RULES,
        "embed": lambda one: one._embed != ActiveLearner()._embed,
    },
    PreferenceLearner: {
        "pairing": lambda one: one.pairing != "all",
        "validate": lambda one: one.validate is not None,
    },
    HardNegativeMiner: {"hard_share": lambda one: one.hard_share > 0.95},
    DataAugmenter: {
        "translate": lambda one: one.translate is not None,
        "synonyms": lambda one: one.synonyms is not None,
        "embed": lambda one: one.embed is not None,
        "held_out": lambda one: bool(one.held_out),
    },
}
