"""What is behind an alert: named where it is one, left out where nobody can say whose it was."""

from dataclasses import replace

import pytest

from mlops_desk.machine.alerts import causes
from mlops_desk.machine.alerts.causes import Cause
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, LeaseInfo
from mlops_desk.machine.records.incident import Incident

XID = Incident(
    "i1", 1.0, "xid", "alert", "GPU 0: XID 48, bad", "What it is.", "Reset it.", "GPU-0",
    details={"xid": "48", "meaning": "bad", "pid": "7", "command": "python", "user": "ada", "container": "c", "job": "j"},
)  # fmt: skip


def process(pid: int, container: str | None = "c1", kind: str = "compute") -> GpuProcess:
    return GpuProcess(pid, "ada", "python train.py", 5, container, kind)


def gpu(*processes: GpuProcess, lease: LeaseInfo | None = None) -> Gpu:
    return Gpu("GPU-0", 0, "H100", None, GpuState.OK, lease, processes=processes)


def test_an_event_names_rule_device_and_all_that_is_known():
    assert causes.of_incident(XID) == (
        "gpu_xid",
        "GPU-0",
        Cause("XID 48, bad", "What it is.", "Reset it.", 48, 7, "python", "ada", "c", "j", "i1"),
    )


def test_what_differs_between_folded_events_names_nobody():
    folded = replace(XID, details={**XID.details, "pid": "several", "container": "several", "job": "several"})
    found = causes.of_incident(folded)
    assert found is not None
    assert (found[2].pid, found[2].container, found[2].job, found[2].process) == (None, None, None, "python")


@pytest.mark.parametrize("xid", ["", "x", "-1", "4 8", "\u0664\u0668", None])
def test_a_number_that_is_none_sets_nothing_off(xid):
    details = {} if xid is None else {"xid": xid}
    assert causes.of_incident(replace(XID, details=details)) is None


def test_of_several_processes_only_what_all_agree_on_is_named():
    same = causes.of_gpu(gpu(process(1), process(2)))
    assert (same.pid, same.container, same.process, same.user) == (None, "c1", "python train.py", "ada")
    other = causes.of_gpu(gpu(process(1), process(2, "c2")))
    assert other.container is None
    assert causes.of_gpu(gpu()) == Cause()


def test_who_only_draws_is_not_behind_an_alert():
    assert causes.of_gpu(gpu(process(1), process(2, None, "graphics"))).pid == 1


def test_the_job_that_holds_a_gpu_is_named_even_before_it_computes():
    assert causes.of_gpu(gpu(lease=LeaseInfo("leased", label="train-x"))).job == "train-x"
    assert causes.of_gpu(gpu(replace(process(1), job="train-y"))).job == "train-y"


@pytest.mark.parametrize(
    ("cause", "subject"),
    [
        (Cause(xid=48, job="j", container="c", process="p"), "48 j"),
        (Cause(xid=48, container="c", process="p"), "48 c"),
        (Cause(xid=48, process="p"), "48 p"),
        (Cause(xid=48), "48"),
        (Cause(container="c"), "c"),
        (Cause(), ""),
    ],
)
def test_alerts_of_one_rule_and_device_differ_by_number_and_whose_it_was(cause, subject):
    assert cause.subject == subject
