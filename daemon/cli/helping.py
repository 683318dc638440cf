"""This file knows how a verb's help is laid out: what it does, examples, then usage, options and notes."""

from __future__ import annotations

import argparse

HEAD = "examples:\n"


def help_of(parser: argparse.ArgumentParser, sentence: str, examples: list[str], notes: str) -> str:
    """The whole help."""
    formatter = parser._get_formatter()
    formatter.add_text(sentence)
    formatter.add_text(HEAD + "\n".join(f"  {line}" for line in examples) if examples else None)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups)
    for group in parser._action_groups:
        formatter.start_section(group.title)
        formatter.add_text(group.description)
        formatter.add_arguments(group._group_actions)
        formatter.end_section()
    formatter.add_text(notes)
    return formatter.format_help()


def parts_of(prog: str, epilog: str, of_the_verb_above: list[str]) -> tuple[list[str], str]:
    """The examples, a line each, and what else there is to say.

    Examples are the first paragraph of the epilog. A verb below without one has those of the verb above that show it.
    """
    first, _, rest = epilog.partition("\n\n")
    if first.startswith(HEAD):
        return [line.strip() for line in first.removeprefix(HEAD).splitlines()], rest
    return [line for line in of_the_verb_above if f"{prog} " in f"{line} "], epilog
