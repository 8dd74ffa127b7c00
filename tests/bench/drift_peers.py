"""Drift reports beside other tools on the same two files: Evidently's preset, and NannyML's univariate drift.

``python tests/bench/drift_peers.py [ROWS]``: 50 columns as in ``drift.py``, ROWS rows a side (50,000). Each tool runs in a
process of its own, imports and reading included, and in an environment of its own below ``build``, which pip makes at
first use; where that fails it is said why, and the tool is left out. None of them draws a page here.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from drift import make, measure

BUILD = Path(__file__).resolve().parents[2] / "build"
HEAD = """
import json, resource, sys, time, warnings
warnings.filterwarnings("ignore")
begun = time.perf_counter()
import pandas as pd
"""
TAIL = """
print(json.dumps([time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
EVIDENTLY = """
from evidently import Report
from evidently.presets import DataDriftPreset
reference, current = (pd.read_parquet(path) for path in sys.argv[1:])
Report([DataDriftPreset()]).run(current, reference).dict()
"""
NANNYML = """
import nannyml
reference, current = (pd.read_parquet(path) for path in sys.argv[1:])
names = list(reference)
found = nannyml.UnivariateDriftCalculator(
    column_names=names, treat_as_categorical=[name for name in names if name[0] == "c"], chunk_number=1,
    continuous_methods=["wasserstein", "kolmogorov_smirnov", "jensen_shannon", "hellinger"],
    categorical_methods=["chi2", "l_infinity", "jensen_shannon", "hellinger"],
)
found.fit(reference)
found.calculate(current).to_df()
"""
PEERS = {
    "Evidently, DataDriftPreset": ("evidently", ["evidently", "pandas<3", "pyarrow"], EVIDENTLY),
    "NannyML, four univariate methods": ("nannyml", ["nannyml", "statsmodels", "pandas<3", "pyarrow"], NANNYML),
}


def environment(name: str, packages: list[str]) -> Path | None:
    """Return the Python of a tool's environment; None, said why, where it can't be made."""
    folder = BUILD / f"peers-{name}"
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(python), "-m", "pip", "install", "-q", *packages],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"({name} is left out: {' '.join(command)} says {done.stderr.strip()[-300:]})", file=sys.stderr)
                return None
        ready.touch()
    return python


def peer(python: Path, code: str, paths: list[str]) -> tuple[float, float] | str:
    """Return a tool's seconds and MiB at its peak, or what it says where it fails."""
    command = [str(python), "-c", HEAD + code + TAIL, *paths]
    environment = {**os.environ, "DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1][:200]
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), float(peak)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    print(f"load {os.getloadavg()[0]:.1f}; two files of 50 columns x {rows:,} rows")
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{name}.parquet" for name in ("reference", "current")]
        for seed, path in enumerate(paths):
            make(Path(path), rows, seed)
        seconds, peak, _ = measure("ours", *paths)
        print(f"  {'mlops-desk, all measures and histograms':42} {seconds:7.2f} s   peak {peak:7.0f} MiB", flush=True)
        for what, (name, packages, code) in PEERS.items():
            python = environment(name, packages)
            found = None if python is None else peer(python, code, paths)
            if isinstance(found, str):
                print(f"  {what:42} {found}")
            elif found is not None:
                print(f"  {what:42} {found[0]:7.2f} s   peak {found[1]:7.0f} MiB", flush=True)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
