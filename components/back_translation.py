"""Translate a text to another language and back, through two local models (Sennrich et al. 2016, arXiv 1511.06709).

The folders hold sequence-to-sequence models as transformers saves them (Marian, NLLB, T5 …), with safetensors: nothing
is downloaded, no pickle is read. Beam search without sampling, so the same text comes back the same.

It does not judge what comes back: `data_augmenter` keeps only what has the same protected parts and is similar enough.
There is no example with a number here, since no translation model comes with this project.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.bad_input import BadInput, whole_number


class BackTranslator:
    """Two models: there (en → fr) and back (fr → en). Loaded when first used."""

    def __init__(self, there: str | Path, back: str | Path, *, batch_size: int = 16, longest: int = 256) -> None:
        self.folders = tuple(_folder(thing, path) for thing, path in (("there", there), ("back", back)))
        self.batch_size = whole_number("batch_size", batch_size, low=1)
        self.longest = whole_number("longest", longest, low=8)  # tokens
        self._models: list[tuple[Any, Any]] = []

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Each text, translated there and back."""
        if not self._models:
            self._models = [_loaded(folder) for folder in self.folders]
        there, back = self._models
        return self._translated(back, self._translated(there, list(texts)))

    def _translated(self, model: tuple[Any, Any], texts: list[str]) -> list[str]:
        """By batches of similar length, in the order that was given."""
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        said = [""] * len(texts)
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            for row, text in zip(rows, self._of_batch(model, [texts[row] for row in rows]), strict=True):
                said[row] = text
        return said

    def _of_batch(self, model: tuple[Any, Any], texts: list[str]) -> list[str]:
        import torch

        tokenizer, network = model
        tokens = tokenizer(texts, return_tensors="pt", padding=True, truncation=True, max_length=self.longest)
        tokens.pop("token_type_ids", None)
        with torch.inference_mode():
            made = network.generate(**tokens, max_new_tokens=self.longest, num_beams=4, do_sample=False)
        return [str(text).strip() for text in tokenizer.batch_decode(made, skip_special_tokens=True)]


def _folder(thing: str, path: str | Path) -> Path:
    folder = Path(path)
    if not (folder / "config.json").is_file():
        raise BadInput(
            f"translation folder {thing!r}",
            str(path),
            "a folder with a translation model's config.json",
            "Save the model there with save_pretrained.",
        )
    return folder


def _loaded(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    network = AutoModelForSeq2SeqLM.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return tokenizer, network.eval()
