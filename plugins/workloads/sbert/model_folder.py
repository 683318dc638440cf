"""What lies in the folder of a model: a plain sentence-transformers model, its head beside it, and what made it.

`head/` holds the head's weights in safetensors and its classes; it is no module of the model, so plain
SentenceTransformer(folder) does not know it. training_info.yaml has the fields of the document, and ours. No pickle is
read or written.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin.workload import RESERVED
from components.bad_input import BadInput
from plugins.workloads.sbert.encoder import embedded, open_encoder, precision_of, save_encoder, tokenised
from plugins.workloads.sbert.fingerprint import embedding_fingerprint
from plugins.workloads.sbert.objectives import logits_of
from plugins.workloads.sbert.settings import SbertSettings

if TYPE_CHECKING:
    import torch

FORMAT = 1
HEAD, WEIGHTS, CARD, INFO = "head", "model.safetensors", "config.json", "training_info.yaml"
_LONGEST = 512  # tokens, of a model that does not say
EMBEDDINGS, README = "embeddings.json", "README.md"


@dataclass(frozen=True, eq=False)
class Head:
    """Which classes there are, and the layer that tells them apart."""

    classes: tuple[str, ...]
    scale: float
    weight: torch.Tensor  # (classes, size)
    bias: torch.Tensor  # (classes,)
    max_tokens: int
    preprocess: str

    @classmethod
    def load(cls, folder: Path) -> Head:
        """Of a model that this workload made; BadInput where it made none there."""
        from safetensors.torch import load_file

        place = folder / HEAD
        card = json.loads((place / CARD).read_text()) if (place / CARD).is_file() else {}
        if card.get("format") != FORMAT or not (place / WEIGHTS).is_file():
            raise BadInput("model", str(folder), f"a model of sbert, format {FORMAT}, with {HEAD}/{WEIGHTS}")
        tensors = load_file(place / WEIGHTS)
        told = (tuple(card["classes"]), card["scale"], tensors["weight"], tensors["bias"])
        return cls(*told, max_tokens=card["max_tokens"], preprocess=card["preprocess"])

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        place = folder / HEAD
        place.mkdir()
        tensors = {"weight": self.weight, "bias": self.bias}
        save_file({name: one.detach().cpu().float().contiguous() for name, one in tensors.items()}, place / WEIGHTS)
        card = {
            "format": FORMAT,
            "classes": list(self.classes),
            "scale": self.scale,
            "max_tokens": self.max_tokens,
            "preprocess": self.preprocess,
        }
        (place / CARD).write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n")


def has_head(folder: Path | None) -> bool:
    """Whether the folder is a model of this workload: its classes are gone on with."""
    return folder is not None and (folder / HEAD / CARD).is_file()


def reading_of(folder: Path) -> str:
    """How texts are read before they are tokens; a base model reads them as they are."""
    return str(json.loads((folder / HEAD / CARD).read_text())["preprocess"]) if has_head(folder) else "none"


def embeddings_of(encoder: Any, inputs: Sequence[str], device: str, preprocess: str = "none") -> NDArray[np.float32]:
    """(inputs, size), as plain sentence-transformers gives them for texts that are read so."""
    tokens = tokenised(encoder, inputs, encoder.max_seq_length or _LONGEST, preprocess)
    return np.asarray(embedded(encoder, tokens, device).cpu().numpy(), np.float32)


@dataclass(frozen=True, eq=False)
class Model:
    """A model to ask."""

    encoder: Any
    head: Head
    device: str

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Model:
        head = Head.load(folder)
        return cls(open_encoder(folder, device), head, device)

    def embeddings(self, inputs: Sequence[str], precision: str = "float32") -> NDArray[np.float32]:
        """(inputs, size), as the model gives them."""
        tokens = tokenised(self.encoder, inputs, self.head.max_tokens, self.head.preprocess)
        vectors = embedded(self.encoder, tokens, self.device, precision_of(precision, self.device))
        return np.asarray(vectors.cpu().numpy(), np.float32)

    def chances(self, inputs: Sequence[str], precision: str = "float32") -> NDArray[np.float64]:
        """The logarithm of each class's probability, (inputs, classes)."""
        return self.chances_of(self.embeddings(inputs, precision))

    def chances_of(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        import torch

        logits = logits_of(self.head, torch.as_tensor(embeddings), self.head.scale)
        return np.asarray(torch.log_softmax(logits.double(), dim=1))


def embeddings_of_base(
    folder: Path, inputs: Sequence[str], device: str, settings: SbertSettings
) -> NDArray[np.float32]:
    """(inputs, size), of a sentence-transformers folder that has no head yet; BadInput where it is no such folder."""
    encoder = open_encoder(folder, device)
    tokens = tokenised(encoder, inputs, settings.max_tokens, settings.preprocess)
    return np.asarray(embedded(encoder, tokens, device).cpu().numpy(), np.float32)


def write_model(out: Path, encoder: Any, head: Head, info: Mapping[str, Any]) -> None:
    """The whole folder; the fingerprint of its embeddings stands beside them, for whoever keeps an index."""
    out.mkdir(parents=True, exist_ok=True)
    save_encoder(encoder, out)
    head.save(out)
    fingerprint, size = embedding_fingerprint(out), int(encoder.get_embedding_dimension())
    (out / EMBEDDINGS).write_text(json.dumps({"fingerprint": fingerprint, "dimension": size}) + "\n")
    (out / README).write_text(_readme(head, info, fingerprint, size))
    (out / INFO).write_text(as_yaml({**info, "embedding_fingerprint": fingerprint}))


def _readme(head: Head, info: Mapping[str, Any], fingerprint: str, size: int) -> str:
    """The model's card for people; what became of the model later is on the shelf's own."""
    return (
        f"# Sentence embeddings, fine-tuned from {info.get('base_model')}\n\n"
        f"`SentenceTransformer(folder)` loads it: {size} numbers a text. `head/` names one of {len(head.classes)} "
        f"classes: {', '.join(head.classes)}.\n\n"
        f"- embedding fingerprint: `{fingerprint}`: vectors of another one cannot be compared with these\n"
        f"- texts to learn from: {info.get('training_samples')}, to validate: {info.get('validation_samples')}\n"
        f"- texts are read: {'as they are' if head.preprocess == 'none' else 'with tweets as words'}\n"
        f"- settings and metrics: `{INFO}`\n"
    )


def export_model(model: Path, out: Path) -> None:
    """A copy of what belongs to the model, without what others have put beside it."""
    Head.load(model)
    out.mkdir(parents=True, exist_ok=True)
    modules = json.loads((model / "modules.json").read_text())
    folders = {str(module.get("path", "")) for module in modules} | {HEAD, ""}
    for name in sorted(folders):
        (out / name).mkdir(parents=True, exist_ok=True)
        for file in sorted(path for path in (model / name).iterdir() if path.is_file()):
            if not file.name.startswith("adaptd-") and file.name not in RESERVED:
                shutil.copyfile(file, out / name / file.name)


def as_yaml(values: Mapping[Any, Any], depth: int = 0) -> str:
    """Plain values as YAML: mappings, and everything else on one line as JSON, which YAML can read."""
    lines = []
    for key, value in values.items():
        name = key if isinstance(key, int) or str(key).isidentifier() else json.dumps(str(key), ensure_ascii=False)
        if isinstance(value, Mapping) and value:
            lines.append(f"{'  ' * depth}{name}:\n{as_yaml(value, depth + 1)}")
        else:
            lines.append(f"{'  ' * depth}{name}: {_scalar(value)}\n")
    return "".join(lines)


def _scalar(value: Any) -> str:
    """A float with its point: YAML 1.1 takes 2e-05 for a text."""
    if isinstance(value, float):
        told = repr(value)
        return told.replace("e", ".0e") if "e" in told and "." not in told else told
    return json.dumps(value, ensure_ascii=False)
