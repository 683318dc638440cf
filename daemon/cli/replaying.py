"""This file knows `adaptd replay --check`: whether the views are what the log says, and nothing else."""

from __future__ import annotations

import argparse

from daemon.cli.main import add_config
from daemon.cli.printing import complain, print_json


def add_replay(parser: argparse.ArgumentParser) -> None:
    """The options of `replay`."""
    parser.epilog = "examples:\n  adaptd replay --check     fold the whole log in memory, compare with views.db"
    parser.add_argument("--check", action="store_true", required=True, help="compare, and change nothing")
    parser.add_argument("--json", action="store_true", help="as one JSON document, adaptd.replay/1")
    add_config(parser)


def replay(options: argparse.Namespace) -> int:
    """Fold every event anew and compare each view's hash; 1 when one differs."""
    from adaptd.locating import find
    from daemon.cli.progress import progress
    from daemon.view_checking import check_views

    with progress() as tell:
        checked = check_views(find(options.config).state_dir, tell)
    equal = all(view.equal for view in checked)
    if options.json:
        views = [view._asdict() | {"equal": view.equal} for view in checked]
        print_json({"schema": "adaptd.replay/1", "equal": equal, "views": views})
    else:
        for view in checked:
            print(f"{view.name:<12} {'equal' if view.equal else 'DIFFERENT'}, at event {view.position:,}")
    if not equal:
        complain(
            "adaptd: views that differ from the log are built anew when they are gone: "
            "stop the daemon, remove views.db from the state folder, start it again."
        )
    return 0 if equal else 1
