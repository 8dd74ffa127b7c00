"""What needs no other look is nothing that a person would have been told of."""

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.machine.alerts.causes import Cause
from mlops_desk.machine.alerts.default_rules import WATCHED
from mlops_desk.machine.alerts.engine import AlertEngine
from mlops_desk.machine.alerts.readings import Gauging
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, LeaseInfo
from mlops_desk.machine.records.host import Disk, Filesystem, Host, Network
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import Status
from tests.service_rig import AGENT

NAMES = sorted({name for each in WATCHED for name in each.measure.reads or ()})
VALUES = st.sampled_from([None, 0.0, 0.3, 1.0, 4.0, 16.0, 60.0, 2000.0, 7e9])


class Noted(dict):
    """Readings that note who was asked for."""

    def __init__(self, values):
        super().__init__({name: Reading(value, "1") for name, value in values.items()})
        self.asked = set()

    def get(self, name, default=None):
        self.asked.add(name)
        return super().get(name, default)

    def values(self):
        self.asked.add("all of them")
        return super().values()


class Device:
    """Stands for any device, and notes what it is asked for."""

    def __init__(self, metrics, **facts):
        self.metrics, self._facts, self.asked = metrics, facts, set()

    def __getattr__(self, name):
        self.asked.add(name)
        return self._facts[name]


@pytest.mark.parametrize("watched", WATCHED, ids=lambda watched: watched.rule.name)
@settings(max_examples=20)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES), st.sampled_from(GpuState), st.booleans())
@example(dict.fromkeys(NAMES, 4.0), GpuState.OK, True)
@example(dict.fromkeys(NAMES), GpuState.STALE, False)
def test_a_measure_asks_for_nothing_but_what_it_names(watched, values, state, known):
    trouble = LeaseInfo("free", trouble="damaged") if known else None
    device = Device(
        Noted(values), state=state, lease=trouble, kind="ext4", note="hangs", processes_known=known,
        held_by_nobody_bytes=None, uuid="GPU-0", name="H100", stuck=None, stuck_known=known, idle_minutes=None,
        is_turned=known, is_broken=known, are_answers=known,
    )  # fmt: skip
    watched.measure.of(device)
    assert watched.measure.reads is None or device.metrics.asked <= {*watched.measure.reads}
    assert watched.measure.reads is None or device.asked <= {*watched.measure.facts}


@st.composite
def courses(draw):
    """Return samples of a machine on which a few things change now and then, and XIDs between them."""
    gpus = [Gpu(f"GPU-{number}", number, "H100", None, GpuState.OK, processes_known=True) for number in range(2)]
    networks, mounts, disks = [Network("eth0", {})], [Filesystem("/data", "x", "ext4", {})], [Disk("nvme0n1")]
    host = Host("box", {})
    course = []
    for _ in range(draw(st.integers(2, 12))):
        for changed in draw(st.lists(st.sampled_from([gpus, gpus, gpus, networks, mounts, disks]), max_size=3)):
            place = draw(st.integers(0, len(changed) - 1))
            name, value = draw(st.sampled_from(NAMES)), draw(VALUES)
            reading = Reading(value, "1", MetricState.OK if value is not None else MetricState.STALE)
            changed[place] = replace(changed[place], metrics={**changed[place].metrics, name: reading})
        name, value = draw(st.sampled_from([name for name in NAMES if name.startswith("system.")])), draw(VALUES)
        host = replace(host, metrics={**host.metrics, name: Reading(value, "1")})
        place = draw(st.integers(0, 1))
        gpus[place] = replace(
            gpus[place],
            state=draw(st.sampled_from([GpuState.OK, GpuState.OK, GpuState.LOST, GpuState.STALE])),
            lease=draw(st.sampled_from([None, LeaseInfo("free"), LeaseInfo("free", trouble="damaged")])),
            held_by_nobody_bytes=draw(st.sampled_from([None, None, 8 << 30])),
            processes=draw(st.sampled_from([(), (GpuProcess(1, "u", "c", 1, None, "compute"),)])),
        )
        there = gpus if draw(st.booleans()) else gpus[:1]
        status = Status(
            tuple(there), host, tuple(disks), tuple(networks), AGENT, 1.0, filesystems=tuple(mounts)
        )  # fmt: skip
        xid = draw(st.sampled_from([None, None, None, 79, 48]))
        course.append((draw(st.sampled_from([1.0, 1.0, 20.0, 100.0, 4000.0])), status, xid))
    return course


def told(engine, course, *, anew):
    now, found = 0.0, []
    for seconds, status, xid in course:
        now += seconds
        if xid is not None:
            engine.pulse("gpu_xid", "GPU-0", now, Cause(xid=xid))
        if anew:
            engine._gauging.look_anew()
        changes = engine.step(status, now, now)
        one = [
            (each.alert.rule, each.alert.device, each.alert.ended_at, each.alert.value, each.fresh) for each in changes
        ]
        found.append(sorted(one, key=repr))
    return found, {spot: (alert.value, alert.since) for spot, alert in engine.firing.items()}


@pytest.mark.slow
@settings(max_examples=150)
@given(courses())
def test_alerts_are_the_same_as_if_everything_were_looked_at_each_time(course):
    assert told(AlertEngine(), course, anew=False) == told(AlertEngine(), course, anew=True)


@pytest.fixture
def asked(monkeypatch):
    """The rules whose number was asked for, cleared by who reads it."""
    names = []
    real = Gauging._measure
    monkeypatch.setattr(
        Gauging,
        "_measure",
        lambda self, watched, *rest: names.append(watched.rule.name) or real(self, watched, *rest),
    )
    return names


def of(*gpus):
    return Status(gpus, Host("box", {}), (), (), AGENT, 1.0)


def with_metrics(gpu, **values):
    changed = {f"hw.gpu.{name.replace('__', '.')}": Reading(value, "1") for name, value in values.items()}
    return replace(gpu, metrics={**gpu.metrics, **changed})


GPU = Gpu("GPU-0", 0, "H100", None, GpuState.OK, processes_known=True)


def test_what_is_quiet_is_not_measured_again_until_a_reading_is_another(asked):
    engine, gpu = AlertEngine(), with_metrics(GPU, pcie__replays=7.0, utilization=0.5)
    engine.step(of(gpu), 0.0, 0.0)  # the first look clears up
    engine.step(of(gpu), 1.0, 0.0)
    asked.clear()
    engine.step(of(with_metrics(gpu, utilization=0.6)), 2.0, 0.0)
    assert "gpu_pcie_link" in asked
    assert not {"gpu_pcie_replays", "gpu_lost", "gpu_ecc"} & {*asked}
    replayed = with_metrics(gpu, pcie__replays=8.0)
    engine.step(of(replayed), 3.0, 0.0)
    assert "gpu_pcie_replays" in asked
    asked.clear()
    engine.step(of(replayed), 4.0, 0.0)
    assert "gpu_pcie_replays" in asked, "what grew lately is looked at until that is over"


def test_a_gpu_is_looked_at_as_long_as_an_incident_on_it_lasts(asked):
    engine = AlertEngine()
    engine.step(of(GPU), 0.0, 0.0)
    engine.pulse("gpu_xid", "GPU-0", 1.0, Cause(xid=79))
    lost = replace(GPU, state=GpuState.LOST)
    for now in (1.0, 2.0, 3.0):
        asked.clear()
        engine.step(of(lost), now, 0.0)
    assert "gpu_lost" in asked


def test_links_that_are_missed_only_since_another_gpu_has_some_are_told():
    engine = AlertEngine()
    bare = with_metrics(replace(GPU, uuid="GPU-1", index=1), nvlink__up=0.0, nvlink__limit=18.0)
    other = with_metrics(GPU, nvlink__up=0.0, nvlink__limit=18.0)
    for now in (0.0, 1.0, 2.0):
        assert engine.step(of(other, bare), now, 0.0) == []
    linked, found = with_metrics(GPU, nvlink__up=18.0, nvlink__limit=18.0), []
    for now in range(3, 40):
        found += engine.step(of(linked, bare), float(now), 0.0)
    assert [(change.alert.rule, change.alert.device, change.alert.value) for change in found] == [
        ("gpu_nvlink_down", "GPU-1", 18.0)
    ]
