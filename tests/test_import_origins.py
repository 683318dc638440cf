"""Where modules of ours would come from, over small trees under names that nothing else has."""

import sys

import pytest

from daemon.import_origins import Misplaced, both_distributions, misplaced


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A function that writes empty files into a folder and puts that folder first on sys.path."""
    known = set(sys.modules)

    def put(folder, *names):
        for name in names:
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_text("raise SystemExit('ran')\n")
        monkeypatch.syspath_prepend(str(tmp_path / folder))
        return tmp_path / folder

    yield put
    for name in set(sys.modules) - known:
        if name.partition(".")[0] == "cellar":
            del sys.modules[name]


def test_nothing_of_this_checkout_is_misplaced():
    """Every module of the four floors would come from beside the one under test."""
    assert misplaced() == []


def test_modules_that_nobody_hides_are_in_place(tree):
    """Files, folders in folders, and a floor that has only a page of text."""
    ours = tree("ours", "cellar/wine.py", "cellar/shelf/bottle.py", "attic/README.md")
    assert misplaced(("cellar", "attic"), str(ours)) == []


def test_a_floor_that_is_not_installed_is_not_missed(tree):
    """The client alone has one floor."""
    assert misplaced(("cellar",), str(tree("ours", "other/x.py"))) == []


def test_an_init_among_our_files_takes_the_floor(tree):
    """As python-daemon installs it: the folder alone is told, not each module in it."""
    ours = tree("ours", "cellar/wine.py", "cellar/__init__.py")
    assert misplaced(("cellar",), str(ours)) == [
        Misplaced("cellar", str(ours / "cellar"), str(ours / "cellar/__init__.py"))
    ]


def test_a_plugin_in_a_folder_has_an_init_of_its_own(tree):
    """In ours it is in place; where somebody else's comes first, it is told."""
    ours = tree("ours", "cellar/shelf/red/__init__.py", "cellar/shelf/red/wine.py")
    assert misplaced(("cellar",), str(ours)) == []
    tree("theirs", "cellar/shelf/red/__init__.py")
    assert [one.module for one in misplaced(("cellar",), str(ours))] == ["cellar.shelf.red"]


def test_a_package_before_ours_takes_the_floor_even_when_it_has_no_module(tree):
    """Modules that join an empty floor later would be lost as well."""
    ours = tree("ours", "cellar/README.md")
    theirs = tree("theirs", "cellar/__init__.py")
    assert misplaced(("cellar",), str(ours)) == [
        Misplaced("cellar", str(ours / "cellar"), str(theirs / "cellar/__init__.py"))
    ]


def test_a_file_before_ours_takes_one_module(tree):
    """Where folders share a name, each module is looked up by itself; the other files of theirs are no matter."""
    ours = tree("ours", "cellar/wine.py", "cellar/shelf/bottle.py", "cellar/shelf/glass.py")
    theirs = tree("theirs", "cellar/shelf/bottle.py", "cellar/cider.py")
    assert misplaced(("cellar",), str(ours)) == [
        Misplaced("cellar.shelf.bottle", str(ours / "cellar/shelf/bottle.py"), str(theirs / "cellar/shelf/bottle.py"))
    ]


def test_a_package_in_place_of_our_module_is_found(tree):
    """Within one folder a package wins over a file of the same name."""
    ours = tree("ours", "cellar/wine.py", "cellar/wine/__init__.py")
    assert [one.module for one in misplaced(("cellar",), str(ours))] == ["cellar.wine", "cellar.wine"]


def test_the_same_folder_by_another_path_is_ours(tree, tmp_path, monkeypatch):
    """A linked environment is no stranger."""
    ours = tree("ours", "cellar/wine.py")
    (tmp_path / "link").symlink_to(ours)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "link"), *sys.path[1:]])
    assert misplaced(("cellar",), str(ours)) == []


def test_an_installation_off_the_path_is_told_with_nothing_found(tmp_path):
    """Modules that no import would reach are misplaced too."""
    (tmp_path / "cellar").mkdir()
    assert misplaced(("cellar",), str(tmp_path)) == [Misplaced("cellar", str(tmp_path / "cellar"), "nothing")]


@pytest.mark.parametrize("installed", [("adaptd",), ("adaptd-client",), ()])
def test_one_distribution_of_the_two_is_as_it_should_be(tmp_path, monkeypatch, installed):
    """Only the pair is told of; that it is told is in tests/test_launch.py."""
    for name in installed:
        folder = tmp_path / f"{name.replace('-', '_')}-0.1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    without_ours = [entry for entry in sys.path if "site-packages" not in entry]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *without_ours])
    assert both_distributions() is None
