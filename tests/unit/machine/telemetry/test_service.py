"""Status and window as the window and the command line see them."""

import math
import time
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Invalid, NotFound, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.records.agent import AgentCost, AgentInfo
from mlops_desk.kit.storage.history.blocks import Block
from mlops_desk.machine.records.event import Sampled
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, LeaseInfo
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.records.status import Sample
from mlops_desk.machine.telemetry import service as service_module
from mlops_desk.machine.telemetry.cost import Cost, processor_seconds, proportional_bytes
from mlops_desk.machine.telemetry.history.window import join, window_of
from mlops_desk.machine.telemetry.service import TelemetryService, shown
from mlops_desk.machine.telemetry.verdicts.hidden_memory import Unclaimed

ID = "ab" * 32


@pytest.fixture
def service(tmp_path: Path) -> TelemetryService:
    folder = DataFolder(tmp_path)
    return TelemetryService(
        folder,
        Bus(),
        Loop("test"),
        SettingsStore(folder.settings),
        leases=lambda _sample: {"GPU-0": LeaseInfo("leased", user="ada")},
        container_name={ID: "train\u202e"}.get,
        job_name={ID: "resnet\u202e"}.get,
        agent_info=lambda: AgentInfo("0.1", 3.0, AgentCost(), 1, "/d", "i"),
        simulated=True,
    )


def sample(at: float) -> Sample:
    processes = (
        GpuProcess(1, "ada", "python", 5, ID),
        GpuProcess(2, "bo", "python", 5, "cd" * 32),
        GpuProcess(3, "cy", "python", 5),
    )
    gpu = Gpu("GPU-0", 0, "H100", None, GpuState.OK, metrics={"hw.power": Reading(at, "W")}, processes=processes)
    return Sample(1, at, (gpu,), Host("box", {"system.memory.usage": Reading(7.0, "By")}))


def test_a_tick_without_a_new_measurement_makes_no_second_row(service: TelemetryService) -> None:
    for at in (10.0, 11.0, 11.0, 13.0):
        service._take(sample(at), is_tick=True)
    assert service.window(60.0).times == (10.0, 11.0, 13.0)


def test_what_is_announced_has_leases_names_and_cost(service: TelemetryService) -> None:
    heard: list[Sampled] = []
    service._bus.subscribe(Sampled, heard.append)
    service._take(sample(10.0), is_tick=True)
    (gpu,) = heard[0].status.gpus
    assert gpu.lease == LeaseInfo("leased", user="ada")
    assert [process.container for process in gpu.processes] == ["train\\u202e", "cd" * 6, None]
    assert [process.job for process in gpu.processes] == ["resnet\\u202e", None, None]
    assert heard[0].status.agent.simulated
    assert heard[0].status.agent.cost.memory_bytes > 1 << 20


def test_containers_are_asked_about_once_each_and_unchanged_names_change_nothing(
    service: TelemetryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = sample(1.0).gpus[0]
    gpu = replace(gpu, processes=tuple(replace(gpu.processes[0], pid=pid) for pid in range(40)) + gpu.processes[1:])
    asked: list[str] = []
    names = {ID: "train"}
    monkeypatch.setattr(service, "_container_name", lambda one: asked.append(one) or names.get(one))
    first = service._named_of(gpu, 10.0)
    assert sorted(asked) == sorted([ID, "cd" * 32])
    assert service._named_of(gpu, 10.5) is first
    assert service._named_of(gpu, 12.0) is first
    assert len(asked) == 4
    names["cd" * 32] = "eval"
    renamed = service._named_of(gpu, 14.0)
    assert [process.container for process in renamed[39:]] == ["train", "eval", None]
    others = replace(gpu, processes=gpu.processes[:1])
    assert [process.container for process in service._named_of(others, 14.1)] == ["train"]


def test_before_the_first_measurement_nothing_is_remembered(service: TelemetryService) -> None:
    service._take(replace(sample(0.0), gpus=()), is_tick=True)
    assert service.window(60.0).times == ()
    service._take(sample(1_800_000_000.0), is_tick=True)
    assert service.window(60.0).times == (1_800_000_000.0,)


def test_an_unreadable_ledger_leaves_the_holders_unknown(service: TelemetryService) -> None:
    def fail(_sample: Sample) -> None:
        raise Unavailable("The lease folder can't be read.")

    service._leases = fail
    heard: list[Sampled] = []
    service._bus.subscribe(Sampled, heard.append)
    service._take(sample(1.0), is_tick=True)
    (gpu,) = heard[0].status.gpus
    assert gpu.lease == LeaseInfo("unknown")


@pytest.mark.slow
def test_leases_are_asked_anew_when_users_change_or_someone_asks(service: TelemetryService) -> None:
    asked: list[float] = []
    service._leases = lambda _sample: asked.append(1.0) or {}
    for second in range(3):
        service._take(sample(10.0 + second), is_tick=True)
    assert len(asked) < 3
    before = len(asked)
    gone = sample(14.0)
    service._take(replace(gone, gpus=tuple(replace(gpu, processes=()) for gpu in gone.gpus)), is_tick=True)
    assert len(asked) == before + 1
    service.status()
    assert len(asked) == before + 2


def test_the_ledger_is_told_nothing_before_the_driver_was_heard(service: TelemetryService) -> None:
    assert service.sample().sampled_at == 0.0


@pytest.mark.slow
def test_leases_are_asked_for_the_sample_that_is_told_as_of_when_the_driver_listed_it(
    service: TelemetryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sample] = []
    service._leases = lambda given: asked.append(given) or {}
    service._take(sample(10.0), is_tick=True)
    assert [([gpu.uuid for gpu in given.gpus], given.sampled_at) for given in asked] == [(["GPU-0"], 0.0)]
    order: list[str] = []
    monkeypatch.setattr(service._sampler, "listed_at", lambda: order.append("listed") or 9.5)
    monkeypatch.setattr(service._sampler, "sample", lambda: order.append("sample") or sample(11.0))
    service.status()
    assert (asked[-1].sampled_at, service.sample().sampled_at) == (9.5, 9.5)
    assert order == ["listed", "sample"] * 2, "never as of later than what is told"


def test_the_window_has_one_axis_and_gaps(service: TelemetryService) -> None:
    for second in range(5):
        service._take(sample(100.0 + second), is_tick=second != 3)
    window = service.window(2.5)
    assert window.times == (102.0, 104.0)
    assert {series.device: series.values for series in window.series} == {"GPU-0": (102.0, 104.0), "host": (7.0, 7.0)}
    for seconds in (0.0, -1.0, 1e9, math.nan):
        with pytest.raises(Invalid):
            service.window(seconds)


@pytest.mark.slow
def test_curves_are_continued_from_the_history(service: TelemetryService) -> None:
    start = float(int(time.time())) - 40
    for second in range(30):
        service._take(sample(start + second), is_tick=True)
    service._history.flush()
    service._ring.__init__(rows=8)  # as if the ring had gone round
    service._history._next_row = 0
    for second in range(30, 35):
        service._take(sample(start + second), is_tick=True)
    answer = service.curves(["GPU-0\thw.power", "host\tsystem.memory.usage", "host\tnone"], start - 5, start + 35, 40)
    assert (answer.start, answer.step_seconds, answer.buckets, answer.tier_seconds) == (start - 5, 1.0, 40, 1.0)
    power, memory, none = (np.frombuffer(curve.mean, "<f4") for curve in answer.curves)
    assert np.isnan(power[:5]).all()
    assert np.allclose(power[5:], start + np.arange(35), rtol=1e-6)
    assert np.isnan(none).all()
    assert np.isfinite(memory[5:]).all()
    one = service.history("hw.power", "gpu-0"[:4] + "0", str(start - 5), str(start + 35), 40)
    assert (one.device, one.unit, one.minimum[0], len(one.times)) == ("GPU-0", "W", None, 40)
    with pytest.raises(NotFound):
        service.history("hw.nothing", "host")
    with pytest.raises(Invalid):
        service.curves(["no tab"], 0.0, 1.0)
    service._history.stop()


def test_a_window_of_very_many_values_leaves_rows_out(service: TelemetryService) -> None:
    keys = tuple(("d", f"m{n}", "1") for n in range(1000))
    many = Block(keys, np.arange(300.0), np.ones((300, 1000), np.float32), np.ones((300, 1000), np.uint8))
    window = window_of(many)
    assert len(window.times) * 1000 <= 60_000
    assert window.times[-1] == 299.0


def test_joined_blocks_leave_gaps_where_a_curve_was_not() -> None:
    first = Block((("a", "x", "1"),), np.array([1.0]), np.array([[5.0]], np.float32), np.ones((1, 1), np.uint8))
    second = Block((("b", "x", "1"),), np.array([2.0]), np.array([[6.0]], np.float32), np.ones((1, 1), np.uint8))
    window = join([first, second])
    assert window.times == (1.0, 2.0)
    assert [series.values for series in window.series] == [(5.0, None), (None, 6.0)]


def _write(proc: Path, pid: int, ticks: int) -> None:
    folder = proc / str(pid)
    folder.mkdir(exist_ok=True)
    (folder / "stat").write_text(f"{pid} (x) S 1 1 1 0 -1 0 0 0 0 0 {ticks} {ticks} 0 0 20 0 1 0 9 0 0\n")
    (folder / "smaps_rollup").write_text("0-1 ---p\nRss: 9 kB\nPss:  100 kB\nPss_Dirty: 3 kB\n")


def test_the_cost_survives_a_replaced_collector(tmp_path: Path) -> None:
    cost = Cost(tmp_path)
    _write(tmp_path, 1, 100)
    _write(tmp_path, 2, 5000)
    cost.update(0.0, [1, 2], 0.0)
    cost.update(10.0, [1, 2], 0.0)
    _write(tmp_path, 1, 110)
    _write(tmp_path, 3, 4)
    cost.update(20.0, [1, 3], 0.5)
    tick = processor_seconds("1 (x) S 1 1 1 0 -1 0 0 0 0 0 1 0 0 0")
    assert cost.current.cpu_ratio == pytest.approx(20 * tick / 10)
    assert cost.current.driver_seconds_per_second == pytest.approx(0.05)
    assert cost.current.memory_bytes == 200 * 1024
    assert proportional_bytes("") is None
    assert processor_seconds("garbage") is None


def test_what_starting_took_is_not_what_watching_costs(tmp_path: Path) -> None:
    cost = Cost(tmp_path)
    _write(tmp_path, 1, 100)
    cost.update(0.0, [1], 0.0)
    assert cost.current == AgentCost(None, 100 * 1024, None)
    _write(tmp_path, 1, 300)
    for now in (5.0, 9.9, 10.0):
        cost.update(now, [1], 2.0, 500)
        assert cost.current.cpu_ratio is None
    _write(tmp_path, 1, 301)
    cost.update(15.0, [1], 2.0, 600)
    tick = processor_seconds("1 (x) S 1 1 1 0 -1 0 0 0 0 0 1 0 0 0")
    assert cost.current.cpu_ratio == pytest.approx(2 * tick / 5)
    assert cost.current.driver_seconds_per_second == 0.0
    assert cost.current.driver_calls_per_second == 20.0


def test_memory_that_nobody_holds_is_told_once_it_has_lasted() -> None:
    unclaimed, used = Unclaimed(), {"hw.gpu.memory.usage": Reading(70.0 * 2**30, "By")}
    held = Gpu("GPU-0", 0, "H100", None, GpuState.OK, metrics=used, processes_known=True)
    assert unclaimed.of(held, 100.0) is None
    assert unclaimed.of(held, 109.0) is None
    assert unclaimed.of(held, 110.0) == 70 << 30
    claimed = replace(held, processes=(GpuProcess(3, "cy", "python", 70 << 30),))
    assert unclaimed.of(claimed, 111.0) is None
    assert unclaimed.of(held, 112.0) is None  # it begins anew


def test_the_status_names_memory_that_nobody_holds(service: TelemetryService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "time", SimpleNamespace(time=time.time, monotonic=lambda: clock[0]))
    clock, heard = [100.0], []
    service._bus.subscribe(Sampled, heard.append)
    used = {"hw.gpu.memory.usage": Reading(70.0 * 2**30, "By")}
    gpu = Gpu("GPU-0", 0, "H100", None, GpuState.OK, metrics=used, processes_known=True)
    for at in (100.0, 120.0):
        clock[0] = at
        service._take(replace(sample(at), gpus=(gpu,)), is_tick=True)
    assert [event.status.gpus[0].held_by_nobody_bytes for event in heard] == [None, 70 << 30]


def test_a_gpu_is_shown_with_all_that_was_read_of_it() -> None:
    """Each field has a value that no default is, so that one which is added and forgotten is seen."""
    gpu = Gpu(**{each.name: object() for each in fields(Gpu)})
    added = {name: object() for name in ("lease", "processes", "accounting", "held_by_nobody_bytes")}
    assert shown(gpu, **added) == replace(gpu, **added)
