"""The child process that brings what is derived up to the log's head: `python -P -m daemon.prepare_child STATE_DIR`.

It reads the log and the keys, and writes below `state/derived/` alone. What it is to do stands on its standard input as
JSON: `{"model": …, "up_to": …}`. Killed at any moment it loses one page at most. A model is loaded here and never in
the daemon, on the CPU: the GPU is lent to runs, and the same text gets the same vector on every machine's CPU.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from components.bad_input import BadInput
from components.embeddings import EmbeddingGenerator
from daemon.derived import ANOTHER_IS_AT_IT, FOLDER, About, owned
from daemon.deriving import Deriver, derive
from daemon.texts import TextSource

PROGRESS = "progress.json"
BAD_MODEL = 78
_POLITE = 10


def prepare(state_dir: Path, spec: dict[str, Any]) -> int:
    """How many outputs were new; BadInput where the model cannot be used. The caller owns the folder."""
    generator = EmbeddingGenerator(spec["model"], device="cpu")
    about = About(
        model=spec["model"],
        fingerprint=generator.fingerprint,
        dimension=generator.dimension,
        described=generator.describe(),
        fell_back=not generator.uses_model and spec["model"] != "hashing",
    )

    def tell(_doing: str, position: int, up_to: int) -> None:
        path = state_dir / FOLDER / PROGRESS
        new = path.with_name(f"{PROGRESS}.new")
        new.write_text(json.dumps({"position": position, "up_to": up_to, "pid": os.getpid()}))
        new.replace(path)

    with TextSource.open(state_dir) as source:
        return derive(Deriver(state_dir, about, generator), source.log, source.unseal, spec["up_to"], tell)


def main(state_dir: Path) -> int:
    """What the parent is told by the exit status, with the reason on standard error."""
    os.umask(0o077)
    os.nice(_POLITE)
    spec = json.load(sys.stdin)
    with owned(state_dir) as mine:
        if not mine:
            return ANOTHER_IS_AT_IT
        try:
            prepare(state_dir, spec)
        except BadInput as error:
            sys.stderr.write(f"{error}\n")
            return BAD_MODEL
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
