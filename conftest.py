"""The pages run as tests: README.md and docs/, each in an empty folder of its own, block after block.

Python blocks run as they stand. In `console` blocks, lines that begin with `$ ` are run by a shell and the rest is
compared with what they print; ids, times, hashes and process numbers count as equal. `terminal` blocks are the same at
a terminal of 80 columns, and no line may be wider. `command &` runs until the page's end. What a background process is
still busy with may take a moment: such output is asked for again.
"""

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from tests.spooled_lines import as_a_fresh_host

PATIENCE_SECONDS = 10
COLUMNS = 80
READING = (
    "adaptd status",
    "adaptd events",
    "adaptd replay",
    "adaptd export",
    "adaptd feedback list",
)  # may be asked again
CHANGING = [
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>"),
        (r"\b[0-9a-f]{64}\b", "<hash>"),
        (r"\b[0-9a-f]{16}-\d{6}\.ndjson", "<spool file>"),
        (r"\bq-[0-9a-f]{24}\b", "<quarantine id>"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?", "<time>"),
        (r"(?<=process )\d+|(?<=pid=)\d+", "<pid>"),
        (r"a moment ago|\d+ (second|minute)s? ago", "<ago>"),
        (r"(?<=sqlite=)[\d.]+", "<version>"),
        (r"(/[\w.-]+)+/(?=state|config\.toml)", "<folder>/"),
        (r"\d+ (?=more rated judge)", "<some> "),  # which side an output falls on is drawn by each log's own key
        (r" +", " "),
        (r"-{3,}", "---"),
    )
]
in_background: list[subprocess.Popen[bytes]] = []


@pytest.fixture(scope="module")
def empty_working_folder(tmp_path_factory):
    before, path = Path.cwd(), os.environ["PATH"]
    os.chdir(tmp_path_factory.mktemp("page"))
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{path}"
    os.environ["COLUMNS"] = str(COLUMNS)
    as_a_fresh_host()
    yield
    as_a_fresh_host()
    for process in in_background:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=PATIENCE_SECONDS)
    in_background.clear()
    os.environ["PATH"] = path
    os.chdir(before)


def run_console(example):
    run_block(example, output_of)


def run_terminal(example):
    run_block(example, output_at_a_terminal)


def run_block(example, output_of):
    for command, expected in commands_of(example.parsed):
        if command.endswith("&"):
            words = ["sh", "-c", f"exec {command[:-1]} >daemon.log 2>&1"]
            in_background.append(subprocess.Popen(words, start_new_session=True))
            continue
        patience = time.monotonic() + PATIENCE_SECONDS
        may_change = in_background and command.startswith(READING)
        while (printed := output_of(command)) != expected and may_change and time.monotonic() < patience:
            time.sleep(0.1)
        assert printed == expected, f"$ {command}\n{printed}\nbut the page says\n{expected}"


def commands_of(text):
    """Each command with what the page says that it prints."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command.strip(), comparable(output)


def output_of(command):
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    return comparable(done.stdout + done.stderr)


def output_at_a_terminal(command):
    return comparable(seen_at_a_terminal(command))


def seen_at_a_terminal(command):
    """What a person sees, stdout and stderr as they come; whoever asks is not answered."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, COLUMNS))
    process = subprocess.Popen(
        ["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    printed = b""
    while (data := read_terminal(ours)) != b"":
        printed += data
    os.close(ours)
    process.wait(timeout=60)
    text = re.sub(r"[^\n]*\r\x1b\[K", "", printed.decode().replace("\r\n", "\n")).replace(os.getcwd(), "/home/you/shop")
    wide = [line for line in text.splitlines() if len(line) > COLUMNS]
    assert not wide, f"$ {command}\nprints lines wider than {COLUMNS} columns: {wide}"
    return text


def read_terminal(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # what Linux says when the other side has closed it
        return b""


def comparable(text):
    for pattern, word in CHANGING:
        text = pattern.sub(word, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(),
        CodeBlockParser(language="console", evaluator=run_console),
        CodeBlockParser(language="terminal", evaluator=run_terminal),
        SkipParser(),
    ],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    fixtures=["empty_working_folder"],
).pytest()
