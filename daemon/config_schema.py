"""This file knows config.toml as a JSON Schema, from which editors complete keys and mark mistakes."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from daemon.settings import Settings

NAME = "config.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text() -> str:
    """The schema as it lies in docs/reference/ and in every state folder."""
    schema = {"$schema": DIALECT, "title": "adaptd's config.toml", **msgspec.json.schema(Settings)}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def keep_schema(state_dir: Path) -> None:
    """Write the schema beside the data unless it is there; nothing depends on it, so a failure is none."""
    path, text = state_dir / NAME, schema_text()
    with suppress(OSError):
        if path.exists() and path.read_text("utf-8") == text:
            return
        unfinished = path.with_name(f".{NAME}.{os.getpid()}.unfinished")
        unfinished.write_text(text, "utf-8")
        unfinished.replace(path)
