"""docs/reference/: written by the program, so that it says what the program does."""

import subprocess
import sys
from pathlib import Path

import pytest

from daemon.cli.main import VERBS
from daemon.settings_told import keys_told
from docs.reference.__main__ import HERE, pages

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["commands.md", "config.md", "config.schema.json", "../stages.md"])
def test_the_reference_says_what_the_program_does(name):
    """Else write it anew with `python -m docs.reference`."""
    assert pages()[(HERE / name).resolve()] == (HERE / name).read_text("utf-8")


def test_the_reference_has_every_verb_and_every_key():
    """None is left out by what writes the pages."""
    commands = (HERE / "commands.md").read_text("utf-8")
    assert all(f"\n## adaptd {verb}\n" in commands for verb in VERBS)
    config = (HERE / "config.md").read_text("utf-8")
    assert all(f"\n### {'.'.join(key.path)}\n" in config and f"`{key.variable}`" in config for key in keys_told())


def test_writing_it_again_changes_nothing():
    """The command says what it wrote, which is nothing when all is as it must be."""
    command = [sys.executable, "-m", "docs.reference"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout + done.stderr == ""
