"""What the request log costs: noting, spooling, rolling up, a window of ten thousand rows out of ten million.

    python tests/bench/request_log.py [--requests 20000] [--rows 10000000] [--hours 24] [--folder FOLDER]

Each beside its floor: the same bytes appended to a file, the same table written by DuckDB alone, the same rows read from
one file that holds nothing else. ``unset PYTHONDONTWRITEBYTECODE`` before.
"""

import argparse
import json
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import duckdb

from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.request_log.layout import hour_of, part_path, parts
from mlops_desk.kit.storage.request_log.query import RequestQuery, find
from mlops_desk.kit.storage.request_log.reader import newest
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.serving.gateway.request_log.log import RequestLog
from mlops_desk.serving.gateway.request_log.rollup import Rollup
from mlops_desk.serving.gateway.routes import EndpointRoutes, Route, RoutingTable
from mlops_desk.serving.gateway.spool import Exchange, Spool

FEATURES = (
    *(LoggedFeature(f"number_{n}", "double") for n in range(8)), LoggedFeature("member", "boolean"),
    LoggedFeature("city", "text"), LoggedFeature("visits", "long"), LoggedFeature("joined", "datetime"),
)  # fmt: skip
ROUTES = EndpointRoutes((Route(1, 1.0, features=FEATURES),), "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--folder", type=Path, help="keeps the long log there, and takes it from there next time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, exchanges(options.requests))
        long_log = options.folder or folder / "long"
        if not parts(long_log):
            fill(long_log, options.rows, options.hours)
        read_again(folder, long_log)
    print(f"{'most memory of this process':46}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:14.0f} MiB")


def exchanges(count: int) -> list[Exchange]:
    """Return requests of one row, of eight numbers, a flag, a city, a count and a day, as JSON of about 300 bytes."""
    chance = random.Random(7)
    now = time.time()
    made = []
    for number in range(count):
        row = {f"number_{n}": chance.gauss(0, 1) for n in range(8)}
        row |= {"member": chance.random() < 0.4, "city": f"city {chance.randrange(50)}", "visits": chance.randrange(99)}
        row["joined"] = f"2024-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
        body = json.dumps({"dataframe_records": [row]}).encode()
        answer = json.dumps({"predictions": [chance.random()]}).encode()
        made.append(
            Exchange(
                f"{chance.getrandbits(128):032x}", now + number / 1e4, 1, 200, 0.01, "application/json", body, answer
            )
        )
    return made


def written(folder: Path, sent: list[Exchange]) -> None:
    """Measure the way in."""
    bodies = sum(len(one.body) + len(one.answer) for one in sent)
    log = RequestLog(Loop("bench"))
    log.follow(RoutingTable(endpoints={"front": EndpointRoutes(ROUTES.routes, str(folder / "noted"))}))
    told = []
    for one in sent:
        begun = time.perf_counter()
        log.keep("front", one)
        told.append(time.perf_counter() - begun)
        if len(told) % 1000 == 0:
            log.write()
    told.sort()
    middle, most = statistics.median(told), told[int(len(told) * 0.999)]
    line("noting a request, median and 99.9 %", f"{middle * 1e6:.2f} and {most * 1e6:.1f} µs")
    spool = Spool(folder / "spooled")
    spool.describe({1: FEATURES})
    rate("spooled", len(sent), lambda: [spool.append(sent[at : at + 100]) for at in range(0, len(sent), 100)])
    rate("  floor: the bytes appended to a file", len(sent), lambda: appended(folder / "floor", sent))
    waiting = spool.rotate()
    rate("rolled up", len(sent), lambda: Rollup().roll(spool.folder, waiting, ROUTES))
    rows = parts(spool.folder)
    source = f"read_parquet('{rows[0].path}')"
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT * FROM {source}")
        target = folder / "plain.parquet"
        copy = f"COPY t TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        rate("  floor: DuckDB writes the table", len(sent), lambda: connection.execute(copy))
    size = sum(part.path.stat().st_size for part in rows)
    lines = sum(len(json.dumps([*map(str, (one.request_id, one.body, one.answer))])) + 60 for one in sent)
    line(
        "bytes a row: Parquet, as NDJSON, bodies alone",
        f"{size / len(sent):.0f}, {lines / len(sent):.0f}, {bodies / len(sent):.0f}",
    )


def appended(path: Path, sent: list[Exchange]) -> None:
    with path.open("ab", buffering=0) as file:
        for at in range(0, len(sent), 100):
            file.write(b"".join(one.body + one.answer for one in sent[at : at + 100]))


def fill(folder: Path, rows: int, hours: int) -> None:
    """Write a log as merged hours have it."""
    each, now = rows // hours, time.time()
    numbers = ", ".join(f"random() * 100 AS number_{n}" for n in range(8))
    with duckdb.connect() as connection:
        for back in range(hours):
            hour = hour_of(now) - back * 3600
            path = part_path(folder, hour * 1000, hour)
            path.parent.mkdir(parents=True)
            connection.execute(f"""
                COPY (SELECT replace(uuid()::VARCHAR, '-', '') AS _request_id, {hour} + i * 3600.0 / {each} AS _received_at,
                1::BIGINT AS _revision, CASE WHEN random() < 0.001 THEN 500 ELSE 200 END::BIGINT AS _status,
                0.001 + random() * 0.05 AS _latency_seconds, 0::BIGINT AS _row, NULL::VARCHAR AS _prediction,
                NULL::VARCHAR AS _extra, false AS _is_shadow, {numbers}, random() < 0.4 AS member,
                'city ' || (random() * 50)::INT AS city, random() AS _output FROM range({each}) AS t(i))
                TO '{path}' (FORMAT parquet, COMPRESSION zstd)""")


def read_again(folder: Path, log: Path) -> None:
    """Measure the way out."""
    count = duckdb.sql(f"SELECT count(*) FROM read_parquet({[str(part.path) for part in parts(log)]})").fetchall()[0][0]
    of = f"of {count:,}"
    seconds(f"newest 10,000 rows {of}, for drift", lambda: newest(log, 10_000, folder / "newest.parquet"))
    floor = f"COPY (SELECT * FROM '{folder / 'newest.parquet'}') TO '{folder / 'again.parquet'}' (FORMAT parquet)"
    seconds("  floor: these rows alone, read and written", lambda: duckdb.sql(floor))
    hour = time.time() - 3600
    seconds(f"requests: newest 100 {of}", lambda: find(log, RequestQuery(100)))
    seconds("requests: --since -1h --status 5xx", lambda: find(log, RequestQuery(100, hour, 500, 599)))
    seconds(f"requests: 1,000 of 5xx {of}", lambda: find(log, RequestQuery(1000, 0.0, 500, 599)))
    seconds(f"requests: a status that none has {of}", lambda: find(log, RequestQuery(100, 0.0, 404, 404)))
    seconds(f"requests: slower than all but a few {of}", lambda: find(log, RequestQuery(100, slower_seconds=0.0509)))


def rate(name: str, count: int, work: Callable[[], object]) -> None:
    begun = time.perf_counter()
    work()
    line(name, f"{count / (time.perf_counter() - begun):,.0f} rows/s")


def seconds(name: str, work: Callable[[], object]) -> None:
    told = []
    for _ in range(3):
        begun = time.perf_counter()
        work()
        told.append(time.perf_counter() - begun)
    line(name, f"{statistics.median(told):.3f} s")


def line(name: str, value: str) -> None:
    print(f"{name:46}{value:>24}", flush=True)


if __name__ == "__main__":
    main()
