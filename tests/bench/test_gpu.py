"""The bench for a graphics card goes its whole way on tiny sizes, and says where there is no card."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.sbert_world import QUESTIONS, small_model

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = ("optuna", "apscheduler", "structlog", "sqlite_utils")
HOOK = f"""
import builtins
imported = builtins.__import__
def checked(name, *rest, **more):
    if name.partition(".")[0] in {FORBIDDEN!r}:
        raise ImportError("forbidden here: " + name)
    return imported(name, *rest, **more)
builtins.__import__ = checked
"""


def run(folder, *words):
    """The command as a child that cannot import what a machine with a card need not have, and neither can its own."""
    (folder / "sitecustomize.py").write_text(HOOK)
    environment = os.environ | {"PYTHONPATH": str(folder), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(ROOT / "bench/gpu.py"), "sbert", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)


def test_the_whole_path_runs_on_the_processor_without_what_the_daemon_needs(tmp_path):
    """All six cases, tokens a second and the ratios; the hook is seen to refuse."""
    texts = [(f"{begins} {text}", label) for begins in ("please", "the", "again") for text, label in QUESTIONS]
    rows = [{"text": text, "label": label} for text, label in texts]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = tmp_path / "found.json"
    sizes = ["--steps", "2", "--rounds", "1", "--threads", "1", "--base-model", str(small_model())]
    ended = run(tmp_path, "--cpu", *sizes, "--data", str(tmp_path / "rows.jsonl"), "--json", str(found))
    assert ended.returncode == 0, ended.stderr
    told = json.loads(found.read_text())
    assert told["device"] == "cpu"
    assert len(told["tokens_per_second"]) == 6
    assert all(rate > 0 for rate in told["tokens_per_second"].values())
    assert len(told["ratios"]) == 4
    command = [sys.executable, "-c", "import structlog"]
    refused = subprocess.run(command, capture_output=True, check=False, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert b"forbidden here: structlog" in refused.stderr


@pytest.mark.skipif(torch.version.cuda is not None, reason="torch for a card says otherwise where there is none")
def test_where_there_is_no_card_it_says_so(tmp_path):
    """With an exit code that is not 0, and how to see that the rest works."""
    ended = run(tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == (
        "gpu: found no graphics card that torch can use, expected one (--cpu runs the same path without)\n"
    )
