"""Subjects, their keys, and what can be read once a key is gone."""

import os
import resource
import signal
import sqlite3
import stat
import traceback
from contextlib import closing

import pytest

from daemon.clock_and_chance import SeededChance
from daemon.sealing import KeysMissing, Sealing, SubjectForgotten

PRIVATE = {"comment": "the plaintext of a secret", "tags": ["a", "b"], "context": {"n": 1.5, "none": None}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.db"


@pytest.fixture
def sealing(path):
    with closing(Sealing.open(path, SeededChance(1))) as made:
        yield made


def reopened(path, seed=2):
    return closing(Sealing.open(path, SeededChance(seed)))


def destroy(path, subject):
    """What forgetting does to the keys: every key that the subject owns goes, and its mark stays."""
    with reopened(path) as sealing:
        mark = sealing.mark_of(subject)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("INSERT INTO forgotten VALUES (?, 1)", (mark,))
        owned = "SELECT pseudonym FROM owners WHERE subject = ?"
        connection.execute(f"INSERT INTO destroyed {owned}", (subject,))
        connection.execute(f"DELETE FROM keys WHERE pseudonym IN ({owned})", (subject,))
        connection.execute(f"DELETE FROM owners WHERE pseudonym IN ({owned}) OR subject = ?", (subject, subject))


class TestSealing:
    def test_what_is_sealed_can_be_opened(self, sealing):
        """The same fields come back."""
        pseudonym = sealing.pseudonym_of("alice")
        assert sealing.unseal(pseudonym, sealing.seal(pseudonym, PRIVATE, "e-1"), "e-1") == PRIVATE

    def test_the_same_text_is_never_sealed_the_same(self, sealing):
        """Each sealing has its own nonce, so equal texts cannot be told to be equal."""
        pseudonym = sealing.pseudonym_of("alice")
        sealed = {sealing.seal(pseudonym, PRIVATE, "e-1") for _ in range(50)}
        assert len(sealed) == 50
        assert len({one[:12] for one in sealed}) == 50

    def test_it_opens_only_as_part_of_its_event(self, sealing):
        """Under another event's id it is not what was sealed."""
        pseudonym = sealing.pseudonym_of("alice")
        assert sealing.unseal(pseudonym, sealing.seal(pseudonym, PRIVATE, "e-1"), "e-2") is None

    def test_it_opens_only_under_its_key(self, sealing):
        """Another subject's key does not open it."""
        alice, bob = sealing.pseudonym_of("alice"), sealing.pseudonym_of("bob")
        assert sealing.unseal(bob, sealing.seal(alice, PRIVATE, "e-1"), "e-1") is None

    @pytest.mark.parametrize("place", [0, 11, 12, 30, -1])
    def test_changed_bytes_do_not_open(self, sealing, place):
        """One bit anywhere: nonce, text or tag."""
        pseudonym = sealing.pseudonym_of("alice")
        sealed = bytearray(sealing.seal(pseudonym, PRIVATE, "e-1"))
        sealed[place] ^= 1
        assert sealing.unseal(pseudonym, bytes(sealed), "e-1") is None

    @pytest.mark.parametrize("length", [0, 5, 12, 20, 27])
    def test_cut_bytes_do_not_open(self, sealing, length):
        """Too few bytes are damage like any other."""
        pseudonym = sealing.pseudonym_of("alice")
        sealed = sealing.seal(pseudonym, PRIVATE, "e-1")
        assert sealing.unseal(pseudonym, sealed[:length], "e-1") is None

    def test_a_digest_is_the_keys_own(self, sealing):
        """Equal contents have equal digests under one key, and others under another."""
        alice, bob = sealing.pseudonym_of("alice"), sealing.pseudonym_of("bob")
        assert sealing.digest(alice, b"content") == sealing.digest(alice, b"content")
        assert sealing.digest(alice, b"content") != sealing.digest(bob, b"content")
        assert sealing.digest(alice, b"content") != sealing.digest(alice, b"other")
        assert (len(sealing.digest(alice, b"x")), len(sealing.digest(alice, b"x", 8))) == (16, 8)


class TestPseudonyms:
    def test_every_subject_has_its_own_for_ever(self, path, sealing):
        """Different for different subjects, the same for the same, also after reopening."""
        subjects = [f"subject-{number}" for number in range(300)]
        made = [sealing.pseudonym_of(subject) for subject in subjects]
        assert len(set(made)) == 300
        assert all(0 < pseudonym < 2**63 for pseudonym in made)
        sealing.commit()
        with reopened(path) as again:
            assert [again.pseudonym_of(subject) for subject in subjects] == made

    def test_it_says_nothing_of_the_subject(self, tmp_path):
        """Two folders know the same subject under different numbers."""
        made = set()
        for seed in (1, 2):
            with closing(Sealing.open(tmp_path / f"{seed}.db", SeededChance(seed))) as sealing:
                made.add(sealing.pseudonym_of("alice"))
        assert len(made) == 2

    def test_names_differ_by_every_character(self, sealing):
        """Case, spaces, Unicode form and NUL make another subject."""
        names = ["a", "A", "a ", "é", "e\u0301", "a\0", "a\0b"]
        assert len({sealing.pseudonym_of(name) for name in names}) == len(names)

    def test_more_subjects_than_are_remembered_keep_their_numbers(self, sealing, monkeypatch):
        """When what is remembered is emptied, the file is asked."""
        monkeypatch.setattr(Sealing, "_KNOWN_AT_MOST", 3)
        made = [sealing.pseudonym_of(str(number)) for number in range(10)]
        assert [sealing.pseudonym_of(str(number)) for number in range(10)] == made

    def test_an_early_key_belongs_to_nobody_yet(self, path, sealing):
        """Each early feedback has a key of its own, which its output's subject adopts."""
        early, other = sealing.pseudonym_for_early(), sealing.pseudonym_for_early()
        assert early != other
        sealed = sealing.seal(early, PRIVATE, "e-1")
        sealing.adopt(early, "alice")
        assert sealing.pseudonym_of("alice") not in (early, other)
        sealing.commit()
        destroy(path, "alice")
        with reopened(path) as again:
            assert again.unseal(early, sealed, "e-1") is None
            assert again.unseal(other, again.seal(other, PRIVATE, "e-2"), "e-2") == PRIVATE

    def test_adopting_twice_changes_nothing(self, path, sealing):
        """A repeat of the output adopts again."""
        early = sealing.pseudonym_for_early()
        sealing.adopt(early, "alice")
        sealing.adopt(early, "alice")
        sealing.commit()
        assert owners(path) == {("alice", early)}

    def test_feedback_on_anothers_output_has_both_as_owners(self, path, sealing):
        """One key beside the output's for each judge; the output's own subject needs none."""
        alice = sealing.pseudonym_of("alice")
        beside = sealing.pseudonym_beside(alice, "bob")
        assert beside not in (alice, sealing.pseudonym_of("bob"))
        assert sealing.pseudonym_beside(alice, "bob") == beside
        assert sealing.pseudonym_beside(alice, "carol") != beside
        assert sealing.pseudonym_beside(alice, "alice") == alice
        sealing.commit()
        assert {subject for subject, pseudonym in owners(path) if pseudonym == beside} == {"alice", "bob"}

    @pytest.mark.parametrize("leaving", ["alice", "bob"])
    def test_either_owner_takes_the_key_along(self, path, sealing, leaving):
        """What bob said of alice's output goes when either of them goes; the other's own key stays."""
        alice, bob = sealing.pseudonym_of("alice"), sealing.pseudonym_of("bob")
        beside = sealing.pseudonym_beside(alice, "bob")
        sealed = sealing.seal(beside, PRIVATE, "e-1")
        sealing.commit()
        destroy(path, leaving)
        with reopened(path) as again:
            assert again.unseal(beside, sealed, "e-1") is None
            staying = bob if leaving == "alice" else alice
            assert again.digest(staying, b"still there")

    def test_who_adopts_an_output_owns_what_others_said_of_it_before(self, path, sealing):
        """Bob judged an output before it came; once it turns out to be alice's, her leaving takes his words along."""
        early = sealing.pseudonym_for_early()
        beside = sealing.pseudonym_beside(early, "bob")
        sealing.adopt(early, "alice")
        sealing.commit()
        assert {subject for subject, pseudonym in owners(path) if pseudonym == beside} == {"alice", "bob"}

    def test_an_adopted_key_is_the_adopters(self, sealing):
        """After adopting, the subject's own feedback lies under the early key itself."""
        early = sealing.pseudonym_for_early()
        sealing.adopt(early, "alice")
        assert sealing.pseudonym_beside(early, "alice") == early


class TestForgotten:
    def test_without_its_key_nothing_opens(self, path, sealing):
        """Sealed texts stay sealed, and what would be keyed anew is refused."""
        alice = sealing.pseudonym_of("alice")
        sealed = sealing.seal(alice, PRIVATE, "e-1")
        sealing.commit()
        destroy(path, "alice")
        with reopened(path) as again:
            assert again.unseal(alice, sealed, "e-1") is None
            refusals = (lambda: again.seal(alice, PRIVATE, "e-2"), lambda: again.digest(alice, b"x"))
            for refused in refusals:
                with pytest.raises(SubjectForgotten) as told:
                    refused()
                assert str(told.value) == (
                    "the output's subject was forgotten; expected no more feedback on this output"
                )

    def test_a_forgotten_subject_is_refused(self, path, sealing):
        """Its name is known by a mark; the error does not say it."""
        sealing.pseudonym_of("alice")
        bob = sealing.pseudonym_of("bob")
        early = sealing.pseudonym_for_early()
        sealing.commit()
        destroy(path, "alice")
        with reopened(path) as again:
            refusals = (
                lambda: again.pseudonym_of("alice"),
                lambda: again.adopt(early, "alice"),
                lambda: again.pseudonym_beside(bob, "alice"),
            )
            for refused in refusals:
                with pytest.raises(SubjectForgotten) as told:
                    refused()
                assert str(told.value) == "the event's subject was forgotten; expected no more events of this subject"
            again.commit()
            assert again.pseudonym_of("bob") == bob
        assert not [subject for subject, _ in owners(path) if subject == "alice"]

    def test_the_mark_is_the_folders_own(self, tmp_path):
        """Two folders mark the same subject differently: a mark cannot be looked up elsewhere."""
        marks = set()
        for seed in (1, 2):
            with closing(Sealing.open(tmp_path / f"{seed}.db", SeededChance(seed))) as sealing:
                marks.add(sealing.mark_of("alice"))
        assert len(marks) == 2

    def test_neither_name_nor_key_is_left_in_the_file(self, path, sealing):
        """After deletion the file's bytes hold no trace; a sealed text was never in it."""
        alice = sealing.pseudonym_of("alice-of-wonderland")
        sealing.seal(alice, PRIVATE, "e-1")
        key = sealing._read_key(alice)
        sealing.commit()
        before = path.read_bytes()
        assert (b"alice-of-wonderland" in before, key in before) == (True, True)
        assert b"plaintext" not in before
        destroy(path, "alice-of-wonderland")
        after = path.read_bytes()
        assert (b"alice-of-wonderland" in after, key in after) == (False, False)
        assert list(path.parent.iterdir()) == [path]


class TestKeeping:
    def test_only_the_daemons_user_may_read_it(self, path):
        """The file is 0600 whatever the umask, and again after somebody made it wider."""
        before = os.umask(0)
        try:
            Sealing.open(path, SeededChance(1)).close()
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        Sealing.open(path, SeededChance(1)).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_its_settings_leave_nothing_beside_it(self, sealing):
        """No WAL, secure deletion, a full sync."""
        names = ("journal_mode", "secure_delete", "synchronous")
        settings = [sealing._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
        assert settings == ["delete", 1, 2]

    def test_new_keys_are_nobodys_before_the_commit(self, path, sealing):
        """Another reader sees them only after commit."""
        alice = sealing.pseudonym_of("alice")
        sealed = sealing.seal(alice, PRIVATE, "e-1")
        with closing(Sealing.open_read_only(path)) as reader:
            assert reader.unseal(alice, sealed, "e-1") is None
        sealing.commit()
        with closing(Sealing.open_read_only(path)) as reader:
            assert reader.unseal(alice, sealed, "e-1") == PRIVATE

    def test_keys_that_were_not_committed_can_be_taken_back(self, path, sealing):
        """After a rollback the subject is unknown again, and so is its key."""
        kept = sealing.pseudonym_of("kept")
        sealing.commit()
        lost = sealing.pseudonym_of("lost")
        sealing.adopt(sealing.pseudonym_for_early(), "kept")
        sealing.rollback()
        with pytest.raises(KeysMissing):
            sealing.seal(lost, PRIVATE, "e-1")
        assert sealing.pseudonym_of("kept") == kept
        assert sealing.pseudonym_of("lost") != lost
        sealing.commit()
        assert len(owners(path)) == 2

    def test_keys_of_a_killed_daemon_never_were(self, path):
        """What was not committed is gone after the connection went."""
        first = Sealing.open(path, SeededChance(1))
        first.pseudonym_of("alice")
        first.close()
        with reopened(path) as again:
            assert owners(path) == set()
            assert again.pseudonym_of("alice")

    def test_a_failed_commit_leaves_no_key_remembered(self, path, sealing):
        """Somebody reads the file, so the commit cannot have it: a subject's next event must make its key anew."""
        sealing._connection.execute("PRAGMA busy_timeout=20")
        lost = sealing.pseudonym_of("alice")
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM keys").fetchall()
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                sealing.commit()
        with pytest.raises(KeysMissing):
            sealing.seal(lost, PRIVATE, "e-1")
        alice = sealing.pseudonym_of("alice")
        sealing.commit()
        assert owners(path) == {("alice", alice)}

    def test_a_full_disk_leaves_no_key_remembered(self, path):
        """Whatever was told of keys since the last commit is taken back with them: none is used that is not on disk."""
        in_child_with_small_files(path, self.use_keys_on_a_full_disk)
        with reopened(path) as sealing:
            for subject, pseudonym in owners(path):
                assert sealing.pseudonym_of(subject) == pseudonym
                assert sealing.digest(pseudonym, b"x")

    @staticmethod
    def use_keys_on_a_full_disk(sealing):
        used = {}
        failures = 0
        while failures < 3:
            before = dict(used)
            try:
                for _ in range(200):
                    subject = f"subject-{len(used)}-" + "x" * 150
                    used[subject] = sealing.pseudonym_of(subject)
                sealing.commit()
            except sqlite3.OperationalError:
                failures += 1
                for subject in used.keys() - before.keys():
                    assert subject not in sealing._known
                used = before
        for subject, pseudonym in used.items():
            assert sealing.pseudonym_of(subject) == pseudonym

    def test_a_reader_makes_no_keys(self, path, sealing):
        """Opened for reading it does not seal."""
        sealing.pseudonym_of("alice")
        sealing.commit()
        with closing(Sealing.open_read_only(path)) as reader:
            assert reader.pseudonym_of("alice") == sealing.pseudonym_of("alice")
            with pytest.raises(AssertionError, match="opened for reading"):
                reader.pseudonym_of("bob")


def owners(path):
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT subject, pseudonym FROM owners"))


def in_child_with_small_files(path, work):
    """Runs `work(sealing)` in a process whose files may not grow beyond 200 kB."""
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
            with closing(Sealing.open(path, SeededChance(1))) as sealing:
                work(sealing)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
