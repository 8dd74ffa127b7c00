"""Disks, filesystems and network interfaces in words: the columns of their tables, and the facts of the chosen one."""

import re

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.widgets.facts import Fact
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.disks import Metrics, ratio, space
from mlops_desk.kit.window.words.numbers import Mark, value_of
from mlops_desk.machine.records.host import Disk, Filesystem, Network
from mlops_desk.machine.records.metric import MetricState

WORN = 0.9  # as the alert on it
_OK = Mark("ok", numbers.OK, "ok")
_NO_PERMISSION = Mark("unknown", numbers.UNKNOWN, "needs permission")
_NOT_TOLD = Mark("muted", numbers.IDLE, "not reported")
_WARNINGS = (
    (1, "little spare left"), (2, "too hot"), (4, "unreliable"), (8, "read only now"), (16, "memory backup failed"),
)  # fmt: skip
_LINKS = {
    "up": Mark("ok", numbers.OK, "up"),
    "down": Mark("muted", numbers.IDLE, "down"),
    "unknown": Mark("unknown", numbers.UNKNOWN, "unknown"),
}


def per_second(value: float | None) -> str:
    """Return how often something happens a second: ``12,300/s``."""
    return numbers.NOTHING if value is None else f"{numbers.number(value)}/s"


def one_decimal(value: float | None) -> str:
    return numbers.NOTHING if value is None else f"{value:.1f}"


def _cell(metrics: Metrics, name: str, written: numbers.Written, token: str | None = None) -> Cell:
    reading = metrics.get(name)
    value = value_of(reading)
    tip = numbers.why_missing(reading) if value is None else ""
    return Cell(written(value), -1.0 if value is None else value, token, tip)


# Disks.


def disk_mark(disk: Disk) -> Mark:
    """Return a drive's health: what it warns of, that it is worn, or why nothing is known."""
    metrics = disk.metrics
    warning = value_of(metrics.get("hw.disk.critical_warning"))
    if warning:
        told = [text for bit, text in _WARNINGS if int(warning) & bit]
        return Mark("alert", numbers.ALERT, told[0] if told else "warns")
    spare, least = value_of(metrics.get("hw.disk.spare")), value_of(metrics.get("hw.disk.spare.threshold"))
    if spare is not None and least is not None and spare <= least:
        return Mark("alert", numbers.ALERT, "little spare left")
    wear, errors = value_of(metrics.get("hw.disk.wear")), value_of(metrics.get("hw.disk.media_errors"))
    if wear is not None and wear >= WORN:
        return Mark("warning", numbers.WARNING, "worn")
    if errors:
        return Mark("warning", numbers.WARNING, numbers.count(int(errors), "media error"))
    if wear is not None or warning is not None:
        return _OK
    states = {metrics[name].state for name in ("hw.disk.wear", "hw.disk.critical_warning") if name in metrics}
    return _NO_PERMISSION if MetricState.NO_PERMISSION in states else _NOT_TOLD


def _health_cell(disk: Disk) -> Cell:
    mark = disk_mark(disk)
    return Cell(mark.text, mark.word, mark.token, disk.note or "")


def _wear_cell(disk: Disk) -> Cell:
    reading = disk.metrics.get("hw.disk.wear")
    wear = value_of(reading)
    token = "warning" if wear is not None and wear >= WORN else None
    return Cell(numbers.percent(wear), -1.0 if wear is None else wear, token, disk.note or numbers.why_missing(reading))


def disk_facts(disk: Disk) -> list[Fact]:
    """Return what is known of a drive besides its numbers a second."""
    metrics, mark = disk.metrics, disk_mark(disk)
    heat, limit = (value_of(metrics.get(name)) for name in ("hw.temperature", "hw.temperature.limit"))
    of = f", critical {numbers.celsius(limit)}" if limit is not None else ""
    facts = [
        Fact("Health", mark.text, mark.token),
        *([Fact("What next", disk.note)] if disk.note else []),
        Fact("Model", disk.model or numbers.NOTHING),
        Fact("Size", numbers.size(value_of(metrics.get("system.disk.limit")))),
        Fact("Temperature", (numbers.celsius(heat) if heat is not None else "not reported") + of),
    ]
    for title, name, written in _DISK_LIFE:
        reading = metrics.get(name)
        if reading is not None and reading.value is not None:
            facts.append(Fact(title, written(reading.value)))
    node = [Fact("NUMA node", str(disk.numa_node))] if disk.numa_node is not None else []
    return [*facts, *node, *(_kernel_fact(title, text) for title, text in disk.facts.items())]


def _kernel_fact(title: str, text: str) -> Fact:
    """Return a fact; of a list in which the kernel brackets the one in use, that one."""
    chosen = _IN_USE.search(text)
    return Fact(plain(title, 40), chosen[1] if chosen else text, tip=text if chosen else "")


_IN_USE = re.compile(r"\[([\w-]+)\]")
_DISK_LIFE: tuple[tuple[str, str, numbers.Written], ...] = (
    ("Used of its life", "hw.disk.wear", numbers.percent), ("Spare blocks", "hw.disk.spare", numbers.percent),
    ("Media errors", "hw.disk.media_errors", numbers.number), ("Switched on", "hw.disk.power_on", numbers.duration),
    ("Power losses", "hw.disk.unsafe_shutdowns", numbers.number),
    ("Read in its life", "hw.disk.data.read", numbers.size),
    ("Written in its life", "hw.disk.data.written", numbers.size),
)  # fmt: skip

DISK_COLUMNS: tuple[Column[Disk], ...] = (
    Column("disk", "Disk", lambda d: Cell(plain(d.name, 60), tip=d.model or d.name), stretch=True, whole=True),
    Column("health", "Health", _health_cell),
    Column("read", "Read", lambda disk: _cell(disk.metrics, "system.disk.read", numbers.byte_rate), right=True),
    Column("write", "Write", lambda disk: _cell(disk.metrics, "system.disk.write", numbers.byte_rate), right=True),
    Column("reads", "Reads", lambda d: _cell(d.metrics, "system.disk.read.operations", per_second), right=True),
    Column("writes", "Writes", lambda d: _cell(d.metrics, "system.disk.write.operations", per_second), right=True),
    Column("wait", "Read takes", lambda d: _cell(d.metrics, "system.disk.read.latency", numbers.seconds), right=True),
    Column(
        "waits", "Write takes", lambda d: _cell(d.metrics, "system.disk.write.latency", numbers.seconds), right=True
    ),
    Column("queue", "Queue", lambda disk: _cell(disk.metrics, "system.disk.queue", one_decimal), right=True),
    Column("inflight", "In flight", lambda d: _cell(d.metrics, "system.disk.inflight", numbers.number), right=True,
           hidden=True),
    Column("busy", "Busy", lambda disk: _cell(disk.metrics, "system.disk.busy", numbers.percent), right=True),
    Column("heat", "Temp.", lambda disk: _cell(disk.metrics, "hw.temperature", numbers.celsius), right=True),
    Column("wear", "Wear", _wear_cell, right=True),
    Column("spare", "Spare", lambda d: _cell(d.metrics, "hw.disk.spare", numbers.percent), right=True, hidden=True),
    Column("errors", "Media errors", lambda d: _cell(d.metrics, "hw.disk.media_errors", numbers.number), right=True,
           hidden=True),
    Column(
        "model", "Model", lambda disk: Cell(plain(disk.model or numbers.NOTHING), tip=disk.model or ""), hidden=True
    ),
)  # fmt: skip


# Filesystems.


def filesystem_mark(filesystem: Filesystem) -> Mark:
    """Return whether a filesystem answers, and whether it is nearly full."""
    if filesystem.note:
        return Mark("alert", numbers.ALERT, "does not answer")
    shares = [share for share in (space(filesystem), _inodes(filesystem)) if share is not None]
    if not shares:
        return Mark("unknown", numbers.UNKNOWN, "not measured")
    if max(shares) >= numbers.FULL:
        return Mark("alert", numbers.ALERT, "nearly full")
    if max(shares) >= numbers.HIGH:
        return Mark("warning", numbers.WARNING, "filling up")
    return _OK


def _inodes(filesystem: Filesystem) -> float | None:
    return ratio(filesystem.metrics, "system.filesystem.inodes.usage", "system.filesystem.inodes.limit")


def _space_cell(filesystem: Filesystem) -> Cell:
    used, limit = (value_of(filesystem.metrics.get(f"system.filesystem.{name}")) for name in ("usage", "limit"))
    share = space(filesystem)
    tone = None if share is None else numbers.tone_of(share)
    return Cell(
        numbers.size_of(used, limit), -1.0 if share is None else share, None if tone == "accent" else tone, bar=share
    )


def _state_cell(filesystem: Filesystem) -> Cell:
    mark = filesystem_mark(filesystem)
    return Cell(mark.text, mark.word, mark.token, filesystem.note or "")


def _inodes_cell(filesystem: Filesystem) -> Cell:
    share = _inodes(filesystem)
    return Cell(numbers.percent(share), -1.0 if share is None else share)


def filesystem_facts(filesystem: Filesystem) -> list[Fact]:
    """Return what is known of a filesystem."""
    mark, metrics = filesystem_mark(filesystem), filesystem.metrics
    used, most = (value_of(metrics.get(f"system.filesystem.inodes.{name}")) for name in ("usage", "limit"))
    return [
        Fact("State", mark.text, mark.token),
        *([Fact("What it says", filesystem.note, "warning")] if filesystem.note else []),
        Fact("Mounted at", filesystem.mount, fixed=True),
        Fact("Device", filesystem.device, fixed=True),
        Fact("Kind", filesystem.kind),
        Fact("Space used", _space_cell(filesystem).text + f" ({numbers.percent(space(filesystem))})"),
        Fact("Left to users", numbers.size(value_of(metrics.get("system.filesystem.available")))),
        Fact("Files", f"{numbers.number(used)} of {numbers.number(most)}"),
        Fact("Answers within", numbers.seconds(value_of(metrics.get("system.filesystem.latency")))),
    ]


FILESYSTEM_COLUMNS: tuple[Column[Filesystem], ...] = (
    Column("mount", "Mounted at", lambda fs: Cell(plain(fs.mount), tip=fs.mount), stretch=True, whole=True),
    Column("state", "State", _state_cell),
    Column("space", "Space", _space_cell, right=True),
    Column("left", "Left", lambda fs: _cell(fs.metrics, "system.filesystem.available", numbers.size), right=True),
    Column("inodes", "Files", _inodes_cell, right=True),
    Column("kind", "Kind", lambda fs: Cell(plain(fs.kind, 40))),
    Column("device", "Device", lambda fs: Cell(plain(fs.device), tip=fs.device)),
)


# Networks.


def network_mark(network: Network) -> Mark:
    """Return an interface's link, or that it loses packets while it is up."""
    mark = _LINKS.get(network.link, _LINKS["unknown"])
    lost = sum(value_of(network.metrics.get(f"system.network.{way}.errors")) or 0.0 for way in ("receive", "transmit"))
    return Mark("warning", numbers.WARNING, "up, with errors") if network.link == "up" and lost > 0 else mark


def _link_cell(network: Network) -> Cell:
    mark = network_mark(network)
    return Cell(mark.text, mark.word, mark.token)


def _share_cell(network: Network) -> Cell:
    share = value_of(network.metrics.get("hw.network.bandwidth.utilization"))
    return Cell(numbers.percent(share), -1.0 if share is None else share, bar=share)


def network_facts(network: Network) -> list[Fact]:
    """Return what is known of an interface, RDMA counters included where there are any."""
    mark, metrics = network_mark(network), network.metrics
    facts = [
        Fact("Link", mark.text, mark.token),
        Fact("Kind", network.kind),
        Fact("Speed", numbers.bit_rate(value_of(metrics.get("hw.network.bandwidth.limit")))),
    ]
    for title, name, written in _NETWORK_MORE:
        reading = metrics.get(name)
        if reading is not None and reading.value is not None:
            facts.append(Fact(title, written(reading.value)))
    node = [Fact("NUMA node", str(network.numa_node))] if network.numa_node is not None else []
    return [*facts, *node, *(Fact(plain(title, 40), text) for title, text in network.facts.items())]


_NETWORK_MORE: tuple[tuple[str, str, numbers.Written], ...] = (
    ("Received", "system.network.receive.packets", lambda value: f"{numbers.number(value)} packets/s"),
    ("Sent", "system.network.transmit.packets", lambda value: f"{numbers.number(value)} packets/s"),
    ("Dropped in", "system.network.receive.drops", per_second),
    ("Dropped out", "system.network.transmit.drops", per_second),
    ("Waits for credit", "system.network.transmit.wait", lambda value: f"{numbers.number(value)} ticks/s"),
    ("Link errors", "hw.network.link.errors", per_second), ("Link went down", "hw.network.link.downs", numbers.number),
)  # fmt: skip

NETWORK_COLUMNS: tuple[Column[Network], ...] = (
    Column("network", "Interface", lambda network: Cell(plain(network.name, 60)), stretch=True, whole=True),
    Column("link", "Link", _link_cell),
    Column("kind", "Kind", lambda network: Cell(plain(network.kind, 40))),
    Column("speed", "Speed", lambda n: _cell(n.metrics, "hw.network.bandwidth.limit", numbers.bit_rate), right=True),
    Column("in", "Received", lambda n: _cell(n.metrics, "system.network.receive", numbers.bit_rate), right=True),
    Column("out", "Sent", lambda n: _cell(n.metrics, "system.network.transmit", numbers.bit_rate), right=True),
    Column("share", "Of its speed", _share_cell, right=True),
    Column("bad_in", "Errors in", lambda n: _cell(n.metrics, "system.network.receive.errors", per_second), right=True),
    Column("bad_out", "Errors out", lambda n: _cell(n.metrics, "system.network.transmit.errors", per_second),
           right=True),
    Column("lost_in", "Drops in", lambda n: _cell(n.metrics, "system.network.receive.drops", per_second), right=True,
           hidden=True),
    Column("lost_out", "Drops out", lambda n: _cell(n.metrics, "system.network.transmit.drops", per_second), right=True,
           hidden=True),
)  # fmt: skip
