"""What a drift report over 50 columns costs, beside the plainest SciPy that gives the same numbers.

``python tests/bench/drift.py [ROWS]``: both sides have ROWS rows (200,000) of 40 numeric columns of five
shapes and 10 categorical ones. Prints seconds and peak memory of each, both in processes of their own.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np

ROWS = 200_000


def make(path: Path, rows: int, seed: int) -> None:
    """Write one side; the other seed's side has the first column shifted."""
    connection = duckdb.connect()
    connection.execute(f"SELECT setseed({(seed % 10) / 10})")
    normal = "sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())"
    shapes = [
        normal,
        f"exp({normal})",
        "random()",
        "floor(random() * 12)",
        f"CASE WHEN random() < 0.05 THEN NULL ELSE {normal} END",
    ]
    columns = [f"{shapes[at % 5]} + {0.5 * seed if at == 0 else 0} AS n{at}" for at in range(40)]
    columns += [f"'level ' || CAST(floor(random() * {2 + 22 * at}) AS INT) AS c{at}" for at in range(10)]
    connection.execute(f"COPY (SELECT {', '.join(columns)} FROM range({rows})) TO '{path}' (FORMAT parquet)")


def ours(reference: str, current: str) -> dict[str, float]:
    from mlops_desk.drift.worker import compare_files

    report = compare_files(Path(reference), Path(current))
    return {
        found.name: found.measures["wasserstein_normed" if found.kind == "numeric" else "chi2"].value or 0.0
        for found in report.columns
    }


def plain(reference: str, current: str) -> dict[str, float]:
    """Call SciPy once for each measure of each column of two whole frames."""
    import pandas as pd
    from scipy import stats
    from scipy.spatial.distance import jensenshannon

    frames = [duckdb.read_parquet(path).df() for path in (reference, current)]
    found = {}
    for name in frames[0]:
        first, second = (frame[name].dropna() for frame in frames)
        if first.dtype.kind == "f":
            found[name] = float(stats.wasserstein_distance(first, second) / np.std(first))
            stats.energy_distance(first, second)
            stats.ks_2samp(first, second)
            edges = np.unique(np.quantile(first, np.arange(1, 10) / 10))
            p, q = (np.bincount(np.digitize(side, edges), minlength=edges.size + 1) for side in (first, second))
        else:
            table = pd.DataFrame({"p": first.value_counts(), "q": second.value_counts()}).fillna(0)
            found[name] = float(stats.chi2_contingency(table.T, correction=False).statistic)
            p, q = table["p"].to_numpy(), table["q"].to_numpy()
        jensenshannon(p, q, base=2)
    return found


def measure(way: str, *paths: str) -> tuple[float, float, dict[str, float]]:
    command = [sys.executable, __file__, "--one", way, *paths]
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return done["seconds"], done["peak_mebibytes"], done["values"]


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        start = time.perf_counter()
        values = {"ours": ours, "plain": plain}[sys.argv[2]](*sys.argv[3:])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": time.perf_counter() - start, "peak_mebibytes": peak, "values": values}))
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{name}.parquet" for name in ("reference", "current")]
        for seed, path in enumerate(paths):
            make(Path(path), rows, seed)
        found = {way: measure(way, *paths) for way in ("ours", "plain")}
    print(f"drift report, 50 columns x {rows:,} rows a side, imports included")
    for way, name in (("ours", "mlops-desk, all measures and histograms"), ("plain", "SciPy, five of the measures")):
        print(f"  {name:42} {found[way][0]:7.2f} s   peak {found[way][1]:7.0f} MiB")
    largest = max(abs(found["ours"][2][name] - value) / max(1, abs(value)) for name, value in found["plain"][2].items())
    print(f"  largest relative difference of Wasserstein and chi-square: {largest:.1e}")


if __name__ == "__main__":
    main()
