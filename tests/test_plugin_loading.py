"""A name in config.toml becomes a checked plugin, or an error that says which one, what was found and expected."""

import dataclasses
import importlib.metadata
import textwrap

import pytest

from daemon.plugin_loading import BadSettings, PluginRejected, found_names, load, settings_of

GOOD = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Settings:
    share: float = 0.5
    names: tuple[str, ...] = ()
    def __post_init__(self):
        if self.share <= 0:
            raise ValueError(f"share = {self.share}, expected above 0")

class Mine:
    name = "mine"
    Settings = Settings
    def __init__(self, settings):
        self.settings = settings
    def shape(self, pool, moment):
        return pool

STAGE = Mine
"""


@pytest.fixture
def beside(tmp_path):
    """A folder with a config.toml's plugins."""
    (tmp_path / "plugins" / "stages").mkdir(parents=True)
    return tmp_path


def write(beside, text, name="mine"):
    path = beside / "plugins" / "stages" / f"{name}.py"
    path.write_text(textwrap.dedent(text))
    return path


def test_a_name_is_found_beside_the_configuration(beside):
    """Loaded once however often it is named, and known by the hash of its code."""
    path = write(beside, GOOD)
    plugin = load("stage", "mine", beside)
    assert plugin.where == str(path)
    assert load("stage", "plugins/stages/mine.py", beside).made_by is plugin.made_by
    assert plugin.make({"share": 0.25}, "told").settings.share == 0.25
    other = write(beside, GOOD + "\n# a word more", "other")
    assert load("stage", "other", beside).code_hash != plugin.code_hash
    assert other.is_file()


def test_a_folder_is_a_plugin_too(beside):
    """Every Python file in it belongs to its hash."""
    folder = beside / "plugins" / "stages" / "large"
    folder.mkdir()
    (folder / "__init__.py").write_text(GOOD)
    (folder / "more.py").write_text("A = 1\n")
    first = load("stage", "large", beside).code_hash
    (folder / "more.py").write_text("A = 2\n")
    assert load("stage", "large", beside).code_hash != first
    assert dict(found_names("stage", beside))["large"] == str(folder)


def test_a_dotted_path_names_its_class(beside, monkeypatch):
    """As installed packages have it."""
    monkeypatch.syspath_prepend(str(beside))
    (beside / "shop_stages.py").write_text(GOOD)
    assert load("stage", "shop_stages:Mine", beside).made_by.name == "mine"
    with pytest.raises(PluginRejected, match="shop_stages:Nobody: found shop_stages without Nobody, expected a class"):
        load("stage", "shop_stages:Nobody", beside)


def test_an_entry_point_is_found_by_its_name(beside, monkeypatch):
    """A package that was installed needs no file of ours."""
    monkeypatch.syspath_prepend(str(beside))
    (beside / "shop_points.py").write_text(GOOD)
    point = importlib.metadata.EntryPoint("freshest", "shop_points:Mine", "adaptd.stages")
    points = importlib.metadata.EntryPoints([point])
    monkeypatch.setattr(importlib.metadata, "entry_points", points.select)
    assert load("stage", "freshest", beside).made_by.name == "mine"
    assert dict(found_names("stage", beside))["freshest"].startswith("shop_points:Mine of the package")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "plugin 'mien': found no stage of that name, expected one of .*mine.*; did you mean 'mine'"),
        ("X = 1", "found .*mine.py without STAGE, expected a class under that name, the stage itself"),
        ("STAGE = 3", "plugin mine: found 3, expected a class, the stage itself"),
        ("import nosuchmodule", r"found ModuleNotFoundError: .* at .*mine.py:1, expected code that can be loaded"),
        ("class", r"found SyntaxError: .*, expected code that can be loaded"),
        (GOOD.replace('name = "mine"', ""), "found no name, expected a class attribute"),
        (GOOD.replace("Settings = Settings", ""), "found Settings = None, expected a frozen dataclass"),
        (GOOD.replace("frozen=True", ""), "found Settings that can be changed, expected a frozen dataclass"),
        (GOOD.replace(": float = 0.5", ": float"), "found Settings without a default for share"),
        (GOOD.replace("shape", "form"), r"found no shape, expected a method shape\(self, pool, moment\)"),
        (
            GOOD.replace("pool, moment", "pool"),
            r"found shape\(self, pool\), expected a method shape\(self, pool, moment\)",
        ),
    ],
)
def test_what_is_no_plugin_is_told(text, told, beside):
    """At load, before anything depends on it."""
    write(beside, GOOD if text is None else text)
    with pytest.raises(PluginRejected, match=told):
        load("stage", "mien" if text is None else "mine", beside)


def test_a_file_that_is_not_there_is_told(beside):
    """With the path that was looked at."""
    with pytest.raises(PluginRejected, match=r"found no file .*gone.py, expected a Python file"):
        load("stage", "gone.py", beside)


def test_wrong_settings_are_told_all_at_once(beside):
    """Unknown keys with the nearest known one, wrong types, and what the plugin itself refuses."""
    write(beside, GOOD)
    kind = load("stage", "mine", beside).made_by.Settings
    assert settings_of(kind, {"names": ["a"]}, "told") == kind(names=("a",))
    with pytest.raises(BadSettings) as both:
        settings_of(kind, {"shrae": 1, "names": 3}, "stages.mine")
    assert str(both.value).splitlines() == [
        "stages.mine.shrae: an unknown key, expected one of share, names, did you mean 'share'",
        "stages.mine.names: Expected `array`, got `int`, found 3",
    ]
    with pytest.raises(BadSettings, match=r"stages.mine: share = 0.0, expected above 0"):
        settings_of(kind, {"share": 0}, "stages.mine")


def test_tests_and_private_files_are_no_plugins(beside):
    """What lies beside a plugin is not offered."""
    write(beside, GOOD)
    write(beside, "", "test_mine")
    write(beside, "", "_shared")
    assert [name for name, where in found_names("stage", beside) if str(beside) in where] == ["mine"]
    assert dataclasses.is_dataclass(load("stage", "mine", beside).made_by.Settings)


def test_a_file_that_changed_is_loaded_anew_and_known_by_its_new_hash(beside):
    """The hash in a batch is that of the code that shaped it, also where somebody edits a stage under the daemon."""
    write(beside, GOOD)
    before = load("stage", "mine", beside)
    write(beside, GOOD + "\nMine.about = 'new'\n")
    after = load("stage", "mine", beside)
    assert not hasattr(before.made_by, "about")
    assert after.made_by.about == "new"
    assert before.code_hash != after.code_hash


def test_a_module_that_changed_keeps_the_hash_of_what_was_loaded(beside, monkeypatch):
    """Python loads a module once in a process; until a restart it is the old code that runs."""
    (beside / "shop_once.py").write_text(GOOD)
    monkeypatch.syspath_prepend(str(beside))
    before = load("stage", "shop_once:STAGE", beside)
    (beside / "shop_once.py").write_text("raise SystemExit('never run')\n")
    assert load("stage", "shop_once:STAGE", beside) == before
