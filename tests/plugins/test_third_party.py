"""A package of somebody else's: built as a wheel, installed, found by its entry points, and met by the batteries."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon import plugin_templates

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "shop-plugins"
version = "1.0"

[project.entry-points."adaptd.stages"]
shop_freshest = "shop_plugins.freshest"

[project.entry-points."adaptd.workloads"]
shop_rater = "shop_plugins.rater:Rater"

[tool.hatch.build.targets.wheel]
packages = ["shop_plugins"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder of installed packages with that one in it."""
    project, wheels, site = (tmp_path_factory.mktemp(name) for name in ("project", "wheels", "site"))
    for kind, name in (("stage", "freshest"), ("workload", "rater")):
        written, _ = plugin_templates.write_new(kind, project, name)
        (project / "shop_plugins").mkdir(exist_ok=True)
        written.rename(project / "shop_plugins" / written.name)
    (project / "shop_plugins" / "__init__.py").touch()
    (project / "pyproject.toml").write_text(PYPROJECT)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels), cwd=project)
    (wheel,) = wheels.glob("*.whl")
    run(
        sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--target", str(site), str(wheel), cwd=wheels
    )
    return site


def run(*command, cwd, **env):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | env
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def adaptd(*arguments, site, cwd):
    """The command, as an environment with both would run it."""
    code = "import sys; from daemon.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return run(sys.executable, "-c", code, *arguments, cwd=cwd, PYTHONPATH=os.pathsep.join((str(ROOT), str(site))))


def test_it_is_listed_with_the_package_that_it_comes_from(site, tmp_path):
    """By the names of its entry points."""
    told = json.loads(adaptd("plugins", "list", "--json", site=site, cwd=tmp_path))["plugins"]
    found = {row["name"]: (row["kind"], row["fault"], row["where"]) for row in told}
    assert found["shop_freshest"] == ("stage", None, "shop_plugins.freshest of the package shop-plugins")
    assert found["shop_rater"] == ("workload", None, "shop_plugins.rater:Rater of the package shop-plugins")


@pytest.mark.parametrize("name", ["shop_freshest", "shop_rater"])
def test_it_meets_the_battery_of_its_kind(name, site, tmp_path):
    """As those that came with adaptd do."""
    assert adaptd("plugins", "check", name, site=site, cwd=tmp_path).endswith(f"{name}: it holds to its contract\n")


def test_what_breaks_its_contract_is_found_in_a_package_too(site, tmp_path):
    """And told with what was expected."""
    broken = site / "shop_plugins" / "freshest.py"
    whole = broken.read_text()
    broken.write_text(whole.replace("return pool.keep", "return pool and pool.take([0]) or pool.keep"))
    try:
        with pytest.raises(AssertionError, match="examples were left out without a reason"):
            adaptd("plugins", "check", "shop_freshest", site=site, cwd=tmp_path)
    finally:
        broken.write_text(whole)
