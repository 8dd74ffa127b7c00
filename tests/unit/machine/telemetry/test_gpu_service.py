"""Ending a process on a GPU: the right one, one's own, and never whoever got its number later."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import NotFound, Refused
from mlops_desk.kit.base.process import start_ticks
from mlops_desk.kit.records.agent import AgentCost, AgentInfo
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.telemetry import gpu_service
from mlops_desk.machine.telemetry.gpu_service import GpusService

_PATIENCE_SECONDS = 20


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    code = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print(1, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait(_PATIENCE_SECONDS)
    process.stdout.close()


def service(*processes: GpuProcess) -> GpusService:
    gpu = Gpu("GPU-0", 0, "H100", None, GpuState.OK, processes=processes)
    status = Status((gpu,), Host("h"), (), (), AgentInfo("0", 1.0, AgentCost(), 1, "/d", "i"), 1.0)
    return GpusService(lambda: status)


def on_gpu(pid: int, ticks: int | None) -> GpuProcess:
    return GpuProcess(pid, "me", "python train.py", 5, start_ticks=ticks)


def test_term_lets_it_end_in_its_own_way(child):
    ticks = start_ticks(child.pid)
    ended = service(on_gpu(child.pid, ticks)).end_process(child.pid, ticks)
    assert ended.pid == child.pid
    assert child.wait(_PATIENCE_SECONDS) == 7


def test_force_kills(child):
    ticks = start_ticks(child.pid)
    service(on_gpu(child.pid, ticks)).end_process(child.pid, ticks, force=True)
    assert child.wait(_PATIENCE_SECONDS) == -9


def test_a_later_owner_of_the_number_is_spared(child):
    ticks = start_ticks(child.pid)
    for listed in (ticks, ticks - 1, None):
        with pytest.raises(Refused, match="another one has its number"):
            service(on_gpu(child.pid, listed)).end_process(child.pid, ticks - 1 if listed != ticks - 1 else ticks)
    with pytest.raises(Refused, match="another one has its number"):  # the list is old, and so is what was asked
        service(on_gpu(child.pid, ticks - 1)).end_process(child.pid, ticks - 1)
    assert child.poll() is None


def test_ones_own_process_ends_though_it_is_on_no_gpu(child):
    ticks = start_ticks(child.pid)
    shown = service().process(child.pid)
    assert (shown.start_ticks, shown.gpu_memory_bytes) == (ticks, None)
    assert shown.command.startswith("python")
    assert service().end_process(child.pid, ticks).pid == child.pid
    assert child.wait(_PATIENCE_SECONDS) == 7
    with pytest.raises(NotFound, match="no process"):
        service().process(child.pid)


def test_the_machine_and_the_agent_itself_are_not_ended():
    for pid in (-1, 0, 1, os.getpid()):
        with pytest.raises(Refused):
            service(on_gpu(pid, 1)).end_process(pid, 1)


def test_anothers_process_is_spared_and_its_owner_named(child, monkeypatch):
    ticks = start_ticks(child.pid)
    monkeypatch.setattr(gpu_service, "uid_of", lambda _pid: 65_534)

    def end_as(uid: int) -> None:
        set_caller(Caller(uid, 1, 1))
        service(on_gpu(child.pid, ticks)).end_process(child.pid, ticks)

    with pytest.raises(Refused, match="belongs to") as refused:
        copy_context().run(end_as, 1000)
    assert "nobody" in refused.value.message or "65534" in refused.value.message
    assert child.poll() is None
    copy_context().run(end_as, 0)
    assert child.wait(_PATIENCE_SECONDS) == 7


def test_one_that_has_ended_is_told_so(child):
    ticks = start_ticks(child.pid)
    child.kill()
    child.wait(_PATIENCE_SECONDS)
    with pytest.raises(NotFound, match="has ended"):
        service(on_gpu(child.pid, ticks)).end_process(child.pid, ticks)
