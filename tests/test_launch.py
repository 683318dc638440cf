"""The console entry, in processes of its own over small installations that look like ours."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VERB = """
import sys
def main(arguments):
    print(__file__, arguments, sorted(set(sys.modules) - BEFORE))
    return 7
"""
START = """
import builtins, os, sys
sys.path.append({ours!r})
builtins.BEFORE = set(sys.modules)
from adaptd._launch import main
sys.exit(main())
"""


@pytest.fixture
def ours(tmp_path):
    folder = tmp_path / "ours"
    write(folder, "adaptd/__init__.py")
    write(folder, "daemon/cli/main.py", VERB)
    write(folder, "daemon/cli/status.py")
    write(folder, "components/active_learner.py")
    shutil.copy(ROOT / "adaptd/_launch.py", folder / "adaptd")
    shutil.copy(ROOT / "daemon/import_origins.py", folder / "daemon")
    return folder


def write(folder: Path, name: str, text: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def launch(ours, *arguments, pythonpath=None, cwd=None):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if pythonpath:
        env["PYTHONPATH"] = str(pythonpath)
    # -S: the environment in which the tests run has an installation of ours, which is not the one meant here
    command = [sys.executable, "-S", "-c", START.format(ours=str(ours)), *arguments]
    return subprocess.run(command, env=env, cwd=cwd or ours.parent, capture_output=True, text=True, check=False)


def was_refused(done, expected: Path, found: Path) -> bool:
    return done.returncode == 78 and f"expected: {expected}\n" in done.stderr and f"found:    {found}\n" in done.stderr


def test_the_verb_gets_its_arguments_and_gives_the_exit_code(ours):
    """What stands after `adaptd` reaches daemon.cli.main, and its number is the process's."""
    done = launch(ours, "status", "--json")
    assert done.returncode == 7, done.stderr
    assert "['status', '--json']" in done.stdout


def test_the_entry_loads_nothing_that_a_short_verb_would_pay_for(ours):
    """Besides packages of ours, the way to a verb imports no module at all."""
    done = launch(ours, "record-feedback")
    loaded = done.stdout.partition("] [")[2]
    assert loaded == "'adaptd', 'adaptd._launch', 'daemon', 'daemon.cli', 'daemon.cli.main']\n"


def test_python_daemon_in_the_same_folder_is_refused_with_both_paths(ours):
    """Another distribution's daemon/__init__.py between our files stops every verb before anything of theirs runs."""
    theirs = write(ours, "daemon/__init__.py", "raise SystemExit('ran')")
    done = launch(ours, "status")
    assert was_refused(done, ours / "daemon", theirs)
    assert "the module 'daemon' would come from somebody else's file" in done.stderr
    assert "Install adaptd in an environment of its own" in done.stderr


def test_a_package_daemon_on_pythonpath_is_refused_and_pythonpath_named(ours, tmp_path):
    """The next step that the message gives is about PYTHONPATH when that is how their file came in."""
    theirs = write(tmp_path, "host/daemon/__init__.py", "raise SystemExit('ran')")
    done = launch(ours, "status", pythonpath=tmp_path / "host")
    assert was_refused(done, ours / "daemon", theirs)
    assert f"Start adaptd without {tmp_path / 'host'} in PYTHONPATH." in done.stderr


def test_an_init_in_daemon_cli_is_refused(ours):
    """A folder below a floor has no code of its own either."""
    theirs = write(ours, "daemon/cli/__init__.py", "raise SystemExit('ran')")
    assert was_refused(launch(ours, "status"), ours / "daemon/cli", theirs)


def test_a_main_of_theirs_before_ours_is_refused(ours, tmp_path):
    """Two folders may share the name daemon.cli; its main must be ours."""
    theirs = write(tmp_path, "host/daemon/cli/main.py", "raise SystemExit('ran')")
    done = launch(ours, "status", pythonpath=tmp_path / "host")
    assert was_refused(done, ours / "daemon/cli/main.py", theirs)


def test_what_looks_for_strangers_is_not_taken_from_one(ours, tmp_path):
    """Their daemon/import_origins.py is refused before it runs."""
    theirs = write(tmp_path, "host/daemon/import_origins.py", "raise SystemExit('ran')")
    done = launch(ours, "status", pythonpath=tmp_path / "host")
    assert was_refused(done, ours / "daemon/import_origins.py", theirs)


def test_a_verb_of_theirs_before_ours_is_refused(ours, tmp_path):
    """A host's folder daemon/cli that hides one module of ours is found although main is ours."""
    theirs = write(tmp_path, "host/daemon/cli/status.py", "raise SystemExit('ran')")
    done = launch(ours, "events", pythonpath=tmp_path / "host")
    assert was_refused(done, ours / "daemon/cli/status.py", theirs)


def test_a_folder_of_theirs_that_hides_nothing_does_no_harm(ours, tmp_path):
    """A host may have a folder daemon/ with other files in it; ours are used."""
    write(tmp_path, "host/daemon/nightly.py", "raise SystemExit('ran')")
    done = launch(ours, "run", pythonpath=tmp_path / "host")
    assert done.returncode == 7, done.stderr
    assert str(ours / "daemon/cli/main.py") in done.stdout


@pytest.mark.parametrize("verb", ["run", "doctor"])
def test_run_and_doctor_refuse_a_hosts_components(ours, tmp_path, verb):
    """They look up every module of every floor, also behind options."""
    theirs = write(tmp_path, "host/components/__init__.py", "raise SystemExit('ran')")
    done = launch(ours, "--config", "c.toml", verb, pythonpath=tmp_path / "host")
    assert was_refused(done, ours / "components", theirs)


def test_a_short_verb_goes_on_beside_a_hosts_components(ours, tmp_path):
    """It loads no component, so it does not look for them."""
    write(tmp_path, "host/components/__init__.py", "raise SystemExit('ran')")
    assert launch(ours, "status", pythonpath=tmp_path / "host").returncode == 7


def test_the_working_folder_is_not_imported_from(ours, tmp_path):
    """A host's daemon/ and components/ in the folder where adaptd is called are never seen."""
    write(tmp_path, "host/daemon/__init__.py", "raise SystemExit('ran')")
    write(tmp_path, "host/components/__init__.py", "raise SystemExit('ran')")
    done = launch(ours, "run", cwd=tmp_path / "host")
    assert done.returncode == 7, done.stderr
    assert str(ours / "daemon/cli/main.py") in done.stdout


@pytest.mark.parametrize("theirs", [None, "daemon/__init__.py"])
def test_the_client_alone_says_where_the_daemon_belongs(ours, theirs):
    """Without our daemon/cli there is no daemon here, even when a daemon of somebody else's is."""
    shutil.rmtree(ours / "daemon")
    if theirs:
        write(ours, theirs, "raise SystemExit('ran')")
    done = launch(ours, "status")
    assert done.returncode == 1
    assert f"the daemon is not installed here; {ours} holds the client alone" in done.stderr
    assert "Install `adaptd` in an environment of its own" in done.stderr


def test_run_warns_when_both_distributions_are_installed(ours):
    """Both own adaptd/, so removing one breaks the other; run says so and goes on, short verbs do not look."""
    for name, version in (("adaptd", "0.1.0"), ("adaptd-client", "0.2.0")):
        folder = f"{name.replace('-', '_')}-{version}.dist-info"
        write(ours, f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    done = launch(ours, "run")
    assert done.returncode == 7
    assert "both adaptd 0.1.0 and adaptd-client 0.2.0 are installed" in done.stderr
    assert "pip uninstall adaptd-client" in done.stderr
    assert launch(ours, "status").stderr == ""
