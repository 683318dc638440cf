"""This file knows how a workload's own command becomes a verb below `adaptd train`.

A workload that is a folder with a `command.py` has one. The plugin brings options and does the work; configuration, the
clock, printing and exit codes are here. One that cannot be loaded says so when it is asked for, and no other is the
worse for it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adaptd.errors import AdaptdError, NotConfigured
from daemon.cli.main import Usage, add_config
from daemon.cli.printing import harmless, print_json, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adaptd.plugin.command import Command
    from daemon.settings import Settings


class NotDone(AdaptdError):
    """A plugin's command could not do what it was asked for, and said why."""


def add_commands(verbs: Any) -> None:
    """A verb for each workload that has a command of its own."""
    from daemon.plugin_loading import PluginRejected, command_names, load_command

    beside = _beside(None)
    for name in command_names(beside):
        try:
            command = load_command(name, beside)
        except PluginRejected as rejected:
            _add_broken(verbs, name, rejected)
        else:
            _add(verbs, name, command)


def run_command(options: argparse.Namespace) -> int:
    """Do what the plugin's command does, and tell it."""
    from adaptd.plugin.command import Desk
    from components.bad_input import BadInput
    from daemon.clock_and_chance import SystemClock
    from daemon.moments import moment_of

    command: Command | AdaptdError = options.command
    if isinstance(command, AdaptdError):
        raise command
    desk = Desk(_settings(options), moment_of(SystemClock().now()), lambda line: say(harmless(f"adaptd: {line}")))
    try:
        document = command.run(options, desk)
    except BadInput as wrong:
        raise NotDone(f"train {options.verb}: {wrong}") from None
    if options.json:
        print_json({"schema": f"adaptd.train_{options.verb}/1", **document})
        return 0
    for line in command.lines(document):
        print(harmless(line))
    return 0


def _add(verbs: Any, name: str, command: Command) -> None:
    parser = verbs.add_parser(name, help=command.line)
    parser.epilog = command.epilog
    command.add_options(parser)
    if all(action.dest != "workload" for action in parser._actions):
        parser.add_argument("--workload", metavar="NAME", help="whose settings in config.toml hold, where several do")
    parser.add_argument("--json", action="store_true", help=f"as one JSON document, adaptd.train_{name}/1")
    add_config(parser)
    parser.set_defaults(command=command)


def _add_broken(verbs: Any, name: str, rejected: AdaptdError) -> None:
    parser = verbs.add_parser(name, help="cannot be loaded; `adaptd plugins list` says why")
    parser.epilog = f"examples:\n  adaptd train {name}\n"
    parser.set_defaults(command=rejected, json=False)


def _beside(config: str | None) -> Path:
    """The folder of config.toml; the working folder where there is none."""
    from adaptd.locating import find

    try:
        found = find(config).config_path
    except (AdaptdError, OSError):
        found = None
    return Path(found).parent if found else Path.cwd()


def _settings(options: argparse.Namespace) -> Mapping[str, Any]:
    """What config.toml says to the workload with this plugin; nothing where there is no configuration."""
    from adaptd.locating import find
    from daemon.settings import read_settings

    try:
        place = find(options.config)
    except NotConfigured:
        if options.config is not None:
            raise
        return {}
    return _of_plugin(read_settings(Path(place.config_path)), options) if place.config_path else {}


def _of_plugin(settings: Settings, options: argparse.Namespace) -> Mapping[str, Any]:
    named = {name: one for name, one in settings.workloads.items() if (one.plugin or name) == options.verb}
    wanted = options.workload
    if wanted is not None and wanted not in named:
        found = ", ".join(named) or "none"
        raise Usage(f"train {options.verb}: --workload: found {wanted!r}, expected one with this plugin: {found}")
    if wanted is None and len(named) > 1:
        raise Usage(f"train {options.verb}: --workload: expected one of {', '.join(named)}, found none")
    chosen = named.get(wanted) if wanted is not None else next(iter(named.values()), None)
    return {} if chosen is None else chosen.settings
