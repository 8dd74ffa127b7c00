"""One event closer: what happened, what it means, what to do, and the curves that were recorded around it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.chart import Chart, align
from mlops_desk.kit.window.curves.points import points_of
from mlops_desk.kit.window.curves.traces import NamedCurve
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.command import CommandLine
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.words import alerts, hints, numbers
from mlops_desk.machine.records.history import Curves
from mlops_desk.machine.records.incident import Incident

if TYPE_CHECKING:
    from mlops_desk.kit.window.curves.points import Point
    from mlops_desk.kit.window.live.tasks import Task

LINES_A_CHART = 6  # chosen: as many as colours tell apart
RECORDING_SECONDS = 600.0  # a recording ends 9 min after its first event at the latest, and is written then
_RECORDED = frozenset({"xid", "ecc", "gpu", "oom", "throttle"})
_OF_HOST = "system."
_FOR_PROGRAMS = frozenset({"alert", "class", "job_id"})  # ids and words that lead nowhere in the window
_TITLES = {"gpu": "GPU", "xid": "XID", "pid": "pid"}
_PARTS = {"utilization": "utilisation", "sm": "SM", "temperature": "core"}
_PROCESS_MEMORY = "process.gpu.memory"
_CHARTS: tuple[tuple[str, tuple[str, ...], numbers.Written, float], ...] = (
    ("GPU activity", ("hw.gpu.utilization", "hw.gpu.activity.sm"), numbers.percent, 1.0),
    ("GPU memory", ("hw.gpu.memory.usage",), numbers.size, 1 << 30),
    ("GPU memory of processes", (_PROCESS_MEMORY,), numbers.size, 1 << 30),
    ("Power", ("hw.power",), numbers.watts, 1.0),
    ("Temperature", ("hw.temperature", "hw.temperature.memory"), numbers.celsius, 1.0),
    ("Clock", ("hw.gpu.clock.sm",), numbers.hertz, 1e6),
    ("Processors", ("system.cpu.utilization", "system.cpu.utilization.iowait"), numbers.percent, 1.0),
    ("Memory", ("system.memory.usage",), numbers.size, 1 << 30),
)


class EventDetail(QWidget):
    """Text above, curves below."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._incident: Incident | None = None
        self._asked: Task | None = None
        self._recorded: str | None = None
        self._title = Label(wrap=True, bold=True)
        self._facts = FactGrid()
        self._text = Label(wrap=True)
        self._hint = Label(wrap=True)
        self.command = CommandLine()
        self.jump = Button("")
        self.jump.clicked.connect(self._jump)
        self._says = Label(wrap=True, tone="muted", points=theme.CAPTION_POINTS)
        self.charts: dict[str, Chart] = {}
        self._recording = Card("Recording")
        self._place = QVBoxLayout()
        self._place.setSpacing(theme.SPACE_8)
        self._arrange()
        self.show_incident(None)

    def _arrange(self) -> None:
        card = Card("Event")
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_8)
        card.column.removeWidget(card.heading)
        head.addWidget(card.heading, 1, Qt.AlignmentFlag.AlignTop)
        head.addWidget(self.jump, 0, Qt.AlignmentFlag.AlignTop)
        card.column.addLayout(head)
        for widget in (self._title, self._text, self._hint, self.command, self._facts):
            card.column.addWidget(widget)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(card)
        # A chart has a margin of its own: only the words get the card's, so that all begin at one line.
        self._recording.column.setContentsMargins(1, theme.SPACE_8, 1, theme.SPACE_12)
        for label in (self._recording.heading, self._says):
            label.setContentsMargins(theme.SPACE_12 - 1, 0, theme.SPACE_12 - 1, 0)
        self._recording.column.addWidget(self._says)
        self._recording.column.addLayout(self._place)
        column.addWidget(self._recording)
        column.addStretch()
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scrolled(inner, "The chosen event"))

    def show_incident(self, incident: Incident | None) -> None:
        """Show an event; None for none chosen."""
        self._incident = incident
        status = self._context.store.status
        if incident is None:
            self._title.show_text("No event is chosen")
            for widget in (self._text, self._hint, self.command, self.jump):
                widget.hide()
            self._facts.show_facts([])
            self._show_recording(None)
            return
        mark = alerts.incident_mark(incident)
        self._title.show_text(f"{mark.shape} {incident.title}")
        self._title.tint(mark.token)
        sentence, command = hints.parts(incident.hint, incident.command)
        # A hint that is nothing but a command stands below once, to be copied.
        for label, text in ((self._text, incident.text), (self._hint, sentence)):
            label.show_text(text)
            label.setVisible(bool(text))
        self.command.show_command(command)
        self._facts.show_facts(_facts(incident, alerts.device_title(incident.device, status)))
        self._offer_jump(incident)
        self._show_recording(incident)

    # Where it happened.

    def _offer_jump(self, incident: Incident) -> None:
        target = self._target(incident)
        self.jump.setVisible(target is not None)
        if target is not None:
            name = alerts.device_title(incident.device, self._context.store.status)
            self.jump.show_title(f"Show {name} then")
            self.jump.updateGeometry()

    def _target(self, incident: Incident) -> tuple[str, str | None] | None:
        status = self._context.store.status
        if status is None:
            return None
        device = (incident.device or "host").partition("/")[0]  # a link or a slice is on its GPU's page
        if any(gpu.uuid == device for gpu in status.gpus):
            return "gpus", device
        if device == "host":
            return "host", None
        for kind, names in (
            ("disk", [disk.name for disk in status.disks]),
            ("filesystem", [filesystem.mount for filesystem in status.filesystems]),
            ("network", [network.name for network in status.networks]),
        ):
            if device in names:
                return "storage", f"{kind} {device}"
        return None

    def _jump(self) -> None:
        target = self._target(self._incident) if self._incident is not None else None
        if target is not None and self._incident is not None:
            self._context.open_at(*target, alerts.newest_moment(self._incident))

    # The recording.

    def _show_recording(self, incident: Incident | None) -> None:
        wanted = incident.id if incident is not None and incident.recorded else None
        if incident is not None and not incident.recorded:
            young = agent_clock.now() - incident.at < RECORDING_SECONDS
            when = "Nothing is recorded of it yet." if young else "No recording was kept of the minutes around it."
            self._says.show_text(when)
        self._recording.setVisible(incident is not None and (incident.recorded or incident.kind in _RECORDED))
        if wanted == self._recorded:
            return
        if self._asked is not None:
            self._asked.cancel()
            self._asked = None
        self._recorded = wanted
        for chart in self.charts.values():
            chart.hide()
        if wanted is None:
            return
        self._says.show_text("Loading the recording …")
        self._asked = self._context.ask(
            "recording", lambda desk: desk.events.recording(wanted), self._heard, self._failed
        )

    def _failed(self, error: DeskError) -> None:
        self._recorded = None
        self._says.show_text(f"The recording can't be shown: {error.message} {error.hint or ''}".strip())

    def _heard(self, curves: Curves) -> None:
        length = curves.buckets * curves.step_seconds
        shown = 0
        for title, metrics, unit, step in _CHARTS:
            lines = self._lines(curves, metrics)
            if not lines:
                continue
            shown += 1
            chart = self._chart(title, unit, step)
            chart.show_lines(lines, length)
            chart.show()
        align([chart for chart in self.charts.values() if not chart.isHidden()])
        if not shown:
            self._says.show_text("The recording holds no values.")
            return
        start, end = numbers.day_and_clock(curves.start), numbers.clock(curves.start + length)
        at = numbers.clock(self._incident.at) if self._incident is not None else ""
        self._says.show_text(f"Recorded at full rate from {start} to {end}; it happened at {at}.")

    def _lines(self, curves: Curves, metrics: tuple[str, ...]) -> list[NamedCurve]:
        """Return the curves of the event's own device; of others, those that were highest, where it has none."""
        found: list[tuple[bool, float, str, list[Point]]] = []
        for metric in metrics:
            for curve in curves.curves:
                if curve.metric != metric or (metric.startswith(_OF_HOST) and curve.device != "host"):
                    continue
                points = points_of(curves, curve)
                most = max((value for _, value in points if value is not None), default=None)
                if most is not None:
                    own = self._incident is not None and curve.device.partition("/")[0] == self._incident.device
                    found.append((own, most, self._line_name(curve.device, metric, metrics), points))
        if any(own for own, *_ in found):
            found = [line for line in found if line[0]]
        else:
            found.sort(key=_highest, reverse=True)
        return [NamedCurve(name, points, slot) for slot, (_, _, name, points) in enumerate(found[:LINES_A_CHART])]

    def _line_name(self, device: str, metric: str, metrics: tuple[str, ...]) -> str:
        owner, _, process = device.partition("/")
        if process:
            return plain(process.replace("pid-", "pid "), 40)
        name = alerts.device_title(owner, self._context.store.status)
        own = self._incident is not None and owner == self._incident.device
        part = metric.rsplit(".", 1)[-1] if len(metrics) > 1 else ""
        part = _PARTS.get(part, part)
        return " ".join(filter(None, ("" if own else name, part)))

    def _chart(self, title: str, unit: numbers.Written, step: float) -> Chart:
        chart = self.charts.get(title)
        if chart is None:
            chart = self.charts[title] = Chart(title, unit, step=step, top=1.0 if unit is numbers.percent else None)
            chart.setFixedHeight(theme.CHART_HEIGHT)
            chart.follow(self._read)
            self._place.addWidget(chart)
        return chart

    def _read(self, moment: float | None) -> None:
        self._recording.heading.show_text("Recording" if moment is None else f"Recording, {numbers.clock(moment)}")
        for chart in self.charts.values():
            if chart.isVisible():
                chart.read_at(moment)


def _highest(line: tuple[bool, float, str, "list[Point]"]) -> float:
    return line[1]


def _facts(incident: Incident, device: str) -> list[Fact]:
    mark = alerts.incident_mark(incident)
    facts = [Fact("Level", mark.text, mark.token), Fact("Where", device), moment_fact("When", incident.at)]
    if incident.count > 1:
        facts.append(Fact("How often", f"{incident.count:,} times"))
    if incident.last_at is not None and incident.last_at != incident.at:
        facts.append(moment_fact("Last", incident.last_at))
    if incident.ended_at is not None:
        lasted = numbers.duration(incident.ended_at - incident.at)
        facts.append(Fact("Over", f"after {lasted}, {numbers.day_and_clock(incident.ended_at)}"))
    return [*facts, *_details(incident.details)]


def _details(details: Mapping[str, str]) -> list[Fact]:
    shown = [(plain(name, 40), text) for name, text in details.items() if name not in _FOR_PROGRAMS]
    return [Fact(_TITLES.get(name, name[:1].upper() + name[1:]), text) for name, text in shown]
