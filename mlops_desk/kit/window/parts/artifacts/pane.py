"""The files of a run or of a version: tree, preview, and what can be done with the chosen one."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QSplitter,
    QStackedLayout,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.artifacts.preview import ArtifactPreview
from mlops_desk.kit.window.parts.artifacts.source import ArtifactSource
from mlops_desk.kit.window.tables.rows import RoomyDelegate
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.scroll import thin
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_desk.kit.window.live.tasks import Task
    from mlops_desk.registry.records.model import Artifact


# The tree of files: one folder is asked for when it is opened, and not before; it says what it is doing meanwhile.
SHOWN = 2000  # chosen: of a folder with more files nobody looks through all; the download has them
_PATH = Qt.ItemDataRole.UserRole
_IS_FOLDER = Qt.ItemDataRole.UserRole + 1
_STATE = Qt.ItemDataRole.UserRole + 2  # of a folder: None (not asked), "asked", "there"


class ArtifactTree(QTreeWidget):
    """``chosen`` carries path and whether it is a folder, ``opened`` the same of what was pressed with Enter."""

    chosen = Signal(str, bool)
    listed = Signal(str)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._source: ArtifactSource | None = None
        self._asking: dict[str, Task] = {}
        self.trouble: DeskError | None = None
        thin(self)
        self.setAccessibleName("Files")
        self.setColumnCount(2)
        self.setHeaderHidden(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setUniformRowHeights(True)
        self.setItemDelegate(RoomyDelegate(self))
        self.setIndentation(theme.SPACE_16)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.itemExpanded.connect(self._open)
        self.currentItemChanged.connect(lambda item, _before: self._choose(item))

    def show_source(self, source: ArtifactSource | None) -> None:
        """Show the top folder of another source; of the same one what is open stays."""
        if source is not None and self._source is not None and source.key == self._source.key:
            self._source = source
            return
        self.stop()
        self._source = source
        self.trouble = None
        self.clear()
        if source is not None:
            self._ask("")

    def stop(self) -> None:
        """Wait for nothing any more; what was asked for is asked again when it is next opened."""
        for path, task in self._asking.items():
            task.cancel()
            item = self._item(path)
            if item is not None:
                item.takeChildren()
                _hold_place(item)
        self._asking.clear()

    def look_again(self) -> None:
        """Ask for the top folder anew."""
        source, self._source = self._source, None
        self.show_source(source)

    def is_loading(self) -> bool:
        return "" in self._asking

    def path(self) -> str | None:
        item = self.currentItem()
        return None if item is None else item.data(0, _PATH)

    # Asking.

    def _open(self, item: QTreeWidgetItem) -> None:
        if item.data(0, _IS_FOLDER) and item.data(0, _STATE) is None:
            item.setData(0, _STATE, "asked")
            self._ask(item.data(0, _PATH))

    def _ask(self, path: str) -> None:
        source = self._source
        if source is None:
            return
        self._asking[path] = self._context.ask(
            f"files of {source.title}",
            lambda desk: source.files(desk, path),
            lambda found: self._got(path, found),
            lambda error: self._refused(path, error),
        )

    def _got(self, path: str, found: "Sequence[Artifact]") -> None:
        self._asking.pop(path, None)
        ordered = sorted(found, key=lambda one: (not one.is_folder, one.path))
        items = [_made(one, path) for one in ordered[:SHOWN]]
        if len(ordered) > SHOWN:
            items.append(_said(f"… and {len(ordered) - SHOWN:,} more"))
        if not items and path:
            items.append(_said("This folder is empty."))
        self._put(path, items)
        first = None if path else self._first(found)
        if first is not None:
            self.setCurrentItem(first)
        self.listed.emit(path)

    def _refused(self, path: str, error: DeskError) -> None:
        self._asking.pop(path, None)
        if not path:
            self.trouble = error
            self.listed.emit(path)
            return
        self._put(path, [_said(f"{numbers.ALERT} {error.message} Close it and open it again to try once more.")])
        item = self._item(path)
        if item is not None:
            item.setData(0, _STATE, None)

    def _put(self, path: str, items: list[QTreeWidgetItem]) -> None:
        if not path:
            self.addTopLevelItems(items)
            return
        folder = self._item(path)
        if folder is not None:
            folder.takeChildren()
            folder.addChildren(items)
            folder.setData(0, _STATE, "there")

    def _item(self, path: str) -> QTreeWidgetItem | None:
        """Return the folder with this path, by way of those that it lies in."""
        waiting = [self.topLevelItem(number) for number in range(self.topLevelItemCount())]
        while waiting:
            item = waiting.pop()
            if item is None or not item.data(0, _IS_FOLDER):
                continue
            own = item.data(0, _PATH)
            if own == path:
                return item
            if path.startswith(f"{own}/"):
                waiting = [item.child(number) for number in range(item.childCount())]
        return None

    def _first(self, found: "Sequence[Artifact]") -> QTreeWidgetItem | None:
        """Return what is chosen at first: what tells of the whole, else the first file, else the first of all."""
        names = {one.path.rpartition("/")[2]: one.path for one in found if not one.is_folder}
        wished = next((names[name] for name in ("MLmodel", "README.md") if name in names), None)
        tops = [item for n in range(self.topLevelItemCount()) if (item := self.topLevelItem(n)) is not None]
        files = [item for item in tops if not item.data(0, _IS_FOLDER)]
        other = next(iter([*files, *tops]), None)
        return next((item for item in files if item.data(0, _PATH) == wished), other)

    def _choose(self, item: QTreeWidgetItem | None) -> None:
        path = None if item is None else item.data(0, _PATH)
        if item is not None and path is not None:
            self.chosen.emit(path, bool(item.data(0, _IS_FOLDER)))


def _made(one: "Artifact", folder: str) -> QTreeWidgetItem:
    name = one.path.removeprefix(f"{folder}/") if folder else one.path
    item = QTreeWidgetItem([plain(name), "" if one.is_folder else numbers.size(one.size_bytes)])
    item.setData(0, _PATH, one.path)
    item.setData(0, _IS_FOLDER, one.is_folder)
    item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    item.setData(0, Qt.ItemDataRole.AccessibleTextRole, f"{plain(name)}, {'folder' if one.is_folder else 'file'}")
    if one.is_folder:
        _hold_place(item)
    return item


def _hold_place(folder: QTreeWidgetItem) -> None:
    """Let a folder be opened before it is known what lies in it."""
    folder.setData(0, _STATE, None)
    folder.addChild(_said("Loading …"))


def _said(text: str) -> QTreeWidgetItem:
    item = QTreeWidgetItem([plain(text, 400)])
    item.setFlags(Qt.ItemFlag.ItemIsEnabled)
    item.setFirstColumnSpanned(True)
    return item


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
