"""The engines of the settings: named, opened by name and kind, with addresses that may change meanwhile."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.table import EngineEntry, EngineTable, is_here, parse_engines
from mlops_desk.kit.base.errors import Invalid, NotFound, Unavailable
from mlops_desk.kit.base.settings import SETTINGS

LAB = "lab=unix:///run/lab/docker.sock"


def table(host="", others=LAB):
    settings = {"host": host, "others": others}
    return EngineTable(lambda: settings["host"], lambda: settings["others"]), settings


def test_names_kinds_and_addresses_are_read():
    assert parse_engines("") == parse_engines("  ") == ()
    assert parse_engines(f"{LAB}  far=docker:tcp://10.0.0.5:2375 pod=podman:unix:///run/podman/podman.sock") == (
        EngineEntry("lab", "docker", "unix:///run/lab/docker.sock"),
        EngineEntry("far", "docker", "tcp://10.0.0.5:2375"),
        EngineEntry("pod", "podman", "unix:///run/podman/podman.sock"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lab", "names no engine"),
        ("=unix:///x", "names no engine"),
        ("Lab=unix:///x", "names no engine"),
        ("lab=", "is no address"),
        ("lab=/run/docker.sock", "is no address"),
        ("lab=ssh://host", "is no address"),
        ("lab=lxc:unix:///x", "is no kind of engine"),
        (f"{LAB} {LAB}", "Two engines are called lab"),
        ("local=unix:///x", "Two engines are called local"),
        (" ".join(f"e{number}=unix:///x" for number in range(17)), "17 engines are too many"),
        ("lab=unix:///" + "x" * 201, "is no address"),
    ],
)
def test_what_names_no_engine_is_refused(text, said):
    with pytest.raises(Invalid, match=said):
        parse_engines(text)


words = st.text(string.ascii_letters + string.digits + "=:/-. ", max_size=60)


@given(st.one_of(words, st.builds(lambda name, rest: f"{name}=unix:///{rest}", words, words)))
@example("lab=docker:unix:///run/lab.sock")
@example("lab=unix:///x  far=tcp://h:1")
@example("lab=unix:///a=b:c")
@example("a=unix:///x\nb=unix:///y")
def test_the_setting_takes_what_can_be_read_but_for_names_that_come_twice(text):
    setting = next(one for one in SETTINGS if one.key == "engine.others")
    try:
        setting.check(text)
    except Invalid:
        return
    assert _trouble(text) in {"", "twice", "many", "kind"}


def _trouble(text):
    """Say what is wrong with a text, as far as its form alone does not tell."""
    try:
        parse_engines(text)
    except Invalid as error:
        words = {"Two engines": "twice", "too many": "many", "no kind": "kind"}
        return next((word for part, word in words.items() if part in error.message), error.message)
    return ""


def test_the_machines_own_engine_comes_first_and_each_is_opened_once():
    engines, _ = table()
    assert engines.names == ("local", "lab")
    assert isinstance(engines.open("lab"), DockerEngine)
    assert engines.open("lab") is engines.open("lab") is not engines.open("local")
    assert (engines.address("local"), engines.address("lab")) == ("", "unix:///run/lab/docker.sock")
    with pytest.raises(NotFound, match="No engine is called far"):
        engines.open("far")


def test_an_address_that_is_changed_holds_from_the_next_call_on(tmp_path):
    engines, settings = table()
    lab = engines.open("lab")
    settings["others"] = f"lab=unix://{tmp_path}/other.sock"
    with pytest.raises(Unavailable, match=r"other\.sock"):
        lab.info()
    assert f"unix://{tmp_path}/other.sock" in engines.addresses()


def test_of_an_engine_that_is_named_no_more_nothing_is_known():
    """Not even that its containers are gone: else a job there would be told as vanished."""
    engines, settings = table()
    lab = engines.open("lab")
    settings["others"] = ""
    with pytest.raises(Unavailable, match="name no engine lab any more"):
        lab.inspect("mld-x")


def test_a_setting_that_can_not_be_read_leaves_the_machines_own_engine():
    engines, settings = table(others="lab=unix:///x lab=unix:///y")
    assert engines.names == ("local",)
    assert engines.trouble == "Two engines are called lab."
    settings["others"] = LAB
    engines.addresses()
    assert engines.trouble is None


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("", True),
        ("unix:///run/docker.sock", True),
        ("tcp://127.0.0.1:2375", True),
        ("tcp://localhost:2375", True),
        ("http://[::1]:2375", True),
        ("tcp://10.0.0.5:2375", False),
        ("tcp://localhost.example.org:2375", False),
        ("https://127.example.org", False),
    ],
)
def test_whether_an_engine_is_here_is_read_from_its_address(address, here):
    assert is_here(address) is here
