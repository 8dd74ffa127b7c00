"""The chart library is loaded, whoever asked for it first: a window that ends meanwhile takes nothing along."""

import types

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from mlops_desk.kit.window.charts.pyqtgraph_loader import Library


class Asked(QObject):
    """Tasks that answer when the test says so, or never."""

    def __init__(self):
        super().__init__()
        self.answers = []

    def run(self, _name, _call, done, _failed):
        self.answers.append(done)


def test_another_window_asks_again_when_the_first_ended_before_its_answer(qtbot, monkeypatch):
    for name, value in (("module", None), ("_waiting", []), ("_asked", None)):
        monkeypatch.setattr(Library, name, value)
    gone, here, owner, drawn = Asked(), Asked(), QWidget(), []
    qtbot.addWidget(owner)
    Library.want(gone, owner, lambda: drawn.append("first"))
    Library.want(here, owner, lambda: drawn.append("second"))
    Library.want(here, owner, lambda: drawn.append("third"))
    assert (len(gone.answers), len(here.answers)) == (1, 1)
    here.answers[0](types.SimpleNamespace(setConfigOptions=lambda **_: None))
    qtbot.waitUntil(lambda: drawn == ["first", "second", "third"])
