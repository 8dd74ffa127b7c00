"""The gateway's request log under a flood: its limit holds at every moment but for the part that was just written."""

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pytest

from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.request_log.layout import parts
from mlops_desk.serving.gateway.request_log import log as request_log
from mlops_desk.serving.gateway.request_log.log import RequestLog
from mlops_desk.serving.gateway.routes import EndpointRoutes, GatewayLimits, Route, RoutingTable
from mlops_desk.serving.gateway.spool import Exchange, Spool, records

KIB = 1 << 10


def exchange(number: int, size: int = 100) -> Exchange:
    body = json.dumps({"dataframe_records": [{"a": f"{number}-{'x' * size}"}]}).encode()
    return Exchange(f"id-{number}", time.time(), 1, 200, 0.1, "application/json", body, b'{"predictions": ["p"]}')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "front" / "log"


@pytest.fixture
def log(folder: Path) -> Iterator[RequestLog]:
    made = RequestLog(Loop("test"))
    made.follow(
        RoutingTable(endpoints={"front": EndpointRoutes((), str(folder))}, limits=GatewayLimits(log_bytes=20 * KIB))
    )
    yield made
    made._spools[str(folder)].close()


@pytest.mark.slow
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
    for _ in range(2):
        for _ in range(40):
            text = "".join(noise.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=2000))
            body = json.dumps({"dataframe_records": [{"a": text}]}).encode()
            assert log.keep("front", Exchange("id", time.time(), 1, 200, 0.1, "application/json", body, b"{}"))
        log.roll()
        (part,) = parts(folder)
        assert part.path.stat().st_size > 20 * KIB


def test_what_comes_faster_than_it_is_rolled_up_is_not_logged_and_that_is_told(
    log: RequestLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "_SPOOL_BYTES", 100 * KIB)
    kept = []
    for number in range(40):
        kept.append(log.keep("front", exchange(number, 10 * KIB)))
        log.write()
    assert sum(kept) == 10
    assert (folder / "spool.records").stat().st_size < 120 * KIB
    log.roll()
    assert log.keep("front", exchange(41))
    log.roll()
    assert request_log._ROLL_BYTES * 2 == 128 << 20


class Slow:
    """A disk that takes nothing until it is let go, or refuses everything."""

    def __init__(self, spool: Spool, error: OSError | None = None) -> None:
        self.go_on, self.error, self.append = threading.Event(), error, spool.append
        spool.append = self.take  # type: ignore[method-assign]  # the double of a disk

    def take(self, exchanges: Sequence[Exchange]) -> None:
        assert self.go_on.wait(30)
        if self.error:
            raise self.error
        self.append(exchanges)


def test_a_disk_that_hangs_costs_rows_and_never_a_reply(
    log: RequestLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "_HELD_BYTES", 100 * KIB)
    disk = Slow(log._spools[log._logs["front"]])
    log.keep("front", exchange(0))
    writer = threading.Thread(target=log.write)
    writer.start()
    kept = [log.keep("front", exchange(number, 10 * KIB)) for number in range(1, 40)]  # none of these waits
    log.follow(RoutingTable(endpoints={"front": EndpointRoutes((Route(2, 1.0),), str(folder))}))  # nor does this
    assert 5 < sum(kept) < 12
    disk.go_on.set()
    writer.join()
    log.write()
    assert log.keep("front", exchange(41))
    log.write()
    spooled = [found for path, _ in log._spools[log._logs["front"]].rotate() for found in records(path)]
    assert sum(isinstance(found, Exchange) for found in spooled) == sum(kept) + 2
    assert log.unlogged("front") == 0


@pytest.mark.slow
def test_what_a_full_disk_refuses_is_counted_and_said_once(log: RequestLog, caplog: pytest.LogCaptureFixture) -> None:
    disk = Slow(log._spools[log._logs["front"]], OSError(28, "No space left on device"))
    disk.go_on.set()
    for number in range(6):
        assert log.keep("front", exchange(number))
        if number % 2:
            log.write()
    assert log.unlogged("front") == 6
    assert [record.getMessage() for record in caplog.records].count(
        "Requests of front can't be logged: [Errno 28] No space left on device"
    ) == 1
    disk.error = None
    for number in range(1000):  # what was refused takes no room in memory any more
        assert log.keep("front", exchange(number, 200 * KIB))
        log.write()
        log._spools[log._logs["front"]].waiting_bytes = 0


@pytest.mark.slow
def test_a_process_that_is_killed_loses_what_came_in_its_last_moment_only(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from mlops_desk.kit.base.loop import Loop
from mlops_desk.serving.gateway.request_log.log import RequestLog
from mlops_desk.serving.gateway.routes import EndpointRoutes, RoutingTable
from mlops_desk.serving.gateway.spool import Exchange, Spool, records
log = RequestLog(Loop("test"))
log.follow(RoutingTable(endpoints={"front": EndpointRoutes((), sys.argv[1])}))
log.start()
for number in range(10**9):
    log.keep("front", Exchange(str(number), time.time(), 1, 200, 0.1, "application/json", b"{}", b"{}"))
    print(number, time.monotonic(), flush=True)
    time.sleep(0.001)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(1500)]
        process.kill()
        killed_at = time.monotonic()
        told.extend(line for line in process.stdout if line.endswith("\n"))
    spool = Spool(tmp_path / "log")
    left = [found for path, _ in spool.rotate() for found in records(path)]
    there = {found.request_id for found in left if isinstance(found, Exchange)}
    there |= {row[0] for row in logged_ids(tmp_path / "log")}
    lost = [line.split() for line in told if line.split()[0] not in there]
    # A busy machine wakes a writer late; what came a second ago is there in any case.
    assert [number for number, at in lost if float(at) < killed_at - 1.0] == []
    assert len(lost) < len(told) / 2
    assert [int(number) for number, _ in lost] == list(range(len(told) - len(lost), len(told)))  # the last ones


def logged_ids(folder: Path) -> list[tuple[str]]:
    files = [str(part.path) for part in parts(folder)]
    return duckdb.sql(f"SELECT _request_id FROM read_parquet({files})").fetchall() if files else []


def test_the_next_endpoint_of_a_name_has_a_log_of_its_own_and_the_one_before_is_rolled_up_still(
    log: RequestLog, folder: Path, tmp_path: Path
) -> None:
    assert log.keep("front", exchange(1))
    other = tmp_path / "front" / "log-2"
    log.follow(RoutingTable(2, {"front": EndpointRoutes((), str(other), redacted=("a",))}))
    assert log.keep("front", exchange(2))
    log.roll()
    rows = [duckdb.sql(f"FROM read_parquet('{parts(place)[0].path}')").fetchnumpy() for place in (folder, other)]
    assert [list(frame["_request_id"]) for frame in rows] == [["id-1"], ["id-2"]]
    assert rows[0]["a"][0].startswith("1-"), "by the rules that were its own"
    assert "a" not in rows[1]
    log._spools[str(other)].close()
