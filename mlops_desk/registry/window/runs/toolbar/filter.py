"""The field that runs are filtered by: it offers names and operators while one types, and Ctrl+Space offers all."""

from PySide6.QtCore import QStringListModel, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QCompleter, QListView

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.tables.rows import plain_rows
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.scroll import thin
from mlops_desk.registry.window.runs import completion
from mlops_desk.registry.window.runs.completion import Names, Offer

PAUSE_MS = 40  # chosen: between two letters of a fast typist nothing is asked
_LONGEST = 4000  # letters: as MLflow's page takes them


class FilterField(Field):
    """``asked`` carries the filter once it has changed."""

    asked = Signal(str)

    def __init__(self) -> None:
        super().__init__("Filter runs", "Filter runs: auc > 0.9 and lr < 0.01   ( / )")
        self.setMaxLength(_LONGEST)
        self.names = Names()
        self._offer = Offer(0, 0, ())
        self._words = QStringListModel(self)
        self._completer = QCompleter(self._words, self)
        self._completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        self._completer.setWidget(self)
        self._completer.activated.connect(self._put)
        self._popup = QListView()
        thin(self._popup)
        self._popup.setAccessibleName("What can stand here")
        self._completer.setPopup(self._popup)
        plain_rows(self._popup)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self._ask)
        self._last = ""
        self.textChanged.connect(lambda _text: self._pause.start())
        self.textEdited.connect(lambda _text: self._offer_words(begun_only=True))

    def ask_now(self) -> None:
        """Ask at once, as by Enter."""
        self._pause.stop()
        self._ask()

    def _ask(self) -> None:
        text = self.text()
        if text.strip() != self._last:
            self._last = text.strip()
            self.asked.emit(text)

    def show_filter(self, text: str) -> None:
        """Put a filter in and ask for it."""
        self.setText(text)
        self.ask_now()

    def offered(self) -> tuple[str, ...]:
        """Return what is offered now."""
        return self._offer.words if self._popup.isVisible() else ()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if event.key() == Qt.Key.Key_Space and control:
            self._offer_words(begun_only=False)
        elif event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self._popup.hide()
            self.ask_now()
        else:
            super().keyPressEvent(event)

    def _offer_words(self, *, begun_only: bool) -> None:
        offer = self._offer = completion.offers(self.text(), self.cursorPosition(), self.names)
        if not offer.words or (begun_only and offer.start == offer.end):
            self._popup.hide()
            return
        self._words.setStringList(list(offer.words))
        place = self.cursorRect()
        place.setWidth(theme.LIST_WIDTH)
        place.moveTop(self.rect().bottom() - place.height())
        self._completer.complete(place)

    def _put(self, word: str) -> None:
        text, caret = completion.put(self.text(), self._offer, word)
        self.setText(text)
        self.setCursorPosition(caret)
        self._offer_words(begun_only=False)
