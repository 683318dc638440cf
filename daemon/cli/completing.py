"""This file knows `adaptd completion`: a script for a shell, made from the verbs as they are, that starts no Python.

It is shtab's work, which only this verb loads.
"""

from __future__ import annotations

import argparse
import sys

from adaptd.errors import AdaptdError
from daemon.cli.main import VERBS, Parser, fill

SHELLS = ("bash", "zsh", "tcsh")
FILES = ("FILE", "PATH")
FOLDERS = ("DIR",)


class NoCompletion(AdaptdError):
    """What writes the script is not installed."""


def add_completion(parser: argparse.ArgumentParser) -> None:
    """The options of `completion`."""
    parser.epilog = (
        "examples:\n  adaptd completion bash > ~/.local/share/bash-completion/completions/adaptd\n"
        "  adaptd completion zsh > ~/.zfunc/_adaptd       a folder that is in $fpath\n"
        "  adaptd completion tcsh > ~/.adaptd.tcsh        and source it in ~/.tcshrc\n\n"
        "A new shell completes verbs, options and file names. Write it again after an\n"
        "update."
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or tcsh")


def completion(options: argparse.Namespace) -> int:
    """Write the script."""
    try:
        import shtab
    except ImportError:
        raise NoCompletion(
            "shtab is not installed here, expected what `pip install adaptd` brings. Run: pip install shtab"
        ) from None
    parser = whole_parser()
    _complete_names(parser, shtab.FILE, shtab.DIRECTORY)
    sys.stdout.write(shtab.complete(parser, options.shell).rstrip("\n") + "\n")
    return 0


def whole_parser() -> Parser:
    """One parser with every verb below it."""
    parser = Parser(prog="adaptd")
    verbs = parser.add_subparsers(dest="verb")
    for verb, (_, line) in VERBS.items():
        fill(verbs.add_parser(verb, help=line), verb)
    return parser


def _complete_names(parser: Parser, of_files: object, of_folders: object) -> None:
    """Where a file or a folder is asked for, those that are there are offered."""
    for action in parser._actions:
        if action.metavar in FILES + FOLDERS:
            action.complete = of_files if action.metavar in FILES else of_folders  # type: ignore[attr-defined]
    for below in parser.below.values():
        _complete_names(below, of_files, of_folders)
