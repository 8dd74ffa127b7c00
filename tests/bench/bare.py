"""The floor for the window: a bare pyqtgraph window with 24 curves of 300 points, moved once a second."""

import json
import os
import sys
import time
from pathlib import Path

STARTED = float(os.environ.get("BENCH_STARTED") or time.time())

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QTimer
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QApplication

PAINTS: list[float] = []


class Plots(pg.GraphicsLayoutWidget):
    """Notes when its paints have been given to the screen."""

    def paintEvent(self, event: QPaintEvent) -> None:
        QTimer.singleShot(0, lambda: PAINTS.append(time.time()))
        super().paintEvent(event)


def main() -> None:
    seconds = float(sys.argv[1])
    application = QApplication(["bare"])
    window = Plots()
    window.resize(1280, 800)
    curves = [window.addPlot(row, column).plot() for row in range(4) for column in range(6)]
    random = np.random.default_rng(1)

    def move() -> None:
        for curve in curves:
            curve.setData(random.random(300))

    move()
    window.show()
    timer = QTimer()
    timer.timeout.connect(move)
    timer.start(1000)
    marks = {}
    QTimer.singleShot(3000, lambda: marks.update(cpu=time.process_time(), at=time.time()))
    QTimer.singleShot(3000 + int(seconds * 1000), application.quit)
    application.exec()
    spent = time.process_time() - marks["cpu"]
    rss = next(
        int(line.split()[1]) / 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    print(
        json.dumps(
            {
                "first_paint_seconds": PAINTS[0] - STARTED,
                "core_percent": 100 * spent / (time.time() - marks["at"]),
                "rss_mib": rss,
            }
        )
    )


if __name__ == "__main__":
    main()
