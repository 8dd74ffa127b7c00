"""What a thousand rules cost each second: ``python tests/bench/rules.py [RULES]``.

Beside the engine stands a floor: the same values compared with the same thresholds in one loop, with nothing kept. The
aim is 2 % of a core for 1,000 rules, which is 20 µs a rule and second.
"""

import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mlops_desk.records.rules.actions import NotifyAction
from mlops_desk.records.rules.conditions import Both, MetricClause, StateClause
from mlops_desk.records.rules.spec import RuleSpec
from mlops_desk.records.rules.standing import RuleClock
from mlops_desk.rules.engine.engine import RuleEngine

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
        facts.append(("state/job", "nightly", "failed"))
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


if __name__ == "__main__":
    main()
