"""Both wheels in environments of their own: what is in them, what they need, whom they share one with."""

import base64
import csv
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WHEELHOUSE = Path(sys.prefix) / "wheelhouse"  # filled by `make test`
pytestmark = pytest.mark.slow


class Environment:
    """A virtual environment without pip; the pip of the environment that runs the tests works on it."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.bin = folder / "bin"
        self.packages = Path(self.python("import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())

    def pip(self, *arguments) -> str:
        command = [sys.executable, "-m", "pip", "--python", self.bin / "python", *arguments]
        done = subprocess.run(command, env=_env(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def install(self, *what, dependencies: bool = True) -> None:
        self.pip("install", "--no-index", "--find-links", WHEELHOUSE, *([] if dependencies else ["--no-deps"]), *what)

    def python(self, code: str, *, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        return self._run("python", "-c", code, cwd=cwd, **env)

    def adaptd(self, *arguments: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        return self._run("adaptd", *arguments, cwd=cwd, **env)

    def harmed(self, distribution: str) -> list[str]:
        """The files of a distribution that are missing or are not as its RECORD says."""
        (record,) = self.packages.glob(f"{distribution}-*.dist-info/RECORD")
        rows = [(name, digest) for name, digest, _ in csv.reader(record.read_text().splitlines()) if digest]
        assert rows
        return [name for name, digest in rows if _digest(self.packages / name) != digest]

    def _run(self, program: str, *arguments: str, cwd: Path | None, **env: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.bin / program), *arguments]
        where = cwd or self.bin.parent
        return subprocess.run(command, cwd=where, env=_env() | env, capture_output=True, text=True, check=False)


def _env() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _digest(path: Path) -> str:
    if not path.is_file():
        return "missing"
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()


def _build(project: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def root_wheel(tmp_path_factory):
    return _build(ROOT, tmp_path_factory.mktemp("root_wheel"))


@pytest.fixture(scope="session")
def client_wheel(tmp_path_factory):
    return _build(ROOT / "adaptd", tmp_path_factory.mktemp("client_wheel"))


@pytest.fixture(scope="session")
def whole(tmp_path_factory, root_wheel):
    """An environment with adaptd and what it needs, nothing else."""
    environment = Environment(tmp_path_factory.mktemp("whole"))
    environment.install(root_wheel)
    return environment


@pytest.fixture(scope="session")
def client(tmp_path_factory, client_wheel):
    """An environment with adaptd-client, nothing else."""
    environment = Environment(tmp_path_factory.mktemp("client"))
    environment.install(client_wheel)
    return environment


@pytest.fixture
def host(tmp_path):
    """A host application's folder with a components package of its own."""
    (tmp_path / "components").mkdir()
    (tmp_path / "components/__init__.py").write_text("print('theirs ran')\n")
    (tmp_path / "components/active_learner.py").write_text("print('theirs ran')\n")
    return tmp_path


def files_in(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def files_of(floor: str) -> set[str]:
    paths = [path for path in (ROOT / floor).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path.relative_to(ROOT)) for path in paths}


def metadata(wheel: Path, name: str = "METADATA") -> str:
    archive = zipfile.ZipFile(wheel)
    (member,) = [member for member in archive.namelist() if member.endswith(f".dist-info/{name}")]
    return archive.read(member).decode()


def test_the_root_wheel_holds_the_four_floors_and_no_more(root_wheel):
    """The client's pyproject.toml and licence stay out, and no floor but adaptd has an __init__.py."""
    expected = set().union(*map(files_of, ("adaptd", "daemon", "components", "plugins")))
    assert files_in(root_wheel) == expected - {"adaptd/pyproject.toml", "adaptd/LICENSE"}
    assert {name.partition("/")[0] for name in files_in(root_wheel)} == {"adaptd", "daemon", "components", "plugins"}


def test_the_client_wheel_holds_adaptd_and_no_more(client_wheel):
    """The same files as the root wheel has under adaptd/, and no console script."""
    assert files_in(client_wheel) == files_of("adaptd") - {"adaptd/pyproject.toml", "adaptd/LICENSE"}
    assert "adaptd/py.typed" in files_in(client_wheel)
    assert "entry_points.txt" not in " ".join(zipfile.ZipFile(client_wheel).namelist())


def test_both_wheels_have_the_version_of_adaptd_itself(root_wheel, client_wheel, client):
    """One source, read by both builds and by `adaptd.__version__`."""
    version = client.python("import adaptd; print(adaptd.__version__)").stdout.strip()
    for wheel, name in ((root_wheel, "adaptd"), (client_wheel, "adaptd-client")):
        assert f"\nName: {name}\nVersion: {version}\n" in metadata(wheel)


def test_both_wheels_bring_the_same_licence(root_wheel, client_wheel):
    """A build of the client cannot reach above its folder, so the text lies twice in the tree."""
    text = (ROOT / "LICENSE").read_text()
    assert metadata(root_wheel, "licenses/LICENSE") == metadata(client_wheel, "licenses/LICENSE") == text
    assert "License-Expression: Apache-2.0" in metadata(root_wheel)


def test_what_is_required_is_what_is_imported(root_wheel, client_wheel):
    """Every dependency of the daemon is used in it, and the client has none."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    required = re.findall(r"^Requires-Dist: (\w+)(?!.*; extra ==)", metadata(root_wheel), re.MULTILINE)
    assert sorted(required) == sorted(re.match(r"\w+", one)[0] for one in declared)
    code = "\n".join(path.read_text() for path in (ROOT / "daemon").rglob("*.py"))
    assert [name for name in required if not re.search(rf"^\s*(import|from) {name}\b", code, re.MULTILINE)] == []
    assert "Requires-Dist" not in metadata(client_wheel)


def test_the_root_wheel_works_in_an_empty_environment(whole):
    """Its command runs, and what it needs was installed with it."""
    done = whole.adaptd("--help")
    assert done.returncode == 0, done.stderr
    assert "record-feedback" in done.stdout
    done = whole.python("import adaptd, daemon.event_log, daemon.main_loop")
    assert done.returncode == 0, done.stderr


def test_every_module_of_the_root_wheel_is_found_in_it(whole):
    """`run` looks all of them up before it starts; with --help it ends there."""
    done = whole.adaptd("run", "--help")
    assert done.returncode == 0, done.stderr


def test_a_hosts_components_on_pythonpath_are_refused(whole, host):
    """`run` would load them in place of ours; nothing of theirs ran when it says so."""
    done = whole.adaptd("run", "--help", PYTHONPATH=str(host))
    assert done.returncode == 78
    assert f"expected: {whole.packages / 'components'}\n" in done.stderr
    assert f"found:    {host / 'components/__init__.py'}\n" in done.stderr
    assert f"Start adaptd without {host} in PYTHONPATH." in done.stderr
    assert "theirs ran" not in done.stdout


def test_a_hosts_components_in_the_working_folder_are_not_seen(whole, host):
    """The command uses ours wherever it is called."""
    done = whole.adaptd("run", "--help", cwd=host)
    assert done.returncode == 0, done.stderr
    assert "theirs ran" not in done.stdout


def test_a_hosts_components_do_not_keep_it_from_recording(client, host):
    """A host with components of its own records, and goes on importing its own."""
    code = "import adaptd, components.active_learner; print(adaptd.record_feedback(output_id='o', score=1) or 'none')"
    (host / "config.toml").write_text("[adaptd]\n")
    done = client.python(code, cwd=host)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"theirs ran\ntheirs ran\n(?!none)\S+\n", done.stdout)


def test_the_client_records_with_the_standard_library_alone(client, tmp_path):
    """In an environment with nothing else in it, an event goes to the spool and its id comes back."""
    code = f"""
import sys
import adaptd
adaptd.configure(state_dir={str(tmp_path / "state")!r})
print(adaptd.record_feedback(input="2 + 2?", output="4", artifact_type="sum", score=100))
print(sorted({{name.partition(".")[0] for name in sys.modules}} - set(sys.stdlib_module_names) - {{"__main__"}}))
"""
    (tmp_path / "state").mkdir()
    done = client.python(code)
    assert done.returncode == 0, done.stderr
    event_id, modules = done.stdout.splitlines()
    assert modules == "['adaptd']"
    (spool,) = (tmp_path / "state/spool").glob("*.ndjson")
    assert f'"id":"{event_id}"' in spool.read_text()


def test_the_client_needs_nothing_and_has_no_command(client):
    """pip knows of no requirement; a command would hide the daemon's own in a host's activated environment."""
    shown = client.pip("show", "adaptd-client")
    assert re.search(r"^Requires: *$", shown, re.MULTILINE), shown
    assert not (client.bin / "adaptd").exists()


def test_the_client_says_that_the_daemon_is_elsewhere(client):
    """Whoever calls the entry by hand learns what to install."""
    done = client.python("import sys; from adaptd._launch import main; sys.exit(main(['status']))")
    assert done.returncode == 1
    assert "the daemon is not installed here" in done.stderr


def test_the_client_goes_to_python_daemon_without_harm(tmp_path, client_wheel):
    """The two share no name at all."""
    environment = Environment(tmp_path)
    environment.install("python-daemon", client_wheel)
    assert environment.python("import adaptd, daemon; daemon.DaemonContext").returncode == 0
    assert environment.harmed("adaptd_client") == environment.harmed("python_daemon") == []


@pytest.mark.parametrize("first", ["python-daemon", "adaptd"])
def test_python_daemon_and_adaptd_leave_each_other_whole(tmp_path, root_wheel, first):
    """In either order no file is harmed, theirs imports as ever, and ours refuses until theirs is gone."""
    environment = Environment(tmp_path)
    for what in ("python-daemon", root_wheel) if first == "python-daemon" else (root_wheel, "python-daemon"):
        environment.install(what, *(["lockfile"] if what == "python-daemon" else []), dependencies=False)
    assert environment.harmed("adaptd") == environment.harmed("python_daemon") == []
    done = environment.python("import daemon, daemon.pidfile; print(daemon.DaemonContext.__module__)")
    assert done.stdout == "daemon.daemon\n", done.stderr
    refused = environment.adaptd("status")
    assert refused.returncode == 78
    assert f"expected: {environment.packages / 'daemon'}\n" in refused.stderr
    assert f"found:    {environment.packages / 'daemon/__init__.py'}\n" in refused.stderr
    environment.pip("uninstall", "--yes", "python-daemon")
    assert environment.harmed("adaptd") == []
    done = environment.adaptd("--help")
    assert done.returncode == 0, done.stderr


def test_removing_adaptd_leaves_python_daemon_whole(tmp_path, root_wheel):
    """Uninstalling takes our files out of the shared folder, and none of theirs."""
    environment = Environment(tmp_path)
    environment.install("python-daemon", "lockfile", root_wheel, dependencies=False)
    environment.pip("uninstall", "--yes", "adaptd")
    assert environment.harmed("python_daemon") == []
    assert environment.python("import daemon; daemon.DaemonContext").returncode == 0
    left = {path.name for path in (environment.packages / "daemon").iterdir()} - {"__pycache__"}
    assert left == {"__init__.py", "daemon.py", "pidfile.py"}


def test_run_tells_of_both_distributions_in_one_environment(tmp_path, root_wheel, client_wheel):
    """They own the same files, so removing one would break the other."""
    environment = Environment(tmp_path)
    environment.install(root_wheel, client_wheel, dependencies=False)
    assert re.search(r"both adaptd \S+ and adaptd-client \S+ are installed", environment.adaptd("run", "--help").stderr)


def test_the_source_distribution_builds_the_same_wheel(tmp_path, root_wheel):
    """What is published as source has everything that the wheel is made of."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path / "unpacked", filter="data")
    (tree,) = (tmp_path / "unpacked").iterdir()
    assert files_in(_build(tree, tmp_path / "again")) == files_in(root_wheel)
