"""From the collector's clock to the painted window: run by house.py in a process of its own.

Opens the real window on the data folder's agent for some seconds and prints, as JSON, how long each
sample took from being taken until the window that shows it had been painted, the event loop's worst
gap, and what the process costs.
"""

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
STARTED = time.time()

from PySide6.QtCore import QEvent, QObject, QTimer  # noqa: E402 - timed from the very start
from PySide6.QtWidgets import QApplication  # noqa: E402

from mlops_desk.api.client import connect  # noqa: E402
from mlops_desk.base.paths import DataFolder  # noqa: E402
from mlops_desk.ui.app import Program  # noqa: E402
from mlops_desk.ui.context import UiOptions  # noqa: E402


class Watching(QApplication):
    """Notes when a paint has been done."""

    def __init__(self) -> None:
        super().__init__(["mlops-desk"])
        self.program: Program | None = None
        self.first_paint: float | None = None
        self.first_numbers: float | None = None
        self.latencies: list[float] = []
        self.gaps: list[float] = []
        self._seen = 0.0
        self._last = time.perf_counter()

    def notify(self, target: QObject, event: QEvent) -> bool:
        done = super().notify(target, event)
        if self.program is not None and event.type() == QEvent.Type.UpdateRequest:
            self._painted(time.time())
        return done

    def _painted(self, now: float) -> None:
        self.first_paint = self.first_paint or now
        status = self.program.store.status if self.program else None
        if status is None or not status.sampled_at or status.sampled_at == self._seen:
            return
        if self._seen:
            self.latencies.append(now - status.sampled_at)
        self._seen = status.sampled_at
        self.first_numbers = self.first_numbers or now

    def beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now


def main() -> None:
    root, seconds, hidden = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "hidden"
    application = Watching()
    folder = DataFolder(root)
    application.program = Program(application, lambda: connect(folder, demo=True), UiOptions(str(root), demo=True))
    application.program.start()
    beat = QTimer(application)
    beat.timeout.connect(application.beat)
    beats = {"before": 0.0, "at": 0.0}

    def measure() -> None:
        if hidden:
            application.program.window.hide()
        beats["before"], beats["at"] = time.process_time(), time.time()
        if "gaps" in sys.argv:
            beat.start(10)

    QTimer.singleShot(6000, measure)
    QTimer.singleShot(6000 + int(seconds * 1000), application.quit)
    application.exec()
    spent = time.process_time() - beats["before"]
    print(
        json.dumps(
            {
                "first_paint_seconds": (application.first_paint or 0) - STARTED,
                "first_numbers_seconds": (application.first_numbers or 0) - STARTED,
                "latencies": application.latencies,
                "worst_gap_seconds": max(application.gaps[1:], default=None),
                "core_percent": 100 * spent / (time.time() - beats["at"]),
                "rss_mib": _memory("VmRSS"),
            }
        )
    )
    application.program.stop()


def _memory(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
