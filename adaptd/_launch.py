"""The console entry: are the modules that this verb loads ours? Then `daemon.cli.main`.

The names of three floors (`daemon`, `components`, `plugins`) are generic, so another distribution or a folder on
PYTHONPATH can take one over. Every verb pays for what stands here: only what Python has loaded anyway is imported.
"""

import os
import sys

OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOMEBODY_ELSES_FILE = 78  # EX_CONFIG of sysexits.h
NOT_INSTALLED = 1
LOOK_UP_EVERY_MODULE = frozenset({"run", "doctor"})


def main(arguments: list[str] | None = None) -> int:
    """Run one verb and return its exit code; 78 when a module would be somebody else's, 1 without the daemon."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.path[:] = filter(None, sys.path)  # "" is the working folder, where a host's own components/ may be
    if not os.path.isfile(os.path.join(OURS, "daemon", "cli", "main.py")):
        print(_only_the_client(), file=sys.stderr)
        return NOT_INSTALLED
    everything = not LOOK_UP_EVERY_MODULE.isdisjoint(arguments)
    refusal = _refusal(everything=everything)
    if refusal:
        print(refusal, file=sys.stderr)
        return SOMEBODY_ELSES_FILE
    if everything:
        _warn_of_two_distributions()
    from daemon.cli.main import main as run_verb

    return run_verb(arguments)


def _refusal(*, everything: bool) -> str | None:
    """Why this process must not go on; None when all that it loads is ours."""
    shared_with_others = False
    for name in ("daemon", "daemon.cli"):
        expected = os.path.join(OURS, *name.split("."))
        origin, folders = _where(name)
        if origin is not None or not folders:
            return _somebody_elses(name, expected, origin or "nothing")
        shared_with_others = shared_with_others or not all(_same(folder, expected) for folder in folders)
    return _refusal_module_by_module(everything=everything) if everything or shared_with_others else None


def _refusal_module_by_module(*, everything: bool) -> str | None:
    """The same, module by module, which a floor needs that has a folder of somebody else's beside ours."""
    expected = os.path.join(OURS, "daemon", "import_origins.py")
    origin, _ = _where("daemon.import_origins")
    if origin is None or not _same(origin, expected):
        return _somebody_elses("daemon.import_origins", expected, origin or "nothing")
    from daemon.import_origins import FLOORS, misplaced

    strangers = misplaced(FLOORS if everything else ("daemon",))
    return _somebody_elses(*strangers[0]) if strangers else None


def _where(name: str) -> tuple[str | None, list[str]]:
    """The file that an import of `name` would run (None for a folder without __init__.py) and where its parts lie.

    A parent is imported first; `_refusal` has by then made sure that it is a folder without code.
    """
    parent = name.rpartition(".")[0]
    path = None
    if parent:
        __import__(parent)
        path = list(sys.modules[parent].__path__)
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path)
        if spec is not None:
            return spec.origin, list(spec.submodule_search_locations or ())
    return None, []


def _same(one: str, other: str) -> bool:
    return one == other or os.path.realpath(one) == os.path.realpath(other)


def _somebody_elses(module: str, expected: str, found: str) -> str:
    return (
        f"adaptd: the module '{module}' would come from somebody else's file.\n"
        f"  expected: {expected}\n"
        f"  found:    {found}\n"
        f"{_next_step(found)}"
    )


def _next_step(found: str) -> str:
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if entry and os.path.realpath(found).startswith(os.path.realpath(entry) + os.sep):
            return f"Start adaptd without {entry} in PYTHONPATH."
    return (
        "Install adaptd in an environment of its own, for instance with `pipx install adaptd`; "
        "programs that record feedback need adaptd-client alone."
    )


def _only_the_client() -> str:
    return (
        f"adaptd: the daemon is not installed here; {OURS} holds the client alone, which records feedback.\n"
        "Install `adaptd` in an environment of its own, for instance with `pipx install adaptd`, and call it there."
    )


def _warn_of_two_distributions() -> None:
    from daemon.import_origins import both_distributions

    both = both_distributions()
    if both:
        print(f"adaptd: {both}", file=sys.stderr)
