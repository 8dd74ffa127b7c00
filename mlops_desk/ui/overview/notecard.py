"""A calm card that tells one thing once: a title, a few sentences, lines to go to, and the way to put it away."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout

from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.facts import Fact, FactGrid


class NoteCard(Card):
    """Hidden until it has something to tell. ``dismissed``: the person put it away; ``acted``: they follow it."""

    dismissed = Signal()
    acted = Signal()

    def __init__(self, name: str, act: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self._title = Label(bold=True)
        self._text = Label(wrap=True, tone="muted")
        self._facts = FactGrid()
        self.act = Button(act)
        self.act.clicked.connect(self.acted)
        self.dismiss = Button("Got it")
        self.dismiss.setAccessibleName(f"Put away: {name}")
        self.dismiss.clicked.connect(self._put_away)
        words = QVBoxLayout()
        words.setSpacing(theme.SPACE_4)
        for widget in (self._title, self._text, self._facts):
            words.addWidget(widget)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addLayout(words, 1)
        row.addWidget(self.act, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.dismiss, 0, Qt.AlignmentFlag.AlignTop)
        self.column.addLayout(row)
        self.column.setContentsMargins(theme.SPACE_16, theme.SPACE_12, theme.SPACE_12, theme.SPACE_12)
        self.hide()

    def tell(self, title: str, text: str, facts: Sequence[Fact] = ()) -> None:
        """Show the card with these words."""
        self._title.show_text(title)
        self._text.show_text(text)
        self._text.setVisible(bool(text))
        self._facts.show_facts(facts)
        self._facts.setVisible(bool(facts))
        self.setAccessibleDescription(f"{title}. {text}")
        self.show()

    def said(self) -> str:
        """Return all its words."""
        return "\n".join([self._title.whole, self._text.whole, *(f"{f.name}: {f.value}" for f in self._facts.shown)])

    def _put_away(self) -> None:
        self.hide()
        self.dismissed.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.colour("accent"), theme.SEVERITY_WIDTH))
        painter.drawLine(2, theme.RADIUS, 2, self.height() - theme.RADIUS)
