"""A terminal of our own in which a verb runs, and what it shows there."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN = """
import sys
sys.path.insert(0, sys.argv.pop(1))
{before}
from daemon.cli.main import main
sys.exit(main())
"""


def at_a_terminal(arguments, folder, columns=80, before="", **environ):
    """Everything that the verb writes, to stdout and to stderr, as the terminal gets it; lines end in a newline.

    `before` is Python that runs first.
    """
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    known = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-c", RUN.format(before=before), str(ROOT), *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=writing,
        env=known | {"TERM": "xterm"} | environ,
    ) as process:
        os.close(writing)
        shown = b""
        try:
            while piece := os.read(reading, 65536):
                shown += piece
        except OSError:  # how Linux says that nobody writes any more
            pass
        process.wait(60)
    os.close(reading)
    return shown.decode().replace("\r\n", "\n")
