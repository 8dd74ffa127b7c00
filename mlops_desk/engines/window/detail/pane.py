"""What is chosen on the page: an image, or a pull or build, with what can be done with it above.

The questions before an image is removed, and before a pull or build is ended: each says what it costs.
"""

from collections.abc import Callable, Iterator

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.engines.records.image import ImageCard, ImageUser, UserKind
from mlops_desk.engines.records.task import ImageTask, TaskKind
from mlops_desk.engines.window import columns, words
from mlops_desk.engines.window.detail.task import TaskView
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.words import numbers

_NAMED = 4  # chosen: what one still reads in a sentence


def ask_to_remove(parent: QWidget, context: Context, image: ImageCard, engine: str) -> None:
    """Look anew what needs the image; ask where nothing does, and say what would break where something does."""
    identifier = image.id

    def found(now: ImageCard) -> None:
        if now.used_by:
            context.complain(DeskError(broken(now), "Remove or stop what needs it first."))
            return
        title = f"Remove {plain(words.listed_name(now), 60)}?"
        ask(parent, title, loss(now), "Remove image", lambda: _remove(context, identifier, engine))

    context.ask("what needs the image", lambda desk: desk.images.show(identifier, engine=engine), found)


def _remove(context: Context, identifier: str, engine: str) -> None:
    def done(gone: ImageCard) -> None:
        freed = f" {numbers.size(gone.own_bytes)} are free again." if gone.own_bytes is not None else ""
        context.say("info", f"{plain(words.listed_name(gone), 80)} is removed.{freed}")

    context.ask("remove image", lambda desk: desk.images.remove(identifier, engine=engine), done)


def broken(image: ImageCard) -> str:
    """Say what would not work any more without an image."""
    named = [f"{words.kind(user).lower()} {plain(user.name, 40)}" for user in image.used_by[:_NAMED]]
    more = f" and {len(image.used_by) - _NAMED:,} more" if len(image.used_by) > _NAMED else ""
    needs = "needs" if len(image.used_by) == 1 else "need"
    return f"{plain(words.listed_name(image), 60)} can't go: {', '.join(named)}{more} {needs} it."


def loss(image: ImageCard) -> str:
    """Say what goes with an image, and how it comes back."""
    parts = ["Nothing needs it now."]
    if len(image.tags) > 1:
        parts.append(f"All its {len(image.tags)} names go with it: {_list(image.tags)}.")
    if image.own_bytes is not None:
        shared = " what it shares with others stays." if image.shared_bytes else ""
        parts.append(f"{numbers.size(image.own_bytes)} become free{';' if shared else '.'}{shared}")
    if image.origin == "built" or not image.digests:
        parts.append("It was built on this machine: it comes back only by building it again.")
    else:
        parts.append("A job that asks for it later waits until it is pulled again.")
    return " ".join(parts)


def _list(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(plain(name, 60) for name in names[:_NAMED]) + more


def ask_to_cancel(parent: QWidget, context: Context, task: ImageTask) -> None:
    """Ask before a pull or build is ended."""
    is_pull = task.kind is TaskKind.PULL
    waiting = f" {numbers.count(len(task.jobs), 'job')} that wait for it stay blocked." if task.jobs else ""
    kept = "Layers that are finished stay: they are not fetched again." if is_pull else "What is built stays cached."
    ask(
        parent,
        f"Cancel the {'pull' if is_pull else 'build'} of {plain(task.reference, 60)}?",
        f"{kept}{waiting}",
        "Cancel pull" if is_pull else "Cancel build",
        lambda: _cancel(context, task.id),
    )


def _cancel(context: Context, identifier: str) -> None:
    context.ask("cancel", lambda desk: desk.images.cancel(identifier), lambda _task: None)


# The chosen image: its names, what it is, and what needs it, each a way there.
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


_PALETTE = frozenset({"palette"})


class ImagePane(QWidget):
    """Shows one thing at a time. ``again`` carries a task that is to be begun anew."""

    again = Signal(object)

    def __init__(self, context: Context, engine: Callable[[], str]) -> None:
        super().__init__()
        self._context = context
        self._engine = engine
        self.image: ImageCard | None = None
        self.task: ImageTask | None = None
        self.title = Label("", points=theme.TITLE_POINTS, bold=True)
        self.title.setMinimumHeight(theme.FIELD_HEIGHT)
        self.remove = Button("Remove …", harmful=True, asks=True)
        self.job = Button("New job …", tip="Open the form of a new job with this image", asks=True)
        self.copy = Button("Copy name", symbol="copy", tip="Copy what a job file calls it")
        self.cancel = Button("Cancel …", harmful=True, asks=True)
        self.retry = Button("Begin again", tip="Layers that are finished are not fetched again", asks=True)
        self.remove.clicked.connect(self._remove)
        self.job.clicked.connect(self._new_job)
        self.copy.clicked.connect(self._copy)
        self.cancel.clicked.connect(self._cancel)
        self.retry.clicked.connect(self._begin_again)
        self.image_view = ImageView(context)
        self.task_view = TaskView(context)
        self._nothing = Label("Choose an image to see what it is and what needs it.", tone="muted")
        self._layers = QStackedWidget()
        for view in (self._nothing, self.image_view, self.task_view):
            self._layers.addWidget(view)
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_4)
        head.addWidget(self.title, 1)
        for button in (self.cancel, self.retry, self.job, self.copy, self.remove):
            head.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addLayout(head)
        column.addWidget(self._layers, 1)
        self.show_nothing()

    def show_nothing(self) -> None:
        self._show(None, None)

    def show_image(self, image: ImageCard) -> None:
        self._show(image, None)
        self.image_view.show_image(image)

    def show_task(self, task: ImageTask) -> None:
        self._show(None, task)
        self.task_view.show_task(task)

    def _show(self, image: ImageCard | None, task: ImageTask | None) -> None:
        self.image, self.task = image, task
        self._layers.setCurrentWidget(self.image_view if image else self.task_view if task else self._nothing)
        self.title.show_text(words.listed_name(image) if image else words.title(task) if task else "")
        for button, can in (
            (self.remove, image is not None), (self.copy, image is not None), (self.job, image is not None),
            (self.cancel, self._can_cancel()), (self.retry, self._can_retry()),
        ):  # fmt: skip
            button.setVisible(can)
        if task is None:
            self.task_view.stop()

    def left(self) -> None:
        """Hear that nothing of it is seen."""
        self.task_view.stop()

    # Acts.

    def actions_here(self) -> list[Action]:
        """Return what can be done with the chosen thing, for menus and the palette."""
        return [
            Action("images.remove", "Remove the chosen image …", self._remove, when=self._is_image, asks=True),
            Action("images.job", "New job with the chosen image …", self._new_job, when=self._is_image, asks=True),
            Action("images.copy", "Copy the chosen image's name", self._copy, when=self._is_image),
            Action(
                "images.cancel", "Cancel the chosen pull or build …", self._cancel, when=self._can_cancel, asks=True
            ),
            Action("images.again", "Begin the chosen pull again", self._begin_again, when=self._can_retry, asks=True),
        ]

    def _is_image(self) -> bool:
        return self.image is not None

    def _can_cancel(self) -> bool:
        return self.task is not None and not self.task.state.is_final

    def _can_retry(self) -> bool:
        """Tell whether it can be begun again from here: a pull needs no more than its name."""
        task = self.task
        return task is not None and task.kind is TaskKind.PULL and task.state.is_final and task.image_id is None

    def _remove(self) -> None:
        if self.image is not None:
            ask_to_remove(self.window(), self._context, self.image, self._engine())

    def _new_job(self) -> None:
        if self.image is not None:
            self._context.act("jobs.new", self._context, self.image.name)

    def _copy(self) -> None:
        if self.image is not None:
            QGuiApplication.clipboard().setText(self.image.name)
            self._context.say("info", f"{self.image.name} is copied.")

    def _cancel(self) -> None:
        if self.task is not None:
            ask_to_cancel(self.window(), self._context, self.task)

    def _begin_again(self) -> None:
        if self.task is not None and self._can_retry():
            self.again.emit(self.task)
