"""This file knows the verbs: which there are, where each is, and how every one of them ends.

A verb's module and its parser are made when it is asked for. What a verb does not need is not imported: `status` and
`record-feedback` are called from scripts, thousands of times.
"""

from __future__ import annotations

import argparse
import os
import sys

from adaptd.errors import AdaptdError, ConfigUnreadable, NotConfigured
from daemon.cli.printing import complain, harmless, silence_stdout, talk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, NoReturn

OK, FAILED, USAGE, NO_DAEMON, NO_SUCH_THING, REFUSED, LATER, BAD_CONFIG = 0, 1, 2, 3, 4, 5, 75, 78
INTERRUPTED = 130

VERBS = {
    "init": ("daemon.cli.starting", "write a config.toml and make the state folder"),
    "run": ("daemon.cli.starting", "be the daemon, in the foreground"),
    "status": ("daemon.cli.status", "is it well, what is in the log, and what to do next"),
    "record-feedback": ("daemon.cli.recording", "record feedback from options, a file or standard input"),
    "events": ("daemon.cli.events", "look at the log: tail, show, verify"),
    "replay": ("daemon.cli.replaying", "rebuild the views from the first event and compare"),
    "feedback": ("daemon.cli.feedback", "look at feedback, amend it, take it back"),
    "ask": ("daemon.cli.asking", "which outputs are most worth rating, or a fair draw"),
    "import": ("daemon.cli.importing", "take in a file: native events, chats, CSV"),
    "export": ("daemon.cli.exporting", "write events, chats or a table out"),
    "forget": ("daemon.cli.forgetting", "destroy everything of one subject, for good"),
    "backup": ("daemon.cli.backing_up", "copy log, keys and quarantine into one checked archive"),
    "restore": ("daemon.cli.backing_up", "put a backup in place, and forget again who was forgotten"),
    "tune": ("daemon.cli.tuning", "search for better training settings of a workload"),
    "train": ("daemon.cli.nights", "train now, in or out of the window"),
    "embeddings": ("daemon.cli.embeddings", "models of sentence embeddings beside each other: compare"),
    "pause": ("daemon.cli.nights", "train nothing for a time, or until told otherwise"),
    "resume": ("daemon.cli.nights", "end a pause"),
    "cancel": ("daemon.cli.nights", "end a run for good"),
    "plugins": ("daemon.cli.plugins", "stages and workloads: list, show, check, begin a new one"),
    "batch": (
        "daemon.cli.batch",
        "what was learnt, what tonight would learn, and why: list, show, explain",
    ),
    "runs": ("daemon.cli.runs", "what was trained, is, and will be: list, show, logs, compare"),
    "gate": ("daemon.cli.gate", "why a model was promoted or not, and what the year's budget has left"),
    "history": ("daemon.cli.history", "night after night what came of it, and whether the models get better"),
    "models": ("daemon.cli.models", "the shelf: which model is in use, promote, roll back, compare"),
    "reindex": ("daemon.cli.reindexing", "build the indexes of the model in use again"),
    "golden": ("daemon.cli.golden", "examples to judge by that nothing learns from: import, freeze, list"),
    "why": ("daemon.cli.why", "what came of feedback, and what a model came from"),
    "doctor": ("daemon.cli.examining", "look for what may be wrong, and say what to do about it"),
    "bugreport": ("daemon.cli.reporting", "what to send to adaptd's authors; no texts in it"),
    "config": ("daemon.cli.configuring", "check the configuration, show what holds and who says so"),
    "completion": ("daemon.cli.completing", "write a script that completes verbs and options on TAB"),
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


class Parser(argparse.ArgumentParser):
    """Tells a mistake with a guess what was meant; its help begins with examples. Verbs below have such parsers too."""

    def __init__(self, **how: Any) -> None:
        how.setdefault("formatter_class", HelpFormatter)
        how.setdefault("allow_abbrev", False)
        super().__init__(**how)
        self.above: Parser | None = None
        self.below: dict[str, Parser] = {}
        self.listed: list[argparse.Action] = []  # the verbs below as help lists them

    def add_subparsers(self, **how: Any) -> Any:
        verbs = super().add_subparsers(**how)
        self.below, self.listed = verbs.choices, verbs._choices_actions  # both grow
        return verbs

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            from daemon.cli.guessing import told_unknown

            lowest = self.below.get(getattr(options, "verb", ""), self)
            raise Usage(told_unknown(lowest.prog, lowest._option_string_actions, unknown))
        return options

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            from daemon.cli.guessing import told_choice

            raise argparse.ArgumentError(action, told_choice(value, action.choices))

    def error(self, message: str) -> NoReturn:
        from daemon.cli.guessing import told_mistake

        raise Usage(told_mistake(self.prog, message))

    def format_help(self) -> str:
        from daemon.cli.helping import help_of

        return help_of(self, self.sentence(), *self.parts())

    def sentence(self) -> str:
        """What the verb does; a verb below says in its own help what it says in that of the verb above."""
        if self.description is not None or self.above is None:
            return self.description or ""
        lines = {action.dest: action.help or "" for action in self.above.listed}
        return _as_sentence(lines[self.prog.rpartition(" ")[2]])

    def parts(self) -> tuple[list[str], str]:
        """The examples, a line each, and the notes."""
        from daemon.cli.helping import parts_of

        return parts_of(self.prog, self.epilog or "", self.above.parts()[0] if self.above else [])


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
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # sums in one order everywhere; many small ones are quicker so
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
        return _tell_whole(error)
    except OSError as error:
        return _tell(_described(error), NO_SUCH_THING if isinstance(error, FileNotFoundError) else FAILED)
    except Exception as error:
        if not _is_sqlite_error(error):
            raise
        return _tell(f"SQLite: {error}. Run `adaptd status` to see which files are in use.", FAILED)
    return code


def parser_of(verb: str) -> Parser:
    """The parser of one verb, with its options and nothing of the others."""
    parser = Parser(prog=f"adaptd {verb}", description=_as_sentence(VERBS[verb][1]))
    fill(parser, verb)
    return parser


def _as_sentence(line: str) -> str:
    return f"{line[:1].upper()}{line[1:]}."


def fill(parser: Parser, verb: str) -> None:
    """Give the parser what this verb has."""
    module = VERBS[verb][0]
    stem = verb.replace("-", "_")
    loaded = __import__(module, fromlist=[stem])
    getattr(loaded, f"add_{stem}")(parser)
    parser.set_defaults(work=getattr(loaded, f"{stem}_" if verb == "import" else stem))  # no function is named import
    for below in parser.below.values():
        below.above = parser
    for each in parser.below.values() or (parser,):
        each.add_argument("-q", "--quiet", action="store_true", help="say nothing on stderr but what went wrong")


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option that says which configuration is meant."""
    parser.add_argument("--config", metavar="PATH", help="the config.toml to use, instead of the one that is found")


def _run(arguments: list[str]) -> int:
    leading, rest = _leading(arguments)
    talk(quiet=bool(leading.get("quiet")))
    verb = rest[0] if rest else "--help"
    if verb == "help" and rest[1:]:
        verb, rest = rest[1], [*rest[1:], "--help"]
    if verb in ("-h", "--help", "help"):
        print(_help(), end="")
        return OK if rest else USAGE
    if verb in ("-V", "--version"):
        verb = "version"
    if verb not in VERBS:
        from daemon.cli.guessing import told_verb

        raise Usage(told_verb(verb, VERBS))
    options = parser_of(verb).parse_args(rest[1:])
    if "config" in leading and getattr(options, "config", "") is None:
        options.config = leading["config"]
    talk(quiet=bool(leading.get("quiet")) or options.quiet)
    code = options.work(options)
    return code if isinstance(code, int) else OK


def _leading(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """`--config PATH` and `--quiet` may stand before the verb too."""
    leading, rest = {}, arguments
    while rest and (rest[0].startswith("--config=") or rest[0] in ("--config", "--quiet", "-q")):
        name, equals, value = rest[0].partition("=")
        if name != "--config":
            leading["quiet"] = name
        elif equals:
            leading["config"] = value
        elif len(rest) < 2:
            raise Usage("--config: expected a path after it, found nothing")
        else:
            leading["config"], rest = rest[1], rest[1:]
        rest = rest[1:]
    return leading, rest


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
        "needed but not running, 4 no such thing, 5 refused by a gate, 75 try later,\n"
        "78 bad config.\n"
    )


def _code_of(error: AdaptdError) -> int:
    """The error's own exit code; a configuration that is not there is one that cannot be used."""
    default = BAD_CONFIG if isinstance(error, NotConfigured | ConfigUnreadable) else FAILED
    code = getattr(error, "exit_code", default)
    return code if isinstance(code, int) else FAILED


def _described(error: OSError) -> str:
    what = error.strerror or str(error)
    if isinstance(error, FileNotFoundError):
        what += ", expected a file or folder that is there"
    if isinstance(error, PermissionError):
        what += "; expected a user who may. Run it as the daemon's user, or join the group of the state folder."
    return f"{error.filename}: {what}" if error.filename else what


def _is_sqlite_error(error: Exception) -> bool:
    sqlite = sys.modules.get("sqlite3")
    return sqlite is not None and isinstance(error, sqlite.Error)


def _tell_whole(error: AdaptdError) -> int:
    """In a line; a configuration that cannot be used in a line for each of its faults, as an editor reads them."""
    code = _code_of(error)
    lines = _lines_of(error)
    if lines is None:
        return _tell(error, code)
    print(harmless("\n".join(lines)), file=sys.stderr)
    return code


def _lines_of(error: AdaptdError) -> Iterable[str] | None:
    """Every fault of the configuration, also when a verb has met the first alone; None for other errors."""
    if isinstance(error, ConfigUnreadable) and os.path.isfile(error.path):
        from daemon.config_checked import checked

        return checked(error.path, os.environ) or None
    lines = getattr(error, "lines", None)
    return None if lines is None else lines()


def _tell(message: object, code: int) -> int:
    complain(harmless(f"adaptd: {message}"))
    return code


if __name__ == "__main__":
    sys.exit(main())
