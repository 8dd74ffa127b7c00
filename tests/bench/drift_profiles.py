"""Drift by profiles: 50 columns x 1 M rows against a stored profile, rows into sketches, and windows added up.

``python tests/bench/drift_profiles.py [ROWS]``. Floors beside: DuckDB reading the same columns into numpy, and numpy
sorting them; adding arrays of the same sizes. Forty columns of numbers of five shapes, some with gaps, and ten of
categories of 2 to 200 levels, as in the measurements of other tools.
"""

import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np

from mlops_desk.drift.data.file_formats import open_data
from mlops_desk.drift.profile.file_format import from_bytes, to_bytes
from mlops_desk.drift.profile.profile import DataProfile, merged
from mlops_desk.drift.profile.sketch_builder import profile_of
from mlops_desk.drift.profile.table_comparison import compare_with, make_profile
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.kit.storage.data_files import connect

NUMERIC, CATEGORICAL, WINDOWS = 40, 10, 720
SHAPES = ["{n}", "exp({n})", "-ln(1 - random())", "random() * 100", "floor(abs({n}) * 3)"]
NORMAL = "sqrt(-2 * ln(1 - random())) * cos(6.283185307179586 * random())"


def write(path: Path, rows: int, seed: float) -> Path:
    columns = []
    for at in range(NUMERIC):
        value = SHAPES[at % len(SHAPES)].format(n=NORMAL)
        columns.append(f"CASE WHEN random() < {0.02 * (at % 3)} THEN NULL ELSE {value} END AS n{at}")
    for at, levels in enumerate([2, 3, 5, 8, 12, 20, 35, 60, 100, 200]):
        columns.append(f"'level ' || CAST(floor(random() * {levels}) AS INT) AS k{at}")
    with duckdb.connect() as connection:
        connection.execute(f"SELECT setseed({seed})")
        connection.execute(f"COPY (SELECT {', '.join(columns)} FROM range({rows})) TO '{path}' (FORMAT parquet)")
    return path


def line(what: str, seconds: float, wanted: str = "") -> None:
    print(f"{what:<66} {seconds * 1000:9.1f} ms  {wanted}", flush=True)


def timed(work):
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def floors(connection, path: Path) -> None:
    relation = f"read_parquet('{path}')"
    read = [f"SELECT n{at} FROM {relation}" for at in range(NUMERIC)]
    seconds, arrays = timed(lambda: [connection.execute(query).fetchnumpy() for query in read])
    line("floor: DuckDB reads the numbers into numpy, column by column", seconds)
    values = [np.ma.filled(next(iter(one.values())).astype(float), 0.0) for one in arrays]
    line("floor: numpy sorts them", timed(lambda: [np.sort(one) for one in values])[0])
    groups = [f"SELECT k{at}, count(*) FROM {relation} GROUP BY ALL" for at in range(CATEGORICAL)]
    line("floor: DuckDB counts the categories", timed(lambda: [connection.execute(q).fetchall() for q in groups])[0])


def windows(reference: DataProfile) -> None:
    some = [reference] * WINDOWS
    seconds = min(timed(lambda: merged(some))[0] for _ in range(5))
    line(f"{WINDOWS} windows x {len(reference.columns)} columns added up", seconds, "wanted: 50 ms")
    counts, sums = np.ones((WINDOWS, NUMERIC * 256), dtype=np.int64), np.ones((WINDOWS, NUMERIC * 256))
    seconds = min(timed(lambda: (counts.sum(axis=0), sums.sum(axis=0)))[0] for _ in range(5))
    line("floor: numpy adds arrays of that size, already side by side", seconds)


def main(rows: int) -> None:
    print(f"load {os.getloadavg()[0]:.1f}; {rows:,} rows x {NUMERIC + CATEGORICAL} columns, DuckDB on 2 threads")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before, now = write(folder / "before.parquet", rows, 0.1), write(folder / "now.parquet", rows, 0.2)
        with closing(connect(folder / "spill", threads=2)) as connection:
            floors(connection, now)
            seconds, made = timed(
                lambda: make_profile(connection, open_data(connection, before, folder), DriftOptions())
            )
            line("a profile made of the reference", seconds)
            seconds, content = timed(lambda: to_bytes(made))
            line(f"written down in {len(content):,} bytes", seconds)
            seconds, reference = timed(lambda: from_bytes(content))
            line("read again", seconds)
            work = lambda: compare_with(connection, reference, open_data(connection, now, folder), DriftOptions())  # noqa: E731 - said in one place
            seconds, report = timed(work)
            line(f"the current file against the stored profile ({report.verdict})", seconds, "wanted: 2500 ms at 1 M")
        with closing(connect(folder / "spill", threads=1)) as connection:
            table = open_data(connection, now, folder)
            work = lambda: [profile_of(connection, table, one.column, one.frame) for one in reference.columns]  # noqa: E731 - likewise
            seconds, _ = timed(work)
        line(f"rows into sketches on one core: {rows / seconds:,.0f} rows/s", seconds, "wanted: 100,000 rows/s")
        windows(reference)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
