"""What is chosen on the page: an image, or a pull or build, with what can be done with it above."""

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.records.images.card import ImageCard
from mlops_desk.records.images.task import ImageTask, TaskKind
from mlops_desk.ui.actions import Action
from mlops_desk.ui.images import words
from mlops_desk.ui.images.detail.image import ImageView
from mlops_desk.ui.images.detail.task import TaskView
from mlops_desk.ui.images.forms.remove import ask_to_cancel, ask_to_remove
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.button import Button

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
