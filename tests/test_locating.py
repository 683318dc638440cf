import os
import time

import pytest

from adaptd import locating
from adaptd.errors import AdaptdError, ConfigUnreadable, NotConfigured
from adaptd.locating import find, read_table
from tests.spooled_lines import output_of

OURS = '[adaptd]\nstate_dir = "kept"\n'


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Folders of a project, of a user and of the system, none of them configured."""
    monkeypatch.setattr(locating, "SYSTEM_CONFIG", str(tmp_path / "etc" / "config.toml"))
    environ = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    (tmp_path / "project" / "deep" / "down").mkdir(parents=True)
    return tmp_path, environ


def write(path, text=OURS, *, settled=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if settled:
        os.utime(path, (time.time() - 60, time.time() - 60))
    return path


def found(world, config=None, state_dir=None, **environ):
    root, base = world
    place = find(config, state_dir, environ=base | environ, cwd=str(root / "project" / "deep" / "down"))
    return place.config_path, place.state_dir


def test_the_order_of_the_lookup(world):
    """config=, state_dir=, ADAPTD_CONFIG, the nearest config.toml, the user's, the system's: the first one there is."""
    root, _ = world
    system = write(root / "etc" / "config.toml")
    assert found(world) == (str(system), str(system.parent / "kept"))
    user = write(root / "home" / ".config" / "adaptd" / "config.toml")
    assert found(world)[0] == str(user)
    xdg = write(root / "xdg" / "adaptd" / "config.toml")
    assert found(world, XDG_CONFIG_HOME=str(root / "xdg"))[0] == str(xdg)
    above = write(root / "project" / "config.toml")
    assert found(world)[0] == str(above)
    nearest = write(root / "project" / "deep" / "config.toml")
    assert found(world)[0] == str(nearest)
    named = write(root / "named.toml")
    assert found(world, ADAPTD_CONFIG=str(named))[0] == str(named)
    assert found(world, state_dir=root / "mine", ADAPTD_CONFIG=str(named)) == (None, str(root / "mine"))
    asked = write(root / "asked.toml")
    assert found(world, config=asked, state_dir=root / "mine", ADAPTD_CONFIG=str(named))[0] == str(asked)


def test_the_place_says_why_it_was_chosen(world):
    """`why` is for the one who wonders."""
    root, environ = world
    write(root / "project" / "config.toml")
    assert find(environ=environ, cwd=str(root / "project")).why == "nearest config.toml"
    assert find(state_dir="x", environ=environ).why == "state_dir="


def test_another_programs_config_is_passed_over(world):
    """A config.toml without an [adaptd] table, or of broken TOML that does not speak of adaptd, is not ours."""
    root, _ = world
    write(root / "project" / "deep" / "down" / "config.toml", "[other]\n")
    write(root / "project" / "deep" / "config.toml", "not = = toml")
    ours = write(root / "project" / "config.toml")
    assert found(world)[0] == str(ours)
    ours.unlink()
    with pytest.raises(NotConfigured, match=r"down/config\.toml \(it has no \[adaptd\] table\); /\S+deep/config"):
        found(world)


def test_a_broken_config_of_ours_is_not_passed_over(world):
    """Recording elsewhere in silence would be worse: the file and the line are named."""
    root, _ = world
    write(root / "project" / "config.toml", '[adaptd]\nstate_dir = "kept\n')
    with pytest.raises(ConfigUnreadable, match=r"project/config\.toml \(nearest config\.toml\): .*line 2.*Correct it"):
        found(world)


BROKEN_BELOW = '[adaptd]  # ours\nstate_dir = "kept"\n\n[night]\nwindow = 01:00\n'


def test_a_broken_config_still_says_where_to_record(world):
    """The state folder is known where another table is broken; where [adaptd] is or stands twice, it is not."""
    root, _ = world
    path = write(root / "project" / "config.toml", BROKEN_BELOW)
    known = {
        BROKEN_BELOW: str(path.parent / "kept"),
        "[night]\nwindow = 01:00\n[adaptd]\n": str(path.parent / "state"),
        "[adaptd]\nstate_dir = kept\n": None,
        f"{BROKEN_BELOW}[adaptd]\n": None,
        "[adaptd.more]\na = b\n": None,
    }
    for text, expected in known.items():
        write(path, text)
        for asked in ({}, {"config": path}):
            with pytest.raises(ConfigUnreadable, match="Correct it at that line") as caught:
                found(world, **asked)
            assert caught.value.state_dir == expected, text


def test_a_config_that_was_asked_for_must_be_there(world):
    """A missing one is named with the way in which it was asked for."""
    root, _ = world
    with pytest.raises(ConfigUnreadable, match=r"gone\.toml \(named by ADAPTD_CONFIG\): No such file.*adaptd init"):
        found(world, ADAPTD_CONFIG=str(root / "gone.toml"))
    with pytest.raises(ConfigUnreadable, match=r"gone\.toml \(asked for by config=\)"):
        found(world, config=root / "gone.toml")


def test_a_state_dir_that_is_no_path_is_refused(world):
    """The value is shown with what was expected."""
    root, _ = world
    write(root / "project" / "config.toml", "[adaptd]\nstate_dir = 7\n")
    with pytest.raises(ConfigUnreadable, match=r"\[adaptd\] state_dir = 7\. Give it a folder"):
        found(world)


def test_the_state_folder_is_beside_the_config_by_default(world):
    """Relative paths are relative to the config; absolute ones and ~ stay what they are."""
    root, _ = world
    config = write(root / "project" / "config.toml", "[adaptd]\n")
    assert found(world)[1] == str(config.parent / "state")
    write(config, '[adaptd]\nstate_dir = "../elsewhere"\n')
    assert found(world)[1] == str(root / "elsewhere")
    write(config, '[adaptd]\nstate_dir = "/var/lib/adaptd"\n')
    assert found(world)[1] == "/var/lib/adaptd"


def test_nothing_configured_names_every_place(world):
    """The error says where was looked and what to do."""
    root, _ = world
    with pytest.raises(NotConfigured) as raised:
        found(world)
    assert isinstance(raised.value, AdaptdError)
    for place in ("ADAPTD_CONFIG", str(root / "project" / "deep" / "down"), "home/.config/adaptd", "etc/config.toml"):
        assert place in str(raised.value)
    assert "adaptd init" in str(raised.value)


def test_a_removed_working_folder_is_passed_over(world, monkeypatch):
    """The user's and the system's folders are still looked at."""
    _, environ = world
    monkeypatch.setattr(os, "getcwd", lambda: (_ for _ in ()).throw(FileNotFoundError()))
    with pytest.raises(NotConfigured, match="the working folder \\(it is gone\\)"):
        find(environ=environ)


def cached_files(root):
    return list((root / "cache" / "adaptd").glob("*")) if (root / "cache" / "adaptd").exists() else []


def test_a_config_that_did_not_change_is_read_from_the_cache(world, monkeypatch):
    """The second reading parses no TOML and gives the same table."""
    root, environ = world
    path = write(root / "config.toml", OURS + '[intake]\nmax_event_bytes = 5\nname = "é\\n"\nlist = [1, 2.5, true]\n')
    first = read_table(str(path), environ=environ)
    assert len(cached_files(root)) == 1
    monkeypatch.setattr(locating, "_parsed", lambda path: pytest.fail("it was parsed again"))
    assert read_table(str(path), environ=environ) == first


@pytest.mark.parametrize("change", ["content", "time", "other file"])
def test_a_changed_config_is_parsed_again(change, world):
    """Time, size and inode tell a changed file."""
    root, environ = world
    path = write(root / "config.toml", '[adaptd]\nstate_dir = "one"\n')
    read_table(str(path), environ=environ)
    if change == "content":
        path.write_text('[adaptd]\nstate_dir = "three"\n')
    elif change == "time":
        path.write_text('[adaptd]\nstate_dir = "two"\n')
    else:
        before = path.stat()
        other = write(root / "other.toml", '[adaptd]\nstate_dir = "two"\n')
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(path)
    assert read_table(str(path), environ=environ)["adaptd"]["state_dir"] in ("two", "three")


def test_a_config_written_this_instant_is_not_cached(world):
    """It may be written again within one tick of its time stamp."""
    root, environ = world
    read_table(str(write(root / "config.toml", settled=False)), environ=environ)
    assert cached_files(root) == []


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"stamp":1}', b"\xff\xfe", b"null", b'{"stamp":[],"table":{}} x']
)
def test_a_damaged_cache_is_no_harm(damage, world):
    """Whatever stands in it, the TOML counts."""
    root, environ = world
    path = write(root / "config.toml")
    read_table(str(path), environ=environ)
    cached_files(root)[0].write_bytes(damage)
    assert read_table(str(path), environ=environ) == {"adaptd": {"state_dir": "kept"}}


def test_a_cache_that_cannot_be_written_is_no_harm(world):
    """The file is parsed each time, and nothing is left lying about."""
    root, environ = world
    (root / "cache").write_text("a file where a folder should be")
    path = write(root / "config.toml")
    assert read_table(str(path), environ=environ) == read_table(str(path), environ=environ)


def test_a_table_that_json_cannot_carry_is_not_cached(world):
    """A TOML date would come back as text."""
    root, environ = world
    path = write(root / "config.toml", OURS + "since = 2026-01-02\n")
    assert read_table(str(path), environ=environ)["adaptd"]["since"].year == 2026
    assert cached_files(root) == []


def test_the_cached_path_imports_no_toml_reader(world):
    """tomllib costs most of a bare start of Python, json more than half."""
    root, environ = world
    path = write(root / "config.toml")
    program = (
        "import sys; from adaptd.locating import find; find(sys.argv[1]);"
        "print([name for name in ('tomllib', 'json', 're', 'hashlib', 'pathlib') if name in sys.modules])"
    )
    environ = {"XDG_CACHE_HOME": environ["XDG_CACHE_HOME"], "PYTHONNOUSERSITE": "1"}
    first, second = (output_of(program, path, env=environ, isolated=True) for _ in range(2))
    assert "tomllib" in first
    assert second == "[]\n"


def test_an_edit_that_sets_its_time_back_is_seen(tmp_path, monkeypatch):
    """Same size, same file, same time of change as before: only the time that nobody can set tells."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = tmp_path / "config.toml"
    config.write_text('[adaptd]\nstate_dir = "one"\n')
    before = config.stat()
    time.sleep(0.1)  # until it counts as settled, and so that ctime moves on
    assert find(str(config)).state_dir.endswith("one")
    config.write_text('[adaptd]\nstate_dir = "two"\n')
    os.utime(config, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert find(str(config)).state_dir.endswith("two")


# The environment


def test_a_variable_counts_before_the_file(world):
    """A relative folder is beside the file all the same, so that every process means the same one."""
    root, environ = world
    config = write(root / "project" / "config.toml")
    assert found(world, ADAPTD__ADAPTD__STATE_DIR="other")[1] == str(config.parent / "other")
    assert found(world, ADAPTD__ADAPTD__STATE_DIR="/srv/x") == (str(config), "/srv/x")
    place = find(config, environ=environ | {"ADAPTD__LOG__DURABILITY": "normal"})
    assert place.table == {"adaptd": {"state_dir": "kept"}, "log": {"durability": "normal"}}
    mine = find(state_dir="/mine", environ={"ADAPTD__ADAPTD__STATE_DIR": "/x", "ADAPTD__INTAKE__COMMIT_EVENTS": "5"})
    assert (mine.state_dir, mine.table["intake"]) == ("/mine", {"commit_events": 5})


def test_a_variable_alone_is_a_place(world):
    """Where no config.toml is found, as in a container; a relative folder would be another one for every process."""
    root, base = world
    place = find(environ=base | {"ADAPTD__ADAPTD__STATE_DIR": "/srv/x"}, cwd=str(root / "project"))
    assert (place.config_path, place.state_dir) == (None, "/srv/x")
    assert place.why == "environment ADAPTD__ADAPTD__STATE_DIR"
    assert found(world, ADAPTD__ADAPTD__STATE_DIR="~/x")[1] == os.path.expanduser("~/x")
    for wrong in ("x", "5"):
        with pytest.raises(ConfigUnreadable, match=r"environment ADAPTD__ADAPTD__STATE_DIR: adaptd\.state_dir .no c"):
            found(world, ADAPTD__ADAPTD__STATE_DIR=wrong)


def test_a_wrong_variable_is_named(world):
    """Not the file, which says nothing wrong."""
    root, _ = world
    write(root / "project" / "config.toml")
    with pytest.raises(ConfigUnreadable, match=r"environment ADAPTD__ADAPTD__STATE_DIR: \[adaptd\] state_dir = 7\. "):
        found(world, ADAPTD__ADAPTD__STATE_DIR="7")


def test_a_config_that_is_nested_beyond_all_measure_is_told(world):
    """tomllib gives up with an error of its own."""
    root, _ = world
    write(root / "project" / "config.toml", "[adaptd]\na = " + "[" * 9000)
    with pytest.raises(ConfigUnreadable, match="nested too deeply"):
        found(world)
