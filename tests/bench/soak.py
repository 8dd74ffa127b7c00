"""What grows over days: a restless workstation at high speed through ring, history, recorder, verdicts, events, alerts.

    python tests/bench/soak.py [HOURS] [--calm | --demo]

HOURS (default 24) of samples are made up, one a second on a clock that is only told, and go the way that the agent
sends them: GPUs are lost and come back, throttle and tell XIDs in storms; processes, mounts, cards and drives come and
go; counters grow; the clock jumps. ``--calm`` leaves all of that out; ``--demo`` takes the shipped simulated workstation,
a thousand curves wide, and has somebody look at every recording that was kept. Every six hours one line tells memory, objects,
files and rows; at the end, every container (dict, list, set, deque, queue, array) that is larger than after twelve hours is named.
Prints and asserts nothing; a day takes some minutes.
"""

import collections
import contextlib
import gc
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

CLOCK = [1_795_000_000.0, 1000.0]
REAL = time.monotonic
time.time, time.monotonic = lambda: CLOCK[0], lambda: CLOCK[1]

from sqlalchemy import text

from mlops_desk.kit.base.allocator import give_back_memory
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.loop import Lane, Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.records.agent import AgentCost, AgentInfo
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.alerts.service import AlertsService
from mlops_desk.machine.events.service import EventParts, EventsService
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState
from mlops_desk.machine.records.host import Core, Disk, Filesystem, Host, Network
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import Sample, Status
from mlops_desk.machine.telemetry.history import disk
from mlops_desk.machine.telemetry.service import DEMO_SEED, TelemetryService
from mlops_desk.machine.telemetry.simulation.gpus import SimulatedGpus
from mlops_desk.machine.telemetry.simulation.host import SimulatedHost

HOUR = 3600
MARK_SECONDS = 6 * HOUR
DEMO_MARK_SECONDS = HOUR // 4
_OFTEN = (
    "hw.gpu.utilization", "hw.gpu.utilization.memory", "hw.gpu.memory.usage", "hw.power", "hw.temperature",
    "hw.gpu.clock.sm", "hw.gpu.throttle.power_cap", "hw.gpu.throttle.power_brake", "hw.gpu.activity.sm",
    "hw.gpu.activity.tensor", "hw.gpu.io.transmit", "hw.gpu.io.receive",
)  # fmt: skip
_HOST = ("system.cpu.utilization", "system.memory.usage", "system.pressure.io.some", "system.paging.in")


class Workstation:
    """Makes samples; a restless one has something come, go or fail all the time."""

    def __init__(self, *, restless: bool) -> None:
        self._restless = restless
        self._chance = random.Random(3)
        self._readings: list[dict[str, Reading]] = [{name: Reading(0.5, "1") for name in _OFTEN} for _ in range(2)]
        self._processes: list[tuple[GpuProcess, ...]] = [(), ()]
        self._mounts: list[str] = []
        self._card, self._drive = "enx0", "sdb"

    def sample(self, second: int) -> Sample:
        if self._restless:
            self._change(second)
        chance, restless = self._chance.random, self._restless
        used = 0.99 if restless and second // 90 % 2 else 0.5
        return Sample(
            second,
            CLOCK[0],
            tuple(self._gpu(number, second) for number in range(2)),
            Host(
                "box",
                {name: Reading(round(0.9 * chance(), 2), "1") for name in _HOST},
                cores=tuple(Core(f"cpu{n}", {"system.cpu.utilization": Reading(chance(), "1")}) for n in range(4)),
            ),
            tuple(
                Disk(name, metrics={f"system.disk.{way}": Reading(chance(), "By/s") for way in self._ways()})
                for name in ("nvme0n1", self._drive)
            ),
            tuple(
                Network(name, {"hw.network.link.downs": Reading(float(restless * second // 300), "1")})
                for name in ("eth0", self._card)
            ),
            filesystems=tuple(
                Filesystem(point, "x", "nfs", {"system.filesystem.utilization": Reading(used, "1")})
                for point in ("/", "/home", *self._mounts)
            ),
            events=tuple(self._events(second)),
            driver_version="580",
        )

    def _ways(self) -> tuple[str, ...]:
        return ("read", "write") if self._chance.random() < 0.5 else ("read", "write", "read.latency")

    def _change(self, second: int) -> None:
        if second % 30 == 0:
            for number in range(2):
                pid = second + number
                process = GpuProcess(
                    pid, "ada", f"python train.py --run {pid}", 2 << 30, f"{pid:064x}", start_ticks=pid
                )
                self._processes[number] = (process,)
        if second % 60 == 0:
            self._mounts = [*self._mounts, f"/pods/{self._chance.getrandbits(64):x}"][-3:]
        if second % 600 == 0:
            self._card = f"enx{self._chance.getrandbits(48):012x}"
        if second % HOUR == 0:
            self._drive = f"sd{chr(98 + self._chance.randrange(24))}{self._chance.randrange(99)}"

    def _gpu(self, number: int, second: int) -> Gpu:
        metrics = dict(self._readings[number])
        metrics |= {name: Reading(round(self._chance.random(), 3), "1") for name in self._chance.sample(_OFTEN, 4)}
        slowed = self._restless and number == 0 and second // 25 % 2
        metrics["hw.gpu.throttle.thermal"] = Reading(0.4 if slowed else 0.0, "1")
        metrics["hw.errors.ecc.volatile.uncorrected"] = Reading(float(self._restless * second // (2 * HOUR)), "1")
        self._readings[number] = metrics
        if self._restless and number == 1 and second // 600 % 2:
            lost = {name: Reading(None, reading.unit, MetricState.LOST) for name, reading in metrics.items()}
            return Gpu("GPU-1", 1, "H100", "0000:01:00.0", GpuState.LOST, metrics=lost)
        return Gpu(
            f"GPU-{number}", number, "H100", f"0000:0{number}:00.0", GpuState.OK, metrics=metrics,
            processes=self._processes[number], processes_known=True,
        )  # fmt: skip

    def _events(self, second: int) -> Iterator[DeviceEvent]:
        if not self._restless:
            return
        if second % HOUR < 600:
            for _ in range(2):
                code = self._chance.choice([13, 31, 43, 79, 94, 500 + second % 50])
                yield DeviceEvent(CLOCK[0], "xid", f"GPU-{self._chance.randrange(2)}", code, None, "", 7)
        if second % 500 == 0:
            yield DeviceEvent(CLOCK[0], "oom", "host", pid=second, text=f"python (pid {second}) was killed")


class DemoWorkstation:
    """The workstation that ``--demo`` shows."""

    def __init__(self) -> None:
        self._gpus, self._host = (
            SimulatedGpus(DEMO_SEED, clock=lambda: CLOCK[0]),
            SimulatedHost(DEMO_SEED, lambda: CLOCK[0]),
        )

    def sample(self, second: int) -> Sample:
        gpu, machine = self._gpus.read(), self._host.read()
        return Sample(
            second, CLOCK[0], gpu.gpus, machine.host, machine.disks, machine.networks,
            filesystems=machine.filesystems, events=(*gpu.events, *machine.events), driver_version="580",
        )  # fmt: skip


class Agent:
    """The services that look at each sample, put together as the house does, without a collector."""

    def __init__(self, folder: Path) -> None:
        self.folder = DataFolder(folder)
        self.folder.make()
        self.bus, self.loop, self.settings = Bus(), Loop("soak"), SettingsStore(folder / "settings.json")
        self.state, self.newest = State(folder / "state.db"), Sample(0, 0.0, (), Host("box", {}))
        self.telemetry = TelemetryService(
            self.folder, self.bus, self.loop, self.settings, leases=lambda _sample: {},
            container_name=lambda container: f"name-{container[-8:]}",
            agent_info=lambda: AgentInfo("0", 1.0, AgentCost(), 1, "/d", "i"),
        )  # fmt: skip
        recorder = self.telemetry.recorder
        parts = EventParts(recorder.keep, recorder.read, lambda _start, _end: {}, lambda _since: {})
        self.events = EventsService(folder / "events.json", self.state.incidents, self.bus, self.loop, parts)
        tables = self.state.alerts, self.state.alert_rules
        self.alerts = AlertsService(*tables, self.settings, self.bus, self.loop, self.events.log_alert)
        self.telemetry.listen(self._judge)
        self.telemetry._sampler.sample = lambda: self.newest
        self.events.start()
        self.alerts.start()

    def _judge(self, events: tuple[DeviceEvent, ...], status: Status, is_tick: bool) -> None:
        self.events.take(events, status)
        if is_tick:
            self.alerts.take(status)

    def take(self, sample: Sample, second: int) -> None:
        self.newest = sample
        self.telemetry._take(sample, is_tick=True)
        if second % 10 == 9:
            self.telemetry._history._turn()
        if second % 60 == 59:
            self.settle()

    def look(self) -> None:
        """Look at every recording, each in a thread of its own, as the API does."""
        for incident in self.events.list(limit=200):
            self.loop.start("look", lambda of=incident: self._read(of.id)).join()

    def _read(self, incident: str) -> None:
        with contextlib.suppress(DeskError):  # not every event has a recording
            self.telemetry.recorder.read(incident)

    def settle(self) -> None:
        """Wait until the lanes have done what is queued."""
        until = REAL() + 60
        lanes = [lane for lane in (self.events._lane, self.alerts._lane) if isinstance(lane, Lane)]
        while any(lane._queue.qsize() for lane in lanes) and REAL() < until:
            time.sleep(0.001)

    def rows(self) -> dict[str, int]:
        found = {}
        store = self.telemetry._history.store
        databases = ((store.database, "series layouts blocks chunks frames processes recordings recorded"),
                     (self.state._database, "incidents alerts")) if store else ()  # fmt: skip
        for database, tables in databases:
            with database.transaction() as connection:
                for table in tables.split():
                    found[table] = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        return found


def sizes(root: object, name: str) -> dict[str, int]:
    """Return how much is in every container that can be reached from ``root``, by the way to it."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    waiting = [(name, root)]
    while waiting:
        path, item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, (dict, list, set, frozenset, tuple, collections.deque)):
            found[path] = max(found.get(path, 0), len(item))
            inner = list(item.values() if isinstance(item, dict) else item)[:300]
            waiting += [(f"{path}[]", each) for each in inner]
        elif hasattr(item, "qsize"):
            found[path] = item.qsize()
        elif hasattr(item, "nbytes"):
            found[path] = max(found.get(path, 0), item.nbytes)
        elif type(item).__module__.startswith("mlops_desk"):
            slots = [slot for kind in type(item).__mro__ for slot in getattr(kind, "__slots__", ())]
            names = [*getattr(item, "__dict__", {}), *slots]
            waiting += [(f"{path}.{each}", getattr(item, each)) for each in names if hasattr(item, each)]
    return found


def mark(agent: Agent, second: int, began: float) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = {path.name: path.stat().st_size >> 10 for path in agent.folder.root.iterdir() if path.is_file()}
    told = {
        "hours": round((second + 1) / HOUR, 2), "real_s": round(REAL() - began), "rss_kib": pages * os.sysconf("SC_PAGE_SIZE") >> 10,
        "objects": len(gc.get_objects()), "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - numbers
        "kib": files, "rows": agent.rows(),
    }  # fmt: skip
    print(json.dumps(told), flush=True)


def main() -> None:
    hours = next((int(word) for word in sys.argv[1:] if word.isdecimal()), 24)
    give_back_memory()  # as the agent does
    demo = "--demo" in sys.argv
    restless = not demo and "--calm" not in sys.argv
    disk._REST_SECONDS, disk._PACK_SECONDS = 0.0, 1e9
    began, marks = REAL(), []
    workstation = DemoWorkstation() if demo else Workstation(restless=restless)
    pause = DEMO_MARK_SECONDS if demo else MARK_SECONDS
    with tempfile.TemporaryDirectory() as folder:
        agent = Agent(Path(folder) / "data")
        for second in range(hours * HOUR):
            jump = {50_000: 3600.0, 70_000: -3600.0}.get(second % 86_400, 0.0) if restless else 0.0
            CLOCK[0] += 1.0 + jump
            CLOCK[1] += 1.0
            agent.take(workstation.sample(second), second)
            if (second + 1) % pause == 0:
                agent.settle()
                if demo:
                    agent.look()
                gc.collect()
                marks.append(sizes(agent, "agent"))
                mark(agent, second, began)
        if len(marks) > 2:
            early, late = marks[1], marks[-1]
            grown = {
                path: (early.get(path, 0), size) for path, size in late.items() if size > 1.05 * early.get(path, 0) + 5
            }
            for path, (before, now) in sorted(grown.items()):
                print(f"{path}: {before} -> {now}")
        agent.loop.stop(2.0)
        agent.telemetry.stop()
        agent.state.close()


if __name__ == "__main__":
    main()
