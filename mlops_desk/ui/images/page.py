"""Images: what is on the engine as a table, above it what is on its way, below the chosen thing."""

from functools import partial
from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.images.card import ImageCard
from mlops_desk.records.images.task import ImageTask
from mlops_desk.ui.actions import Action
from mlops_desk.ui.images import columns, loads, words
from mlops_desk.ui.images.detail.pane import ImagePane
from mlops_desk.ui.images.disk import DiskView
from mlops_desk.ui.images.forms.build import BuildDialog
from mlops_desk.ui.images.forms.prune import PruneDialog
from mlops_desk.ui.images.forms.pull import PullDialog
from mlops_desk.ui.live.away import is_offered
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import menu_text
from mlops_desk.ui.parts.page import Page
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.card import framed
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.field import filter_field
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.widgets.tabs import Tabs

VIEWS = (("images", "Images"), ("disk", "Room and volumes"))
_FITS = (("All images", None), ("Needed", True), ("Not needed", False))
_TASK_ROWS = 4  # chosen: more scroll
_PALETTE = frozenset({"palette"})


class ImagesPage(Page):
    """``table`` has the images, ``tasks`` what is on its way; ``pane`` shows what was chosen last in either."""

    stale: ClassVar[str] = "These images are"
    topics: ClassVar[frozenset[Topic]] = frozenset({loads.IMAGES, loads.TASKS, Topic.CONNECTION, Topic.STATUS})
    loads: ClassVar[tuple[Topic, ...]] = (loads.IMAGES, loads.TASKS)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tabs = Tabs("Views of the images", VIEWS)
        self._filter = filter_field("Filter images")
        self.need = ChoiceBox("Need")
        for title, fits in _FITS:
            self.need.addItem(title, fits)
        self.engine = ChoiceBox("Engine")
        self.engine.hide()
        self.table: RecordTable[ImageCard] = RecordTable("Images", columns.IMAGES, context.memory, columns.image_words)
        self.table.sort_by_key("created", Qt.SortOrder.DescendingOrder)
        self.tasks: RecordTable[ImageTask] = RecordTable("On their way", columns.TASKS, context.memory)
        self._tasks = framed(self.tasks)
        self._tasks.hide()
        self.pane = ImagePane(context, lambda: loads.engine(context.store))
        self.disk = DiskView(context)
        self._views = QStackedWidget()
        self._wire()
        self._arrange()

    def _wire(self) -> None:
        self._filter.textChanged.connect(self.table.narrow)
        self.need.activated.connect(self._keep)
        self.engine.activated.connect(self._choose_engine)
        self.table.chosen.connect(self._chose_image)
        self.tasks.chosen.connect(self._chose_task)
        self.table.fill_more = self._fill_menu
        self.pane.again.connect(self._begin_again)
        self.tabs.chosen.connect(self._turn)

    def _arrange(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.tabs, 0, Qt.AlignmentFlag.AlignTop)  # where they are, whatever stands beside them
        row.addStretch(1)
        row.addWidget(self.engine)
        row.addWidget(self.need)
        row.addWidget(self._filter, 1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(framed(self.table))
        split.addWidget(self.pane)
        split.setSizes([theme.DETAIL_WIDTH, theme.LIST_WIDTH])
        split.setStretchFactor(0, 1)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        listed = QWidget()
        column = QVBoxLayout(listed)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self._tasks)
        column.addWidget(split, 1)
        self._views.addWidget(listed)
        self._views.addWidget(self.disk)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addLayout(row)
        whole.addWidget(self._views, 1)
        self.tabs.choose("images")

    def _turn(self, view: str) -> None:
        self._views.setCurrentIndex([key for key, _ in VIEWS].index(view))
        for widget in (self._filter, self.need):
            widget.setVisible(view == "images")

    # What is shown.

    def refresh(self, topics: frozenset[Topic]) -> None:
        store = self.context.store
        part = store.part(loads.IMAGES)
        if Topic.STATUS in topics:
            self._offer_engines()
        if not topics - {Topic.STATUS}:
            return
        if part.value is not None and part.asked_at is None and not part.loading:
            self.context.load(loads.IMAGES)  # an image came or went
        tasks = {task.id: task for task in loads.tasks(store).values() if words.is_shown(task)}
        if part.value is None or not tasks:
            if not self.show_part(part, "Images", self._empty):
                return
        else:
            self.show_content()
        self._show_tasks(tasks)
        self.table.show_records(part.value or {})
        if self.pane.image is None and self.pane.task is None and self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def _show_tasks(self, tasks: dict[str, ImageTask]) -> None:
        self.tasks.show_records(tasks)
        self._tasks.setVisible(bool(tasks))
        height = (min(len(tasks), _TASK_ROWS) + 1) * theme.ROW_HEIGHT + 2 * theme.RING
        if self.tasks.height() != height:
            self.tasks.setFixedHeight(height)

    def _offer_engines(self) -> None:
        status = self.context.store.status
        names = status.agent.engines if status is not None else ()
        if names != tuple(self.engine.itemData(number) for number in range(self.engine.count())):
            self.engine.clear()
            for name in names:
                self.engine.addItem(plain(name, 40), name)
            self.engine.setCurrentIndex(max(self.engine.findData(loads.engine(self.context.store)), 0))
            self.engine.setVisible(len(names) > 1)

    def _choose_engine(self) -> None:
        self.context.store.part(loads.ENGINE).value = self.engine.currentData()
        self.pane.show_nothing()
        self.context.store.part(loads.IMAGES).value = None
        self.reload()

    def reload(self) -> None:
        super().reload()
        self.disk.look()

    def _empty(self) -> Empty:
        text = "Images that jobs and endpoints run in will be here, with what needs each of them."
        return Empty("No images yet", text, "Pull an image …", self.pull, "mlops-desk images pull NAME")

    # What is chosen.

    def _chose_image(self, key: str | None) -> None:
        if key is not None:
            self.tasks.clearSelection()
        self._show_chosen()

    def _chose_task(self, key: str | None) -> None:
        if key is not None:
            self.table.clearSelection()
        self._show_chosen()

    def _show_chosen(self) -> None:
        image, task = self.table.key(), self.tasks.key()
        if image is not None and (chosen := self.table.records.record(image)) is not None:
            self.pane.show_image(chosen)
        elif task is not None and (begun := self.tasks.records.record(task)) is not None:
            self.pane.show_task(begun)
        else:
            self.pane.show_nothing()

    def show_thing(self, thing: str) -> bool:
        """Choose an image by its id or name, a pull or build, or one of the views."""
        if thing in dict(VIEWS):
            self.tabs.choose(thing)
            return True
        self.tabs.choose("images")
        if self.tasks.holds(thing):
            return self.tasks.select(thing)
        named = next((key for key, one in loads.images(self.context.store).items() if thing in one.tags), thing)
        if self.table.holds(named) and not self.table.select(named):
            self.need.setCurrentIndex(0)
            self._keep()
        return self.show_in(self.table, named)

    def _keep(self) -> None:
        wanted = self.need.currentData()
        self.table.keep(None if wanted is None else lambda image: bool(image.used_by) is wanted)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._show_chosen()  # what a build writes was read no more while it was hidden

    def left(self) -> None:
        self.pane.left()

    def main_table(self) -> RecordTable[ImageCard]:
        return self.table

    def filter_field(self) -> QLineEdit | None:
        return self._filter if self.tabs.current() == "images" else None

    def enter(self) -> None:
        self.table.setFocus()

    # Acts.

    def actions_here(self) -> list[Action]:
        title = frozenset({"title", "menu", "palette"})
        views = [
            Action(f"images.{key}", f"Images: {name.lower()}", partial(self.tabs.choose, key), places=_PALETTE)
            for key, name in VIEWS
        ]
        return [
            Action(
                "images.prune", "Prune …", self.prune, places=title, also="clear clean away free disk images", asks=True
            ),
            Action("images.build", "Build …", self.build, places=title, also="dockerfile image", asks=True),
            Action("images.pull", "Pull image …", self.pull, places=title | {"main"}, also="download", asks=True),
            *self.pane.actions_here(),
            *views,
        ]

    def _fill_menu(self, menu: QMenu) -> None:
        for action in self.pane.actions_here():
            if is_offered(action, self.context.store):
                menu.addAction(menu_text(action.title)).triggered.connect(action.runner())
        menu.addSeparator()

    def pull(self) -> None:
        """Open the form that pulls an image."""
        dialog = PullDialog(self.window(), self.context)
        dialog.begun.connect(self._begun)
        dialog.open()

    def build(self) -> None:
        """Open the form that builds one."""
        dialog = BuildDialog(self.window(), self.context)
        dialog.begun.connect(self._begun)
        dialog.open()

    def prune(self) -> None:
        """Show what could go."""
        PruneDialog(self.window(), self.context).open()

    def _begin_again(self, task: ImageTask) -> None:
        name, engine = task.reference, task.engine
        self.context.ask("pull image", lambda desk: desk.images.pull(name, engine=engine), self._begun)

    def _begun(self, task: ImageTask) -> None:
        """Choose what was begun: at once, or when it is announced."""
        self.reveal(task.id)
