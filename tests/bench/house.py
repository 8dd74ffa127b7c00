"""What the whole program costs: start to first numbers, agent, collector, window, sample to pixel.

    python tests/bench/house.py [SECONDS]

On 8 simulated H100 and 500 processes, 64 of them on the GPUs: the NVML simulator where it is at hand, else
the shipped simulated workstation. Each figure stands beside a peer or a floor from the same run: nvtop, an empty
Python, a bare pyqtgraph window with 24 curves. Needs a screen (or Xvfb). Prints a table; asserts nothing.
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
sys.path.insert(0, str(ROOT))

from tests import nvml_sim
from tests.bench.collector import calls, calls_a_second, measure

RUNS = 5
PROCESSES, ON_GPUS, GPUS = 500, 64, 8
TRAINED_GPUS = range(4)
FOLLOWING_GPU = 6
"""Whose memory the scenario makes of what the processes hold."""
SETTLE_SECONDS = 20.0

Row = tuple[str, str, str]


class Machine:
    """What is looked at: the simulated GPUs, and processes that hold the memory which is in use there."""

    def __init__(self, folder: Path) -> None:
        self.simulator = nvml_sim.Simulator.to_be_timed(folder, "h100x8") if nvml_sim.available() else None
        self.demo = [] if self.simulator else ["--demo"]
        self.workers = [subprocess.Popen(["sleep", "3600"]) for _ in range(PROCESSES)]
        if self.simulator:
            lines = (
                f"proc gpu={number % GPUS} pid={worker.pid} mem={_held(number % GPUS)} sm=10"
                for number, worker in enumerate(self.workers[:ON_GPUS])
            )
            self.simulator.inject(*lines)

    @property
    def name(self) -> str:
        return "NVML simulator" if self.simulator else "shipped simulated workstation"

    @property
    def environment(self) -> dict[str, str]:
        """What its clients need in their environment."""
        return self.simulator.environment if self.simulator else {}

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        for worker in self.workers:
            worker.wait()


def _held(gpu: int) -> str:
    """Return what each process on a GPU holds, as the scenario writes it: together what is in use.

    A training keeps what it has taken, and the little by which use wanders there is the driver's.
    """
    if gpu == FOLLOWING_GPU:
        return "2GiB"
    return f"70GiB/{ON_GPUS // GPUS}" if gpu in TRAINED_GPUS else f"mem_used/{ON_GPUS // GPUS}"


class Rig:
    """A desk on a machine, with a data folder and leases of its own; ``root`` is the folder of the desk's code."""

    def __init__(self, folder: Path, machine: Machine, root: Path = ROOT) -> None:
        self.data, self.root = folder / "data", root
        self.simulator, self.demo = machine.simulator, machine.demo
        self.leases = folder / "leases"
        self.leases.mkdir(parents=True)
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(root),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "MLOPS_DESK_LEASE_DIR": str(self.leases),
            "QT_LOGGING_RULES": "*=false",
            **machine.environment,
        }

    def desk(self, *words: str) -> tuple[float, str]:
        """Run a command; return how long it took, and what it said."""
        command = [sys.executable, "-m", "mlops_desk", *self.demo, "--data-dir", str(self.data), *words]
        begun = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=self.environment, cwd=self.root)
        return time.perf_counter() - begun, done.stdout

    def child(self, name: str, *arguments: str) -> dict[str, Any]:
        """Run a program beside this one and return what it measured."""
        return measured(self.begin(name, *arguments))

    def begin(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a program of this folder that measures itself."""
        command = [sys.executable, str(self.root / "tests" / "bench" / name), *arguments]
        environment = {**self.environment, "BENCH_STARTED": repr(time.time())}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def close(self) -> None:
        self.desk("agent", "stop", "--all")


def measured(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a program that measures itself; return what it measured."""
    said, trouble = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}:\n{trouble}")
    answer: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return answer


def main() -> None:
    seconds = sys.argv[1] if len(sys.argv) > 1 else "20"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled files are what people run with
    folder = Path(tempfile.mkdtemp(prefix="mlops-desk-bench-"))
    machine = Machine(folder)
    rig = Rig(folder, machine)
    try:
        print(f"8 GPUs of the {machine.name}, {PROCESSES} processes, load {os.getloadavg()[0]:.1f}", flush=True)
        for part in (starts, processes, windows):
            show(part(rig, seconds))
    finally:
        rig.close()
        machine.close()
        shutil.rmtree(folder, ignore_errors=True)


def starts(rig: Rig, _seconds: str) -> list[Row]:
    rig.desk("status", "--json")
    cold = []
    for _ in range(RUNS):
        rig.desk("agent", "stop")
        cold.append(rig.desk("status", "--json")[0])
    warm = [rig.desk("status", "--json")[0] for _ in range(RUNS)]
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


def processes(rig: Rig, seconds: str) -> list[Row]:
    """Measure the agent and its collector while nobody looks, and nvtop after them."""
    agent = psutil.Process(json.loads(rig.desk("agent", "status", "--json")[1])["pid"])
    time.sleep(SETTLE_SECONDS)
    family = {"agent": agent, "collector": agent.children()[0]}
    before = {name: sum(process.cpu_times()[:2]) for name, process in family.items()}
    counted = calls(rig.simulator, family["collector"].pid)
    time.sleep(float(seconds))
    share = {
        name: 100 * (sum(process.cpu_times()[:2]) - before[name]) / float(seconds) for name, process in family.items()
    }
    often = calls_a_second(counted, calls(rig.simulator, family["collector"].pid)) or float("nan")
    memory = {name: process.memory_full_info().pss / 2**20 for name, process in family.items()}
    peer = ""
    if rig.simulator and shutil.which("nvtop"):
        nvtop = measure("nvtop", ["nvtop", "-d", "10"], rig.environment, rig.simulator, float(seconds), terminal=True)
        peer = f"nvtop: {nvtop.core_percent:.2f} %, {nvtop.pss_mib:.0f} MiB, {nvtop.calls_per_second or float('nan'):.0f} calls/s"
    rows = [
        (f"{name}, 1 Hz, nobody looking", f"{share[name]:.2f} % of a core, {memory[name]:.0f} MiB PSS", "")
        for name in family
    ]
    both = f"{sum(share.values()):.2f} % of a core, {sum(memory.values()):.0f} MiB PSS, {often:.0f} NVML calls/s"
    return [*rows, ("agent + collector", both, peer)]


def windows(rig: Rig, seconds: str) -> list[Row]:
    data = (str(rig.data), seconds, *rig.demo)
    bare = rig.child("bare.py", seconds)
    floor = f"bare pyqtgraph window: {bare['core_percent']:.2f} %, {bare['rss_mib']:.0f} MiB"
    rows: list[Row] = []
    shown = {page: rig.child("pixel.py", *data, "--page", page) for page in ("overview", "gpus")}
    for page, figures in shown.items():
        figure = f"{figures['core_percent']:.2f} % of a core, {figures['rss_mib']:.0f} MiB RSS"
        rows.append((f"window, visible, {page}", figure, floor))
    hidden = rig.child("pixel.py", *data, "--hidden")
    rows.append(("window, hidden", f"{hidden['core_percent']:.2f} % of a core, {hidden['rss_mib']:.0f} MiB RSS", floor))
    first = [rig.child("pixel.py", str(rig.data), "0", *rig.demo) for _ in range(RUNS)]
    paint, numbers = (statistics.median(one[key] for one in first) for key in ("first_paint", "first_numbers"))
    rig.desk("agent", "stop")
    alone = rig.child("pixel.py", str(rig.data), "0", *rig.demo)["first_numbers"]
    latencies = sorted(shown["overview"]["latencies"] + shown["gpus"]["latencies"])
    p99 = latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))]
    gaps = max(rig.child("pixel.py", *data, "--page", page, "--gaps")["worst_gap"] for page in shown)
    return [
        *rows,
        ("window, first paint (median of 5)", f"{paint:.2f} s", f"bare: {bare['first_paint_seconds']:.2f} s"),
        ("window, first numbers, agent running (median of 5)", f"{numbers:.2f} s", ""),
        ("window, first numbers, agent not running", f"{alone:.2f} s", ""),
        ("sample to pixel, median / p99", f"{1000 * statistics.median(latencies):.0f} / {1000 * p99:.0f} ms", ""),
        ("event loop, worst gap of a 10 ms timer, pages built", f"{1000 * gaps:.0f} ms", ""),
    ]


def show(rows: list[Row]) -> None:
    for what, figure, beside in rows:
        print(f"{what:52}  {figure:48}  {beside}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
