"""What a thousand rules cost each second: ``python tests/bench/rules.py [RULES]``.

Beside the engine stands a floor: the same values compared with the same thresholds in one loop, with nothing kept. The
aim is 2 % of a core for 1,000 rules, which is 20 µs a rule and second. Last comes the live path: the rules are kept in a
database, a sample of eight GPUs becomes facts, and what fires is stored.
"""

import random
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mlops_desk.desk.rules.past import RULE_METRICS
from mlops_desk.records.gpu import GpuState
from mlops_desk.records.rules.actions import NotifyAction
from mlops_desk.records.rules.conditions import Both, MetricClause, StateClause
from mlops_desk.records.rules.kept import WrittenRule
from mlops_desk.records.rules.spec import RuleSpec
from mlops_desk.records.rules.standing import RuleClock
from mlops_desk.rules.document.document import format_rule
from mlops_desk.rules.engine.engine import RuleEngine
from mlops_desk.rules.kept.shelf import RuleShelf
from mlops_desk.rules.live.life import LifeParts, RuleLife
from mlops_desk.storage.state import State

SECONDS = 300
GPUS = 8


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


if __name__ == "__main__":
    main()
