"""The child that rolls spools up: it is replaced when it dies, and no spool can kill it for ever."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.request_log.query import RequestQuery, find
from mlops_desk.serving.gateway.request_log import roller as roller_module
from mlops_desk.serving.gateway.request_log.log import RequestLog
from mlops_desk.serving.gateway.request_log.roller import ChildRoller, LocalRoller, RollTask
from mlops_desk.serving.gateway.routes import EndpointRoutes, GatewayLimits, RoutingTable
from mlops_desk.serving.gateway.spool import Exchange

RULES = EndpointRoutes((), "", redacted=("ssn",))


@pytest.fixture
def child() -> Iterator[ChildRoller]:
    made = ChildRoller()
    yield made
    made.close()


@pytest.fixture
def log(tmp_path: Path, child: ChildRoller) -> Iterator[RequestLog]:
    made = RequestLog(Loop("test"), child)
    made.follow(RoutingTable(endpoints={"front": EndpointRoutes((), str(tmp_path / "log"))}))
    yield made
    made._spools[made._logs["front"]].close()


def exchange(name: str) -> Exchange:
    body = b'{"dataframe_records": [{"a": 1}]}'
    return Exchange(name, 1_900_000_000.0, 1, 200, 0.1, "application/json", body, b"[1]")


def ids(folder: Path) -> set[str]:
    return {request.request_id for request in find(folder / "log", RequestQuery(100))}


def test_a_child_rolls_up_and_goes_on_for_the_next_task(log: RequestLog, child: ChildRoller, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert log.keep("front", exchange(name))
        log.roll()
    pid = child._child.pid if child._child else 0
    assert log.keep("front", exchange("three"))
    log.roll()
    assert ids(tmp_path) == {"one", "two", "three"}
    assert child._child is not None
    assert child._child.pid == pid


@pytest.mark.slow
def test_one_that_was_killed_is_replaced_and_nothing_is_lost(
    log: RequestLog, child: ChildRoller, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert log.keep("front", exchange("one"))
    log.roll()
    assert child._child is not None
    os.kill(child._child.pid, signal.SIGSTOP)  # so that it dies with the task in hand
    assert log.keep("front", exchange("two"))
    os.kill(child._child.pid, signal.SIGKILL)
    log.roll()
    log.roll()
    assert ids(tmp_path) == {"one", "two"}


@pytest.mark.slow
def test_one_that_died_between_two_tasks_is_replaced_and_leaves_no_pipe_open(
    log: RequestLog, child: ChildRoller, tmp_path: Path
) -> None:
    assert log.keep("front", exchange("one"))
    log.roll()
    first = child._child
    assert first is not None
    first.kill()
    first.wait(20)
    assert log.keep("front", exchange("two"))
    log.roll()
    assert ids(tmp_path) == {"one", "two"}
    assert first.stdin is not None
    assert first.stdout is not None
    assert (first.stdin.closed, first.stdout.closed) == (True, True)


@pytest.mark.slow
def test_one_that_says_nothing_is_ended_at_its_deadline(
    log: RequestLog, child: ChildRoller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert log.keep("front", exchange("one"))
    log.roll()
    assert child._child is not None
    os.kill(child._child.pid, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(roller_module, "_ROLL_SECONDS", 0.1)
        assert log.keep("front", exchange("two"))
        log.roll()
    assert child._child is None
    log.roll()
    assert ids(tmp_path) == {"one", "two"}


def test_a_spool_that_kills_it_three_times_is_set_aside(
    child: ChildRoller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roller_module, "python_command", lambda _module: ["false"])
    spool = tmp_path / "spool-0000000000007.records"
    spool.write_bytes(b"x")
    task = RollTask(str(tmp_path), ((str(spool), 7),), RULES, GatewayLimits(), is_time_to_tidy=False)
    for _ in range(2):
        with pytest.raises(Unavailable):
            child.roll(task)
        assert spool.exists()
    with pytest.raises(Unavailable):
        child.roll(task)
    assert not spool.exists()
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1


@pytest.mark.parametrize("kind", [ChildRoller, LocalRoller])
def test_what_goes_wrong_is_told_and_does_not_end_it(kind: type[ChildRoller | LocalRoller], tmp_path: Path) -> None:
    made = kind()
    try:
        missing = RollTask(
            str(tmp_path), ((str(tmp_path / "none.records"), 7),), RULES, GatewayLimits(), is_time_to_tidy=False
        )
        for _ in range(2):
            with pytest.raises(Unavailable, match="No such file"):
                made.roll(missing)
        made.roll(RollTask(str(tmp_path), (), RULES, GatewayLimits(), is_time_to_tidy=True))
    finally:
        made.close()


def test_it_ends_with_its_stdin(child: ChildRoller, tmp_path: Path) -> None:
    child.roll(RollTask(str(tmp_path), (), RULES, GatewayLimits(), is_time_to_tidy=False))
    process = child._child
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == 0
