"""This file knows how a verb's help is laid out: what it does, examples, then usage, options and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemon.cli.main import Parser

HEAD = "examples:\n"


def help_of(parser: Parser) -> str:
    """The whole help."""
    examples, notes = parts_of(parser)
    formatter = parser._get_formatter()
    formatter.add_text(sentence_of(parser))
    formatter.add_text(HEAD + "\n".join(f"  {line}" for line in examples) if examples else None)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups)
    for group in parser._action_groups:
        formatter.start_section(group.title)
        formatter.add_text(group.description)
        formatter.add_arguments(group._group_actions)
        formatter.end_section()
    formatter.add_text(notes)
    return formatter.format_help()


def sentence_of(parser: Parser) -> str:
    """What the verb does; a verb below says in its own help what it says in that of the verb above."""
    if parser.description is not None or parser.above is None:
        return parser.description or ""
    lines = {action.dest: action.help or "" for action in parser.above.listed}
    line = lines[parser.prog.rpartition(" ")[2]]
    return f"{line[:1].upper()}{line[1:]}."


def parts_of(parser: Parser) -> tuple[list[str], str]:
    """The examples, a line each, and what else there is to say.

    Examples are the first paragraph of the epilog. A verb below without one has those of the verb above that show it.
    """
    first, _, rest = (parser.epilog or "").partition("\n\n")
    if first.startswith(HEAD):
        return [line.strip() for line in first.removeprefix(HEAD).splitlines()], rest
    above = parts_of(parser.above)[0] if parser.above else []
    return [line for line in above if f"{parser.prog} " in f"{line} "], parser.epilog or ""
