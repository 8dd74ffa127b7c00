"""The gateway as the process it is: routing, refusals, the request log, and being killed."""

import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from mlops_desk.serving.gateway.process_control import Gatekeeper
from mlops_desk.serving.gateway.routes import GatewayLimits, Route
from tests.end2end.gateway_door import BODY, FEATURES, Door
from tests.serving_upstream import upstream

pytestmark = pytest.mark.end2end
_REFUSED = (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError)
"""The kernel closes a killed process's sockets a moment after it has gone: who comes in between is cut off."""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    opened = Door(tmp_path)
    try:
        yield opened
    finally:
        opened.client.close()
        opened.keeper.stop()


def eventually(is_true: Callable[[], bool], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_request_reaches_the_replica_and_the_log(door: Door) -> None:
    with upstream(word="cat") as replica:
        door.route(Route(3, 1.0, (replica.place,), FEATURES))
        answer = door.ask(**{"x-request-id": "mine-1"})
        assert answer.status_code == 200
        assert answer.json() == {"predictions": ["cat"]}
        assert (answer.headers["x-request-id"], answer.headers["x-mlops-desk-revision"]) == ("mine-1", "3")
        assert json.loads(replica.bodies[0]) == BODY
        assert door.client.post("/digits/invocations", json=BODY).status_code == 200
        assert door.client.get("/digits/ping").status_code == 200
        assert door.keeper.roll()
        found = door.logged("_request_id, _revision, _status, _row, _output, a, city")
        assert found[0] == ("mine-1", 3, 200, 0, "cat", 1.5, "Bonn")
        assert len(found) == 2
        stats = door.keeper.stats()
        assert stats is not None
        assert (stats.endpoints["digits"].requests, stats.endpoints["digits"].errors) == (2, 0)


def test_traffic_is_split_by_weight_and_a_key_sticks(door: Door) -> None:
    with upstream(word="old") as old, upstream(word="new") as new:
        door.route(Route(1, 0.75, (old.place,)), Route(2, 0.25, (new.place,)), sticky_header="x-key")
        asked = Counter(door.ask().headers["x-mlops-desk-revision"] for _ in range(400))
        assert 50 < asked["2"] < 150
        for key in ("ann", "bob", "cem"):
            assert len({door.ask(**{"x-key": key}).headers["x-mlops-desk-revision"] for _ in range(8)}) == 1


def test_a_replica_that_is_gone_gives_way_to_the_next(door: Door) -> None:
    with upstream() as replica:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            nobody = f"127.0.0.1:{free.getsockname()[1]}"
        door.route(Route(1, 1.0, (nobody, replica.place)))
        assert {door.ask().status_code for _ in range(8)} == {200}
        door.route(Route(1, 1.0, (nobody,)))
        answer = door.ask()
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


def test_a_request_that_went_out_is_never_repeated(door: Door) -> None:
    with upstream() as one, upstream() as other:
        one.breaks_off = other.breaks_off = True
        door.route(Route(1, 1.0, (one.place, other.place)))
        for number in range(1, 9):
            answer = door.ask()
            assert (answer.status_code, answer.headers["retry-after"]) == (502, "2")
            assert len(one.bodies) + len(other.bodies) == number


def test_a_model_that_breaks_off_costs_nobody_the_next_answer(door: Door) -> None:
    with upstream() as replica:
        door.route(Route(1, 1.0, (replica.place,)))
        for _ in range(10):
            replica.breaks_off = True
            assert door.client.post("/digits", content=b"\xff{", timeout=5).status_code == 502
            replica.breaks_off = False
            assert door.ask().status_code == 200


def test_a_place_is_given_back_whatever_became_of_the_request(door: Door) -> None:
    with upstream() as replica:
        door.route(Route(1, 1.0, (replica.place,)), limits=GatewayLimits(in_flight=3, in_flight_of_one=2))
        assert [door.ask().status_code for _ in range(5)] == [200] * 5
        replica.breaks_off = True
        assert [door.ask().status_code for _ in range(5)] == [502] * 5
        replica.breaks_off = False
        assert [door.client.get("/digits/ping").status_code for _ in range(5)] == [200] * 5
        assert door.ask().status_code == 200


def test_no_replica_no_endpoint_wrong_method_and_too_much(door: Door) -> None:
    door.route(note="Endpoint digits is stopped.")
    answer = door.ask()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json() == {"error": "Endpoint digits is stopped."}
    assert door.client.post("/other", json=BODY).status_code == 404
    assert door.client.post("/digits/x/y", json=BODY).status_code == 404
    assert door.client.get("/").status_code == 404
    assert door.client.get("/digits").status_code == 405
    assert door.client.delete("/digits").status_code == 405
    with upstream() as replica:
        door.route(Route(1, 1.0, (replica.place,)), limits=GatewayLimits(body_bytes=1000), timeout_seconds=0.3)
        assert door.client.post("/digits", content=b"x" * 1001).status_code == 413
        chunks = iter([b"x" * 600, b"x" * 600])
        assert door.client.post("/digits", content=chunks).status_code == 413
        replica.wait_seconds = 1.0
        assert door.ask().status_code == 504


def test_only_programs_of_this_machine_are_answered(door: Door) -> None:
    with upstream() as replica:
        door.route(Route(1, 1.0, (replica.place,)))
        foreign: list[dict[str, str]] = [
            {"host": "evil.example"},
            {"host": f"evil.example:{door.port}"},
            {"host": "127.0.0.1"},
            {"host": f"127.0.0.1:{door.port + 1}"},
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": f"https://127.0.0.1:{door.port}"},
            {"sec-fetch-site": "cross-site"},
        ]
        for headers in foreign:
            for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"):
                for path in ("/digits", "/digits/ping", "/-/stats"):
                    assert door.client.request(method, path, headers=headers).status_code == 403
        assert replica.bodies == []
        assert door.ask(origin=f"http://127.0.0.1:{door.port}").status_code == 200
        assert door.ask(host=f"localhost:{door.port}").status_code == 200


def test_the_control_path_wants_the_token_and_the_state_file_is_private(door: Door) -> None:
    assert door.client.get("/-/stats").status_code == 403
    assert door.client.get("/-/stats", headers={"authorization": "Bearer no"}).status_code == 403
    assert door.client.post("/-/roll").status_code == 403
    assert (door.folder / "state.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", door.port), 1):
        pass


def test_kill_9_loses_nothing_that_was_spooled_and_the_port_stays(door: Door) -> None:
    with upstream() as replica:
        door.route(Route(1, 1.0, (replica.place,), FEATURES))
        ids = [door.ask().headers["x-request-id"] for _ in range(50)]
        spool = door.log / "spool.records"
        eventually(
            lambda: len(door.logged()) + (spool.read_bytes().count(b"dataframe_records") if spool.exists() else 0) >= 50
        )
        os.kill(door.pid(), signal.SIGKILL)
        with spool.open("ab") as file:
            file.write(b"\xc1RQ1\x00\x00\x01\x00torn")
        eventually(lambda: not door.is_up())
        assert door.keeper.ensure() == door.port
        eventually(lambda: len(door.logged()) >= 50)
        assert [row[0] for row in door.logged("_request_id")] == ids
        assert door.ask().status_code == 200


def test_who_comes_while_the_gateway_is_away_waits_and_is_answered_by_the_next(door: Door) -> None:
    with upstream() as replica:
        door.route(Route(1, 1.0, (replica.place,)))
        first = door.pid()
        for _ in range(2):  # the one that took the socket over lends it as well
            os.kill(door.pid(), signal.SIGKILL)
            eventually(door.keeper.is_gone)
            with ThreadPoolExecutor(4) as pool:
                asked = [pool.submit(fresh_ask, door.port) for _ in range(4)]
                time.sleep(0.3)
                assert not any(answer.done() for answer in asked)
                assert door.keeper.ensure() == door.port
                assert [answer.result(20) for answer in asked] == [200] * 4
        assert door.pid() != first


def test_who_comes_when_there_will_be_no_gateway_is_refused(door: Door) -> None:
    os.kill(door.pid(), signal.SIGKILL)
    eventually(door.keeper.is_gone)
    door.keeper.refuse()
    with pytest.raises(_REFUSED):
        fresh_ask(door.port)
    assert door.keeper.ensure() == door.port
    door.keeper.stop()
    with pytest.raises(_REFUSED):
        fresh_ask(door.port)


def test_a_gateway_that_lends_no_socket_is_started_again_on_its_port(door: Door) -> None:
    (door.folder / "lend").unlink()
    again = Gatekeeper(door.folder)
    assert again.ensure() == door.port
    os.kill(door.pid(), signal.SIGKILL)
    eventually(again.is_gone)
    door.keeper.refuse()
    assert again.ensure() == door.port
    assert oct((door.folder / "lend").stat().st_mode)[-3:] == "600"


def fresh_ask(port: int) -> int:
    return httpx.post(f"http://127.0.0.1:{port}/digits", json=BODY, trust_env=False, timeout=60).status_code


def test_a_polite_end_writes_the_log_out(door: Door) -> None:
    with upstream() as replica:
        door.route(Route(1, 1.0, (replica.place,), FEATURES))
        door.ask()
        door.keeper.stop()
        assert len(door.logged()) == 1
        assert not (door.log / "spool.records").exists()


def test_there_is_one_gateway_for_a_folder_and_a_bad_table_changes_nothing(door: Door) -> None:
    first = door.pid()
    assert Gatekeeper(door.folder).ensure() == door.port
    assert door.pid() == first
    with upstream() as replica:
        door.route(Route(1, 1.0, (replica.place,)))
        (door.folder / "routes.json").write_text('{"serial": ')
        os.kill(first, signal.SIGHUP)
        assert door.ask().status_code == 200
        time.sleep(0.7)
        assert door.ask().status_code == 200


def test_a_gateway_of_another_version_is_replaced_on_the_same_port(door: Door) -> None:
    first = door.pid()
    path = door.folder / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": "0.0.1"}))
    assert door.keeper.ensure() == door.port
    assert door.pid() != first
