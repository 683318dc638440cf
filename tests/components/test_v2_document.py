"""The Python blocks of the V2 document run as they stand; those of «Components» give what their comments promise.

The blocks leave names open (`feedback_event`, `examples`, `candidates`, …): `_open_names` supplies them, spelt as the
document spells them. The blocks of the other sections drive the loop on a state folder, one after the other, and leave
their imports open; where one makes a new loop, the one before it is closed. What `objective` is to do, the document
says in comments: a line that gives a score stands for them.
"""

import enum
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import adaptd
from components.adaptive_learning_enhanced import EnhancedAdaptiveLearningLoop
from components.batch_manager_adaptive import AdaptiveBatchManager
from components.curriculum_learner import CurriculumLearner
from components.data_augmenter import DataAugmenter
from components.reward_calculator_enhanced import EnhancedRewardCalculator

DOCUMENT = Path(__file__).resolve().parents[3] / "shared" / "seeds" / "enhanced-fine-tuning-system-v2.md"
pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(), reason="the V2 document is in ../shared/seeds, which is not here"
)
TYPES = ("erd", "code_prototype", "architecture")


class FeedbackType(enum.Enum):
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass
class FeedbackEvent:
    """A feedback with the fields of the document's `record_feedback`."""

    input_data: str
    ai_output: str
    artifact_type: str
    validation_score: float
    feedback_type: FeedbackType
    model_used: str = "mistral:7b"
    timestamp: str = "2025-11-01T12:00:00+00:00"
    context: dict = field(default_factory=dict)


def _events(count):
    for i in range(count):
        score = 20.0 + (i * 37) % 80
        kind = FeedbackType.SUCCESS if score >= 60 else FeedbackType.FAILURE
        thing = ("shop", "library", "clinic", "school", "garage")[i % 5]
        text = f"Generate a {TYPES[i % 3]} for {thing} number {i} with {i % 7 + 1} parts"
        yield FeedbackEvent(text, f"erDiagram\n  {thing.upper()}_{i} {{ int id }}", TYPES[i % 3], score, kind)


def _open_names(number):
    """What the block of that number leaves open. Block 3 (batch sizes) leaves nothing open."""
    events = list(_events(60))
    return {
        1: {"feedback_event": events[3]},
        2: {"text1": "erDiagram\n CUSTOMER ||--o{ ORDER : places", "text2": "erDiagram\n CLIENT ||--o{ ORDER : places"},
        4: {"examples": events},
        5: {"examples": events},
        6: {"candidates": events},
        7: {"objective_fn": lambda config: 80.0 - abs(config["lora_r"] - 16)},
        8: {
            "input_data": "Generate ERD for e-commerce system",
            "outputs": ["erDiagram\n A", "erDiagram\n A\n B", "erDiagram\n A\n B\n C"],
            "scores": [40.0, 65.0, 90.0],
            "artifact_type": "erd",
            "context": {"rag": "shops have orders"},
        },
        9: {"examples": events[:10]},
        10: {"input": "Draw an ERD", "output": "I cannot do that.", "score": 25.0, "artifact_type": "erd"},
    }.get(number, {})


def _all_blocks():
    return re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), flags=re.MULTILINE | re.DOTALL)


def _blocks():
    if not DOCUMENT.exists():
        return []
    section = re.split(r"^## .*$", DOCUMENT.read_text(), flags=re.MULTILINE)
    titles = re.findall(r"^## (.*)$", DOCUMENT.read_text(), flags=re.MULTILINE)
    components = section[1 + next(i for i, title in enumerate(titles) if title.endswith("Components"))]
    return re.findall(r"^```python\n(.*?)^```", components, flags=re.MULTILINE | re.DOTALL)


def _after_running(number):
    names = _open_names(number)
    before = repr(names)
    exec(compile(_blocks()[number - 1], f"block {number} of {DOCUMENT.name}", "exec"), names)
    names["__before__"] = before
    return names


def test_the_section_has_ten_blocks():
    """One for each technique; a block that were added would have to be looked at here."""
    assert len(_blocks()) == 10


def test_the_reward_is_between_minus_one_and_one():
    """Block 1: `reward: -1 to +1, with time decay and difficulty boost`."""
    assert -1.0 <= float(_after_running(1)["reward"]) <= 1.0


def test_the_similarity_is_between_zero_and_one():
    """Block 2: `similarity: 0-1, combines all metrics`; two texts that differ in a word are near each other."""
    assert 0.5 < float(_after_running(2)["similarity"]) < 1.0


def test_the_batch_size_is_between_twenty_and_a_hundred():
    """Block 3: `batch_size: 20-100 (adaptive)`."""
    assert 20 <= int(_after_running(3)["batch_size"]) <= 100


def test_the_split_is_80_to_20_in_each_artifact_type():
    """Block 4, and the section's `80/20 stratified by artifact type`; nothing is lost or doubled."""
    names = _after_running(4)
    train, validation = list(names["train_set"]), list(names["val_set"])
    assert (len(train), len(validation)) == (48, 12)
    assert sorted(one.input_data for one in train + validation) == sorted(one.input_data for one in names["examples"])
    assert {kind: sum(one.artifact_type == kind for one in validation) for kind in TYPES} == dict.fromkeys(TYPES, 4)


def test_the_curriculum_gives_a_batch_of_its_stage():
    """Block 5: `batch: Progressive difficulty`, thirty examples or what the stage has."""
    names = _after_running(5)
    assert 0 < len(names["batch"]) <= 30
    assert all(any(one is example for example in names["examples"]) for one in names["batch"])
    assert str(getattr(names["stage"], "value", names["stage"])) in {"easy", "medium", "hard", "mixed"}


def test_thirty_different_candidates_are_selected():
    """Block 6: `selected: 30 most informative examples`, the caller's own objects."""
    names = _after_running(6)
    assert len({id(one) for one in names["selected"]} & {id(one) for one in names["candidates"]}) == 30


def test_fifty_trials_give_parameters_within_the_documented_space():
    """Block 7: `result.best_params: Optimized hyperparameters`."""
    best = _after_running(7)["result"].best_params
    bounds = {"learning_rate": (1e-6, 1e-3), "batch_size": (8, 64), "num_epochs": (1, 10), "warmup_ratio": (0.0, 0.2),
              "lora_r": (4, 64), "lora_alpha": (8, 128)}  # fmt: skip
    assert set(best) == set(bounds)
    assert all(low <= best[name] <= high for name, (low, high) in bounds.items())


def test_three_outputs_give_their_pairs():
    """Block 8: `preferences: Pairwise comparisons`, the better output first."""
    preferences = list(_after_running(8)["preferences"])
    assert len(preferences) == 3
    assert all("C" in str(one) or "B" in str(one) for one in preferences)


def test_the_augmented_examples_are_twice_as_many():
    """Block 9: `augmented: 2x original size`, the originals among them."""
    names = _after_running(9)
    assert len(names["examples"]) < len(names["augmented"]) <= 2 * len(names["examples"])


def test_the_hardest_failures_come_back():
    """Block 10: `hard_negatives: 20 hardest examples`, of which there is one here."""
    assert len(_after_running(10)["hard_negatives"]) == 1


@pytest.mark.parametrize("number", range(1, 11))
def test_a_block_leaves_what_it_was_given_as_it_was(number):
    """No technique changes its caller's examples."""
    names = _after_running(number)
    given = {name: names[name] for name in _open_names(number)}
    assert repr(given) == names["__before__"] or number == 7  # a function's repr is its address


# The other sections: Usage, Migration, Configuration, Best Practices, Troubleshooting

OPEN_IMPORTS = {
    "AdaptiveBatchManager": AdaptiveBatchManager,
    "CurriculumLearner": CurriculumLearner,
    "DataAugmenter": DataAugmenter,
    "EnhancedAdaptiveLearningLoop": EnhancedAdaptiveLearningLoop,
    "EnhancedRewardCalculator": EnhancedRewardCalculator,
    "FeedbackType": adaptd.FeedbackType,
    "json": json,
}
OPEN_LINE = ("        pass\n", "        return 80.0 - abs(config['lora_r'] - 16)\n")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Runs blocks in one namespace, where nothing is configured; gives the namespace as each leaves it."""
    monkeypatch.chdir(tmp_path)
    for name, folder in (("HOME", tmp_path), ("XDG_CONFIG_HOME", tmp_path / "config")):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.delenv("ADAPTD_CONFIG", raising=False)
    names = dict(OPEN_IMPORTS)

    def run(block):
        before = names.get("loop")
        if "loop = " in block and hasattr(before, "close"):
            before.close()
        exec(compile(block.replace(*OPEN_LINE), f"a block of {DOCUMENT.name}", "exec"), names)
        return names

    yield run
    if hasattr(names.get("loop"), "close"):
        names["loop"].close()


def _beyond_components():
    blocks = _blocks()
    return [block for block in _all_blocks() if block not in blocks]


def _with(words):
    (found,) = [block for block in _beyond_components() if words in block]
    return found


def test_every_other_block_runs_in_the_order_of_the_document(runs, capsys):
    """Twelve, V1's among them; the statistics are those of the whole log, whichever loop recorded."""
    blocks = _beyond_components()
    assert len(blocks) == 12
    for block in blocks:
        names = runs(block)
    assert names["loop"].stages() == ["keep_quality", "reward_feedback", "mine_hard_negatives", "size_batch"]
    printed = capsys.readouterr().out
    assert "Total feedback: 1\nTotal batches: 0\nCurriculum stage: easy\nScore progression: []\n" in printed
    assert len(re.findall(r"^(erd|code_prototype|architecture): Best score \d", printed, re.MULTILINE)) == 3


def test_basic_usage_leaves_one_feedback_in_the_log(runs):
    """The block records with every field of the document's call; what is printed of it is JSON."""
    names = runs(_with("Initialize with all features enabled"))
    assert names["loop"].get_statistics()["feedback_events"] == 1
    assert Path("state/events.db").exists()


def test_features_are_added_week_by_week(runs):
    """`Start Simple, Add Features Gradually`: a flag that is set counts from then on."""
    stages = runs(_with("# Week 1"))["loop"].stages()
    assert {"pick_informative", "augment_examples", "pair_preferences"} <= set(stages)


def test_adjusted_parameters_are_those_of_the_preset(runs):
    """`Adjust Parameters` writes the defaults: the same line as without it, and nothing that config cannot say."""
    from daemon.embedded_shaping import shaping_of

    loop = runs(_with("Curriculum learning\n"))["loop"]
    before = shaping_of(loop)
    runs(_with("# Data augmenter\n"))
    assert shaping_of(loop) == before
    assert not before.unnamed
