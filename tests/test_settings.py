"""What config.toml may say, and what is told about one that says something else."""

import json
import tomllib
from pathlib import Path

import pytest

from daemon.config_faults import BadConfig, Fault
from daemon.config_template import CONFIG_TOML
from daemon.settings import Settings, changed_keys, read_settings, settings_of, sources_of
from daemon.settings_told import keys_told

PATH = Path("/etc/adaptd/config.toml")


def told(text):
    with pytest.raises(BadConfig) as bad:
        settings_of(text, PATH)
    return str(bad.value).splitlines()


def test_without_a_file_the_defaults_hold():
    """A state folder given by itself has no config.toml."""
    settings = read_settings(None)
    assert (settings.adaptd.state_dir, settings.log.durability) == ("state", "full")
    assert (settings.intake.max_event_bytes, settings.intake.commit_events) == (1048576, 1000)
    assert settings.sides.split_by == "input"


def test_the_template_says_every_key_with_its_default(tmp_path):
    """What `init` writes changes nothing and leaves nothing out."""
    (tmp_path / "config.toml").write_text(CONFIG_TOML)
    assert read_settings(tmp_path / "config.toml") == Settings()
    assert {section: set(keys) for section, keys in tomllib.loads(CONFIG_TOML).items()} == {
        "adaptd": {"state_dir"},
        "intake": {"max_event_bytes", "commit_events"},
        "sides": {"split_by"},
        "privacy": {"encrypt", "redact"},
        "log": {"durability"},
        "night": {"window", "timezone", "on", "catch_up"},
        "device": {"use", "ignore", "max_utilisation"},
        "embeddings": {"model"},
        "gate": {
            *("false_promotions_per_year", "judge_wanted", "when_few", "serves", "slice_min"),
            *("margin", "most_negative_flips", "most_latency", "most_size"),
        },
        "models": {"keep"},
        "runs": {"attempts", "silent_seconds", "keep_folders"},
    }


def test_the_template_is_the_repositorys_own_configuration():
    """The config.toml in the repository is the one that a newcomer gets, but for the place of the schema."""
    first, rest = (Path(__file__).parents[1] / "config.toml").read_text().split("\n", 1)
    assert (first, f"#:schema state/config.schema.json\n{rest}") == (
        "#:schema docs/reference/config.schema.json",
        CONFIG_TOML,
    )


def test_the_template_says_of_each_key_what_the_settings_say_of_it():
    """One wording for the comments, the schema and the page of the docs."""
    comment = ""
    said = {}
    settings, _ = CONFIG_TOML.split("\n# A model that is to become better", 1)
    for line in settings.split("\n\n", 1)[1].splitlines():
        name, equals, _ = line.partition(" = ")
        if line.startswith("# "):
            comment = f"{comment} {line[2:]}".strip()
        elif equals:
            said[name], comment = comment, ""
    assert said == {key.path[-1]: key.about for key in keys_told() if key.path[0] != "workloads"}


def test_the_example_of_the_template_is_a_workload():
    """With its marks of a comment taken away it says what can be meant."""
    _, example = CONFIG_TOML.split("config.md has every key.\n#\n", 1)
    settings = settings_of("\n".join(line.removeprefix("#") for line in example.splitlines()), PATH)
    support = settings.workloads["support"]
    assert (support.plugin, support.trigger.days, support.trigger.new_examples) == ("sbert", 7, "sized")
    assert support.stage == {"size_batch": {"max_examples": 500}}


def test_keys_that_are_given_are_taken():
    """Dotted keys, tables and inline tables are one and the same."""
    text = 'sides.split_by = "subject"\nlog = {durability = "normal"}\n[intake]\ncommit_events = 5\n'
    settings = settings_of(text, PATH)
    assert (settings.sides.split_by, settings.log.durability, settings.intake.commit_events) == ("subject", "normal", 5)


TEN_FAULTS = (
    """\
# every kind of mistake
state_dir = "kept"
adaptd = {state_dir = 3}
logs.durability = "full"

[intake] # a comment with commit_events = 5
  max_event_byte = 5
commit_events = "1000"
"max_event_bytes" = 67_108_865

[sides]
split_by = "inputs"
durability = "full"

[privacy.encrypt]
all = true

[[log]]
durability = """
    "'''\nfull'''\n"
)
TEN_LINES = """\
config.toml:2:1: state_dir: expected one of the tables adaptd, device, embeddings, gate, intake, log, models, night, privacy, runs, sides, workloads, found an unknown key, did you mean adaptd.state_dir?
config.toml:3:23: adaptd.state_dir: expected a text that is not empty, found 3, did you mean "3"?
config.toml:4:1: logs: expected one of the tables adaptd, device, embeddings, gate, intake, log, models, night, privacy, runs, sides, workloads, found an unknown key, did you mean log?
config.toml:7:3: intake.max_event_byte: expected one of commit_events, max_event_bytes, found an unknown key, did you mean max_event_bytes?
config.toml:8:17: intake.commit_events: expected a whole number from 1 to 100000, found "1000", did you mean 1000?
config.toml:9:21: intake.max_event_bytes: expected a whole number from 1024 to 67108864, found 67108865
config.toml:12:12: sides.split_by: expected "episode" or "input" or "subject", found "inputs", did you mean "input"?
config.toml:13:1: sides.durability: expected one of split_by, found an unknown key, did you mean log.durability?
config.toml:15:10: privacy.encrypt: expected "all" or "subjects", found { all = true }
config.toml:18:3: log: expected a table [log], found [{ durability = "full" }]
"""  # noqa: E501 the lines as they are told


def test_every_fault_is_told_at_once_at_its_place():
    """A person who corrects a file wants to do it once: ten faults are ten lines, each with line and column."""
    with pytest.raises(BadConfig) as bad:
        settings_of(TEN_FAULTS, PATH)
    assert "\n".join(bad.value.lines("/etc/adaptd")) + "\n" == TEN_LINES
    assert str(bad.value).splitlines() == [f"/etc/adaptd/{line}" for line in TEN_LINES.splitlines()]


def test_the_path_is_told_as_seen_from_the_folder():
    """A file elsewhere keeps its whole path."""
    bad = BadConfig(PATH, [Fault("a", "b", "c", line=1, column=2)])
    assert [bad.lines(folder) for folder in ("/", "/etc", "/srv", "/etc/adapt")] == [
        ["etc/adaptd/config.toml:1:2: a: expected b, found c"],
        ["adaptd/config.toml:1:2: a: expected b, found c"],
        *[["/etc/adaptd/config.toml:1:2: a: expected b, found c"]] * 2,
    ]


@pytest.mark.parametrize("value", ["0", "1023", "67108865", "true", "1.5"])
def test_a_number_outside_its_range_is_told_with_the_range(value):
    """Neither a fraction nor a truth value is a number of bytes."""
    assert told(f"[intake]\nmax_event_bytes = {value}\n") == [
        f"{PATH}:2:19: intake.max_event_bytes: expected a whole number from 1024 to 67108864, found {value}"
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[adaptd]\nx = state # y\n", '2:5: syntax: expected TOML, found an invalid value, did you mean "state"?'),
        ("[a]\r\nb = True", "2:5: syntax: expected TOML, found an invalid value, did you mean true?"),
        ("a =\n", "1:4: syntax: expected TOML, found an invalid value"),
        ("[adaptd\n", "1:8: syntax: expected ']' at the end of a table declaration, found something else"),
        ("a = 1\nb\n", "2:2: syntax: expected '=' after a key in a key/value pair, found something else"),
        ("a = 1\na = 2\n", "2:6: syntax: expected TOML, found a key that was there before"),
        (
            "[a]\nx = 1\n[a]  # again\n",
            "3:3: syntax: expected TOML, found [a] a second time, it begins at line 1: put both together",
        ),
        ("a = {b = 1}\n[a.c]\n", "2:5: syntax: expected TOML, found [a.c] a second time"),
        ("a = \"x\n", "1:7: syntax: expected TOML, found Illegal character '\\n'"),
        ("a = [1", "1:7: syntax: expected TOML, found an array without its end"),
        ('a = """\nx', "2:2: syntax: expected TOML, found a string without its end"),
        (",", "1:1: syntax: expected TOML, found an invalid statement"),
    ],
)  # fmt: skip
def test_a_syntax_error_is_told_with_its_place(text, line):
    """In the words of the other faults; a text without its quotes is shown with them."""
    assert told(text) == [f"{PATH}:{line}"]


def test_a_file_that_is_nested_beyond_all_measure_is_told():
    """tomllib gives up, and so do we, with a line."""
    (only,) = told("a = " + "[" * 5000 + "]" * 5000)
    assert only.startswith(f"{PATH}: syntax: expected TOML, found ")


@pytest.mark.parametrize("odd", ["\x1b[2J", "\u202e"])
def test_what_is_told_cannot_steer_a_terminal(odd):
    """Keys and values of a file may hold anything."""
    text = json.dumps(odd)
    (unknown, wrong) = told(f"[log]\n{text} = 1\ndurability = {text}\n")
    assert f": log.{json.dumps(odd)}: " in unknown
    assert wrong.endswith(f"found {json.dumps(odd)}")


# The environment


def read(environ, text="[adaptd]\n"):
    return sources_of(text, PATH, environ).settings()


def test_the_environment_counts_before_the_file():
    """Numbers are numbers, and what is no TOML value is a text."""
    text = "[intake]\ncommit_events = 5\nmax_event_bytes = 2048\n"
    settings = read({"ADAPTD__INTAKE__COMMIT_EVENTS": "7", "ADAPTD__LOG__DURABILITY": "normal", "ADAPTD_X": "1"}, text)
    assert (settings.intake.commit_events, settings.intake.max_event_bytes) == (7, 2048)
    assert settings.log.durability == "normal"
    assert (
        read({"ADAPTD__LOG": '{durability = "normal"}', "ADAPTD__INTAKE__COMMIT_EVENTS": ""}).intake.commit_events
        == 1000
    )


def test_without_a_file_the_environment_still_counts():
    """A state folder given by itself has no config.toml."""
    assert read_settings(None, {"ADAPTD__SIDES__SPLIT_BY": '"subject"'}).sides.split_by == "subject"


WRONG_VARIABLES = """\
config.toml:2:17: intake.commit_events: expected a whole number from 1 to 100000, found 0
environment ADAPTD__: "": expected one of the tables adaptd, device, embeddings, gate, intake, log, models, night, privacy, runs, sides, workloads, found an unknown key
environment ADAPTD__ADAPTD__STATE_DIR: adaptd.state_dir: expected a text that is not empty, found 2024, did you mean "2024"?
environment ADAPTD__INTAKE__COMMIT_EVENTS: intake.commit_events: expected a whole number from 1 to 100000, found "many"
environment ADAPTD__INTAKE__MAX_BYTES: intake.max_bytes: expected one of commit_events, max_event_bytes, found an unknown key, did you mean ADAPTD__INTAKE__MAX_EVENT_BYTES?
environment ADAPTD__LOGG__DURABILITY: logg: expected one of the tables adaptd, device, embeddings, gate, intake, log, models, night, privacy, runs, sides, workloads, found an unknown key, did you mean ADAPTD__LOG__DURABILITY?
"""  # noqa: E501 the lines as they are told


def test_wrong_variables_are_told_by_name_after_the_file():
    """Unknown ones too; a guess names the variable that is meant. A wrong value in the file is told although unused."""
    environ = {
        "ADAPTD__ADAPTD__STATE_DIR": "2024",
        "ADAPTD__INTAKE__MAX_BYTES": "7",
        "ADAPTD__INTAKE__COMMIT_EVENTS": "many",
        "ADAPTD__LOGG__DURABILITY": "full",
        "ADAPTD__": "1",
    }
    with pytest.raises(BadConfig) as bad:
        read(environ, "[intake]\ncommit_events = 0\n")
    assert "\n".join(bad.value.lines("/etc/adaptd")) + "\n" == WRONG_VARIABLES


def test_a_file_that_cannot_be_read_is_a_bad_configuration(tmp_path):
    """Neither a missing file nor one that is no text shows a traceback."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("missing", "binary"):
        with pytest.raises(
            BadConfig,
            match=rf"{name}: the file: expected UTF-8 text that can be read, found (No such file|'utf-8' codec)",
        ):
            read_settings(tmp_path / name)


WRONG_NIGHTS = """\
[night]
window = "25:00-26:00"
timezone = "Berlin"
on = {saturday = "off", sun = "1-2", mon = "01:00-01:00"}
[workloads.Support]
mode = "ful"
[workloads.support]
days = 4
[workloads.support.trigger]
days = "x"
new_examples = -1
drift = 7
[workloads.support.stage]
size_batch = 3
[workloads]
x = 3
[device]
use = "gpu"
ignore = [3]
[runs]
attempts = 0
"""
WRONG_NIGHT_LINES = """\
config.toml:2:10: night.window: '25:00-26:00': found '25:00', expected a time from 00:00 to 24:00
config.toml:3:12: night.timezone: 'Berlin': no zone of that name, expected one such as Europe/Berlin. Is it spelt as in Europe/Berlin, and is the package tzdata installed?
config.toml:4:7: night.on.saturday: expected "fri" or "mon" or "sat" or "sun" or "thu" or "tue" or "wed", found "saturday"
config.toml:4:31: night.on.sun: expected hours as in "01:00-06:00", or "off", found "1-2"
config.toml:4:44: night.on.mon: '01:00-01:00': opens and closes at once; for all day say 00:00-24:00
config.toml:5:12: workloads.Support: expected a name of 1 to 60 lower-case letters, digits, _ and -, found "Support", did you mean support?
config.toml:6:8: workloads.Support.mode: expected "full" or "lora", found "ful", did you mean "full"?
config.toml:8:1: workloads.support.days: expected one of artifact_types, base_model, index, mode, on_error, plugin, preset, ratings, ratings_of, reindex, settings, stage, stages, trigger, tune_share, found an unknown key, did you mean workloads.support.trigger.days?
config.toml:10:8: workloads.support.trigger.days: expected a number above 0, found "x"
config.toml:11:16: workloads.support.trigger.new_examples: expected "sized" or a whole number from 0, found -1
config.toml:12:9: workloads.support.trigger.drift: expected a number above 0, at most 2, found 7
config.toml:14:14: workloads.support.stage.size_batch: expected a table [workloads.support.stage.size_batch], found 3
config.toml:16:5: workloads.x: expected a table [workloads.x], found 3
config.toml:18:7: device.use: expected "auto", "cpu", "cuda" or a GPU by its number, as in "cuda:1", found "gpu"
config.toml:19:10: device.ignore: expected a list of texts, found [3]
config.toml:21:12: runs.attempts: expected a whole number from 1 to 20, found 0
environment ADAPTD__NIGHT__ON__WED: night.on.wed: '03:00-03:00': opens and closes at once; for all day say 00:00-24:00
environment ADAPTD__NIGHT__TIMEZONE: night.timezone: expected a text that is not empty, found 3, did you mean "3"?
environment ADAPTD__WORKLOADS__SUPPORT__MODE: workloads.support.mode: expected "full" or "lora", found "lor", did you mean "lora"?
environment ADAPTD__WORKLOADS__SUPPORT__TRIGGER__DAY: workloads.support.trigger.day: expected one of combine, days, drift, new_examples, reward_drop, found an unknown key, did you mean ADAPTD__WORKLOADS__SUPPORT__TRIGGER__DAYS?
"""  # noqa: E501 the lines as they are told
WRONG_NIGHT_VARIABLES = {
    "ADAPTD__NIGHT__ON__WED": "03:00-03:00",
    "ADAPTD__WORKLOADS__SUPPORT__MODE": "lor",
    "ADAPTD__WORKLOADS__SUPPORT__TRIGGER__DAY": "3",
}


def test_every_fault_of_nights_and_workloads_is_told_at_its_place():
    """In tables below tables too: shapes, names of one's own, hours and zones, file and variables."""
    lines = [line for line in WRONG_NIGHT_LINES.splitlines() if "ADAPTD__NIGHT__TIMEZONE" not in line]
    with pytest.raises(BadConfig) as bad:
        read(WRONG_NIGHT_VARIABLES, WRONG_NIGHTS)
    assert bad.value.lines("/etc/adaptd") == lines
    with pytest.raises(BadConfig) as bad:
        read({**WRONG_NIGHT_VARIABLES, "ADAPTD__NIGHT__TIMEZONE": "3"}, WRONG_NIGHTS)
    told = [line for line in bad.value.lines("/etc/adaptd") if "timezone" in line]
    assert told == [line for line in WRONG_NIGHT_LINES.splitlines() if "ADAPTD__NIGHT__TIMEZONE" in line]


def test_a_variable_says_a_key_at_any_depth():
    """Three levels and more; the file's other keys stay."""
    text = '[workloads.support]\nmode = "lora"\n[workloads.support.trigger]\ndays = 3\n'
    environ = {
        "ADAPTD__WORKLOADS__SUPPORT__MODE": "full",
        "ADAPTD__WORKLOADS__SUPPORT__TRIGGER__DRIFT": "0.5",
        "ADAPTD__WORKLOADS__SUPPORT__STAGE__SIZE_BATCH__MAX_EXAMPLES": "7",
        "ADAPTD__WORKLOADS__OTHER": '{plugin = "tiny_classifier"}',
    }
    settings = read(environ, text)
    support = settings.workloads["support"]
    assert (support.mode, support.trigger.days, support.trigger.drift) == ("full", 3, 0.5)
    assert support.stage == {"size_batch": {"max_examples": 7}}
    assert settings.workloads["other"].plugin == "tiny_classifier"


def test_what_changed_is_named_key_by_key():
    """The event of a reload says which key had which value, and has which."""
    new = settings_of('[intake]\ncommit_events = 5\n[log]\ndurability = "normal"\n', PATH)
    assert changed_keys(Settings(), new) == {"intake.commit_events": [1000, 5], "log.durability": ["full", "normal"]}
    assert changed_keys(new, new) == {}


def test_what_changed_below_a_workload_is_named_with_the_whole_way():
    """A workload or a weekday that was not there before had nothing."""
    old = settings_of("[workloads.support.trigger]\ndays = 3\n[workloads.old]\n", PATH)
    text = '[workloads.support.trigger]\ndays = 4\n[night.on]\nsat = "off"\n[workloads.support.stage.a]\nb = 1\n'
    changed = changed_keys(old, settings_of(text, PATH))
    assert changed.pop("workloads.old")[1] is None
    assert changed == {
        "workloads.support.trigger.days": [3, 4],
        "night.on.sat": [None, "off"],
        "workloads.support.stage.a": [None, {"b": 1}],
    }


@pytest.mark.parametrize("given", ['["email"]', '["iban", "mask"]', '["a b:c"]', '["x:y.z"]', '"card"', "[3]"])
def test_a_redaction_that_there_is_not(given):
    """A built-in's name or a module and a function of it; whether those are there is another's to see."""
    (fault,) = told(f"[privacy]\nredact = {given}\n")
    expected = 'expected a list of "e-mail", "phone", "card", "iban" or "module:function"'
    assert fault.startswith(f"{PATH}:2:10: privacy.redact: {expected}, found ")
    good = '[privacy]\nredact = ["e-mail", "phone", "card", "iban", "mask:clean", "my.own_2.masks:clean_it"]'
    assert len(settings_of(good, PATH).privacy.redact) == 6
