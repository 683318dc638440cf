"""What `privacy.redact` names becomes one function; a hook that is wrong is told, at the start or when it fails."""

import hashlib
import sys

import pytest

from daemon.redacting import Identity, RedactionFailed, RedactionUnusable, redactor_of
from tests.test_personal_data import FOUND

TEXT = "bob@x.org, 4111 1111 1111 1111, DE89 3704 0044 0532 0130 00, +49 30 1234567"


@pytest.fixture
def hook(tmp_path):
    """Writes a module beside a configuration and names the function in it."""

    def written(body, name="mask", function="clean"):
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body)
        return f"{name}:{function}"

    return written


def refusal(names, beside):
    with pytest.raises(RedactionUnusable) as refused:
        redactor_of(names, beside)
    assert refused.value.exit_code == 78
    told, _, step = str(refused.value).partition(". ")
    assert step.startswith("Correct config.toml or the module; until then nothing is taken in, and what programs")
    assert step.endswith("record waits in the spool.")
    return told


def failure(names, beside, text):
    with pytest.raises(RedactionFailed) as failed:
        redactor_of(names, beside)(text)
    return str(failed.value)


def test_nothing_named_is_nothing_done():
    """No function at all: it costs nothing."""
    assert redactor_of([], None) is None


def test_the_built_ins_that_are_named_are_applied():
    """The strictest first, in whatever order they are named; the others are not."""
    redact = redactor_of(["phone", "e-mail", "card", "iban"], None)
    assert redact(TEXT) == "[e-mail], [card], [iban], [phone]"
    assert redact.identities == [Identity(name) for name in ("e-mail", "iban", "card", "phone")]
    assert redactor_of(["card"], None)(TEXT) == TEXT.replace("4111 1111 1111 1111", "[card]")
    assert redact("") == ""


@pytest.mark.parametrize("name", sorted(FOUND))
def test_no_text_is_passed_over_that_has_one(name):
    """Texts are looked at more closely only where they may have any."""
    redact = redactor_of([name], None)
    assert {redact(written) for written in FOUND[name]} == {f"[{name}]"}


def test_a_hook_beside_the_configuration_comes_after_them(hook, tmp_path):
    """It sees what they have left; its file and the hash of it say which code it was."""
    name = hook("def clean(text):\n    return text.replace('Ann', '[name]')\n")
    other = hook("def shout(text):\n    return text.upper()\n", "my.masks", "shout")
    redact = redactor_of([name, other, "e-mail"], tmp_path)
    assert redact("Ann is ann@x.org") == "[NAME] IS [E-MAIL]"
    path = tmp_path / "mask.py"
    about = Identity("mask:clean", str(path), hashlib.sha256(path.read_bytes()).hexdigest())
    assert redact.identities[:2] == [Identity("e-mail"), about]
    assert "mask" not in sys.modules


def test_a_hook_may_be_a_package_or_installed():
    """A folder with an __init__.py beside the configuration, or whatever Python finds."""
    redact = redactor_of(["textwrap:dedent"], None)
    assert redact("  x") == "x"
    assert redact.identities[0].file.endswith("textwrap.py")


def test_a_package_beside_the_configuration(hook, tmp_path):
    """Its __init__.py is what is loaded."""
    hook("def clean(text):\n    return 'p'\n", "pack.__init__")
    assert redactor_of(["pack:clean"], tmp_path)("x") == "p"


def test_a_corrected_hook_is_loaded_anew(hook, tmp_path):
    """As a HUP does it."""
    name = hook("def clean(text):\n    return 'old'\n")
    assert redactor_of([name], tmp_path)("x") == "old"
    hook("def clean(text):\n    return 'newer'\n")
    assert redactor_of([name], tmp_path)("x") == "newer"


def test_a_module_that_is_not_there(tmp_path):
    """Where it was looked for is told."""
    expected = f"a module nowhere_at_all beside config.toml ({tmp_path}) or among those installed"
    assert refusal(["nowhere_at_all:clean"], tmp_path) == (
        f"privacy.redact: 'nowhere_at_all:clean': expected {expected}, found No module named 'nowhere_at_all'"
    )
    assert "expected a module nowhere_at_all among those installed" in refusal(["nowhere_at_all:clean"], None)


def test_a_module_that_cannot_be_loaded(hook, tmp_path):
    """With what Python says of it."""
    name = hook("raise RuntimeError('no licence')\n")
    assert refusal([name], tmp_path).endswith(
        "expected a module mask that can be loaded, found RuntimeError: no licence"
    )
    assert "found SyntaxError" in refusal([hook("def clean(:\n")], tmp_path)
    assert "found SystemExit" in refusal([hook("raise SystemExit(3)\n")], tmp_path)


def test_a_function_that_is_not_there(hook, tmp_path):
    """What there is instead is named."""
    name = hook("clean = 3\ndef wash(text): return text\ndef rinse(text): return text\n")
    assert refusal([name], tmp_path).endswith(f"expected a function clean in {tmp_path}/mask.py, found rinse, wash")


def test_a_file_that_everybody_may_write(hook, tmp_path):
    """Its code would run with the daemon's rights."""
    name = hook("def clean(text): return text\n")
    (tmp_path / "mask.py").chmod(0o666)
    path = tmp_path / "mask.py"
    assert refusal([name], tmp_path).endswith(f"expected a file that others may not write ({path}), found mode 0666")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("return None", "returned NoneType"),
        ("return text.encode()", "returned bytes"),
        ("return text * 100_000", "returned 2,200,000 characters for 22"),
        ("return '\\ud800'", "returned half of a surrogate pair"),
        ("raise ValueError(text)", "raised ValueError"),
        ("raise SystemExit(text)", "raised SystemExit"),
        ("return clean(text)", "raised RecursionError"),
    ],
)
def test_a_hook_that_does_not_do_its_work(hook, tmp_path, body, problem):
    """Tried at the start; later it is an error that tells nothing of the text."""
    expected = "expected a function from a text to a text (asked about 'adaptd tries this hook')"
    assert refusal([hook(f"def clean(text):\n    {body}\n")], tmp_path).endswith(f"{expected}, found {problem}")
    later = hook(f"def clean(text):\n    if 'secret' not in text:\n        return text\n    {body}\n")
    secret = "a secret of 22 letters"
    assert failure([later], tmp_path, secret) == (
        f"the redaction 'mask:clean' {problem}, expected a text; nothing of what it was given was stored. "
        "Correct it, then `kill -HUP` the daemon"
    )


def test_a_text_of_a_class_of_its_own_becomes_a_text(hook, tmp_path):
    """What is stored is a plain str."""
    name = hook("class Text(str): pass\ndef clean(text):\n    return Text('x')\n")
    assert type(redactor_of([name], tmp_path)("y")) is str
