"""This file knows how what is derived is kept near the log's head: one child process, started, watched and reaped.

Where it fails, that is told with the reason, and it is tried again later; batches are not formed meanwhile from what is
not known to be apart from held-out examples (`daemon.pooling.NotPrepared`). Where the model that config.toml names is
not installed, hashing takes its place, and that is told too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from daemon.derived import ABOUT, ANOTHER_IS_AT_IT, CURRENT, FOLDER, FOLDER_MODE, About, files_in
from daemon.event_log import Head, Row
from daemon.row_files import CHUNKS

if TYPE_CHECKING:
    from daemon.settings import Settings

LOG = "prepare.log"
AGAIN_AFTER_US = 600 * 1_000_000
LOOK_AT_ONCE = 5_000
KEPT_OF_LOG = 2_000
KEPT_VARIABLES = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "VIRTUAL_ENV"),
)
END_SECONDS = 5
TOLD_AFTER_US = 5 * 1_000_000  # what takes longer is told; the few outputs of an open window are not


class Follows(Protocol):
    """The part of a log that is looked at here."""

    def read_after(self, seq: int, limit: int = 500, columns: Sequence[str] = ...) -> list[Row]: ...
    def head(self) -> Head: ...


class Preparing:
    """Keeps `state/derived/` near the log's head; what daemon.night_parts.Prepares asks for.

    `model` is what config.toml names, `beside` the folder of it: a model's folder is looked for there first.
    """

    def __init__(
        self,
        state_dir: Path,
        log: Follows,
        model: str,
        *,
        beside: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._state_dir = state_dir
        self._log = log
        self._beside = beside
        self._environ = os.environ if environ is None else environ
        self._model = self._named(model)
        self._child: subprocess.Popen[bytes] | None = None
        self._up_to = 0
        self._since: int | None = None
        self._told_of_it = False
        self._failed: str | None = None
        self._again_at = 0
        self._told_fallback: str | None = None
        self._looked: tuple[int, int] = (0, 0)
        self._seen: tuple[tuple[int, int] | None, int] = (None, 0)

    def follow(self, settings: Settings) -> None:
        """The configuration that holds from now on; another model is tried at once."""
        model = self._named(settings.embeddings.model)
        if model != self._model:
            self._model, self._failed, self._again_at = model, None, 0

    def _named(self, model: str) -> str:
        there = self._beside / model if self._beside is not None else Path(model)
        return str(there.resolve()) if there.is_dir() else model

    @property
    def failure(self) -> str | None:
        """Why it could not be done when it was last tried."""
        return self._failed

    def behind(self, position: int) -> bool:
        """Whether batches have to wait: an output up to there is missing, and nothing has failed."""
        return self._failed is None and self._misses(position)

    def _misses(self, position: int) -> bool:
        known = self._reaches()
        start, found = self._looked
        if found > known:
            return found <= position
        start = max(start, known)
        while start < position:
            rows = self._log.read_after(start, min(LOOK_AT_ONCE, position - start), ("seq", "side"))
            if not rows:
                break
            brought = next((seq for seq, side in rows if side is not None), 0)
            start = rows[-1][0]
            if brought:
                self._looked = (brought, brought)
                return True
        self._looked = (start, 0)
        return False

    def _reaches(self) -> int:
        """The event up to which all is there, with the model that is wanted."""
        about = About.read(self._state_dir / FOLDER / CURRENT)
        if about is None or about.model != self._model:
            return 0
        folder = self._state_dir / FOLDER / about.fingerprint
        try:
            found = (folder / CHUNKS).stat()
        except FileNotFoundError:
            return 0
        seen = (found.st_mtime_ns, found.st_size)
        if self._seen[0] != seen:
            whole = About.read(folder / ABOUT) is not None
            self._seen = (seen, files_in(folder, about.dimension).committed().position if whole else 0)
        return self._seen[1]

    # The child

    def turn(self, now: int) -> Sequence[str]:
        """Takes note of a child that ended; starts one where an output is missing and none is at work."""
        told = self._reap(now)
        if self._child is None and now >= self._again_at and self._misses(self._log.head().seq):
            self._start()
            self._since, self._told_of_it = now, False
        return told + self._goes_on(now)

    def _goes_on(self, now: int) -> list[str]:
        """Once, of a child that takes its time: somebody may be waiting for a batch."""
        if self._child is None or self._told_of_it or self._since is None or now - self._since < TOLD_AFTER_US:
            return []
        self._told_of_it = True
        return [f"preparing embeddings and near-duplicates up to event {self._up_to:,}, before a batch is formed"]

    def _start(self) -> None:
        folder = self._state_dir / FOLDER
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        self._up_to = self._log.head().seq
        out = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "daemon.prepare_child", str(self._state_dir)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                env=_environment(self._environ),
                start_new_session=True,
            )
        finally:
            os.close(out)
        assert self._child.stdin is not None
        with self._child.stdin as told:
            told.write(json.dumps({"model": self._model, "up_to": self._up_to}).encode())

    def _reap(self, now: int) -> list[str]:
        if self._child is None or (status := self._child.poll()) is None:
            return []
        self._child = None
        if status == 0:
            was, self._failed = self._failed, None
            return self._done(now, again=was is not None) + self._fallback()
        self._again_at = now + AGAIN_AFTER_US
        if status == ANOTHER_IS_AT_IT or status < 0:  # killed: what it had done is kept
            self._again_at = now if status < 0 else now + AGAIN_AFTER_US // 100
            return []
        self._failed = self._last_words(status)
        told = (
            f"could not prepare embeddings and near-duplicates up to event {self._up_to}: {self._failed} Without them "
            f"no batch is formed; tried again in {AGAIN_AFTER_US // 60_000_000} minutes, or when embeddings.model in "
            "config.toml is another."
        )
        return [told]

    def _done(self, now: int, *, again: bool) -> list[str]:
        if again:
            return ["prepared again: embeddings and near-duplicates are known"]
        if not self._told_of_it or self._since is None:
            return []
        return [f"prepared up to event {self._up_to:,} in {(now - self._since) / 1_000_000:.0f} s"]

    def _fallback(self) -> list[str]:
        about = About.read(self._state_dir / FOLDER / CURRENT)
        if about is None or not about.fell_back or about.described == self._told_fallback:
            return []
        self._told_fallback = about.described
        return [f"embeddings: {about.described}. Install the model that embeddings.model names, or name another."]

    def _last_words(self, status: int) -> str:
        raw = (self._state_dir / FOLDER / LOG).read_bytes()[-KEPT_OF_LOG:]
        lines = [line for line in raw.decode(errors="backslashreplace").splitlines() if line.strip()]
        return lines[-1] if lines else f"it ended with status {status} and said nothing."

    def stop(self, now: int) -> Sequence[str]:  # noqa: ARG002 - part of the contract
        """Ends the child, if there is one: what it has done is kept."""
        if self._child is not None:
            self._child.kill()
            self._child.wait(END_SECONDS)
            self._child = None
        return []


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """A clean one: no paths of Python, nothing is fetched from anywhere."""
    kept = {name: environ[name] for name in KEPT_VARIABLES if name in environ}
    return kept | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
