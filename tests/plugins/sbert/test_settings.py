"""What is not said has the preset's value, what is said holds, and what cannot be meant is told."""

import pytest

from components.bad_input import BadInput
from daemon.plugin_loading import settings_of
from plugins.workloads.sbert.settings import SbertSettings


def test_the_documents_values_are_a_preset():
    """Two texts, 2e-5, batches of 16, four epochs, a look every 500 steps."""
    given = SbertSettings(preset="document")
    assert (given.objective, given.learning_rate, given.batch_size, given.epochs) == ("softmax_pair", 2e-5, 16, 4)
    assert (given.warmup_steps, given.evaluation_steps, given.class_weights) == (100, 500, "none")


def test_what_is_said_holds_against_the_preset():
    """Also as config.toml says it."""
    assert SbertSettings(preset="document", learning_rate=1e-4).learning_rate == 1e-4
    given = settings_of(SbertSettings, {"preset": "document", "epochs": 2, "matryoshka": [64, 128]}, "settings")
    assert (given.epochs, given.batch_size, given.matryoshka) == (2, 16, (64, 128))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"preset": "mine"}, "preset: found 'mine', expected one of shipped, document"),
        ({"objective": "guess"}, "objective: found 'guess', expected one of classify"),
        ({"class_weights": "all"}, "class_weights: found 'all'"),
        ({"select_by": "luck"}, "select_by: found 'luck'"),
        ({"precision": "int4"}, "precision: found 'int4'"),
        ({"preprocess": "mails"}, "preprocess: found 'mails'"),
        ({"epochs": 0}, "epochs: found 0, expected a number above 0"),
        ({"batch_size": 0}, "batch_size: found 0, expected a whole number of at least 1"),
        (
            {"objective": "contrast", "batch_size": 1},
            "batch_size: found 1, expected at least 2, since contrast compares",
        ),
        ({"max_steps": 0}, "max_steps: found 0, expected a whole number of at least 1"),
        ({"matryoshka": (0,)}, "matryoshka: found 0"),
        ({"temperature": 0.0}, "temperature: found 0.0"),
        ({"margin": -1.0}, "margin: found -1.0"),
        ({"lora_dropout": 1.0}, "lora_dropout: found 1.0"),
        ({"ema_decay": 1.5}, "ema_decay: found 1.5"),
        ({"max_tokens": 2}, "max_tokens: found 2"),
        ({"bad_score": 80.0}, "bad_score: found 80.0, expected at most good_score, 70"),
    ],
)
def test_settings_that_cannot_be_meant_are_told(changes, told):
    """When they are made."""
    with pytest.raises(BadInput, match=told):
        SbertSettings(**changes)
