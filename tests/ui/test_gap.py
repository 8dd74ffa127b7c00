"""The window never waits: whatever part of the agent is frozen, nothing is asked in the window's own thread.

Counted, not timed: the event loop turns while the frozen calls still hang, and who asked is noted with each call. How
long a turn takes is measured by tests/bench/house.py.
"""

import threading

import pytest
from doubles import Double
from PySide6.QtCore import QObject, QTimer, Slot

from mlops_desk.ui.catalogue import PAGES

SERVICES = (
    "connect",
    "events",
    "telemetry",
    "agent",
    "jobs",
    "models",
    "runs",
    "endpoints",
    "drift",
    "monitors",
    "rules",
    "pipelines",
    "approvals",
    "labels",
    "cards",
    "data",
    "evidence",
    "settings",
    "incidents",
    "alerts",
    "gpus",
)
TURNS_OF_A_PAGE = 5


class Watched(Double):
    """An agent that notes what it is asked in the window's own thread; there nothing is frozen, so that tests end."""

    def __init__(self) -> None:
        super().__init__()  # at the agent's own pace: faster ones come before a busy machine has painted the last
        self.window_thread = threading.current_thread()
        self.asked_in_window: list[tuple[str, str]] = []
        self.hanging = 0

    def enter(self, service: str, verb: str) -> None:
        if threading.current_thread() is self.window_thread:
            self.asked_in_window.append((service, verb))
            return
        self.hanging += service in self.frozen
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


def go_round(program, qtbot, pulse):
    """Show every page, have it ask for everything anew, and let the loop turn a few times."""
    for spec in PAGES:
        program.window.sidebar.choose(spec.id)
        program.window.reload()
        until = pulse.turns + TURNS_OF_A_PAGE
        qtbot.waitUntil(lambda until=until: pulse.turns >= until, timeout=60_000)


@pytest.fixture
def watched():
    double = Watched()
    yield double
    double.thaw.set()


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
def test_a_frozen_part_does_not_stop_the_loop(start, qtbot, watched, service):
    watched.frozen.add(service)
    program = start(watched, wait=False)
    go_round(program, qtbot, Pulse())
    assert watched.asked_in_window == []
    assert not watched.thaw.is_set()


@pytest.mark.slow
def test_once_the_pages_stand_all_may_be_frozen(start, qtbot, watched):
    program = start(watched)
    pulse = Pulse()
    go_round(program, qtbot, pulse)
    watched.frozen.update(SERVICES)
    go_round(program, qtbot, pulse)
    assert watched.hanging > 0, "something was asked that does not answer"
    assert watched.asked_in_window == []
