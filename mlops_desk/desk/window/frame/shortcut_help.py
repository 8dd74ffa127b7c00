"""The help (F1): the documentation that ships with the program, opened at the page of the feature that is seen.

All of it is local. A link leads to a page or a heading, a picture is one of our own, an address of the web is copied.
"""

import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QSignalBlocker, Qt, QUrl
from PySide6.QtGui import QGuiApplication, QImage, QKeySequence, QShortcut, QTextBlock, QTextCursor, QTextDocument
from PySide6.QtWidgets import QDialog, QFrame, QHBoxLayout, QListWidget, QTextBrowser, QVBoxLayout, QWidget

import mlops_desk
from mlops_desk.kit.window.actions import Action, Actions
from mlops_desk.kit.window.feature import PageSpec
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.scroll import thin

_START, _KEYS = "index.md", "keys.md"
_SCHEME = "docs"
_MARKDOWN = QTextDocument.ResourceType.MarkdownResource
_PAGE = re.compile(r"\]\(([\w/-]+\.md)\)")
_SIZE = (1040, 720)  # pixels: a page of text beside the list, in a window of 1280 by 800


def help_action(window: QWidget, actions: Actions, seen: Callable[[], PageSpec | None]) -> Action:
    """Return what opens the help over ``window`` at the document of the page that is ``seen``."""

    def show() -> None:
        shown = window.findChild(HelpWindow) or HelpWindow(window, actions)
        page = seen()
        shown.open_page(page.document if page is not None else _START)

    also = "manual how shortcuts keys keyboard documentation guide support"
    return Action("help", "Help: this page, keys, documentation", show, "F1", also=also)


class HelpWindow(QDialog):
    """Shows a list of pages and the chosen one. Typing narrows the list to the pages that hold every word."""

    def __init__(self, parent: QWidget, actions: Actions) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setWindowTitle("Help")
        self._actions = actions
        folder = _folder()
        self._texts = _texts(folder)
        self._names = list(self._texts)
        self.view = HelpView(self._texts, folder.parent / "screenshots")
        self.search = Field("Search the documentation", "Search (Ctrl+F)")
        self.pages = QListWidget()
        self.nothing = Label("No page has all of these words.", tone="muted", wrap=True)
        self.back = Button("Back", tip="Go to the page before (Alt+Left)")
        self._arrange()

    def _arrange(self) -> None:
        thin(self.pages)
        self.pages.setFrameShape(QFrame.Shape.NoFrame)
        self.pages.setAccessibleName("Pages of the documentation")
        self.pages.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.pages.addItems([text.partition("\n")[0].removeprefix("# ") for text in self._texts.values()])
        self.nothing.hide()
        side = QVBoxLayout()
        for widget in (self.search, self.pages, self.nothing, self.back):
            widget.setFixedWidth(theme.COLUMN_MINIMUM)
            side.addWidget(widget)
        row = QHBoxLayout(self)
        row.setContentsMargins(*(theme.SPACE_8,) * 4)
        row.addLayout(side)
        row.addWidget(self.view, 1)
        room = self.screen().availableGeometry()
        self.resize(min(_SIZE[0], room.width() - theme.FRAME_WIDTH), min(_SIZE[1], room.height() - theme.FRAME_HEIGHT))
        self.search.textChanged.connect(self._narrow)
        self.search.returnPressed.connect(self._open_first)
        self.pages.currentRowChanged.connect(self._chosen)
        self.view.sourceChanged.connect(self._mark)
        self.view.backwardAvailable.connect(self.back.setEnabled)
        self.back.setEnabled(False)
        self.back.setAutoDefault(False)  # Enter in the search is none of its
        self.back.clicked.connect(self.view.backward)
        QShortcut(QKeySequence("Ctrl+F"), self).activated.connect(self._search)
        QShortcut(QKeySequence("F3"), self).activated.connect(self.find_next)

    def open_page(self, name: str) -> None:
        """Show the window with a page, and the keys that count now in the page of keys."""
        self._texts[_KEYS] = _keys(self._actions)
        self.show()  # a page scrolls to a heading once it has a size
        self.raise_()
        self.activateWindow()
        self.view.open_page(name if name.partition("#")[0] in self._texts else _START)
        self.view.setFocus(Qt.FocusReason.OtherFocusReason)

    def find_next(self) -> None:
        """Go to the next place of what is searched for, or of its first word; from the page's end to its beginning."""
        text = self.search.text().strip()
        for wanted in (text, text.partition(" ")[0]):
            if not wanted or self.view.find(wanted):
                return
            self.view.moveCursor(QTextCursor.MoveOperation.Start)
            if self.view.find(wanted):
                return

    def _search(self) -> None:
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def _narrow(self, text: str) -> None:
        words = text.lower().split()
        for row, name in enumerate(self._names):
            told = self._texts[name].lower()
            self.pages.setRowHidden(row, not all(word in told for word in words))
        self.nothing.setVisible(not self._rows())

    def _rows(self) -> list[int]:
        return [row for row in range(len(self._names)) if not self.pages.isRowHidden(row)]

    def _open_first(self) -> None:
        """Go on to the next place on a page that has the words, else to the first page that has them."""
        rows = self._rows()
        if self.pages.currentRow() in rows:
            self.find_next()
        elif rows:
            self.pages.setCurrentRow(rows[0])

    def _chosen(self, row: int) -> None:
        self.view.open_page(self._names[row])
        self.find_next()

    def _mark(self, url: QUrl) -> None:
        """Mark the page that is shown in the list, however somebody came to it."""
        name = url.path().lstrip("/")
        if name in self._names:
            with QSignalBlocker(self.pages):
                self.pages.setCurrentRow(self._names.index(name))


class HelpView(QTextBrowser):
    """Shows one page of the documentation."""

    accessible_role = Role.Document

    def __init__(self, texts: dict[str, str], pictures: Path) -> None:
        super().__init__()
        self._texts = texts
        self._pictures = pictures
        thin(self)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAccessibleName("Documentation")
        self.setOpenLinks(False)
        self.document().setDocumentMargin(theme.SPACE_16)
        self.document().setDefaultFont(theme.font())
        self.anchorClicked.connect(self.follow)
        self.sourceChanged.connect(lambda _url: self._dress())

    def open_page(self, name: str) -> None:
        """Show a page from its beginning, or from the heading behind a ``#``."""
        self.follow(QUrl(f"{_SCHEME}:/{name}"))

    def follow(self, url: QUrl) -> None:
        """Go where a link leads; an address of the web is copied."""
        if url.scheme() != _SCHEME:
            QGuiApplication.clipboard().setText(url.toString())
            set_tip(self, f"Copied: {url.toString()}")
            return
        self.setSource(url, _MARKDOWN)
        self._scroll_to(url.fragment())

    def loadResource(self, kind: int, url: QUrl | str) -> Any:
        """Return a page's text or one of our pictures; there is nothing else."""
        path = QUrl(url).path()
        if kind == _MARKDOWN.value:
            is_picture = path.endswith(".png")
            return (
                f"![Screenshot]({path})"
                if is_picture
                else self._texts.get(path.lstrip("/"), "# This page is not there")
            )
        if kind == QTextDocument.ResourceType.ImageResource.value:
            return self._picture(Path(path).name)
        return None

    def _picture(self, name: str) -> QImage:
        """Return a screenshot as wide as the page, in the look that holds where there is one in it."""
        other = name.replace(*("-light.", "-dark.") if theme.is_dark() else ("-dark.", "-light."))
        path = self._pictures / other
        image = QImage(str(path if path.is_file() else self._pictures / name))
        ratio = self.devicePixelRatioF()
        width = int((self.viewport().width() - 2 * theme.SPACE_24) * ratio)
        if image.width() > width:
            image = image.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)
        image.setDevicePixelRatio(ratio)
        return image

    def _dress(self) -> None:
        """Set headings apart, rule tables softly, and let lines of code break in a narrow window."""
        for block in self._blocks():
            look = block.blockFormat()
            if look.headingLevel() > 1:
                look.setTopMargin(theme.SPACE_24)
                QTextCursor(block).setBlockFormat(look)
            elif look.nonBreakableLines():
                look.setNonBreakableLines(False)
                look.setBackground(theme.colour("window"))
                QTextCursor(block).setBlockFormat(look)
        for frame in self.document().rootFrame().childFrames():
            edge = frame.frameFormat()
            edge.setBorderStyle(edge.BorderStyle.BorderStyle_Solid)
            edge.setBorderBrush(theme.colour("border"))
            frame.setFrameFormat(edge)

    def _scroll_to(self, anchor: str) -> None:
        headings = (block for block in self._blocks() if block.blockFormat().headingLevel())
        found = next((block for block in headings if anchor and _anchor(block.text()) == anchor), None)
        if found is not None:
            self.verticalScrollBar().setValue(int(self.document().documentLayout().blockBoundingRect(found).top()))

    def _blocks(self) -> Iterator[QTextBlock]:
        block = self.document().begin()
        while block.isValid():
            yield block
            block = block.next()

    def changeEvent(self, event: QEvent) -> None:
        """Show the page anew in the colours of the other look."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self.source().isValid():
            self.reload()


def _anchor(heading: str) -> str:
    """Return the name by which links lead to a heading, as GitHub makes it."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def _folder() -> Path:
    """Return where the pages are: beside the package in a checkout, else where it was installed."""
    beside = Path(mlops_desk.__file__).resolve().parents[1] / "resources" / "docs"
    return beside if beside.is_dir() else Path(str(files("mlops_desk_resources") / "docs"))


def _texts(folder: Path) -> dict[str, str]:
    """Return the pages by name, in the order in which the first one links to them; the keys stand second."""
    try:
        start = (folder / _START).read_text(encoding="utf-8")
        names = dict.fromkeys(_PAGE.findall(start))
        return {_START: start, _KEYS: "# Keys", **{name: (folder / name).read_text(encoding="utf-8") for name in names}}
    except OSError as error:
        return {_START: f"# Documentation\n\nIt can't be read in {folder}: {error.strerror}.", _KEYS: "# Keys"}


def _keys(actions: Actions) -> str:
    """Return a page of the keys that count now."""
    known = {one.shortcut: one.title for one in actions.placed("menu") if one.shortcut}
    rows = [f"| **{key}** | {title} |" for key, title in known.items()]
    about = (
        "Ctrl+K finds all that can be done and all that has a name, by other words too: type *silence* or *threshold*."
    )
    return "\n".join(["# Keys", "", about, "", "| key | what it does |", "|---|---|", *rows])
