"""What a file holds, in the form that fits it: lines, prose, a picture, a table, or a list of what lies in it."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.artifacts import words
from mlops_desk.ui.parts.artifacts.grid import ArtifactGrid
from mlops_desk.ui.parts.artifacts.lines import NumberedText, shown
from mlops_desk.ui.parts.artifacts.markdown import ProseBlock, blocks
from mlops_desk.ui.parts.artifacts.picture import Picture, decoded
from mlops_desk.ui.parts.artifacts.prose import ProseView
from mlops_desk.ui.parts.artifacts.source import ArtifactSource
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.states import Empty, StateView
from mlops_desk.verbs.desk import ClientLike

if TYPE_CHECKING:
    from PySide6.QtGui import QImage

    from mlops_desk.records.registry.artifact_view import ArtifactView
    from mlops_desk.ui.live.tasks import Task

    _Seen = tuple[ArtifactView, QImage | None, list[ProseBlock]]

CHOOSE_MILLISECONDS = 120  # chosen: who goes through the files by the arrow keys rests no longer


class ArtifactPreview(QWidget):
    """Shows one file at a time; what was asked for and is no longer wanted is not waited for."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._source: ArtifactSource | None = None
        self._path = ""
        self._task: Task | None = None
        self._seen: ArtifactView | None = None
        self._prose: list[ProseBlock] = []
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(CHOOSE_MILLISECONDS)
        self._soon.timeout.connect(self._ask)
        self.title = Label("", bold=True)
        self.caption = Label("", points=theme.CAPTION_POINTS, tone="muted")
        self.warning = Label("", tone="warning", wrap=True)
        self.rest = Label("", points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.as_source = Button("As source", tip="Show the file as it was written")
        self.as_source.setCheckable(True)
        self.as_source.toggled.connect(lambda _on: self._show_again())
        self.lines = NumberedText("What the file holds")
        self.prose = ProseView("What the file says")
        self.picture = Picture()
        self.grid = ArtifactGrid(context)
        self.state = StateView(theme.LIST_WIDTH)
        self._layers = QStackedWidget()
        for view in (self.state, self.lines, self.prose, self.picture, self.grid):
            self._layers.addWidget(view)
        self._arrange()
        self.show_nothing("Choose a file", "What it holds will be here.")

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_8)
        head.addWidget(self.title)
        head.addWidget(self.caption, 1)
        head.addWidget(self.as_source)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addLayout(head)
        column.addWidget(self.warning)
        column.addWidget(self._layers, 1)
        column.addWidget(self.rest)

    def show_nothing(self, title: str, text: str) -> None:
        """Show no file, and say why."""
        self.stop()
        self._seen, self._path = None, ""
        self._head("", "", "", "")
        self.state.show_empty(Empty(title, text))
        self._layers.setCurrentWidget(self.state)

    def look_at(self, source: ArtifactSource, path: str) -> None:
        """Show a file as soon as the choice rests."""
        self.stop()
        self._source, self._path, self._seen = source, path, None
        self._head(path.rpartition("/")[2], "", "", "")
        self._soon.start()

    def stop(self) -> None:
        self._soon.stop()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _ask(self) -> None:
        source, path = self._source, self._path
        if source is None:
            return
        self.state.show_loading(f"Reading {plain(path.rpartition('/')[2], 60)} …", "", self._cancel)
        self._layers.setCurrentWidget(self.state)

        def look(desk: ClientLike) -> "_Seen":
            view = source.view(desk, path)
            told = blocks(view.text) if view.kind == "markdown" and view.text else []
            return view, decoded(view.image) if view.image else None, told

        self._task = self._context.ask(f"look at {path}", look, self._take, self._fail)

    def _cancel(self) -> None:
        self.stop()
        self._fail(DeskError("Reading was cancelled.", "Choose the file again to go on."))

    def _fail(self, error: DeskError) -> None:
        self._task = None
        self.state.show_error("This file can't be shown", error, self._ask)
        self._layers.setCurrentWidget(self.state)

    def _take(self, answer: "_Seen") -> None:
        self._task = None
        self._seen, image, self._prose = answer
        self.picture.show_image(image, plain(self._path.rpartition("/")[2], 60))
        self._show_again()

    def _show_again(self) -> None:
        view = self._seen
        if view is None:
            return
        fits, cut = self._fill(view)
        self._layers.setCurrentWidget(fits)
        rest = "" if fits is self.state else words.left_out(view, cut_here=cut)  # which says it then
        self._head(view.path.rpartition("/")[2], words.caption(view), words.warning(view), rest)
        self.as_source.setVisible(view.kind == "markdown" and bool(view.text))

    def _fill(self, view: "ArtifactView") -> tuple[QWidget, bool]:
        """Put what there is to see into the widget for it; return that, and whether it does not show all it got."""
        if view.kind == "image" and view.image and not view.problem:
            return self.picture, False
        if view.table is not None:
            self.grid.show_table(view.table)
            return self.grid, False
        if view.kind == "markdown" and view.text and not self.as_source.isChecked():
            self.prose.show_blocks(self._prose)
            return self.prose, False
        text = view.text or "\n".join(view.listing)
        if not text:
            self.state.show_empty(Empty("Nothing to see", words.nothing_to_see(view)))
            return self.state, False
        lines, cut = shown(text)
        self.lines.show_lines(lines, numbered=view.text is not None)
        return self.lines, cut

    def _head(self, title: str, caption: str, warning: str, rest: str) -> None:
        self.title.show_text(title)
        self.caption.show_text(caption)
        self.as_source.hide()
        for label, text in ((self.warning, warning), (self.rest, rest)):
            label.show_text(text)
            label.setVisible(bool(text))
