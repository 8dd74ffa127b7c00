"""The sampler's decisions, with collectors that only pretend to run and a clock that is handed in."""

import time
from collections.abc import Sequence
from itertools import pairwise

import pytest

from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.loop import Loop
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.host import Core, Filesystem, Host, Network, Sensor
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.records.status import Sample
from mlops_desk.machine.telemetry.pipe.frames import Frame
from mlops_desk.machine.telemetry.pipe.merge import stale_host
from mlops_desk.machine.telemetry.pipe.sampler import Sampler
from mlops_desk.machine.telemetry.source import Busy, GpuSample, HostSample


class FakeProcess:
    """A collector that does nothing; ``immortal`` ones survive being killed, as in uninterruptible sleep."""

    def __init__(self, arguments: Sequence[str], immortal: bool, started: float) -> None:
        self.arguments = list(arguments)
        self.started = started
        self.pid = 1
        self.immortal = immortal
        self.killed = False
        self.hurried = 0

    def hurry(self) -> None:
        self.hurried += 1

    def kill(self) -> bool:
        self.killed = True
        return not self.immortal

    @property
    def alive(self) -> bool:
        return self.immortal or not self.killed


class Rig:
    def __init__(self) -> None:
        self.processes: list[FakeProcess] = []
        self.notices = []
        self.immortal = False
        self.interval = 1.0
        self.refuse = False
        self.now = 0.0
        self.sampler = Sampler(
            Loop("test"), lambda: self.interval, lambda *_: None, self.notices.append, ["--x"], self._start
        )

    def _start(self, arguments: Sequence[str], _loop: object, _heard: object) -> FakeProcess:
        if self.refuse:
            raise OSError(11, "Resource temporarily unavailable")
        self.processes.append(FakeProcess(arguments, self.immortal, self.now))
        return self.processes[-1]

    def step(self, now: float, frame: Frame | None = None, sender: FakeProcess | None = None) -> Sample | None:
        self.now = now
        process = sender or (self.processes[-1] if frame is not None else None)
        return self.sampler._step(process, frame, now)[0]

    def data(self, now: float, *indices: int, busy: Busy | None = None) -> Sample | None:
        return self.step(now, Frame(1, GpuSample(now, tuple(map(gpu, indices))), HostSample(now, Host("box")), busy))


def gpu(index: int) -> Gpu:
    return Gpu(f"GPU-{index}", index, "H100", None, GpuState.OK, metrics={"hw.power": Reading(1.0, "W")})


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.step(0.0)
    return made


def states(sample: Sample | None) -> list[GpuState]:
    assert sample is not None
    return [gpu.state for gpu in sample.gpus]


def hang(rig: Rig, index: int, now: float) -> None:
    """Let the newest collector hang on a GPU until it is replaced."""
    rig.step(now, Frame(2, busy=Busy(index, f"GPU-{index}", "nvmlX", 3.4)))
    rig.step(now + 0.25, Frame(3, busy=Busy(index, f"GPU-{index}", "nvmlX", 3.8)))


def test_a_gpu_that_hung_is_left_out_and_asked_again_by_a_process_of_its_own(rig: Rig) -> None:
    rig.data(1.0, 0, 1)
    hang(rig, 1, 6.0)
    first, second = rig.processes
    assert first.killed
    assert second.arguments == ["--x", "--interval", "1", "--skip", "1"]
    assert states(rig.data(7.0, 0)) == [GpuState.OK, GpuState.STALE]
    rig.step(12.0, Frame(9, busy=None))
    probe = rig.processes[-1]
    assert probe.arguments == ["--x", "--only", "1"]
    rig.step(12.5, Frame(1, GpuSample(12.5, (gpu(1),))), sender=probe)
    assert probe.killed
    assert rig.processes[-1].arguments == ["--x", "--interval", "1"]
    assert states(rig.data(13.0, 0, 1)) == [GpuState.OK, GpuState.OK]


def test_between_the_probe_and_the_next_sample_the_gpu_is_not_lost(rig: Rig) -> None:
    rig.data(1.0, 0, 1)
    hang(rig, 1, 6.0)
    rig.data(11.9, 0)
    rig.step(12.0)
    rig.step(12.1, Frame(1, GpuSample(12.1, (gpu(1),))), sender=rig.processes[-1])
    assert [gpu.state for gpu in rig.sampler._compose(12.2).gpus] == [GpuState.OK, GpuState.OK]


def test_until_the_next_collector_tells_of_it_a_gpu_that_answers_again_is_awaited_and_not_lost(rig: Rig) -> None:
    rig.data(1.0, 0, 1)
    hang(rig, 1, 6.0)
    without = rig.processes[-1]
    rig.data(11.9, 0)
    rig.step(12.0)
    rig.step(12.1, Frame(1, GpuSample(12.1, (gpu(1),))), sender=rig.processes[-1])
    told = rig.step(12.9, Frame(9, GpuSample(12.9, (gpu(0),)), HostSample(12.9, Host("box"))), sender=without)
    assert states(told) == [GpuState.OK, GpuState.STALE], "on a busy machine the next one begins late"
    assert told is not None
    assert told.gpus[1].note == "It responds again, and is read with the others in a moment."
    assert states(rig.data(13.0, 0, 1)) == [GpuState.OK, GpuState.OK]
    assert states(rig.data(14.0, 0)) == [GpuState.OK, GpuState.LOST], "this one was to ask it"


def asking(rig: Rig) -> list[FakeProcess]:
    return [process for process in rig.processes if "--only" in process.arguments]


def test_a_gpu_that_hangs_for_an_hour_is_back_as_soon_as_it_answers_and_few_processes_asked_it(rig: Rig) -> None:
    rig.data(1.0, 0, 1)
    hang(rig, 1, 6.0)
    main, now = rig.processes[-1], 7.0
    while now < 3600.0:
        now += 2.0
        rig.step(now, Frame(9, GpuSample(now, (gpu(0),)), HostSample(now, Host("box"))), sender=main)
    assert len(asking(rig)) < 25
    (waiting,) = [process for process in asking(rig) if not process.killed]
    rig.step(now + 0.1, Frame(1, GpuSample(now + 0.1, (gpu(1),))), sender=waiting)
    assert [gpu.state for gpu in rig.sampler._compose(now + 0.2).gpus] == [GpuState.OK, GpuState.OK]


def test_two_gpus_that_hang_are_asked_side_by_side(rig: Rig) -> None:
    rig.data(1.0, 0, 1, 2)
    hang(rig, 1, 6.0)
    hang(rig, 2, 13.0)
    rig.step(16.0)
    assert {tuple(process.arguments) for process in asking(rig) if not process.killed} == {
        ("--x", "--only", "1"),
        ("--x", "--only", "2"),
    }
    rig.step(17.0, Frame(1, GpuSample(17.0, (gpu(2),))), sender=asking(rig)[-1])
    assert rig.processes[-1].arguments == ["--x", "--interval", "1", "--skip", "1"]


def test_while_a_process_is_stuck_in_a_gpu_no_other_is_sent_and_its_end_is_the_sign_to_ask(rig: Rig) -> None:
    rig.processes[0].immortal = True
    rig.data(1.0, 0, 1)
    hang(rig, 1, 6.0)
    for second in range(10, 400, 5):
        sample = rig.data(float(second), 0)
        assert states(sample) == [GpuState.OK, GpuState.STALE], "the others go on"
    assert asking(rig) == []
    rig.processes[0].immortal = False
    rig.step(396.0)
    rig.step(396.5, Frame(1, GpuSample(396.5, (gpu(1),))), sender=asking(rig)[-1])
    assert [gpu.state for gpu in rig.sampler._compose(396.6).gpus] == [GpuState.OK, GpuState.OK]


def test_after_two_processes_that_can_not_be_killed_gpus_are_left_alone(rig: Rig) -> None:
    rig.processes[0].immortal = rig.immortal = True
    rig.data(1.0, 0, 1, 2)
    hang(rig, 1, 6.0)
    hang(rig, 2, 7.0)
    assert "--no-gpus" in rig.processes[-1].arguments
    assert "never returned" in (rig.sampler.trouble() or "")
    rig.step(60.0, Frame(4))
    assert not any("--only" in p.arguments for p in rig.processes)
    assert states(rig.data(61.0)) == [GpuState.LOST, GpuState.STALE, GpuState.STALE]
    for process in rig.processes:
        process.immortal = False
    rig.step(62.0, Frame(5))
    assert any("--only" in p.arguments for p in rig.processes)


def test_gpus_are_read_again_once_no_process_is_stuck_in_opening_the_driver(rig: Rig) -> None:
    rig.immortal = rig.processes[0].immortal = True
    for now in (31.0, 62.0):
        rig.step(now, Frame(2, busy=Busy(None, None, "nvmlInit", 30.5)))
    rig.step(63.0)
    assert "--no-gpus" in rig.processes[-1].arguments
    for process in rig.processes:
        process.immortal = False
    for now in (64.0, 64.25, 64.5, 64.75):
        rig.step(now)
    assert rig.processes[-1].arguments == ["--x", "--interval", "1"]
    assert len(rig.processes) == 4, "it is started once"


def test_a_collector_that_keeps_dying_is_started_more_and_more_rarely(rig: Rig) -> None:
    now, starts = 1.0, []
    for _ in range(400):
        count = len(rig.processes)
        rig.step(now, None, sender=rig.processes[-1])
        if len(rig.processes) > count:
            starts.append(now)
        now += 0.25
    gaps = [after - before for before, after in pairwise(starts)]
    assert gaps == sorted(gaps)
    assert gaps[-1] >= 15.0
    assert len([notice for notice in rig.notices if "replaced" in notice.text]) == 1


def test_a_machine_out_of_processes_is_tried_again(rig: Rig) -> None:
    rig.refuse = True
    rig.step(1.0, None, sender=rig.processes[0])
    assert any("can't be started" in notice.text for notice in rig.notices)
    rig.refuse = False
    rig.step(40.0)
    assert len(rig.processes) == 2


def told(now: float, *indices: int, busy: Busy | None = None) -> Frame:
    return Frame(1, GpuSample(now, tuple(map(gpu, indices))), HostSample(now, Host("box")), busy)


def test_a_new_interval_has_another_collector_take_over_once_it_tells_of_gpus(rig: Rig) -> None:
    rig.data(0.5, 0)
    old = rig.processes[0]
    rig.interval = 5.0
    rig.step(1.0, Frame(1))
    assert not old.killed
    assert rig.processes[1].arguments[:3] == ["--x", "--interval", "5"]
    assert rig.step(1.5, told(1.5, 0), sender=old) is not None
    rig.step(1.6, Frame(1, host=HostSample(1.6, Host("box"))))
    assert not old.killed
    assert rig.step(2.0, told(2.0, 0)) is not None
    assert old.killed
    assert len(rig.processes) == 2


def test_while_one_gpu_hangs_the_others_are_told_of_by_the_collector_that_hangs_until_the_next_one_does(
    rig: Rig,
) -> None:
    rig.data(1.0, 0, 1)
    old = rig.processes[0]
    for second in range(2, 7):
        busy = Busy(1, "GPU-1", "nvmlX", second - 1.5)
        assert states(rig.step(float(second), told(second, 0, 1, busy=busy), sender=old))[0] is GpuState.OK
    assert not old.killed
    assert rig.processes[-1].arguments == ["--x", "--interval", "1", "--skip", "1"]
    assert [notice.text for notice in rig.notices if "GPU 1" in notice.text]
    sample = rig.step(7.0, told(7.0, 0, busy=Busy(1, "GPU-1", "nvmlX", 5.5)), sender=old)
    assert states(sample) == [GpuState.OK, GpuState.STALE]
    assert states(rig.step(7.4, told(7.4, 0))) == [GpuState.OK, GpuState.STALE]
    assert old.killed
    assert rig.step(7.5, told(7.5, 0), sender=old) is None
    assert len([notice for notice in rig.notices if "GPU 1" in notice.text]) == 1


def test_a_gpu_is_blamed_once_for_a_call_that_hangs(rig: Rig) -> None:
    rig.data(1.0, 0, 1)
    old = rig.processes[0]
    for second in range(2, 12):
        rig.step(float(second), told(second, 0, 1, busy=Busy(1, "GPU-1", "nvmlX", second - 1.5)), sender=old)
    probes = [process for process in rig.processes if "--only" in process.arguments]
    assert len(probes) == 1, "it is asked two seconds after it was blamed, not ever later"


def test_a_successor_that_ends_or_tells_of_no_gpu_is_replaced_ever_more_rarely_while_the_others_are_told_of(
    rig: Rig,
) -> None:
    rig.data(1.0, 0, 1)
    old, now, died = rig.processes[0], 1.0, 0
    while now < 120.0:
        now += 0.5
        sample = rig.step(now, told(now, 0, 1, busy=Busy(1, "GPU-1", "nvmlX", now - 1.0)), sender=old)
        assert states(sample)[0] is GpuState.OK
        successor = [process for process in rig.processes if "--skip" in process.arguments][-1:]
        if successor and not successor[0].killed and died < 3:
            died += 1
            rig.step(now + 0.1, None, sender=successor[0])
    successors = [process for process in rig.processes if "--skip" in process.arguments]
    assert not old.killed
    assert died == 3
    assert 5 <= len(successors) <= 9
    assert all(process.killed for process in successors[:-1])


def test_a_collector_that_dies_while_another_is_about_to_take_over_is_followed_by_that_one(rig: Rig) -> None:
    rig.data(0.5, 0)
    rig.interval = 5.0
    rig.step(1.0, Frame(1))
    old, successor = rig.processes
    rig.step(1.1, None, sender=old)
    rig.step(1.2)
    assert rig.step(2.0, told(2.0, 0), sender=successor) is not None
    assert len(rig.processes) == 2


def test_what_an_ended_collector_still_says_is_not_believed(rig: Rig) -> None:
    rig.data(1.0, 0)
    old = rig.processes[0]
    rig.interval = 2.0
    rig.step(1.9, Frame(1))
    rig.data(2.0, 0)
    assert rig.step(2.1, Frame(9, GpuSample(2.1, (gpu(5),))), sender=old) is None
    assert [g.index for g in rig.sampler._compose(2.2).gpus] == [0]


def test_gpus_are_remembered_at_their_own_ticks_while_the_host_hangs(rig: Rig) -> None:
    rig.data(1.0, 0)
    ticks = []
    for second in range(2, 20):
        frame = Frame(second, GpuSample(float(second), (gpu(0),)))
        ticks.append(rig.sampler._step(rig.processes[-1], frame, float(second))[1])
    assert not any(ticks[:2])  # the host may be late once
    assert all(ticks[4:])


def test_silence_is_announced_as_stale(rig: Rig) -> None:
    assert states(rig.data(1.0, 0)) == [GpuState.OK]
    sample = rig.step(4.5)
    assert states(sample) == [GpuState.STALE]
    assert "does not answer" in (sample.gpu_note or "")


@pytest.mark.parametrize(("certain", "known"), [(True, 5.0), (False, None)])
def test_who_uses_gpus_is_known_only_when_the_driver_said_so(rig: Rig, certain: bool, known: float | None) -> None:
    assert rig.sampler.listed_at() is None
    now = time.monotonic()
    rig.step(now, Frame(1, GpuSample(now, (), "note", processes_at=5.0, certain=certain)))
    assert rig.sampler.listed_at() == known
    rig.sampler._memory.gpu_heard = now - 10
    assert rig.sampler.listed_at() is None


def test_a_changed_driver_gets_a_fresh_process_once_a_minute(rig: Rig) -> None:
    note = GpuSample(1.0, (), "different versions", fresh_process=True)
    rig.step(30.0, Frame(1, note))
    assert len(rig.processes) == 1
    rig.step(61.0, Frame(2, note))
    assert len(rig.processes) == 2
    assert not rig.notices


def test_each_event_of_driver_and_kernel_is_handed_on_once(rig: Rig) -> None:
    killed = DeviceEvent(1.0, "oom", "host", pid=7)
    fell = DeviceEvent(1.0, "xid", "GPU-0", code=79)
    both = Frame(1, GpuSample(1.0, (gpu(0),), events=(fell,)), HostSample(1.0, Host("box"), events=(killed,)))
    first = rig.step(1.0, both)
    assert first is not None
    assert set(first.events) == {killed, fell}
    again = rig.data(2.0, 0)
    assert again is not None
    assert again.events == ()
    retold = rig.step(3.0, both)
    assert retold is not None
    assert retold.events == (), "a new collector begins with what it finds"
    assert rig.sampler.sample().events == ()


def test_filesystems_cores_and_sensors_of_a_silent_host_are_withdrawn() -> None:
    full = {"x": Reading(1.0, "1")}
    host = Host("box", full, cores=(Core("cpu0", full),), sensors=(Sensor("chip", full),))
    stale = stale_host(
        HostSample(1.0, host, (), (Network("eth0", full, link="up"),), (Filesystem("/", "a", "b", full),))
    )
    for device in (stale.host, *stale.host.cores, *stale.host.sensors, *stale.networks, *stale.filesystems):
        assert device.metrics["x"].value is None
    assert stale.networks[0].link == "unknown"


def test_what_a_driver_in_trouble_asks_for_keeps_its_command(rig: Rig) -> None:
    hint = Hint("sudo modprobe nvidia", before="Load it: ", after=".")
    sample = rig.step(1.0, Frame(1, GpuSample(1.0, (), "Not loaded.", hint), HostSample(1.0, Host("box"))))
    assert sample is not None
    assert (sample.gpu_hint, sample.gpu_command) == ("Load it: sudo modprobe nvidia.", "sudo modprobe nvidia")
