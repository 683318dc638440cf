"""An index of sbert's embeddings is built in a process of its own, also with a base model that has no head."""

import json

import numpy as np
import pytest

from daemon.model_shelf import Shelf
from plugins.workloads.sbert.fingerprint import embedding_fingerprint
from tests.sbert_world import small_model
from tests.test_indexing import ARTICLES, TABLE, World, vectors_of

pytestmark = pytest.mark.slow


def test_the_index_has_what_plain_sentence_transformers_gives(tmp_path, monkeypatch):
    """And the fingerprint of the model whose number it lies under."""
    from sentence_transformers import SentenceTransformer

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    world = World(tmp_path, TABLE, 'plugin = "sbert"')
    Shelf(world.shelf()).put(0, small_model(), {}, "")
    world.say("model_shelved", workload="guessing", model=0, run=None, batch=None, hash="aa", base=None)
    world.until_built(1)
    (built,) = world.built()
    world.close()
    assert built["fingerprint"] == embedding_fingerprint(small_model())
    path = tmp_path / "state/indexes/guessing/0000/articles"
    assert json.loads((path / "index.json").read_text())["fingerprint"] == built["fingerprint"]
    plain = SentenceTransformer(str(small_model()), device="cpu").encode([one["text"] for one in ARTICLES])
    assert np.allclose(vectors_of(path), plain, atol=1e-5)
