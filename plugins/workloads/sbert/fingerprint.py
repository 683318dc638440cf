"""A hash of all that embeddings hang on: it changes when they do, and with nothing else.

Weights of the encoder, its tokenizer, the modules after it, the longest text and how texts are read go in; the head,
versions of libraries, BERT's own pooler and what lies beside the model do not. Two models with one fingerprint can
share an index.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_OF_LIBRARIES = ("transformers_version", "_name_or_path", "torch_dtype", "dtype", "architectures", "__version__")
_LENGTHS = ("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")
_OF_THE_MODEL = ("prompts", "default_prompt_name", "truncate_dim")
_WORDS = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model")
_CHUNK = 1 << 20


def embedding_fingerprint(folder: Path) -> str:
    """Of a sentence-transformers folder; OSError or ValueError where it is none."""
    modules = json.loads((folder / "modules.json").read_bytes())
    whole = hashlib.blake2b(digest_size=16)
    settings = _json(folder / "config_sentence_transformers.json")
    told: list[Any] = [{name: settings.get(name) for name in _OF_THE_MODEL}, _read_as(folder)]
    for module in modules:
        place = folder / str(module.get("path", ""))
        told.append([str(module.get("type", "")).rpartition(".")[2], _config(place), _longest(place), _words(place)])
        for name, shape, digest in _tensors(place):
            told.append([name, shape, digest])
    whole.update(json.dumps(told, sort_keys=True).encode())
    return whole.hexdigest()


def _read_as(folder: Path) -> str:
    return str(_json(folder / "head" / "config.json").get("preprocess", "none"))


def _config(place: Path) -> dict[str, Any]:
    return {name: value for name, value in _json(place / "config.json").items() if name not in _OF_LIBRARIES}


def _longest(place: Path) -> Any:
    told = (_json(place / file).get(name) for file, name in _LENGTHS)
    return next((length for length in told if length is not None), None)


def _words(place: Path) -> Any:
    """tokenizer.json without what the last call has left in it; where there is none, the files it is made from."""
    whole = _json(place / "tokenizer.json")
    if whole:
        text = json.dumps({name: one for name, one in whole.items() if name not in ("padding", "truncation")})
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    files = (place / name for name in _WORDS)
    return [[file.name, hashlib.blake2b(file.read_bytes()).hexdigest()] for file in files if file.is_file()]


def _tensors(place: Path) -> Iterator[tuple[str, list[Any], str]]:
    """Name, shape and type, and hash of the bytes of each, by name: how a file is divided changes no vector."""
    found = {}
    for file in place.glob("*.safetensors"):
        with file.open("rb") as read:
            length = int.from_bytes(read.read(8), "little")
            header = json.loads(read.read(length))
            for name, one in header.items():
                if name != "__metadata__" and "pooler." not in name:
                    begin, end = one["data_offsets"]
                    read.seek(8 + length + begin)
                    found[name] = ([one["dtype"], one["shape"]], _hashed(read, end - begin))
    yield from ((name, *found[name]) for name in sorted(found))


def _hashed(read: Any, length: int) -> str:
    hashed = hashlib.blake2b(digest_size=16)
    while length > 0 and (piece := read.read(min(_CHUNK, length))):
        hashed.update(piece)
        length -= len(piece)
    return hashed.hexdigest()


def _json(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_bytes()) if path.is_file() else {}
    return found if isinstance(found, dict) else {}
