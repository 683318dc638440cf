"""A transformer of two small layers with a vocabulary of some words: real in every part, trained in seconds.

For the battery of workloads and for tests; its first weights are drawn from a fixed seed, and it knows nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adaptd.plugin import Toy
from adaptd.plugin.lessons import SUBJECTS, lesson_pool
from components.embeddings import no_progress_bar
from plugins.workloads.sbert.settings import SbertSettings

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_FILLERS = ("please", "the", "my", "is", "where", "again", "today", "i", "need", "give", "back", "cannot", "?", "!")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ROWS, _HELD_OUT = 84, 21


def toy_of(folder: Path) -> Toy:
    """What the battery teaches it."""
    base = folder / "small-bert"
    write_small_model(base)
    settings = SbertSettings(epochs=2, batch_size=16, evaluation_steps=4, max_tokens=24, learning_rate=1e-3)
    return Toy(lesson_pool(_ROWS), lesson_pool(_HELD_OUT, 4), settings, base)


def write_small_model(folder: Path, words: Iterable[str] = (), size: int = 32) -> None:
    """A sentence-transformers model into the folder: two layers, mean pooling, unit length."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    plain = folder.with_name(folder.name + "-transformer")
    with no_progress_bar(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        _write_transformer(plain, words, size)
        modules: list[Any] = [Transformer(str(plain), max_seq_length=32), Pooling(size), Normalize()]
        SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(folder), create_model_card=False)


def _write_transformer(folder: Path, words: Iterable[str], size: int) -> None:
    from transformers import BertConfig, BertModel, BertTokenizerFast

    known = [*_FILLERS, *(word.lower() for words_of in SUBJECTS.values() for word in words_of), *words]
    pieces = [*_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    vocabulary = list(dict.fromkeys([*_SPECIAL, *pieces, *known]))
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=size,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * size,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(str(folder))
    BertTokenizerFast(vocab=json.loads(json.dumps({w: n for n, w in enumerate(vocabulary)}))).save_pretrained(
        str(folder)
    )
