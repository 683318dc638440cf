"""What the import contracts of pyproject.toml cannot say about the four floors."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("adaptd", "daemon", "components", "plugins")
BEYOND_THE_STANDARD_LIBRARY = {
    "_launch.py": {"daemon"},  # the console entry hands over
    "testing.py": {"pytest"},  # only where a host's tests have loaded it already
}
NAMES_OF_PYTHON_DAEMON = {"daemon.py", "pidfile.py", "runner.py"}


def python_files(*floors: str) -> list[Path]:
    return sorted(path for floor in floors for path in (ROOT / floor).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The first part of every name that a file imports, wherever the statement stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_adaptd_imports_the_standard_library_alone():
    """A host that records feedback needs no other distribution, and nothing of ours from other floors."""
    for path in python_files("adaptd"):
        beyond = imported(path) - set(sys.stdlib_module_names) - {"adaptd"}
        if path.parent.name == "plugin":
            beyond -= {"numpy"}  # for authors of stages and workloads; nothing that records loads it
        assert beyond <= BEYOND_THE_STANDARD_LIBRARY.get(path.name, set()), path


STORES = {"sqlite_log", "memory_log", "views", "event_reading", "told", "quarantine", "sealing"}


def test_what_a_verb_prints_comes_from_the_query_layer():
    """No verb opens a store of its own: the pages and the HTTP door will ask what the verbs ask."""
    for path in python_files("daemon/cli"):
        tree = ast.parse(path.read_text("utf-8"))
        types_only = {
            id(node)
            for branch in ast.walk(tree)
            if isinstance(branch, ast.If) and getattr(branch.test, "id", "") == "TYPE_CHECKING"
            for node in ast.walk(branch)
        }
        loaded = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and id(node) not in types_only]
        parts = {(node.module or "").split(".")[1] for node in loaded if (node.module or "").startswith("daemon.")}
        assert not parts & STORES, path


def test_import_origins_stands_on_the_standard_library_alone():
    """What looks for misplaced modules must not load one."""
    assert imported(ROOT / "daemon/import_origins.py") <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("floor", ["daemon", "components", "plugins"])
def test_three_floors_have_no_init(floor):
    """One would take the name from python-daemon, or from a host's own components/. A plugin's folder has its own."""
    found = {path.relative_to(ROOT).parts for path in (ROOT / floor).rglob("__init__.py")}
    assert [parts for parts in found if len(parts) != 4 or parts[0] != "plugins"] == []


def test_no_file_has_a_name_that_somebody_else_needs():
    """python-daemon's modules share our folder; a script started in a floor would take ours for a standard module."""
    for path in python_files(*FLOORS):
        assert path.name not in NAMES_OF_PYTHON_DAEMON, path
        assert path.stem == "__init__" or path.stem not in sys.stdlib_module_names, path


@pytest.mark.parametrize(
    ("file", "statement", "told"),
    [
        ("adaptd/planted.py", "import daemon.event_log", "adaptd.planted -> daemon.event_log"),
        ("components/planted.py", "import adaptd._launch", "components.planted -> adaptd._launch"),
        ("components/planted.py", "import daemon.event_log", "components.planted -> daemon.event_log"),
        ("components/planted.py", "import daemon.embedded", "components.planted -> daemon.embedded"),
        ("plugins/stages/planted.py", "import daemon.event_log", "plugins.stages.planted -> daemon.event_log"),
        ("daemon/planted.py", "import plugins.stages.other", "daemon.planted -> plugins.stages.other"),
        ("plugins/stages/planted.py", "import plugins.stages.other", "plugins.stages.planted -> plugins.stages.other"),
    ],
)
def test_an_import_against_the_rules_breaks_a_contract(tmp_path, file, statement, told):
    """lint-imports sees folders without __init__.py, and tells each forbidden direction by name."""
    for floor in FLOORS:
        shutil.copytree(ROOT / floor, tmp_path / floor, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "plugins/stages").mkdir(exist_ok=True)
    (tmp_path / "plugins/stages/other.py").write_text("")
    (tmp_path / file).write_text(statement + "\n")
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    assert told in " ".join(done.stdout.split()), done.stdout
