"""What is wrong with a workload's plugins and stages is told at its place, all at once."""

import textwrap

import pytest

from daemon.cli.main import main
from daemon.config_faults import BadConfig
from daemon.night_settings import WorkloadSettings
from daemon.settings import sources_of
from daemon.stage_choice import chosen_stages
from daemon.workload_checking import all_faults, checked_settings

STAGE = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Settings:
    max_examples: int = 5
    def __post_init__(self):
        if self.max_examples <= 0:
            raise ValueError(f"max_examples = {self.max_examples}, expected above 0")

class STAGE:
    name = "sizes"
    Settings = Settings
    def __init__(self, settings):
        self.settings = settings
    def shape(self, pool, moment):
        return pool
"""
WORKLOAD = """
from dataclasses import dataclass
from adaptd.plugin import Description, Metric

@dataclass(frozen=True)
class Settings:
    epochs: int = 1

class WORKLOAD:
    name = "small"
    Settings = Settings
    def __init__(self, settings): pass
    def describe(self): return Description("small", ("full",), ("score",), (Metric("accuracy"),))
    def examples(self, pool): ...
    def train(self, job): ...
    def judge(self, model, dataset, device): ...
    def predict(self, model, inputs, device): ...
    def export(self, model, out, form): ...
"""
GOOD = """\
[adaptd]
[workloads.support]
plugin = "small"
stages = ["sizes"]
settings = { epochs = 3 }
[workloads.support.stage.sizes]
max_examples = 7
"""
WRONG = """\
[adaptd]
[workloads.support]
plugin = "smal"
stages = ["sizes", "size"]
[workloads.support.stage.sizes]
max_exmples = 7
max_examples = "many"
[workloads.support.stage.sise]
[workloads.other]
plugin = "small"
mode = "lora"
stages = ["sizes"]
stage = { sizes = { max_examples = 0 } }
[workloads.third]
plugin = "small"
stages = []
settings = { epoch = 2 }
[log]
durability = "ful"
"""
WRONG_LINES = """\
config.toml:3:10: workloads.support.plugin: expected one of {workloads}; did you mean 'small', found no workload of that name
config.toml:4:20: workloads.support.stages[1]: expected one of {stages}; did you mean 'sizes', found no stage of that name
config.toml:6:1: workloads.support.stage.sizes.max_exmples: an unknown key, expected one of max_examples, did you mean 'max_examples'
config.toml:7:16: workloads.support.stage.sizes.max_examples: Expected `int`, got `str`, found 'many'
config.toml:8:26: workloads.support.stage.sise: expected one of its stages sizes, size, found another stage, did you mean size?
config.toml:11:8: workloads.other.mode: expected "full" for small, found "lora"
config.toml:13:19: workloads.other.stage.sizes: max_examples = 0, expected above 0
config.toml:17:14: workloads.third.settings.epoch: an unknown key, expected one of epochs, did you mean 'epochs'
config.toml:19:14: log.durability: expected "full" or "normal", found "ful", did you mean "full"?
"""  # noqa: E501 the lines as they are told


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a stage and a workload of its own."""
    for kind, name, text in (("stages", "sizes", STAGE), ("workloads", "small", WORKLOAD)):
        path = tmp_path / "plugins" / kind / f"{name}.py"
        path.parent.mkdir(parents=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(folder, text):
    (folder / "config.toml").write_text(text)
    return folder / "config.toml"


def faults_of(folder, text, environ=None):
    sources = sources_of(text, folder / "config.toml", environ or {})
    return BadConfig(sources.path, all_faults(sources)).lines(str(folder))


def names_of(folder, kind):
    from daemon.plugin_loading import found_names

    return ", ".join(sorted(name for name, _ in found_names(kind, folder)))


def test_a_workload_whose_plugins_take_their_settings_is_good(folder, capsys):
    """Looked at by `config check`, and by whatever begins a daemon."""
    assert checked_settings(config(folder, GOOD), {}).workloads["support"].settings == {"epochs": 3}
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out.endswith("config.toml: OK\n")


def test_every_fault_of_plugins_is_told_at_once_at_its_place(folder, capsys):
    """With those of shape, in the order of the file; exit code 78."""
    expected = WRONG_LINES.format(workloads=names_of(folder, "workload"), stages=names_of(folder, "stage"))
    config(folder, WRONG)
    assert main(["config", "check"]) == 78
    assert capsys.readouterr().out == expected
    with pytest.raises(BadConfig) as bad:
        checked_settings(folder / "config.toml", {})
    assert bad.value.lines(str(folder)) == expected.splitlines()


def test_what_a_variable_says_to_a_stage_is_told_of_the_variable(folder):
    """It counts before the file, so that the fault is its own."""
    variable = "ADAPTD__WORKLOADS__SUPPORT__STAGE__SIZES__MAX_EXAMPLES"
    told = "workloads.support.stage.sizes.max_examples: Expected `int`, got `str`, found 'many'"
    assert faults_of(folder, GOOD, {variable: "many"}) == [f"environment {variable}: {told}"]


def test_a_plugin_that_cannot_be_loaded_is_told_with_where_it_broke(folder):
    """Its name in config.toml, the error, and the line of the plugin."""
    path = folder / "plugins" / "stages" / "sizes.py"
    path.write_text("import nothing_of_the_kind\n")
    (fault,) = faults_of(folder, GOOD)
    found = f"found ModuleNotFoundError: No module named 'nothing_of_the_kind' at {path}:1"
    assert fault == f"config.toml:4:11: workloads.support.stages[0]: expected code that can be loaded, {found}"


def test_a_workload_that_cannot_describe_itself_is_told(folder):
    """Its code is somebody else's."""
    path = folder / "plugins" / "workloads" / "small.py"
    path.write_text(WORKLOAD.replace('return Description("small"', 'return 1 / 0, ("small"'))
    told = "workloads.support.plugin: expected a description of itself, found ZeroDivisionError: division by zero"
    assert faults_of(folder, GOOD) == [f"config.toml:3:10: {told}"]


def test_a_workload_of_the_wrong_shape_loads_nothing(folder):
    """What it meant is not known."""
    text = GOOD.replace('plugin = "small"', 'plugin = "gone"').replace("epochs = 3 }", "epochs = 3 }\nmode = 7")
    (fault,) = faults_of(folder, text)
    assert fault.startswith("config.toml:6:8: workloads.support.mode: expected ")


def test_a_stage_that_is_listed_takes_what_is_said_to_it():
    """In the order of the list."""
    settings = WorkloadSettings(stages=("b", "a"), stage={"a": {"x": 1}})
    assert [(stage.name, stage.table.get("x")) for stage in chosen_stages(settings)] == [("b", None), ("a", 1)]


@pytest.mark.parametrize("preset", ["shipped", "v1", "v2"])
def test_what_a_preset_says_its_stages_take(preset, folder):
    """A workload that says no more than its plugin is good."""
    text = f'[workloads.support]\nplugin = "small"\npreset = "{preset}"\n'
    assert faults_of(folder, text) == []
    assert chosen_stages(WorkloadSettings(preset=preset))


def test_what_config_says_to_a_stage_counts_before_the_preset():
    """Key by key."""
    settings = WorkloadSettings(preset="v2", stage={"size_batch": {"max_examples": 7}})
    (size,) = [stage.table for stage in chosen_stages(settings) if stage.name == "size_batch"]
    assert (size["max_examples"], size["target_quality"]) == (7, 0.7)


def test_a_stage_of_the_preset_that_is_wrong_is_told_at_its_table(folder):
    """The file has its settings alone."""
    text = '[workloads.support]\nplugin = "small"\n[workloads.support.stage.size_batch]\nmax_examples = "x"\n'
    (fault,) = faults_of(folder, text)
    told = "config.toml:4:16: workloads.support.stage.size_batch.max_examples: Expected `int`, got `str`, found 'x'"
    assert fault == told


def test_what_is_not_said_is_told_at_the_table_that_does_not_say_it(folder):
    """Without a plugin the workload's own name counts."""
    (fault,) = faults_of(folder, "[adaptd]\n[workloads.support]\nstages = []\n")
    assert fault.startswith("config.toml:2:12: workloads.support.plugin: expected one of ")
    assert fault.endswith("found no workload of that name")
