"""With `privacy.redact` nothing private gets into the state folder, whichever way it comes and whatever goes wrong."""

import json
import os

import pytest

from daemon import intake as intake_module
from daemon.intake import ASK_FOR_LOCKS_EVERY, IntakeRules
from daemon.main_loop import MainLoop
from daemon.redacting import redactor_of
from tests import made_state
from tests.intake_world import NOW, World, feedback, inline, line, output
from tests.test_running import FEEDBACK, logged, running

SECRETS = ("bob.miller@example.com", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "+49 30 1234567")
ALL = " / ".join(SECRETS)
MARKS = "[e-mail] / [card] / [iban] / [phone]"
BUILT_IN = redactor_of(["e-mail", "phone", "card", "iban"], None)
POISON = "poison"
LIMIT, UNFIT = 4_000, 60_000  # the longest event, and what is not read as a line at all


def hooked(tmp_path):
    """A redaction by a hook that cannot bear one word."""
    (tmp_path / "mask.py").write_text(
        f"def clean(text):\n    if {POISON!r} in text:\n        raise ValueError(text)\n"
        "    return text.replace('Ann', '[name]')\n"
    )
    return redactor_of(["mask:clean"], tmp_path)


def world_of(tmp_path, redact=BUILT_IN, views="slow", **rules):
    state = tmp_path / "state"
    state.mkdir(exist_ok=True)
    rules = IntakeRules(redact=redact, max_event_bytes=LIMIT, commit_events=10, **rules)
    return World(state, rules, views=views)


@pytest.fixture
def world(tmp_path):
    made = world_of(tmp_path)
    yield made
    made.leave_all()
    made.close()


def stored(world):
    """Every byte of the state folder, file names included; the spools of living hosts are not the daemon's."""
    names = b"".join(str(path).encode() for path in world.folder.rglob("*"))
    return names + b"".join(path.read_bytes() for path in world.folder.rglob("*") if path.is_file())


def the_lines():
    """Everything that a host may send: events, wrong ones, calls that it could not use, what is no event at all."""
    texts = {
        "input": ALL,
        "context": {"a": [{ALL: ALL}]},
        "comment": ALL,
        "rationale": ALL,
        "correction": {"x": ALL},
        "tags": [ALL],
    }
    return [
        output(
            "o", input=[{"role": "user", "content": ALL}], output={"text": ALL}, context={"a": ALL}, tags={"t": ALL}
        ),
        inline("i", **texts, verdict="better", compared_with=ALL),
        inline("s", **texts, subject="anna"),
        feedback("early", "not there yet", comment=ALL),
        inline("dup", output=ALL)[:-1] + b',"output":"fine"}',
        inline("bad", score=1000, comment=ALL),
        inline("strange", unheard_of=ALL),
        inline("wrong", thumb=ALL),
        line("rejected", "r", call="record_feedback", field="score", reason=ALL, given={"score": ALL, "comment": ALL}),
        inline("clash", comment="one"),
        inline("clash", comment=ALL),
        f"no JSON: {ALL}".encode(),
        inline("cut", comment=ALL)[:-9],
        b"\xff" + inline("bytes", comment=ALL),
        inline("long", comment="x" * LIMIT + ALL),
        inline("longer", comment=ALL + "x" * UNFIT),
    ]


@pytest.mark.parametrize("door", ["spool", "socket"])
@pytest.mark.parametrize("encrypt", ["subjects", "all"])
def test_nothing_of_it_is_in_the_state_folder(tmp_path, door, encrypt):
    """Log, views, quarantine, keys: the plaintext is nowhere, and nothing that came was passed over."""
    world = world_of(tmp_path, views="real", encrypt=encrypt)
    if door == "spool":
        world.host().write(*the_lines())
        world.host().write_raw(inline("torn", comment=ALL)[:-3])
        assert ALL.encode() in stored(world)  # the spool is the host's
        world.leave_all()
        world.take_all()
    else:
        assert not any(secret in str(outcome) for outcome in world.send(*the_lines()) for secret in SECRETS)
    there = stored(world)
    for secret in SECRETS:
        for spelling in (secret.encode(), json.dumps(secret).encode(), secret.encode("utf-16-le")):
            assert spelling not in there, secret
    assert world.recorded_ids() == ["o", "i", "s", "early", "dup", "clash"]
    assert len(world.quarantined()) == 10 + (door == "spool")
    event = json.loads(world.row("o")["body"] if encrypt == "subjects" else unsealed(world, "o"))
    assert event["output"] == {"text": MARKS}
    world.leave_all()
    world.close()


def unsealed(world, event_id):
    row = world.row(event_id)
    return json.dumps(world.sealing.unseal(row["subject"], row["sealed"], event_id))


def test_what_is_kept_aside_can_still_be_read(world):
    """The marks stand where the numbers stood, and the length is that of what came."""
    raw = inline("bad", score=1000, comment=f"call {SECRETS[3]}", subject="anna")
    world.send(raw)
    (kept,) = world.kept()
    assert kept.length == len(raw)
    assert json.loads(kept.raw) == json.loads(raw) | {"comment": "call [phone]"}


def test_a_retry_is_a_repeat(world):
    """In the same batch, in a later one, sealed or not; other content under the id is not."""
    plain, sealed = inline("a", comment=ALL), inline("b", comment=ALL, subject="anna")
    first = world.send(plain, plain, sealed)
    again = world.send(plain, sealed)
    assert [outcome.repeat for outcome in (*first, *again)] == [False, True, False, True, True]
    assert "other content" in world.send(inline("a", comment=ALL + "!"))[0].error


@pytest.mark.parametrize("subject", [None, "anna"])
def test_a_retry_after_redaction_was_switched_on_is_a_repeat(tmp_path, subject):
    """What was stored as it came, and would be stored redacted now, came once."""
    world = world_of(tmp_path, redact=None)
    sent = inline("a", comment=ALL, **({"subject": subject} if subject else {}))
    world.send(sent)
    world.intake.follow(IntakeRules(redact=BUILT_IN))
    assert world.send(sent)[0].repeat
    assert world.send(inline("a", comment="x", subject=subject or "b"))[0].error
    world.close()


def test_a_retry_after_more_is_redacted_is_a_repeat(tmp_path):
    """What was stored with one redaction, and would be stored with another now."""
    world = world_of(tmp_path, redact=redactor_of(["e-mail"], None))
    world.send(inline("a", comment=ALL))
    world.intake.follow(IntakeRules(redact=BUILT_IN))
    assert world.send(inline("a", comment=ALL))[0].repeat
    world.close()


def test_a_line_that_only_its_redaction_makes_an_event_comes_in(world):
    """A number where a text is expected; it is compared by what would be stored of it."""
    strange = json.dumps(json.loads(inline("a")) | {"comment": 4111111111111111}).encode()
    assert [world.send(strange)[0].repeat for _ in range(2)] == [False, True]
    assert json.loads(world.row("a")["body"])["comment"] == "[card]"


def test_sides_are_drawn_of_what_is_stored(world):
    """Inputs that are the same once redacted are the same input: none is learnt from while the other judges."""
    world.send(*(inline(f"i{n}", input=f"write to user{n}@example.org") for n in range(40)))
    assert len({row["bucket"] for row in world.rows()}) == 1
    assert len({row["side"] for row in world.rows()}) == 1


def test_a_refused_line_is_blanked_whole_in_the_spool(world):
    """It is longer than what would have been stored of it."""
    world.forget("anna")
    host = world.host()
    host.write(inline("a", subject="anna", comment=ALL), inline("b"))
    world.take()
    assert world.recorded_ids() == ["b"]
    (rest,) = [text for text in host.path.read_bytes().split(b"\n") if text]
    assert json.loads(rest)["id"] == "b"


def test_switched_off_the_line_stays_as_it_came(tmp_path):
    """To the byte."""
    world = world_of(tmp_path, redact=None)
    world.send(b' {"kind":"output_recorded/1", "id":"o","output":"bob@example.com"}')
    assert world.row("o")["body"] == ' {"kind":"output_recorded/1", "id":"o","output":"bob@example.com"}'
    world.close()


def test_too_much_to_be_looked_through_is_not_kept(tmp_path, monkeypatch):
    """Neither as a row nor as a file; that something came, where and how long, is known."""
    monkeypatch.setattr(intake_module, "ROW_BYTES", 50_000)
    world = world_of(tmp_path)
    world.host().write(inline("a", comment=ALL + "x" * UNFIT), inline("b"))
    world.take_all()
    (kept,) = world.kept()
    assert (kept.raw, kept.length > UNFIT) == (b"", True)
    assert kept.reason.endswith("; its bytes were not kept: they are too many to be redacted")
    assert not (world.folder / "quarantine").exists()
    assert world.recorded_ids() == ["b"]
    world.leave_all()
    world.close()


class TestAHookThatFails:
    @pytest.fixture
    def world(self, tmp_path):
        made = world_of(tmp_path, hooked(tmp_path))
        yield made
        made.leave_all()
        made.close()

    def test_holds_its_line_back_and_what_comes_after_it(self, world):
        """Nothing is stored and nothing lost; other writers go on, and the order within this one stays."""
        first, other = world.host(1), world.host(2)
        first.write(inline("a", comment="Ann"), inline("b", comment=POISON), inline("c"))
        first.rotate()
        first.write(inline("d"))
        other.write(inline("x"), inline("y"))
        reports = world.take_all()
        assert sorted(world.recorded_ids()) == ["a", "x", "y"]
        place = len(inline("a", comment="Ann")) + 1
        (problem,) = {problem for report in reports for problem in report.problems}
        assert problem == (
            f"spool/{world.path(1, 1).name}: the line at byte {place} waits: the redaction 'mask:clean' raised "
            "ValueError, expected a text; nothing of what it was given was stored. Correct it, then `kill -HUP` the "
            "daemon"
        )
        assert POISON.encode() not in b"".join(path.read_bytes() for path in world.folder.glob("*.db*"))

    def test_is_told_at_every_look_and_asks_for_no_haste(self, world):
        """The daemon does not turn in vain."""
        world.host().write(*(inline(f"p{n}", comment=POISON) for n in range(300)))
        reports = [world.take() for _ in range(2 * ASK_FOR_LOCKS_EVERY)]
        assert all(report.problems for report in reports)
        assert not any(report.more for report in reports)

    def test_that_is_corrected_lets_everything_in(self, world, tmp_path):
        """In order; also files of hosts that have gone, torn ends and lines that are no events."""
        host = world.host(1)
        host.write(inline("b", comment=POISON), b"no event " + POISON.encode(), inline("c"))
        host.write_raw(b'{"torn":"' + POISON.encode() + b'", "and')
        world.leave_all()
        world.take_all()
        assert world.rows() == []
        assert world.spool_names() == [host.path.name]
        (tmp_path / "mask.py").write_text("def clean(text):\n    return text.replace('poison', '[p]')\n")
        world.intake.follow(IntakeRules(redact=redactor_of(["mask:clean"], tmp_path)))
        world.take_all()
        assert world.recorded_ids() == ["b", "c"]
        assert [kept.raw for kept in world.kept()] == [b"no event [p]", b'{"torn":"[p]", "[a torn text]']
        assert world.spool_names() == []

    def test_is_asked_again_now_and_then(self, world, tmp_path):
        """A hook may need something that was away."""
        world.host().write(inline("b", comment=POISON))
        world.take_all()
        world.intake.rules.redact._hooks[0] = (world.intake.rules.redact._hooks[0][0], str.lower)
        world.take_all()
        assert world.recorded_ids() == ["b"]

    def test_holds_back_what_is_torn_or_too_long(self, world):
        """Their bytes would be kept aside."""
        world.host(1).write_raw(b"torn " + POISON.encode())
        world.host(2).write(inline("l", comment=POISON + "x" * UNFIT))
        world.host(3).write(inline("z"))
        world.leave_all()
        world.take_all()
        assert world.recorded_ids() == ["z"]
        assert world.quarantined() == []
        assert len(world.spool_names()) == 2

    def test_is_told_to_who_sent_it_by_the_socket(self, world):
        """Its program keeps the event in its spool; its neighbours are taken in, each with its answer."""
        outcomes = world.send(inline("a"), inline("b", comment=POISON), b"bad", inline("c"))
        assert [outcome.id for outcome in outcomes] == ["a", None, None, "c"]
        assert outcomes[1].error.startswith("not recorded: the redaction 'mask:clean' raised ValueError")
        assert outcomes[2].error.startswith("not one whole JSON object")
        assert world.recorded_ids() == ["a", "c"]

    def test_between_two_looks_ends_the_turn_and_not_the_daemon(self, world, monkeypatch):
        """A hook that changed its mind about a line that was to be kept aside."""
        world.host(1).write_raw(b"torn " + POISON.encode())
        world.leave_all()
        monkeypatch.setattr(world.intake, "_may_be_kept", lambda *_: True)
        report = MainLoop(world.intake, Views(world)).turn(NOW)
        assert report.failure.startswith("the redaction 'mask:clean' raised ValueError")
        assert world.rows() == []
        assert os.listdir(world.spool)


class Views:
    """The world's examples, as a loop asks them to be folded."""

    def __init__(self, world):
        self._world = world

    def catch_up(self, _max_events=None):
        self._world.catch_up()
        return 0


@pytest.fixture
def folder(tmp_path):
    return made_state.init(tmp_path)


def configured(folder, names):
    (folder / "config.toml").write_text(f"[adaptd]\n[privacy]\nredact = {json.dumps(names)}\n")


def test_the_daemon_redacts_and_says_by_what(folder):
    """Its first event names the redactions, and after a HUP the event of that: hooks with the hash of their code."""
    (folder / "mask.py").write_text("def clean(text):\n    return text.replace('Ann', '[name]')\n")
    configured(folder, ["mask:clean"])
    with running(folder) as daemon:
        daemon.ask(FEEDBACK | {"id": "a", "comment": "Ann, ann@x.org"})
        configured(folder, ["e-mail"])
        daemon.tell(1)
        daemon.hear("config reloaded")
        daemon.ask(FEEDBACK | {"id": "b", "comment": "Ann, ann@x.org"})
        assert daemon.end() == 0
    comments = [body["comment"] for body in logged(folder, "feedback_recorded/1")]
    assert comments == ["[name], ann@x.org", "Ann, [e-mail]"]
    (started,), (reloaded,) = logged(folder, "daemon_started/1"), logged(folder, "config_reloaded/1")
    assert [about["name"] for about in started["redact"]] == ["mask:clean"]
    assert started["redact"][0]["file"] == str(folder / "mask.py")
    assert len(started["redact"][0]["sha256"]) == 64
    assert reloaded["redact"] == [{"name": "e-mail", "file": None, "sha256": None}]
    assert reloaded["changed"] == {"privacy.redact": [["mask:clean"], ["e-mail"]]}


def test_a_hup_with_a_hook_that_is_not_there_keeps_the_old(folder):
    """As with any other mistake in the configuration."""
    configured(folder, ["e-mail"])
    with running(folder) as daemon:
        configured(folder, ["nowhere_at_all:clean"])
        daemon.tell(1)
        assert "nowhere_at_all:clean" in daemon.hear("config refused, the old one stays")["reason"]
        daemon.ask(FEEDBACK | {"id": "a", "comment": "ann@x.org"})
        assert daemon.end() == 0
    assert [body["comment"] for body in logged(folder, "feedback_recorded/1")] == ["[e-mail]"]
