"""The one box over all models: what is typed is asked while one types, and only the newest answer counts."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError, Invalid
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.models.again import AskAgain
from mlops_desk.ui.parts.caret import CaretLine
from mlops_desk.ui.widgets.field import Field

if TYPE_CHECKING:
    from mlops_desk.records.registry.version_hit import VersionsFound
    from mlops_desk.ui.live.tasks import Task

FOUND_MOST = 500  # chosen: more are not looked through; one types another word
TYPING_MILLISECONDS = 40  # chosen: below what is felt; who types fast asks once
_HINT = "Search all versions:  auc>0.9  alias:champion  created:<30d  flavor:sklearn   ( / )"


class VersionSearch(QWidget):
    """``found`` carries what was found so far (VersionsFound), or None where nothing is searched for."""

    found = Signal(object)
    failed = Signal(object)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._task: Task | None = None
        self.field = Field("Search all versions", _HINT)
        self.error = CaretLine()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(TYPING_MILLISECONDS)
        self._soon.timeout.connect(self.ask)
        self.again = AskAgain(self, self.ask)
        self.field.textChanged.connect(self._typed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addWidget(self.field)
        column.addWidget(self.error)

    def query(self) -> str:
        return self.field.text().strip()

    def is_on(self) -> bool:
        return bool(self.query())

    def _typed(self) -> None:
        if self.is_on():
            self._soon.start()
            return
        self.stop()
        self.error.clear()
        self.found.emit(None)

    def stop(self) -> None:
        """Wait for no answer any more."""
        self._soon.stop()
        self.again.timer.stop()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def ask(self) -> None:
        """Ask for what is typed; an older question is no longer waited for."""
        self.stop()
        query, uri = self.query(), self._context.store.models_uri
        if not query:
            return
        self._task = self._context.ask(
            "search versions",
            lambda desk: desk.models.find(query, uri=uri, limit=FOUND_MOST, wait=0.0),
            self._got,
            lambda error: self._refused(query, error),
        )

    def _got(self, found: "VersionsFound") -> None:
        self._task = None
        self.error.clear()
        self.again.told(found)
        self.found.emit(found)

    def _refused(self, query: str, error: DeskError) -> None:
        """Say what is wrong below the field; what was found before stays, for one is still typing."""
        self._task = None
        if isinstance(error, Invalid):
            self.error.show_error(query, error)
        else:
            self.error.clear()
            self.failed.emit(error)
