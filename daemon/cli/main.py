"""This file knows the verbs: which there are, where each is, and how every one of them ends.

A verb's module and its parser are made when it is asked for. What a verb does not need is not imported: `status` and
`record-feedback` are called from scripts, thousands of times.
"""

from __future__ import annotations

import argparse
import os
import sys

from adaptd.errors import AdaptdError, ConfigUnreadable, NotConfigured
from daemon.cli.printing import say, silence_stdout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

OK, FAILED, USAGE, NO_DAEMON, NO_SUCH_THING, LATER, BAD_CONFIG = 0, 1, 2, 3, 4, 75, 78
INTERRUPTED = 130

VERBS = {
    "init": ("daemon.cli.starting", "write a config.toml and make the state folder"),
    "run": ("daemon.cli.starting", "be the daemon, in the foreground"),
    "status": ("daemon.cli.status", "is it well, what is in the log, and what to do next"),
    "record-feedback": ("daemon.cli.recording", "record feedback from options, a file or standard input"),
    "events": ("daemon.cli.events", "look at the log: tail, show, verify"),
    "replay": ("daemon.cli.replaying", "rebuild the views from the first event and compare"),
    "feedback": ("daemon.cli.feedback", "look at feedback, amend it, take it back"),
    "import": ("daemon.cli.importing", "take in a file: native events, chats, CSV"),
    "export": ("daemon.cli.exporting", "write events, chats or a table out"),
    "forget": ("daemon.cli.forgetting", "destroy everything of one subject, for good"),
    "backup": ("daemon.cli.backing_up", "copy log, keys and quarantine into one checked archive"),
    "restore": ("daemon.cli.backing_up", "put a backup in place, and forget again who was forgotten"),
    "plugins": ("daemon.cli.plugins", "stages and workloads: list, show, check, begin a new one"),
    "doctor": ("daemon.cli.examining", "look for what may be wrong, and say what to do about it"),
    "bugreport": ("daemon.cli.reporting", "what to send to adaptd's authors; no texts in it"),
    "version": ("daemon.cli.starting", "say which adaptd this is"),
}
"""Each verb's module, which has `add_VERB` for its parser and `VERB` for its work, and the line of the help."""


class Usage(AdaptdError):
    """The command line asks for something that cannot be done as it is written."""

    exit_code = USAGE


class NoSuchThing(AdaptdError):
    """What was asked for by name or number is not there."""

    exit_code = NO_SUCH_THING


class NoDaemon(AdaptdError):
    """The daemon is needed for this and does not run."""

    exit_code = NO_DAEMON


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Text as wide as the terminal. argparse makes a formatter for each option, and asks `shutil` for the width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=help_width())


def help_width() -> int:
    """The columns of the terminal, as COLUMNS or the terminal itself says; 80 without either."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code. Mistakes of the operator are told in a line or two on stderr."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except SystemExit as end:  # argparse, after --help or a usage error
        return end.code if isinstance(end.code, int) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        silence_stdout()
        return OK
    except AdaptdError as error:
        return _tell(error, _code_of(error))
    except OSError as error:
        return _tell(_described(error), FAILED)
    except Exception as error:
        if not _is_sqlite_error(error):
            raise
        return _tell(f"SQLite: {error}. Run `adaptd status` to see which files are in use.", FAILED)
    return code


def parser_of(verb: str) -> argparse.ArgumentParser:
    """The parser of one verb, with its options and nothing of the others."""
    module, line = VERBS[verb]
    parser = argparse.ArgumentParser(
        prog=f"adaptd {verb}",
        description=line[0].upper() + line[1:] + ".",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    stem = verb.replace("-", "_")
    loaded = __import__(module, fromlist=[stem])
    getattr(loaded, f"add_{stem}")(parser)
    parser.set_defaults(work=getattr(loaded, f"{stem}_" if verb == "import" else stem))  # no function is named import
    return parser


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option that says which configuration is meant."""
    parser.add_argument("--config", metavar="PATH", help="the config.toml to use, instead of the one that is found")


def _run(arguments: list[str]) -> int:
    config, rest = _leading_config(arguments)
    verb = rest[0] if rest else "--help"
    if verb in ("-h", "--help", "help"):
        print(_help(), end="")
        return OK if rest else USAGE
    if verb in ("-V", "--version"):
        verb = "version"
    if verb not in VERBS:
        raise Usage(_no_such_verb(verb))
    options = parser_of(verb).parse_args(rest[1:])
    if config is not None and getattr(options, "config", "") is None:
        options.config = config
    code = options.work(options)
    return code if isinstance(code, int) else OK


def _leading_config(arguments: list[str]) -> tuple[str | None, list[str]]:
    """`--config PATH` may stand before the verb too."""
    if arguments[:1] == ["--config"]:
        if len(arguments) < 2:
            raise Usage("--config: expected a path after it, found nothing")
        return arguments[1], arguments[2:]
    if arguments and arguments[0].startswith("--config="):
        return arguments[0].partition("=")[2], arguments[1:]
    return None, arguments


def _help() -> str:
    width = max(map(len, VERBS))
    verbs = "".join(f"  {verb:<{width}}  {line}\n" for verb, (_, line) in VERBS.items())
    return (
        "adaptd makes an application's own models better from the feedback it records.\n\n"
        "  adaptd init                     make this folder a place to record into\n"
        "  adaptd run                      start the daemon here\n"
        "  adaptd status                   what is in it, and what to do next\n\n"
        f"verbs:\n{verbs}\n"
        "`adaptd VERB --help` shows a verb's options. Every verb that reads takes --json\n"
        "and works with the daemon down. Exit codes: 0 ok, 1 failed, 2 usage, 3 daemon\n"
        "needed but not running, 4 no such thing, 75 try later, 78 bad config.\n"
    )


def _no_such_verb(verb: str) -> str:
    import difflib

    near = difflib.get_close_matches(verb, VERBS, 1, 0.5)
    meant = f" Did you mean `adaptd {near[0]}`?" if near else ""
    return f"no verb {verb!r}, expected one of {', '.join(VERBS)}.{meant}"


def _code_of(error: AdaptdError) -> int:
    """The error's own exit code; a configuration that is not there is one that cannot be used."""
    default = BAD_CONFIG if isinstance(error, NotConfigured | ConfigUnreadable) else FAILED
    code = getattr(error, "exit_code", default)
    return code if isinstance(code, int) else FAILED


def _described(error: OSError) -> str:
    what = error.strerror or str(error)
    if isinstance(error, PermissionError):
        what += "; expected a user who may. Run it as the daemon's user, or join the group of the state folder."
    return f"{error.filename}: {what}" if error.filename else what


def _is_sqlite_error(error: Exception) -> bool:
    sqlite = sys.modules.get("sqlite3")
    return sqlite is not None and isinstance(error, sqlite.Error)


def _tell(message: object, code: int) -> int:
    say(f"adaptd: {message}")
    return code


if __name__ == "__main__":
    sys.exit(main())
