"""This file knows `adaptd backup` and `adaptd restore`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from daemon.cli.main import NoSuchThing, add_config
from daemon.cli.printing import complain, count_of, print_json, size_of

if TYPE_CHECKING:
    from adaptd.locating import Place


def add_backup(parser: argparse.ArgumentParser) -> None:
    """The options of `backup`."""
    parser.epilog = (
        "examples:\n  adaptd backup                        a file named after the moment, here\n"
        "  adaptd backup /mnt/nightly.tar\n\n"
        "Works while the daemon runs. The file holds the keys too: keep it as you keep\n"
        "them. What waits in the spool is not in it."
    )
    parser.add_argument("file", metavar="FILE", nargs="?", help="where to; replaced when the new one is checked")
    parser.add_argument("--json", action="store_true", help="as one JSON document, adaptd.backup/1")
    add_config(parser)


def backup(options: argparse.Namespace) -> int:
    """Copy, pack, check, and say what is in it."""
    from pathlib import Path

    from adaptd.locating import find
    from daemon import backing_up
    from daemon.cli.progress import progress
    from daemon.clock_and_chance import SystemClock
    from daemon.moments import moment_of

    clock = SystemClock()
    named = f"adaptd-{moment_of(clock.now())[:19].replace(':', '')}.tar"
    with progress() as tell:
        target = Path(options.file or named).absolute()
        made = backing_up.back_up(Path(find(options.config).state_dir), target, clock, tell=tell)
    if options.json:
        head = {"seq": made.head.seq, "chain": made.head.chain.hex()}
        print_json({"schema": "adaptd.backup/1", "file": str(made.path), "bytes": made.bytes, "head": head})
    else:
        print(f"{made.path}: {count_of(made.head.seq, 'event')}, {size_of(made.bytes)}, read back and checked")
    return 0


def add_restore(parser: argparse.ArgumentParser) -> None:
    """The options of `restore`."""
    parser.epilog = (
        "examples:\n  adaptd restore nightly.tar --to /srv/adaptd/state\n"
        "  adaptd restore nightly.tar --force      replaces the log that is there\n\n"
        "Everything is checked before anything is changed. Whoever was forgotten since\n"
        "the backup is forgotten again. The daemon must be down."
    )
    parser.add_argument("file", metavar="FILE", help="as `adaptd backup` wrote it")
    parser.add_argument("--to", metavar="DIR", help="the state folder to restore to (default: the configured one)")
    parser.add_argument("--force", action="store_true", help="replace a log that has events")
    parser.add_argument("--json", action="store_true", help="as one JSON document, adaptd.restored/1")
    add_config(parser)


def restore(options: argparse.Namespace) -> int:
    """Check, put in place, forget again."""
    from pathlib import Path

    from daemon import backing_up
    from daemon.cli.progress import progress
    from daemon.clock_and_chance import SystemChance, SystemClock
    from daemon.owning import owned_folder
    from daemon.settings import read_settings

    file = Path(options.file)
    if not file.is_file():
        raise NoSuchThing(f"{file}: no such file, expected a backup as `adaptd backup` wrote it")
    configured = _configured(options)
    target = Path(options.to or (configured and configured.state_dir) or ".").absolute()
    known = [target / "keys.db", *([Path(configured.state_dir) / "keys.db"] if configured else [])]
    config = Path(configured.config_path) if configured and configured.config_path else None
    settings = read_settings(config)
    with owned_folder(target), progress() as tell:
        done = backing_up.restore(
            file,
            target,
            SystemClock(),
            SystemChance(),
            force=options.force,
            known=known,
            tell=tell,
            settings=settings,
            beside=config and config.parent,
        )
    if options.json:
        head = {"seq": done.head.seq, "chain": done.head.chain.hex()}
        answer = {"state_dir": str(target), "head": head, "forgotten": done.forgotten, "problems": done.problems}
        print_json({"schema": "adaptd.restored/1"} | answer)
    else:
        print(f"{target}: {count_of(done.head.seq, 'event')}; {count_of(done.forgotten, 'subject')} forgotten again")
    for problem in done.problems:
        complain(f"adaptd: {problem}")
    return 1 if done.problems else 0


def _configured(options: argparse.Namespace) -> Place | None:
    """The configured place; with --to there need not be one."""
    from adaptd.errors import NotConfigured
    from adaptd.locating import find

    try:
        return find(options.config)
    except NotConfigured:
        if options.to is None:
            raise
        return None
