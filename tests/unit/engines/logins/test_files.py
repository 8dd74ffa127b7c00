"""What docker login leaves behind is found by the rules of docker and Podman; what does not fit is passed over."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.logins.files import answered, helpers, places, registry_of, written


def auth(text):
    return {"auth": base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        ("python", "docker.io"), ("python:3.12", "docker.io"), ("lab/tool:1", "docker.io"),
        ("docker.io/lab/tool", "docker.io"), ("index.docker.io/lab/tool", "docker.io"),
        ("hub.lab/tool", "hub.lab"), ("hub.lab:5000/a/b/c:1", "hub.lab:5000"), ("localhost/x", "localhost"),
        ("hub.lab/tool@sha256:abc", "hub.lab"), ("localhost:5000", "docker.io"), ("", "docker.io"),
    ],
)  # fmt: skip
def test_the_registry_is_read_as_docker_reads_it(reference, registry):
    assert registry_of(reference) == registry


def test_the_closest_entry_goes_first():
    assert places("hub.lab:5000/a/b:1")[:3] == ("hub.lab:5000/a/b", "hub.lab:5000/a", "hub.lab:5000")
    assert "https://hub.lab:5000/v2/" in places("hub.lab:5000/a/b:1")
    assert places("lab/tool:1")[:3] == ("docker.io/lab/tool", "docker.io/lab", "https://index.docker.io/v1/")
    assert places("docker.io/lab/tool@sha256:abc")[0] == "docker.io/lab/tool"
    config = {"auths": {"hub.lab": auth("all:1"), "hub.lab/team": auth("team:2")}}
    assert written(config, "hub.lab/team/x:1") == RegistryLogin("hub.lab", "team", "2")
    assert written(config, "hub.lab/teams/x:1") == RegistryLogin("hub.lab", "all", "1")
    assert written(config, "other.lab/team/x") is None


def test_logins_of_the_hub_stand_under_its_old_name():
    config = {"auths": {"https://index.docker.io/v1/": auth("ada:p:w")}}
    assert written(config, "python:3") == RegistryLogin("docker.io", "ada", "p:w")
    assert written({"auths": {"https://hub.lab/v2/": auth("ada:pw")}}, "hub.lab/x").user == "ada"


def test_tokens_stand_for_both():
    config = {"auths": {"hub.lab": {"identitytoken": "t"}}}
    assert written(config, "hub.lab/x") == RegistryLogin("hub.lab", identity_token="t")
    assert answered("hub.lab/x", {"Username": "<token>", "Secret": "t"}) == RegistryLogin("hub.lab", identity_token="t")
    assert answered("hub.lab/x", {"Username": "ada", "Secret": "s"}) == RegistryLogin("hub.lab", "ada", "s")


def test_the_registrys_own_helper_goes_before_the_one_for_all():
    config = {
        "credHelpers": {"hub.lab": "cloud"},
        "credsStore": "desktop",
        "auths": {"https://index.docker.io/v1/": {}},
    }
    assert list(helpers(config, "hub.lab/x:1")) == [("cloud", "hub.lab")]
    assert list(helpers(config, "python")) == [("desktop", "https://index.docker.io/v1/")]
    assert list(helpers(config, "other.lab/x")) == [("desktop", "other.lab")]
    assert list(helpers({"credsStore": "desktop", "auths": {"https://a.lab": {}}}, "a.lab/x")) == [
        ("desktop", "https://a.lab")
    ]


@pytest.mark.parametrize("name", ["", "../sh", "a b", "-x", "x" * 200, None, 3, ["a"]])
def test_no_program_but_a_helper_is_ever_named(name):
    assert list(helpers({"credsStore": name, "credHelpers": {"docker.io": name}}, "python")) == []


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["hub.lab", "auth", "x"]), inner),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries({}, optional={"auths": json_like, "credHelpers": json_like, "credsStore": json_like}),
    json_like,
)
def test_nothing_in_a_file_makes_it_stumble(config, answer):
    written(config, "hub.lab/x")
    list(helpers(config, "hub.lab/x"))
    answered("hub.lab/x", answer)


@pytest.mark.parametrize(
    "entry", [{"auth": "%%%"}, {"auth": ""}, {"auth": "YWRh"}, auth(":pw"), auth("ada:"), {}, None, "x"]
)
def test_an_entry_that_is_no_login_is_passed_over(entry):
    assert written({"auths": {"hub.lab": entry}}, "hub.lab/x") is None


def test_no_repr_tells_what_is_secret():
    shown = repr(RegistryLogin("hub.lab", "ada", "canary", "canary"))
    assert "canary" not in shown
    assert "hub.lab" in shown
