"""This file knows how a model leaves the shelf: its files as they are, or in a form that its workload writes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from adaptd.errors import AdaptdError
from adaptd.models import OURS
from daemon import plugin_loading
from daemon.model_telling import ModelTellings, ModelTold


class NotExported(AdaptdError):
    """Nothing was written."""


def export(tellings: ModelTellings, told: ModelTold, out: Path, form: str | None, beside: Path) -> None:
    """Writes the model to the new folder `out`; its hash is checked first. NotExported, ModelDamaged, NoSuchModel."""
    path = Path(tellings.path(told, check=True))
    if out.exists():
        raise NotExported(f"models export: {out} is there already, expected a folder that is to be made")
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        if form is None:
            shutil.copytree(path, unfinished)
        else:
            unfinished.mkdir(parents=True)
            _by_workload(tellings.card(told), path, unfinished, form, beside)
            for name in sorted(OURS):
                if not (unfinished / name).exists():
                    shutil.copyfile(path / name, unfinished / name)
        unfinished.rename(out)
    except OSError as error:
        raise NotExported(f"models export: {out}: {_reason(error)}. Nothing of it was left there") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _reason(error: OSError) -> str:
    """In words; of a folder that was copied the first thing that went wrong."""
    if isinstance(error, shutil.Error) and error.args:
        return str(error.args[0][0][2]).partition(": ")[0]
    return error.strerror or str(error)


def _by_workload(card: dict[str, Any], path: Path, out: Path, form: str, beside: Path) -> None:
    plugin = card["plugin"]
    if plugin is None:
        raise NotExported(f"models export: no run is known that made model {card['model']}, expected no --form for it")
    workload = plugin_loading.load("workload", plugin["name"], beside).make(card["settings"] or {}, "settings")
    try:
        workload.export(path, out, form)
    except Exception as error:  # the edge: a plugin's own code
        raise NotExported(f"models export: {plugin['name']} as {form!r}: {type(error).__name__}: {error}") from error
