"""The contract of a workload's own command: `adaptd train NAME` with options that the plugin brings.

A workload that is a folder may have a file `command.py` in it with an object under the name COMMAND. It is read when
the verb's help is asked for, so it imports nothing heavy before it runs. The plugin says what was done as one document,
which `--json` prints, and how that is told in lines; printing, the clock and config.toml are the daemon's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command is given beside its options."""

    settings: Mapping[str, Any]  # of the workload in config.toml that uses this plugin; none where there is none
    now: str  # the time in UTC, as ISO 8601 has it
    say: Callable[[str], None]  # a line of progress on stderr


@runtime_checkable
class Command(Protocol):
    """What `adaptd train NAME` does."""

    line: str  # what it does, in a few words, as help lists it
    epilog: str  # examples, a line each, then notes

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Those of this command alone: --config, --json and --quiet every verb has."""

    def run(self, options: argparse.Namespace, desk: Desk) -> Mapping[str, Any]:
        """What was done, as JSON can hold it. components.bad_input.BadInput for what cannot be meant."""

    def lines(self, document: Mapping[str, Any]) -> Iterable[str]:
        """The same for people, in eighty columns."""
