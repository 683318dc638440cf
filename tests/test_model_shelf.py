"""Models are whole or not there, never change unseen, and one link says at once which is in use."""

import os
import subprocess
import sys
import textwrap

import pytest

from daemon.model_shelf import ModelDamaged, NoSuchModel, Shelf


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "run" / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights" * 100)
    (folder / "1_Pooling" / "config.json").write_text("{}")
    (folder / "README.md").write_text("what the library says")
    return folder


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "models" / "support")


def put(shelf, number, source, **card):
    return shelf.put(number, source, {"run": "run-0001"} | card, "# support 1\n")


def test_a_model_lies_there_as_it_was_trained_with_its_card(shelf, source):
    """The model's own files under their own names, ours beside them."""
    told = put(shelf, 1, source, metrics={"accuracy": 0.9})
    path = shelf.path(1)
    assert (path / "model.safetensors").read_bytes() == b"weights" * 100
    assert (path / "README.md").read_text() == "# support 1\n"
    assert (path / "README.model.md").read_text() == "what the library says"
    assert shelf.card(1) == {"run": "run-0001", "metrics": {"accuracy": 0.9}, "model": 1, "hash": told}
    assert shelf.check(1) == told


def test_put_twice_is_put_once(shelf, source):
    """As after a crash between the deed and its event."""
    assert put(shelf, 1, source) == put(shelf, 1, source)
    assert shelf.numbers() == [1]


def test_numbers_are_numbers_and_not_texts(shelf, source):
    """The ten-thousandth comes after the nine-thousandth."""
    for number in (10_000, 9_999, 2):
        put(shelf, number, source)
    assert shelf.numbers() == [2, 9_999, 10_000]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda path: (path / "model.safetensors").write_bytes(b"other"), "model.safetensors is not as it was written"),
        (lambda path: (path / "1_Pooling/config.json").unlink(), "1_Pooling/config.json is gone"),
        (lambda path: (path / "extra.bin").write_bytes(b"x"), "extra.bin, which is not among its files"),
        (lambda path: (path / "manifest.json").write_text("{"), "manifest.json: Expecting"),
        (lambda path: (path / "manifest.json").write_text("[]"), "manifest.json holds list"),
        (lambda path: (path / "manifest.json").write_text("{}"), "a manifest.json that is none of format 1"),
    ],
)
def test_a_folder_that_is_not_as_it_was_put_is_told(shelf, source, change, told):
    """With the file."""
    put(shelf, 1, source)
    change(shelf.path(1))
    with pytest.raises(ModelDamaged) as raised:
        shelf.check(1)
    assert told in str(raised.value)
    assert "adaptd models rollback" in str(raised.value)


def test_a_manifest_that_was_written_for_other_files_is_told(shelf, source):
    """Somebody changed a file and its hash, but not the whole."""
    put(shelf, 1, source)
    manifest = shelf.path(1) / "manifest.json"
    (shelf.path(1) / "1_Pooling/config.json").write_text('{"a": 1}')
    from adaptd.models import hash_of_file

    old = shelf._json(1, "manifest.json")["files"]["1_Pooling/config.json"]
    manifest.write_text(manifest.read_text().replace(old, hash_of_file(str(shelf.path(1) / "1_Pooling/config.json"))))
    with pytest.raises(ModelDamaged, match="whose files do not give its hash"):
        shelf.check(1)


def test_a_model_that_is_not_there_is_told_with_those_that_are(shelf, source):
    """Exit code 4."""
    with pytest.raises(NoSuchModel, match="support: no model 3, there are none yet"):
        shelf.card(3)
    put(shelf, 1, source)
    with pytest.raises(NoSuchModel, match="no model 3, there are 1 to 1") as raised:
        shelf.check(3)
    assert raised.value.exit_code == 4


def test_a_link_out_of_the_folder_is_refused(shelf, source):
    """What a model says to load must lie in it."""
    (source / "weights").symlink_to("/etc/passwd")
    with pytest.raises(ModelDamaged, match="weights, which is no plain file"):
        put(shelf, 1, source)
    assert shelf.numbers() == []


@pytest.mark.parametrize("name", ["card.json", "manifest.json"])
def test_a_file_under_a_name_of_ours_is_refused(shelf, source, name):
    """The model would not be loaded without it, and nobody would know why."""
    (source / name).write_text("{}")
    with pytest.raises(ModelDamaged, match=f"{name}, a name under which adaptd puts a file of its own"):
        put(shelf, 1, source)


def test_a_model_of_another_shelf_is_put_without_what_that_shelf_said(shelf, source):
    """As a base model may be."""
    put(shelf, 1, source)
    shelf.put(2, shelf.path(1), {"run": None}, "# again\n")
    assert shelf.card(2)["run"] is None
    assert shelf.check(2)
    assert (shelf.path(2) / "README.model.md").read_text() == "what the library says"
    assert (shelf.path(1) / "README.md").read_text() == "# support 1\n"


def test_links_say_which_is_in_use_and_are_set_right_by_the_log(shelf, source):
    """As after a crash between a promotion and its swap."""
    for number in (1, 2):
        put(shelf, number, source)
    shelf.point("champion", 1)
    assert shelf.point_as({"champion": 2, "previous": 1}) == ["champion", "previous"]
    assert (shelf.pointed("champion"), shelf.pointed("previous"), shelf.pointed("challenger")) == (2, 1, None)
    assert shelf.point_as({"champion": 2, "previous": 1}) == []
    assert os.path.realpath(shelf.folder / "champion") == str(shelf.path(2))


def test_what_points_elsewhere_points_at_nothing_of_ours(shelf, source):
    """Somebody's own link."""
    put(shelf, 1, source)
    (shelf.folder / "champion").symlink_to("/tmp")
    assert shelf.pointed("champion") is None
    assert shelf.point_as({"champion": 1}) == ["champion"]


def test_a_reader_always_finds_a_champion_while_links_are_swapped(shelf, source):
    """Ten thousand looks during three thousand swaps."""
    for number in (1, 2):
        put(shelf, number, source)
    shelf.point("champion", 1)
    look = textwrap.dedent(
        """
        import os, sys
        print("ready", flush=True)
        missed = sum(not os.path.exists(sys.argv[1] + "/model.safetensors") for _ in range(10_000))
        print(missed)
        """
    )
    words = [sys.executable, "-c", look, str(shelf.folder / "champion")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "ready\n"
        for swap in range(3000):
            shelf.point("champion", 1 + swap % 2)
        assert reader.communicate()[0] == "0\n"


def test_what_a_killed_process_left_is_cleaned(shelf, source):
    """Half a model is none, and half a swap neither."""
    put(shelf, 1, source)
    (shelf.folder / ".0002.new").mkdir()
    (shelf.folder / ".0009.gone").mkdir()
    (shelf.folder / ".champion.link").symlink_to("0001")
    shelf.clean()
    assert sorted(path.name for path in shelf.folder.iterdir()) == ["0001"]


def test_a_removed_model_is_gone(shelf, source):
    """And only that one."""
    for number in (1, 2):
        put(shelf, number, source)
    shelf.remove(1)
    shelf.remove(1)
    assert shelf.numbers() == [2]
