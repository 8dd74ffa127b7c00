"""The page on drift as tests open it."""

import pytest


@pytest.fixture
def page(start, double, qtbot):
    """Return the page, with the windows of the monitor that is shown first."""
    shown = start(double, "drift").window.page()
    qtbot.waitUntil(lambda: bool(shown.monitors.pane.sheet.windows))
    return shown
