"""The simulated network: two Ethernet ports, one more without a cable, and one InfiniBand port."""

from mlops_desk.records.host import Network
from mlops_desk.telemetry.host.network import readings
from mlops_desk.telemetry.metrics.table import NETWORK, ReadingMaker
from mlops_desk.telemetry.simulated.noise import number, positive
from mlops_desk.telemetry.simulated.works import WorkRun

_SPEEDS = {"eth0": 12.5e9, "eth1": 12.5e9, "eth2": 1.25e9, "mlx5_0:1": 50e9}
_UNPLUGGED = "eth2"
_FABRIC = "mlx5_0:1"
_PACKET_BYTES = {"mlx5_0:1": 4096.0}


class Cards:
    """Makes the network interfaces."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._kept = {name: ReadingMaker(NETWORK) for name in _SPEEDS}

    def read(self, at: float, runs: list[WorkRun]) -> tuple[Network, ...]:
        """Return the interfaces at ``at``, when these runs go on."""
        phases = {run.work.name: run.phase(at).kind for run in runs}
        return tuple(self._card(name, at, phases) for name in _SPEEDS)

    def _traffic(self, name: str, at: float, phases: dict[str, str]) -> tuple[float, float]:
        noise = positive(self._seed, f"receive.{name}", at, 30.0), positive(self._seed, f"transmit.{name}", at, 25.0)
        if name == _UNPLUGGED:
            return 0.0, 0.0
        if name == _FABRIC:
            busy = 1.1e10 if phases.get("llama-70b") == "train" else 1e6
            return busy * (0.8 + 0.2 * noise[0]), busy * (0.8 + 0.2 * noise[1])
        reading = 1.4e9 if name == "eth1" and phases.get("sweep") == "train" else 6e7
        return reading * noise[0] + 2e5, 4e7 * noise[1] + 1e5

    def _card(self, name: str, at: float, phases: dict[str, str]) -> Network:
        receive, transmit = self._traffic(name, at, phases)
        packet = _PACKET_BYTES.get(name, 1400.0)
        up = name != _UNPLUGGED
        values = {
            "system.network.receive": receive,
            "system.network.transmit": transmit,
            "system.network.receive.packets": receive / packet,
            "system.network.transmit.packets": transmit / packet,
            "system.network.receive.errors": 0.0,
            "system.network.transmit.errors": 0.0,
            "system.network.receive.drops": 0.0,
            "system.network.transmit.drops": 0.0,
            "hw.network.up": float(up),
            "hw.network.link.downs": 1.0 if up else 0.0,
        }
        if up:
            values["hw.network.bandwidth.limit"] = _SPEEDS[name]
        if name == _FABRIC:
            values["system.network.transmit.wait"] = round(transmit / 2e6)
            values["hw.network.link.errors"] = 0.0
            del values["system.network.receive.drops"]
        kind = "infiniband" if name == _FABRIC else "ethernet"
        index = list(_SPEEDS).index(name)
        return Network(
            name, readings(self._kept[name], values), kind, "up" if up else "down", self._facts(name), index // 2
        )

    def _facts(self, name: str) -> dict[str, str]:
        if name == _FABRIC:
            return {
                "Card": "MT4129",
                "Firmware": "28.39.1002",
                "Driver": "mlx5_core",
                "Link layer": "InfiniBand",
                "Rate": "400 Gb/sec (4X NDR)",
                "Physical state": "LinkUp",
                "PCI address": "0000:5e:00.0",
            }
        tail = number(self._seed, name, 1 << 24)
        address = ":".join(f"{tail >> shift & 0xFF:02x}" for shift in (16, 8, 0))
        return {"Driver": "mlx5_core", "Address": f"0a:51:d0:{address}", "MTU": "9000", "PCI address": "0000:5f:00.0"}
