"""`adaptd completion`: scripts for three shells, made from the verbs as they are."""

import shutil
import subprocess
import sys

import pytest

from daemon.cli import main as cli
from daemon.cli.main import main

COMPLETE = """
source {script}
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
COMP_LINE="${{COMP_WORDS[*]}}"; COMP_POINT=${{#COMP_LINE}}
_shtab_adaptd
echo "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """What bash sources."""
    path = tmp_path_factory.mktemp("completion") / "adaptd.bash"
    with path.open("w") as file:
        subprocess.run(
            [sys.executable, "-m", "daemon.cli.main", "completion", "bash"], stdout=file, check=True, timeout=300
        )
    return path


def completed(script, words):
    done = subprocess.run(
        ["bash", "-c", COMPLETE.format(script=script, words=words)], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("adaptd sta", ["status"]),
        ("adaptd events ver", ["verify"]),
        ("adaptd status --req", ["--require-daemon"]),
        ("adaptd feedback list --art", ["--artifact-type"]),
        ("adaptd export --format nat", ["native"]),
        ("adaptd completion z", ["zsh"]),
    ],
)
def test_bash_completes_verbs_options_and_choices(script, typed, offered):
    """As bash asks for them on TAB."""
    assert completed(script, typed) == offered


@pytest.mark.parametrize(
    ("typed", "offered"), [("adaptd import ro", ["rows.ndjson"]), ("adaptd status --config ro", ["rows.ndjson"])]
)
def test_bash_completes_file_names_where_a_file_is_asked_for(script, typed, offered, tmp_path, monkeypatch):
    """Of those that are there."""
    (tmp_path / "rows.ndjson").write_text("")
    monkeypatch.chdir(tmp_path)
    assert completed(script, typed) == offered


def test_bash_offers_every_verb(script):
    """Those that come later, too."""
    assert set(cli.VERBS) <= set(completed(script, 'adaptd ""'))


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_every_shell_has_a_script_that_it_understands(shell, capsys, tmp_path):
    """All verbs are in it; the shell itself reads it, where it is installed."""
    assert main(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert not err
    assert all(verb in out for verb in cli.VERBS)
    if shutil.which(shell) and shell != "tcsh":
        (tmp_path / "script").write_text(out)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_without_shtab_it_says_what_to_install(monkeypatch, capsys):
    """Where somebody installed adaptd without what it needs."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    told = "adaptd: shtab is not installed here, expected what `pip install adaptd` brings. Run: pip install shtab\n"
    assert capsys.readouterr() == ("", told)


def test_no_other_verb_loads_shtab():
    """It is asked for by one verb alone."""
    program = "import sys; from daemon.cli.main import main; main(['config', 'schema']); print('shtab' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\nFalse\n")
