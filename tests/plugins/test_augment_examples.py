"""Children of new examples, each beside its source, made the same way every time."""

import numpy as np
import pytest

from adaptd.plugin import Moment
from adaptd.plugin.checking import MOMENT
from components.data_augmenter import DataAugmenter
from daemon.plugin_loading import BadSettings
from tests.plugins.stages_made import made, module_of, pool_of, said, words_of

TEXTS = [
    {"input": "When does the bank open?", "output": "The bank opens at nine.", "category": "hours"},
    {"input": "Generate ERD for the shop", "output": "erDiagram\n SHOP"},
    {"input": "Please explain how I can close my account", "output": "Write to us.", "correction": "Press close."},
    {"input": "Could you show me where the garden is?", "output": "Behind the house."},
]


def shaped_of(texts=TEXTS, seed=7, settings=None, **columns):
    columns.setdefault("worth", [0.5] * len(texts))
    return made("augment_examples", **(settings or {})).shape(pool_of(texts, **columns), Moment(1, 1, seed))


def test_a_child_follows_its_source():
    """What its source says, in other words; its rating, weight and reward are its source's."""
    shaped = shaped_of(weight=[0.3, 0.4, 0.5, 0.6], reward=[0.1, 0.2, 0.3, 0.4], settings={"weight": 0.5})
    derived = np.flatnonzero(shaped["example"] < 0)
    assert len(derived) >= 3
    for row in derived.tolist():
        source = int(shaped["derived_from"][row]) - 1
        (child,) = shaped.texts([row])
        assert child != TEXTS[source]
        changed = [key for key in child if child[key] != TEXTS[source].get(key)]
        assert len(changed) == 1
        assert shaped["weight"][row] == pytest.approx((0.3 + source / 10) * 0.5)
        assert shaped["reward"][row] == pytest.approx(0.1 + source / 10)
        assert words_of(shaped, int(shaped["example"][row]))[0].startswith("made from its source: ")


def test_the_children_are_the_component_s():
    """With the moment's chance; as many as it makes."""
    shaped = shaped_of()
    seed = int(MOMENT.rng("augment_examples").integers(2**31))
    columns = (
        [text["input"] for text in TEXTS],
        [text.get("correction") or text["output"] for text in TEXTS],
    )
    made_columns = DataAugmenter(2, methods=made("augment_examples").settings.methods, seed=seed).augment_columns(
        *columns, contexts=[None] * 4, artifact_types=["0"] * 4
    )
    derived = shaped["derived_from"][shaped["example"] < 0]
    assert sorted(derived.tolist()) == sorted((made_columns.parent_rows + 1).tolist())


def test_a_corrected_example_s_correction_is_what_is_varied():
    """The output that was corrected is not learnt."""
    module = module_of("augment_examples")
    assert module._target(TEXTS[2]) == "Press close."
    assert module._child(TEXTS[2], "output", "Close it.")["correction"] == "Close it."
    assert module._child(TEXTS[0], "output", "At nine.")["output"] == "At nine."


def test_what_was_judged_bad_has_no_children_unless_it_was_corrected():
    """What is to be avoided is no pattern to multiply."""
    bad = shaped_of(worth=[-0.5] * 4, feedback=[0, 0, said("correction"), 0])
    assert set(bad["derived_from"][bad["example"] < 0].tolist()) <= {3}
    by_reward = shaped_of(worth=[np.nan] * 4, reward=[-0.5, 0.5, -0.5, np.nan])
    assert set(by_reward["derived_from"][by_reward["example"] < 0].tolist()) <= {2, 4}


def test_only_the_newest_new_examples_have_children():
    """What was learnt before is left alone."""
    shaped = shaped_of(times_learnt=[1, 0, 0, 0], age_days=[0.0, 1.0, 2.0, 3.0], settings={"most_texts": 2})
    assert set(shaped["derived_from"][shaped["example"] < 0].tolist()) <= {2, 3}


def test_the_same_seed_makes_the_same_children():
    """Another one others."""
    derived = [shaped_of(seed=seed, settings={"factor": 4}).derived for seed in (1, 1, 2)]
    assert derived[0] == derived[1] != derived[2]


def test_a_factor_of_one_makes_none():
    """The example itself is one."""
    assert len(shaped_of(settings={"factor": 1})) == 4


def test_examples_without_an_input_have_none():
    """There is nothing to say in other words."""
    assert len(shaped_of([{}, {"output": "x"}])) == 2


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("factor", 0, "augment_examples: factor: found 0, expected a whole number from 1 to 20"),
        ("methods", ["back_translation"], "methods: found 'back_translation', expected one of paraphrase, output"),
        ("weight", 0.0, "weight: found 0.0, expected a number above 0 and at most 1"),
        ("most_texts", 0, "most_texts: found 0, expected a whole number of at least 1"),
    ],
)
def test_a_setting_that_cannot_be_is_told(setting, value, told):
    """By its name, with the value and what was expected."""
    with pytest.raises(BadSettings) as error:
        made("augment_examples", **{setting: value})
    assert told in str(error.value)
