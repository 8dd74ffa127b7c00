"""The page on models, as most tests of it begin: a version is chosen."""

import pytest


@pytest.fixture
def page(start, double, qtbot):
    page = start(double, "models").window.page()
    qtbot.waitUntil(lambda: page._version() is not None)
    return page
