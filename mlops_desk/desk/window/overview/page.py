"""Overview: the whole workstation at one glance, as it is now.

Tiles in as many columns as fit, all of one width and height.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from mlops_desk.desk.window.catalogue import features, place_of
from mlops_desk.desk.window.overview import glance
from mlops_desk.desk.window.overview.notes import Notes
from mlops_desk.desk.window.overview.strip import Strip
from mlops_desk.desk.window.overview.tiles import Tile, gpu_view, host_views
from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.feature import Feature
from mlops_desk.kit.window.live import recent_tracks
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import AgentConnection, Store, Topic, devices_of
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, menu_text
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.parts.queue_places import QueuePlaces
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.command import CommandLine
from mlops_desk.kit.window.widgets.lines import Line, LinesCard
from mlops_desk.kit.window.widgets.scroll import thin
from mlops_desk.kit.window.words import alerts, gpus, hints, marks, numbers
from mlops_desk.kit.window.words import jobs as words
from mlops_desk.kit.window.words.alerts import RANK
from mlops_desk.kit.window.words.gpus import next_on, next_words
from mlops_desk.machine.records.status import Status

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task
    from mlops_desk.machine.records.history import Curves


class Grid(QWidget):
    """Places its tiles by itself; its height follows from its width."""

    def __init__(self, tile_height: int, most_columns: int, least_width: int = theme.TILE_MINIMUM_WIDTH) -> None:
        super().__init__()
        self._tile_height = tile_height
        self._most = most_columns
        self._least = least_width
        self._tiles: list[QWidget] = []
        # Told to the layout, not set when the width is known: what stands below would lie over the tiles for a frame.
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def set_tiles(self, tiles: list[QWidget]) -> None:
        """Show these tiles, in this order; those that are gone are deleted."""
        for tile in self._tiles:
            if tile not in tiles:
                tile.deleteLater()
        self._tiles = list(tiles)
        for tile in tiles:
            tile.setParent(self)
            tile.show()
        self.updateGeometry()
        self._place()

    def set_tile_height(self, height: int) -> None:
        if height != self._tile_height:
            self._tile_height = height
            self.updateGeometry()
            self._place()

    def heightForWidth(self, width: int) -> int:
        rows, _columns = self._shape(width)
        return rows * self._tile_height + max(0, rows - 1) * theme.SPACE_8

    def sizeHint(self) -> QSize:
        return QSize(self._least, self.heightForWidth(self.width()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def _shape(self, width: int) -> tuple[int, int]:
        """Return how many rows and columns the tiles take, the columns as even as they can be."""
        if not self._tiles:
            return 0, 1
        fit = max(1, (width + theme.SPACE_8) // (self._least + theme.SPACE_8))
        rows = -(-len(self._tiles) // max(1, min(fit, self._most)))
        return rows, -(-len(self._tiles) // rows)

    def _place(self) -> None:
        gap = theme.SPACE_8
        _rows, columns = self._shape(self.width())
        width = (self.width() - gap * (columns - 1)) / columns
        for number, tile in enumerate(self._tiles):
            row, column = divmod(number, columns)
            left = round(column * (width + gap))
            right = round(column * (width + gap) + width)
            tile.setGeometry(QRect(left, row * (self._tile_height + gap), right - left, self._tile_height))


# What a person should look at: what is wrong or waits now, the worst first, then what has happened, newest first.
NOTICES_SHOWN = 30  # chosen: nobody scrolls further; the events page has all


def attention(store: Store) -> list[Line]:
    """Return the lines of the overview's second card; a line's key is PAGE/THING."""
    late = [line for feature in _speaking() for line in feature.of_late(store)]
    return [*wrong_now(store), *late, *_notices(store)]


def wrong_now(store: Store) -> list[Line]:
    """Return what is wrong or waits for a person now, the worst first."""
    now = [line for feature in _speaking() for line in feature.wrong_now(store)]
    return sorted(now, key=lambda line: -RANK.get(line.mark.token, 0))


def _speaking() -> list[Feature]:
    # Later features sum up what earlier ones have (an alert tells of a GPU, drift of an endpoint): they speak first.
    return [feature for _page, feature in features()][::-1]


def _notices(store: Store) -> list[Line]:
    return [
        Line(
            numbers.NOTICE_MARKS.get(notice.level, numbers.NOTICE_MARKS["info"]),
            plain(notice.text),
            numbers.clock(notice.at) if notice.at else "",
            "/".join(part or "" for part in place_of(store, notice) or ("overview", None)),
            f"{notice.text}\n{notice.hint or ''}".strip(),
        )
        for notice in list(store.notices)[:NOTICES_SHOWN]
    ]


# What tiles show of another time: a store that holds the machine as it was, with the minutes of curves before that.
class TilesThen:
    """``arrived`` is called when the curves have come."""

    def __init__(self, context: Context, arrived: Callable[[], None]) -> None:
        self._context = context
        self._arrived = arrived
        self._status: Status | None = None
        self._store = Store()
        self._task: Task | None = None

    def store(self, status: Status) -> Store:
        """Return what tiles are made of at the time of ``status``; curves are asked for once."""
        if status is not self._status:
            self._status = status
            self._store = Store()
            self._store.status = status
            self._store.connection = AgentConnection("live")
            if self._task is not None:
                self._task.cancel()
            if status.sampled_at is not None:
                self._ask(status, status.sampled_at)
        return self._store

    def _ask(self, status: Status, end: float) -> None:
        names = ["\t".join(key) for key in recent_tracks.tile_keys(devices_of(status))]
        seconds = recent_tracks.SECONDS
        self._task = self._context.ask(
            "tiles then", lambda desk: desk.telemetry.curves(names, end - seconds, end, int(seconds)), self._take,
            self._refused,
        )  # fmt: skip

    def _take(self, curves: "Curves") -> None:
        self._store.recent.take_curves(curves)
        self._arrived()

    def _refused(self, _error: DeskError) -> None:
        """Leave the tiles without curves: what was asked for before them has been told or refused by the same agent."""


JOBS_SHOWN = 12  # chosen: what fits beside the GPUs
HOST_TILES = 12  # chosen: two rows of a wide window
PROCESSES_OFFERED = 12  # chosen: a menu that fits on a screen
_NOTHING_NEW = "Nothing to report since this window was opened."


class OverviewPage(Page):
    """Tiles above, what waits and what happened below."""

    topics: ClassVar[frozenset[Topic]] = frozenset(
        {
            Topic.STATUS, Topic.CONNECTION, Topic.JOBS, Topic.NOTICES,
            Topic.ENDPOINTS, Topic.REPORTS, Topic.RETRAININGS, Topic.ALERTS, Topic.INCIDENTS,
        }
    )  # fmt: skip
    loads: ClassVar[tuple[Topic, ...]] = (Topic.JOBS, Topic.ALERTS, Topic.INCIDENTS)
    goes_back: ClassVar[bool] = True

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._then = TilesThen(context, self._show_tiles)
        self._gpus: dict[str, Tile] = {}
        self._hosts: dict[str, Tile] = {}
        self._gpu_grid = Grid(theme.TILE_HEIGHT, 4)
        self._host_grid = Grid(theme.HOST_TILE_HEIGHT, 6, theme.HOST_TILE_MINIMUM_WIDTH)
        self._none = _NoGpu()
        self._waiting: frozenset[Topic] = frozenset()  # what came before the first numbers, and is shown with them
        self._strip = Strip("The machine at a glance")
        self._alerts = Button("")
        self._alerts.clicked.connect(self._to_events)
        self._strip.add(self._alerts)
        self._notes = Notes(context, self._to_events)
        self._queue = LinesCard("Queue", "", "Open Jobs")
        self._queue.acted.connect(lambda: self.context.open_page("jobs", None))
        self._queue.chosen.connect(self._to_job)
        self._places = QueuePlaces(context, self)
        self._notices = LinesCard("Alerts and what changed", _NOTHING_NEW)
        self._notices.chosen.connect(self._to_source)
        self._arrange()

    def _arrange(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        column.setSpacing(theme.SPACE_12)
        column.addWidget(self._stale_line)
        column.addWidget(self._notes)
        column.addWidget(self._strip)
        column.addWidget(self._none)
        column.addWidget(self._gpu_grid)
        column.addWidget(self._host_grid)
        below = QHBoxLayout()
        below.setSpacing(theme.SPACE_8)
        below.addWidget(self._queue, 1)
        below.addWidget(self._notices, 1)
        column.addLayout(below, 1)
        for card in (self._queue, self._notices):
            card.setMinimumHeight(theme.LINES_HEIGHT)
        scroll = QScrollArea()
        thin(scroll)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inner)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)

    def refresh(self, topics: frozenset[Topic]) -> None:
        if self.seen_status() is None:
            self._waiting |= topics
            self.wait_for_numbers()
            return
        topics, self._waiting = topics | self._waiting, frozenset()
        self.show_content()
        if topics & {Topic.STATUS, Topic.CONNECTION} and self.takes_numbers():
            self._show_tiles()
        if topics - {Topic.STATUS}:
            self._show_verdict()
        if topics & {Topic.ALERTS, Topic.CONNECTION}:
            self._notes.look()
        if topics & {Topic.JOBS, Topic.STATUS, Topic.CONNECTION}:
            self._show_queue()
        if Topic.JOBS in topics:
            self._places.look()
        if topics - {Topic.STATUS, Topic.JOBS}:
            self._show_notices()
        # Laid out now: a paint that comes before would show tiles in the room that they had until now.
        QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)

    def reword(self) -> None:
        super().reword()
        if self.context.store.status is not None:
            self._show_queue()
            self._show_notices()

    def _show_notices(self) -> None:
        store = self.context.store
        error = store.alerts.error or store.incidents.error
        nothing = _NOTHING_NEW
        if store.alerts.value is None or store.incidents.value is None:
            nothing = f"It is not known what changed: {error.message}" if error else "Loading what changed …"
        title = "Alerts now, and what changed" if self.is_then() else "Alerts and what changed"
        self._notices.show_lines(title, attention(store), nothing)

    def _show_tiles(self) -> None:
        """Show the machine at the time that is seen."""
        status = self.seen_status()
        if status is None:
            return
        store = self._then.store(status) if self.is_then() else self.context.store
        self._show_gpus(store, status)
        self._show_host(store, status)
        self._strip.say(glance.pieces(status))
        self._alerts.setVisible(not self.is_then())

    def _show_gpus(self, store: Store, status: Status) -> None:
        stale = None if store.is_true_now else store.connection
        wanted = [gpu.uuid for gpu in status.gpus]
        if list(self._gpus) != wanted:
            self._gpus = {uuid: self._gpus.get(uuid) or self._tile(uuid, theme.TILE_HEIGHT) for uuid in wanted}
            self._gpu_grid.set_tiles(list(self._gpus.values()))
        now = agent_clock.now()
        # Who is next is of now, and of no other time that charts show.
        coming = {} if self.is_then() or stale else next_on(status.gpus, self.context.store.jobs.value or {}, now)
        for slot, gpu in enumerate(status.gpus):
            verdict = alerts.diagnosis_of(status, gpu.uuid)
            one = coming.get(gpu.uuid)
            expected = next_words(one, now) if one is not None else ""
            self._gpus[gpu.uuid].show_view(gpu_view(store, gpu, slot, stale, verdict, expected))
        self._gpu_grid.setVisible(bool(wanted))
        self._none.say(None if wanted else status)

    def _show_host(self, store: Store, status: Status) -> None:
        views = dict(list(host_views(store, status).items())[:HOST_TILES])
        if list(self._hosts) != list(views):
            self._hosts = {key: self._hosts.get(key) or self._host_tile(key) for key in views}
            self._host_grid.set_tiles(list(self._hosts.values()))
        # Without GPUs the tiles of the host are what one looks at: they take the room that is there.
        height = theme.HOST_TILE_HEIGHT if status.gpus else theme.TILE_HEIGHT
        self._host_grid.set_tile_height(height)
        for key, view in views.items():
            self._hosts[key].setFixedHeight(height)
            self._hosts[key].show_view(view)

    def _tile(self, uuid: str, height: int) -> Tile:
        tile = Tile(height)
        tile.clicked.connect(lambda: self.context.open_page("gpus", uuid))
        tile.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        tile.customContextMenuRequested.connect(lambda place: self._open_menu(uuid, tile.mapToGlobal(place)))
        return tile

    def _host_tile(self, key: str) -> Tile:
        tile = Tile(theme.HOST_TILE_HEIGHT)
        page, thing = ("storage", key) if key.startswith(("disk ", "network ", "filesystem ")) else ("host", None)
        tile.clicked.connect(lambda: self.context.open_page(page, thing))
        return tile

    def _open_menu(self, uuid: str, place: QPoint) -> None:
        """Offer what can be done with a GPU: look closer, or end one of its processes."""
        status = self.context.store.status
        gpu = next((gpu for gpu in status.gpus if gpu.uuid == uuid), None) if status else None
        if gpu is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(f"Open GPU {gpu.index}").triggered.connect(lambda: self.context.open_page("gpus", uuid))
        for process in () if self.is_then() else gpu.processes[:PROCESSES_OFFERED]:
            action = menu.addAction(menu_text(f"End {gpus.process_title(process)} …"))
            action.triggered.connect(
                lambda _on=False, process=process: self.context.act("gpus.end_process", self.context, gpu, process)
            )
        menu.popup(place)

    def _show_verdict(self) -> None:
        part = self.context.store.alerts
        mark = glance.verdict(part.value.values() if part.value is not None else None, wrong_now(self.context.store))
        self._alerts.show_title(mark.text)
        self._alerts.set_tone(mark.token)
        self._alerts.updateGeometry()

    def _to_events(self) -> None:
        self.context.open_page("events", None)

    def showEvent(self, event: QShowEvent) -> None:
        self._places.wake(awake=True)
        super().showEvent(event)
        self._notes.look()
        self._places.look()

    def left(self) -> None:
        self._places.wake(awake=False)

    def _show_queue(self) -> None:
        part = self.context.store.jobs
        jobs = list((part.value or {}).values())
        running = [job for job in jobs if job.state in words.ON]
        waiting = [job for job in jobs if job.state in words.WAITING]
        done = [job for job in jobs if job.state.is_final]
        waiting.sort(key=lambda job: (job.position if job.position is not None else len(jobs), job.submitted_at))
        done.sort(key=lambda job: -(job.ended_at or job.submitted_at))
        title = words.queue_title(jobs, then=self.is_then())
        lines = [_job_line(job) for job in (*running, *waiting, *done)[:JOBS_SHOWN]]
        nothing = "No jobs yet. What runs, waits and has ended will be here."
        if part.value is None:
            title = "Queue"
            nothing = f"The queue can't be shown: {part.error.message}" if part.error else "Loading the queue …"
        self._queue.show_lines(title, lines, nothing, act=part.value is not None)

    def _to_job(self, job_id: str) -> None:
        self.context.open_page("jobs", job_id)

    def _to_source(self, key: str) -> None:
        page, _, thing = key.partition("/")
        self.context.open_page(page, thing or None)


def _job_line(job: JobBrief) -> Line:
    moment = job.ended_at or job.started_at or job.submitted_at
    about = f"{plain(job.name)} · {plain(job.user)}"
    if job.reason is not None:
        about += f" · {plain(job.reason.text)}"
    elif job.progress is not None and job.state in words.ON:
        about += f" · {plain(words.progress_words(job.progress))}"
    return Line(marks.JOB_MARKS[job.state], about, words.aside(job), job.id, numbers.absolute(moment))


class _NoGpu(Card):
    """Says why there is no GPU, and what to paste."""

    def __init__(self) -> None:
        super().__init__("GPUs")
        self._title = Label(bold=True)
        self._why = Label(wrap=True, tone="muted")
        self._command = CommandLine()
        for widget in (self._title, self._why, self._command):
            self.column.addWidget(widget)

    def say(self, status: Status | None) -> None:
        """Show the reason, or hide when there are GPUs (None)."""
        self.setVisible(status is not None)
        if status is not None:
            self._title.show_text("No NVIDIA GPU can be read on this machine")
            sentence, command = hints.parts(status.gpu_hint, status.gpu_command)
            why = status.gpu_note or "The agent has not said why. Everything else works without one."
            self._why.show_text(f"{why}\n{sentence}".strip())
            self._command.show_command(command)
