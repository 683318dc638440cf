"""What every verb has, those that come later included: nobody has to ask for these tests.

A verb is met as VERBS lists it, and the verbs below it as its parser does.
"""

import argparse
import json
import os
import re
import shlex

import pytest

from daemon.cli import main as cli
from tests import made_state
from tests.terminals import at_a_terminal

NO_JSON = {
    "init": "it makes, and reads nothing",
    "run": "its log lines are JSON by themselves",
    "export": "what it writes is the data itself",
    "completion": "what it writes is for a shell",
    "config schema": "what it writes is JSON already",
    "plugins new": "it makes, and reads nothing",
    "runs logs": "what it writes is what the run printed",
}
"""Verbs without --json, each with its reason."""
READING = {
    "status": [],
    "events tail": [],
    "events show": ["1"],
    "events verify": [],
    "replay": ["--check"],
    "feedback list": [],
    "feedback show": ["fb-1"],
    "runs list": [],
    "models list": [],
    "history": [],
    "golden list": [],
    "gate show": [],
    "why": ["out-1"],
    "batch list": [],
    "batch preview": [],
    "batch show": ["1"],
    "batch explain": ["out-1"],
    "batch rebuild": ["1", "--check"],
    "doctor": [],
    "bugreport": [],
    "config check": [],
    "config show": [],
    "config path": [],
    "version": [],
    "backup": ["b.tar"],
    "import": ["rows.ndjson", "--dry-run"],
}
"""How verbs that take --json and add nothing to the log are called; those that record have tests of their own."""
RECORDING = {"record-feedback", "feedback amend", "feedback retract", "forget", "restore"}
RECORDING |= {f"golden {verb}" for verb in ("import", "freeze", "retire")}
RECORDING |= {f"models {verb}" for verb in ("promote", "rollback", "pin", "unpin")}
RECORDING |= {"tune", "train now", "pause", "resume", "cancel", "ask", "reindex"}
WITHOUT_A_PLACE = {"plugins list", "plugins show", "plugins check", "train sbert", "embeddings compare"}
"""They work where there is no configuration yet; tests of the plugins and of the verb read their JSON."""
OF_RUNS = {"runs show", "runs compare"}
"""They need runs; tests/test_cli_runs.py reads their JSON."""
OF_MODELS = {"gate explain", *(f"models {verb}" for verb in ("show", "card", "diff", "path", "export"))}
"""They need models; tests/test_cli_models.py and test_cli_gate.py read their JSON."""


def parsers():
    """Every verb, and every verb below one, with its parser."""
    for verb in cli.VERBS:
        parser = cli.parser_of(verb)
        yield verb, parser
        for name, below in parser.below.items():
            yield f"{verb} {name}", below


ALL = dict(parsers())
LEAVES = {verb: parser for verb, parser in ALL.items() if not parser.below}


def known_options(parser):
    return [action for action in parser._actions if action.option_strings]


def help_of(verb, capsys, monkeypatch, columns="80"):
    monkeypatch.setenv("COLUMNS", columns)
    assert cli.main([*verb.split(), "--help"]) == cli.OK
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("verb", ALL)
def test_help_begins_with_what_it_does_and_examples(verb, capsys, monkeypatch):
    """A sentence, examples, and only then the usage; on stdout, within eighty columns."""
    lines = help_of(verb, capsys, monkeypatch).splitlines()
    assert re.fullmatch(r"[A-Z].*[.?]", lines[0])
    assert lines[1:3] == ["", "examples:"]
    assert lines[3].startswith("  ")
    assert f"usage: adaptd {verb} " in "\n".join(lines) + " "
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("verb", ALL)
def test_help_is_as_wide_as_the_terminal(verb, capsys, monkeypatch):
    """What options mean is folded into fifty columns too; examples are kept as they are typed."""
    lines = help_of(verb, capsys, monkeypatch, "50").splitlines()
    folded = lines[next(number for number, line in enumerate(lines) if line.startswith("options:")) :]
    end = folded.index("") if "" in folded else len(folded)
    assert max(map(len, folded[:end])) <= 50


def commands_in(line):
    """The commands of an example that are adaptd's, without the remark beside it."""
    command = re.split(r"\s{2,}(?![|>])", line)[0]
    for part in re.split(r"\s[|]\s", command):
        words = shlex.split(part.partition(" > ")[0], comments=True)
        if "adaptd" in words:
            yield words[words.index("adaptd") + 1 :]


@pytest.mark.parametrize("verb", ALL)
def test_examples_can_be_typed(verb):
    """Each is understood by the parsers, and is about this verb."""
    examples, _ = ALL[verb].parts()
    assert examples
    for line in examples:
        commands = list(commands_in(line))
        assert commands, line
        for words in commands:
            _, rest = cli._leading(words)
            cli.parser_of(rest[0]).parse_args(rest[1:])
        assert any(f"{verb} " in f"{' '.join(words)} " for words in commands), line


@pytest.mark.parametrize("verb", ALL)
def test_every_option_and_argument_says_what_it_is(verb):
    """None is listed without a word."""
    for action in ALL[verb]._actions:
        if not isinstance(action, argparse._SubParsersAction):
            assert action.help, f"{verb}: {action.option_strings or action.dest}"
    assert all(action.help for action in ALL[verb].listed)


@pytest.mark.parametrize("verb", LEAVES)
def test_every_verb_can_be_quiet(verb):
    """-q and --quiet."""
    assert ["-q", "--quiet"] in [action.option_strings for action in known_options(LEAVES[verb])]


@pytest.mark.parametrize("verb", LEAVES)
def test_an_option_that_is_almost_one_is_guessed(verb, capsys):
    """For the longest option there is, with a letter missing; exit code 2, nothing on stdout, one line on stderr."""
    parser = LEAVES[verb]
    meant = max((name for action in known_options(parser) for name in action.option_strings), key=len)
    places = [action for action in parser._actions if not action.option_strings and action.nargs is None]
    needed = [str(next(iter(action.choices or "x"))) for action in places]
    needed += [word for action in parser._actions if action.required and action.option_strings
               for word in (action.option_strings[0], *map(str, list(action.choices or ())[:1]))]  # fmt: skip
    typed = meant[:-2] + meant[-1]
    assert cli.main([*verb.split(), *needed, typed]) == cli.USAGE
    out, err = capsys.readouterr()
    told = f"adaptd: {verb}: no option {typed}, did you mean {meant}? `adaptd {verb} --help` shows how.\n"
    assert (out, err) == ("", told)


@pytest.mark.parametrize("verb", [verb for verb, parser in ALL.items() if parser.below])
def test_a_verb_below_that_is_almost_one_is_guessed(verb, capsys):
    """As verbs are."""
    for meant in ALL[verb].below:
        assert cli.main([verb, f"{meant}x"]) == cli.USAGE
        told = capsys.readouterr().err
        assert told.startswith(
            f"adaptd: {verb}: VERB: expected one of {', '.join(ALL[verb].below)}, found '{meant}x', "
        )
        assert f", did you mean {meant}? `adaptd {verb} --help` shows how." in told


def choices_of():
    for verb, parser in LEAVES.items():
        for action in parser._actions:
            if action.choices:
                yield pytest.param(verb, action, id=f"{verb} {action.dest}")


@pytest.mark.parametrize(("verb", "action"), list(choices_of()))
def test_a_choice_that_is_almost_one_is_guessed(verb, action, capsys):
    """With all there are."""
    for meant in action.choices:
        typed = [*action.option_strings[:1], f"{meant}x"]
        assert cli.main([*verb.split(), *typed]) == cli.USAGE
        told = capsys.readouterr().err
        assert f": expected one of {', '.join(action.choices)}, found '{meant}x', did you mean {meant}?" in told


# Reading


def test_every_verb_reads_as_json_or_has_a_reason_not_to():
    """Whoever adds a verb says here how it is read."""
    with_json = {verb for verb, parser in LEAVES.items() if "--json" in parser._option_string_actions}
    assert set(LEAVES) - with_json == set(NO_JSON)
    assert with_json == set(READING) | RECORDING | WITHOUT_A_PLACE | OF_RUNS | OF_MODELS


@pytest.fixture(scope="module")
def place(tmp_path_factory, nobodys_configuration):
    folder = made_state.make_batch(made_state.make(tmp_path_factory.mktemp("every verb")))
    (folder / "rows.ndjson").write_text('{"user": "a", "assistant": "b"}\n')
    os.utime(folder / "config.toml", (1_700_000_000, 1_700_000_000))
    return folder


@pytest.mark.parametrize("verb", READING)
def test_json_is_a_document_with_its_schema(verb, place, capsysbinary, monkeypatch):
    """One, or one a line; with the daemon down, and nothing but them on stdout."""
    monkeypatch.chdir(place)
    assert cli.main([*verb.split(), *READING[verb], "--json"]) == cli.OK
    lines = capsysbinary.readouterr().out.splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(r"adaptd\.[a-z_]+/\d+", json.loads(line)["schema"])


@pytest.mark.parametrize("verb", READING)
def test_reading_without_a_configuration_is_exit_code_78(verb, tmp_path, monkeypatch, capsys):
    """The error says what to do; `version`, `bugreport` and an import's file need none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.ndjson").write_text('{"user": "a", "assistant": "b"}\n')
    code = cli.main([*verb.split(), *READING[verb]])
    assert code == (cli.OK if verb in ("version", "bugreport") else cli.BAD_CONFIG)
    assert code == cli.OK or "adaptd init" in capsys.readouterr().err


# At a terminal


@pytest.mark.parametrize("verb", READING)
def test_at_a_terminal_lines_fit_and_colours_can_be_switched_off(verb, place):
    """Eighty columns are enough for all but paths and hashes; with NO_COLOR nothing steers the terminal."""
    shown = at_a_terminal([*verb.split(), *READING[verb]], place, NO_COLOR="1")
    assert "\x1b[" not in shown.replace("\r\x1b[K", "")
    assert [line for line in shown.splitlines() if len(line) > 80 and not re.search(r"\S{40,}", line)] == []
