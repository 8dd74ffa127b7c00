"""The tiles of the overview: one for each GPU, one for each thing of the host. Painted in one go."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.sparkline import paint_baseline, paint_curve
from mlops_desk.kit.window.curves.points import Point
from mlops_desk.kit.window.live.store import AgentConnection, Store
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import set_tip
from mlops_desk.kit.window.widgets.card import CardButton
from mlops_desk.kit.window.words import gpus, numbers
from mlops_desk.kit.window.words.numbers import Mark, value_of
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.hidden_memory import finding
from mlops_desk.machine.records.host import Disk, Filesystem, Host, Network
from mlops_desk.machine.records.status import Diagnosis, Status

WINDOW_SECONDS = 60.0  # chosen: the newest minute
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True, slots=True)
class TileCurve:
    """A curve of a tile: its points, what stands at the top of the scale, and its colour slot."""

    points: Sequence[Point]
    top: float
    slot: int


@dataclass(frozen=True, slots=True)
class TileView:
    """All that a tile shows, ready to paint."""

    title: str
    number: str
    unit: str
    aside: str = ""
    lead: str = ""
    mark: Mark | None = None
    note: str = ""
    meter: float | None = None
    curves: tuple[TileCurve, ...] = ()
    lines: tuple[str, ...] = ()
    foot: str = ""
    tip: str = ""
    dim: bool = False


class Tile(CardButton):
    """Shows a view; paints nothing when the view is the same."""

    def __init__(self, height: int) -> None:
        super().__init__()
        self._view = TileView("", "", "")
        self.setFixedHeight(height)

    def show_view(self, view: TileView) -> None:
        if view == self._view:
            return
        self._view = view
        state = f", {view.mark.word}" if view.mark else ""
        numbers = f"{view.number} {view.unit} {view.aside}".strip()
        self.setAccessibleName(f"{view.lead} {view.title}{state}: {numbers}. {view.foot}".strip())
        self.setAccessibleDescription(", ".join(view.lines))
        set_tip(self, view.tip)
        self.update()

    @property
    def view(self) -> TileView:
        return self._view

    def sizeHint(self) -> QSize:
        return QSize(theme.TILE_MINIMUM_WIDTH, self.height())

    def paint(self, painter: QPainter, area: QRectF) -> None:
        view = self._view
        row = self._paint_head(painter, area, view)
        row = self._paint_number(painter, area, row, view)
        foot = 0.0
        if view.foot:
            foot = self._paint_foot(painter, area, view)
        self._paint_curves(painter, QRectF(area.left(), row, area.width(), area.bottom() - foot - row), view)

    def _paint_head(self, painter: QPainter, area: QRectF, view: TileView) -> float:
        painter.setFont(theme.font(theme.CAPTION_POINTS, bold=True))
        metrics = painter.fontMetrics()
        line = QRectF(area.left(), area.top(), area.width(), metrics.height())
        taken = 0.0
        if view.mark:
            painter.setPen(theme.colour(view.mark.token))
            painter.drawText(line, int(_RIGHT), view.mark.text)
            taken = metrics.horizontalAdvance(view.mark.text) + theme.SPACE_8
        elif view.note:
            painter.setFont(theme.font(theme.CAPTION_POINTS))
            painter.setPen(theme.colour("muted"))
            painter.drawText(line, int(_RIGHT), view.note)
            taken = metrics.horizontalAdvance(view.note) + theme.SPACE_8
        if view.lead:
            painter.setPen(theme.colour("text"))
            painter.drawText(line, int(_LEFT), view.lead)
            line = line.adjusted(metrics.horizontalAdvance(view.lead) + theme.SPACE_4, 0, 0, 0)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        painter.setPen(theme.colour("muted"))
        _draw(painter, line.adjusted(0, 0, -taken, 0), view.title)
        return line.bottom() + theme.SPACE_4

    def _paint_number(self, painter: QPainter, area: QRectF, top: float, view: TileView) -> float:
        painter.setFont(theme.font(theme.NUMBER_POINTS))
        metrics = painter.fontMetrics()
        line = QRectF(area.left(), top, area.width(), metrics.height())
        painter.setPen(theme.colour("muted" if view.dim else "text"))
        painter.drawText(line, int(_LEFT), view.number)
        wide = metrics.horizontalAdvance(view.number)
        painter.setFont(theme.font())
        painter.setPen(theme.colour("muted"))
        small = painter.fontMetrics()
        drop = (metrics.ascent() - small.ascent()) / 2 - 1
        unit = line.adjusted(wide + 3, drop, 0, drop)
        painter.drawText(unit, int(_LEFT), view.unit)
        room = unit.adjusted(small.horizontalAdvance(view.unit) + theme.SPACE_8, 0, 0, 0)
        painter.setPen(theme.colour("muted" if view.dim else "text"))
        if small.horizontalAdvance(view.aside) > room.width():
            painter.setFont(theme.font(theme.CAPTION_POINTS))
        _draw(painter, room, view.aside, right=True)
        if view.meter is not None:
            self._paint_meter(painter, QRectF(area.left(), line.bottom(), area.width(), theme.METER_HEIGHT), view)
            return line.bottom() + theme.METER_HEIGHT + theme.SPACE_8
        return line.bottom() + theme.SPACE_4

    def _paint_meter(self, painter: QPainter, bar: QRectF, view: TileView) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.faded(theme.colour("text"), 0.10))
        painter.drawRoundedRect(bar, 2, 2)
        share = min(max(view.meter or 0.0, 0.0), 1.0)
        if share > 0:
            painter.setBrush(self._tint(view))
            painter.drawRoundedRect(QRectF(bar.left(), bar.top(), max(bar.width() * share, 3.0), bar.height()), 2, 2)

    def _paint_curves(self, painter: QPainter, area: QRectF, view: TileView) -> None:
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        metrics = painter.fontMetrics()
        words = max((metrics.horizontalAdvance(line) for line in view.lines), default=0)
        chart = area.adjusted(0, 0, -(words + theme.SPACE_8) if words else 0, -1)
        if chart.height() > theme.SPACE_8 and chart.width() > theme.SPACE_24:
            paint_baseline(painter, chart)
            for curve in view.curves:
                tint = theme.colour("muted") if view.dim else theme.series(curve.slot)
                paint_curve(
                    painter, chart, curve.points, WINDOW_SECONDS, curve.top, tint, filled=curve == view.curves[0]
                )
        painter.setPen(theme.colour("muted" if view.dim else "text"))
        for number, line in enumerate(reversed(view.lines)):
            bottom = area.bottom() - number * metrics.height()
            painter.drawText(
                QRectF(area.left(), bottom - metrics.height(), area.width(), metrics.height()), int(_RIGHT), line
            )

    def _paint_foot(self, painter: QPainter, area: QRectF, view: TileView) -> float:
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        height = painter.fontMetrics().height()
        painter.setPen(theme.colour("muted"))
        _draw(painter, QRectF(area.left(), area.bottom() - height + 2, area.width(), height), view.foot)
        return height + theme.SPACE_4

    def _tint(self, view: TileView) -> QColor:
        if view.dim or not view.curves:
            return theme.colour("muted")
        return theme.series(view.curves[0].slot)


def _draw(painter: QPainter, area: QRectF, text: str, *, right: bool = False) -> None:
    shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(area.width()))
    painter.drawText(area, int(_RIGHT if right else _LEFT), shown)


# From records to what a tile shows: words and curves, prepared; the tile only paints.

QUIET = 0.005  # chosen: half a per cent of waiting is nobody's trouble
SILENT_TILES = 4  # chosen: a server that is down takes all its mounts along


def gpu_view(
    store: Store,
    gpu: Gpu,
    slot: int,
    stale: AgentConnection | None,
    verdict: Diagnosis | None = None,
    expected: str = "",
) -> TileView:
    """Return what the tile of a GPU shows; ``stale`` when it isn't true now, ``verdict`` why it is not busier.

    ``expected`` says who gets it next: on a GPU that is free in the place of nobody.
    """
    mark = gpus.judged_mark(gpu, verdict)
    foot = gpus.who(gpu)
    metrics = gpu.metrics
    used = value_of(metrics.get("hw.gpu.memory.usage"))
    limit = value_of(metrics.get("hw.gpu.memory.limit"))
    busy = metrics.get("hw.gpu.utilization")
    ratio = value_of(busy)
    curve = TileCurve(tuple(store.curve(gpu.uuid, "hw.gpu.utilization", WINDOW_SECONDS)), 1.0, slot)
    return TileView(
        lead=str(gpu.index),
        title=gpus.short_name(gpu.name),
        number=numbers.NOTHING if ratio is None else f"{ratio * 100:.0f}",
        unit=numbers.why_missing(busy) if ratio is None else "%",
        aside=numbers.size_of(used, limit),
        mark=mark if stale is None else stale_mark(stale),
        meter=used / limit if used is not None and limit else None,
        curves=(curve,),
        lines=(
            numbers.celsius(value_of(metrics.get("hw.temperature"))),
            numbers.watts(value_of(metrics.get("hw.power"))),
        ),
        foot=expected if expected and gpus.gpu_mark(gpu).word == "free" else foot,
        tip="\n".join(part for part in (expected, _gpu_tip(gpu, verdict)) if part),
        dim=stale is not None or gpu.state is not GpuState.OK,
    )


def stale_mark(connection: AgentConnection) -> Mark:
    since = connection.stale_since or connection.since
    return Mark("warning", numbers.UNKNOWN, f"stale since {numbers.clock(since)}")


def _gpu_tip(gpu: Gpu, verdict: Diagnosis | None) -> str:
    reasons = ", ".join(gpu.throttle_reasons) or "none"
    told = [verdict.title, verdict.text, *(piece.text for piece in verdict.evidence)] if verdict else []
    parts = [*told, gpu.name, gpu.uuid, f"PCI {gpu.pci_bus_id or numbers.NOTHING}", f"Slowed by: {reasons}"]
    parts += [
        f"pid {process.pid} {gpus.process_holder(process)} {(process.command or '')[:60]} "
        f"{numbers.size(process.gpu_memory_bytes)}"
        for process in gpu.processes[:6]
    ]
    if gpus.is_held_by_nobody(gpu):
        parts.append(finding(gpu))
    trouble = plain(gpu.lease.trouble or "", 400) if gpu.lease is not None else ""
    return "\n".join([*parts, trouble, gpu.note or ""]).strip()


def host_views(store: Store, status: Status) -> dict[str, TileView]:
    """Return the tiles of the host: mounts that do not answer before all, processors, memory, disks, networks."""
    dim = not store.is_true_now
    silent = [mounted for mounted in status.filesystems if is_silent(mounted)]
    views = {f"filesystem {mounted.mount}": _silent(mounted) for mounted in silent[:SILENT_TILES]}
    views |= {
        "cpu": _cpu(store, status.host, dim),
        "memory": _memory(store, status.host, dim),
        "pressure": _pressure(store, status.host, dim),
    }
    views |= {f"disk {disk.name}": _disk(store, disk, dim) for disk in status.disks}
    views |= {f"network {network.name}": _network(store, network, dim) for network in status.networks}
    return views


def is_silent(filesystem: Filesystem) -> bool:
    """Tell whether a mount does not answer, which holds up every program that touches it."""
    return filesystem.silent_since is not None


def _silent(filesystem: Filesystem) -> TileView:
    since = filesystem.silent_since
    return TileView(
        title=plain(filesystem.mount, 40),
        number=numbers.NOTHING,
        unit="not responding",
        mark=Mark("alert", numbers.ALERT, "silent"),
        foot="" if since is None else f"since {numbers.clock(since)}",
        tip=f"{plain(filesystem.mount)} ({plain(filesystem.kind)} of {plain(filesystem.device)})\n"
        f"{plain(filesystem.note or '')}\nPrograms that touch it wait until it answers.",
        dim=True,
    )


def _cpu(store: Store, host: Host, dim: bool) -> TileView:
    ratio = value_of(host.metrics.get("system.cpu.utilization"))
    return TileView(
        title="CPU",
        number=numbers.NOTHING if ratio is None else f"{ratio * 100:.0f}",
        unit="%",
        aside=f"load {numbers.number(value_of(host.metrics.get('system.cpu.load_average.1m')))}",
        curves=(TileCurve(tuple(store.curve("host", "system.cpu.utilization", WINDOW_SECONDS)), 1.0, 0),),
        tip=f"Processors: {numbers.number(value_of(host.metrics.get('system.cpu.logical.count')))}",
        dim=dim,
    )


_RESOURCES = {"cpu": "CPU", "io": "disk"}


def _pressure(store: Store, host: Host, dim: bool) -> TileView:
    """Show how long tasks waited for a resource: the sign of a shortage before anything is full."""
    names = ("cpu", "io", "memory")
    values = {name: value_of(host.metrics.get(f"system.pressure.{name}.some")) for name in names}
    known = {name: value for name, value in values.items() if value is not None}
    worst = max(known, key=lambda name: known[name], default=None)
    lines = [f"waited for {_RESOURCES.get(name, name)}: {numbers.percent(values[name], 1)}" for name in names]
    return TileView(
        title="Pressure",
        number=numbers.NOTHING if worst is None else f"{known[worst] * 100:.0f}",
        unit="%",
        aside="" if worst is None or known[worst] < QUIET else f"waits for {_RESOURCES.get(worst, worst)}",
        curves=tuple(
            TileCurve(tuple(store.curve("host", f"system.pressure.{name}.some", WINDOW_SECONDS)), 1.0, slot)
            for slot, name in enumerate(names, 3)
        ),
        tip="Share of time in which at least one task\n" + "\n".join(lines),
        dim=dim,
    )


def _memory(store: Store, host: Host, dim: bool) -> TileView:
    used = value_of(host.metrics.get("system.memory.usage"))
    limit = value_of(host.metrics.get("system.memory.limit"))
    swap = value_of(host.metrics.get("system.paging.usage"))
    number, whole = numbers.size_of_parts(used, limit)
    return TileView(
        title="Memory",
        number=number,
        unit=f"/ {whole}" if whole else "",
        note=f"swap {numbers.size(swap)}" if swap else "",
        curves=(TileCurve(tuple(store.curve("host", "system.memory.usage", WINDOW_SECONDS)), limit or 0.0, 1),),
        tip=f"Waiting for memory: {numbers.percent(value_of(host.metrics.get('system.pressure.memory.some')), 1)}",
        dim=dim,
    )


def _disk(store: Store, disk: Disk, dim: bool) -> TileView:
    reads = value_of(disk.metrics.get("system.disk.read"))
    writes = value_of(disk.metrics.get("system.disk.write"))
    slow = [value_of(disk.metrics.get(f"system.disk.{way}.latency")) for way in ("read", "write")]
    latency = max((value for value in slow if value is not None), default=None)
    both = None if reads is None and writes is None else (reads or 0.0) + (writes or 0.0)
    number, unit = numbers.byte_rate_parts(both)
    curves = _pair(store, disk.name, "system.disk.read", "system.disk.write", 2)
    return TileView(
        title=plain(disk.name, 40),
        number=number,
        unit=unit,
        note=numbers.seconds(latency) if latency is not None else "idle",
        curves=curves,
        tip=f"{disk.model or disk.name}\nread {numbers.byte_rate(reads)}, write {numbers.byte_rate(writes)}, "
        f"latency {numbers.seconds(latency)}, {numbers.celsius(value_of(disk.metrics.get('hw.temperature')))}",
        dim=dim,
    )


def _network(store: Store, network: Network, dim: bool) -> TileView:
    down = value_of(network.metrics.get("system.network.receive"))
    up = value_of(network.metrics.get("system.network.transmit"))
    number, unit = numbers.bit_rate_parts(down)
    return TileView(
        title=plain(network.name, 40),
        number=f"↓{number}",
        unit=unit,
        note="link down" if network.link == "down" else f"↑{numbers.bit_rate(up)}",
        curves=_pair(store, network.name, "system.network.receive", "system.network.transmit", 5),
        tip=f"received {numbers.bit_rate(down)}, sent {numbers.bit_rate(up)}",
        dim=dim,
    )


def _pair(store: Store, device: str, first: str, second: str, slot: int) -> tuple[TileCurve, ...]:
    one = tuple(store.curve(device, first, WINDOW_SECONDS))
    two = tuple(store.curve(device, second, WINDOW_SECONDS))
    top = max((value for _, value in (*one, *two) if value is not None), default=0.0) or 1.0
    return (TileCurve(one, top * 1.1, slot), TileCurve(two, top * 1.1, slot + 1))
