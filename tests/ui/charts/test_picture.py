"""What is taken along says of what and of when it is, and shows nothing that one presses."""

import time

import pytest
from PySide6.QtWidgets import QApplication

from mlops_desk.kit.window.charts import export


@pytest.fixture
def page(start, double, qtbot):
    page = start(double, "gpus").window.page()
    qtbot.waitUntil(lambda: page.gpu() is not None and any(len(one.track) for one in page.curves.stack.charts[0].drawn))
    page.context.axis.toggle()
    return page


def settled(page, stack, qtbot):
    """Return the picture once everything that was asked for has come: paused, it stands then."""
    pictures = []

    def stands():
        pictures.append(export.picture(page.context, stack).toImage())
        return not stack.feed.waiting and pictures.count(pictures[-1]) > 15

    qtbot.waitUntil(stands)
    return pictures[-1]


def test_a_picture_and_its_file_name_tell_device_machine_and_span(page, qtbot):
    page.reveal(page.context.store.status.gpus[2].uuid)
    qtbot.wait(50)
    stack = page.curves.stack
    assert export.subject(page.context, stack).startswith("GPU 2 H100 80GB")
    assert export.subject(page.context, stack).endswith(" · ws-lab-1")
    span = stack.charts[0].span
    assert export.span_of(stack.charts).startswith(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(span.start)))
    name = export.file_name(page.context, stack, "png")
    assert name.startswith("gpu-2-h100-80gb")
    assert name.endswith(time.strftime("-%Y%m%d-%H%M%S.png", time.localtime(span.end)))


def test_the_picture_is_the_same_whatever_has_the_focus_and_has_a_title_above(page, qtbot):
    stack = page.curves.stack
    before = settled(page, stack, qtbot)
    stack._more.setFocus()
    QApplication.processEvents()
    assert export.picture(page.context, stack).toImage() == before
    assert before.height() > sum(chart.height() for chart in stack.charts)
    ground = before.pixelColor(2, 2)
    title = [before.pixelColor(x, y) for x in range(12, 200) for y in range(4, 24)]
    assert any(pixel != ground for pixel in title)
