"""This file knows how a name in config.toml becomes a checked stage or workload.

A name is looked for beside config.toml (`plugins/stages/NAME.py`), then among those that came with adaptd, then among
the entry points of installed packages; it may also be a file (`my_stage.py`) or a dotted path (`shop.stages:Freshest`).
Each is loaded once, checked against its contract at once, and known by the hash of its code.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

import msgspec

from adaptd.errors import AdaptdError

Kind = Literal["stage", "workload"]
FOLDERS: dict[Kind, str] = {"stage": "stages", "workload": "workloads"}
GROUPS: dict[Kind, str] = {"stage": "adaptd.stages", "workload": "adaptd.workloads"}
COMMAND_FILE = "command.py"
METHODS: dict[Kind, dict[str, tuple[str, ...]]] = {
    "stage": {"shape": ("pool", "moment")},
    "workload": {
        "describe": (),
        "examples": ("pool",),
        "train": ("job",),
        "judge": ("model", "dataset", "device"),
        "predict": ("model", "inputs", "device"),
        "export": ("model", "out", "form"),
    },
}
"""The methods that each kind must have, with their parameters."""
_HASH = "__adaptd_code_hash__"


class PluginRejected(AdaptdError):
    """What config.toml names is no plugin that can be used: which one, what was found, what was expected."""

    exit_code = 78

    def __init__(self, plugin: str, found: str, expected: str) -> None:
        super().__init__(f"plugin {plugin}: found {found}, expected {expected}")
        self.plugin, self.found, self.expected = plugin, found, expected


class Plugin(NamedTuple):
    """A stage or workload that was loaded and holds to its contract."""

    kind: Kind
    name: str
    made_by: type
    where: str
    code_hash: str

    def make(self, table: Mapping[str, Any], told: str) -> Any:
        """One with these settings; `told` is how config.toml names the table, for what is wrong in it."""
        return self.made_by(settings_of(self.made_by.Settings, table, told))  # type: ignore[attr-defined]


def load(kind: Kind, name: str, beside: Path) -> Plugin:
    """The plugin of this name, as it is found from the folder of config.toml; PluginRejected where there is none."""
    module, wanted, where = _module_of(kind, name, beside)
    made_by = getattr(module, wanted, None)
    if made_by is None:
        raise PluginRejected(name, f"{where} without {wanted}", f"a class under that name, the {kind} itself")
    plugin = Plugin(kind, name, made_by, where, _hash_when_loaded(module))
    check_shape(plugin)
    return plugin


def found_names(kind: Kind, beside: Path) -> Iterator[tuple[str, str]]:
    """Every name that would be found, with where: what is beside config.toml hides what came with adaptd."""
    seen = set()
    for folder in (beside / "plugins" / FOLDERS[kind], _own_folder(kind)):
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            name = _plugin_name(path)
            if name and name not in seen:
                seen.add(name)
                yield name, str(path)
    for point in importlib.metadata.entry_points(group=GROUPS[kind]):
        if point.name not in seen:
            seen.add(point.name)
            yield point.name, f"{point.value} of the package {point.dist.name if point.dist else '?'}"


def command_names(beside: Path) -> Iterator[str]:
    """The workloads that have a command of their own: a file command.py in their folder."""
    for name, where in found_names("workload", beside):
        if (Path(where) / COMMAND_FILE).is_file():
            yield name


def load_command(name: str, beside: Path) -> Any:
    """The COMMAND of that workload; PluginRejected where it is none."""
    path = next(Path(where) / COMMAND_FILE for found, where in found_names("workload", beside) if found == name)
    command = getattr(_of_file(name, path.resolve()), "COMMAND", None)
    for attribute in ("line", "epilog", "add_options", "run", "lines"):
        if not hasattr(command, attribute):
            raise PluginRejected(name, f"{path} whose COMMAND has no {attribute}", "an adaptd.plugin.command.Command")
    return command


def code_hash(path: Path) -> str:
    """Of the file, or of every Python file of the folder that it begins."""
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    hashed = blake2b(digest_size=16)
    for file in files:
        data = file.read_bytes()
        hashed.update(f"{file.relative_to(path.parent)}\0{len(data)}\0".encode() + data)
    return hashed.hexdigest()


def _hash_when_loaded(module: ModuleType) -> str:
    """The hash of the code that runs, which may not be that of the file any more."""
    if not hasattr(module, _HASH):
        setattr(module, _HASH, code_hash(Path(str(module.__file__))))
    return str(getattr(module, _HASH))


# Where it is


def _module_of(kind: Kind, name: str, beside: Path) -> tuple[ModuleType, str, str]:
    """The module, the name of the class in it, and where it was found."""
    usual = kind.upper()
    if name.endswith(".py"):
        path = (beside / name).resolve()
        if not path.is_file():
            raise PluginRejected(name, f"no file {path}", "a Python file, its path relative to config.toml")
        return _of_file(name, path), usual, str(path)
    if ":" in name:
        dotted, _, wanted = name.partition(":")
        return _of_dotted(name, dotted), wanted, dotted
    for folder in (beside / "plugins" / FOLDERS[kind], _own_folder(kind)):
        for path in (folder / f"{name}.py", folder / name / "__init__.py"):
            if path.is_file():
                return _of_file(name, path.resolve()), usual, str(path)
    for point in importlib.metadata.entry_points(group=GROUPS[kind], name=name):
        return _of_dotted(name, point.module), point.attr or usual, point.value
    known = sorted(known for known, _ in found_names(kind, beside))
    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}" if near else ""
    raise PluginRejected(repr(name), f"no {kind} of that name", f"one of {', '.join(known) or 'none yet'}{hint}")


def _own_folder(kind: Kind) -> Path:
    return Path(__file__).resolve().parent.parent / "plugins" / FOLDERS[kind]


def _plugin_name(path: Path) -> str | None:
    if path.suffix == ".py" and not path.stem.startswith(("_", "test_")):
        return path.stem
    return path.name if (path / "__init__.py").is_file() else None


def _of_file(name: str, path: Path) -> ModuleType:
    """The module of a file, loaded once however often it is named; anew where its code has changed since."""
    code = code_hash(path)
    own = "adaptd_plugin_" + blake2b(f"{path} {code}".encode(), digest_size=8).hexdigest()
    if own in sys.modules:
        return sys.modules[own]
    spec = importlib.util.spec_from_file_location(own, path)
    assert spec is not None
    loader = spec.loader
    assert loader is not None
    module = importlib.util.module_from_spec(spec)
    setattr(module, _HASH, code)
    sys.modules[own] = module  # dataclasses look their module up while it is being loaded
    try:
        _told(name, lambda: loader.exec_module(module))
    except BaseException:
        del sys.modules[own]
        raise
    return module


def _of_dotted(name: str, dotted: str) -> ModuleType:
    module: ModuleType = _told(name, lambda: importlib.import_module(dotted))
    if module.__file__ is None:
        raise PluginRejected(name, f"{dotted}, which has no file", "a module of Python code")
    return module


def _told(name: str, run: Callable[[], Any]) -> Any:
    """What somebody else's code does when it is loaded is told as a fault of the plugin, with its place."""
    try:
        return run()
    except Exception as error:
        place = ""
        if error.__traceback__ is not None:
            last = inspect.getinnerframes(error.__traceback__)[-1]
            place = f" at {last.filename}:{last.lineno}"
        raise PluginRejected(name, f"{type(error).__name__}: {error}{place}", "code that can be loaded") from error


# Whether it holds to its contract


def check_shape(plugin: Plugin) -> None:
    """PluginRejected unless name, settings and methods are those of the contract."""
    made_by = plugin.made_by
    if not isinstance(made_by, type):
        raise PluginRejected(plugin.name, f"{made_by!r}", f"a class, the {plugin.kind} itself")
    if not isinstance(getattr(made_by, "name", None), str):
        raise PluginRejected(plugin.name, "no name", 'a class attribute, as in name = "freshest"')
    _check_settings(plugin)
    for method, parameters in METHODS[plugin.kind].items():
        _check_method(plugin, method, ("self", *parameters))


def _check_settings(plugin: Plugin) -> None:
    settings = getattr(plugin.made_by, "Settings", None)
    wanted = "a frozen dataclass whose fields all have defaults, under the name Settings"
    if not (isinstance(settings, type) and dataclasses.is_dataclass(settings)):
        raise PluginRejected(plugin.name, f"Settings = {settings!r}", wanted)
    if not settings.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise PluginRejected(plugin.name, "Settings that can be changed", wanted)
    missing = dataclasses.MISSING
    bare = [one.name for one in dataclasses.fields(settings) if one.default is one.default_factory is missing]
    if bare:
        raise PluginRejected(plugin.name, f"Settings without a default for {', '.join(bare)}", wanted)


def _check_method(plugin: Plugin, method: str, parameters: tuple[str, ...]) -> None:
    found = getattr(plugin.made_by, method, None)
    wanted = f"a method {method}({', '.join(parameters)})"
    if not callable(found):
        raise PluginRejected(plugin.name, f"no {method}", wanted)
    if tuple(inspect.signature(found).parameters) != parameters:
        raise PluginRejected(plugin.name, f"{method}{inspect.signature(found)}", wanted)


# What config.toml says to it


class BadSettings(AdaptdError):
    """Settings of a plugin that cannot be meant; a line for each fault.

    `faults` has each with its key below the table, None for one that concerns several.
    """

    exit_code = 78

    def __init__(self, told: str, faults: Sequence[tuple[str | None, str]]) -> None:
        super().__init__("\n".join(f"{told}.{key}: {words}" if key else f"{told}: {words}" for key, words in faults))
        self.faults = faults


def settings_of(kind: type, table: Mapping[str, Any], told: str) -> Any:
    """The settings that a table gives; BadSettings with every fault, each named as `told.KEY`."""
    hints = {one.name: one for one in dataclasses.fields(kind)}
    types = inspect.get_annotations(kind, eval_str=True)
    faults: list[tuple[str | None, str]] = []
    given = {}
    for key, value in table.items():
        if key not in hints:
            near = difflib.get_close_matches(key, hints, 1)
            hint = f", did you mean {near[0]!r}" if near else ""
            faults.append((key, f"an unknown key, expected one of {', '.join(hints) or 'none'}{hint}"))
            continue
        try:
            given[key] = msgspec.convert(value, types.get(key, Any))
        except msgspec.ValidationError as error:
            faults.append((key, f"{error}, found {value!r}"))
    if not faults:
        try:
            return kind(**given)
        except (TypeError, ValueError) as error:
            faults.append((None, str(error)))
    raise BadSettings(told, faults)
