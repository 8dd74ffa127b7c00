"""The start of the window, in order.

One instance or hand over → style and palette → the frame is shown → after the first paint the agent is
connected (and started if need be) in a thread, and what the frame can do without is loaded: log, page,
tray → the agent's events fill the store → the seen page paints.

Cyclic garbage is collected in the GUI thread only.

Python collects in whichever thread happens to allocate. A widget in a reference cycle would then be
destroyed by a worker thread, and Qt crashes. So automatic collection is off while the window lives, and
a timer does what Python would have done, a little at a time.
"""

import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSettings, QSocketNotifier, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QGuiApplication, QIcon
from PySide6.QtWidgets import QApplication

from mlops_desk.desk.window import catalogue
from mlops_desk.desk.window.frame.single_instance import Instance
from mlops_desk.desk.window.frame.uncaught_errors import UncaughtErrors, WindowLog
from mlops_desk.desk.window.frame.window import PROGRAM, MainWindow
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.window.actions import Action, Actions
from mlops_desk.kit.window.live import recent_tracks
from mlops_desk.kit.window.live.bridge import Bridge, Connect
from mlops_desk.kit.window.live.context import Context, UiOptions
from mlops_desk.kit.window.live.store import Store, Topic, devices_of
from mlops_desk.kit.window.live.tasks import Tasks
from mlops_desk.kit.window.look import roles, theme
from mlops_desk.kit.window.look.dark_mode import Look

if TYPE_CHECKING:
    from mlops_desk.desk.window.frame.alarms import Alarm, Alarms
    from mlops_desk.desk.window.frame.desktop import Desktop
    from mlops_desk.desk.window.frame.personal_notifications import Calls
    from mlops_desk.desk.window.frame.tray import Tray
    from mlops_desk.kit.verbs.desk import ClientLike
    from mlops_desk.machine.records.history import Curves

_log = logging.getLogger(__name__)

CHECK_MILLISECONDS = 1000  # chosen: the garbage of a second is small


class GuiCollector(QObject):
    """Collects what its thresholds say is due; ``stop`` gives the work back to Python."""

    def __init__(self) -> None:
        super().__init__()
        self._thresholds = gc.get_threshold()
        self._has_settled = False
        self._timer = QTimer(self)
        self._timer.setInterval(CHECK_MILLISECONDS)
        self._timer.timeout.connect(self._check)

    def start(self) -> None:
        gc.disable()
        self._timer.start()

    def settle(self) -> None:
        """Hear that everything is loaded: what exists by now lives as long as the program, and is walked no more."""
        gc.freeze()
        self._has_settled = True

    def stop(self) -> None:
        self._timer.stop()
        if self._has_settled:  # else what is frozen was so before, by who started this
            gc.unfreeze()
        gc.enable()

    def _check(self) -> None:
        for generation in (2, 1, 0):
            if gc.get_count()[generation] > self._thresholds[generation]:
                gc.collect(generation)
                return


IDENTITY = "org.mlopsdesk.desk"
END_SECONDS = 0.5  # chosen: the window is gone already; threads that hang are left behind
UNSEEN_MILLISECONDS = 500  # a window that opens minimised, or on another desktop, is not painted
HIDDEN_SECONDS = 5.0  # for the tray's icon, while nobody sees a page
_WISHED = "window/look"

__all__ = ["IDENTITY", "Program", "UiOptions", "run"]


def run(connect: Connect, options: UiOptions) -> int:
    """Show the window until it is closed; returns the exit status. ``connect`` is called in a thread."""
    QGuiApplication.setDesktopFileName(IDENTITY)
    QApplication.setQuitOnLastWindowClosed(False)
    application = QApplication(["mlops-desk"])
    application.setApplicationName("mlops-desk")
    application.setApplicationDisplayName(PROGRAM)
    instance = Instance(str(options.address))
    if not instance.is_first():
        if instance.hand_over(options.destination):
            return 0
        print("The window that is open already does not answer.", file=sys.stderr)  # noqa: T201 - no window to say it in
        return 1
    written = WindowLog(options.address)
    written.start()
    program = Program(application, connect, options)
    program.opened.connect(written.open)
    program.opened.connect(instance.listen)
    instance.asked_up.connect(program.come_up)
    instance.asked_to.connect(program.go_to)
    signals = _SignalWatch(program.end)
    program.start()
    status = application.exec()
    signals.stop()
    program.stop()
    instance.end()
    written.stop()
    return status


class Program(QObject):
    """All objects of a running window, wired. ``opened`` tells once that there is time for what can wait."""

    opened = Signal()

    def __init__(self, application: QApplication, connect: Connect, options: UiOptions) -> None:
        super().__init__()
        self._application = application
        self._options = options
        self.loop = Loop("window")
        self._garbage = GuiCollector()
        self._ending = False
        self._began = False
        self._wanted = options.destination
        theme.prepare(application)
        roles.install()
        self.look = Look(application, self.loop)
        self.store = Store(catalogue.loaded)
        self.bridge = Bridge(connect, self.store, self.loop)
        self.tasks = Tasks(self.loop)
        memory = QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "mlops-desk", "window")
        self.look.wish(str(memory.value(_WISHED) or "system"))  # as last time, until the agent tells
        self.context = Context(self.store, self.bridge, self.tasks, memory, options)
        self.context.act = catalogue.act
        self.actions = Actions()
        self.actions.add(
            Action(
                "start_agent",
                "Start the agent" if options.address.can_start else "Connect again",
                self.bridge.start_agent,
                when=lambda: self.store.connection.state == "lost",
            ),
        )
        self.window = MainWindow(self.context, self.actions, catalogue.PAGES)
        self.actions.add(Action("quit", "Quit", self.end, "Ctrl+Q", places=frozenset({"menu", "palette", "tray"})))
        self.actions.bind(self.window)
        self._errors = UncaughtErrors(self._say_error)
        self._errors.start()
        self._wire()

    def _say_error(self, text: str, details: str) -> None:
        self.window.notices.say("alert", text, details, copies=True)

    @cached_property
    def tray(self) -> "Tray":
        from mlops_desk.desk.window.frame.tray import Tray  # noqa: PLC0415 - after the first paint

        made = Tray(self.store, self.end)
        made.opened.connect(self.window.bring_up)
        made.decides.connect(self._show_approvals)
        made.lost.connect(self._tray_lost)
        return made

    def _show_approvals(self) -> None:
        """Bring the window up at what waits for a person's word."""
        self.window.bring_up()
        self.window.open_thing("automations", "approvals")

    @cached_property
    def alarms(self) -> "Alarms":
        from mlops_desk.desk.window.frame.alarms import Alarms  # noqa: PLC0415 - after the first paint

        return Alarms()

    @cached_property
    def calls(self) -> "Calls":
        from mlops_desk.desk.window.frame.personal_notifications import Calls  # noqa: PLC0415 - after the first paint

        return Calls()

    @cached_property
    def desktop(self) -> "Desktop":
        from mlops_desk.desk.window.frame.desktop import Desktop  # noqa: PLC0415 - after the first paint

        return Desktop(self.loop, IDENTITY, PROGRAM)

    def _wire(self) -> None:
        self.bridge.changed.connect(self.context.changed)
        self.bridge.connected.connect(self._connected)
        self.window.bottom.start_agent.connect(self.bridge.start_agent)
        self.window.closing.connect(self._closing)
        self.window.seen.connect(self._seen)
        self.context.changed.connect(self._changed)
        self.window.painted.connect(self._begin)
        self._application.commitDataRequest.connect(self._remember)

    def start(self) -> None:
        """Show the window (or only the tray icon, where there is one); all else comes after the first paint."""
        self._garbage.start()
        self.window.restore()
        if self._options.tray and self._is_in_tray():
            _log.info("Started in the tray")
            self._seen(seen=False)
            QTimer.singleShot(0, self, self._begin)
            return
        self.window.show()
        if self._options.tray:
            self.context.say("info", "This desktop has no tray, so here is the window.")
        QTimer.singleShot(UNSEEN_MILLISECONDS, self, self._begin)

    def _is_in_tray(self) -> bool:
        self.tray.start()
        return self.tray.is_there

    def _begin(self) -> None:
        """Connect, and load what the frame can do without."""
        if self._began or self.loop.ending.is_set():
            return
        self._began = True
        self.opened.emit()
        self.look.follow()
        self.bridge.start()
        self.window.complete()
        QTimer.singleShot(0, self, self._furnish)

    def _furnish(self) -> None:
        from mlops_desk.desk.window.frame.tray import load_icon  # noqa: PLC0415 - after the first paint

        self._application.setWindowIcon(QIcon.fromTheme(IDENTITY, load_icon(None)))
        self.tray.start()
        self._garbage.settle()

    def stop(self) -> None:
        """End everything that was started."""
        self._errors.stop()
        self.window.remember()
        self.window.hide()
        self.tray.stop()
        self.bridge.stop()
        self.loop.stop(END_SECONDS)
        self._garbage.stop()

    def end(self) -> None:
        """Leave the program, tray icon and all; the agent goes on."""
        self.window.remember()
        # quit() asks the windows first, and this one would close to the tray instead. Not exit(): where no
        # loop runs, that ends the next one before it begins.
        self._ending = True
        self._application.quit()

    def come_up(self, _token: str) -> None:
        """Hear that somebody started the program again."""
        self.window.bring_up()

    def go_to(self, destination: str) -> None:
        """Show what an address leads to: now, or once the agent can be asked for it."""
        self._wanted = destination
        if self.store.connection.state == "live":
            self._go()

    def _go(self) -> None:
        from mlops_desk.desk.window.frame import addresses  # noqa: PLC0415 - after the first paint

        wanted, self._wanted = self._wanted, ""
        if wanted:
            addresses.go(self.context, wanted)

    def _connected(self, missed: bool) -> None:
        """Load what is shown, where it may have changed unheard; what came of it meanwhile is heard again."""
        if self.loop.ending.is_set():
            return
        with self.context.together():
            for loaded in self.store.loaded.values():
                part = self.store.part(loaded.topic)
                lacks = part.value is None or part.error is not None or part.loading
                if (loaded.early and missed) or (lacks and (loaded.early or part.asked_at is not None)):
                    self.context.load(loaded.topic)
            self.context.ask("the last minutes", _last_minutes, self.store.recent.take_curves)
            if missed:
                self.window.connected()
        self._go()

    def _changed(self, topics: frozenset[Topic]) -> None:
        self.tray.take(topics)
        if Topic.ALERTS in topics and self.store.alerts.value is not None:
            self._ring()
        if Topic.NOTICES in topics:
            self._call()
        if self.store.settings_changed:
            self.store.settings_changed = False
            self.context.load(Topic.SETTINGS)
        elif Topic.SETTINGS in topics:
            settings = self.store.settings
            if settings.value is not None and not settings.loading:
                chosen = settings.value.get("ui.theme")
                wish = str(chosen.value) if chosen else "system"
                self.look.wish(wish)
                self.context.memory.setValue(_WISHED, wish)

    def _ring(self) -> None:
        """Tell of alerts once: in the window while the person looks at it, else on the desktop."""
        for alarm in self.alarms.take(self.store.alerts.value or {}):
            if self._is_looked_at():
                self.window.say_alarm(alarm)
            else:
                self._tell_on_desktop(alarm)

    def _call(self) -> None:
        """Tell on the desktop what a person has asked to be told, where they don't look at the window that says it."""
        for alarm in self.calls.take(self.store.notices):
            if not self._is_looked_at():
                self._tell_on_desktop(alarm)

    def _is_looked_at(self) -> bool:
        return self.window.isActiveWindow() and self.window.isVisible()

    def _tell_on_desktop(self, alarm: "Alarm") -> None:
        if self.desktop.can():
            self.desktop.tell(alarm)
        else:
            self.tray.tell(alarm)

    def _seen(self, seen: bool) -> None:
        self.bridge.pace(0.0 if seen else HIDDEN_SECONDS)

    def _closing(self, event: QCloseEvent) -> None:
        if self._ending:
            return
        setting = (self.store.settings.value or {}).get("ui.close_to_tray")
        wanted = bool(setting.value) if setting else True
        if wanted and self.tray.is_there:
            event.ignore()
            self.window.hide()
        else:
            self.end()

    def _tray_lost(self) -> None:
        if not self.window.isVisible():
            self.window.showMinimized()

    def _remember(self, *_manager: object) -> None:
        self.window.remember()


def _last_minutes(desk: "ClientLike") -> "Curves":
    """Ask for what tiles show of the time before this window was opened."""
    status = desk.telemetry.status()
    names = ["\t".join(key) for key in recent_tracks.tile_keys(devices_of(status))]
    end = status.sampled_at or agent_clock.now()
    return desk.telemetry.curves(names, end - recent_tracks.SECONDS, end, int(recent_tracks.SECONDS))


class _SignalWatch(QObject):
    """Lets SIGTERM and SIGINT end the event loop: Python's handlers run only when Python code does."""

    def __init__(self, end: Callable[[], None]) -> None:
        super().__init__()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._end = end
        self._before = {number: signal.signal(number, self._ignore) for number in (signal.SIGTERM, signal.SIGINT)}
        self._old = signal.set_wakeup_fd(self._writer.fileno())
        self._notifier = QSocketNotifier(self._reader.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._heard)

    def _heard(self) -> None:
        self._reader.recv(64)
        self._end()

    @staticmethod
    def _ignore(_number: int, _frame: object) -> None:
        """Be there, so that the signal is written to the pipe and does nothing else."""

    def stop(self) -> None:
        self._notifier.setEnabled(False)
        signal.set_wakeup_fd(self._old)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()
