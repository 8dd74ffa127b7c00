"""The files of a run or of a version: tree, preview, and what can be done with the chosen one."""

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QSplitter, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.artifacts.preview import ArtifactPreview
from mlops_desk.ui.parts.artifacts.source import ArtifactSource
from mlops_desk.ui.parts.artifacts.tree import ArtifactTree
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.states import Empty, StateView

_SIDE_BY_SIDE = theme.READING_WIDTH  # chosen: narrower than eighty letters, a preview lies below the tree


class ArtifactsPane(QWidget):
    """``show_source`` says whose files; ``left`` that nobody looks any more."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._source: ArtifactSource | None = None
        self.tree = ArtifactTree(context)
        self.preview = ArtifactPreview(context)
        self.state = StateView(theme.LIST_WIDTH)
        self.save = Button("Save as …", tip="Write the chosen file or folder into a folder of yours")
        self.save_all = Button("Save all …", tip="Write all files into a folder of yours")
        self.copy = Button("Copy path", symbol="copy", tip="Copy where the chosen one lies among the files")
        self.says = Label("", points=theme.CAPTION_POINTS, tone="muted")
        self.save.clicked.connect(lambda: self._ask_where(self.tree.path()))
        self.save_all.clicked.connect(lambda: self._ask_where(""))
        self.copy.clicked.connect(self._copy)
        self.tree.chosen.connect(self._chose)
        self.tree.listed.connect(self._listed)
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._arrange()
        self._offer()

    def _arrange(self) -> None:
        self._split.addWidget(self.tree)
        self._split.addWidget(self.preview)
        self._split.setHandleWidth(theme.SPACE_8)
        self._split.setChildrenCollapsible(False)
        self._split.setSizes([theme.COLUMN_MINIMUM, theme.DETAIL_WIDTH])
        self._split.setStretchFactor(1, 1)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_4)
        for button in (self.save, self.save_all, self.copy):
            row.addWidget(button)
        row.addStretch(1)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self._split, 1)
        column.addWidget(self.says)
        column.addLayout(row)
        self._whole = whole
        self._layers = QStackedLayout(self)
        self._layers.addWidget(whole)
        self._layers.addWidget(self.state)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay the preview below the tree where both don't fit beside each other."""
        super().resizeEvent(event)
        wide = self.width() >= _SIDE_BY_SIDE
        wanted = Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical
        if self._split.orientation() is not wanted:
            self._split.setOrientation(wanted)

    def show_source(self, source: ArtifactSource | None) -> None:
        """Show whose files there are; of the same source what is open and chosen stays."""
        same = source is not None and self._source is not None and source.key == self._source.key
        self._source = source
        if not same:
            self.preview.show_nothing("Choose a file", "What it holds will be here.")
        self.tree.show_source(source)
        self._show_state()
        self._offer()

    def show_why_not(self, title: str, text: str) -> None:
        """Show no files, and say why there can't be any."""
        self.show_source(None)
        self.state.show_empty(Empty(title, text))
        self._layers.setCurrentWidget(self.state)

    def left(self) -> None:
        """Wait for nothing any more."""
        self.preview.stop()

    def _listed(self, path: str) -> None:
        if not path:
            self._show_state()
            self._offer()

    def _show_state(self) -> None:
        """Show the files, or why there are none."""
        if self._source is None:
            self.state.show_empty(Empty("No files", "Nothing is chosen."))
        elif self.tree.trouble is not None:
            self.state.show_error("The files can't be listed", self.tree.trouble, self.tree.look_again)
        elif self.tree.is_loading():
            self.state.show_loading(f"Loading the files of {plain(self._source.title, 60)} …", "", None)
        elif not self.tree.topLevelItemCount():
            text = "What its program logs as artifacts will be here: mlflow.log_artifact(…)"
            self.state.show_empty(Empty("No files yet", text, "Look again", self.tree.look_again))
        else:
            self._layers.setCurrentWidget(self._whole)
            return
        self._layers.setCurrentWidget(self.state)

    def _chose(self, path: str, is_folder: bool) -> None:
        self.says.show_text(path)
        self._offer()
        if self._source is None:
            return
        if is_folder:
            self.preview.show_nothing("A folder", "Open it to see what lies in it, or save it as a whole.")
        else:
            self.preview.look_at(self._source, path)

    def _offer(self) -> None:
        chosen = self.tree.path() is not None
        self.save.setEnabled(chosen)
        self.copy.setEnabled(chosen)
        self.save_all.setEnabled(self.tree.topLevelItemCount() > 0)

    # Acts.

    def _copy(self) -> None:
        path = self.tree.path()
        if path is not None:
            QGuiApplication.clipboard().setText(path)
            self._context.say("info", f"{path} is copied.")

    def _ask_where(self, path: str | None) -> None:
        if path is None or self._source is None:
            return
        chooser = QFileDialog(self.window(), "The folder to write it into")
        chooser.setFileMode(QFileDialog.FileMode.Directory)
        chooser.setOption(QFileDialog.Option.ShowDirsOnly)
        chooser.fileSelected.connect(lambda folder: self.write(path, folder))
        chooser.finished.connect(chooser.deleteLater)
        chooser.open()

    def write(self, path: str, folder: str) -> None:
        """Have the agent write a file, a folder, or all ("") into a folder of this machine."""
        source = self._source
        if source is None:
            return
        self.says.show_text(f"Saving {path or 'all files'} …")

        def done(written: str) -> None:
            self.says.show_text("")
            self._context.offer(f"Saved as {written}.", "Show in files", lambda: _show_in_files(folder))

        self._context.ask(f"save {path or 'files'}", lambda desk: source.save(desk, path, folder), done)


def _show_in_files(folder: str) -> None:
    """Open the folder, and never the file: what it would be opened with is not ours to choose."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(folder))
