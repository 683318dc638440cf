"""This file knows `adaptd reindex`: the indexes of the model in use are built again."""

from __future__ import annotations

import argparse

from daemon.cli.main import add_config
from daemon.cli.printing import harmless, print_json, say


def add_reindex(parser: argparse.ArgumentParser) -> None:
    """The options of `reindex`."""
    parser.epilog = (
        "examples:\n  adaptd reindex\n  adaptd reindex support\n\n"
        "For when the texts have changed, or an index could not be built. The old one is\n"
        "in use until the new one is whole. Exit codes: 0 it is asked for, 4 config.toml\n"
        "names no index, or no model is in use yet."
    )
    parser.add_argument("workload", metavar="WORKLOAD", nargs="?", help="one of config.toml; all with indexes without")
    parser.add_argument("--json", action="store_true", help="as one JSON document, adaptd.reindex_asked/1")
    add_config(parser)


def reindex(options: argparse.Namespace) -> int:
    """Ask for it, and say what will happen."""
    from adaptd.locating import find
    from daemon.cli.asking_daemon import have_done
    from daemon.cli.progress import progress
    from daemon.state_lock import running_pid

    place = find(options.config)
    with progress() as tell:
        done = have_done(place, {"verb": "reindex", "workload": options.workload}, tell, "asks for it")
    running = running_pid(place.state_dir) is not None
    if options.json:
        print_json({"schema": "adaptd.reindex_asked/1", **done, "daemon_running": running})
        return 0
    for one in done["asked"]:
        print(harmless(f"{one['workload']}: {', '.join(one['indexes'])} of model {one['model']} is asked for"))
    say("adaptd: the daemon builds now" if running else "adaptd: nothing happens before the daemon runs: adaptd run")
    return 0
