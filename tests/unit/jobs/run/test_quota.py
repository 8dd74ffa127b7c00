"""A job's own folder has a limit, and a disk without room costs no outcome."""

import errno
import math
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.jobs.records.job import Attempt, JobState
from mlops_desk.jobs.runtimes.local import quota
from mlops_desk.jobs.runtimes.local.folder import AttemptFolder
from mlops_desk.jobs.runtimes.local.quota import OutQuota, used_bytes
from mlops_desk.jobs.runtimes.log_archive.blocks import KeptPart
from mlops_desk.kit.base.errors import Unavailable

MIB = 1 << 20


def test_what_a_folder_takes_is_counted_as_the_disk_counts(tmp_path):
    (tmp_path / "small").write_bytes(b"x" * 100)
    with (tmp_path / "holes").open("wb") as file:
        file.seek(1 << 40)
        file.write(b"x")
    (tmp_path / "link").symlink_to(sys.executable)
    assert 0 < used_bytes(tmp_path) < 1 * MIB
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/large").write_bytes(b"x" * 3 * MIB)
    assert 3 * MIB <= used_bytes(tmp_path) < 4 * MIB
    for number in range(100):
        (tmp_path / f"deep/er/{number}").write_bytes(b"x" * 10_000)
    assert 4 * MIB <= used_bytes(tmp_path) < 5 * MIB


def test_many_files_without_folders_are_counted_too(tmp_path):
    for number in range(200):
        (tmp_path / str(number)).write_bytes(b"x" * 4096)
    assert 200 * 4096 <= used_bytes(tmp_path) <= 200 * 4096 + 64 * 1024


@pytest.mark.slow
def test_a_count_that_takes_too_long_is_not_known_and_its_process_is_ended(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/du").write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec /bin/sleep 60\n")
    (tmp_path / "bin/du").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    (tmp_path / "out/deep").mkdir(parents=True)
    assert used_bytes(tmp_path / "out", deadline_seconds=1.0) is None
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_a_folder_that_is_gone_is_not_known(tmp_path):
    assert used_bytes(tmp_path / "missing") is None


def test_a_slow_count_rests_for_twenty_times_as_long(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(quota.time, "monotonic", lambda: clock[0])

    def slow(_folder):
        clock[0] += 10.0
        return 7

    monkeypatch.setattr(quota, "used_bytes", slow)
    out = OutQuota()
    assert not out.is_due("a")
    clock[0] += 5.0
    assert out.is_due("a")
    assert out.used("a", [tmp_path]) == 7
    clock[0] += 199.0
    assert not out.is_due("a")
    clock[0] += 1.0
    assert out.is_due("a")
    out.forget("a")
    assert not out.is_due("a")


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(quota, "_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(quota, "_REST", 0.0)


def writes(world, job_id, size):
    out = world.root / "jobs" / job_id / "a1" / "out"
    (out / "results").write_bytes(b"x" * size)
    return out


@pytest.mark.usefixtures("often")
def test_a_job_that_writes_more_than_it_may_is_stopped_and_told_why(world):
    world.out_limit_bytes = MIB
    job_id, other = world.submit("forever", gpus=1), world.submit("forever")
    world.tick(3)
    writes(world, job_id, MIB // 2)
    world.tick(3)
    assert world.job(job_id).state is JobState.RUNNING
    out = writes(world, job_id, 2 * MIB)
    job = world.run(job_id)
    assert (job.state, job.reason.class_, job.exit_code) == (JobState.FAILED, "disk_quota", 143)
    assert str(out) in job.reason.evidence
    assert "jobs.out_mebibytes" in job.reason.hint
    assert world.leases.held == {}
    assert world.job(other).state is JobState.RUNNING
    assert (out / "results").exists()


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("target", ["/out", "/ck"])
def test_outputs_and_checkpoint_count_too(world, target):
    world.out_limit_bytes = MIB
    job_id = world.submit("forever", outputs=("/out",), checkpoint="/ck")
    world.tick(3)
    kept = {one.target: Path(one.path) for one in world.job(job_id).attempts[-1].kept}
    (kept[target] / "big").write_bytes(b"x" * (2 * MIB))
    world.runner._attempts.count_room(job_id)
    job = world.run(job_id)
    assert (job.state, job.reason.class_) == (JobState.FAILED, "disk_quota")
    assert str(kept[target]) in job.reason.evidence


@pytest.mark.usefixtures("often")
def test_a_job_is_held_to_what_it_was_started_with_or_more(world):
    world.out_limit_bytes = MIB
    job_id = world.submit("forever")
    world.tick(3)
    assert world.job(job_id).attempts[-1].out_limit_bytes == MIB
    world.out_limit_bytes = 10
    writes(world, job_id, MIB // 2)
    world.runner._attempts.count_room(job_id)
    assert world.job(job_id).reason is None, "a lower limit is for later jobs"
    world.out_limit_bytes = 3 * MIB
    writes(world, job_id, 2 * MIB)
    world.runner._attempts.count_room(job_id)
    assert world.job(job_id).reason is None, "more was allowed meanwhile"
    world.out_limit_bytes = 2
    world.runner._attempts.count_room(job_id)
    assert world.run(job_id).reason.evidence.endswith("0.000977 GiB are allowed.")


@pytest.mark.usefixtures("often")
def test_a_job_that_nobody_told_a_limit_when_it_was_started_has_none(world, monkeypatch):
    """As one of an agent that knew none."""
    world.out_limit_bytes = MIB
    job_id = world.submit("forever")
    world.tick(3)
    world.book.change(job_id, lambda job: replace(job, attempts=(replace(job.attempts[-1], out_limit_bytes=None),)))
    counted = []
    monkeypatch.setattr(quota, "used_bytes", lambda folder: counted.append(folder) or 2 * MIB)
    world.tick(5)
    world.runner._attempts.count_room(job_id)
    assert (world.job(job_id).state, counted) == (JobState.RUNNING, [])


@pytest.mark.usefixtures("often")
def test_an_agent_that_dies_between_the_finding_and_the_stop_loses_neither(world):
    world.out_limit_bytes = MIB
    world.engine.programs["stubborn"] = ScriptedProgram(seconds=math.inf, ignores_term=True)
    job_id = world.submit("stubborn")
    world.tick(2)
    writes(world, job_id, 2 * MIB)
    world.runner._attempts.count_room(job_id)
    assert world.job(job_id).reason.class_ == "disk_quota"
    world.restart()
    job = world.run(job_id)
    assert (job.state, job.reason.class_, job.exit_code) == (JobState.FAILED, "disk_quota", 137)


@pytest.mark.usefixtures("often")
def test_a_job_that_ended_by_itself_before_the_stop_keeps_its_outcome(world):
    world.out_limit_bytes = MIB
    job_id = world.submit("forever")
    world.tick(2)
    writes(world, job_id, 2 * MIB)
    world.runner._attempts.count_room(job_id)
    world.engine._end(world.engine._containers[world.job(job_id).container], 1.0, 0)
    assert world.run(job_id).state is JobState.SUCCEEDED


@pytest.mark.usefixtures("often")
def test_a_folder_that_can_not_be_counted_stops_nobody(world, monkeypatch):
    world.out_limit_bytes = 0
    monkeypatch.setattr(quota, "used_bytes", lambda _folder: None)
    job_id = world.submit("forever")
    world.tick(5)
    assert world.job(job_id).state is JobState.RUNNING


# -- a full disk -------------------------------------------------------------------------------


def full(*_arguments, **_named):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_on_a_full_disk_a_job_ends_at_once_and_its_log_is_kept_once_there_is_room(world, monkeypatch):
    world.engine.programs["train"] = ScriptedProgram(exit_code=3, lines=("one", "ValueError: x"))
    append = KeptPart.append
    monkeypatch.setattr(KeptPart, "append", full)
    job_id = world.submit("train", gpus=1)
    job = world.run(job_id)
    assert (job.state, job.exit_code) == (JobState.FAILED, 3)
    assert "ValueError: x" in job.reason.evidence
    assert world.leases.held == {}
    assert [facts.name for facts in world.containers()] == [job.container]
    folder = AttemptFolder(world.root / "jobs", job_id, job.attempts[0])
    assert not folder.log.is_there()
    monkeypatch.setattr(KeptPart, "append", append)
    world.tick()
    assert world.containers() == []
    assert list(folder.log.lines()) == ["one", "ValueError: x"]


def test_the_end_of_a_run_that_the_disk_does_not_take_is_told_to_the_server_all_the_same(world, monkeypatch):
    monkeypatch.setattr("mlops_desk.jobs.run.runs.write_atomically", full)
    job_id = world.submit("train", mlflow=True)
    assert world.run(job_id).state is JobState.SUCCEEDED
    world.tick()
    assert world.runs.status == {f"run-{job_id}": "FINISHED"}


class FullTable:
    """A table on a disk that may be full."""

    def __init__(self, inner):
        self.inner = inner
        self.full = False

    def put(self, job):
        if self.full:
            raise Unavailable("The disk is full.", "Free some space.")
        self.inner.put(job)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def test_while_nothing_can_be_written_each_job_says_so_and_all_end_once_there_is_room(world):
    tables = []
    world.agent(world.engine, world.leases, lambda table: tables.append(FullTable(table)) or tables[-1])
    jobs = [world.submit("forever") for _ in range(2)]
    world.tick(2)
    tables[-1].full = True
    for number, job_id in enumerate(jobs):
        world.engine._end(world.engine._containers[world.job(job_id).container], 1.0, number)
    world.tick(3)
    for job_id in jobs:
        job = world.job(job_id)
        assert (job.state, job.reason.class_) == (JobState.RUNNING, "postponed")
        assert "full" in job.reason.text
        assert next(one for one in world.book.newest() if one.id == job_id).reason == job.reason
    tables[-1].full = False
    ends = [world.run(job_id) for job_id in jobs]
    assert [(job.state, job.exit_code) for job in ends] == [
        (JobState.SUCCEEDED, 0),
        (JobState.FAILED, 1),
    ]


def test_the_outcomes_room_on_the_disk_is_taken_before_the_job_starts(tmp_path):
    folder = AttemptFolder(tmp_path, "job", Attempt(1, "job-a1", "c", JobState.STARTING))
    folder.prepare(os.getuid(), os.getgid())
    reserved = folder.out / ".outcome.new"
    before = reserved.stat()
    assert before.st_size >= 4096
    assert stat.S_IMODE(before.st_mode) == 0o600
    script = tmp_path / "wrapper.sh"
    text = (folder.path / "in/wrapper.sh").read_text().replace("/mlops-desk/", f"{folder.path}/")
    script.write_text(text)
    subprocess.run(["/bin/sh", script, "true"], check=True, timeout=20)
    after = (folder.out / "outcome.json").stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert folder.outcome().exit_code == 0
