"""What the whole program costs: start to first numbers, agent, collector, window, sample to pixel.

    python tests/bench/house.py [SECONDS]

On the shipped simulated workstation (8 GPUs), each figure beside a floor from the same run: an empty
Python, a bare pyqtgraph window. Needs a screen (or Xvfb). Prints a table; asserts nothing.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
RUNS = 5


def main() -> None:
    seconds = sys.argv[1] if len(sys.argv) > 1 else "20"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled files are what people run with
    folder = Path(tempfile.mkdtemp(prefix="mlops-desk-bench-"))
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
    os.environ["QT_LOGGING_RULES"] = "*=false"
    data = folder / "demo"
    try:
        rows = [*starts(data), *processes(data, float(seconds)), *windows(data, seconds)]
    finally:
        desk(data, "agent", "stop", "--all")
        shutil.rmtree(folder, ignore_errors=True)
    show(rows)


def desk(data: Path, *words: str) -> float:
    """Run a command and return how long it took."""
    command = [sys.executable, "-m", "mlops_desk", "--demo", "--data-dir", str(data), *words]
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def starts(data: Path) -> list[tuple[str, str, str]]:
    desk(data, "status", "--json")
    cold = []
    for _ in range(RUNS):
        desk(data, "agent", "stop")
        cold.append(desk(data, "status", "--json"))
    warm = [desk(data, "status", "--json") for _ in range(RUNS)]
    floor = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import httpx"], check=True)
        floor.append(time.perf_counter() - begun)
    base = f"python -c 'import httpx': {statistics.median(floor):.2f} s"
    return [
        ("status --json, agent not running (median of 5)", f"{statistics.median(cold):.2f} s", base),
        ("status --json, agent running (median of 5)", f"{statistics.median(warm):.2f} s", base),
    ]


def processes(data: Path, seconds: float) -> list[tuple[str, str, str]]:
    """Measure the agent and its collector while nobody looks."""
    answer = subprocess.run(
        [sys.executable, "-m", "mlops_desk", "--demo", "--data-dir", str(data), "agent", "status", "--json"],
        check=True, capture_output=True,
    )  # fmt: skip
    agent = psutil.Process(json.loads(answer.stdout)["pid"])
    time.sleep(15)  # the demo fills itself first
    family = {"agent": agent, "collector": agent.children()[0]}
    before = {name: sum(process.cpu_times()[:2]) for name, process in family.items()}
    time.sleep(seconds)
    rows = []
    for name, process in family.items():
        share = 100 * (sum(process.cpu_times()[:2]) - before[name]) / seconds
        memory = process.memory_full_info()
        figure = f"{share:.2f} % of a core, {memory.pss / 2**20:.0f} MiB PSS, {memory.rss / 2**20:.0f} MiB RSS"
        rows.append((f"{name}, 8 simulated GPUs, 1 Hz, nobody looking", figure, ""))
    return rows


def windows(data: Path, seconds: str) -> list[tuple[str, str, str]]:
    bare = child("bare.py", seconds)
    shown = child("pixel.py", str(data), seconds, "shown")
    hidden = child("pixel.py", str(data), seconds, "hidden")
    gaps = child("pixel.py", str(data), seconds, "shown", "gaps")
    latencies = sorted(shown["latencies"])
    p99 = latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))]
    floor = f"bare pyqtgraph window: {bare['core_percent']:.2f} %, {bare['rss_mib']:.0f} MiB"
    return [
        ("window, visible", f"{shown['core_percent']:.2f} % of a core, {shown['rss_mib']:.0f} MiB RSS", floor),
        ("window, hidden", f"{hidden['core_percent']:.2f} % of a core, {hidden['rss_mib']:.0f} MiB RSS", floor),
        ("window, first paint", f"{shown['first_paint_seconds']:.2f} s", f"bare: {bare['first_paint_seconds']:.2f} s"),
        ("window, first numbers, agent running", f"{shown['first_numbers_seconds']:.2f} s", ""),
        ("sample to pixel, median / p99", f"{1000 * statistics.median(latencies):.0f} / {1000 * p99:.0f} ms", ""),
        ("event loop, worst gap of a 10 ms timer", f"{1000 * gaps['worst_gap_seconds']:.0f} ms", ""),
    ]


def child(name: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, str(HERE / name), *arguments], check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def show(rows: list[tuple[str, str, str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for what, figure, beside in rows:
        print(f"{what.ljust(widths[0])}  {figure.ljust(widths[1])}  {beside}".rstrip())


if __name__ == "__main__":
    main()
