"""The event log as a service: what it keeps over restarts, what it tells, what a full disk does to it."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.errors import Invalid, NotFound, Unavailable
from mlops_desk.machine.events import deduplication, service
from mlops_desk.machine.events.service import EventParts, EventsService
from mlops_desk.machine.records.alert import Alert
from mlops_desk.machine.records.event import IncidentLogged, JobChanged, Notice
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, LeaseInfo
from mlops_desk.machine.records.history import Curves
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.incident import DeviceEvent, Incident
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.records.status import Status
from tests.service_rig import AGENT, ServiceRig

CURVES = Curves(0.0, 1.0, 0, 1.0, ())


class Rig(ServiceRig):
    """An event log with what it told and had recorded."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.told: list[Incident] = []
        self.kept: list[str] = []
        self.bus.subscribe(IncidentLogged, lambda event: self.told.append(event.incident))
        self.open()

    def start(self) -> None:
        self.told.clear()
        parts = EventParts(
            keep=lambda incident_id, at: self.kept.append(incident_id),
            read=lambda incident_id, device: CURVES,
            busy_ratio=lambda start, end: {"GPU-0": 0.5},
            jobs_ended=lambda since: {"failed": 2},
        )
        self.log = EventsService(self.folder / "events.json", self.state.incidents, self.bus, self.loop, parts)
        self.log.start()
        self.wait(lambda: self.titles("agent"))

    def stop(self) -> None:
        self.log.stop()

    def crash(self) -> None:
        """End as an agent that is killed, and begin anew."""
        for unsubscribe in self.log._unsubscribe:
            unsubscribe()
        self.close()
        self.open()

    def titles(self, kind: str) -> list[str]:
        return [incident.title for incident in self.told if incident.kind == kind]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def status(state: GpuState = GpuState.OK, pid: int | None = None, driver: str = "580.1") -> Status:
    processes = (GpuProcess(pid, "ada", "python train.py", 5),) if pid else ()
    gpu = Gpu("GPU-0", 0, "H100", None, state, LeaseInfo("leased", label="train-x"), processes=processes)
    return Status((gpu,), Host("h"), (), (), AGENT, 1.0, driver_version=driver)


def xid(at: float, pid: int = 7, code: int = 79) -> DeviceEvent:
    return DeviceEvent(at, "xid", "GPU-0", code, pid)


def test_the_log_is_read_page_by_page_also_what_is_not_written_yet(rig):
    rig.log.take((xid(1000.0, code=79), xid(2000.0, code=48), xid(3000.0, code=13)), status())
    rig.wait(lambda: len(rig.titles("xid")) == 3)
    rig.log._unsaved["later"] = Incident("later", 2500.0, "gpu", "warning", "", device="GPU-0")
    read, cursor = [], None
    while True:
        page = rig.log.page(level="warning", device="GPU-0", limit=1, cursor=cursor)
        read += [incident.at for incident in page.items]
        cursor = page.next
        if cursor is None:
            break
    del rig.log._unsaved["later"]
    assert read == [3000.0, 2500.0, 2000.0, 1000.0]
    with pytest.raises(Invalid, match="no level"):
        rig.log.page(level="loud")


def test_an_xid_is_stored_told_recorded_and_names_the_process_that_is_gone_by_now(rig):
    now = time.time()
    rig.log.take((), status(pid=7))
    rig.log.take((xid(now),), status())
    rig.wait(lambda: rig.titles("xid"))
    (incident,) = rig.log.list(level="alert")
    assert incident.details["job"] == "train-x"
    assert incident.details["command"] == "python train.py"
    assert incident.recorded
    assert rig.kept == [incident.id]
    assert rig.log.show(incident.id[:6]) == incident
    assert rig.log.recording(incident.id) == CURVES
    assert rig.log.list(since=now + 1) == []
    assert rig.log.list(device="GPU-1") == []


def test_a_storm_is_one_entry_with_its_count_and_few_writes(rig):
    now = time.time()
    puts = []
    put = rig.state.incidents.put
    rig.state.incidents.put = lambda record: (puts.append(record), put(record))
    for number in range(300):
        rig.log.take((replace(xid(now + number / 1000), count=10),), status())
    rig.wait(lambda: rig.log.list(level="alert") and rig.log.list(level="alert")[0].count == 3000)
    assert len(rig.log.list(level="alert")) == 1
    assert len([record for record in puts if record.kind == "xid"]) < 20
    assert len(rig.kept) == 1


def test_a_hard_end_is_told_at_the_next_start_and_a_clean_one_is_not(rig):
    assert rig.titles("agent") == ["The agent started"]
    rig.restart()
    assert rig.titles("agent") == ["The agent started"]
    rig.crash()
    assert rig.titles("agent") == ["The agent started after a hard end"]


def test_what_lasted_when_the_agent_died_does_not_last_for_ever(rig):
    rig.log.take((), status(GpuState.LOST))
    rig.wait(lambda: rig.titles("gpu"))
    rig.crash()
    rig.wait(lambda: all(item.ended_at for item in rig.log.list() if item.lasting))
    (ended,) = rig.log.list(level="alert")
    assert "end" in ended.details
    rig.log.take((), status(GpuState.LOST))
    rig.wait(lambda: rig.titles("gpu"))
    (again,) = rig.log.list(level="alert")  # it is told again and was never over
    assert (again.id, again.ended_at, again.details) == (ended.id, None, {"gpu": "H100"})


def test_a_slowdown_that_comes_and_goes_all_night_is_one_entry_and_one_recording(rig, monkeypatch):
    def slowed(share: float) -> Status:
        gpu = Gpu("GPU-0", 0, "H100", None, GpuState.OK, metrics={"hw.gpu.throttle.thermal": Reading(share, "1")})
        return replace(status(), gpus=(gpu,))

    seconds = itertools.count(time.time(), 10.0)
    clock = SimpleNamespace(time=lambda: next(seconds), monotonic=time.monotonic)
    watch = rig.log._watch.step
    monkeypatch.setattr(service, "time", clock)
    monkeypatch.setattr(rig.log, "_watch", SimpleNamespace(step=lambda gpus, _, at: watch(gpus, at, at)))
    for _ in range(40):
        for share, ticks in ((0.5, 3), (0.0, 6)):
            for _ in range(ticks):
                rig.log.take((), slowed(share))
    rig.wait(lambda: rig.told and rig.told[-1].count == 40 and rig.told[-1].ended_at)
    (entry,) = [item for item in rig.log.list() if item.kind == "throttle"]
    assert entry.last_at > entry.at
    assert rig.kept == [entry.id]


def test_what_is_told_while_the_disk_is_full_is_told_once_and_written_later(rig, monkeypatch):
    monkeypatch.setattr(service, "_WRITE_SECONDS", 0.02)
    put, refused = rig.state.incidents.put, []

    def refuse(record: Incident) -> None:
        refused.append(record)
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(rig.state.incidents, "put", refuse)
    for code in (79, 31):
        rig.log.take((xid(time.time(), code=code),), status())
    rig.wait(lambda: len(rig.titles("xid")) == 2)

    def tried(times: int) -> bool:
        rig.log.take((), status())
        return len(refused) >= times

    rig.wait(lambda: tried(8))
    told = ["GPU 0: XID 31, memory page fault", "GPU 0: XID 79, GPU has fallen off the bus"]
    assert sorted(rig.titles("xid")) == told
    monkeypatch.setattr(rig.state.incidents, "put", put)
    rig.wait(lambda: tried(0) and not rig.log._unsaved)
    assert len(rig.titles("xid")) == 2
    assert len([item for item in rig.state.incidents.list() if item.kind == "xid"]) == 2


@pytest.mark.slow
def test_what_still_went_on_after_a_moment_is_told_of_the_time_since(rig):
    begun = time.time() - 7200.0
    for minutes in range(0, 120, 5):
        rig.log.take((xid(begun + 60.0 * minutes),), status())
    rig.wait(lambda: rig.told and rig.told[-1].kind == "xid" and rig.told[-1].count > 0)
    rig.wait(lambda: not rig.log.take((), status()) and rig.log.list(level="alert")[0].count == 24)
    rig.wait(lambda: not rig.log.take((), status()) and not rig.log._unsaved)
    for found in (rig.log.list(since=begun + 6000.0, level="alert"), rig.log.absence(begun + 6000.0).incidents):
        assert [item.count for item in found] == [24]


def test_a_changed_driver_is_told_also_over_a_restart(rig):
    rig.log.take((), status(driver="580.1"))
    rig.restart()
    rig.log.take((), status(driver="590.2"))
    rig.wait(lambda: rig.titles("driver"))
    rig.log.take((), status(driver="590.2"))
    assert rig.titles("driver") == ["The NVIDIA driver changed from 580.1 to 590.2"]


def test_a_write_that_is_late_does_not_undo_the_word_of_a_clean_end(rig):
    rig.log.stop()
    rig.log._save_facts(running=True)  # as the lane may do that was busy meanwhile
    rig.close()
    rig.open()
    assert rig.titles("agent") == ["The agent started"]


def test_a_job_out_of_memory_is_told_once_whatever_is_announced_again(rig):
    reason = Reason("oom_cuda", "Too much.", "CUDA out of memory")
    job = Job("j1", "train", JobState.FAILED, JobSpec("train", "i"), 1.0, 1, "ada", reason=reason, ended_at=9.0)
    for _ in range(3):
        rig.bus.publish(JobChanged(job))
    rig.wait(lambda: rig.titles("oom"))
    rig.restart()
    rig.bus.publish(JobChanged(job))
    rig.bus.publish(Notice("info", "telemetry", "The history goes on."))
    rig.wait(lambda: len(rig.titles("agent")) == 2)
    assert rig.titles("oom") == []
    assert len([item for item in rig.log.list() if item.kind == "oom"]) == 1


def test_a_jobs_kill_that_kernel_and_engine_tell_of_is_one_entry_with_its_recording_also_over_a_restart(rig):
    now = time.time()
    reason = Reason("oom_kernel", "The kernel killed it.", "OOMKilled: true", "Give it more.")
    job = Job("j1", "train", JobState.FAILED, JobSpec("train", "i"), now - 60, 1, "ada", reason=reason,
              container="mld-x-j1-a1", started_at=now - 50, ended_at=now)  # fmt: skip
    rig.log.take(
        (DeviceEvent(now, "oom", "host", pid=7, process="python", container="f" * 64, limited=True),), status()
    )
    rig.bus.publish(JobChanged(job))
    rig.wait(lambda: rig.titles("oom"))
    (entry,) = [item for item in rig.log.list() if item.kind == "oom"]
    assert (entry.details["job"], entry.details["pid"], entry.details["command"]) == ("train", "7", "python")
    assert entry.recorded
    rig.restart()
    rig.bus.publish(JobChanged(job))
    rig.log.take((DeviceEvent(now + 1, "oom", "host", count=3),), status())
    rig.bus.publish(Notice("info", "telemetry", "The history goes on."))
    rig.wait(lambda: len(rig.titles("agent")) == 2)
    assert [item.id for item in rig.log.list() if item.kind == "oom"] == [entry.id]


def test_a_job_that_was_found_without_a_record_is_told_once_also_over_a_restart(rig):
    job = Job("j1", "orphan train", JobState.RUNNING, JobSpec("train", "i"), 1.0, 1, "ada",
              container="mld-x-j1-a1", orphan=True)  # fmt: skip
    for _ in range(3):
        rig.bus.publish(JobChanged(job))
    title = "No record was left of job j1, which runs"
    rig.wait(lambda: title in rig.titles("agent"))
    rig.restart()
    rig.bus.publish(JobChanged(job))
    rig.bus.publish(Notice("info", "telemetry", "The history goes on."))
    rig.wait(lambda: len(rig.titles("agent")) == 2)
    assert title not in rig.titles("agent")
    (entry,) = [item for item in rig.log.list() if item.title == title]
    assert (entry.id, entry.details["job"], entry.details["job_id"]) == ("orphan-j1", "orphan train", "j1")


def test_a_notice_about_a_gpu_is_logged_from_its_state_whatever_its_words(rig):
    rig.bus.publish(Notice("alert", "telemetry", "A card is lost.", about=("gpu", "GPU-1")))
    rig.bus.publish(Notice("warning", "telemetry", "GPU and host are read anew.", about=("process", "collector")))
    rig.wait(lambda: "GPU and host are read anew" in rig.titles("agent"))
    assert "A card is lost" not in rig.titles("agent")


def test_a_kill_that_waits_for_its_name_is_told_when_the_agent_ends(rig):
    rig.log.take((DeviceEvent(time.time(), "oom", "host", count=2),), status())
    rig.restart()
    rig.wait(lambda: [item for item in rig.log.list() if item.kind == "oom"])
    (entry,) = [item for item in rig.log.list() if item.kind == "oom"]
    assert (entry.title, entry.count) == ("The kernel killed a process", 2)


def test_a_kill_is_told_although_the_log_cannot_be_read(rig, monkeypatch):
    def refuse(**_: object) -> list[Incident]:
        raise Unavailable("The disk is gone.")

    monkeypatch.setattr(rig.state.incidents, "list", refuse)
    rig.log.take((DeviceEvent(time.time(), "oom", "host", pid=7, process="python"),), status())
    rig.wait(lambda: rig.titles("oom"))
    assert rig.titles("oom") == ["The kernel killed python"]


def test_an_alert_is_an_entry_from_its_begin_to_its_end_also_over_a_restart(rig):
    alert = Alert("a", "disk_wear", "Nearly worn out", "warning", "nvme0n1", "nvme0n1", "t", None, 5.0, 0.9, "1")
    rig.log.log_alert(alert)
    rig.wait(lambda: rig.titles("alert"))
    rig.restart()
    rig.log.log_alert(replace(alert, ended_at=99.0))
    rig.wait(lambda: rig.titles("alert"))
    (incident,) = [item for item in rig.log.list() if item.kind == "alert"]
    assert incident.ended_at == 99.0


def test_what_began_long_ago_ends_too_however_much_happened_since(rig, monkeypatch):
    monkeypatch.setattr(service, "_REMEMBERED", 3)
    monkeypatch.setattr(deduplication, "_REMEMBERED", 3)
    alert = Alert("a", "disk_wear", "Nearly worn out", "warning", "nvme0n1", "nvme0n1", "t", None, 5.0, 0.9, "1")
    rig.log.log_alert(alert)
    rig.log.take((), status(GpuState.LOST))
    for again in range(2):
        for code in range(10):
            rig.log.take((xid(time.time(), code=again * 10 + code),), status(GpuState.LOST))
        rig.wait(lambda: len(rig.titles("xid")) == 10)
        if not again:
            rig.crash()
            rig.wait(lambda: rig.titles("agent"))
            assert [item.ended_at is None for item in rig.log.list() if item.kind == "gpu"] == [False]
    rig.log.log_alert(replace(alert, ended_at=99.0))
    rig.wait(lambda: [item for item in rig.told if item.kind == "alert" and item.ended_at])
    assert [item.ended_at for item in rig.log.list() if item.kind == "alert"] == [99.0]


@pytest.mark.slow
def test_a_disk_that_can_not_be_written_loses_nothing_and_is_caught_up(rig):
    put = rig.state.incidents.put

    def fail(_record: Incident) -> None:
        raise Unavailable("full")

    rig.state.incidents.put = fail
    rig.log.take((xid(time.time()),), status())
    rig.wait(lambda: rig.titles("xid"))
    (incident,) = rig.log.list(level="alert")
    assert rig.log.show(incident.id).title == incident.title
    rig.state.incidents.put = put

    def caught_up() -> bool:
        rig.log.take((), status())
        return rig.state.incidents.get(incident.id) is not None

    rig.wait(caught_up)


def test_what_is_not_written_yet_is_listed_where_it_belongs_and_nowhere_else(rig):
    def fail(_record: Incident) -> None:
        raise Unavailable("full")

    put, rig.state.incidents.put = rig.state.incidents.put, fail
    now = time.time()
    rig.log.take((xid(now, code=79),), status())
    rig.wait(lambda: rig.titles("xid"))
    listed = {
        "all": rig.log.page(),
        "its level": rig.log.page(level="alert"),
        "its device": rig.log.page(device="GPU-0"),
        "both": rig.log.page(level="alert", device="GPU-0", since=now - 60.0),
        "another device": rig.log.page(device="GPU-1"),
        "its level of another device": rig.log.page(level="alert", device="GPU-1"),
        "later": rig.log.page(since=now + 60.0),
    }
    rig.state.incidents.put = put
    found = {where: [one.kind for one in page.items if one.kind == "xid"] for where, page in listed.items()}
    assert [where for where, kinds in found.items() if kinds] == ["all", "its level", "its device", "both"]


def test_the_log_is_bounded_to_its_newest(rig, monkeypatch):
    monkeypatch.setattr(service, "KEPT", 50)
    monkeypatch.setattr(service, "_TRIM_EVERY", 10)
    for number in range(120):
        rig.log._put(service.Draft(Incident("", float(number), "x", "info", f"t{number}")))
    rig.wait(lambda: "t119" in rig.titles("x"))
    assert rig.state.incidents.count() <= 61
    assert (
        not rig.state.incidents.list(states=("info",), parent="")
        or min(item.at for item in rig.state.incidents.list() if item.kind == "x") >= 60.0
    )


def test_an_absence_is_told_with_what_went_wrong_and_what_ended(rig):
    rig.log.take((xid(time.time()),), status())
    rig.wait(lambda: rig.titles("xid"))
    absence = rig.log.absence(time.time() - 60.0)
    assert [incident.kind for incident in absence.incidents] == ["xid"]
    assert absence.busy_ratio == {"GPU-0": 0.5}
    assert absence.jobs == {"failed": 2}


def test_what_is_asked_wrongly_is_told_plainly(rig):
    with pytest.raises(NotFound):
        rig.log.show("nothing")
    with pytest.raises(NotFound):
        rig.log.show("")
    with pytest.raises(Invalid):
        rig.log.list(level="loud")
    with pytest.raises(Invalid):
        rig.log.list(limit=0)
    with pytest.raises(Invalid):
        rig.log.absence(time.time() + 1000.0)
    (started,) = rig.log.list()
    with pytest.raises(NotFound, match="Nothing was recorded"):
        rig.log.recording(started.id)
