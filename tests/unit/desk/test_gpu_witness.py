"""What was seen of a job's GPUs while it ran is known when it is asked why it ended."""

from mlops_desk.gpus.gpu_loss import GpuWitness
from mlops_desk.jobs.records.failure_facts import GpuFacts, KernelKill, XidSeen
from mlops_desk.jobs.records.job import Attempt, JobState
from mlops_desk.machine.records.incident import DeviceEvent

RUN = Attempt(1, "j1-a1", "c", JobState.RUNNING, ("GPU-0", "GPU-1"), 100.0)


def xid(at: float, code: int, gpu: str = "GPU-1") -> DeviceEvent:
    return DeviceEvent(at, "xid", gpu, code)


def test_errors_of_its_own_gpus_during_its_life_count_and_no_others() -> None:
    witness = GpuWitness()
    witness.take([xid(99.0, 31), xid(150.0, 79), xid(152.0, 45, "GPU-7"), xid(203.0, 48), xid(206.0, 63)])
    witness.take([DeviceEvent(160.0, "ecc", "GPU-1", 3), DeviceEvent(160.0, "xid", None, 79)])
    assert witness.facts(RUN, 200.0) == GpuFacts((XidSeen(79, "GPU-1", 50.0), XidSeen(48, "GPU-1", 0.0)))


def test_an_error_of_a_gpu_is_one_of_its_instances() -> None:
    witness = GpuWitness()
    witness.take([xid(150.0, 79)])
    part = Attempt(1, "j1-a1", "c", JobState.RUNNING, ("MIG-1",), 100.0)
    assert witness.facts(part, 200.0, {"MIG-1": "GPU-1", "MIG-0": "GPU-0"}).xids == (XidSeen(79, "MIG-1", 50.0),)
    assert witness.facts(part, 200.0, {"MIG-1": "GPU-0"}).xids == ()


def test_a_storm_of_one_gpu_leaves_what_another_said() -> None:
    witness = GpuWitness()
    witness.take([xid(110.0, 79, "GPU-0")])
    witness.take([xid(120.0, 31) for _ in range(5000)])
    codes = [one.code for one in witness.facts(RUN, 200.0).xids]
    assert (codes[0], len(codes)) == (79, 201)


def test_kills_for_memory_are_its_own_containers_or_nobody_knows_whose() -> None:
    witness = GpuWitness()
    own = DeviceEvent(199.0, "oom", "host", pid=7, process="python", container="c0ffee", limited=True)
    witness.note_kill(own, "c")
    witness.note_kill(DeviceEvent(199.0, "oom", "host", pid=8, process="R", container="beef"), "another")
    witness.note_kill(DeviceEvent(199.0, "oom", "host", pid=9, process="firefox"), None)
    witness.note_kill(DeviceEvent(201.0, "oom", "host", count=1), None)
    witness.note_kill(DeviceEvent(99.0, "oom", "host"), None)
    witness.note_kill(DeviceEvent(206.0, "oom", "host"), None)
    assert witness.kills(RUN, 200.0) == (
        KernelKill(1.0, "python", is_own=True, limited=True),
        KernelKill(0.0, None, is_own=None, limited=False),
    )


def test_losses_are_remembered_for_the_attempt_that_had_them() -> None:
    witness = GpuWitness()
    witness.note_loss("j1-a1", "GPU-0", is_closed=True)
    witness.note_loss("j1-a1", "GPU-1", is_closed=False)
    found = witness.facts(RUN, 200.0)
    assert (found.lost, found.closed) == (("GPU-1",), ("GPU-0",))
    for number in range(100):
        witness.note_loss(f"other-a{number}", "GPU-0", is_closed=False)
    assert witness.facts(RUN, 200.0) == GpuFacts()
