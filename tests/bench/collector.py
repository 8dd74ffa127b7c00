"""What watching costs: the collector beside nvtop, on 8 simulated H100 with 12 processes, in the same minute.

    python tests/bench/collector.py [SECONDS]

A simulated driver call takes about 0.2 µs where a real one takes microseconds to milliseconds, so these are the
programs' own costs. Without the simulator the shipped simulated workstation is measured, and no peer.
Prints a table; asserts nothing.
"""

import os
import pty
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from mlops_desk.machine.telemetry.pipe.frames import FrameReader
from tests import nvml_sim

_COLLECTOR = [sys.executable, "-m", "mlops_desk.machine.telemetry.collector"]
_WARM_UP_SECONDS = 8.0
"""Long enough for the simulator to have written its counts once."""
_STARTS = 5
_TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """One row of the table."""

    name: str
    core_percent: float
    rss_mib: float
    pss_mib: float
    calls_per_second: float | None


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled files are what people run with
    with tempfile.TemporaryDirectory(prefix="mlops-desk-bench-") as folder:
        simulator = nvml_sim.Simulator.to_be_timed(Path(folder), "h100x8") if nvml_sim.available() else None
        workers = start_workers(simulator)
        try:
            report(simulator, seconds)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()


def report(simulator: nvml_sim.Simulator | None, seconds: float) -> None:
    arguments = [] if simulator else ["--simulated", "8"]
    environment = {**os.environ, **(simulator.environment if simulator else {})}
    first = [first_numbers(arguments, environment) for _ in range(_STARTS)]
    print(f"start to first numbers (GPUs and host): median {statistics.median(first):.2f} s, worst {max(first):.2f} s")
    rows = [measure("collector, 1 Hz", [*_COLLECTOR, *arguments], environment, simulator, seconds)]
    if simulator and shutil.which("nvtop"):
        rows.append(measure("nvtop, 1 Hz", ["nvtop", "-d", "10"], environment, simulator, seconds, terminal=True))
    rows.append(measure("collector, 1 Hz", [*_COLLECTOR, *arguments], environment, simulator, seconds))
    print(f"{'':20} {'CPU % of a core':>16} {'RSS MiB':>9} {'PSS MiB':>9} {'NVML calls/s':>13}")
    for row in rows:
        calls = "-" if row.calls_per_second is None else f"{row.calls_per_second:.0f}"
        print(f"{row.name:20} {row.core_percent:16.2f} {row.rss_mib:9.1f} {row.pss_mib:9.1f} {calls:>13}")


def start_workers(simulator: nvml_sim.Simulator | None) -> list[subprocess.Popen[bytes]]:
    """Start real, idle processes and show them on the simulated GPUs."""
    if simulator is None:
        return []
    workers = [subprocess.Popen(["sleep", "3600"]) for _ in range(12)]
    lines = [f"proc gpu={number % 8} pid={worker.pid} mem=2GiB sm=20" for number, worker in enumerate(workers)]
    simulator.inject(*lines)
    return workers


def first_numbers(arguments: list[str], environment: dict[str, str]) -> float:
    """Return the seconds from the start of a collector until both GPUs and host were heard of."""
    started = time.monotonic()
    process = subprocess.Popen(
        [*_COLLECTOR, *arguments], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        gpu = host = False
        frames = FrameReader(process.stdout)
        while not (gpu and host) and (frame := frames.read()) is not None:
            gpu, host = gpu or frame.gpu is not None, host or frame.host is not None
        taken = time.monotonic() - started
        process.kill()
    return taken


def measure(
    name: str,
    command: list[str],
    environment: dict[str, str],
    simulator: nvml_sim.Simulator | None,
    seconds: float,
    *,
    terminal: bool = False,
) -> Cost:
    """Run a command for a while, its output read and thrown away, and return what it cost after warming up."""
    reader, output = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment, "TERM": "xterm-256color", "LINES": "60", "COLUMNS": "200"},
        stdin=output if terminal else subprocess.PIPE,
        stdout=output,
        stderr=subprocess.DEVNULL,
    )
    os.close(output)
    threading.Thread(target=drain, args=(reader,), daemon=True).start()
    try:
        time.sleep(_WARM_UP_SECONDS)
        before, calls_before, began = spent(process.pid), calls(simulator, process.pid), time.monotonic()
        time.sleep(seconds)
        span = time.monotonic() - began
        core = (spent(process.pid) - before) / span
        calls_after = calls(simulator, process.pid)
        status = Path(f"/proc/{process.pid}/status").read_text()
        smaps = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
    return Cost(name, core * 100, mib(status, "VmRSS"), mib(smaps, "Pss"), calls_a_second(calls_before, calls_after))


def drain(descriptor: int) -> None:
    """Read until the other end closes."""
    try:
        while os.read(descriptor, 65536):
            pass
    except OSError:  # how a terminal says that its last user is gone
        return
    finally:
        os.close(descriptor)


def spent(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text()
    fields = stat[stat.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) * _TICK


def calls(simulator: nvml_sim.Simulator | None, pid: int) -> tuple[int, float] | None:
    """Return how many calls the process had made, and after how many seconds, when they were last counted."""
    text = simulator.calls_of(pid) if simulator else ""
    total, seconds = re.search(r"^TOTAL (\d+)", text, re.MULTILINE), re.search(r"elapsed_s=([\d.]+)", text)
    return (int(total[1]), float(seconds[1])) if total and seconds else None


def calls_a_second(before: tuple[int, float] | None, after: tuple[int, float] | None) -> float | None:
    """Return the rate between two counts; None where there are not two."""
    if before is None or after is None or after[1] == before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])


def mib(text: str, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else float("nan")


if __name__ == "__main__":
    main()
