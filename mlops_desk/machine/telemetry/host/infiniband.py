"""InfiniBand and RoCE ports: traffic, errors and link from /sys/class/infiniband.

What these ports carry never passes /proc/net/dev. Data counters count 4-byte words; some old cards stop at 32 bits
and stay there, so a counter that stands at its end gives no rate. A port is named as its tools do: ``mlx5_0:1``.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.host import Network
from mlops_desk.machine.telemetry.host.counters import Counters, KernelFile
from mlops_desk.machine.telemetry.host.kernel_files import link_name, node_of, word
from mlops_desk.machine.telemetry.host.network import Link, rates, readings
from mlops_desk.machine.telemetry.metrics.host import NETWORK
from mlops_desk.machine.telemetry.metrics.table import ReadingMaker

_LOOK_SECONDS = 30.0  # chosen: ports come with a driver, seldom
_LINK_SECONDS = 2.0  # chosen: a cable that is pulled shows at once to a person
_WORD_BYTES = 4  # port_rcv_data and port_xmit_data count four bytes at a time
_GIGABIT_BYTES = 125_000_000
_FULL = (1 << 32) - 1  # the old counters of 32 bits stop there
_LIMIT = 32  # chosen: a machine with eight cards of two ports has half as many
_SUMS = {
    "receive": ("port_rcv_data",),
    "transmit": ("port_xmit_data",),
    "receive.packets": ("port_rcv_packets",),
    "transmit.packets": ("port_xmit_packets",),
    "receive.errors": ("port_rcv_errors", "port_rcv_remote_physical_errors"),
    "transmit.errors": ("port_xmit_discards",),
    "transmit.drops": ("port_xmit_discards",),
    "transmit.wait": ("port_xmit_wait",),
    "link.errors": ("symbol_error", "link_error_recovery", "local_link_integrity_errors"),
}
_RATE = re.compile(r"([0-9]{1,5}(?:\.[0-9])?) Gb/sec")


@dataclass(slots=True)
class _Port:
    folder: Path
    name: str
    kind: str
    facts: dict[str, str]
    numa_node: int | None
    files: dict[str, KernelFile]
    counters: Counters = field(default_factory=Counters)
    kept: ReadingMaker = field(default_factory=lambda: ReadingMaker(NETWORK))
    link: Link = field(default_factory=lambda: Link("unknown", {}))
    link_due: float = 0.0


class InfiniBand:
    """Reads all ports in one pass."""

    def __init__(self, sys: Path) -> None:
        self._class = sys / "class" / "infiniband"
        self._ports: dict[Path, _Port] = {}
        self._look_due = 0.0

    def read(self, now: float) -> tuple[Network, ...]:
        """Read every port once; ``now`` is monotonic."""
        if now >= self._look_due:
            self._look_due = now + _LOOK_SECONDS
            folders = sorted(self._class.glob("*/ports/*"))[:_LIMIT] if self._class.is_dir() else []
            self._ports = {folder: self._ports.get(folder) or _port(folder) for folder in folders}
        return tuple(self._network(port, now) for port in self._ports.values())

    def _network(self, port: _Port, now: float) -> Network:
        if now >= port.link_due:
            port.link, port.link_due = link_of(port.folder, port.files.get("link_downed")), now + _LINK_SECONDS
        step = port.counters.advance(now, counts({name: file.read() for name, file in port.files.items()}))
        values = dict(port.link.values)
        for name, value in (rates(step[0], sums(step[1])) if step else {}).items():
            values["hw.network.link.errors" if name.endswith("link.errors") else name] = value
        return Network(port.name, readings(port.kept, values), port.kind, port.link.state, port.facts, port.numa_node)


def counts(texts: dict[str, str]) -> dict[str, float]:
    """Return a port's counters as they stand; one that is absent or stands at its end is left out."""
    numbers = {name: text.strip() for name, text in texts.items()}
    found = {name: int(text) for name, text in numbers.items() if text.isascii() and text.isdecimal()}
    return {name: float(count) for name, count in found.items() if count != _FULL}


def sums(grown: dict[str, float]) -> dict[str, float]:
    """Add up what the counters of a metric grew, data in bytes; each is compared with its own past before."""
    found = {}
    for name, parts in _SUMS.items():
        known = [grown[part] for part in parts if part in grown]
        if known:
            found[name] = sum(known) * (_WORD_BYTES if name in ("receive", "transmit") else 1)
    return found


def link_of(folder: Path, downs: KernelFile | None) -> Link:
    """Return a port's state and speed; the kernel writes ``4: ACTIVE`` and ``400 Gb/sec (4X NDR)``."""
    state = (word(folder / "state") or "").rpartition(" ")[2]
    shown = {"ACTIVE": "up", "DOWN": "down", "INIT": "down", "ARMED": "down"}.get(state, "unknown")
    values = {} if shown == "unknown" else {"hw.network.up": float(shown == "up")}
    rate = _RATE.match(word(folder / "rate") or "")
    if rate:
        values["hw.network.bandwidth.limit"] = float(rate[1]) * _GIGABIT_BYTES
    text = downs.read().strip() if downs is not None else ""
    if text.isascii() and text.isdecimal():
        values["hw.network.link.downs"] = float(text)
    return Link(shown, values)


def _port(folder: Path) -> _Port:
    device = folder.parent.parent
    names = {part for parts in _SUMS.values() for part in parts} | {"link_downed"}
    counters = folder / "counters"
    layer = word(folder / "link_layer") or "InfiniBand"
    found = {
        "Board": word(device / "board_id"),
        "Card": word(device / "hca_type"),
        "Firmware": word(device / "fw_ver"),
        "Driver": link_name(device / "device" / "driver"),
        "Link layer": layer,
        "Rate": word(folder / "rate"),
        "Physical state": (word(folder / "phys_state") or "").rpartition(": ")[2],
        "PCI address": link_name(device / "device"),
    }
    return _Port(
        folder,
        plain(f"{device.name}:{folder.name}"),
        "infiniband" if layer == "InfiniBand" else "roce",
        {title: text for title, text in found.items() if text},
        node_of(device / "device"),
        {name: KernelFile(counters / name) for name in sorted(names) if (counters / name).exists()},
    )
