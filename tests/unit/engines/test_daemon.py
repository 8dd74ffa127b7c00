"""Which process an engine is, told by the socket it listens on."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.engines import daemon
from mlops_desk.engines.daemon import docker_socket, incarnation, listener
from mlops_desk.kit.base.process import boot_id, start_ticks

_LISTENS = """
import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, sys.argv[2].encode())  # the kernel's name of this process
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(8)
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="md-") as folder:  # a socket's path must be short
        yield Path(folder)


@contextlib.contextmanager
def listening(path: Path, name: str) -> Iterator[int]:
    """A process that the kernel calls ``name`` and that listens at ``path``."""
    command = [sys.executable, "-c", _LISTENS, str(path), name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdout.readline()
            yield process.pid
        finally:
            process.stdin.close()


def test_an_engine_is_known_by_boot_number_and_start(place: Path) -> None:
    with listening(place / "a.sock", "dockerd") as pid:
        ticks = start_ticks(pid)
        assert ticks is not None
        word = incarnation(f"unix://{place}/a.sock")
        assert word == f"{boot_id()}:{pid}:{ticks}"
        assert listener(str(place / "a.sock")) == pid
    (place / "a.sock").unlink()
    with listening(place / "a.sock", "dockerd"):
        assert incarnation(f"unix://{place}/a.sock") not in {None, word}


def test_a_socket_that_something_else_listens_on_tells_nothing(place: Path) -> None:
    with listening(place / "a.sock", "systemd"):
        assert incarnation(f"unix://{place}/a.sock") is None


def test_podmans_containers_are_watched_whatever_becomes_of_its_service(place: Path) -> None:
    words = set()
    for _ in range(2):
        with listening(place / "a.sock", "podman"):
            words.add(incarnation(f"unix://{place}/a.sock"))
        (place / "a.sock").unlink()
    with listening(place / "podman.sock", "systemd"):
        words.add(incarnation(f"unix://{place}/podman.sock"))
    assert words == {f"{boot_id()}:podman"}


def test_where_init_listens_the_engines_pid_file_tells(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "_MACHINE_SOCKETS", frozenset({f"{place}/docker.sock"}))
    monkeypatch.setattr(daemon, "_PID_FILE", place / "docker.pid")
    address = f"unix://{place}/docker.sock"
    with listening(place / "docker.sock", "systemd"), listening(place / "own.sock", "dockerd") as engine:
        assert incarnation(address) is None  # no such file
        for text, known in ((str(engine), True), (f"{engine}\n", True), (str(os.getpid()), False), ("x", False)):
            (place / "docker.pid").write_text(text)
            assert (incarnation(address) is not None) is known
        (place / "docker.pid").write_text(str(engine))
        assert incarnation(f"unix://{place}/own.sock") == incarnation(address)


@pytest.mark.parametrize("address", ["tcp://box:2376", "unix:///no/such.sock", "unix://"])
def test_an_engine_out_of_sight_is_not_known(address: str) -> None:
    assert incarnation(address) is None


def test_a_socket_that_nobody_listens_on_is_not_known(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "a.sock"))
    assert incarnation(f"unix://{place}/a.sock") is None


@pytest.mark.parametrize(("program", "is_one"), [("dockerd", True), ("podman", False), ("ssh", False)])
def test_nobody_attaches_but_to_a_docker_of_this_machine(place: Path, program: str, is_one: bool) -> None:
    with listening(place / "a.sock", program):
        assert docker_socket(f"unix://{place}/a.sock") == (f"{place}/a.sock" if is_one else None)
    assert docker_socket("tcp://10.0.0.1:2376") is None
