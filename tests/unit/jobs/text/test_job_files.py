"""Imported job files and templates as text."""

from dataclasses import replace

from mlops_desk.desk.cli import output
from mlops_desk.gpus.records.usage import GpuHours, JobUsage
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.job_import import ImportedJob, ImportedJobs, ImportNote
from mlops_desk.jobs.records.spec import JobKind, JobSpec, Source
from mlops_desk.jobs.records.template import JobTemplate
from mlops_desk.jobs.text.job import asked_beside, lived, named
from mlops_desk.jobs.text.job_files import losses

ONE = ImportedJob(
    "a", "name: a\n", (ImportNote("--privileged", "", True, "Why."), ImportNote("-p", "8:8", False, "So."))
)
TWO = ImportedJob("b", "name: b\n")


def test_one_job_file_is_printed_as_it_is_and_its_losses_beside_it():
    answer = ImportedJobs("docker run", (ONE,))
    assert output.text(answer) == "name: a"
    assert losses(answer) == (
        "a (from docker run): 1 lost, 1 changed.\n  lost    --privileged: Why.\n  changed -p 8:8: So."
    )


def test_several_job_files_are_parted():
    assert output.text(ImportedJobs("compose", (ONE, TWO))) == "--- # a\nname: a\n--- # b\nname: b"


def test_other_answers_have_no_losses():
    assert losses("name: a") is None


def test_templates_are_listed_and_one_is_printed():
    template = JobTemplate("mine", "Mine", "Help.", "name: a\n", own=True)
    assert output.text(template) == "name: a"
    assert output.text([template]).split("\n")[1].split() == ["mine", "one's", "own", "Mine"]


def test_a_text_is_printed_as_it_is():
    assert output.text("name: é\n") == "name: é"


def test_what_a_jobs_file_says_beside_its_image_stands_in_lines():
    spec = JobSpec(
        "a", "b", kind=JobKind.BATCH, params={"lr": "0.1", "d": "3"}, seed=0, preemptible=True, time_limit_seconds=5400.0,
        after=("aa",), after_success=("bb", "cc"), retries={"oom_kernel": 1}, secrets=("s",), ports=(80,), relax=("x",),
        source=Source(git="https://h/r", ref="main"),
    )  # fmt: skip
    job = Job("1", "a", JobState.QUEUED, spec, 0.0, 0, "root", priority=3, group="0", group_index=1)
    assert named(job) == "a [1]"
    assert asked_beside(job) == {
        "sort": "batch", "parameters": "lr=0.1, d=3", "seed": "0", "group": "0, number 1", "priority": "3",
        "preemptible": "yes", "time limit": "1.5 h", "after": "aa", "after success of": "bb cc", "retries": "oom_kernel=1",
        "code": "https://h/r main", "secrets": "s", "ports": "80", "relaxed": "x",
    }  # fmt: skip
    assert asked_beside(Job("1", "a", JobState.QUEUED, JobSpec("a", "b"), 0.0, 0, "root")) == {}


def test_how_long_a_job_ran_and_what_it_used_is_told_as_far_as_it_is_known():
    job = Job("a", "a", JobState.SUCCEEDED, JobSpec("a", "img"), 0.0, 1, "anna", started_at=10.0, ended_at=30.0)
    assert lived(job) == {"took": "20 s"}
    cpu = JobUsage(0.0, cpu_seconds=7.5, memory_peak_bytes=192 << 20)
    assert lived(replace(job, usage=cpu))["used"] == "7.5 s of processor, 192 MiB memory at most"
    gpus = JobUsage(40.0, 1.8e6, False, 1 << 30, 0.75, 0.0)
    words = "40 s of GPUs, 0.5 kWh (from power over time), 1 GiB of a GPU at most, GPUs 75% busy"
    assert lived(replace(job, usage=gpus))["used"] == words
    assert lived(replace(job, ended_at=None)) == {}


def test_gpu_hours_are_told_to_half_a_minute():
    assert output.text([GpuHours("anna", 0.008, 1.5)]).split("\n")[1].split() == [
        "anna",
        "0.01",
        "1.50",
        "0.00",
        "0.00",
    ]
