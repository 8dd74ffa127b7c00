"""The frame: sidebar, title row, notice, the page that is shown, bottom line. Pages come by a list.

A page is made when it is first shown. What changed is told to every page; those that are not seen only
remember it. The first page is made after the frame has been painted, as everything that the frame can do
without: until then it says what is awaited.
"""

from collections.abc import Callable
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QEvent, Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QEnterEvent,
    QGuiApplication,
    QHideEvent,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QMenu, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.desk.window.catalogue import feature, place_of
from mlops_desk.desk.window.frame import shortcut_help, timebar
from mlops_desk.desk.window.frame.notice import NoticeBar
from mlops_desk.desk.window.frame.sidebar import Sidebar
from mlops_desk.desk.window.frame.status_bar import BottomLine
from mlops_desk.desk.window.frame.title_row import TitleRow
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action, Actions
from mlops_desk.kit.window.feature import PageSpec
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.offline import AgentAway, why_away
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.states import StateView, starting

if TYPE_CHECKING:
    from mlops_desk.desk.window.frame.alarms import Alarm
    from mlops_desk.desk.window.frame.history_bar import ThenBar
    from mlops_desk.desk.window.frame.palette import CommandPalette
    from mlops_desk.kit.window.parts.page import Page
    from mlops_desk.machine.records.event import Notice

GEOMETRY_VERSION = 1  # what is remembered under another one is not used
PROGRAM = "MLOps Desk"
SIMULATED = " (simulated)"
_GRAVITY = {"info": 0, "warning": 1, "alert": 2}  # of what came at once, the gravest is said
_ALL_THE_TIME = frozenset({Topic.STATUS, Topic.CONNECTION, Topic.REGISTRY, Topic.CHECKS})


class MainWindow(QWidget):
    """The main window. ``painted`` tells once that it can be seen."""

    closing = Signal(QCloseEvent)
    seen = Signal(bool)
    painted = Signal()

    def __init__(self, context: Context, actions: Actions, specs: tuple[PageSpec, ...]) -> None:
        super().__init__()
        self._context = context
        self._actions = actions
        self._specs = {spec.id: spec for spec in specs}
        self._pages: dict[str, Page] = {}
        self._shown: str | None = None
        self._stand_in: StateView | None = None
        self._said: Notice | None = None
        self._was_painted = False
        self.sidebar = Sidebar(specs, self.fill_menu)
        self.title_row = TitleRow(context.axis)
        self.bottom = BottomLine(demo=context.options.demo, can_start=context.options.address.can_start)
        self._stack = QStackedWidget()
        self._arrange()
        self._wire()
        self.setMinimumSize(*theme.WINDOW_MINIMUM)
        self.setWindowTitle(f"Simulated – {PROGRAM}" if context.options.demo else PROGRAM)

    def _arrange(self) -> None:
        self._column = column = QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.title_row)
        column.addWidget(self._stack, 1)
        column.addWidget(self.bottom)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.sidebar)
        row.addLayout(column, 1)
        self.notices = NoticeBar(self.bottom)

    def _wire(self) -> None:
        self.sidebar.chosen.connect(self.show_page)
        self._context.axis.changed.connect(self._hear_axis)
        self._context.wanted_moment.connect(self._context.axis.look_at)
        self.title_row.search.clicked.connect(self.open_palette)
        self.title_row.time.asked.connect(self.go_to_time)
        self._context.changed.connect(self._changed)
        self._context.said.connect(self.notices.say)
        self._context.offered.connect(self.notices.offer)
        self._context.open_page = self.open_thing
        self._context.frame = self
        self._actions.add(*self._frame_actions())
        self._actions.offer(self._page_actions)
        self._actions.is_away = lambda: bool(why_away(self._context.store))
        AgentAway(self, self._context)
        self.bottom.refresh(self._context.store)

    def _frame_actions(self) -> list[Action]:
        pages = [
            Action(f"page.{spec.id}", f"Go to {spec.title}", _call(self.go_to, spec.id), spec.key or page_key(number))
            for number, spec in enumerate(self._specs.values(), 1)
        ]
        return [
            *pages,
            Action("palette", "Find a command …", self.open_palette, "Ctrl+K", also="palette search"),
            shortcut_help.help_action(self, self._actions, lambda: self._specs.get(self._shown or "")),
            Action("reload", "Load this page anew", self.reload, "F5"),
            Action("filter", "Filter this page", self._go_to_filter, "/"),
            Action("time.go", "Go to time …", self.go_to_time, "Ctrl+G", also="when date hour history moment"),
            *timebar.actions(self._context.axis, self.title_row.time),
            Action("escape", "Clear the filter", self._escape, "Esc", places=frozenset(), gentle=True),
        ]

    def focusNextPrevChild(self, forward: bool, /) -> bool:
        """Go on by Tab as the page that is seen wants to be walked through, where it says so."""
        from mlops_desk.kit.window.parts import tab_order  # noqa: PLC0415 - after the first paint

        page = self._pages.get(self._shown or "")
        inside = page.walk() if page is not None else ()
        around = (self.sidebar, self.title_row, *inside, self.bottom)
        stop = tab_order.after(self.focusWidget(), around, self.title_row, forward=forward) if inside else None
        if stop is None:
            return super().focusNextPrevChild(forward)
        stop.setFocus(Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason)
        return True

    # Pages.

    def show_page(self, identifier: str) -> None:
        """Show a page; it is made when it is first shown."""
        if identifier == self._shown:
            return
        # Whoever walks through the list by keys goes on doing so; else keys mean the page that is seen now.
        walks = self.sidebar.isAncestorOf(self.focusWidget())
        self._choose(identifier)
        page = self._made(identifier)
        self.title_row.show_acts(page.actions_here())
        self._stack.setCurrentWidget(page)
        if self._stand_in is not None:
            self._stack.removeWidget(self._stand_in)
            self._stand_in.deleteLater()
            self._stand_in = None
        if not walks:
            page.enter()
        self._context.memory.setValue("window/page", identifier)
        self._context.presence.look()

    def _choose(self, identifier: str) -> None:
        """Name the page and mark it in the list."""
        self._shown = identifier
        spec = self._specs[identifier]
        self.title_row.title.show_text(spec.title)
        self.title_row.time.fit(curves=spec.curves and not spec.shows_all, stops=spec.stops)
        self._tell_time()
        self.sidebar.choose(identifier)

    def _made(self, identifier: str) -> "Page":
        page = self._pages.get(identifier)
        if page is None:
            spec = self._specs[identifier]
            page = self._pages[identifier] = feature(identifier).page(self._context)
            page.setAccessibleName(spec.title)
            self._stack.addWidget(page)
        return page

    def _await_page(self, identifier: str) -> None:
        """Show what the page will say until the agent answers, which it is loaded too late for."""
        spec = self._specs[identifier]
        self._stand_in = StateView()
        self._stand_in.show_loading(*starting(spec.awaits or spec.title), None)
        self._stack.addWidget(self._stand_in)
        self._choose(identifier)
        self._stand_in.setFocus(
            Qt.FocusReason.OtherFocusReason
        )  # else Qt gives it to the list, where keys mean another page

    def complete(self) -> None:
        """Put the page that was chosen at the start into its place, if that has not been done."""
        identifier = self._shown
        if identifier is not None and identifier not in self._pages:
            self._shown = None
            self.show_page(identifier)

    def go_to(self, identifier: str) -> None:
        """Show a page and put the focus into it."""
        self.show_page(identifier)
        self.complete()
        self._pages[identifier].enter()

    def open_thing(self, identifier: str, thing: str | None) -> None:
        """Go to a page and select a thing on it."""
        if identifier not in self._specs:
            return
        self.show_page(identifier)
        if thing is not None:
            self.complete()
            self._pages[identifier].reveal(thing)

    def page(self) -> "Page | None":
        """Return the page that is shown."""
        self.complete()
        return self._pages.get(self._shown or "")

    def connected(self) -> None:
        """Hear that the agent answers (again)."""
        for page in self._pages.values():
            page.connected()

    def reload(self) -> None:
        page = self.page()
        if page is not None:
            page.reload()

    def _changed(self, topics: frozenset[Topic]) -> None:
        from mlops_desk.desk.window.frame import badges  # noqa: PLC0415 - after the first paint

        store = self._context.store
        if topics & _ALL_THE_TIME and self.isVisible():
            self._say_what_is()
        for page, badge in badges.of_pages(store, topics).items():
            if page in self._specs:
                self.sidebar.set_badge(page, badge)
        if Topic.NOTICES in topics and store.notices:
            fresh = list(takewhile(lambda notice: notice is not self._said, store.notices))
            self._said = store.notices[0]
            if fresh:
                self._say_notice(max(fresh, key=lambda notice: _GRAVITY.get(notice.level, 0)))

    def _say_what_is(self) -> None:
        """Renew what stands around every page: the bottom line and the machine's name."""
        self.bottom.refresh(self._context.store)
        self._name_machine()

    def say_alarm(self, alarm: "Alarm") -> None:
        """Say that an alert fires, unless a notice says so; a button leads to it."""
        from mlops_desk.machine.records.event import Notice  # noqa: PLC0415 - after the first paint

        if alarm.sentence:
            about = ("alert", alarm.alert)
            self._say_notice(Notice(alarm.level, "alerts", alarm.sentence, alarm.hint, about=about))

    def _say_notice(self, notice: "Notice") -> None:
        """Show what the agent tells; where a page shows the thing, a button goes there instead of a command."""
        from mlops_desk.kit.window.words import hints  # noqa: PLC0415 - after the first paint

        whole = f"{notice.text} {notice.hint or ''}".strip()
        place = place_of(self._context.store, notice)
        if place is None or place[0] not in self._specs:
            self.notices.say(notice.level, whole)
            return
        sentence, command = hints.parts(notice.hint, notice.command)
        text = notice.text if command is not None else f"{notice.text} {sentence}".strip()
        self.notices.say(notice.level, text, whole, lambda: self.open_thing(*place))

    def _name_machine(self) -> None:
        status = self._context.store.status
        if status is None:
            return
        name = plain(status.host.name, 60)
        bare = name.removesuffix(SIMULATED)
        # The bottom line says so all the time; here it would take the name's place.
        self.sidebar.machine.set_title(bare)
        simulated = status.agent.simulated or self._context.options.demo or bare != name
        # The program's name stands last, as Qt puts it there otherwise once more.
        self.setWindowTitle(f"{bare}{SIMULATED if simulated else ''} – {PROGRAM}")

    # Acts.

    def fill_menu(self, menu: QMenu) -> None:
        self._actions.fill(menu, "menu")

    @cached_property
    def _palette(self) -> "CommandPalette":
        from mlops_desk.desk.window.frame.palette import CommandPalette  # noqa: PLC0415 - after the first paint

        return CommandPalette(self, self._everything, self._typed)

    def open_palette(self) -> None:
        self._palette.open_over(self)

    def _everything(self) -> list[Action]:
        from mlops_desk.desk.window.frame import badges  # noqa: PLC0415 - after the first paint

        return [*badges.acts(self, self._context, self._actions), *badges.things(self._context)]

    def _typed(self, text: str) -> list[Action]:
        from mlops_desk.desk.window.frame import go_to  # noqa: PLC0415 - after the first paint

        return go_to.typed(self._context, self._shown or "", text)

    def go_to_time(self) -> None:
        """Ask for a time to go to."""
        from mlops_desk.desk.window.frame import go_to  # noqa: PLC0415 - after the first paint

        go_to.open_form(self, self._context, self._shown or "")

    def _page_actions(self) -> list[Action]:
        page = self.page()
        return page.actions_here() if page is not None else []

    def _hear_axis(self) -> None:
        """Let the pages stand still while the axis is paused, and catch up when it goes on."""
        store, paused = self._context.store, self._context.axis.paused
        if store.paused is not paused:
            store.paused = paused
            if not paused:
                self._context.changed.emit(frozenset({Topic.STATUS, Topic.ENDPOINTS}))
        self._tell_time()

    @cached_property
    def then_bar(self) -> "ThenBar":
        from mlops_desk.desk.window.frame.history_bar import ThenBar  # noqa: PLC0415 - most windows never show it

        bar = ThenBar(self._context.axis, self._context.past)
        bar.left.connect(self._enter)
        bar.asked.connect(self.go_to_time)
        self._column.insertWidget(1, bar)
        return bar

    def _tell_time(self) -> None:
        """Say what time is seen, while that is not now."""
        spec = self._specs.get(self._shown or "")
        if spec is not None and (not self._context.axis.live or "then_bar" in self.__dict__):
            self.then_bar.follow(spec)

    def _enter(self) -> None:
        page = self.page()
        if page is not None:
            page.enter()

    def _go_to_filter(self) -> None:
        page = self.page()
        field = page.filter_field() if page is not None else None
        if field is not None:
            field.setFocus(Qt.FocusReason.ShortcutFocusReason)
            field.selectAll()

    def _escape(self) -> None:
        page = self.page()
        if page is not None:
            page.escape()

    # The window itself.

    def restore(self) -> None:
        """Take back size, place and page of last time, if they are still on a screen; ``complete`` makes the page."""
        memory = self._context.memory
        self._fit()
        stored = memory.value("window/geometry")
        fits = memory.value("window/version") in {GEOMETRY_VERSION, str(GEOMETRY_VERSION)}
        if fits and isinstance(stored, QByteArray):
            self.restoreGeometry(stored)
            screens = QGuiApplication.screens()
            if not any(screen.availableGeometry().intersects(self.frameGeometry()) for screen in screens):
                self._fit()
                self.move(QGuiApplication.primaryScreen().availableGeometry().topLeft())
        page = str(memory.value("window/page") or "")
        self._await_page(page if page in self._specs else next(iter(self._specs)))

    def _fit(self) -> None:
        """Take the usual size, or as much of it as the screen has, frame included."""
        room = QGuiApplication.primaryScreen().availableGeometry()
        width, height = theme.WINDOW_SIZE
        self.resize(min(width, room.width() - theme.FRAME_WIDTH), min(height, room.height() - theme.FRAME_HEIGHT))

    def remember(self) -> None:
        """Keep size and place for next time."""
        self._context.presence.write()
        self._context.memory.setValue("window/version", GEOMETRY_VERSION)
        self._context.memory.setValue("window/geometry", self.saveGeometry())
        self._context.memory.sync()

    def bring_up(self) -> None:
        """Show the window before the others, whatever it was."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.remember()
        self.closing.emit(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.sidebar.set_narrow(narrow=self.width() < theme.NARROW_BELOW)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.seen.emit(False)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._say_what_is()
        self.seen.emit(True)
        self._context.presence.look()

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._context.presence.look()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._context.presence.look()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self._context.presence.look()
        pressed = QKeySequence(event.keyCombination())
        for action in self._actions.gentle():
            if QKeySequence(action.shortcut or "") == pressed:
                action.run()
                return
        super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.ApplicationPaletteChange:
            for child in self.findChildren(QWidget):
                child.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), theme.colour("window"))
        if not self._was_painted:
            self._was_painted = True
            QTimer.singleShot(0, self, self.painted.emit)  # once its children are painted too, and all is on the screen


def page_key(number: int) -> str | None:
    """Return the key of the page with this number (from 1): the digits in the keyboard's order."""
    return f"Ctrl+{number % 10}" if number <= 10 else None


def _call(function: Callable[[str], None], argument: str) -> Callable[[], None]:
    return lambda: function(argument)
