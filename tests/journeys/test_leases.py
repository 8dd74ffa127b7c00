"""GPUs between real processes of several users: never given out twice, and a killed holder lets go."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.lease_place import GPUS, USERS, agent, lease_place, ledger, shown
from tests.leasing import lease_gpus

pytestmark = pytest.mark.end2end


@pytest.fixture
def place() -> Iterator[Path]:
    with lease_place() as folder:
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users needs root")
def test_three_users_never_lease_a_gpu_twice_and_killed_agents_neither_double_nor_leak_a_lease(place: Path) -> None:
    calm = [(uid, agent(uid, place, 6)) for uid in USERS]
    given: Counter[int] = Counter()
    doubles = []
    for uid, process in calm:
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0
        given[uid] += len(output.splitlines())
        doubles += [line for line in output.splitlines() if line.startswith("DOUBLE")]
    assert doubles == []
    assert all(given[uid] > 10 for uid in USERS), given
    assert {path.stat().st_uid for path in (place / "leases").rglob("*")} == set(USERS)

    dice = random.Random(1)
    agents = [agent(uid, place, 60) for uid in USERS * 2]
    outputs: list[str] = []
    kills = 0
    while kills < 12 or sum(len(output.splitlines()) for output in outputs) <= 50:  # a busy machine starts few of them
        assert kills < 400
        kills += 1
        time.sleep(0.3)
        victim = agents.pop(dice.randrange(len(agents)))
        victim.kill()
        outputs.append(victim.communicate()[0])
        agents.append(agent(dice.choice(USERS), place, 60))
    for process in agents:
        process.kill()
        outputs.append(process.communicate()[0])
    lines = [line for output in outputs for line in output.splitlines()]
    assert [line for line in lines if line.startswith("DOUBLE")] == []
    watcher = ledger(place)
    assert watcher.snapshot(watcher.facts(shown(), time.time())) == {}
    # The first look notes the deaths that no other agent has noted yet; the second then gives all GPUs out.
    first = lease_gpus(watcher, "all", "x", 3, watcher.facts(shown(), time.time()))
    given = first if first.gpus else lease_gpus(watcher, "all", "x", 3, watcher.facts(shown(), time.time()))
    assert given.gpus == tuple(GPUS)
