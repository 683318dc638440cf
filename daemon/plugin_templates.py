"""This file knows what a new plugin begins as: one that works, and a test that it passes."""

from __future__ import annotations

from pathlib import Path

from adaptd.errors import AdaptdError
from daemon import workload_template

STAGE = '''"""Keep the newest share of the examples."""

from dataclasses import dataclass

import numpy as np

from adaptd.plugin import Moment, Pool


@dataclass(frozen=True)
class Settings:
    share: float = 0.5  # of the examples, above 0 and at most 1

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share = {{self.share}}, expected above 0 and at most 1")


class {class_name}:
    """What this stage is for, in a sentence; `adaptd plugins show` prints it."""

    name = "{name}"
    Settings = Settings

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def shape(self, pool: Pool, moment: Moment) -> Pool:
        age = pool["age_days"]
        if not len(pool):
            return pool
        limit = np.quantile(age, self.settings.share)
        return pool.keep(age <= limit, self.name, "{{0:.1f}} days old, older than the newest share", age)


STAGE = {class_name}
'''

TEST = '''"""The stage {name} holds to the contract of stages, and does what it is for."""

import importlib.util
from pathlib import Path

from adaptd.plugin.checking import MOMENT, made_pool, problems_of

SPEC = importlib.util.spec_from_file_location("{name}", Path(__file__).parent / "{name}.py")
{name} = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module({name})


def made():
    return {name}.STAGE({name}.Settings())


def test_it_holds_to_the_contract():
    """On pools of all sorts."""
    assert problems_of(made) == []


def test_the_newest_examples_stay():
    """None that stays is older than one that goes."""
    pool = made_pool(100)
    shaped = made().shape(pool, MOMENT)
    gone = set(pool["example"].tolist()) - set(shaped["example"].tolist())
    assert shaped["age_days"].max() <= min(pool["age_days"][example] for example in gone)
'''


class AlreadyThere(AdaptdError):
    """A file of that name is there; nothing was written."""


def write_new(kind: str, beside: Path, name: str) -> list[Path]:
    """The stage or workload and its test beside config.toml; AlreadyThere where one would be overwritten."""
    class_name = "".join(word.capitalize() for word in name.split("_"))
    folder = beside / "plugins" / f"{kind}s"
    texts = dict(zip((folder / f"{name}.py", folder / f"test_{name}.py"), _texts(kind, name, class_name), strict=True))
    for path in texts:
        if path.exists():
            raise AlreadyThere(f"{path} is there, expected none. Choose another name, or move it away.")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text)
    return list(texts)


def _texts(kind: str, name: str, class_name: str) -> list[str]:
    """Of the plugin and of its test."""
    if kind == "stage":
        return [text.format(name=name, class_name=class_name) for text in (STAGE, TEST)]
    templates = (workload_template.WORKLOAD, workload_template.TEST)
    return [text.substitute(name=name, class_name=class_name) for text in templates]
