"""Each preset's line, on a small pool and on a large one, comes out as a batch that a model can learn from."""

from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest

from adaptd.plugin import Pool
from adaptd.plugin.checking import MOMENT, made_pool
from adaptd.plugin.pool import FEEDBACK
from daemon.night_settings import WorkloadSettings
from daemon.plugin_loading import load
from daemon.presets import PRESETS, preset_settings, preset_stages

ROOT = Path(__file__).parents[1]
ROWS = 200_000
VECTORS = np.random.default_rng(2).standard_normal((1_000, 32)).astype(np.float32)


def text_of(number):
    """Words that no other example has in this order."""
    words = [f"{'aeiou'[number * step % 5]}{number * step % 9_973}" for step in range(3, 15)]
    return {"input": "Please tell me about " + " ".join(words), "output": " ".join(words[::-1])}


def large_pool(new):
    """As the log of a busy application would give it; each example's text is made when it is asked for."""
    rng = np.random.default_rng(1)
    scored = rng.random(ROWS) < 0.7
    learnt = np.where(np.arange(ROWS) < ROWS - new, rng.integers(1, 5, ROWS), 0)
    return Pool.of(
        {
            "example": np.arange(1, ROWS + 1),
            "artifact_type": rng.integers(0, 4, ROWS),
            "score": np.where(scored, rng.uniform(0, 100, ROWS), np.nan),
            "feedback": np.where(scored, FEEDBACK["score"], FEEDBACK["up"]),
            "ups": np.where(scored, 0, 1),
            "worth": rng.uniform(-1, 1, ROWS),
            "age_days": np.linspace(300, 0, ROWS),
            "times_learnt": learnt,
            "embedding_row": np.arange(ROWS),
        },
        names={"artifact_type": (None, "mail", "chat", "summary")},
        fetch_texts=lambda numbers: [text_of(number) for number in numbers.tolist()],
        fetch_embeddings=lambda rows: VECTORS[rows % len(VECTORS)],
    )


def line_of(preset):
    return [load("stage", name, ROOT).make(preset_settings(preset, name), name) for name in preset_stages(preset)]


def shaped_by(preset, pool):
    for stage in line_of(preset):
        pool = stage.shape(pool, MOMENT)
    return pool


def test_config_may_name_every_preset():
    """And no other."""
    annotated = get_type_hints(WorkloadSettings, include_extras=True)["preset"]
    assert get_args(get_args(annotated)[0]) == tuple(PRESETS)


@pytest.mark.parametrize("preset", PRESETS)
def test_its_settings_are_settings_of_its_stages(preset):
    """And the line ends with what sizes the batch; of a stage that is not in it nothing is said."""
    assert line_of(preset)[-1].name == "size_batch"
    assert preset_settings(preset, "freshest") == {}


def test_what_a_preset_gives_is_the_caller_s_own():
    """Changing it changes no preset."""
    preset_settings("v2", "size_batch")["max_examples"] = 1
    assert preset_settings("v2", "size_batch")["max_examples"] == 200


@pytest.mark.parametrize("preset", PRESETS)
def test_a_small_pool_comes_out_sensible(preset):
    """No one twice, all weighed, the reason of each in and out of it known."""
    pool = made_pool(300).with_columns(times_learnt=np.arange(300) % 2)
    shaped = shaped_by(preset, pool)
    assert 20 <= len(shaped) <= 300
    assert (shaped["weight"] > 0).all()
    assert all(list(shaped.reasons_for(number)) for number in shaped["example"].tolist())
    for number in set(pool["example"].tolist()) - set(shaped["example"].tolist()):
        assert [words for _, words, kept in shaped.reasons_for(number) if not kept]


@pytest.mark.parametrize(("new", "counts"), [(60, (60, 20)), (1_700, (1500, 500)), (20_000, (1500, 500))])
def test_shipped_learns_what_is_new_and_a_share_of_what_was(new, counts):
    """All that is new up to its budget; a quarter of the batch was learnt before."""
    shaped = shaped_by("shipped", large_pool(new))
    learnt = shaped["times_learnt"] > 0
    assert ((~learnt).sum(), learnt.sum()) == counts
    assert not np.isnan(shaped["reward"]).any()


@pytest.mark.parametrize("new", [60, 20_000])
def test_v1_is_fifty_new_ones_drawn_by_chance(new):
    """Rewards in steps, nothing of what was learnt before."""
    pool = large_pool(new)
    shaped = shaped_by("v1", pool)
    assert len(shaped) == 50
    assert (shaped["times_learnt"] == 0).all()
    assert set(shaped["reward"].tolist()) <= {-1, -0.5, 0, 0.25, 0.5, 1}
    assert line_of("v1")[-1].fires_at(pool, MOMENT).new_examples == 50


@pytest.mark.parametrize("new", [60, 20_000])
def test_v2_is_a_document_s_batch_and_its_children(new):
    """At most a hundred and a child of each; failures weigh more than they did."""
    shaped = shaped_by("v2", large_pool(new))
    recorded = shaped["example"] > 0
    assert recorded.sum() == min(new, 100)
    assert 0 < (~recorded).sum() <= recorded.sum()
    assert (shaped["times_learnt"] == 0).all()
    assert not np.isnan(shaped["difficulty"][recorded]).any()


@pytest.mark.parametrize("preset", PRESETS)
def test_few_texts_and_embeddings_of_a_large_pool_are_read(preset):
    """However many examples are new."""
    read = {"texts": 0, "embeddings": 0}
    pool = large_pool(ROWS)

    def counted(kind, fetch):
        def fetched(rows):
            read[kind] += len(rows)
            return fetch(rows)

        return fetched

    shaped_by(
        preset,
        replace(
            pool,
            fetch_texts=counted("texts", pool.fetch_texts),
            fetch_embeddings=counted("embeddings", pool.fetch_embeddings),
        ),
    )
    assert read["texts"] <= 3_100
    assert read["embeddings"] <= 18_000
