"""Where stories are told: an environment that has the wheel, and a process in it for each."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    """An environment that has the wheel, and beside it the libraries of this one without its editable install."""
    folder = tmp_path_factory.mktemp("installed")
    wheels = folder / "wheels"
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(ROOT)]
    subprocess.run(words, check=True, capture_output=True, timeout=300)
    (wheel,) = wheels.glob("adaptd-*.whl")
    venv.create(folder / "env", with_pip=False)
    site = Path(next((folder / "env" / "lib").glob("python3*"))) / "site-packages"
    zipfile.ZipFile(wheel).extractall(site)
    paths = {path for path in sys.path if path.endswith("site-packages")} | {sysconfig.get_path("purelib")}
    (site / "libraries.pth").write_text("".join(f"{path}\n" for path in sorted(paths)))
    return folder / "env" / "bin" / "python"


@pytest.fixture
def tell(python, tmp_path):
    def tell(story, place, *arguments, killed=False, of="night_stories.py"):
        words = [str(python), "-P", str(Path(__file__).with_name(of)), story, str(place), *map(str, arguments)]
        environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "ADAPTD_CONFIG")}
        environ |= {"ADAPTD_LEASES": str(tmp_path / "leases"), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(words, capture_output=True, text=True, timeout=900, env=environ, cwd=place, check=False)
        if killed:
            assert done.returncode == -signal.SIGKILL, done.stderr
            return None
        assert done.returncode == 0, done.stderr[-4000:]
        told = json.loads(done.stdout.splitlines()[-1])
        assert isinstance(told["checked"], int), told["checked"]  # replayed, and each batch rebuilt, by the verbs
        return told

    return tell
