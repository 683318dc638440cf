"""What every test has: no configuration of the user's, no cache of theirs to write into, and devices of its own."""

import pytest
from hypothesis import settings

settings.register_profile("no clock", deadline=None)  # a machine that is busy is no failure
settings.load_profile("no clock")


@pytest.fixture(scope="session", autouse=True)
def nobodys_configuration(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("ADAPTD_LEASES", str(home / "leases"))  # tests beside each other do not wait for one CPU
        for name in ("ADAPTD_CONFIG", "ADAPTD_DISABLED"):
            patch.delenv(name, raising=False)
        yield
