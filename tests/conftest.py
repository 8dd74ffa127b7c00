"""For all tests: folders of their own, no leaked environment, one hypothesis profile."""

import gc
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests import nvml_sim, ready_schema

# Machines are noisy: no example may fail because it was slow.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow,
                                                                         HealthCheck.function_scoped_fixture])  # fmt: skip
# The gate judges a change: it draws the same examples each time, and fewer of them.
settings.register_profile("gate", settings.get_profile("desk"), max_examples=25, derandomize=True, database=None)
# Where only counts whether a test fails, nobody needs the smallest example.
settings.register_profile("first", settings.get_profile("gate"), phases=(Phase.explicit, Phase.generate))
settings.load_profile("desk")


def pytest_itemcollected(item: pytest.Item) -> None:
    """The short profiles draw a quarter of the examples, also where a test names their number itself."""
    if settings.get_current_profile_name() not in {"gate", "first"}:
        return
    test = getattr(item, "obj", None)
    # Where the decorator puts them, and where a machine of rules has them: hypothesis has no other way to them.
    for holder, name in (
        (getattr(test, "__func__", test), "_hypothesis_internal_use_settings"),
        (getattr(item, "cls", None), "settings"),
    ):
        own = getattr(holder, name, None)
        if isinstance(own, settings) and own is not settings.default and not any(own is one for one in _QUARTERED):
            # What names no number of its own has the profile's, which is a quarter already.
            named = own.max_examples != settings.default.max_examples
            _QUARTERED.append(settings(own, max_examples=max(1, own.max_examples // 4)) if named else own)
            setattr(holder, name, _QUARTERED[-1])


_QUARTERED: list[settings] = []
"""All tests of one function share its settings: none is quartered twice."""

_FOLDERS = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests out of the person's own folders, and the person's settings out of the tests."""
    base = tmp_path_factory.mktemp("home")
    for name in _FOLDERS:
        folder = base / name.removeprefix("XDG_").removesuffix("_HOME").lower()
        folder.mkdir(mode=0o700)
        monkeypatch.setenv(name, str(folder))
    monkeypatch.delenv("MLOPS_DESK_DATA_DIR", raising=False)
    monkeypatch.setenv("MLOPS_DESK_LEASE_DIR", str(base / "leases"))


@pytest.fixture(autouse=True)
def schema_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """New databases of this process are made without migrations; whoever tests these has a fixture of this name."""
    ready_schema.use(monkeypatch)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without a C compiler the tests on the simulated NVML library are skipped, and said so; where CI runs they fail."""
    if item.get_closest_marker("nvml") and not nvml_sim.available() and not os.environ.get("CI"):
        pytest.skip("no C compiler (cc) builds the simulated NVML library here")


def pytest_collection_finish() -> None:
    """Half a million objects of pytest's own live until the end: no collection of garbage needs to walk them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    # A shell starts background programs with SIGINT ignored, and what is ignored here is ignored by all children.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Likewise nohup with SIGHUP: we go on where one comes, but what is handled here is no matter to children.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    # What these tests leave is known for theirs, also where pytest was started by hand (packaging/desk_setup/leftovers.py).
    began = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    os.environ.setdefault("MLOPS_DESK_TEST_RUN", f"{os.getpid()}:{began}")
