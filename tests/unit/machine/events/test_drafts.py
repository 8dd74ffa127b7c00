"""What becomes an entry of the event log, how storms fold, and what lasts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.machine.events import drafts
from mlops_desk.machine.events.deduplication import FOLD_SECONDS, Folding
from mlops_desk.machine.events.drafts import Killed, ProcessOwner
from mlops_desk.machine.events.gpu_watch import SILENT_SECONDS, Ended, GpuWatch
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, LeaseInfo, Slowdown
from mlops_desk.machine.records.incident import DeviceEvent, Incident
from mlops_desk.machine.records.metric import MetricState, Reading

GPU = Gpu("GPU-3", 3, "H100", "0000:19:00.0", GpuState.OK)


def test_an_xid_says_what_it_means_what_to_do_and_whose_process_it_was():
    owner = ProcessOwner(GpuProcess(77, "ada", "python train.py", None, "boxed"), "train-resnet")
    draft = drafts.of_event(DeviceEvent(5.0, "xid", "GPU-3", 79, 77, "fell off"), GPU, owner)
    incident = draft.incident
    assert (incident.kind, incident.level, incident.device) == ("xid", "alert", "GPU-3")
    assert incident.title == "GPU 3: XID 79, GPU has fallen off the bus"
    assert "train-resnet" in incident.text
    assert "process 77 of ada" in incident.text
    assert incident.hint
    assert incident.details["command"] == "python train.py"
    assert draft.record


def test_an_unknown_xid_of_a_process_that_is_gone_keeps_number_and_pid():
    incident = drafts.of_event(DeviceEvent(5.0, "xid", None, 4711, 9), None, None).incident
    assert incident.title.endswith(": XID 4711")
    assert "process 9" in incident.text


def test_without_a_pid_those_on_the_gpu_are_named_and_one_alone_is_the_owner():
    ada, bo = (
        ProcessOwner(GpuProcess(pid, user, "python", None), job)
        for pid, user, job in ((1, "ada", "x"), (2, "bo", None))
    )
    event = DeviceEvent(5.0, "xid", "GPU-3", 79)
    both = drafts.of_event(event, GPU, None, (ada, bo)).incident
    assert "process 1 of ada (x), process 2 of bo (python)" in both.text
    assert "job" not in both.details
    alone = drafts.of_event(event, GPU, None, (ada,)).incident
    assert (alone.details["job"], alone.details["pid"]) == ("x", "1")


def test_processes_of_one_job_on_the_gpu_name_the_job_and_no_pid():
    owners = [ProcessOwner(GpuProcess(pid, "ada", "python train.py", None, "mld-x-j1-a1"), "train-x") for pid in (1, 2)]
    details = drafts.of_event(DeviceEvent(5.0, "xid", "GPU-3", 48), GPU, None, owners).incident.details
    assert (details["job"], details["container"], details["command"]) == ("train-x", "mld-x-j1-a1", "python train.py")
    assert (details["xid"], details["meaning"]) == ("48", "uncorrectable memory error")
    assert "pid" not in details


def test_the_same_error_of_another_job_is_another_entry():
    folding = Folding()
    entries = {}
    for number, job in enumerate(("one", "two", "one")):
        owner = ProcessOwner(GpuProcess(number, "ada", "python", None), job)
        draft = drafts.of_event(DeviceEvent(float(number), "xid", "GPU-3", 31, number), GPU, owner)
        entry, _ = folding.take(draft.incident, f"id{number}")
        entries[entry.id] = entry
    assert {entry.details["job"]: entry.count for entry in entries.values()} == {"one": 2, "two": 1}


@pytest.mark.parametrize(
    ("container", "lease", "job"),
    [
        ("mld-x-j1-a1", LeaseInfo("leased", attempt="j1-a1", label="train-x"), "train-x"),
        ("somebody-elses", LeaseInfo("leased", attempt="j1-a1", label="train-x"), None),
        (None, LeaseInfo("leased", attempt="j1-a1", label="train-x"), None),
        (None, LeaseInfo("leased", label="train-x"), "train-x"),
        ("mld-x-j1-a1", LeaseInfo("external"), None),
        ("mld-x-j1-a1", None, None),
    ],
)
def test_a_process_is_of_the_gpus_job_when_it_is_in_its_container(container, lease, job):
    assert drafts.job_of(GpuProcess(1, "ada", "python", None, container), lease) == job


@pytest.mark.parametrize(
    ("told", "level"), [("info", "info"), ("alert", "alert"), ("warning", "warning"), (None, "warning")]
)
def test_a_memory_error_is_as_grave_as_the_driver_says(told, level):
    draft = drafts.of_event(DeviceEvent(5.0, "ecc", "GPU-3", text="memory error", level=told), GPU, None)
    assert (draft.incident.level, draft.record) == (level, level == "alert")
    assert draft.incident.title == "GPU 3: memory error"


def test_what_happened_stands_without_the_gpu_too():
    unbound = DeviceEvent(5.0, "unbind", "GPU-3")
    found = [
        (drafts.of_event(DeviceEvent(5.0, "ecc", "GPU-3", text="memory retired"), GPU, None), "memory retired"),
        (drafts.of_event(unbound, GPU, None), "was unbound from the driver"),
        (drafts.of_event(DeviceEvent(5.0, "xid", "GPU-3", 4711), GPU, None), "XID 4711"),
        (drafts.of_return(GPU, 5.0), "is back"),
        (drafts.of_throttling(GPU, Slowdown.HEAT, 0.5, 5.0), "is slowed down: heat"),
        (drafts.of_state(replace(GPU, state=GpuState.LOST), 5.0), "is lost"),
        (drafts.of_driver_silence(5.0), ""),
    ]
    for draft, what in found:
        assert draft.incident.what == what
        assert draft.incident.title.endswith(what)
    assert "GPU 3" in drafts.of_return(GPU, 5.0).incident.title


@pytest.mark.parametrize(
    ("cause", "word"), [(Slowdown.HEAT, "air flow"), (Slowdown.HARDWARE, "air flow"), (Slowdown.POWER_SUPPLY, "cables")]
)
def test_a_slowdown_says_what_to_check(cause, word):
    assert word in drafts.of_throttling(GPU, cause, 0.5, 5.0).incident.hint


def test_hostile_text_stays_one_line():
    event = DeviceEvent(5.0, "oom", "host", pid=4, process="a\nb\x1b[31m")
    incident = drafts.of_kill(event, Killed("c\n", "j\x1b")).incident
    for text in (incident.title, incident.text, *incident.details.values()):
        assert "\n" not in text
        assert "\x1b" not in text
    assert incident.level == "alert"


def test_a_kill_names_program_container_and_job_and_says_why():
    event = DeviceEvent(5.0, "oom", "host", pid=77, process="python", limited=True)
    of_job = drafts.of_kill(event, Killed("mld-x-j1-a1", "train-x")).incident
    assert of_job.title == "The kernel killed python of job train-x"
    assert of_job.text == (
        "The kernel killed python (process 77) of job train-x for lack of memory. Its container reached its memory limit."
    )
    assert (of_job.level, of_job.details) == (
        "warning",
        {"pid": "77", "command": "python", "container": "mld-x-j1-a1", "job": "train-x", "class": "oom_kernel"},
    )
    boxed = drafts.of_kill(event, Killed("boxed")).incident
    assert boxed.title == "The kernel killed python in container boxed"
    host = drafts.of_kill(replace(event, limited=False), Killed()).incident
    assert (host.title, host.level) == ("The kernel killed python", "alert")
    assert "The machine had no memory left." in host.text
    unnamed = drafts.of_kill(DeviceEvent(5.0, "oom", "host", count=2), Killed()).incident
    assert (unnamed.title, unnamed.count) == ("The kernel killed a process", 2)
    assert "it may not be read here" in unnamed.text
    assert unnamed.command == "sudo dmesg | grep -i 'killed process'"
    assert "memory limit" in unnamed.hint
    assert host.command is None


@given(st.lists(st.tuples(st.sampled_from([31, 79]), st.floats(0.0, 300.0), st.integers(1, 1000)), min_size=1))
def test_a_storm_is_one_entry_a_number_with_every_error_counted(storm):
    folding, entries, now = Folding(), {}, 0.0
    for number, (code, passed, count) in enumerate(storm):
        now += passed
        draft = drafts.of_event(DeviceEvent(now, "xid", "GPU-3", code, number, count=count), GPU, None)
        entry, _ = folding.take(draft.incident, f"id{number}")
        entries[entry.id] = entry
    assert sum(entry.count for entry in entries.values()) == sum(count for _, _, count in storm)
    assert all(entry.at <= (entry.last_at or entry.at) <= now for entry in entries.values())
    assert max(passed for _, passed, _ in storm) > FOLD_SECONDS or len(entries) <= 2 * (1 + now // FOLD_SECONDS)


def test_the_same_after_a_long_quiet_is_another_entry():
    folding = Folding()
    first, _ = folding.take(Incident("", 0.0, "xid", "alert", "x"), "a")
    again, is_new = folding.take(Incident("", FOLD_SECONDS + 1.0, "xid", "alert", "x"), "b")
    assert is_new
    assert (first.id, again.id, again.count) == ("a", "b", 1)


def test_what_differs_between_folded_errors_is_not_pinned_on_one():
    folding = Folding()
    folding.take(Incident("", 0.0, "xid", "alert", "x", details={"pid": "1", "gpu": "H100"}), "a")
    entry, _ = folding.take(Incident("", 1.0, "xid", "alert", "x", details={"pid": "2", "gpu": "H100"}), "b")
    assert entry.details == {"pid": "several", "gpu": "H100"}


def test_what_lasts_is_one_entry_until_its_end():
    folding, state = Folding(), Incident("", 5.0, "gpu", "alert", "lost", lasting=True)
    entry, is_new = folding.take(state, "a")
    assert is_new
    assert folding.take(replace(state, at=6.0), "b") == (entry, False)
    assert folding.end(state, 9.0).ended_at == 9.0
    assert folding.end(state, 10.0) is None
    again, is_new = folding.take(replace(state, at=11.0), "c")
    assert (again.id, again.at, again.last_at, again.ended_at, again.count, is_new) == ("a", 5.0, 11.0, None, 2, False)
    folding.end(state, 12.0)
    assert folding.take(replace(state, at=13.0 + FOLD_SECONDS), "d")[1]


def job(class_: str, state: JobState = JobState.FAILED) -> Job:
    reason = Reason(class_, "Too much.", "Killed.", "Less.")
    return Job("j1", "train", state, JobSpec("train", "i"), 1.0, 1, "ada", reason=reason, gpus=("GPU-3",), ended_at=9.0)


def test_jobs_that_ran_out_of_memory_are_logged_and_no_others():
    cuda, kernel = drafts.of_job(job("oom_cuda"), 1.0), drafts.of_job(job("oom_kernel"), 1.0)
    assert (cuda.incident.device, kernel.incident.device) == ("GPU-3", "host")
    assert cuda.incident.id == kernel.incident.id == "oom-j1"
    assert (cuda.is_kill, kernel.is_kill) == (False, True)
    assert (kernel.incident.details["job"], kernel.incident.details["job_id"]) == ("train", "j1")
    assert cuda.record
    assert drafts.of_job(job("exit_nonzero"), 1.0) is None
    assert drafts.of_job(job("oom_cuda", JobState.RUNNING), 1.0) is None


def test_a_job_that_was_found_without_a_record_is_told_while_it_runs():
    found = replace(job("exit_nonzero", JobState.RUNNING), orphan=True, container="mld-x-j1-a1")
    told = drafts.of_job(found, 7.0)
    assert (told.incident.id, told.incident.at, told.incident.level) == ("orphan-j1", 7.0, "warning")
    assert "mld-x-j1-a1" in told.incident.text
    assert "mlops-desk jobs cancel j1" in told.incident.hint
    assert drafts.of_job(replace(found, state=JobState.CANCELLED), 8.0) is None


def played(watch: GpuWatch, states: list[tuple[GpuState, ...]]) -> list[str]:
    told = []
    for second, row in enumerate(states):
        gpus = tuple(replace(GPU, uuid=f"GPU-{i}", index=i, state=state) for i, state in enumerate(row))
        found = watch.step(gpus, float(second), float(second))
        told += [("end: " if isinstance(item, Ended) else "") + item.incident.title for item in found]
    return told


OK, LOST, STALE, ASLEEP = GpuState.OK, GpuState.LOST, GpuState.STALE, GpuState.ASLEEP


def test_a_lost_gpu_is_told_once_and_so_is_its_return():
    told = played(GpuWatch(), [(OK, OK), (OK, LOST), (OK, LOST), (OK, ASLEEP), (OK, OK), (OK, OK)])
    assert told == ["GPU 1 is lost", "end: GPU 1 is lost", "GPU 1 is back"]


def test_a_short_silence_is_not_told_and_a_long_one_is():
    assert played(GpuWatch(), [(OK, OK), (OK, STALE), (OK, STALE), (OK, OK)]) == []
    long = [(OK, OK), *[(OK, STALE)] * (int(SILENT_SECONDS) + 2), (OK, OK)]
    assert played(GpuWatch(), long) == ["GPU 1 does not respond", "end: GPU 1 does not respond", "GPU 1 is back"]


def test_a_silent_driver_is_one_entry_not_one_for_each_gpu():
    told = played(GpuWatch(), [(OK,) * 8, *[(STALE,) * 8] * 10, (OK,) * 8])
    assert told == ["The NVIDIA driver does not answer", "end: The NVIDIA driver does not answer"]


def throttled(share: float | None) -> Gpu:
    state = MetricState.OK if share is not None else MetricState.STALE
    return replace(GPU, metrics={"hw.gpu.throttle.thermal": Reading(share, "1", state)})


def test_throttling_begins_and_ends_once_with_its_cause():
    watch, told = GpuWatch(), []
    shares = [0.5] * 20 + [0.05] * 40 + [0.5] * 5 + [0.0] * 38
    for second, share in enumerate(shares):
        told += watch.step((throttled(share),), float(second), float(second))
    assert [type(found).__name__ for found in told] == ["Draft", "Ended"]
    assert "heat" in told[0].incident.title
    assert told[0].record


def test_throttling_that_comes_and_goes_is_told_once_and_a_single_burst_is_not():
    watch, told = GpuWatch(), []
    for second in range(300):
        told += watch.step((throttled(1.0 if second % 20 < 10 else 0.0),), float(second), float(second))
    assert [type(found).__name__ for found in told] == ["Draft"]
    assert told[0].incident.text == "Its clocks are held down 47\u202f% of the time."
    watch = GpuWatch()
    for second in range(300):
        assert watch.step((throttled(0.9 if 10 <= second < 15 else 0.0),), float(second), float(second)) == []


def test_power_capping_is_not_told_as_an_event():
    watch = GpuWatch()
    gpu = replace(GPU, metrics={"hw.gpu.throttle.power_cap": Reading(1.0, "1")}, throttle_reasons=("power cap",))
    assert not any(watch.step((gpu,), float(second), float(second)) for second in range(60))


@pytest.mark.parametrize(
    ("kind", "level", "title"),
    [("unbind", "warning", "GPU 3 was unbound from the driver"), ("bind", "info", "GPU 3 was bound to the driver")],
)
def test_a_driver_that_is_bound_names_the_gpu_by_its_place(kind: str, level: str, title: str):
    incident = drafts.of_event(drafts.located(DeviceEvent(5.0, kind, None, 0x1900), [GPU]), GPU, None).incident
    assert (incident.level, incident.title, incident.device) == (level, title, "GPU-3")


def test_a_driver_bound_to_a_gpu_that_nobody_knows_tells_its_place():
    event = drafts.located(DeviceEvent(5.0, "bind", None, 0x1_43_00), [GPU, replace(GPU, pci_bus_id=None)])
    incident = drafts.of_event(event, None, None).incident
    assert (incident.title, incident.device) == ("A GPU was bound to the driver", None)
    assert "0001:43:00.0" in incident.text


@pytest.mark.parametrize(("kind", "level"), [("unavailable", "alert"), ("recovery", "warning")])
def test_a_gpu_that_the_driver_gives_up_or_wants_repaired_says_where_to_look(kind: str, level: str):
    draft = drafts.of_event(DeviceEvent(5.0, kind, "GPU-3"), GPU, None)
    assert (draft.incident.level, draft.incident.device, draft.record) == (level, "GPU-3", level == "alert")
    assert draft.incident.title.startswith("GPU 3 ")
    assert "Health" in (draft.incident.hint or "")
