"""How long after a point was logged it is on the screen: MLflow's client, a real agent, the page on runs.

    python tests/bench/run_live.py [--points 100] [--every 0.3]

The agent, the program that logs and the window are processes of their own. A point counts from when ``log_metric`` has
returned to when a picture with it was painted.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "ui")]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

LOGGER = """
import random, sys, time
from mlflow import MlflowClient
from mlflow.entities import Metric
client = MlflowClient(sys.argv[1])
run = client.create_run(client.create_experiment("live"), run_name="live").info.run_id
for step in range(200):
    client.log_metric(run, "loss", 1.0 / (step + 1), step=step)
print(run, flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    time.sleep(float(sys.argv[3]) * random.uniform(0.5, 1.5))
    client.log_metric(run, "loss", 2.0 + number, step=200 + number)
    print(200 + number, time.time(), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--every", type=float, default=0.3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="desk-live-") as folder:
        os.environ |= {"MLOPS_DESK_DATA_DIR": f"{folder}/data", "MLOPS_DESK_LEASE_DIR": f"{folder}/leases",
                       "XDG_CONFIG_HOME": f"{folder}/config", "MLFLOW_DISABLE_TELEMETRY": "true"}  # fmt: skip
        try:
            with logging(f"sqlite:///{folder}/store.db", options) as logger:
                measure(logger, f"sqlite:///{folder}/store.db", options.points, options.every)
        finally:
            desk("agent", "stop")


@contextmanager
def logging(uri: str, options: argparse.Namespace) -> Iterator[subprocess.Popen[str]]:
    """Give the program that logs; it has ended before its store is cleared away, whatever became of the window."""
    logger = subprocess.Popen(
        [sys.executable, "-c", LOGGER, uri, str(options.points), str(options.every)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield logger
    finally:
        logger.kill()
        logger.wait()


def desk(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "mlops_desk", *words], check=False, stdout=subprocess.DEVNULL)


def measure(logger: subprocess.Popen[str], uri: str, points: int, every: float) -> None:
    from PySide6.QtWidgets import QApplication

    run_id = logger.stdout.readline().strip()
    desk("registry", "add", "live", uri)
    program = opened()
    page = program.window.page()
    page.bar.choose_registry("live")
    wait(lambda: page.right is not None and page.table.select(run_id))
    chart = page.right.detail.chart
    wait(lambda: chart.canvas.lines() and chart.canvas.lines()[0].ys.size == 200)
    painted: dict[int, float] = {}
    canvas = chart.canvas
    paint = canvas.paintEvent

    def painting(event) -> None:
        paint(event)
        lines = canvas.lines()
        if lines and canvas.is_settled():
            for step in range(max(painted, default=199) + 1, int(lines[0].xs[-1]) + 1):
                painted[step] = time.time()

    canvas.paintEvent = painting
    logger.stdin.write("go\n")
    logger.stdin.flush()
    logged: dict[int, float] = {}
    # Whole lines, in a thread of their own: a pipe that does not block gives what there is of one.
    reading = threading.Thread(target=note, args=(logger.stdout, logged), daemon=True)
    reading.start()
    end = time.monotonic() + points * every * 1.5 + 30
    while len(painted) < points and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.001)
    reading.join(5)
    waits = sorted((painted[step] - at) * 1000 for step, at in dict(logged).items() if step in painted)
    if logger.poll():
        raise SystemExit(f"The program that logs ended with code {logger.returncode}.")
    if not waits:
        raise SystemExit("No point was seen.")
    p95 = waits[min(int(len(waits) * 0.95), len(waits) - 1)]
    print(f"{len(waits)} of {points} points: p50 {statistics.median(waits):.0f} ms, p95 {p95:.0f} ms, "
          f"longest {waits[-1]:.0f} ms")  # fmt: skip
    program.stop()


def note(lines: Iterator[str], logged: dict[int, float]) -> None:
    """Note when each step had been logged, as the program that logs tells it."""
    for line in lines:
        step, at = line.split()
        logged[int(step)] = float(at)


def opened():
    """Return a program whose window is on the page of runs, with the agent of this folder, which it starts."""
    from PySide6.QtWidgets import QApplication

    from mlops_desk.desk.window.app import Program
    from mlops_desk.kit.api.client import connect
    from mlops_desk.kit.base.disk.agent_address import AgentAddress
    from mlops_desk.kit.base.disk.paths import choose_root
    from mlops_desk.kit.window.live.context import UiOptions

    application = QApplication(["bench"])
    address = AgentAddress.of_folder(choose_root(None))
    program = Program(application, lambda given_up: connect(address, given_up=given_up), UiOptions(address))
    program.start()
    program.window.resize(1280, 800)
    wait(lambda: program.store.status is not None)
    program.window.sidebar.choose("runs")
    return program


def wait(until, seconds: float = 60.0) -> None:
    from PySide6.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise SystemExit("The window did not get so far.")
        QApplication.processEvents()
        time.sleep(0.005)


if __name__ == "__main__":
    main()
