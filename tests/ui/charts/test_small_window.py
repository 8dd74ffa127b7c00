"""In a small window (1520 by 1040 pixels at 200 %) every chart of a GPU can be read, and the times are always there."""

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication


def left_and_right(page, chart):
    area = chart.plot_area()
    start = chart.mapTo(page, QPoint()).x()
    return start + area.left(), start + area.right()


def test_in_a_small_window_charts_scroll_and_the_axis_stays_in_sight(start, double, qtbot):
    window = start(double, "gpus").window
    page = window.page()
    qtbot.waitUntil(lambda: page.gpu() is not None)
    window.resize(760, 520)
    stack = page.curves.stack
    bar = stack._area.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    qtbot.wait(50)
    lowest = stack.charts[-1]
    assert lowest.times
    for place in (0, bar.maximum()):
        bar.setValue(place)
        QApplication.processEvents()
        assert lowest.visibleRegion().boundingRect() == lowest.rect()
        bottom = lowest.mapTo(window, QPoint(0, lowest.height())).y()
        assert bottom <= window.bottom.y()
    for chart in stack.charts[:-1]:
        bar.setValue(chart.y())
        QApplication.processEvents()
        seen = chart.visibleRegion().boundingRect().height()
        assert seen >= min(chart.height(), stack._area.viewport().height()) - 1, chart.title
        assert chart.height() >= chart.minimumHeight()
    assert len({left_and_right(page, chart) for chart in stack.charts}) == 1


def test_charts_that_scroll_end_with_a_whole_one(start, double, qtbot):
    window = start(double, "gpus").window
    page = window.page()
    qtbot.waitUntil(lambda: page.gpu() is not None)
    for height in (520, 560, 600, 640, 680):
        window.resize(1280, height)
        qtbot.wait(50)
        stack = page.curves.stack
        assert stack._area.verticalScrollBar().maximum() > 0
        for chart in stack.charts:
            seen = chart.visibleRegion().boundingRect().height()
            assert seen in {0, chart.height()}, (height, chart.title)


def test_in_a_large_window_nothing_scrolls_and_all_charts_end_together(start, double, qtbot):
    window = start(double, "gpus").window
    page = window.page()
    window.resize(1280, 900)
    qtbot.waitUntil(lambda: page.gpu() is not None)
    qtbot.wait(50)
    stack = page.curves.stack
    assert stack._area.verticalScrollBar().maximum() == 0
    assert len({left_and_right(page, chart) for chart in stack.charts}) == 1


def test_in_a_small_window_no_tab_of_a_gpu_is_cut(start, double, qtbot):
    window = start(double, "gpus").window
    page = window.page()
    qtbot.waitUntil(lambda: page.gpu() is not None)
    for width in (760, 1280, 760):
        window.resize(width, 520)
        qtbot.wait(50)
        for button in page.tabs._buttons.values():
            assert button.width() >= button.sizeHint().width(), (width, button.text())
            assert button.visibleRegion().boundingRect() == button.rect(), (width, button.text())
        assert page._by_process.visibleRegion().boundingRect() == page._by_process.rect(), width
