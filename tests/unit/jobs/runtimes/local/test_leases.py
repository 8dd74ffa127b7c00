"""Jobs on the real ledger: looked at without taking, taken, kept by a later agent, given back."""

import time
from dataclasses import replace

import pytest

from mlops_desk.gpus.leases.context import LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.jobs.runtimes.local.leases import ForeignGpus, LedgerGpus
from mlops_desk.jobs.runtimes.local.ports import GpuHolder
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState
from mlops_desk.machine.records.metric import Reading

GIB = 1 << 30


def gpu(index):
    metrics = {"hw.gpu.memory.limit": Reading(80.0 * GIB, "By"), "hw.gpu.memory.usage": Reading(0.0, "By")}
    return Gpu(f"GPU-{index}", index, "H100", None, GpuState.OK, metrics=metrics)


def holder(name):
    return GpuHolder(name, "a job", f"c-{name}", 987_654)


def states(gpus):
    return [card.state.value for card in gpus.cards()]


def test_of_an_engine_on_another_machine_no_gpu_is_given_out():
    far = ForeignGpus("far")
    assert far.cards() == ()
    assert far.lease(holder("a"), ("GPU-0",)) == "Engine far is on another machine, whose GPUs are not known here."


def test_the_ledger_as_jobs_use_it(tmp_path):
    gpus = [gpu(0), gpu(1)]
    folders = LeaseFolders((tmp_path / "leases",))
    ledger = LeaseLedger(LeaseOwner("one"), folders=folders)
    ours = LedgerGpus(ledger, lambda: ledger.facts(gpus, time.time()))
    assert states(ours) == ["free", "free"]
    assert ours.lease(holder("a"), ("GPU-0",)) == ("GPU-0",)
    assert states(ours) == ["leased", "free"]
    assert ours.lease(holder("b"), ("GPU-0",)) == "GPU 0 is not given out: leased to a job of uid 987654."
    assert ours.keep(holder("a"), ("GPU-0",))
    assert not ours.keep(holder("b"), ("GPU-0",))
    gpus[1] = replace(gpus[1], processes=(GpuProcess(1, "eve", "python x.py", None),))
    assert states(ours) == ["leased", "external"]
    assert "python" in ours.cards()[1].text
    ours.release("a")
    ours.release("a")
    assert states(ours) == ["free", "external"]


def test_an_unknown_driver_gives_nothing_out_and_blocks_nobody(tmp_path):
    ledger = LeaseLedger(LeaseOwner("one"), folders=LeaseFolders((tmp_path / "leases",)))
    ours = LedgerGpus(ledger, lambda: None)
    with pytest.raises(Unavailable, match="has not answered yet"):
        ours.cards()
    assert isinstance(ours.lease(holder("a"), ("GPU-0",)), str)
