"""The gateway's request log under a flood: its limit holds at every moment but for the part that was just written."""

import json
import random
from pathlib import Path

import pytest

from mlops_desk.base.loop import Loop
from mlops_desk.serving.gateway import process
from mlops_desk.serving.gateway.process import RequestLog
from mlops_desk.serving.gateway.routes import EndpointRoutes, GatewayLimits, RoutingTable
from mlops_desk.serving.gateway.spool import Exchange
from mlops_desk.storage.requests import parts

KIB = 1 << 10


def exchange(number: int, size: int = 100) -> Exchange:
    body = json.dumps({"dataframe_records": [{"a": f"{number}-{'x' * size}"}]})
    return Exchange(f"id-{number}", float(number), 1, 200, 0.1, "application/json", body, '{"predictions": ["p"]}')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "front" / "log"


@pytest.fixture
def log(folder: Path) -> RequestLog:
    made = RequestLog(Loop("test"))
    made.follow(
        RoutingTable(endpoints={"front": EndpointRoutes((), str(folder))}, limits=GatewayLimits(log_bytes=20 * KIB))
    )
    return made


def test_the_limit_holds_after_every_part_and_not_only_now_and_then(log: RequestLog, folder: Path) -> None:
    sizes = []
    for number in range(30):
        assert log.keep("front", exchange(number))
        log.roll()
        sizes.append(sum(part.path.stat().st_size for part in parts(folder)))
    one = parts(folder)[-1].path.stat().st_size
    assert max(sizes) <= 20 * KIB
    assert sizes[-1] > 20 * KIB - 2 * one  # and no more is deleted than must be


def test_a_part_that_is_larger_than_the_limit_is_kept_until_the_next_one(log: RequestLog, folder: Path) -> None:
    noise = random.Random(1)
    for number in range(2):
        for _ in range(40):
            text = "".join(noise.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=2000))
            body = json.dumps({"dataframe_records": [{"a": text}]})
            assert log.keep("front", Exchange("id", float(number), 1, 200, 0.1, "application/json", body, "{}"))
        log.roll()
        (part,) = parts(folder)
        assert part.path.stat().st_size > 20 * KIB


def test_what_comes_faster_than_it_is_rolled_up_is_not_logged_and_that_is_told(
    log: RequestLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_SPOOL_BYTES", 100 * KIB)
    kept = [log.keep("front", exchange(number, 10 * KIB)) for number in range(40)]
    assert sum(kept) == 10
    assert (folder / "spool.ndjson").stat().st_size < 120 * KIB
    log.roll()
    assert log.keep("front", exchange(41))
    log.roll()
    assert process._ROLL_BYTES * 2 == 128 << 20
