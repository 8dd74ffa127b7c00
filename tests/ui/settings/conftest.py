"""The page of settings, as every test of its tabs begins with it."""

import pytest


@pytest.fixture
def page(start, double, qtbot):
    page = start(double, "settings").window.page()
    qtbot.waitUntil(lambda: bool(page.rows))
    return page
