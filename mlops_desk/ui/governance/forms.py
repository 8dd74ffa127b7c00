"""The forms of governance: what people say on a card, and a word with an act."""

from collections.abc import Callable

from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.governance.card import CARD_TEXTS, NEEDED_TEXTS, CardOfVersion
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.parts.guarded import GuardedForm
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.ui.widgets.textbox import TextBox
from mlops_desk.verbs.desk import ClientLike

_ABOUT = "What only people know. What the desk knows is filled in by itself. An approved card that changes is a draft."


class CardDialog(GuardedForm):
    """Only what was changed is sent, and only while the card still says what was seen."""

    def __init__(
        self, parent: QWidget, context: Context, card: CardOfVersion, name: str, done: Callable[[object], None]
    ) -> None:
        super().__init__(parent, f"Card of {plain(name)}", _ABOUT, "Save card", scrolls=True)
        self._context = context
        self._card, self._name = card, name
        self._done = done
        self.texts: dict[str, TextBox] = {}
        for key, help_text in CARD_TEXTS.items():
            box = self.texts[key] = TextBox(key, card.text(key) or "")
            box.setLineWrapMode(TextBox.LineWrapMode.WidgetWidth)
            box.setFont(theme.font())
            box.setFixedHeight(2 * theme.FIELD_HEIGHT)
            needed = " (needed for review)" if key in NEEDED_TEXTS else ""
            self.add(key.replace("_", " ").capitalize(), box, help_text + needed)
        self.why = Field("Why", "for whoever reads its history")
        self.add("Why", self.why)
        self.submit = self._save
        self.guard(self._words)

    def _words(self) -> tuple[str, ...]:
        return (*(box.toPlainText().strip() for box in self.texts.values()), self.why.text().strip())

    def _save(self) -> None:
        before = {key: self._card.text(key) or "" for key in self.texts}
        now = {key: box.toPlainText().strip() for key, box in self.texts.items()}
        texts = {key: text for key, text in now.items() if text and text != before[key]}
        clear = ",".join(key for key, text in now.items() if not text and before[key])
        if not texts and not clear:
            self.fail(DeskError("Nothing was changed.", "Write something else than the card says, or close this."))
            return
        name, uri, why, sha256 = self._name, self._context.store.models_uri, self.why.text().strip(), self._card.sha256
        self.begin("Saving …")
        self._context.ask(
            "edit card",
            lambda desk: desk.cards.edit(name, texts, clear, uri=uri, why=why, expected=sha256),
            self._saved,
            self.fail,
        )

    def _saved(self, card: CardOfVersion) -> None:
        self._done(card)
        self.accept()


class ReasonDialog(FormDialog):
    """An act on a card, with a word for its history."""

    def __init__(
        self,
        parent: QWidget,
        context: Context,
        title: str,
        act: str,
        do: Callable[[ClientLike, str], CardOfVersion],
        done: Callable[[object], None],
    ) -> None:
        super().__init__(parent, title, "Who does it, when and why is part of the card's history.", act)
        self._context = context
        self._do, self._done = do, done
        self.why = Field("Why", "a word for whoever reads its history")
        self.add("Why", self.why)
        self.submit = self._ask

    def _ask(self) -> None:
        why, do = self.why.text().strip(), self._do
        self.begin("Asking …")
        self._context.ask("card", lambda desk: do(desk, why), self._told, self.fail)

    def _told(self, card: CardOfVersion) -> None:
        self._done(card)
        self.accept()
