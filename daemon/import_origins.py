"""Where each module of ours would be imported from, and whether that is our own installation.

Nothing of ours is imported to find out, except folders without `__init__.py`, which hold no code.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from typing import NamedTuple

FLOORS = ("adaptd", "daemon", "components", "plugins")
WITH_CODE_OF_ITS_OWN = "adaptd"  # the one floor with an __init__.py; one in another floor is somebody else's
DEPTH_OF_PLUGINS = 2  # plugins.workloads.NAME may be a folder with an __init__.py
OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Misplaced(NamedTuple):
    """A module of ours that an import would take from somewhere else."""

    module: str
    expected: str
    found: str


def misplaced(floors: Sequence[str] = FLOORS, ours: str = OURS) -> list[Misplaced]:
    """Every module below `ours` that an import would not take from there; of a lost folder the folder alone."""
    return [stranger for floor in floors for stranger in _strangers(floor, os.path.join(ours, floor), None)]


def both_distributions() -> str | None:
    """A sentence when `adaptd` and `adaptd-client` are installed side by side; None when they are not."""
    full, client = _version("adaptd"), _version("adaptd-client")
    if full is None or client is None:
        return None
    return (
        f"both adaptd {full} and adaptd-client {client} are installed in {sys.prefix}, and own the same files: "
        "removing one breaks the other. Run `pip uninstall adaptd-client`, "
        "then `pip install --force-reinstall --no-deps adaptd`."
    )


def _strangers(name: str, folder: str, parent_path: list[str] | None) -> Iterator[Misplaced]:
    if not os.path.isdir(folder):
        return
    spec = _find(name, parent_path)
    found = _path_of(spec)
    if spec is None or not _is_ours(name, folder, spec):
        yield Misplaced(name, folder, found)
        return
    if spec.origin is None:
        import_module(name)
    path = list(spec.submodule_search_locations or ())
    for entry in sorted(os.listdir(folder)):
        yield from _strangers_below(name, entry, folder, path)


def _strangers_below(package: str, entry: str, folder: str, path: list[str]) -> Iterator[Misplaced]:
    place = os.path.join(folder, entry)
    stem, extension = os.path.splitext(entry)
    if extension == ".py" and stem.isidentifier() and stem != "__init__":
        spec = _find(f"{package}.{stem}", path)
        if spec is None or not _same(spec.origin or "", place):
            yield Misplaced(f"{package}.{stem}", place, _path_of(spec))
    elif entry.isidentifier() and entry != "__pycache__":
        yield from _strangers(f"{package}.{entry}", place, path)


def _is_ours(name: str, folder: str, spec: ModuleSpec) -> bool:
    has_init = _same(spec.origin or "", os.path.join(folder, "__init__.py"))
    if name.partition(".")[0] == WITH_CODE_OF_ITS_OWN:
        return has_init
    if has_init and name.count(".") >= DEPTH_OF_PLUGINS:
        return True
    return spec.origin is None and any(_same(part, folder) for part in spec.submodule_search_locations or ())


def _find(name: str, path: list[str] | None) -> ModuleSpec | None:
    """What an import of `name` would use; unlike `importlib.util.find_spec` it runs no parent's code."""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path)
        if spec is not None:
            return spec
    return None


def _path_of(spec: ModuleSpec | None) -> str:
    if spec is None:
        return "nothing"
    return spec.origin or os.pathsep.join(spec.submodule_search_locations or ()) or "nothing"


def _same(one: str, other: str) -> bool:
    return one == other or os.path.realpath(one) == os.path.realpath(other)


def _version(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
