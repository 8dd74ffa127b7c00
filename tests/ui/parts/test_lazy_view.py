"""A view of what nothing announces: before the agent answers, and once it does."""

from PySide6.QtTest import QTest


def open_watched(program):
    program.window.sidebar.choose("automations")
    page = program.window.page()
    page.tabs.choose("ci")
    page.ci.views.choose("watched")
    return page.ci.watched


def test_while_the_agent_starts_a_view_waits_for_it_and_asks_once_it_answers(start, double, qtbot):
    double.frozen.add("connect")
    program = start(double, wait=False)
    view = open_watched(program)
    QTest.qWait(50)
    assert view.state._title.whole == "Starting the agent …"
    double.thaw.set()
    qtbot.waitUntil(lambda: view.value is not None, timeout=10_000)
    assert view.table.isVisible()
