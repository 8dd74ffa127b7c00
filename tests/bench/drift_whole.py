"""``drift report`` as a whole process: two small files, and two very wide ones with its progress.

``python tests/bench/drift_whole.py [COLUMNS ROWS]``: 800 rows x 15 columns as CSV and as Parquet, the best of ten; then
COLUMNS x ROWS a side (1,000 x 200,000), with the lines of progress that somebody at a terminal sees. Beside them a
Python that loads numpy, SciPy's special functions and DuckDB, and one that does nothing.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[2]
REPORT = [sys.executable, "-P", "-m", "mlops_desk", "drift", "report"]
NORMAL = "sqrt(-2 * ln(1 - random())) * cos(6.283185307179586 * random())"
SHAPES = ["{n}", "exp({n})", "random()", "floor(random() * 12)", "'level ' || CAST(floor(random() * 20) AS INT)"]


def write(path: Path, columns: int, rows: int, seed: float) -> Path:
    """Write one side, in slices of a hundred columns: of very many DuckDB would hold all in memory."""
    listed = ", ".join(f"{SHAPES[at % len(SHAPES)].format(n=NORMAL)} AS c{at}" for at in range(columns))
    form = "FORMAT csv, HEADER" if path.suffix == ".csv" else "FORMAT parquet, ROW_GROUP_SIZE 20000"
    with duckdb.connect(config={"memory_limit": "4GB"}) as connection:
        connection.execute(f"SELECT setseed({seed})")
        connection.execute(f"COPY (SELECT {listed} FROM range({rows})) TO '{path}' ({form})")
    return path


def best(command: list[str], repeats: int = 10) -> float:
    found = float("inf")
    for _ in range(repeats):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        found = min(found, time.perf_counter() - begun)
    return found


def small(folder: Path) -> None:
    for kind in ("csv", "parquet"):
        before, now = write(folder / f"a.{kind}", 15, 800, 0.1), write(folder / f"b.{kind}", 15, 800, 0.2)
        seconds = best([*REPORT, "--reference", str(before), "--current", str(now), "--json"])
        print(f"  two {kind} files of 800 rows x 15 columns {seconds:17.2f} s   wanted: 1.5 s", flush=True)
    floor = best([sys.executable, "-c", "import numpy, scipy.special, duckdb"])
    print(f"  floor: a Python that loads numpy, scipy.special, DuckDB {floor:5.2f} s")
    print(f"  floor: a Python that does nothing {best([sys.executable, '-c', 'pass']):26.2f} s", flush=True)


def wide(folder: Path, columns: int, rows: int) -> None:
    before, now = (write(folder / f"{at}.parquet", columns, rows, at / 10) for at in (1, 2))
    sizes = sum(path.stat().st_size for path in (before, now)) >> 20
    begun = time.perf_counter()
    request = {"reference": str(before), "current": str(now), "folder": str(folder)}
    worker = [sys.executable, "-P", "-m", "mlops_desk.drift.worker"]
    with (
        (folder / "answer").open("w+") as told,
        subprocess.Popen(
            worker, stdin=subprocess.PIPE, stdout=told, stderr=subprocess.PIPE, text=True, cwd=ROOT
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        said = 0
        for line in process.stderr:
            said += 1
            if said % 10 == 1:
                print(f"    {time.perf_counter() - begun:6.1f} s  {line.strip()[:90]}", flush=True)
        process.wait()
        told.seek(0)
        answer = json.loads(told.read())
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    report = answer.get("ok", answer)
    print(
        f"  {columns:,} columns x {rows:,} rows a side ({sizes:,} MiB as Parquet): {seconds:.1f} s, peak {peak:,} MiB, "
        f"{said} lines of progress, verdict {report.get('verdict')}"
    )


def main() -> None:
    columns, rows = (
        (int(one) for one in (*sys.argv[1:], "1000", "200000")[:2]) if len(sys.argv) != 2 else (1000, 200_000)
    )
    print(f"load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        small(Path(name))
        wide(Path(name), columns, rows)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
