"""The serial of the routing table only ever grows, so that waiting for a table is never answered by an older one."""

import json
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.serving.gateway.process_control import Gatekeeper
from mlops_desk.serving.gateway.routes import RoutingTable


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("mlops_desk.serving.gateway.process_control.time.time", lambda: now[0])
    return now


def test_two_tables_of_one_moment_have_two_serials(tmp_path: Path, clock: list[float]) -> None:
    keeper = Gatekeeper(tmp_path)
    assert [keeper.publish(RoutingTable) for _ in range(3)] == [1_000_000, 1_000_001, 1_000_002]
    clock[0] = 2000.0
    assert keeper.publish(RoutingTable) == 2_000_000
    assert json.loads((tmp_path / "routes.json").read_text())["serial"] == 2_000_000


def test_a_clock_that_was_set_back_gives_no_smaller_serial(tmp_path: Path, clock: list[float]) -> None:
    keeper = Gatekeeper(tmp_path)
    assert keeper.publish(RoutingTable) == 1_000_000
    clock[0] = 10.0
    assert keeper.publish(RoutingTable) == 1_000_001
    assert Gatekeeper(tmp_path).publish(RoutingTable) == 1_000_002, "nor does it to the next agent"


def test_a_table_that_cannot_be_read_is_no_hindrance(tmp_path: Path, clock: list[float]) -> None:
    assert clock
    (tmp_path / "routes.json").write_text('{"serial": ')
    assert Gatekeeper(tmp_path).publish(RoutingTable) == 1_000_000


def test_a_gateway_that_was_ended_with_its_agent_is_not_started_again(tmp_path: Path) -> None:
    keeper = Gatekeeper(tmp_path)
    keeper.end()
    with pytest.raises(Unavailable, match="was ended with the agent"):
        keeper.ensure()
    assert not (tmp_path / "state.json").exists()
