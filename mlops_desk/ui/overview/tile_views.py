"""From records to what a tile shows: words and curves, prepared; the tile only paints."""

from mlops_desk.base.text import plain
from mlops_desk.records.diagnosis import Diagnosis
from mlops_desk.records.gpu import Gpu, GpuState
from mlops_desk.records.holding import finding
from mlops_desk.records.host import Disk, Filesystem, Host, Network
from mlops_desk.records.status import Status
from mlops_desk.ui.live.store import AgentConnection, Store
from mlops_desk.ui.overview.tiles import WINDOW_SECONDS, TileCurve, TileView
from mlops_desk.ui.words import gpus, numbers
from mlops_desk.ui.words.numbers import Mark, value_of

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
