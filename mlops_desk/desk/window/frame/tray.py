"""The tray icon: load drawn into it, a line for each GPU in its menu, and the way back to the window.

It is there only where the desktop has a tray; a tray that appears later is noticed, and one that goes
away brings the window back. It changes at most once a second and only when what it shows changes.
"""

from collections.abc import Callable

from PySide6.QtCore import QObject, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from mlops_desk.desk.window.frame import alarms
from mlops_desk.kit.window.live.store import Store, Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import menu_text, notification_text, tip_text
from mlops_desk.kit.window.words import alerts, gpus, numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.machine.records.status import Status

SIZES = (22, 24, 32, 64)  # pixels that desktops ask for
FIRST_MILLISECONDS, UPDATE_MILLISECONDS = 100, 3000  # chosen: soon at first, then seldom: each icon crosses D-Bus
LOOK_FOR_TRAY_MILLISECONDS = 3000  # chosen: at log-in the tray comes seconds later
GPU_LINES = 16  # chosen: a menu that fits on a screen


class Tray(QObject):
    """Owns the icon while there is a tray. ``decides``: somebody wants to see what waits for a person's word."""

    opened = Signal()
    decides = Signal()
    lost = Signal()

    def __init__(self, store: Store, quit_program: Callable[[], None]) -> None:
        super().__init__()
        self._store = store
        self._quit = quit_program
        self._icon = QSystemTrayIcon(self)
        self._menu = QMenu()
        self._lines: list[QAction] = []
        self._shown: tuple[object, ...] | None = None
        self.redraws = 0
        self._fill()
        self._icon.setContextMenu(self._menu)
        self._icon.activated.connect(self._activated)
        self._due = QTimer(self)
        self._due.setSingleShot(True)
        self._due.timeout.connect(self._redraw)
        self._search = QTimer(self)
        self._search.setInterval(LOOK_FOR_TRAY_MILLISECONDS)
        self._search.timeout.connect(self.look)

    @property
    def is_there(self) -> bool:
        """Whether a person can reach the window by the tray now."""
        return self._icon.isVisible() and QSystemTrayIcon.isSystemTrayAvailable()

    def start(self) -> None:
        self._redraw()
        self.look()
        self._search.start()

    def stop(self) -> None:
        self._search.stop()
        self._due.stop()
        self._icon.hide()

    def look(self) -> None:
        """Notice a tray that appeared or went away."""
        available = QSystemTrayIcon.isSystemTrayAvailable()
        if available and not self._icon.isVisible():
            self._icon.show()
        elif not available and self._icon.isVisible():
            self._icon.hide()
            self.lost.emit()

    def take(self, topics: frozenset[Topic]) -> None:
        """Hear what changed; draw at most every three seconds: an icon is drawn in four sizes, also when hidden."""
        if topics & {Topic.STATUS, Topic.CONNECTION, Topic.ALERTS, Topic.APPROVALS} and not self._due.isActive():
            self._due.start(UPDATE_MILLISECONDS if self.redraws else FIRST_MILLISECONDS)

    def tell(self, alarm: alarms.Alarm) -> None:
        """Show a notification by the tray's own means, where nothing better can."""
        if self.is_there:
            kind = _BALLOONS.get(alarm.level, QSystemTrayIcon.MessageIcon.Information)
            self._icon.showMessage(notification_text(alarm.title), notification_text(alarm.text), kind)

    def _redraw(self) -> None:
        status = self._store.status
        true_now = self._store.is_true_now
        load = _load(status) if status and true_now else None
        lines = _gpu_lines(status) if status and true_now else [_silence(self._store)]
        worst = alarms.worst(self._store.alerts.value) if true_now else None
        if worst is not None:
            lines = [f"{worst.shape} {worst.word}: see Events", *lines]
        waiting = len(self._store.part(Topic.APPROVALS).value or ()) if true_now else 0
        shown = (load, worst, waiting, *lines)
        if shown == self._shown:
            return
        self._shown = shown
        self.redraws += 1
        self._icon.setIcon(load_icon(load, worst))
        self._icon.setToolTip(tip_text("\n".join(lines[:4])))
        self._asks.setVisible(waiting > 0)
        self._asks.setText(f"{numbers.WARNING} {numbers.count(waiting, 'approval')} waiting …")
        for number, action in enumerate(self._lines):
            action.setVisible(number < len(lines))
            action.setText(menu_text(lines[number]) if number < len(lines) else "")

    def _fill(self) -> None:
        self._menu.addAction("Open MLOps Desk").triggered.connect(self.opened)
        self._asks = self._menu.addAction("")
        self._asks.setVisible(False)
        self._asks.triggered.connect(self.decides)
        self._menu.addSeparator()
        for _ in range(GPU_LINES + 1):
            line = self._menu.addAction("")
            line.setVisible(False)
            line.triggered.connect(self.opened)
            self._lines.append(line)
        self._menu.addSeparator()
        self._menu.addAction("Quit").triggered.connect(self._quit)

    def _activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason in {QSystemTrayIcon.ActivationReason.Trigger, QSystemTrayIcon.ActivationReason.DoubleClick}:
            self.opened.emit()


def _load(status: Status) -> int | None:
    """Return the mean activity of the GPUs in percent, the processors' where there is no GPU."""
    known = [numbers.value_of(gpu.metrics.get("hw.gpu.utilization")) for gpu in status.gpus]
    values = [value for value in known if value is not None]
    if not values:
        processors = numbers.value_of(status.host.metrics.get("system.cpu.utilization"))
        values = [] if processors is None else [processors]
    return round(100 * sum(values) / len(values)) if values else None


def _gpu_lines(status: Status) -> list[str]:
    if not status.gpus:
        return [f"CPU {numbers.percent(numbers.value_of(status.host.metrics.get('system.cpu.utilization')))}"]
    return [
        f"{gpu.index} {gpus.short_name(gpu.name)}: "
        f"{numbers.percent(numbers.value_of(gpu.metrics.get('hw.gpu.utilization')))}, "
        f"{gpus.judged_mark(gpu, alerts.diagnosis_of(status, gpu.uuid)).word}"
        for gpu in status.gpus[:GPU_LINES]
    ]


def _silence(store: Store) -> str:
    connection = store.connection
    if connection.state == "starting":
        return "The agent is being started"
    return f"No news from the agent since {numbers.clock(connection.stale_since or connection.since)}"


_BALLOONS = {
    "alert": QSystemTrayIcon.MessageIcon.Critical,
    "warning": QSystemTrayIcon.MessageIcon.Warning,
}


def load_icon(load: int | None, worst: Mark | None = None) -> QIcon:
    """Draw the load (percent) as a number over a bar, and the worst alert's shape in a corner, for any panel."""
    icon = QIcon()
    for size in SIZES:
        icon.addPixmap(_load_pixmap(load, worst, size))
    return icon


def _load_pixmap(load: int | None, worst: Mark | None, size: int) -> QPixmap:
    drawn = QPixmap(size, size)
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    edge = max(size / 24, 1.0)
    area = QRectF(edge / 2, edge / 2, size - edge, size - edge)
    painter.setBrush(QColor(theme.DARK.window))
    painter.setPen(QPen(QColor(theme.DARK.muted), edge))
    painter.drawRoundedRect(area, size / 6, size / 6)
    if load is not None:
        inside = area.adjusted(edge, edge, -edge, -edge)
        height = inside.height() * min(load, 100) / 100
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.LIGHT.accent))
        painter.drawRoundedRect(inside.adjusted(0, inside.height() - height, 0, 0), size / 8, size / 8)
    font = theme.font(bold=True)
    font.setPixelSize(round(size * (0.52 if load is None or load < 100 else 0.42)))
    painter.setFont(font)
    painter.setPen(QColor(theme.DARK.text))
    painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter), "?" if load is None else str(load))
    if worst is not None:
        _paint_worst(painter, worst, size)
    painter.end()
    return drawn


def _paint_worst(painter: QPainter, worst: Mark, size: int) -> None:
    """Paint a square for an alert, a triangle for a warning, a dot else, in the upper right corner."""
    side = size * 0.42
    place = QRectF(size - side, 0, side, side)
    painter.setPen(QPen(QColor(theme.DARK.window), max(size / 24, 1.0)))
    painter.setBrush(QColor(getattr(theme.DARK, worst.token)))
    if worst.shape == numbers.ALERT:
        painter.drawRect(place)
    elif worst.shape == numbers.WARNING:
        painter.drawPolygon(QPolygonF([QPointF(place.center().x(), 0.0), place.bottomRight(), place.bottomLeft()]))
    else:
        painter.drawEllipse(place)
