"""How much memory of a GPU nobody is seen to hold, and from where on that is told."""

import pytest

from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState
from mlops_desk.machine.records.hidden_memory import claimed_bytes, held_by_nobody_bytes, unclaimed_bytes
from mlops_desk.machine.records.metric import MetricState, Reading

GIB = 1 << 30


def gpu(used_gib: float | None, *held_gib: float | None, limit_gib: float | None = 80, known: bool = True) -> Gpu:
    state = MetricState.OK if used_gib is not None else MetricState.STALE
    metrics = {"hw.gpu.memory.usage": Reading(None if used_gib is None else used_gib * GIB, "By", state)}
    if limit_gib is not None:
        metrics["hw.gpu.memory.limit"] = Reading(limit_gib * GIB, "By")
    held = tuple(
        GpuProcess(pid, "eve", "python", None if size is None else int(size * GIB)) for pid, size in enumerate(held_gib)
    )
    return Gpu("GPU-0", 0, "Test", None, GpuState.OK, metrics=metrics, processes=held, processes_known=known)


@pytest.mark.parametrize(
    ("shown", "expected_gib"),
    [
        (gpu(70), 70),
        (gpu(70, 30, 10), 30),
        (gpu(70, 70), 0),
        (gpu(70, 71), 0),  # a look at the processes is younger than the one at the memory
        (gpu(70, 30, None), None),
        (gpu(70, known=False), None),
        (gpu(None), None),
    ],
)
def test_unclaimed_is_what_processes_leave_and_unknown_where_they_do_not_tell(
    shown: Gpu, expected_gib: float | None
) -> None:
    assert unclaimed_bytes(shown, claimed_bytes(shown)) == (None if expected_gib is None else expected_gib * GIB)


@pytest.mark.parametrize(
    ("used_gib", "limit_gib", "told"),
    [
        (0.6, 80, False),
        (1.59, 80, False),
        (1.61, 80, True),
        (0.99, 24, False),
        (1.0, 24, True),
        (3.8, 192, False),
        (3.9, 192, True),
        (1.0, None, True),
    ],
)
def test_little_is_the_drivers_own_and_much_is_somebodys(used_gib: float, limit_gib: float | None, told: bool) -> None:
    assert held_by_nobody_bytes(gpu(used_gib, limit_gib=limit_gib)) == (used_gib * GIB if told else None)
