"""The gateway under floods: whoever keeps it waiting is ended, and whoever asks in one go is answered all the while."""

import contextlib
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.serving.gateway.routes import GatewayLimits
from tests import floods
from tests.end2end.gateway_door import LATE_SECONDS, RIGHT, Crowd, Door, beset, eventually_closed
from tests.serving_upstream import upstream

pytestmark = pytest.mark.end2end
NOBODY = 65534


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    with beset(tmp_path) as built:
        yield built


@pytest.mark.parametrize(
    ("kind", "count"), [("slow_body", 300), ("slow_chunk", 300), ("half_head", 1100), ("silent", 1100), ("unread", 60)]
)
def test_an_innocent_is_answered_beside_a_flood_of_the_same_user(crowd: Crowd, kind: str, count: int) -> None:
    crowd.flood(kind, count)
    assert crowd.innocent_answers() == RIGHT
    assert crowd.descriptors() < 1400, "a quarter of the places and what they need"


def test_dripping_bytes_buys_no_time(crowd: Crowd) -> None:
    dripping = crowd.flood("half_head", 5)
    ending = threading.Event()

    def drip() -> None:
        while not ending.wait(0.5):
            for made in dripping:
                with contextlib.suppress(OSError):
                    made.send(b"x")

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        assert eventually_closed(dripping, LATE_SECONDS)
    finally:
        ending.set()
        thread.join(5)


def test_a_body_that_stops_coming_is_told_so(crowd: Crowd) -> None:
    (slow,) = crowd.flood("slow_body", 1)
    slow.settimeout(LATE_SECONDS)
    said = b""
    while piece := slow.recv(65536):
        said += piece
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"too slowly" in said
    assert crowd.replica.bodies == []


def test_a_content_type_that_is_not_ascii_is_the_models_to_judge(crowd: Crowd) -> None:
    (odd,) = crowd.flood("odd_type", 1)
    odd.settimeout(10)
    assert odd.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert crowd.replica.bodies == [b"{}"]
    assert crowd.replica.content_types == ["größe/ü"]


def test_many_requests_on_one_connection_are_answered_one_by_one(crowd: Crowd) -> None:
    (many,) = crowd.flood("pipelined", 1)
    many.settimeout(20)
    said = b""
    with contextlib.suppress(OSError):
        while piece := many.recv(65536):
            said += piece
    assert said.count(b'{"predictions": ["cat"]}') == 50


def test_a_slow_model_does_not_give_one_user_all_places(crowd: Crowd) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can be two users")
    crowd.replica.wait_seconds = 2.0
    with another_user():
        crowd.flood("whole", 384)
    crowd.replica.wait_seconds = 0.0
    assert crowd.innocent_answers() == RIGHT


def test_another_users_connections_are_his_own_share(crowd: Crowd) -> None:
    crowd.route(GatewayLimits(head_seconds=60.0))
    if os.getuid() != 0:
        pytest.skip("only root can be two users")
    mine = crowd.flood("silent", 40)
    with another_user():
        crowd.flood("half_head", 1500)
    assert crowd.innocent_answers() == RIGHT
    assert not any(floods.is_closed(made, 0.01) for made in mine), "somebody else's flood pushes out only his own"


@contextlib.contextmanager
def another_user() -> Iterator[None]:
    """Be somebody else: a socket belongs to whoever this process is when it is made."""
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_gateway_with_few_descriptors_never_runs_out_of_them(tmp_path: Path) -> None:
    script = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from pathlib import Path
from mlops_desk.serving.gateway.process_control import Gatekeeper
print(Gatekeeper(Path({str(tmp_path / "_gateway")!r})).ensure())
"""
    started = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False)
    assert started.returncode == 0, started.stderr
    door = Door(tmp_path)
    try:
        with upstream(word="cat") as replica:
            crowd = Crowd(door, replica)
            crowd.route()
            pid = door.pid()
            for kind in ("half_head", "slow_body", "silent"):
                crowd.flood(kind, 120)
                assert crowd.innocent_answers() == RIGHT
                assert crowd.descriptors() < 256
            for made in crowd.held:
                made.close()
            assert door.pid() == pid
            assert "Too many open files" not in (door.folder / "gateway.out").read_text()
    finally:
        door.client.close()
        door.keeper.stop()


def test_the_limit_on_descriptors_is_raised_as_far_as_needed(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        door = Door(tmp_path)
        limits = Path(f"/proc/{door.pid()}/limits").read_text()
        door.client.close()
        door.keeper.stop()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
    assert int(line.split()[3]) == min(6528, hard)
