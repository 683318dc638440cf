"""What every file in components/ promises, asked of each one found there: a new file meets it without being named.

A *technique* is what somebody calls: a file of the V2 document, or one that no other component imports. It has a
doctest with a number, and prints a worked example. A *part* is what another component imports; it may have both.
"""

import ast
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "components"
FILES = sorted(path.stem for path in FOLDER.glob("*.py"))
NAMED_BY_THE_DOCUMENTS = {
    "active_learner", "adaptive_learning", "adaptive_learning_enhanced", "batch_manager_adaptive",
    "curriculum_learner", "data_augmenter",
    "embeddings", "hard_negative_miner", "hyperparameter_optimizer", "performance_tracker", "preference_learner",
    "quality_gates", "reward_calculator_enhanced", "similarity_metrics", "text_metrics",
}  # fmt: skip
NO_TECHNIQUE = {"bad_input", "charts", "example_fields"}  # what all share: an error, a look, a way to read an example
HEAVY = {
    "datasets", "matplotlib", "nltk", "optuna", "pandas", "peft", "rapidfuzz", "rouge_score", "scipy",
    "sentence_transformers", "sklearn", "torch", "transformers", "trl",
}  # fmt: skip
WIDTH = 80
EXAMINE = """
import doctest, importlib, json, sys
module = importlib.import_module("components." + sys.argv[1])
loaded = sorted({name.split(".")[0] for name in sys.modules})
finder, told = doctest.DocTestFinder(exclude_empty=True), []
runner = doctest.DocTestRunner(verbose=False)
tests = finder.find(module)
sys.stdout.flush()
for test in tests:
    runner.run(test, out=told.append)
of_module = next((test for test in tests if test.name == module.__name__), None)
wants = [example.want for example in of_module.examples] if of_module else []
print("\\n" + json.dumps({"loaded": loaded, "doc": module.__doc__ or "", "failed": "".join(told), "wants": wants,
                          "file": module.__file__}))
"""


def _environment():
    return os.environ | {"HF_HUB_OFFLINE": "1", "COLUMNS": str(WIDTH), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def _begin(*words):
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=_environment(), stdout=pipe, stderr=pipe, text=True)


def _end(process):
    with process:
        output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


@functools.cache
def examined(name):
    status, output, errors = _end(_begin("-c", EXAMINE, name))
    assert status == 0, errors
    told = json.loads(output.splitlines()[-1])
    assert Path(told["file"]) == FOLDER / f"{name}.py"
    return told


@functools.cache
def tree_of(name):
    return ast.parse((FOLDER / f"{name}.py").read_text())


@functools.cache
def parts():
    """What another component imports."""
    used = set()
    for name in FILES:
        for node in ast.walk(tree_of(name)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [f"{module}.{alias.name}" for module in modules for alias in node.names]
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            used |= {module.removeprefix("components.") for module in modules if module.startswith("components.")}
    return used


def is_technique(name):
    return name in NAMED_BY_THE_DOCUMENTS or name not in parts() | NO_TECHNIQUE


def has_example(name):
    source = (FOLDER / f"{name}.py").read_text()
    return source.count('if __name__ == "__main__"') > source.count('if __name__ == "__main__" and __package__')


def test_the_folder_is_a_floor_and_no_package():
    """No __init__.py, and nothing but Python files and a README (docs/decisions/0003-floors-without-init.md)."""
    assert {path.name for path in FOLDER.iterdir()} - {f"{name}.py" for name in FILES} <= {"README.md", "__pycache__"}
    assert "__init__" not in FILES


def test_every_technique_of_the_documents_is_here():
    """The names that code written for V2 imports."""
    assert set(FILES) >= NAMED_BY_THE_DOCUMENTS


@pytest.mark.parametrize("name", FILES)
def test_it_says_what_it_is_about(name):
    """The module's docstring begins with a sentence."""
    first = examined(name)["doc"].strip().partition("\n\n")[0]
    assert len(first) > 20
    assert first.rstrip()[-1] in ".:?"


@pytest.mark.parametrize("name", FILES)
def test_importing_it_loads_nothing_heavy(name):
    """`import components.NAME` in a new process leaves the heavy libraries alone."""
    assert not HEAVY & set(examined(name)["loaded"])


@pytest.mark.parametrize("name", FILES)
def test_its_doctests_hold(name):
    """What the docstrings say that code prints, it prints."""
    assert examined(name)["failed"] == ""


@pytest.mark.parametrize("name", [name for name in FILES if is_technique(name)])
def test_a_technique_shows_a_number_in_its_docstring(name):
    """The module's docstring has a doctest, and a digit in what it prints."""
    assert any(letter.isdigit() for want in examined(name)["wants"] for letter in want)


@pytest.mark.parametrize("name", [name for name in FILES if name in NAMED_BY_THE_DOCUMENTS or has_example(name)])
def test_its_worked_example_runs_both_ways_and_fits(name):
    """`python -m components.NAME` and `python components/NAME.py` print the same, in at most 80 columns."""
    assert has_example(name)
    both = [_begin("-m", f"components.{name}"), _begin(f"components/{name}.py")]
    (_, as_module, _), (_, as_file, _) = ended = [_end(one) for one in both]
    for status, _, errors in ended:
        assert status == 0, errors
        assert "Warning" not in errors
    assert as_module == as_file
    lines = as_module.splitlines()
    assert len(lines) >= 3
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize("name", FILES)
def test_it_asks_neither_the_wall_clock_nor_global_randomness(name):
    """Time comes in as an argument, randomness as a generator or a seed; a stopwatch is no clock."""
    assert not list(_wall_clocks_and_dice(tree_of(name)))


def _wall_clocks_and_dice(tree):
    dice = {"default_rng", "Generator", "SeedSequence", "PCG64", "RandomState", "BitGenerator"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            module = getattr(node, "module", None)
            if ("random" in names and module is None) or module == "random":
                yield f"line {node.lineno}: the module random"
            if module == "time" and set(names) & {"time", "time_ns"}:
                yield f"line {node.lineno}: time.time"
        elif isinstance(node, ast.Attribute):
            whole = ast.unparse(node)
            if whole in {"time.time", "time.time_ns"} or node.attr in {"utcnow", "today"} or whole.endswith("time.now"):
                yield f"line {node.lineno}: {whole}"
            if whole.startswith(("np.random.", "numpy.random.")) and node.attr not in dice:
                yield f"line {node.lineno}: {whole}"


@pytest.mark.parametrize("name", FILES)
def test_its_tests_stand_under_its_name(name):
    """tests/components/ mirrors components/; a file that was split off may be tested through what it was split from."""
    tests, asked = ROOT / "tests" / "components", [name]
    for one in asked:  # which grows: who uses it, and who uses those
        texts = {path.stem: path.read_text() for path in FOLDER.glob("*.py")}
        asked += [user for user, text in texts.items() if f"from components.{one} import" in text and user not in asked]
    assert any((tests / f"test_{one}.py").exists() for one in asked)


@pytest.mark.parametrize(
    "code",
    [
        "import random",
        "from random import choice",
        "import numpy as np\nnp.random.seed(0)",
        "import time\nnow = time.time()",
        "from time import time",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import date\ndate.today()",
    ],
)
def test_a_clock_or_a_die_would_be_seen(code):
    """The check above finds each way of asking."""
    assert list(_wall_clocks_and_dice(ast.parse(code)))
