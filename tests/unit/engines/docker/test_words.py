"""Addresses, log lines and errors: the small pure parts between us and an engine."""

import errno
import http.client
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.engines.docker import address, connection
from mlops_desk.engines.docker.address import choose_address
from mlops_desk.engines.docker.answers import gateway_of, gpu_route, last_exit_code, unix_time
from mlops_desk.engines.docker.engine import split_lines
from mlops_desk.engines.engine import EngineRefused
from mlops_desk.engines.log_lines import shown
from mlops_desk.kit.base.errors import Invalid, NotFound, TimedOut, Unavailable


def test_the_setting_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine, own = tmp_path / "machine.sock", tmp_path / "docker.sock"
    monkeypatch.setattr(address, "MACHINE_SOCKET", machine)
    env = {"DOCKER_HOST": "tcp://box:2376", "XDG_RUNTIME_DIR": str(tmp_path)}
    assert choose_address("unix:///x.sock", env) == "unix:///x.sock"
    assert choose_address("/x.sock", env) == "unix:///x.sock"
    assert choose_address("", env) == "tcp://box:2376"
    del env["DOCKER_HOST"]
    assert choose_address("", env) == f"unix://{machine}"
    own.touch()
    assert choose_address("", env) == f"unix://{own}"
    machine.touch()
    assert choose_address("", env) == f"unix://{machine}"


def test_a_podman_of_ones_own_is_used_where_no_docker_may_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine, podman = tmp_path / "machine.sock", tmp_path / "podman/podman.sock"
    monkeypatch.setattr(address, "MACHINE_SOCKET", machine)
    monkeypatch.setattr(address, "PODMAN_SOCKET", tmp_path / "none.sock")
    monkeypatch.setattr(os, "access", lambda path, _mode: path == podman and path.exists())
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert choose_address("", env) == f"unix://{machine}"
    podman.parent.mkdir()
    podman.touch()
    assert choose_address("", env) == f"unix://{podman}"
    machine.touch()
    assert choose_address("", env) == f"unix://{podman}"
    assert choose_address("unix:///x.sock", env) == "unix:///x.sock"


@pytest.mark.parametrize("wrong", ["ssh://box", "npipe:////./x", "unix://relative", "box:2375"])
def test_other_kinds_of_address_are_refused_with_the_right_ones(wrong: str) -> None:
    with pytest.raises(Invalid) as caught:
        choose_address(wrong, {})
    assert "unix:///" in (caught.value.hint or "")


@given(st.lists(st.binary(max_size=50)), st.data())
def test_lines_do_not_depend_on_how_they_arrive(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    chunks = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert list(split_lines(chunks)) == list(split_lines([whole]))


def test_a_progress_bar_is_its_last_state_and_endless_lines_are_cut() -> None:
    assert list(split_lines([b" 1%\r 2", b"%\r100%\r\nnext\n", b"rest"])) == [b"100%", b"next", b"rest"]
    (line,) = split_lines([b"x" * 1000] * 1000)
    assert len(line) <= 16_384
    assert len(shown(line)) == 4097
    assert shown(b"a\xff\x1b[0m\x1b]0;title\x07\x1b[2Kb\x1b[") == "a�b\\x1b["


def wrapped(error: BaseException) -> Exception:
    """The way requests and urllib3 hand on an error: in arguments, not in a chain."""
    return Exception("Connection aborted.", ValueError("inner", error))


def test_no_engine_no_rights_no_answer_and_a_cut_are_told_apart() -> None:
    absent = connection.from_connection(wrapped(OSError(errno.ENOENT, "no such file")), "Asking", "unix:///x")
    assert type(absent) is Unavailable
    assert "systemctl start" in (absent.hint or "")
    rights = connection.from_connection(wrapped(PermissionError(errno.EACCES, "denied")), "Asking", "unix:///x")
    assert "usermod" in (rights.hint or "")
    for cut in (OSError(errno.ECONNRESET, "reset"), http.client.RemoteDisconnected("gone")):
        assert connection.is_broken(wrapped(cut))
        assert isinstance(connection.from_connection(wrapped(cut), "Asking", "unix:///x"), TimedOut)
    assert connection.is_late(wrapped(TimeoutError()))
    assert not connection.is_late(wrapped(OSError(errno.ENOENT, "x")))


def test_what_the_engine_says_is_quoted_plain_and_capped() -> None:
    error = connection.from_engine(500, "\x1b[31m" + "x" * 5000, "Starting")
    assert type(error) is EngineRefused
    assert "\x1b" not in error.message
    assert len(error.message) < 800
    assert type(connection.from_engine(404, "No such container: x", "Looking")) is NotFound
    hint = connection.from_engine(500, 'could not select device driver "nvidia"', "Starting").hint
    assert "nvidia-container-toolkit" in (hint or "")


def test_the_engines_times_become_unix_times() -> None:
    assert unix_time("1970-01-01T00:01:40.250000001Z") == pytest.approx(100.25)
    assert unix_time("1970-01-01T00:01:40Z") == 100.0
    assert [unix_time(text) for text in ("0001-01-01T00:00:00Z", "", None, "rubbish")] == [None] * 4


def test_the_route_of_gpus_is_what_the_engine_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_route({}) is None
    assert gpu_route({"Runtimes": {"nvidia": {}}, "CDISpecDirs": [str(tmp_path)]}) == "nvidia"
    assert gpu_route({"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]}) == "cdi"
    (tmp_path / "nvidia.yaml").write_text("kind: nvidia.com/gpu\n")
    assert gpu_route({"CDISpecDirs": ["/nosuch", str(tmp_path)]}) == "cdi"


def test_a_gateway_is_an_ipv4_address() -> None:
    pools = [{"Gateway": "fd00::1"}, {"Gateway": "172.20.0.1/16"}]
    assert gateway_of({"IPAM": {"Config": pools}}) == "172.20.0.1"
    assert gateway_of({"IPAM": {"Config": None}}) is None


@pytest.mark.parametrize(
    ("codes", "known"),
    [([], None), (["3"], 3), (["3", "0"], 0), (["137"], 137), ([None], None), (["x"], None), (["3", None], None)],
)
def test_an_end_in_the_engines_log_has_the_newest_code_or_none(codes: list[str | None], known: int | None) -> None:
    events = [{"Actor": {"Attributes": {} if code is None else {"exitCode": code}}} for code in codes]
    assert last_exit_code(events) == known


def test_an_event_without_an_actor_tells_nothing() -> None:
    assert last_exit_code([{"Action": "die"}]) is None
