"""Job files to begin with, as a list that is searched: what each is for, and what to change in it."""

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from mlops_desk.jobs.records.template import JobTemplate
from mlops_desk.kit.base.text import LINE_LIMIT, plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import framed
from mlops_desk.kit.window.widgets.field import filter_field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.widgets.scroll import thin

_COLUMNS: tuple[Column[JobTemplate], ...] = (
    Column("title", "Template", lambda one: Cell(plain(one.title or one.name))),
    Column("own", "Whose", lambda one: Cell("your own" if one.own else "comes along")),
    Column("help", "What to change", lambda one: Cell(plain(one.help), tip=one.help), stretch=True),
)


class TemplatePicker(FormDialog):
    """``picked`` carries a template, ``forgotten`` one's own that is not wanted any more."""

    picked = Signal(object)
    forgotten = Signal(object)

    def __init__(self, parent: QWidget, context: Context, found: Sequence[JobTemplate]) -> None:
        super().__init__(parent, "Start from a template", "It takes the place of what is written; undo brings it back.",
                         "Start from it")  # fmt: skip
        self.words = filter_field("Filter templates")
        self.table = RecordTable("Templates", _COLUMNS, context.memory, _search_text)
        self.shown = QPlainTextEdit()
        thin(self.shown)
        self.shown.setReadOnly(True)
        self.shown.setFont(theme.fixed_font())
        self.shown.setAccessibleName("The template's file")
        self.shown.setTabChangesFocus(True)
        self.forget = Button("Forget it", harmful=True, tip="Take this template of your own out of the list")
        self.forget.clicked.connect(lambda _on=False: self._forget())
        self.fields.addRow(self.words)
        self.fill(framed(self.table))
        self.fill(self.shown)
        self.fill(self.forget, stretch=0)
        self.first = self.words
        self.submit = self._pick
        self.words.textChanged.connect(self._narrow)
        self.table.chosen.connect(lambda _key: self._show())
        self.table.doubleClicked.connect(lambda _index: self._pick())
        self.table.takes_key = self._take_key
        self.table.show_records({one.name: one for one in found})
        self.table.select_first()
        self._show()
        self.resize(theme.READING_WIDTH, theme.DIALOG_TALL)

    def chosen(self) -> JobTemplate | None:
        key = self.table.key()
        return self.table.records.record(key) if key is not None else None

    def _narrow(self, text: str) -> None:
        self.table.narrow(text)
        if self.table.key() is None:
            self.table.select_first()

    def _take_key(self, key: str) -> bool:
        if key == "Return":
            self._pick()
        return key == "Return"

    def _show(self) -> None:
        one = self.chosen()
        self.act.setEnabled(one is not None)
        self.forget.setVisible(one is not None and one.own)
        spec = one.spec if one is not None else ""
        self.shown.setPlainText("\n".join(plain(line, LINE_LIMIT) for line in spec.splitlines()))

    def _pick(self) -> None:
        one = self.chosen()
        if one is not None:
            self.picked.emit(one)
            self.accept()

    def _forget(self) -> None:
        one = self.chosen()
        if one is not None:
            self.forgotten.emit(one)
            self.accept()


def _search_text(one: JobTemplate) -> str:
    return f"{one.name} {one.title} {one.help} {one.spec}"
