"""This file knows the verbs that begin things: `init`, `run`, and `version`."""

from __future__ import annotations

import argparse
import os
import sys

from adaptd.errors import AdaptdError
from daemon.cli.main import add_config
from daemon.cli.printing import print_json


class AlreadyThere(AdaptdError):
    """`init` would have to overwrite somebody's configuration."""


def add_init(parser: argparse.ArgumentParser) -> None:
    """The options of `init`."""
    parser.epilog = "examples:\n  adaptd init              here\n  adaptd init /srv/adaptd  somewhere else"
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", default=".", help="the folder to set up (default: this one)"
    )


def init(options: argparse.Namespace) -> int:
    """Write config.toml, and state/ with its spool and the schema for editors; a config.toml is never overwritten."""
    from pathlib import Path

    from daemon.config_schema import keep_schema
    from daemon.config_template import CONFIG_TOML
    from daemon.state_folder import make_folders

    folder = os.path.abspath(options.folder)
    config = os.path.join(folder, "config.toml")
    os.makedirs(folder, exist_ok=True)
    try:
        descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise AlreadyThere(
            f"{config} is there already, expected none; nothing was changed. "
            "Edit it, or choose another folder: adaptd init DIR"
        ) from None
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(CONFIG_TOML)
    make_folders(os.path.join(folder, "state"))
    keep_schema(Path(folder, "state"))
    _say_what_is_next(config, options.folder)
    return 0


def _say_what_is_next(config: str, folder: str) -> None:
    print(f"wrote {config} and made state/ beside it. Next:\n")
    if os.path.abspath(folder) != os.getcwd():
        print(f"  cd {folder}")
    print("  adaptd record-feedback --input 2+2 --output 4 --score 95 --artifact-type sums")
    print("  adaptd run                # in a terminal of its own; Ctrl-C ends it")
    print("  adaptd status")


def add_run(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    parser.epilog = (
        "examples:\n  adaptd run\n  adaptd --config /etc/adaptd/config.toml run\n\n"
        "Ctrl-C or TERM ends it, HUP reads config.toml again."
    )
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Be the daemon until TERM or INT."""
    from pathlib import Path

    from adaptd.locating import find
    from daemon import running
    from daemon.clock_and_chance import SystemChance, SystemClock

    place = find(options.config)
    config = None if place.config_path is None else Path(place.config_path)
    running.run(config, Path(place.state_dir), sys.stdout, os.environ, SystemClock(), SystemChance())
    return 0


def add_version(parser: argparse.ArgumentParser) -> None:
    """The options of `version`."""
    parser.epilog = "examples:\n  adaptd version\n  adaptd version --json"
    parser.add_argument("--json", action="store_true", help="as one JSON document")


def version(options: argparse.Namespace) -> int:
    """Say which adaptd, Python and SQLite these are."""
    import sqlite3

    from adaptd import __version__

    python = ".".join(map(str, sys.version_info[:3]))
    if options.json:
        print_json(
            {"schema": "adaptd.version/1", "adaptd": __version__, "python": python, "sqlite": sqlite3.sqlite_version}
        )
    else:
        print(f"adaptd {__version__} (Python {python}, SQLite {sqlite3.sqlite_version})")
    return 0
