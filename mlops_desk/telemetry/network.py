"""Network interfaces: throughput and errors from /proc/net/dev, link speed from /sys.

Real interfaces only: the loopback and the many virtual ends that containers bring and take
(veth, bridges, taps) would drown them; they are those without a device of their own.
"""

from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base.text import plain
from mlops_desk.records.metric import Reading
from mlops_desk.records.status import Network
from mlops_desk.telemetry.metrics import NETWORK, measured
from mlops_desk.telemetry.rates import Counters, KernelFile, integers

_SLOW_SECONDS = 10.0
_MEGABIT_BYTES = 125_000


@dataclass(slots=True)
class _Interface:
    counters: Counters
    slow: dict[str, Reading]
    slow_due: float


class Networks:
    """Reads all real interfaces in one pass."""

    def __init__(self, proc: Path, sys: Path) -> None:
        self._dev = KernelFile(proc / "net" / "dev")
        self._class = sys / "class" / "net"
        self._interfaces: dict[str, _Interface] = {}

    def read(self, now: float) -> tuple[Network, ...]:
        """Read every interface once; ``now`` is monotonic."""
        stats = interface_counters(self._dev.read())
        self._interfaces = {name: known for name, known in self._interfaces.items() if name in stats}
        return tuple(self._network(name, values, now) for name, values in sorted(stats.items()) if self._is_real(name))

    def _is_real(self, name: str) -> bool:
        return name in self._interfaces or (self._class / name / "device").exists()

    def _network(self, name: str, counters: dict[str, float], now: float) -> Network:
        known = self._interfaces.get(name)
        if known is None:
            known = self._interfaces[name] = _Interface(Counters(), {}, 0.0)
        if now >= known.slow_due:
            known.slow, known.slow_due = _speed(self._class / name), now + _SLOW_SECONDS
        step = known.counters.advance(now, counters)
        return Network(plain(name), {**known.slow, **(rates(*step) if step else {})})


def interface_counters(dev: str) -> dict[str, dict[str, float]]:
    """Return each interface's counters from /proc/net/dev; errors and drops are one."""
    found = {}
    for line in dev.splitlines()[2:]:
        name, _, rest = line.rpartition(":")
        try:
            n = [float(number) for number in integers(rest)]
        except ValueError:
            continue
        if len(n) >= 16:
            found[name.strip()] = {
                "receive": n[0],
                "receive.errors": n[2] + n[3],
                "transmit": n[8],
                "transmit.errors": n[10] + n[11],
            }
    return found


def rates(seconds: float, grown: dict[str, float]) -> dict[str, Reading]:
    """Turn what the counters grew in ``seconds`` into readings."""
    return {
        f"system.network.{name}": measured(NETWORK, f"system.network.{name}", amount / seconds)
        for name, amount in grown.items()
    }


def _speed(folder: Path) -> dict[str, Reading]:
    """Return the link's speed; the kernel says -1 or fails when there is none to tell."""
    try:
        megabits = int((folder / "speed").read_text(encoding="ascii", errors="replace"))
    except (OSError, ValueError):
        return {}
    name = "hw.network.bandwidth.limit"
    return {name: measured(NETWORK, name, megabits * _MEGABIT_BYTES)} if megabits > 0 else {}
