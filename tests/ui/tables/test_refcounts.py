"""A Qt binding that gives references away aborts the interpreter after some hundred signals (PySide6 6.12.0 did)."""

import sys

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from mlops_desk.kit.window.tables.model import RecordModel
from mlops_desk.kit.window.tables.order import Cell, Column

TIMES = 10_000
TOLERANCE = 200


class Speaker(QObject):
    flag = Signal(bool)
    record = Signal(dict)
    thing = Signal(object)
    nothing = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.heard = 0
        for signal in (self.flag, self.record, self.thing):
            signal.connect(self.hear)
        self.nothing.connect(self.hear_nothing, Qt.ConnectionType.QueuedConnection)

    @Slot(bool)
    @Slot(dict)
    @Slot(object)
    def hear(self, _thing: object) -> None:
        self.heard += 1

    @Slot()
    def hear_nothing(self) -> None:
        self.heard += 1


def counts() -> tuple[int, int, int]:
    return sys.getrefcount(None), sys.getrefcount(True), sys.getrefcount(False)


def test_signals_setters_and_models_keep_the_references_of_none_and_true(qapp):
    speaker, widget, action = Speaker(), QWidget(), QAction("x")
    model = RecordModel((Column("a", "A", lambda text: Cell(text, right_now())),))
    model.show_records({"k": "v"})
    index = model.index(0, 0)
    before = counts()
    for number in range(TIMES):
        speaker.flag.emit(True)
        speaker.record.emit({"a": None})
        speaker.thing.emit(None)
        speaker.nothing.emit()
        widget.setEnabled(number % 2 == 0)
        widget.isEnabled()
        action.setCheckable(True)
        model.data(index, Qt.ItemDataRole.FontRole)
        if number % 500 == 0:
            qapp.processEvents()
    QTimer.singleShot(0, speaker.hear_nothing)
    qapp.processEvents()
    after = counts()
    assert speaker.heard >= 3 * TIMES
    # Immortal objects (Python 3.12 and newer) never move; elsewhere a leak or a theft is thousands, not dozens.
    assert all(abs(new - old) < TOLERANCE for old, new in zip(before, after, strict=True)), (before, after)


def right_now() -> int:
    return 1
