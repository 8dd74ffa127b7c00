"""The window never blocks: whatever part of the agent is frozen, the event loop goes on turning.

Counted, not timed: a 10 ms timer must have fired nearly as often as it could, and its longest pause is
compared with what the frozen calls would have cost (seconds), far above any machine's jitter.
"""

import time

import pytest
from doubles import Double
from PySide6.QtCore import QObject, QTimer, Slot

from mlops_desk.ui.catalogue import PAGES
from mlops_desk.ui.widgets.library import Library

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
    "rules",
    "settings",
    "incidents",
    "alerts",
    "gpus",
)
TURN_SECONDS = 0.1
FROZEN_SECONDS = 1.0


class Pulse(QObject):
    """Notes when the event loop turned."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[float] = []
        self.timer = QTimer(self)
        self.timer.timeout.connect(self.beat)
        self.timer.start(10)

    @Slot()
    def beat(self) -> None:
        self.turns.append(time.monotonic())

    def gaps_over(self, seconds: float) -> list[float]:
        return [
            later - earlier
            for earlier, later in zip(self.turns, self.turns[1:], strict=False)
            if later - earlier > seconds
        ]


@pytest.mark.parametrize("service", SERVICES)
def test_a_frozen_part_does_not_stop_the_loop(start, qtbot, service):
    double = Double(beat_seconds=0.2)
    double.frozen.add(service)
    program = start(double, wait=False)
    pulse = Pulse()
    for spec in PAGES:
        program.window.sidebar.choose(spec.id)
        program.window.reload()
        qtbot.wait(int(FROZEN_SECONDS * 1000 / len(PAGES)))
    pulse.timer.stop()
    double.thaw.set()
    # A call made in the GUI thread would have been one gap of the whole test; a page may take a turn to build.
    assert not pulse.gaps_over(FROZEN_SECONDS * 0.9)
    assert len(pulse.turns) > 20


def test_once_the_pages_stand_no_turn_is_long(start, double, qtbot):
    program = start(double)
    for spec in PAGES:
        program.window.sidebar.choose(spec.id)
        qtbot.wait(200)
    qtbot.waitUntil(lambda: Library.module is not None, timeout=20_000)
    qtbot.wait(500)
    double.frozen.update(SERVICES)
    pulse = Pulse()
    for spec in PAGES:
        program.window.sidebar.choose(spec.id)
        program.window.reload()
        qtbot.wait(150)
    pulse.timer.stop()
    double.thaw.set()
    worst = sorted(pulse.gaps_over(TURN_SECONDS))
    print("gaps over 100 ms:", [round(gap, 3) for gap in worst], "of", len(pulse.turns), "turns")
    assert len(worst) <= len(pulse.turns) // 20
