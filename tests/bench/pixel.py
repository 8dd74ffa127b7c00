"""From the start of the process to the painted window, and from the collector's clock to the painted sample.

Run by house.py in a process of its own. Opens the window by the command line, as people do, on the data folder's
agent for some seconds. Prints, as JSON, when the window was first painted and when its first numbers were, how long
each sample took from being taken until the window that shows it had been painted, the event loop's worst gap, and
what the process costs. Painted is what has been given to the screen: the event loop's next turn after a paint event.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
STARTED = float(os.environ.get("BENCH_STARTED") or time.time())
"""When whoever asks for this started the process, in Unix seconds."""

from PySide6.QtCore import QTimer
from PySide6.QtGui import QPaintEvent

from mlops_desk.desk.cli.main import main as command_line
from mlops_desk.desk.window import app
from mlops_desk.desk.window.app import Program

SETTLE_MILLISECONDS = 6000


class Gauge:
    """Notes when a paint has been done, and ends the program when enough has been seen."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.program: Program | None = None
        self.first_paint: float | None = None
        self.first_paint_spent = float("nan")
        self.first_numbers: float | None = None
        self.latencies: list[float] = []
        self.gaps: list[float] = []
        self.spent_before, self.spent_at = 0.0, 0.0
        self.core_percent = float("nan")
        self._seen = 0.0
        self._last = time.perf_counter()
        self._beat = QTimer()
        self._beat.timeout.connect(self._beats)

    def painted(self) -> None:
        now = time.time()
        if self.first_paint is None:
            self.first_paint, self.first_paint_spent = now, time.process_time()
        status = self.program.store.status if self.program else None
        if status is None or not status.sampled_at or status.sampled_at == self._seen:
            return
        if self._seen:
            self.latencies.append(now - status.sampled_at)
        self._seen = status.sampled_at
        self.first_numbers = self.first_numbers or now
        if not self.options.seconds:
            self.end()

    def begin(self, program: Program) -> None:
        """Hear that the window has been painted: choose the page and set the clocks."""
        program.window.sidebar.choose(self.options.page)
        if self.options.hidden:
            QTimer.singleShot(SETTLE_MILLISECONDS // 2, program.window.hide)
        if self.options.seconds:
            QTimer.singleShot(SETTLE_MILLISECONDS, self._measure)
            QTimer.singleShot(SETTLE_MILLISECONDS + int(self.options.seconds * 1000), self.end)

    def end(self) -> None:
        if self.spent_at:
            self.core_percent = 100 * (time.process_time() - self.spent_before) / (time.time() - self.spent_at)
        self._beat.stop()
        if self.program is not None:
            self.program.end()

    def _measure(self) -> None:
        self.spent_before, self.spent_at = time.process_time(), time.time()
        if self.options.gaps:
            self._last = time.perf_counter()
            self._beat.start(10)

    def _beats(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now


def main() -> None:
    options = _options()
    watching = Gauge(options)

    name = "MainWindow" if hasattr(app, "MainWindow") else "Window"  # older commits call it so
    window: Any = getattr(app, name)

    class WatchedWindow(window):  # type: ignore[misc]  # known only when it runs
        def paintEvent(self, event: QPaintEvent) -> None:
            QTimer.singleShot(0, watching.painted)
            super().paintEvent(event)

    class WatchedProgram(app.Program):
        def start(self) -> None:
            watching.program = self
            self.opened.connect(lambda: watching.begin(self))
            super().start()

    for each, made in ((name, WatchedWindow), ("Program", WatchedProgram)):
        setattr(app, each, made)
    status = command_line(["--data-dir", str(options.folder), *(["--demo"] if options.demo else [])])
    if status:
        sys.exit(status)
    print(
        json.dumps(
            {
                "first_paint": (watching.first_paint or float("nan")) - STARTED,
                "first_paint_cpu_seconds": watching.first_paint_spent,
                "first_numbers": (watching.first_numbers or float("nan")) - STARTED,
                "latencies": watching.latencies,
                "worst_gap": max(watching.gaps[1:], default=None),
                "core_percent": watching.core_percent,
                "rss_mib": _memory("VmRSS"),
            }
        )
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("seconds", type=float, help="0: end as soon as the first numbers are painted")
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--page", default="overview")
    parser.add_argument("--hidden", action="store_true")
    parser.add_argument("--gaps", action="store_true")
    return parser.parse_args()


def _memory(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
