"""From the collector's clock to the painted window: run by house.py in a process of its own.

Opens the real window on the data folder's agent for some seconds and prints, as JSON, how long each
sample took from being taken until the window that shows it had been painted, the event loop's worst
gap, and what the process costs.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
STARTED = time.time()

from PySide6.QtCore import QEvent, QObject, QTimer  # noqa: E402 - timed from the very start
from PySide6.QtWidgets import QApplication  # noqa: E402

from mlops_desk.base.paths import DataFolder  # noqa: E402
from mlops_desk.ui.app import Program  # noqa: E402
from mlops_desk.ui.context import UiOptions  # noqa: E402

SETTLE_MILLISECONDS = 6000


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
    options = _options()
    application = Watching()
    folder = DataFolder(options.folder)
    ui = UiOptions(str(folder.root), demo=options.demo)

    def connect() -> Any:
        from mlops_desk.api import client

        return client.connect(folder, demo=options.demo)

    application.program = Program(application, connect, ui)
    application.program.start()
    application.program.window.sidebar.choose(options.page)
    beat = QTimer(application)
    beat.timeout.connect(application.beat)
    spent = {"before": 0.0, "at": 0.0}

    def measure() -> None:
        spent.update(before=time.process_time(), at=time.time())
        if options.gaps:
            beat.start(10)

    def end_when_shown() -> None:
        if application.first_numbers is not None:
            application.quit()

    if options.hidden:
        QTimer.singleShot(SETTLE_MILLISECONDS // 2, application.program.window.hide)
    if options.seconds > 0:
        QTimer.singleShot(SETTLE_MILLISECONDS, measure)
        QTimer.singleShot(SETTLE_MILLISECONDS + int(options.seconds * 1000), application.quit)
    else:
        first = QTimer(application)
        first.timeout.connect(end_when_shown)
        first.start(20)
    application.exec()
    print(
        json.dumps(
            {
                "first_paint": (application.first_paint or 0) - STARTED,
                "first_numbers": (application.first_numbers or 0) - STARTED,
                "latencies": application.latencies,
                "worst_gap": max(application.gaps[1:], default=None),
                "core_percent": 100 * (time.process_time() - spent["before"]) / (time.time() - spent["at"]),
                "rss_mib": _memory("VmRSS"),
            }
        )
    )
    application.program.stop()


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
