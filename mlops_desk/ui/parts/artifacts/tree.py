"""The tree of files: one folder is asked for when it is opened, and not before; it says what it is doing meanwhile."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QFrame, QHeaderView, QTreeWidget, QTreeWidgetItem

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.parts.artifacts.source import ArtifactSource
from mlops_desk.ui.tables.rows import RoomyDelegate
from mlops_desk.ui.widgets.scroll import thin
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_desk.records.model import Artifact
    from mlops_desk.ui.live.tasks import Task

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
