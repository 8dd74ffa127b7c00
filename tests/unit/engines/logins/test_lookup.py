"""A person's login is found by their own files and helpers; a helper that misbehaves is told, and holds nobody up."""

import base64
import json
import os

import pytest

from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.logins import lookup, worker
from mlops_desk.engines.logins.lookup import find_login
from mlops_desk.kit.base.errors import DeskError, Refused, Unavailable


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    for name in (".docker", "bin", "run/containers"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def configure(home, **config):
    (home / ".docker" / "config.json").write_text(json.dumps(config))


def helper(home, script, name="docker-credential-lab"):
    path = home / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def asked(home, reference="hub.lab/x:1"):
    return worker.work(
        {"reference": reference, "docker_config": str(home / ".docker"), "runtime_folder": str(home / "run")}
    )


def test_a_helper_is_asked_for_the_registry_on_its_stdin(home):
    configure(home, credHelpers={"hub.lab": "lab"})
    helper(
        home,
        f'[ "$1" = get ] && read place && echo "$place" >{home}/asked && echo \'{{"Username":"ada","Secret":"s"}}\'',
    )
    assert find_login("hub.lab/x:1", os.geteuid()) == RegistryLogin("hub.lab", "ada", "s")
    assert (home / "asked").read_text() == "hub.lab\n"
    assert find_login("other.lab/x:1", os.geteuid()) is None


def test_podmans_file_is_read_too_and_docker_goes_first(home):
    entry = {"auths": {"hub.lab": {"auth": base64.b64encode(b"pod:man").decode()}}}
    (home / "run" / "containers" / "auth.json").write_text(json.dumps(entry))
    assert asked(home)["user"] == "pod"
    configure(home, auths={"hub.lab": {"auth": base64.b64encode(b"dock:er").decode()}})
    assert asked(home)["user"] == "dock"


def test_who_has_no_login_has_none(home):
    assert asked(home) == {}
    configure(home, credsStore="lab")
    helper(home, "echo 'credentials not found in native keychain'; exit 1")
    assert asked(home) == {}


def test_a_helper_that_is_not_installed_is_told(home):
    configure(home, credsStore="lab")
    with pytest.raises(Unavailable, match="docker-credential-lab, which can't be used") as told:
        asked(home)
    assert "credsStore" in told.value.hint


def test_a_helper_that_hangs_is_ended(home, monkeypatch):
    monkeypatch.setattr(worker, "_HELPER_SECONDS", 0.3)
    configure(home, credsStore="lab")
    helper(home, "exec sleep 60")
    with pytest.raises(Unavailable, match=r"gave no answer within 0\.3 s"):
        asked(home)


@pytest.mark.parametrize("said", ["canary", "[1]", '{"Secret": "canary"}', '{"Username": "ada", "Secret": ""}', ""])
def test_garbage_is_told_and_not_repeated(home, said):
    configure(home, credsStore="lab")
    helper(home, f"cat >/dev/null; printf '%s' '{said}'")
    with pytest.raises(Unavailable, match="something that is no login") as told:
        asked(home)
    assert "canary" not in f"{told.value.message}{told.value.hint}"


def test_a_flood_is_cut(home):
    configure(home, credsStore="lab")
    helper(home, "exec cat /dev/zero")
    with pytest.raises(DeskError, match="docker-credential-lab"):
        asked(home)


def test_what_a_helper_says_when_it_fails_is_told(home):
    configure(home, credsStore="lab")
    helper(home, "echo 'the token has expired, run lab auth'; exit 3")
    with pytest.raises(Unavailable, match="the token has expired, run lab auth"):
        asked(home)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_told(home, content):
    (home / ".docker" / "config.json").write_bytes(content)
    with pytest.raises(Refused, match="can't be read"):
        asked(home)


def test_a_file_that_is_too_large_is_told(home):
    (home / ".docker" / "config.json").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(Refused, match="larger than any"):
        asked(home)


def test_somebody_elses_login_is_looked_for_as_themselves_and_where_they_keep_it(monkeypatch):
    asked_for = []
    monkeypatch.setenv("DOCKER_CONFIG", "/the/agents/own")
    monkeypatch.setattr(
        lookup, "run_worker", lambda module, request, _seconds, as_uid: asked_for.append((request, as_uid))
    )
    assert find_login("hub.lab/x:1", os.geteuid() + 1) is None
    assert find_login("hub.lab/x:1", os.geteuid()) is None
    (theirs, uid), (own, _) = asked_for
    assert (theirs, uid) == ({"reference": "hub.lab/x:1"}, os.geteuid() + 1)
    assert own["docker_config"] == "/the/agents/own"
