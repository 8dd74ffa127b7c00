"""The window never waits: whatever part of the agent is frozen, nothing is asked in the window's own thread.

Counted, not timed: the event loop turns while the frozen calls still hang, and who asked is noted with each call. How
long a turn takes is measured by tests/bench/house.py.
"""

import threading

import pytest
from doubles import Double
from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QAbstractButton

from mlops_desk.desk.window.catalogue import PAGES
from mlops_desk.kit.window.widgets.tabs import Tabs

FROZEN = (
    ("connect",),
    ("events",),
    ("telemetry",),
    ("agent",),
    ("settings",),
    ("alerts", "approvals", "drift", "jobs", "registry"),
    ("ci", "engines", "incidents", "models", "monitors"),
    ("endpoints", "images", "runs"),
    ("pipelines",),
    ("rules",),
)
"""What all pages wait for hangs alone. Of the others no page but the overview asks two of one line, so that on each page
one part hangs while the others answer: a window for each line, not for each part."""
BEHIND_TABS = (
    ("automations", "Labels", "labels"),
    ("governance", "Card", "cards"),
    ("governance", "Policies", "policies"),
    ("governance", "Data", "data"),
    ("settings", "Secrets", "secrets"),
)
"""A page, the tab of it that asks first, and what it asks."""
TURNS_OF_A_PAGE = 5
TURN_SECONDS = 60


class Watched(Double):
    """An agent that notes what it is asked in the window's own thread; there nothing is frozen, so that tests end."""

    def __init__(self) -> None:
        super().__init__()  # at the agent's own pace: faster ones come before a busy machine has painted the last
        self.window_thread = threading.current_thread()
        self.asked_in_window: list[tuple[str, str]] = []
        self.hanging: set[str] = set()

    def enter(self, service: str, verb: str) -> None:
        if threading.current_thread() is self.window_thread:
            self.asked_in_window.append((service, verb))
            return
        if service in self.frozen:
            self.hanging.add(service)
            self.thaw.wait(2 * TURN_SECONDS)  # a window that waits for it misses its turns, however soon others give up
        super().enter(service, verb)


class Pulse(QObject):
    """Counts how often the event loop turned."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.timer = QTimer(self)
        self.timer.timeout.connect(self.beat)
        self.timer.start(10)

    @Slot()
    def beat(self) -> None:
        self.turns += 1


def turn(qtbot, pulse):
    until = pulse.turns + TURNS_OF_A_PAGE
    qtbot.waitUntil(lambda: pulse.turns >= until, timeout=TURN_SECONDS * 1000)


def go_round(program, qtbot, pulse):
    """Show every page, have it ask for everything anew, and let the loop turn a few times."""
    for spec in PAGES:
        program.window.sidebar.choose(spec.id)
        program.window.reload()
        turn(qtbot, pulse)


@pytest.fixture
def watched():
    double = Watched()
    yield double
    double.thaw.set()


@pytest.mark.slow
@pytest.mark.parametrize("services", FROZEN, ids=" ".join)
def test_a_frozen_part_does_not_stop_the_loop(start, qtbot, watched, services):
    watched.frozen.update(services)
    program = start(watched, wait=False)
    go_round(program, qtbot, Pulse())
    qtbot.waitUntil(lambda: watched.hanging == set(services), timeout=60_000)
    assert watched.asked_in_window == []
    assert not watched.thaw.is_set()


def test_a_frozen_part_behind_a_tab_does_not_stop_the_loop(start, qtbot, watched):
    watched.frozen.update(part for _page, _tab, part in BEHIND_TABS)
    program = start(watched, wait=False)
    pulse = Pulse()
    for page, title, part in BEHIND_TABS:
        program.window.sidebar.choose(page)
        rows = program.window.page().findChildren(Tabs)
        tab = next(one for row in rows for one in row.findChildren(QAbstractButton) if one.text() == title)
        tab.click()
        qtbot.waitUntil(lambda part=part: part in watched.hanging, timeout=60_000)
        turn(qtbot, pulse)
    assert watched.asked_in_window == []
    assert not watched.thaw.is_set()


@pytest.mark.slow
def test_once_the_pages_stand_all_may_be_frozen(start, qtbot, watched):
    program = start(watched)
    pulse = Pulse()
    go_round(program, qtbot, pulse)
    watched.frozen.update(part for services in FROZEN for part in services)
    go_round(program, qtbot, pulse)
    assert watched.hanging, "something was asked that does not answer"
    assert watched.asked_in_window == []
