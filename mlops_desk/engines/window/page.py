"""Images: what is on the engine as a table, above it what is on its way, below the chosen thing.

Pull an image: its name is read while one types, and said what will be pulled from where.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.engines.records.image import ImageCard, ImageRoom, VolumeCard
from mlops_desk.engines.records.task import ImageTask
from mlops_desk.engines.window import columns, forms, loads, words
from mlops_desk.engines.window.detail.pane import ImagePane
from mlops_desk.engines.window.forms import BuildDialog, PruneDialog
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.offline import is_offered
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, menu_text
from mlops_desk.kit.window.parts.lazy_view import AskedView
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.card import Card, framed
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import Field, filter_field
from mlops_desk.kit.window.widgets.form import FormDialog, Paragraph
from mlops_desk.kit.window.widgets.meters import Meter, Meters
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import numbers

_ABOUT = (
    "The pull goes on when this window is closed, and after a broken connection; it ends before the engine's disk is "
    "full."
)


class PullDialog(FormDialog):
    """Asks for the name; ``begun`` carries the task."""

    begun = Signal(object)

    def __init__(self, parent: QWidget, context: Context, text: str = "") -> None:
        super().__init__(parent, "Pull an image", _ABOUT, "Pull image")
        self._context = context
        self.image = Field("Image", "as pytorch/pytorch:2.4.0-cuda12.4-cudnn9-runtime", text=text)
        self.says = Paragraph(points=theme.CAPTION_POINTS, tone="muted")
        self.add("Image", self.image)
        self.fields.addRow("", self.says)
        self.image.textChanged.connect(self._read)
        self.submit = self._pull
        self._read()

    def _read(self) -> None:
        """Say what would be pulled, or what is wrong; while nothing is typed, neither."""
        try:
            named = forms.read(self.image.text())
        except forms.BadReferenceError as error:
            self._say(str(error), "alert")
            self.act.setEnabled(False)
            return
        known = {tag for image in loads.images(self._context.store).values() for tag in image.tags}
        there = " It is on the engine: pulling looks whether there is a newer one." if named.short() in known else ""
        self._say(named.told() + there, "muted")
        self.act.setEnabled(True)

    def _say(self, text: str, tone: str) -> None:
        self.says.show_text(text or "Registry, name and tag; without a registry it is docker.io.")
        self.says.tint(tone if text else "muted")

    def _pull(self) -> None:
        name, engine = self.image.text().strip(), loads.engine(self._context.store)
        self.begin("Asking …")
        self._context.ask("pull image", lambda desk: desk.images.pull(name, engine=engine), self._begun, self._refused)

    def _refused(self, error: DeskError) -> None:
        self.fail(error)
        self._read()

    def _begun(self, task: ImageTask) -> None:
        self.begun.emit(task)
        self.accept()


# Room on the engine's disk, and its volumes: what takes how much, and what uses each.
_HIGH = 0.9  # chosen: where a filesystem is told to be nearly full


@dataclass(frozen=True, slots=True)
class EngineDisk:
    """What was answered together."""

    room: ImageRoom
    volumes: dict[str, VolumeCard]


class DiskView(AskedView[EngineDisk]):
    """Bars above, volumes below."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, "Room and volumes", self._ask_both)
        self.bars = Meters("Room on the engine's disk")
        self.place = Label("", tone="muted")
        self.table: RecordTable[VolumeCard] = RecordTable("Volumes", columns.VOLUMES, context.memory)
        self.table.sort_by_key("size", Qt.SortOrder.DescendingOrder)
        self._none = Label("This engine has no volumes.", tone="muted")
        above = Card("Room on the engine's disk")
        above.column.addWidget(self.bars)
        above.column.addWidget(self.place)
        below = Card("Volumes")
        below.column.addWidget(self._none)
        below.column.addWidget(self.table, 1)
        below.column.addStretch()
        self.content.addWidget(above)
        self.content.addWidget(below, 1)

    def _ask_both(self, desk: ClientLike) -> EngineDisk:
        engine = loads.engine(self.context.store)
        volumes = {volume.name: volume for volume in desk.images.volumes(engine=engine)}
        return EngineDisk(desk.images.room(engine=engine), volumes)

    def take(self, value: EngineDisk) -> None:
        self.bars.show_meters(meters(value.room))
        place = f"It lies in {value.room.folder}." if value.room.folder else ""
        self.place.show_text(place)
        self.place.setVisible(bool(place))
        self.table.show_records(value.volumes)
        self.table.sort_again()
        self.table.setVisible(bool(value.volumes))
        self._none.setVisible(not value.volumes)


def meters(room: ImageRoom) -> list[Meter]:
    """Return a bar for each thing that takes room, beside what is left; the whole is what of it is known."""
    parts = (("Images", room.images_bytes), ("Build cache", room.build_cache_bytes), ("Volumes", room.volumes_bytes))
    taken = sum(size or 0 for _, size in parts)
    whole = taken + room.free_bytes if room.free_bytes is not None else max(taken, 1)
    rows = [Meter(name, None if size is None else size / max(whole, 1), _told(size)) for name, size in parts]
    if room.free_bytes is not None:
        tone = "warning" if taken / max(whole, 1) > _HIGH else "ok"
        rows.append(Meter("Left", room.free_bytes / max(whole, 1), numbers.size(room.free_bytes), tone))
    return rows


def _told(size: int | None) -> str:
    return "not known" if size is None else numbers.size(size)


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
