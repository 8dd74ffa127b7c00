"""The chosen image: its names, what it is, and what needs it, each a way there."""

from collections.abc import Iterator

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.images.card import ImageCard, ImageUser, UserKind
from mlops_desk.ui.images import columns, words
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.words import numbers

NAMES_SHOWN, LABELS_SHOWN = 20, 20  # chosen: more of them are told by their number
_LABEL_LIMIT = 200  # chosen: characters of a label's value, which may be a whole file
_PAGES = {UserKind.JOB: "jobs", UserKind.QUEUED_JOB: "jobs", UserKind.ENDPOINT: "endpoints"}
_NOTHING = "Nothing needs it: no container, no job that waits or runs, no endpoint."


class ImageView(QWidget):
    """Facts at the left, what needs it at the right."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.facts = FactGrid()
        self.users: RecordTable[ImageUser] = RecordTable("What needs the image", columns.USERS, context.memory)
        self.users.activated.connect(lambda _index: self.open_user())
        self.users.chosen.connect(lambda _key: self._offer())
        self.go = Button("Show it", tip="Go to the chosen job or endpoint (Enter)")
        self.go.clicked.connect(self.open_user)
        self.nothing = Label(_NOTHING, tone="muted", wrap=True)
        self._arrange()

    def _arrange(self) -> None:
        about = QWidget()
        column = QVBoxLayout(about)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.facts)
        column.addStretch()
        left = Card("What it is")
        left.column.addWidget(scrolled(about, "What the image is"), 1)
        right = Card("What needs it")
        right.column.addWidget(self.users, 1)
        right.column.addWidget(self.go, 0, Qt.AlignmentFlag.AlignLeft)
        right.column.addWidget(self.nothing)
        right.column.addStretch()
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(left)
        split.addWidget(right)
        split.setSizes([theme.DETAIL_WIDTH, theme.DETAIL_WIDTH])
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(split)

    def show_image(self, image: ImageCard) -> None:
        self.facts.show_facts([*facts(image)])
        self.users.show_records({f"{user.kind} {user.id}": user for user in image.used_by})
        for widget in (self.users, self.go):
            widget.setVisible(bool(image.used_by))
        self.nothing.setVisible(not image.used_by)
        if self.users.key() is None:
            self.users.select_first()
        self._offer()

    def _user(self) -> ImageUser | None:
        key = self.users.key()
        return self.users.records.record(key) if key else None

    def _offer(self) -> None:
        user = self._user()
        self.go.setEnabled(user is not None and user.kind in _PAGES)

    def open_user(self) -> None:
        """Go to the chosen job or endpoint; a container has no page."""
        user = self._user()
        if user is not None and user.kind in _PAGES:
            self._context.open_page(_PAGES[user.kind], user.name if user.kind is UserKind.ENDPOINT else user.id)


def facts(image: ImageCard) -> Iterator[Fact]:
    """Yield everything that is known of an image."""
    yield from _names("Name", image.tags)
    if not image.tags:
        yield Fact("Name", "none: another image has taken it, or it was never given one", "muted")
    yield Fact("Id", image.id, fixed=True)
    yield from _names("Pulled as", image.digests)
    yield Fact("Size", _size(image))
    if image.own_bytes is not None:
        yield Fact("Without it", f"{numbers.size(image.own_bytes)} are free")
    yield moment_fact("Made", image.created_at)
    yield Fact("Brought by", words.origin(image))
    if image.brought_at is not None:
        yield moment_fact("Came here", image.brought_at)
    if image.platform:
        yield Fact("Platform", image.platform)
    labels = list(image.labels.items())
    for name, value in labels[:LABELS_SHOWN]:
        yield Fact(f"Label {plain(name, 40)}", plain(value, _LABEL_LIMIT), tip=name)
    if len(labels) > LABELS_SHOWN:
        yield Fact("Labels", f"{len(labels) - LABELS_SHOWN:,} more", "muted")


def _names(title: str, names: tuple[str, ...]) -> Iterator[Fact]:
    for number, name in enumerate(names[:NAMES_SHOWN]):
        yield Fact(title if number == 0 else "", name, fixed=True)
    if len(names) > NAMES_SHOWN:
        yield Fact("", f"and {len(names) - NAMES_SHOWN:,} more", "muted")


def _size(image: ImageCard) -> str:
    whole = numbers.size(image.size_bytes)
    return whole if not image.shared_bytes else f"{whole}, {numbers.size(image.shared_bytes)} of it shared with others"
