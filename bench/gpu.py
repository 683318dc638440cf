"""What fine-tuning reaches on a graphics card: tokens a second, beside the stock trainers, in one command.

    python bench/gpu.py sbert [--rounds 3] [--steps 40] [--cpu]

For a machine that has a card and little else: torch, transformers, sentence-transformers with what its trainer needs
(datasets, accelerate), numpy and safetensors; nothing of the daemon's is imported. Ratios are of the clock, a
round's cases one after the other. After eight minutes no further round begins. `--cpu` runs the same path on the
processor, which says whether it works and nothing about a card.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # a file that is run by its path sees its own folder alone
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench import sbert_throughput
from bench.measuring import RESULTS, write_json

_ENOUGH = 480  # seconds
_NO_CARD = "gpu: found no graphics card that torch can use, expected one (--cpu runs the same path without)"


def main() -> int:
    given = _arguments()
    import torch

    if not given.cpu and not torch.cuda.is_available():
        print(_NO_CARD, file=sys.stderr)
        return 2
    given.device, name = ("cpu", "cpu") if given.cpu else ("cuda", torch.cuda.get_device_name())
    result = {"device": name, "torch": torch.__version__, **_sbert(given)}
    path = given.json or RESULTS / f"gpu_{re.sub('[^a-z0-9]+', '_', name.lower()).strip('_')}.json"
    write_json(path, result)
    print(f"{name}: {path}")
    for case, rates in result["tokens_per_second"].items():
        print(f"{rates:12,.0f} tokens a second  {case}")
    for told, ratio in result["ratios"].items():
        print(f"{ratio['median']:12.2f} {told}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python bench/gpu.py")
    parser.add_argument("what", choices=("sbert",))
    parser.add_argument("--cpu", action="store_true", help="without a card: to see that it runs")
    sbert_throughput.add_options(parser)
    parser.add_argument("--json", type=Path, help="where the result goes; by default under bench/results")
    return parser.parse_args()


def _sbert(given: argparse.Namespace) -> dict[str, Any]:
    found = sbert_throughput.rounds_of(given, until=time.monotonic() + _ENOUGH)
    result = sbert_throughput.result_of(found, given)
    tokens = _tokens_of_a_text(given)
    rates = {case: rate["texts_per_second"]["median"] * tokens for case, rate in result["rates"].items()}
    return {**result, "tokens_of_a_text": tokens, "tokens_per_second": rates}


def _tokens_of_a_text(given: argparse.Namespace) -> float:
    """In the mean, padding not counted: what is computed for nothing is no work done."""
    from plugins.workloads.sbert.encoder import base_folder, open_encoder, tokenised

    texts, _ = sbert_throughput.texts_of(given)
    encoder = open_encoder(base_folder(given.base_model))
    return float(tokenised(encoder, texts, sbert_throughput.LONGEST, "none").lengths.mean())


if __name__ == "__main__":
    sys.exit(main())
