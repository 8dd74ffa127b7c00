"""Events: what fires now on top, the log of what happened below, one event closer beside; what is watched behind."""

from typing import Any, ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store, Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.card import framed
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import filter_field
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import alerts, numbers
from mlops_desk.machine.records.alert import Alert
from mlops_desk.machine.records.incident import Incident
from mlops_desk.machine.window.events.alert_rules import AlertRules
from mlops_desk.machine.window.events.alerts_card import AlertsCard
from mlops_desk.machine.window.events.detail import EventDetail

_SAME_SECONDS = 1.0  # chosen: an alert and the event that set it off are of one sample
_LEVELS = (("Every level", 0), ("Warnings and alerts", 1), ("Alerts only", 2))


class EventsPage(Page):
    """Two views: the log, and the rules."""

    stale: ClassVar[str] = "This list is"
    topics: ClassVar[frozenset[Topic]] = frozenset(
        {Topic.INCIDENTS, Topic.ALERTS, Topic.ALERT_RULES, Topic.SETTINGS, Topic.CONNECTION}
    )
    loads: ClassVar[tuple[Topic, ...]] = (Topic.INCIDENTS, Topic.ALERTS, Topic.ALERT_RULES)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._filter = filter_field("Filter events")
        self._filter.textChanged.connect(self._narrow)
        self.tabs = Tabs("Views", (("log", "Log"), ("rules", "Rules")))
        self.level = ChoiceBox("Level")
        for title, rank in _LEVELS:
            self.level.addItem(title, rank)
        self.device = ChoiceBox("Device")
        self.device.addItem("Every device", None)
        for choice in (self.level, self.device):
            choice.setMinimumWidth(theme.HOST_TILE_MINIMUM_WIDTH)
            choice.currentIndexChanged.connect(self._show_log)
        self.alerts = AlertsCard(context)
        self.alerts.chosen.connect(self._show_alert)
        self.alerts.table.chosen.connect(self._chose_alert)
        self.log = RecordTable("Events", _columns(context.store), context.memory)
        self.log.chosen.connect(self._chose)
        self._chooses_alert = False
        self._nothing = StateView(theme.DIALOG_WIDTH)
        self.detail = EventDetail(context)
        self.rules = AlertRules(context)
        self._stack = QStackedWidget()
        self._none_yet = Empty(
            "Nothing has happened yet", _NOTHING, "See what is watched", lambda: self.tabs.choose("rules")
        )
        self._none_fits = Empty(
            "No event fits", "None has the chosen level and device.", "Show every event", self._show_every
        )
        self._arrange()

    def _arrange(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.tabs)
        row.addStretch(1)
        row.addWidget(self.level)
        row.addWidget(self.device)
        row.addWidget(self._filter, 1)
        split = QSplitter(Qt.Orientation.Horizontal)
        listed = framed(self.log)
        listed.column.addWidget(self._nothing)
        split.addWidget(listed)
        split.addWidget(self.detail)
        split.setSizes([theme.READING_WIDTH, theme.DETAIL_WIDTH])
        split.setStretchFactor(0, 1)
        split.setHandleWidth(theme.SPACE_8)
        log = QWidget()
        column = QVBoxLayout(log)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.alerts)
        column.addWidget(split, 1)
        self._stack.addWidget(log)
        self._stack.addWidget(self.rules)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addLayout(row)
        whole.addWidget(self._stack, 1)
        self.tabs.chosen.connect(self._show_view)
        self.tabs.choose("log")

    # What is shown.

    def refresh(self, topics: frozenset[Topic]) -> None:
        store = self.context.store
        part, rules = store.incidents, store.alert_rules
        if rules.value is not None and rules.asked_at is None and not rules.loading:
            self.context.load(Topic.ALERT_RULES)  # somebody changed one elsewhere
        if part.value is None:
            self.show_part(part, "Events", lambda: self._none_yet)
            return
        self.show_content()
        if topics & {Topic.ALERTS, Topic.CONNECTION}:
            self.alerts.refresh(store)
        if topics & {Topic.INCIDENTS, Topic.ALERTS, Topic.CONNECTION}:
            self._offer_devices()
            self._show_log()
        if topics & {Topic.ALERT_RULES, Topic.SETTINGS}:
            self.rules.refresh(store)
            self.alerts.table.records.reword()
        self.tabs.count("rules", len(store.alert_rules.value or {}))

    def _show_log(self) -> None:
        every = self.context.store.incidents.value or {}
        least, device = self.level.currentData(), self.device.currentData()
        shown = {
            key: incident
            for key, incident in sorted(every.items(), key=lambda item: -item[1].at)
            if alerts.RANK.get(incident.level, 0) >= (least or 0) and device in {None, incident.device or "-"}
        }
        self.log.show_records(shown)
        self.log.setVisible(bool(shown))
        self._nothing.setVisible(not shown)
        self.detail.setVisible(bool(shown))
        self._nothing.show_empty(self._none_fits if every else self._none_yet)
        if self.log.key() is None and self.alerts.alert() is None:
            self._choose_first()
        if self.log.key() is not None:
            self._chose(self.log.key())

    def _choose_first(self) -> None:
        """Choose what fires before what has happened."""
        self.alerts.table.select_first()
        if self.alerts.alert() is None:
            self.log.select_first()

    def _offer_devices(self) -> None:
        incidents = (self.context.store.incidents.value or {}).values()
        known = {self.device.itemData(number) for number in range(self.device.count())}
        for device in sorted({incident.device or "-" for incident in incidents} - known):
            title = alerts.device_title(None if device == "-" else device, self.context.store.status)
            self.device.addItem(title, device)

    def _chose(self, key: str | None) -> None:
        """Show an event closer; above it only its own alert is chosen, so that nothing else is acted on."""
        incident = self.log.records.record(key) if key else None
        self.detail.show_incident(incident)
        if incident is None or self._chooses_alert:
            return
        alert = self.alerts.alert()
        if alert is None or self._event_of(alert) is not incident:
            now = alerts.firing((self.context.store.alerts.value or {}).values())
            self.alerts.choose(next((one.id for one in now if self._event_of(one) is incident), None))

    def _chose_alert(self, key: str | None) -> None:
        """Show the event of the alert that was chosen; none where the log does not have it."""
        alert = self.alerts.table.records.record(key) if key else None
        if alert is None:
            if self.log.key() is None:
                self._choose_first()  # it has ended
            return
        incident = self._event_of(alert)
        self._chooses_alert = True
        if incident is None or not self.log.select(incident.id):
            self.log.clearSelection()
            self.detail.show_incident(incident)
        self._chooses_alert = False

    def _event_of(self, alert: Alert) -> Incident | None:
        """Return the event by which an alert began, where the log has it."""
        incidents = (self.context.store.incidents.value or {}).values()
        own = (one for one in incidents if one.details.get("alert") == alert.id)
        same = (one for one in incidents if one.device == alert.device and abs(one.at - alert.since) < _SAME_SECONDS)
        return next(own, None) or next(same, None)

    def _show_alert(self, alert: Alert) -> None:
        incident = self._event_of(alert)
        if incident is not None:
            self.reveal(incident.id)

    def _show_view(self, key: str) -> None:
        self._stack.setCurrentIndex(0 if key == "log" else 1)
        self._filter.setPlaceholderText(f"Filter {'events' if key == 'log' else 'rules'}  ( / )")
        for choice in (self.level, self.device):
            choice.setVisible(key == "log")

    def _narrow(self, text: str) -> None:
        self.log.narrow(text)
        self.rules.narrow(text)

    def main_table(self) -> RecordTable[Any]:
        return self.log if self.tabs.current() == "log" else self.rules.table

    def show_thing(self, thing: str) -> bool:
        """Choose an event, or an alert (``alert:ID``), whatever was filtered."""
        self.tabs.choose("log")
        kind, _, identifier = thing.partition(":")
        if kind == "alert":
            return self.alerts.table.select(identifier)
        if thing not in (self.context.store.incidents.value or {}):
            return False
        if not self.log.select(thing):
            self._show_every()
        return self.log.select(thing)

    def _show_every(self) -> None:
        self._filter.clear()
        self.level.setCurrentIndex(0)
        self.device.setCurrentIndex(0)

    def filter_field(self) -> QLineEdit | None:
        return self._filter

    def actions_here(self) -> list[Action]:
        return [
            Action("events.rules", "Change what is watched", lambda: self.tabs.choose("rules")),
            Action("events.acknowledge", "Acknowledge the chosen alert", self.alerts.acknowledge,
                   when=lambda: self.alerts.open_alert() is not None),
            Action("events.silence", "Silence the chosen alert …", self._silence,
                   when=lambda: self.alerts.alert() is not None, asks=True),
            Action("events.acknowledge_all", "Acknowledge every alert", self.alerts.acknowledge_all,
                   when=lambda: bool(self.alerts.unseen())),
            Action("events.change_rule", "Change the chosen rule …", self._change_rule,
                   when=lambda: self.rules.rule() is not None),
        ]  # fmt: skip

    def _silence(self) -> None:
        self.tabs.choose("log")
        self.alerts.silence()

    def _change_rule(self) -> None:
        self.tabs.choose("rules")
        self.rules.change()


_NOTHING = (
    "Errors of GPUs, lost devices, out-of-memory kills, throttling and alerts will be here, "
    "each with what it means and what to do; the minutes around the bad ones are kept at full rate."
)


def _columns(store: Store) -> tuple[Column[Incident], ...]:
    """Return the log's columns; a device is called as the newest sample calls it."""

    def device(incident: Incident) -> Cell:
        return Cell(alerts.device_title(incident.device, store.status), tip=incident.device or "")

    def what(incident: Incident) -> Cell:
        # The tip has the whole title, which the device begins.
        tip = "\n".join(filter(None, (incident.title, incident.text)))
        return Cell(alerts.title_without_device(incident), tip=tip)

    return (
        Column("level", "Level", _level_cell),
        Column("when", "When", _when_cell),
        Column("device", "Device", device),
        Column("title", "What", what, stretch=True),
        Column("count", "Times", lambda one: Cell(f"{one.count:,}", one.count), right=True),
        Column("kept", "Recorded", lambda one: Cell("yes" if one.recorded else ""), hidden=True),
        Column("over", "Over", _over_cell, right=True, hidden=True),
        Column("kind", "Kind", lambda one: Cell(plain(one.kind, 40)), hidden=True),
    )


def _level_cell(incident: Incident) -> Cell:
    mark = alerts.incident_mark(incident)
    return Cell(mark.text, alerts.RANK.get(incident.level, 0), mark.token)


def _when_cell(incident: Incident) -> Cell:
    return Cell(
        numbers.day_and_clock(incident.at),
        incident.at,
        tip=f"{numbers.ago(incident.at)}\n{numbers.absolute(incident.at)}",
    )


def _over_cell(incident: Incident) -> Cell:
    if incident.ended_at is None:
        return Cell("goes on" if incident.lasting else "", -1.0)
    length = incident.ended_at - incident.at
    return Cell(f"after {numbers.duration(length)}", length)
