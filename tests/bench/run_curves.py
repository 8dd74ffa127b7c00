"""What many curves cost: first paint of 100, and the worst gap while 1,000 of 10,000 points are panned and zoomed.

    python tests/bench/run_curves.py [--curves 1000] [--points 10000] [--moves 60]

Printed beside pyqtgraph's PlotDataItem, as it comes and with its own thinning and clipping. A gap is what an event
that is due at once has waited for; painted is what has been given to the screen.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from mlops_desk.kit.window.charts.overlay.canvas import CurveCanvas
from mlops_desk.kit.window.charts.overlay.grid import Axes
from mlops_desk.kit.window.charts.overlay.lines import RunLine, Subject, Way, drawn
from mlops_desk.kit.window.look import theme
from mlops_desk.registry.records.curve import RunCurve

WIDTH, HEIGHT = 900, 500  # pixels: the plot of a window of 1280 by 800


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=int, default=1000)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--moves", type=int, default=60)
    options = parser.parse_args()
    application = QApplication(["bench"])
    theme.prepare(application)
    print(f"{'':34}{'first':>10}{'worst gap':>12}{'mean gap':>12}")
    overlay(application, 100, 1000)
    lines = walks(options.curves, options.points)
    name = f"{options.curves:,} x {options.points:,}"
    ours(application, lines, options.moves, f"ours, {name}")
    theirs(application, lines, options.moves, f"pyqtgraph thinned, {name}", plain=False)
    fewer = lines[: max(1, len(lines) // 10)]
    theirs(application, fewer, 10, f"pyqtgraph plain, {len(fewer)} of them", plain=True)


def walks(count: int, points: int) -> list[RunLine]:
    """Return noisy curves that fall, as losses do."""
    chance = np.random.default_rng(7)
    steps = np.arange(points, dtype=np.float64)
    return [
        RunLine(Subject(f"r{n}", f"run-{n}", n), steps,
                np.exp(-steps / (points * chance.uniform(0.1, 0.5))) + chance.normal(0, 0.05, points))
        for n in range(count)
    ]  # fmt: skip


def overlay(application: QApplication, count: int, points: int) -> None:
    """Print the time from the agent's answer to the painted plot, with and without what the worker thread does."""
    curves = [
        RunCurve(line.subject.key, "loss", points, tuple(range(points)), tuple(range(0, points * 1000, 1000)),
                 tuple(line.ys.tolist()))
        for line in walks(count, points)
    ]  # fmt: skip
    canvas = shown(application, CurveCanvas())
    began = time.perf_counter()
    lines = [drawn(Subject(curve.run_id, curve.run_id, n), curve, Way()) for n, curve in enumerate(curves)]
    made = time.perf_counter()
    canvas.show_lines(lines, Axes())
    canvas.repaint()
    ended = time.perf_counter()
    whole = "" if canvas.is_settled() else " (not whole)"
    print(f"{f'ours, {count} x {points:,}: in the window':34}{(ended - made) * 1000:8.1f}ms{whole}")
    print(f"{'  with what the worker thread does':34}{(ended - began) * 1000:8.1f}ms")
    canvas.deleteLater()


def shown(application: QApplication, widget: QWidget) -> QWidget:
    widget.resize(WIDTH, HEIGHT)
    widget.show()
    application.processEvents()
    return widget


def ours(application: QApplication, lines: list[RunLine], moves: int, name: str) -> None:
    canvas = shown(application, CurveCanvas())
    began = time.perf_counter()
    canvas.show_lines(lines, Axes())
    canvas.repaint()
    first = time.perf_counter() - began
    while not canvas.is_settled():
        application.processEvents()
    settled = time.perf_counter() - began

    def move(number: int) -> None:
        wheel(canvas, 120 if number % 4 < 2 else -120)
        canvas._see(canvas.plane().moved(9.0, 2.0).seen)

    report(name, first, gaps(application, move, moves))
    began = time.perf_counter()
    while not canvas.is_settled():
        application.processEvents()
    print(
        f"{'  whole after':34}{settled * 1000:8.0f}ms, sharp again after {(time.perf_counter() - began) * 1000:.0f} ms"
    )
    canvas.deleteLater()


def wheel(widget: QWidget, delta: int) -> None:
    middle = QPointF(WIDTH / 2, HEIGHT / 2)
    event = QWheelEvent(middle, middle, QPointF(0, 0).toPoint(), QPointF(0, delta).toPoint(), Qt.MouseButton.NoButton,
                        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False)  # fmt: skip
    QApplication.sendEvent(widget, event)


def theirs(application: QApplication, lines: list[RunLine], moves: int, name: str, *, plain: bool) -> None:
    import pyqtgraph

    plot = pyqtgraph.PlotWidget()
    shown(application, plot)
    began = time.perf_counter()
    for line in lines:
        item = pyqtgraph.PlotDataItem(line.xs, line.ys, pen=theme.series(line.subject.slot))
        plot.addItem(item)
        if not plain:
            item.setDownsampling(auto=True, method="peak")
            item.setClipToView(True)
    application.processEvents()
    first = time.perf_counter() - began
    view = plot.plotItem.vb

    def move(number: int) -> None:
        view.scaleBy((0.8, 1.0) if number % 4 < 2 else (1.25, 1.0))
        view.translateBy(x=10.0, y=0.01)

    report(name, first, gaps(application, move, moves))
    plot.close()
    plot.deleteLater()


def gaps(application: QApplication, move: Callable[[int], None], moves: int) -> list[float]:
    """Return how long each turn of the event loop took while somebody pans and zooms at 60 moves a second."""
    found = []
    for number in range(moves):
        began = time.perf_counter()
        move(number)
        due = began + 1 / 60
        while True:
            turn = time.perf_counter()
            application.processEvents()
            now = time.perf_counter()
            found.append(now - (began if turn == began else turn))
            if now >= due:
                break
        found[-1] = max(found[-1], 0.0)
        found.append(0.0)
    return [gap for gap in found if gap > 0]


def report(name: str, first: float, found: list[float]) -> None:
    mean = sum(found) / len(found)
    print(f"{name:34}{first * 1000:8.0f}ms{max(found) * 1000:10.1f}ms{mean * 1000:10.1f}ms")


if __name__ == "__main__":
    main()
