"""What the window says of processes on a GPU, and of memory that nobody holds."""

from dataclasses import replace

from mlops_desk.gpus.window import tables
from mlops_desk.gpus.window.facts import no_process
from mlops_desk.kit.window.words import gpus
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, LeaseInfo
from mlops_desk.machine.records.metric import Reading

USED = {"hw.gpu.memory.usage": Reading(70.0 * 2**30, "By")}
ORPHANED = Gpu("GPU-3", 3, "H100", None, GpuState.OK, metrics=USED, processes_known=True, held_by_nobody_bytes=70 << 30)
PROCESS = GpuProcess(
    71, "ada", "python train.py", 5 << 30, "mld-x", job="resnet", draws=True, zombie=True, cpu_ratio=1.5
)


def cell(key: str, process: GpuProcess, depths: dict[int, int] | None = None):
    return next(column for column in tables.processes(depths or {}) if column.key == key).cell(process)


def test_memory_that_nobody_holds_is_a_state_of_its_own():
    assert gpus.gpu_mark(ORPHANED).text.endswith("held by nobody")
    assert gpus.gpu_mark(replace(ORPHANED, lease=LeaseInfo("unknown"))).text.endswith("held by nobody")
    assert "70" in gpus.who(ORPHANED)
    assert "no process that is seen" in gpus.who(ORPHANED)
    assert "sudo fuser -v /dev/nvidia3" in no_process(ORPHANED)
    assert gpus.gpu_mark(replace(ORPHANED, held_by_nobody_bytes=None)).text.endswith("free")
    leased = replace(ORPHANED, lease=LeaseInfo("leased", label="train"))
    assert gpus.gpu_mark(leased).text.endswith("leased")


def test_a_process_shows_its_job_both_kinds_and_that_it_is_dead():
    assert cell("job", PROCESS).text == "resnet · mld-x"
    assert cell("job", replace(PROCESS, job=None)).text == "mld-x"
    assert cell("kind", PROCESS).text == "compute + graphics, zombie"
    assert cell("kind", replace(PROCESS, zombie=False, kind="graphics")).text == "graphics"
    assert cell("cpu", PROCESS).text.startswith("150")
    assert cell("cpu", replace(PROCESS, cpu_ratio=None)).tip == "not reported"
    assert gpus.process_name(PROCESS) == "resnet"


def test_a_child_stands_under_its_parent():
    assert cell("command", PROCESS, {71: 2}).text == "  └ python train.py"
    assert cell("command", PROCESS).text == "python train.py"
