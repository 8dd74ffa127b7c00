"""The card of alerts on the events page: what fires now, who has seen it, and who wants to hear nothing of it."""

from PySide6.QtCore import QModelIndex, QSize, Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.words import alerts, numbers
from mlops_desk.machine.records.alert import Alert

# The button that has nobody told of an alert for a while: a menu of how long, and of a silent one the way back.
SPANS = (("For 1 hour", 3600.0), ("For 8 hours", 28_800.0), ("For 1 day", 86_400.0), ("For 1 week", 604_800.0))
"""Seconds; chosen: a look at it, a working day, until tomorrow, a holiday. The command line takes any up to 30 days."""
AGAIN = "Hear of it again"


class SilenceButton(Button):
    """``wanted`` carries for how many seconds; 0 ends a silence."""

    wanted = Signal(float)

    def __init__(self) -> None:
        super().__init__(
            "Silence …", tip="Tell nobody of the chosen alert for a while, also when it comes again", asks=True
        )
        self.is_silent = False
        self.clicked.connect(lambda _on=False: self.open_menu())

    def open_menu(self) -> QMenu:
        """Ask for how long."""
        menu = QMenu(self)
        menu.aboutToHide.connect(menu.deleteLater)
        spans = ((AGAIN, 0.0), *SPANS) if self.is_silent else SPANS
        for title, seconds in spans:
            menu.addAction(title).triggered.connect(lambda _on=False, seconds=seconds: self.wanted.emit(seconds))
        menu.popup(self.mapToGlobal(self.rect().bottomLeft()))
        return menu


_WHY = 600  # chosen: two or three lines
ROWS = 4  # chosen: more scroll, so that the log keeps its place


class AlertsCard(Card):
    """One line where nothing fires, else a table; ``chosen`` carries the alert that somebody wants to see closer."""

    chosen = Signal(object)

    def __init__(self, context: Context) -> None:
        super().__init__("Alerts")
        self._context = context
        self.table = RecordTable("Alerts", _columns(context.store), context.memory)
        self.table.chosen.connect(self._enable)
        self.table.doubleClicked.connect(self._activated)
        self._calm = Label()
        self.undelivered = Label(wrap=True, tone="warning")
        self.seen = Button("Acknowledge", asks=True)
        self.seen.clicked.connect(self.acknowledge)
        self.quiet = SilenceButton()
        self.quiet.wanted.connect(self._silence)
        self.all = Button("Acknowledge all", asks=True)
        self.all.clicked.connect(self.acknowledge_all)
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_8)
        self.column.removeWidget(self.heading)
        head.addWidget(self.heading)
        head.addWidget(self._calm, 1)
        head.addWidget(self.quiet)
        head.addWidget(self.seen)
        head.addWidget(self.all)
        self.column.addLayout(head)
        self.column.addWidget(self.table)
        self.column.addWidget(self.undelivered)
        self.column.setContentsMargins(theme.SPACE_12, theme.SPACE_8, theme.SPACE_12, theme.SPACE_8)
        self._enable(None)

    def refresh(self, store: Store) -> None:
        """Show what holds now."""
        part = store.alerts
        now = alerts.firing((part.value or {}).values())
        self.heading.show_text(f"Alerts: {len(now)} firing" if now else "Alerts")
        self.table.show_records({alert.id: alert for alert in now})
        self.table.setVisible(bool(now))
        self.table.setFixedHeight((min(len(now), ROWS) + 1) * theme.ROW_HEIGHT + theme.SPACE_4)
        self._say(store)
        self._enable(None)

    def choose(self, key: str | None) -> None:
        """Choose an alert of those that fire, or none."""
        if key is None or not self.table.select(key):
            self.table.clearSelection()

    def _say(self, store: Store) -> None:
        part = store.alerts
        if part.error is not None:
            text, tone = f"{numbers.UNKNOWN} {part.error.message} {part.error.hint or ''}".strip(), "warning"
        elif part.value is None:
            text, tone = "Loading the alerts …", "muted"
        elif self.table.shown_rows():
            text, tone = "", "muted"
        else:
            ended = [alert.ended_at for alert in part.value.values() if alert.ended_at is not None]
            last = f"; the last one ended {numbers.ago(max(ended))}" if ended else ""
            text, tone = f"{numbers.OK} Nothing fires{last}.", "ok"
        self._calm.show_text(text)
        self._calm.tint(tone)

    # Seen.

    def alert(self) -> Alert | None:
        """Return the chosen alert."""
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def open_alert(self) -> Alert | None:
        """Return the chosen alert, if nobody has acknowledged it."""
        alert = self.alert()
        return alert if alert is not None and not alert.acknowledged_by else None

    def unseen(self) -> list[Alert]:
        every = (self._context.store.alerts.value or {}).values()
        return [alert for alert in alerts.firing(every) if not alert.acknowledged_by]

    def acknowledge(self) -> None:
        """Say that the chosen alert was seen."""
        alert = self.open_alert()
        if alert is not None:
            self._acknowledge(alert.id)

    def acknowledge_all(self) -> None:
        for alert in self.unseen():
            self._acknowledge(alert.id)

    def _acknowledge(self, identifier: str) -> None:
        self._context.ask("acknowledge", lambda desk: desk.alerts.acknowledge(identifier), _wait)

    def silence(self) -> None:
        """Ask for how long nobody is to be told of the chosen alert."""
        if self.alert() is not None:
            self.quiet.open_menu()

    def _silence(self, seconds: float) -> None:
        alert = self.alert()
        if alert is not None:
            identifier = alert.id
            self._context.ask("silence", lambda desk: desk.alerts.silence(identifier, seconds), _wait)

    def _enable(self, _key: str | None) -> None:
        unseen = len(self.unseen())
        chosen = self.alert()
        self.quiet.setVisible(chosen is not None)
        self.quiet.is_silent = chosen is not None and bool(alerts.silence(chosen))
        self.seen.setVisible(self.open_alert() is not None)
        self.all.setVisible(unseen > 1)
        self._tell_undelivered(chosen)

    def _tell_undelivered(self, chosen: Alert | None) -> None:
        """Say why the webhook has not got the chosen alert; where it has, the worst that it has not got."""
        every = alerts.firing((self._context.store.alerts.value or {}).values())
        late = [alert for alert in every if alert.undelivered]
        told = chosen if chosen is not None and chosen.undelivered else next(iter(late), None)
        why = plain(told.undelivered or "", _WHY) if told is not None else ""
        if why and told is not chosen:
            what = plain(late[0].title, 60) if len(late) == 1 else numbers.count(len(late), "alert")
            why = f"{what}: {why}"
        self.undelivered.show_text(f"{numbers.WARNING} Not at the webhook: {why}" if why else "")
        self.undelivered.setVisible(bool(why))

    def _activated(self, index: QModelIndex) -> None:
        alert = self.alert() if index.isValid() else None
        if alert is not None:
            self.chosen.emit(alert)

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), self.minimumSizeHint().height())


def _wait(_answer: object) -> None:
    """Wait for the announcement: a page paints what the agent told, not what was asked for."""


def _level_cell(alert: Alert) -> Cell:
    mark = alerts.alert_mark(alert)
    return Cell(mark.text, alerts.RANK.get(alert.level, 0), mark.token)


def _since_cell(alert: Alert) -> Cell:
    return Cell(numbers.ago(alert.since), alert.since, tip=numbers.absolute(alert.since))


def _seen_cell(alert: Alert) -> Cell:
    parts = (plain(alert.acknowledged_by or "", 60), alerts.silence(alert))
    return Cell(" · ".join(part for part in parts if part))


def _told(alert: Alert) -> str:
    late = f"\nNot at the webhook: {alert.undelivered}" if alert.undelivered else ""
    return f"{alert.title}\n{alert.text}\n{alert.hint or ''}".strip() + late


def _columns(store: Store) -> tuple[Column[Alert], ...]:
    """Return the columns; a value is said as its rule means it."""

    def value(alert: Alert) -> Cell:
        return Cell(alerts.alert_value(alert, store.alert_rules.value), alert.value)

    return (
        Column("level", "Level", _level_cell),
        Column("device", "Device", lambda alert: Cell(plain(alert.device_title, 60), tip=alert.device)),
        Column("title", "What", lambda alert: Cell(plain(alert.title), tip=_told(alert))),
        Column("text", "Why", lambda alert: Cell(plain(alert.text), tip=_told(alert)), stretch=True),
        Column("value", "Now", value, right=True),
        Column("since", "Since", _since_cell, right=True),
        Column("seen", "Seen by", _seen_cell),
    )
