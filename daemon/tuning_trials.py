"""This file knows how one trial of a search is had done: in a process of its own, of which only the score stays."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from daemon.run_folder import put_whole
from daemon.run_process import ALWAYS, PASSED_ON
from daemon.tune_child import Score, Trial


class TrialFailed(Exception):
    """A trial came to no score; its words stand in the study."""


def tried(folder: Path, trial: Trial, environ: Mapping[str, str], gpu_uuid: str | None) -> Score:
    """What came of it. The folder is there for as long as that takes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    put_whole(folder / "trial.json", msgspec.json.encode(trial))
    command = [sys.executable, "-P", "-m", "daemon.tune_child", str(folder)]
    with (folder.parent / "out.log").open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder, env=_environment(environ, gpu_uuid)
        )
    try:
        process.wait()
    finally:
        process.kill()
        process.wait()
    try:
        return msgspec.json.decode((folder / "score.json").read_bytes(), type=Score)
    except (FileNotFoundError, msgspec.DecodeError):
        return Score(reason=f"its process ended with {process.returncode} and no score")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(environ: Mapping[str, str], gpu_uuid: str | None) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if name in PASSED_ON or name.startswith("LC_")}
    return kept | ALWAYS | {"CUDA_VISIBLE_DEVICES": gpu_uuid or ""}
