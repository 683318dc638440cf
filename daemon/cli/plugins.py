"""This file knows `adaptd plugins`: which stages and workloads there are, whether each holds, and how to begin one."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from adaptd.errors import AdaptdError
from daemon.cli.main import NoSuchThing, Usage, add_config
from daemon.cli.printing import harmless, in_columns, line_width, print_json, say

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.plugin_loading import Kind, Plugin

KINDS = ("stage", "workload")
HEAD = ("kind", "name", "state", "where")


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """The options of `plugins`."""
    parser.epilog = (
        "examples:\n  adaptd plugins list\n  adaptd plugins show pick_informative\n"
        "  adaptd plugins new stage freshest       writes plugins/stages/freshest.py\n"
        "  adaptd plugins new workload rater       writes plugins/workloads/rater.py\n"
        "  adaptd plugins check plugins/stages/freshest.py\n\n"
        "Exit codes: 0 it holds, 1 it does not, 4 there is none of that name."
    )
    acts = parser.add_subparsers(metavar="VERB", required=True, dest="verb")
    _act(acts, "list", "every stage and workload that config.toml could name", _list)
    shown = _act(acts, "show", "one of them: where it is, its settings and their defaults", _show)
    shown.add_argument("name", metavar="NAME", help="as config.toml would say it")
    checked = _act(acts, "check", "load it and run the battery that every one must pass", _check)
    checked.add_argument("name", metavar="FILE", help="a file, or a name as config.toml would say it")
    new = _act(acts, "new", "write a working plugin and its test, to be changed", _new)
    new.add_argument("kind", choices=KINDS, help="what it is to be")
    new.add_argument("name", metavar="NAME", help="lower case, as in freshest_first")


def _act(acts: Any, name: str, line: str, work: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = acts.add_parser(name, help=line)
    if name != "new":
        parser.add_argument("--json", action="store_true", help=f"as one JSON document, adaptd.plugins_{name}/1")
    add_config(parser)
    parser.set_defaults(act=work)
    return parser


def plugins(options: argparse.Namespace) -> int:
    """Look, check, or begin."""
    return int(options.act(options))


def _beside(options: argparse.Namespace) -> Path:
    """The folder of config.toml; the working folder where there is none yet."""
    from pathlib import Path

    from adaptd.errors import NotConfigured
    from adaptd.locating import find

    try:
        config = find(options.config).config_path
    except NotConfigured:
        config = None
    return Path(config).parent if config else Path.cwd()


def _list(options: argparse.Namespace) -> int:
    from daemon.plugin_loading import found_names

    beside = _beside(options)
    found = [(kind, name, where) for kind in KINDS for name, where in found_names(kind, beside)]  # type: ignore[arg-type]
    rows = [_row(kind, name, where, beside) for kind, name, where in found]
    if options.json:
        print_json({"schema": "adaptd.plugins_list/1", "plugins": rows})
        return 0
    for line in in_columns([_cells(row) for row in rows], HEAD, line_width()):
        print(line)
    for row in rows:
        if row["fault"]:
            say(f"adaptd: {harmless(str(row['fault']))}")
    if not rows:
        say("adaptd: no plugin yet; `adaptd plugins new stage NAME` begins one")
    return 0


def _row(kind: str, name: str, where: str, beside: Path) -> dict[str, str | None]:
    return {"kind": kind, "name": name, "fault": _fault(kind, name, beside), "where": where}


def _cells(row: dict[str, str | None]) -> tuple[str, ...]:
    where = os.path.relpath(str(row["where"])) if os.path.exists(str(row["where"])) else str(row["where"])
    return str(row["kind"]), str(row["name"]), "broken" if row["fault"] else "", where


def _fault(kind: str, name: str, beside: Path) -> str | None:
    from daemon.plugin_loading import load

    try:
        load(kind, name, beside)  # type: ignore[arg-type]
    except AdaptdError as error:
        return str(error)
    return None


def _loaded(name: str, beside: Path) -> Plugin:
    """A plugin of either kind; what is wrong with it is told, and that there is none is exit code 4."""
    from daemon.plugin_loading import found_names, load

    of_kind = [kind for kind in KINDS if name in dict(found_names(kind, beside))]  # type: ignore[arg-type]
    if of_kind:
        return load(of_kind[0], name, beside)  # type: ignore[arg-type]
    if not name.endswith(".py") and ":" not in name:
        raise NoSuchThing(f"no plugin {name!r}. `adaptd plugins list` shows those that there are.")
    return load(_kind_of_file(name, beside), name, beside)


def _kind_of_file(name: str, beside: Path) -> Kind:
    path = beside / name
    text = path.read_text(errors="replace") if path.is_file() else ""
    return "workload" if "\nWORKLOAD" in text else "stage"


def _show(options: argparse.Namespace) -> int:
    import dataclasses
    import inspect

    plugin = _loaded(options.name, _beside(options))
    held = plugin.made_by.Settings()  # type: ignore[attr-defined]  # what it makes of nothing, which a preset may decide
    fields = {field.name: getattr(held, field.name) for field in dataclasses.fields(held)}
    about = inspect.getdoc(plugin.made_by) or inspect.getdoc(inspect.getmodule(plugin.made_by)) or ""
    facts = {"kind": plugin.kind, "name": plugin.name, "where": plugin.where, "code": plugin.code_hash}
    if options.json:
        print_json({"schema": "adaptd.plugins_show/1", **facts, "about": about, "settings": fields})
        return 0
    for fact, told in facts.items():
        print(harmless(f"{fact:<6} {told}"))
    if about:
        print("\n" + harmless(about))
    if fields:
        print("\nsettings and what holds when they are absent:")
    for name, value in fields.items():
        print(harmless(f"  {name} = {value!r}"))
    return 0


def _check(options: argparse.Namespace) -> int:
    name = os.path.abspath(options.name) if os.path.isfile(options.name) else options.name
    plugin = _loaded(name, _beside(options))
    problems = _problems(plugin)
    if options.json:
        print_json({"schema": "adaptd.plugins_check/1", "name": plugin.name, "ok": not problems, "problems": problems})
    else:
        holds = "it does not hold" if problems else "it holds to its contract"
        print(harmless(f"{plugin.kind} {plugin.name}: {holds}"))
        for problem in problems:
            print(harmless(f"  {problem}"))
    return 1 if problems else 0


def _problems(plugin: Plugin) -> list[str]:
    """What the battery of its kind has to say."""
    from adaptd.plugin.checking import problems_of
    from adaptd.plugin.checking_workloads import problems_of_workload

    battery = problems_of if plugin.kind == "stage" else problems_of_workload
    return battery(lambda: plugin.make({}, plugin.name))


def _new(options: argparse.Namespace) -> int:
    from daemon.plugin_templates import write_new

    if not options.name.isidentifier() or options.name != options.name.lower() or options.name.startswith("_"):
        raise Usage(f"NAME: found {options.name!r}, expected lower-case letters, digits and _, as in freshest_first")
    written = write_new(options.kind, _beside(options), options.name)
    for path in written:
        print(os.path.relpath(path))
    say(f"adaptd: now change it, and run `adaptd plugins check {os.path.relpath(written[0])}`")
    return 0
