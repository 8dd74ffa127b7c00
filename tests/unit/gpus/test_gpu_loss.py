"""A job whose container has lost its GPU is told of, once, and nobody else's."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.gpus.gpu_loss import GpuLoss, GpuWitness
from mlops_desk.gpus.leases.container_devices import may_open_gpus
from mlops_desk.gpus.leases.files import Lease
from mlops_desk.gpus.leases.host import Process
from mlops_desk.jobs.records.job import Attempt, JobState
from mlops_desk.kit.base.process import start_ticks
from mlops_desk.machine.records.gpu import Gpu, GpuState, MigInstance

WORKER = Process(4711, 5, 7)
LEASE = Lease("GPU-1", "i", 1000, "4be0643f1d98-a1", "train", Process(1, 1, 7), "b", 0.0, "e", "c", WORKER)
GPUS = [Gpu(f"GPU-{index}", index, "H100", None, GpuState.OK) for index in range(2)]
LOST = [GPUS[0], replace(GPUS[1], state=GpuState.LOST)]


class Town:
    def __init__(self, *leases: Lease, may_open: bool | None = None) -> None:
        self.leases = leases
        self.may_open = may_open
        self.told: list = []
        self.loss = GpuLoss(lambda: self.leases, lambda _process: self.may_open, self.told.append)


def test_a_running_job_whose_gpu_is_gone_is_told_of_once_with_what_to_do() -> None:
    town = Town(LEASE)
    town.loss.look(LOST)
    assert town.told == []
    for _ in range(3):
        town.loss.look(LOST)
    (notice,) = town.told
    assert notice.text.startswith("Job train has lost GPU 1 while it runs. Why: it has fallen off the bus")
    assert (notice.level, notice.about, notice.command) == (
        "alert", ("job", "4be0643f1d98"), "mlops-desk jobs rerun 4be0643f1d98",
    )  # fmt: skip


def test_what_comes_back_between_two_looks_was_not_lost() -> None:
    town = Town(LEASE)
    for gpus in (LOST, GPUS, LOST, GPUS):
        town.loss.look(gpus)
    assert town.told == []


def test_a_gpu_that_is_not_shown_is_lost_only_while_the_driver_answers() -> None:
    town = Town(LEASE)
    for _ in range(3):
        town.loss.look([])
        town.loss.look([replace(GPUS[0], state=GpuState.STALE)])
    assert town.told == []
    town.loss.look(GPUS[:1])
    town.loss.look(GPUS[:1])
    assert "a GPU (GPU-1)" in town.told[0].text


def test_a_container_that_may_not_open_its_gpu_any_more_has_lost_it() -> None:
    town = Town(LEASE, may_open=False)
    town.loss.look(GPUS)
    town.loss.look(GPUS)
    assert "daemon-reload" in town.told[0].text
    for answer in (True, None):
        other = Town(LEASE, may_open=answer)
        for _ in range(3):
            other.loss.look(GPUS)
        assert other.told == []


def test_a_container_that_has_not_begun_has_lost_nothing_and_an_instance_is_its_gpus() -> None:
    waiting = Town(replace(LEASE, container_process=None))
    part = Town(replace(LEASE, gpu="MIG-1", parent="GPU-1"))
    cut = [replace(gpu, mig=(MigInstance("f", "MIG-1", "1g", 1, 0),)) if gpu.index else gpu for gpu in LOST]
    for town in (waiting, part):
        town.loss.look(cut)
        town.loss.look(cut)
    assert waiting.told == []
    assert "GPU 1" in part.told[0].text


@pytest.mark.parametrize(
    ("rules", "may"),
    [
        ("a *:* rwm\n", True),
        ("c 1:3 rwm\nc 195:* rwm\n", True),
        ("c 1:3 rwm\nc 195:255 rw\n", True),
        ("c 1:3 rwm\nb 195:0 rw\nc 1950:0 rw\n", False),
        ("", False),
    ],
)
def test_the_rules_of_a_control_group_tell_whether_gpus_may_be_opened(tmp_path: Path, rules: str, may: bool) -> None:
    pid = os.getpid()
    (tmp_path / "proc" / str(pid)).mkdir(parents=True)
    (tmp_path / "proc" / str(pid) / "cgroup").write_text("9:name=systemd:/x\n4:devices:/docker/abc\n0::/\n")
    (tmp_path / "devices/docker/abc").mkdir(parents=True)
    (tmp_path / "devices/docker/abc/devices.list").write_text(rules)
    me = Process(pid, start_ticks(pid) or 0, 7)
    assert may_open_gpus(me, tmp_path / "proc", tmp_path) is may
    assert may_open_gpus(replace(me, start_ticks=1), tmp_path / "proc", tmp_path) is None
    (tmp_path / "proc" / str(pid) / "cgroup").write_text("0::/docker/abc\n")
    assert may_open_gpus(me, tmp_path / "proc", tmp_path) is None
    (tmp_path / "proc" / str(pid) / "cgroup").unlink()
    assert may_open_gpus(me, tmp_path / "proc", tmp_path) is None


@pytest.mark.parametrize(
    ("gpus", "may_open", "class_", "evidence"),
    [(LOST, None, "gpu_lost", "fallen off the bus"), (GPUS, False, "gpu_access_lost", "daemon-reload")],
)
def test_the_attempt_hears_of_it_with_the_class_by_which_it_is_retried(gpus, may_open, class_, evidence) -> None:
    town, heard, witness = Town(LEASE, may_open=may_open), [], GpuWitness()
    town.loss = GpuLoss(
        lambda: (LEASE,), lambda _process: may_open, town.told.append, witness, lambda *what: heard.append(what)
    )
    for _ in range(4):
        town.loss.look(gpus)
    ((attempt, reason),) = heard
    assert (attempt, reason.class_) == ("4be0643f1d98-a1", class_)
    seen = witness.facts(Attempt(1, attempt, "c", JobState.RUNNING), 1.0)
    assert (seen.lost, seen.closed) == ((("GPU-1",), ()) if class_ == "gpu_lost" else ((), ("GPU-1",)))
    assert evidence in reason.evidence
    assert "GPU 1" in reason.text
    assert ("on another GPU" in reason.hint) is (class_ == "gpu_lost")
    assert reason.command == "mlops-desk jobs rerun 4be0643f1d98"
