"""Kills for lack of memory, told by kernel and engine in any order: one entry each, and none without its name."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.machine.events.oom_kills import Kills, Outlets
from mlops_desk.machine.records.incident import DeviceEvent, Incident

ID = "0123456789abcdef" * 4
OTHER = "f" * 64


class Log:
    """An event log in memory, with the kills that write it."""

    def __init__(self, **names: str) -> None:
        self.names = dict(names)
        self.entries: dict[str, Incident] = {}
        self._numbers = itertools.count()
        self.kills = Kills(Outlets(self.names.get, self._job, self._recent, self._store, self._join))

    def _job(self, container: str) -> str | None:
        return "train-x" if self.names.get(container) == "mld-x-j1-a1" else None

    def _recent(self, at: float) -> list[Incident]:
        return [entry for entry in self.entries.values() if entry.at >= at]

    def _store(self, draft) -> None:
        incident = draft.incident
        identifier = incident.id or f"entry-{next(self._numbers)}"
        assert identifier not in self.entries
        self.entries[identifier] = replace(incident, id=identifier)

    def _join(self, incident: Incident) -> None:
        assert incident.id in self.entries
        self.entries[incident.id] = incident

    @property
    def only(self) -> Incident:
        (entry,) = self.entries.values()
        return entry


def kill(at: float = 100.0, container: str | None = ID, process: str | None = "python", count: int = 1) -> DeviceEvent:
    pid = 77 if process else None
    return DeviceEvent(at, "oom", "host", pid=pid, process=process, container=container, limited=True, count=count)


UNNAMED = kill(container=None, process=None)


def job(class_: str = "oom_kernel", ended: float = 103.0) -> Job:
    attempt = Attempt(1, "j1-a1", "mld-x-j1-a1", JobState.FAILED)
    reason = Reason(class_, "Killed.", "The engine says so.", "Give it more.")
    return Job(
        "j1", "train-x", JobState.FAILED, JobSpec("train-x", "i"), 1.0, 1, "ada", reason=reason, attempts=(attempt,),
        started_at=50.0, ended_at=ended,
    )  # fmt: skip


@pytest.mark.parametrize("first", ["kernel", "engine"])
def test_kernel_and_engine_tell_of_one_kill_in_one_entry(first):
    log = Log(**{ID: "mld-x-j1-a1"})
    steps = [lambda: log.kills.heard(kill(), 0.0), lambda: log.kills.ended(job(), 104.0)]
    for tell in steps if first == "kernel" else reversed(steps):
        tell()
    details = log.only.details
    assert (details["job"], details["job_id"], details["container"]) == ("train-x", "j1", "mld-x-j1-a1")
    assert (details["pid"], details["command"]) == ("77", "python")
    assert not log.kills.waits


@pytest.mark.parametrize("event", [UNNAMED, kill(), kill(count=4, container=None, process=None)])
@pytest.mark.parametrize("first", ["kernel", "engine"])
def test_a_kill_whose_container_nobody_knows_is_the_jobs_that_ended_just_then(event, first):
    log = Log()
    steps = [lambda: log.kills.heard(event, 0.0), lambda: log.kills.ended(job(), 104.0)]
    for tell in steps if first == "kernel" else reversed(steps):
        tell()
    assert log.only.details["job"] == "train-x"
    assert log.only.details.get("command") == event.process
    log.kills.look(1e6)
    assert len(log.entries) == 1


def test_a_kill_without_a_name_is_told_after_a_while():
    log = Log()
    log.kills.heard(UNNAMED, 0.0)
    log.kills.look(14.9)
    assert not log.entries
    assert log.kills.waits
    log.kills.look(15.0)
    assert log.only.title == "The kernel killed a process"
    assert not log.kills.waits


def test_a_container_is_told_by_its_name_as_soon_as_that_is_known_and_by_its_id_if_it_never_is():
    log = Log()
    log.kills.heard(kill(), 0.0)
    log.kills.heard(kill(container=OTHER), 0.0)
    log.names[ID] = "boxed"
    log.kills.look(1.0)
    assert log.only.title == "The kernel killed python in container boxed"
    log.kills.flush()
    assert [entry.details["container"] for entry in log.entries.values()] == ["boxed", OTHER[:12]]


def test_a_process_of_the_host_is_told_at_once_and_is_no_jobs():
    log = Log()
    log.kills.ended(job(), 104.0)
    log.kills.heard(kill(container=None), 0.0)
    assert [entry.details.get("job") for entry in log.entries.values()] == ["train-x", None]


def test_another_containers_kill_is_another_entry():
    log = Log(**{ID: "mld-x-j1-a1", OTHER: "boxed"})
    log.kills.ended(job(), 104.0)
    log.kills.heard(kill(container=OTHER), 0.0)
    assert len(log.entries) == 2


def test_a_kill_that_waited_and_turns_out_to_be_another_containers_is_not_the_jobs():
    log = Log()
    log.kills.heard(kill(container=OTHER), 0.0)
    log.names[OTHER] = "boxed"
    log.kills.ended(job(), 104.0)
    assert sorted(entry.details["container"] for entry in log.entries.values()) == ["boxed", "mld-x-j1-a1"]


def test_a_kill_long_before_or_after_a_jobs_end_is_not_the_jobs():
    log = Log()
    log.kills.heard(replace(UNNAMED, at=72.9), 0.0)
    log.kills.ended(job(), 104.0)
    log.kills.heard(replace(UNNAMED, at=133.1), 0.0)
    log.kills.flush()
    assert len(log.entries) == 3


def test_a_worker_that_was_killed_early_in_a_job_is_the_jobs_kill():
    log = Log(**{ID: "mld-x-j1-a1"})
    log.kills.heard(kill(at=60.0), 0.0)
    log.kills.ended(job(ended=1000.0), 1000.0)
    assert log.only.details["job_id"] == "j1"
    assert log.only.hint == "Give it more."


def test_what_ended_otherwise_is_no_kill_and_a_gpus_memory_is_an_entry_of_its_own():
    log = Log()
    log.kills.heard(UNNAMED, 0.0)
    log.kills.ended(job("exit_nonzero"), 104.0)
    assert not log.entries
    log.kills.ended(job("oom_cuda"), 104.0)
    assert log.only.details["class"] == "oom_cuda"
    log.kills.flush()
    assert len(log.entries) == 2


def test_a_job_that_is_announced_again_is_not_told_again():
    log = Log(**{ID: "mld-x-j1-a1"})
    log.kills.heard(kill(), 0.0)
    for _ in range(3):
        log.kills.ended(job(), 104.0)
    assert len(log.entries) == 1


@given(st.integers(1, 200), st.booleans())
@example(65, True)
@example(65, False)
def test_of_a_storm_little_waits_and_nothing_is_lost(number, is_named):
    log = Log()
    for at in range(number):
        log.kills.heard(
            kill(float(at), container=ID if is_named else None, process="python" if is_named else None), 0.0
        )
        assert len(log.kills._waiting) <= 64
    log.kills.flush()
    assert len(log.entries) == number


def test_of_two_jobs_that_ended_about_then_a_kill_in_an_unknown_container_is_the_nearer_ones():
    log = Log()
    for name, ended in (("far", 80.0), ("near", 103.0), ("later", 125.0)):
        (attempt,) = job().attempts
        attempts = (replace(attempt, container=f"mld-{name}-a1"),)
        log.kills.ended(replace(job(ended=ended), id=name, attempts=attempts), ended)
    log.kills.heard(kill(at=104.0), 0.0)
    assert {entry.details["job_id"]: entry.details.get("command") for entry in log.entries.values()} == {
        "far": None, "near": "python", "later": None,
    }  # fmt: skip
