"""Writes docs/stages.md from the stages and the presets: `python -m docs.reference` does so, tests compare.

What a setting is for is the comment beside it in the stage's own file.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from pathlib import Path
from typing import Any

from daemon.plugin_loading import Plugin, found_names, load
from daemon.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
# Stages

Written by `python -m docs.reference` from the stages themselves, and compared by the tests.

A stage shapes the pool of examples into what a workload learns tonight, and says why for each example. A workload has
the stages of its preset, or those that its line `stages` names, in that order; `adaptd plugins show NAME` says more of
each, and [techniques.md](techniques.md) what was measured.

```toml
[workloads.support]
plugin = "tiny_classifier"
preset = "v2"                     # or: stages = ["keep_quality", "reward_feedback", "size_batch"]

[workloads.support.stage.size_batch]
max_examples = 500
```

No stage sees an example of another side than learn. None costs Python time for each example of the pool: texts and
embeddings are read for as many as a setting says.

## Presets
"""


def stages_page() -> str:
    """docs/stages.md."""
    plugins = {
        name: load("stage", name, ROOT) for name, where in found_names("stage", ROOT) if where.startswith(str(ROOT))
    }
    lines = ["", "| preset | stages in their order, with what differs from the defaults |", "|---|---|"]
    lines += [f"| `{name}` | {_order(preset, plugins)} |" for name, preset in PRESETS.items()]
    for name, plugin in plugins.items():
        lines += ["", f"## {name}", "", _about(plugin), "", *_table(plugin)]
    return HEAD + "\n".join(lines) + "\n"


def settings_of_stage(plugin: Plugin) -> list[tuple[str, Any, str]]:
    """The name of each setting, its default, and the comment beside it."""
    kind = plugin.made_by.Settings  # type: ignore[attr-defined]
    source = textwrap.dedent(inspect.getsource(kind))
    lines = source.splitlines()
    (body,) = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)
    said = {
        node.target.id: " ".join(lines[node.end_lineno - 1].partition("  # ")[2].split())
        for node in body.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.end_lineno
    }
    default = kind()
    return [(field.name, getattr(default, field.name), said[field.name]) for field in dataclasses.fields(kind)]


def _order(preset: Any, plugins: dict[str, Plugin]) -> str:
    told = []
    for stage, settings in preset.items():
        default = plugins[stage].made_by.Settings()  # type: ignore[attr-defined]
        other = [f"{key} = {_written(value)}" for key, value in settings.items() if getattr(default, key) != value]
        told.append(f"`{stage}`" + (f" ({', '.join(other)})" if other else ""))
    return " → ".join(told)


def _about(plugin: Plugin) -> str:
    return (inspect.getdoc(inspect.getmodule(plugin.made_by)) or "").strip()


def _table(plugin: Plugin) -> list[str]:
    rows = [f"| `{name}` | `{_written(value)}` | {meaning} |" for name, value, meaning in settings_of_stage(plugin)]
    return ["| setting | default | what it is for |", "|---|---|---|", *rows]


def _written(value: Any) -> str:
    """As config.toml would say it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_written(each) for each in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
