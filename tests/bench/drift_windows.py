"""Windows of monitors: any span added up, what a year takes on the disk, and a request log cut into windows.

``python tests/bench/drift_windows.py [DAYS] [ROWS]``. Forty columns of numbers and ten of categories. Floors beside:
SQLite reading blobs of the same size and number, numpy adding arrays of that size, DuckDB reading the log's columns.
"""

import itertools
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np

from mlops_desk.drift.columns import NumericSide
from mlops_desk.drift.data.sources import DataSide
from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.live.worker import CutRequest, cut_windows, read_piece
from mlops_desk.drift.monitors.worker import answer as judge_worker
from mlops_desk.drift.profile.bin_edges import frame_of
from mlops_desk.drift.profile.categories import sketch_of_counts
from mlops_desk.drift.profile.file_format import read_profile, to_bytes
from mlops_desk.drift.profile.numbers import sketch_numbers
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile
from mlops_desk.drift.profile.worker import profile_of_source
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn
from mlops_desk.drift.records.monitors import WindowRule
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.store.layout import WindowLayout
from mlops_desk.drift.store.sums import add_windows
from mlops_desk.drift.store.windows import FILE, CutWindow, WindowStore
from mlops_desk.kit.storage.request_log.layout import hour_folder

BEGIN, HOUR = 1_767_225_600.0, 3600.0  # 2026-01-01T00:00:00Z
LEVELS = [2, 3, 5, 8, 12, 20, 35, 60, 100, 200]


def line(what: str, seconds: float, wanted: str = "") -> None:
    print(f"{what:<66} {seconds * 1000:9.1f} ms  {wanted}", flush=True)


def timed(work, repeats: int = 1):
    best, found = float("inf"), None
    for _ in range(repeats):
        started = time.perf_counter()
        found = work()
        best = min(best, time.perf_counter() - started)
    return best, found


def profile(random, rows: int, frames) -> DataProfile:
    columns = []
    for at in range(40):
        values = random.normal(size=rows)
        frame = frames[at] if frames else frame_of(values)
        column = FrozenColumn(f"n{at}", ColumnKind.NUMERIC)
        columns.append(ColumnProfile(column, sketch_numbers(frame, NumericSide(values)), frame))
    for at, levels in enumerate(LEVELS):
        counts = np.bincount(random.integers(0, levels, rows), minlength=levels).tolist()
        sketch = sketch_of_counts((f"level {one}", n) for one, n in enumerate(counts))
        columns.append(ColumnProfile(FrozenColumn(f"k{at}", ColumnKind.CATEGORICAL), sketch))
    return DataProfile(rows, tuple(columns))


def year(folder: Path, days: int, reference: DataProfile) -> None:
    random = np.random.default_rng(1)
    layout = WindowLayout(reference)
    frames = [one.frame for one in reference.columns]
    some = [layout.write(profile(random, 1000, frames)) for _ in range(24)]
    with closing(WindowStore(folder / "drift")) as store:
        digest = store.put_reference("m", reference)
        for day in range(days):
            moments = [BEGIN + (day * 24 + hour) * HOUR for hour in range(24)]
            store.keep("m", digest, [CutWindow(at, at + HOUR, some[n]) for n, at in enumerate(moments)], None, None)
        end = BEGIN + days * 24 * HOUR
        seconds, _ = timed(lambda: store.tidy(end))
        line(f"{days * 24} hourly windows rolled up and tidied", seconds)
        size = store.size_bytes()
        print(
            f"{size / 2**20:,.0f} MiB for {days} days of hourly windows (a month of them twice); "
            f"{len(some[0].bins + some[0].facts) / 40:,.0f} bytes a column of numbers"
        )
        for what, hours in [
            ("1 hour", 1),
            ("1 day", 24),
            ("a week and some hours", 175),
            ("30 days", 720),
            ("all", days * 24),
        ]:
            first = end - min(hours, days * 24 - 5) * HOUR - 5 * HOUR
            seconds, found = timed(lambda first=first: store.merged("m", first, end - 5 * HOUR), 5)
            n = len(store._tables.covering("m", first, end - 5 * HOUR))
            line(f"merged: {what} ({found.n_rows:,} rows out of {n} kept sums)", seconds, "wanted: 50 ms")
        seconds, told = timed(lambda: store.column("m", "n7", end - 30 * 24 * HOUR, end), 3)
        line(f"one column of {len(told)} windows", seconds)
    floors(folder / "drift" / FILE, some[0])


def floors(file: Path, blobs) -> None:
    with closing(sqlite3.connect(file)) as raw:
        seconds, _ = timed(lambda: raw.execute("SELECT facts, bins, rest FROM drift_windows LIMIT 118").fetchall(), 5)
        line("floor: SQLite reads 118 of these rows", seconds)
    counts, sums = np.ones((118, 10_240), dtype=np.uint16), np.ones((118, 10_240))
    seconds, _ = timed(lambda: (counts.sum(axis=0), sums.sum(axis=0)), 5)
    line("floor: numpy adds 118 arrays of that size", seconds)
    del blobs


def columns_of_log() -> str:
    numbers = ", ".join(f"sqrt(-2 * ln(1 - random())) * cos(6.2831853 * random()) AS n{at}" for at in range(40))
    words = ", ".join(f"'level ' || CAST(floor(random() * {n}) AS INT) AS k{at}" for at, n in enumerate(LEVELS))
    return f"{numbers}, {words}"


def log(folder: Path, rows: int, reference: DataProfile) -> None:
    place = hour_folder(folder / "log", int(BEGIN))
    place.mkdir(parents=True)
    meta = f"""printf('%09d', i) AS _request_id, {BEGIN}::DOUBLE + i / 1000.0 AS _received_at, 1::BIGINT AS _revision,
        200::BIGINT AS _status, 0.01::DOUBLE AS _latency_seconds, 0::BIGINT AS _row, NULL::VARCHAR AS _prediction,
        NULL::VARCHAR AS _extra, false AS _is_shadow, false AS _is_try"""
    path = place / f"requests-{int(BEGIN * 1000):013d}.parquet"
    duckdb.sql(f"COPY (SELECT {meta}, {columns_of_log()} FROM range({rows}) AS t(i)) TO '{path}' (COMPRESSION zstd)")
    with duckdb.connect(config={"threads": 1}) as connection:
        seconds, _ = timed(lambda: connection.execute(f"SELECT * FROM '{path}'").fetchnumpy())
        line("floor: DuckDB reads the log into numpy, on one thread", seconds)
    (folder / "reference").write_bytes(to_bytes(reference))
    by_segment(folder)
    for name, size in itertools.product(("reference", "by segment"), (1000, 10_000)):
        out = folder / f"{name}-{size}"
        out.mkdir()
        request = CutRequest(str(out), str(folder / name), WindowRule(size), BEGIN + HOUR, 600.0,
                             log=LogPlace(str(folder / "log"), (1,)))  # fmt: skip
        before = time.process_time()
        seconds, answer = timed(lambda request=request: cut_windows(request))
        spent = time.process_time() - before
        told = f"log, {name}, into {len(answer.windows)} windows of {size} rows"
        line(f"{told}: {answer.n_rows / seconds:,.0f} rows/s, "
             f"{answer.n_rows / spent:,.0f} a processor second", seconds, "wanted: 100,000 rows/s")  # fmt: skip
        judged(out, folder / name, answer.windows[:20])


def by_segment(folder: Path) -> None:
    """Make a reference of the same law, told apart by a column of twelve values: ten, others, missing, unknown."""
    data, out = folder / "data.parquet", folder / "by segment"
    duckdb.sql(f"COPY (SELECT {columns_of_log()} FROM range(20000) AS t(i)) TO '{data}'")
    seconds, made = timed(lambda: profile_of_source(DataSide(Source(SourceKind.FILE, str(data))), segment="k4"))
    out.write_bytes(to_bytes(made))
    line(f"a reference of 20,000 rows by segment: {out.stat().st_size / 2**20:.1f} MiB", seconds)


def judged(out: Path, reference: Path, pieces) -> None:
    layout = WindowLayout(read_profile(reference))
    paths = []
    for at, piece in enumerate(pieces):
        blobs = read_piece(out / "windows", piece)
        path = out / f"{at}.profile"
        path.write_bytes(to_bytes(add_windows(layout, [blobs])))
        paths.append(str(path))
    seconds, _ = timed(lambda: judge_worker({"reference": str(reference), "windows": paths}))
    size = sum(piece.segments for piece in pieces) / len(pieces)
    whole = sum(piece.facts + piece.bins + piece.rest for piece in pieces) / len(pieces)
    line(f"  {len(paths)} windows judged; on the disk {whole:,.0f} bytes a window, its segments {size:,.0f}", seconds)


def main(days: int, rows: int) -> None:
    print(f"load {os.getloadavg()[0]:.1f}; 40 columns of numbers, 10 of categories")
    reference = profile(np.random.default_rng(0), 20_000, None)
    with tempfile.TemporaryDirectory() as name:
        year(Path(name), days, reference)
        log(Path(name), rows, reference)


if __name__ == "__main__":
    main(*map(int, [*sys.argv[1:], *["365", "300000"][len(sys.argv) - 1 :]]))
