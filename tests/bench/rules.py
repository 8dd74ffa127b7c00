"""What a thousand rules cost each second: ``python tests/bench/rules.py [RULES]``.

Beside the engine stands a floor: the same values compared with the same thresholds in one loop, with nothing kept. The
aim is 2 % of a core for 1,000 rules, which is 20 µs a rule and second. Then comes the live path: the rules are kept in a
database, a sample of eight GPUs becomes facts, and what fires is stored. Last come the rules that are built in, at a
sample of eight GPUs with all that they read: the aim is 40 µs.
"""

import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mlops_desk.automation.records.actions import NotifyAction
from mlops_desk.automation.records.conditions import Both, MetricClause, StateClause
from mlops_desk.automation.records.rule_record import WrittenRule
from mlops_desk.automation.records.rule_state import RuleClock
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.rules.document.document import format_rule
from mlops_desk.automation.rules.live.rule_loop import LifeParts, RuleLife
from mlops_desk.automation.rules.storage.rule_repository import RuleShelf
from mlops_desk.desk.automation.fact_history import RULE_METRICS
from mlops_desk.kit.rule_engine.engine import RuleEngine
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.alerts.default_rules import WATCHED
from mlops_desk.machine.alerts.engine import AlertEngine
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.host import Disk, Filesystem, Host, Network
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.records.status import Status

SECONDS = 300
GPUS = 8
_WARM = 100  # by then all has begun that begins


def one(number: int, threshold: float, kind: str) -> RuleSpec:
    clause = MetricClause("load", "gpu", threshold, threshold - 0.1, of=f"gpu-{number % GPUS}", for_seconds=60.0)
    when = Both((clause, StateClause("job", ("failed",), of="nightly"))) if kind == "and" else clause
    return RuleSpec(f"rule-{number}", when, (NotifyAction(("desktop",)),), cooldown_seconds=60.0)


def engine_us(count: int, threshold: float, kind: str, *, still: bool) -> tuple[float, int]:
    """Return the microseconds of a rule and second, and how often the rules fired."""
    engine = RuleEngine([one(number, threshold, kind) for number in range(count)], RuleClock(0.0, 0.0, "boot"))
    drawn, fired = random.Random(1), 0
    values = [[drawn.random() for _ in range(GPUS)] for _ in range(SECONDS)]
    begin = time.process_time()
    for second in range(SECONDS):
        row = values[0] if still else values[second]
        facts = [("gpu/load", f"gpu-{gpu}", row[gpu]) for gpu in range(GPUS)]
        facts.append(("state/job/named", "nightly", "failed"))
        fired += len(engine.look(facts, RuleClock(second, second, "boot")).firings)
    return (time.process_time() - begin) / SECONDS / count * 1e6, fired


def floor_us(count: int, threshold: float) -> float:
    drawn, above = random.Random(1), 0
    rules = [(number % GPUS, threshold) for number in range(count)]
    values = [[drawn.random() for _ in range(GPUS)] for _ in range(SECONDS)]
    begin = time.process_time()
    for row in values:
        for gpu, limit in rules:
            above += row[gpu] >= limit
    return (time.process_time() - begin) / SECONDS / count * 1e6


def sample(drawn: random.Random) -> Any:
    """Return as much of a status as rules read: eight GPUs, the host, no job."""
    gpus = []
    for number in range(GPUS):
        metrics = {"hw.gpu.utilization": SimpleNamespace(value=drawn.random())}
        gpus.append(SimpleNamespace(uuid=f"gpu-{number}", state=GpuState.OK, metrics=metrics))
    host = SimpleNamespace(metrics={}, cores=(), sensors=())
    return SimpleNamespace(gpus=gpus, host=host, disks=(), networks=(), filesystems=())


def live_us(count: int, threshold: float) -> tuple[float, int]:
    """Return the microseconds of a rule and second on the live path, and how many firings were stored."""
    with tempfile.TemporaryDirectory() as folder:
        state = State(Path(folder, "state.db"))
        rules = []
        for number in range(count):
            clause = MetricClause(
                "hw.gpu.utilization", "gpu", threshold, threshold - 0.1, of=f"gpu-{number % GPUS}", for_seconds=20.0
            )
            spec = RuleSpec(f"rule-{number}", clause, (NotifyAction(("desktop",)),), cooldown_seconds=60.0)
            rules.append(WrittenRule(f"{number:032x}", spec.name, format_rule(spec), 0, 0.0))
        state.written_rules.put_all(rules)
        clock = RuleClock(0.0, 0.0, "boot")
        moment = [clock]
        shelf = RuleShelf(state.rule_tables, RULE_METRICS)
        life = RuleLife(shelf, LifeParts(lambda _, name: name, lambda _: None, clock=lambda: moment[0]))
        drawn, begin = random.Random(1), 0.0
        for second in range(SECONDS):
            if second == 1:  # the first look makes everything
                begin = time.process_time()
            moment[0] = RuleClock(second, second, "boot")
            life.hearing.machine(sample(drawn))
            life.look()
        cost = (time.process_time() - begin) / (SECONDS - 1) / count * 1e6
        fired = state.firings.count()
        state.close()
    return cost, fired


_MOVING = {
    "hw.gpu.utilization": (0.2, 1.0), "hw.gpu.memory.usage": (1e9, 7e10), "hw.temperature": (50.0, 75.0),
    "hw.temperature.memory": (60.0, 90.0), "system.memory.usage": (1e10, 2e10),
    "system.pressure.memory.full.avg10": (0.0, 0.01),
}  # fmt: skip
_STANDING = {
    "hw.gpu.memory.limit": 8e10, "hw.temperature.limit.slowdown": 92.0, "hw.gpu.nvlink.up": 18.0,
    "hw.gpu.nvlink.limit": 18.0, "hw.gpu.pcie.generation": 5.0, "hw.gpu.pcie.generation.limit": 5.0,
    "hw.gpu.pcie.width": 16.0, "hw.gpu.pcie.width.limit": 16.0, "system.memory.limit": 1e11,
    "system.paging.limit": 1e10, "system.filesystem.utilization": 0.4, "system.filesystem.inodes.limit": 1e6,
    "hw.temperature.limit": 85.0, "hw.disk.spare": 1.0, "hw.disk.spare.threshold": 0.1,
}  # fmt: skip
_READ = {kind: sorted({name for one in WATCHED if one.rule.device_class == kind for name in one.measure.reads or ()})
         for kind in ("gpu", "host", "disk", "filesystem", "network")}  # fmt: skip


def _readings(drawn: random.Random, kind: str, *, is_hot: bool) -> dict[str, Reading]:
    found = {}
    for name in _READ[kind]:
        moving = _MOVING.get(name) if kind != "disk" else None
        value = drawn.uniform(*moving) if moving else _STANDING.get(name, 30.0 if name == "hw.temperature" else 0.0)
        found[name] = Reading(98.0 if is_hot and name == "hw.temperature.memory" else value, "1")
    return found


def machine(drawn: random.Random, *, is_hot: bool) -> Status:
    """Return a sample of eight GPUs at work, with all that built-in rules read; hot ones have an alert each."""
    gpus = tuple(
        Gpu(f"GPU-{number}", number, "H100", None, GpuState.OK, processes_known=True,
            metrics=_readings(drawn, "gpu", is_hot=is_hot))
        for number in range(GPUS)
    )  # fmt: skip
    host = Host("box", _readings(drawn, "host", is_hot=False))
    disks = tuple(Disk(f"nvme{number}n1", metrics=_readings(drawn, "disk", is_hot=False)) for number in range(2))
    mounts = tuple(
        Filesystem(f"/data{number}", "x", "ext4", _readings(drawn, "filesystem", is_hot=False)) for number in range(3)
    )
    networks = (Network("eth0", _readings(drawn, "network", is_hot=False)),)
    return Status(gpus, host, disks, networks, cast("Any", None), 1.0, filesystems=mounts)


def built_in_us(*, is_hot: bool) -> tuple[float, int]:
    """Return the microseconds of a sample, and how many alerts began."""
    drawn, engine, began = random.Random(1), AlertEngine(), 0
    samples = [machine(drawn, is_hot=is_hot) for _ in range(SECONDS)]
    if is_hot:
        rule = engine.rules["gpu_memory_temperature"]
        engine.configure(replace(rule, threshold=97.0, clear_at=90.0), 0.0)
    begin = 0.0
    for second, status in enumerate(samples):
        if second == _WARM:
            begin = time.process_time()
        began += len(engine.step(status, float(second), float(second)))
    return (time.process_time() - begin) / (SECONDS - _WARM) * 1e6, began


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{count} rules, a look each second for {SECONDS} s of made-up time; µs of processor a rule and second")
    print(f"  floor: compare and keep nothing              {floor_us(count, 0.5):7.2f}")
    cases = [
        ("nothing changes", 0.99, "one", True),
        ("every value changes, nothing is near", 2.0, "one", False),
        ("every value changes, durations run, some fire", 0.5, "one", False),
        ("the same, each with a state beside it", 0.5, "and", False),
    ]
    for title, threshold, kind, still in cases:
        cost, fired = engine_us(count, threshold, kind, still=still)
        share = cost * count / 1e4
        print(f"  {title:<45}{cost:7.2f}  {share:5.2f} % of a core, fired {fired} times")
    for title, threshold in (
        ("live: every value changes, nothing is near", 1.0),
        ("live: durations run, all fire and are stored", 0.5),
    ):
        cost, fired = live_us(count, threshold)
        print(f"  {title:<45}{cost:7.2f}  {cost * count / 1e4:5.2f} % of a core, stored {fired} firings")
    print(f"{len(WATCHED)} built-in rules at a sample of {GPUS} GPUs; µs of processor a sample")
    for title, is_hot in (("all is well", False), ("each GPU has an alert", True)):
        cost, began = built_in_us(is_hot=is_hot)
        print(f"  {title:<45}{cost:7.2f}  began {began} alerts")


if __name__ == "__main__":
    main()
