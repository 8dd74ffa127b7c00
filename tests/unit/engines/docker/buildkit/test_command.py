"""How buildx is called, and what lies beside it: no login on a command line, none in others' hands, none left over."""

import base64
import itertools
import json
import os
import stat
from pathlib import Path

import pytest

from mlops_desk.engines.docker.buildkit.workspace import Workplace, build_command, build_environment, workplace
from mlops_desk.engines.image_store import BuildOrder
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.kit.base.errors import Unavailable

CANARY = "canary-pw-7311"
PLACE = Workplace(Path("/dev/shm/b/config"), {"token": Path("/dev/shm/b/secret-0")})
ORDER = BuildOrder(
    "docker/Dockerfile",
    "train",
    {"HTTP_PROXY": f"http://ada:{CANARY}@proxy:3128", "PIP_INDEX_URL": "https://index"},
    {"LD_PRELOAD": "/tmp/evil.so", "CUDA": "13 ; rm"},
    {"token": CANARY.encode()},
)


def words():
    return build_command("/usr/bin/docker", Path("/kept/tree"), "a/b:1", {"io.x": "1"}, ORDER, PLACE)


def test_what_is_asked_for_stands_in_the_command():
    text = words()
    assert text[:3] == ["setpriv", "--pdeathsig", "KILL"]
    assert text[-2:] == ["--", "/kept/tree"]
    for one in (
        ("--file", "/kept/tree/docker/Dockerfile"),
        ("--tag", "a/b:1"),
        ("--label", "io.x=1"),
        ("--target", "train"),
        ("--build-arg", "HTTP_PROXY"),
        ("--build-arg", "PIP_INDEX_URL=https://index"),
        ("--build-arg", "CUDA=13 ; rm"),
        ("--secret", "id=token,src=/dev/shm/b/secret-0"),
        ("--builder", "default"),
    ):
        assert one in itertools.pairwise(text)


def test_no_login_stands_in_the_command_and_no_word_of_a_person_in_the_environment():
    assert CANARY not in " ".join(words())
    environment = build_environment("unix:///var/run/docker.sock", ORDER, PLACE, "/certs")
    assert environment["HTTP_PROXY"] == f"http://ada:{CANARY}@proxy:3128"
    assert "LD_PRELOAD" not in environment
    assert "CUDA" not in environment
    assert environment["DOCKER_CONFIG"] == "/dev/shm/b/config"
    assert (environment["BUILDX_GIT_INFO"], environment["DOCKER_CONTEXT"]) == ("false", "")
    assert "no_proxy" not in environment


def test_a_person_who_names_a_proxy_of_their_own_has_it():
    order = BuildOrder(arguments={"HTTP_PROXY": "http://house"}, values={"HTTP_PROXY": "http://mine"})
    text = build_command("docker", Path("/x"), "a:1", {}, order, PLACE)
    assert "HTTP_PROXY=http://mine" in text
    assert "HTTP_PROXY" not in text


def test_an_engine_far_away_is_reached_without_the_proxy():
    order = BuildOrder(arguments={"HTTP_PROXY": "http://proxy", "NO_PROXY": "localhost"})
    environment = build_environment("tcp://gpu-box:2376", order, PLACE, "/certs")
    assert environment["NO_PROXY"] == "localhost,gpu-box"
    assert environment["no_proxy"] == "gpu-box"


def test_logins_and_secrets_lie_in_memory_for_this_user_alone_and_go(tmp_path):
    logins = (
        RegistryLogin("docker.io", "ada", CANARY),
        RegistryLogin("ghcr.io", identity_token="t0ken"),
    )
    with workplace(logins, {"b": b"2", "a": b"1"}, tmp_path) as place:
        (root,) = tmp_path.iterdir()
        assert stat.S_IMODE(root.stat().st_mode) == 0o700
        written = json.loads((place.config / "config.json").read_bytes())["auths"]
        entry = base64.b64decode(written["https://index.docker.io/v1/"]["auth"])
        assert entry == f"ada:{CANARY}".encode()
        assert written["ghcr.io"]["identitytoken"] == "t0ken"
        assert {name: path.read_bytes() for name, path in place.secrets.items()} == {"a": b"1", "b": b"2"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in place.secrets.values()} == {0o600}
    assert not list(tmp_path.iterdir())
    with pytest.raises(ZeroDivisionError), workplace(logins, {}, tmp_path):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_what_a_killed_agent_left_goes_with_the_next_build_and_what_is_in_use_stays(tmp_path):
    left = tmp_path / f"mlops-desk-build-{os.geteuid()}-{os.getpid()}.1-abc"
    others = tmp_path / f"mlops-desk-build-{os.geteuid() + 1}-{os.getpid()}.1-abc"
    for folder in (left, others):
        folder.mkdir()
        (folder / "secret-0").write_text(CANARY)
    with workplace((), {}, tmp_path):
        first = set(tmp_path.iterdir())
        with workplace((), {}, tmp_path):
            assert first < set(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == [others]


def test_a_memory_that_is_full_or_gone_is_told(tmp_path):
    with pytest.raises(Unavailable, match="No such file"), workplace((), {}, tmp_path / "gone"):
        pass
