"""What `[privacy] redact` names, as one function from text to text: the built-ins, then a host's own hooks.

A hook may be wrong; then nothing of what it was asked about may be stored, so its failing is an error of its own. It
does not know which texts of a line are private: that is `daemon.line_redacting`.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from adaptd.errors import AdaptdError
from daemon.personal_data import EMAIL, IN_ORDER, NUMBERS, WITHOUT, may_have_numbers

LONGEST_GROWTH, SHORT = 16, 1 << 16
"""A hook's text has at most as many times the characters of the one it was given; of a short one, so many."""
TRIED_WITH = "adaptd tries this hook"
Hook = Callable[[str], str]


class RedactionUnusable(AdaptdError):
    """The configuration names a redaction that there is not."""

    exit_code = 78

    def __init__(self, name: str, expected: str, found: str) -> None:
        super().__init__(
            f"privacy.redact: {name!r}: expected {expected}, found {found}. Correct config.toml or the module; until "
            "then nothing is taken in, and what programs record waits in the spool."
        )
        self.name = name


class RedactionFailed(AdaptdError):
    """A hook did not do its work on some text, of which therefore nothing may be stored."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            f"the redaction {name!r} {problem}, expected a text; nothing of what it was given was stored. "
            "Correct it, then `kill -HUP` the daemon"
        )
        self.name = name


class Identity(NamedTuple):
    """Which redaction it is; of a hook also the file that it came from and the hash of what is in it."""

    name: str
    file: str | None = None
    sha256: str | None = None


class Redactor:
    """All redactions of a configuration, one after the other: the built-ins, the strictest first, then the hooks."""

    def __init__(self, builtin: Sequence[str], hooks: Sequence[tuple[Identity, Hook]]) -> None:
        self._without_emails = WITHOUT[EMAIL] if EMAIL in builtin else None
        self._without_numbers = [WITHOUT[name] for name in NUMBERS if name in builtin]
        self._hooks = hooks
        self.may_fail = bool(hooks)
        self.identities = [Identity(name) for name in IN_ORDER if name in builtin] + [about for about, _ in hooks]

    def __call__(self, text: str) -> str:
        """The text without what is private; raises RedactionFailed when a hook fails."""
        if not text:
            return text
        if self._without_emails is not None and "@" in text:
            text = self._without_emails(text)
        if self._without_numbers and may_have_numbers(text):
            for without in self._without_numbers:
                text = without(text)
        for about, hook in self._hooks:
            text = _asked(about.name, hook, text)
        return text


def _asked(name: str, hook: Hook, text: str) -> str:
    """What the hook makes of it. What it says of its failure is not told: it may quote the text."""
    try:
        made: object = hook(text)
    except (Exception, SystemExit) as error:  # noqa: BLE001 whatever a stranger's code may raise
        raise RedactionFailed(name, f"raised {type(error).__name__}") from None
    if not isinstance(made, str):
        raise RedactionFailed(name, f"returned {type(made).__name__}")
    if len(made) > max(SHORT, LONGEST_GROWTH * len(text)):
        raise RedactionFailed(name, f"returned {len(made):,} characters for {len(text):,}")
    if not made.isascii() and not _is_unicode(made):
        raise RedactionFailed(name, "returned half of a surrogate pair")
    return str(made)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def redactor_of(names: Sequence[str], beside: Path | None) -> Redactor | None:
    """What `privacy.redact` asks for, None when it is nothing. Modules are looked for in the folder `beside` first.

    The names are as the settings let them through. Raises RedactionUnusable.
    """
    if not names:
        return None
    hooks = [_loaded(name, beside) for name in names if name not in WITHOUT]
    return Redactor(names, hooks)


def _loaded(name: str, beside: Path | None) -> tuple[Identity, Hook]:
    module_name, _, function_name = name.partition(":")
    module = _module(name, module_name, beside)
    hook = getattr(module, function_name, None)
    if not callable(hook):
        there = sorted(known for known, value in vars(module).items() if callable(value) and not known.startswith("_"))
        raise RedactionUnusable(name, f"a function {function_name} in {module.__file__}", ", ".join(there) or "none")
    _try(name, hook)
    return _identity(name, module), hook


def _module(name: str, module_name: str, beside: Path | None) -> ModuleType:
    """Its own file is loaded anew each time, so that a HUP takes over a corrected one."""
    path = _file_of(module_name, beside)
    try:
        if path is None:
            return importlib.import_module(module_name)
        _refuse_everybodys(name, path)
        spec = importlib.util.spec_from_file_location(f"adaptd_redaction_{module_name.replace('.', '_')}", path)
        assert spec is not None, "it is a file that is there"
        assert spec.loader is not None, "a .py file has a loader"
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except RedactionUnusable:
        raise
    except ModuleNotFoundError as error:
        where = f"beside config.toml ({beside}) or " if beside else ""
        raise RedactionUnusable(name, f"a module {module_name} {where}among those installed", str(error)) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 whatever a stranger's module may raise
        told = f"{type(error).__name__}: {error}"
        raise RedactionUnusable(name, f"a module {module_name} that can be loaded", told) from None
    return module


def _file_of(module_name: str, beside: Path | None) -> Path | None:
    if beside is None:
        return None
    stem = beside.joinpath(*module_name.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


def _refuse_everybodys(name: str, path: Path) -> None:
    """Its code runs with the daemon's rights, on texts before they are redacted."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o002:
        raise RedactionUnusable(name, f"a file that others may not write ({path})", f"mode {mode:04o}")


def _try(name: str, hook: Hook) -> None:
    """At the start rather than at the first event."""
    try:
        _asked(name, hook, TRIED_WITH)
    except RedactionFailed as failed:
        found = str(failed).removeprefix(f"the redaction {name!r} ").partition(", expected")[0]
        raise RedactionUnusable(name, f"a function from a text to a text (asked about {TRIED_WITH!r})", found) from None


def _identity(name: str, module: ModuleType) -> Identity:
    if module.__file__ is None or not os.path.isfile(module.__file__):
        return Identity(name)
    return Identity(name, module.__file__, hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest())
