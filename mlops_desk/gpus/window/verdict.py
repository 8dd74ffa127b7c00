"""Why the chosen GPU is not busier: the verdict in words, and its evidence, which leads to the curves."""

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.words import alerts
from mlops_desk.machine.records.status import Diagnosis, Evidence

EVIDENCE_SHOWN = 5  # chosen: as many as prove a point
LAST_MINUTE = "in the last minute"


class _Evidence(Button):
    """As wide as the column; what does not fit is cut with an ellipsis, and is in the tool tip."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        return QSize(theme.COLUMN_MINIMUM, self.sizeHint().height())


class VerdictCard(Card):
    """Hidden while there is nothing to say. ``asked`` carries the evidence that was clicked."""

    asked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.question = Label(points=theme.CAPTION_POINTS, bold=True, tone="muted", wrap=True)
        self.column.addWidget(self.question)
        self._ask_of(LAST_MINUTE)
        self._shown: Diagnosis | None = None
        self._title = Label(bold=True, wrap=True)
        self._text = Label(wrap=True, tone="muted")
        self._evidence = QVBoxLayout()
        self._evidence.setSpacing(theme.SPACE_4)
        self.buttons: list[Button] = []
        self.column.addWidget(self._title)
        self.column.addWidget(self._text)
        self.column.addLayout(self._evidence)
        self.hide()

    def _ask_of(self, when: str) -> None:
        self.question.show_text(f"Why was it not busier {when}?")
        self.setAccessibleName(self.question.whole)

    def show_diagnosis(self, diagnosis: Diagnosis | None, when: str = LAST_MINUTE) -> None:
        """Show a verdict and of ``when`` it is; busy, and idle without a user, need none."""
        self._ask_of(when)
        if diagnosis == self._shown:
            return
        before, self._shown = self._shown, diagnosis
        mark = alerts.diagnosis_mark(diagnosis)
        self.setVisible(diagnosis is not None and mark is not None)
        if diagnosis is None or mark is None:
            return
        self._title.show_text(f"{mark.shape} {diagnosis.title}")
        self._title.tint(mark.token)
        self._text.show_text(diagnosis.text)
        self.setAccessibleDescription(f"{diagnosis.title}. {diagnosis.text}")
        keys = [(piece.device, piece.metric) for piece in diagnosis.evidence]
        if before is None or keys != [(piece.device, piece.metric) for piece in before.evidence]:
            self._remake(diagnosis)
        for button, piece in zip(self.buttons, diagnosis.evidence, strict=False):
            self._word(button, piece.text)

    def _remake(self, diagnosis: Diagnosis) -> None:
        for button in self.buttons:
            self._evidence.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.buttons = []
        for number, piece in enumerate(diagnosis.evidence[:EVIDENCE_SHOWN]):
            button = _Evidence("")
            self._word(button, piece.text)
            button.clicked.connect(lambda _on=False, number=number: self._ask(number))
            self._evidence.addWidget(button)
            self.buttons.append(button)

    @staticmethod
    def _word(button: Button, text: str) -> None:
        button.show_title(text)
        button.setAccessibleName(f"{text}. Show the curve.")
        button.updateGeometry()
        set_tip(button, f"{text}\nShow the curve")

    def _ask(self, number: int) -> None:
        evidence: tuple[Evidence, ...] = self._shown.evidence if self._shown is not None else ()
        if number < len(evidence):
            self.asked.emit(evidence[number])
