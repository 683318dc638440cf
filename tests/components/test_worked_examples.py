"""What the files of the numbers say is true: their docstrings' figures, and the examples that they print."""

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOLD = [
    "category_columns",
    "event_times",
    "example_difficulty",
    "feedback_folding",
    "feedback_standing",
    "feedback_values",
    "feedback_words",
    "score_trends",
    "validation_split",
]
SHOWN = [
    "adaptive_learning",
    "batch_manager_adaptive",
    "curriculum_learner",
    "performance_tracker",
    "reward_calculator_enhanced",
]


@pytest.mark.parametrize("name", [*TOLD, *SHOWN])
def test_the_docstring_s_example_is_true(name):
    """Each has one, and every figure in it is what comes out."""
    done = doctest.testmod(importlib.import_module(f"components.{name}"))
    assert (done.failed, done.attempted > 0) == (0, True)


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("how", ["module", "file"])
def test_the_worked_example_prints(name, how):
    """By `python -m components.NAME` and by the document's `python components/NAME.py`, in 80 columns."""
    command = ["-m", f"components.{name}"] if how == "module" else [f"components/{name}.py"]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert 0 < max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("name", SHOWN)
def test_no_heavy_library_is_loaded(name):
    """Importing one costs numpy and the standard library."""
    code = (
        f"import components.{name}, sys; "
        "print(*{'torch', 'sklearn', 'scipy', 'nltk', 'optuna', 'pandas', 'rapidfuzz'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ""
