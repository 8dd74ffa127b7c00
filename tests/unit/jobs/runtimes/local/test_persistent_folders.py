"""Outputs and checkpoints: where they are kept, what can't be, and what the next attempt finds."""

import os
from dataclasses import replace

import pytest

from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Mount, Source
from mlops_desk.jobs.runtimes.local.cleanup import check_kept, environment, kept_folders, kept_mounts, make_kept
from mlops_desk.kit.base.errors import Refused, Unavailable

DATA = Mount("/srv/data", "/data", "ro")
SCRATCH = Mount("/srv/scratch", "/scratch", "rw")


def job(*attempts, **more):
    return Job("abc", "a", JobState.QUEUED, JobSpec("a", "img", **more), 1.0, 0, "me", attempts=attempts)


def first(**more):
    return Attempt(1, "abc-a1", "c", JobState.STARTING, **more)


def test_outputs_are_of_one_attempt_and_the_checkpoint_is_of_all(tmp_path):
    wanted = job(outputs=("/out", "/var/results"), checkpoint="/checkpoints")
    one, two = (kept_folders(tmp_path, wanted, number) for number in (1, 2))
    assert [(kept.target, kept.path, kept.checkpoint) for kept in one] == [
        ("/out", f"{tmp_path}/abc/a1/outputs/out", False),
        ("/var/results", f"{tmp_path}/abc/a1/outputs/var/results", False),
        ("/checkpoints", f"{tmp_path}/abc/checkpoint", True),
    ]
    assert one[2] == two[2]
    assert not {kept.path for kept in one[:2]} & {kept.path for kept in two[:2]}
    assert not list(tmp_path.iterdir())


def test_they_are_made_once_for_who_the_job_runs_as_and_keep_what_is_in_them(tmp_path):
    attempt = first(kept=kept_folders(tmp_path, job(outputs=("/out",), checkpoint="/ck"), 1))
    uid = 4711 if os.geteuid() == 0 else os.geteuid()
    for _ in range(2):
        make_kept(attempt, uid, os.getegid())
        (tmp_path / "abc/checkpoint/last").write_text("x")
    for place in ("abc/a1/outputs/out", "abc/checkpoint"):
        facts = (tmp_path / place).stat()
        assert (facts.st_uid, facts.st_mode & 0o777) == (uid, 0o700)
    assert [(mount.target, mount.mode) for mount in kept_mounts(attempt)] == [("/out", "rw"), ("/ck", "rw")]


def test_what_can_not_be_made_is_said(tmp_path):
    attempt = first(kept=kept_folders(tmp_path, job(checkpoint="/ck"), 1))
    (tmp_path / "abc").write_text("in the way")
    with pytest.raises(Unavailable, match="/ck"):
        make_kept(attempt, os.getuid(), os.getgid())


def test_what_lies_on_a_mount_is_kept_there(tmp_path):
    wanted = job(mounts=(DATA, SCRATCH), outputs=("/scratch/out", "/out"), checkpoint="/scratch/ck")
    check_kept(wanted.spec)
    assert [kept.target for kept in kept_folders(tmp_path, wanted, 1)] == ["/out"]
    assert environment(wanted, first()) == {"MLD_CHECKPOINT_DIR": "/scratch/ck"}
    check_kept(replace(wanted.spec, outputs=("/scratch",)))


@pytest.mark.parametrize(
    ("outputs", "checkpoint"),
    [
        (("/",), None),
        (("out",), None),
        (("/out/../etc",), None),
        (("/proc/1",), None),
        (("/mlops-desk/out",), None),
        (("/data/out",), None),
        ((), "/data"),
        ((), "/work/ck"),
        (("/out", "/out/more"), None),
        (("/out",), "/out/ck"),
        (("/out",), "/out"),
        (("/mine",), None),
    ],
)
def test_what_has_no_place_of_its_own_or_can_not_be_written_to_is_refused(outputs, checkpoint):
    spec = JobSpec(
        "a", "img", outputs=outputs, checkpoint=checkpoint, source=Source("/home/me/code"),
        mounts=(DATA, SCRATCH, Mount("/srv/x", "/mine/x")),
    )  # fmt: skip
    with pytest.raises(Refused):
        check_kept(spec)


def test_names_that_only_begin_alike_are_beside_each_other():
    check_kept(JobSpec("a", "img", outputs=("/out", "/output", "/dat"), mounts=(DATA,)))


def test_only_an_attempt_after_one_that_has_run_resumes():
    begun, never = first(started_at=5.0), first()
    second = Attempt(2, "abc-a2", "c", JobState.STARTING)
    assert environment(job(), second) == {}
    assert environment(job(never, second), second) == {}
    assert environment(job(begun, second), begun) == {}
    assert environment(job(begun, second, checkpoint="/ck"), second) == {
        "MLD_RESUME": "1",
        "MLD_CHECKPOINT_DIR": "/ck",
    }
