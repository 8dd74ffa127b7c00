"""A job once more, and one of another machine, in words."""

from dataclasses import replace

from mlops_desk.desk.cli import output
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.job_import import ImportNote
from mlops_desk.jobs.records.provenance import (
    CapsuleDrift,
    CapsuleImport,
    Difference,
    ImportedFrom,
    Repeat,
    RepeatPreview,
    Requirement,
    Standing,
    Verdict,
)
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.text import job_diff

JOB = Job("j2", "a", JobState.SUCCEEDED, JobSpec("a", "img"), 1.0, 1, "anna")
DRIFT = CapsuleDrift("data", "/data", "a", "b", more_files=3)
REPEAT = Repeat(
    "j1",
    (Difference("spec.seed", "1", "2"), Difference('capsule.data["/data"].files', "1", "4")),
    ("No seed.",),
    Verdict.DRIFTED,
    (DRIFT,),
)
ORIGIN = ImportedFrom("j1\x1b[2J", "box\n", "bo", verdict=Verdict.SAME)
NEEDS = (
    Requirement("image", "img", Standing.SAME, "The very image is here.", "no hint is needed"),
    Requirement("data", "/data", Standing.MISSING, "/d is not there.", "Make it first."),
)


def test_a_repetition_tells_the_reason_once_and_in_words():
    told = job_diff.told(replace(JOB, repeat=REPEAT))
    assert told == {
        "repeats": "j1",
        "made of": "drifted: data /data has 3 more files",
        "differs": "spec.seed: 1 -> 2",
        "note": "No seed.",
    }
    assert job_diff.told(JOB) == {}


def test_where_an_imported_job_is_from_is_told_as_plain_text():
    told = job_diff.told(replace(JOB, imported=ORIGIN))
    assert told["made of"] == "same"
    assert told["imported"] == "from job j1\\x1b[2J of bo on box\\n"


def test_what_a_rerun_needs_is_said_line_by_line():
    lines = job_diff.before(RepeatPreview(REPEAT, "name: a\n", NEEDS)).splitlines()
    assert lines == [
        "Job j1 once more:",
        "same     image img: The very image is here.",
        "missing  data /data: /d is not there.",
        "         Make it first.",
        "changed  spec.seed: 1 -> 2",
        'changed  capsule.data["/data"].files: 1 -> 4',
        "No seed.",
    ]


def test_an_import_is_the_job_file_with_all_else_as_its_comments():
    answer = CapsuleImport("/a", ORIGIN, "a", "name: a\n", requirements=NEEDS, ready=False)
    lines = output.text(answer).splitlines()
    assert lines[-1] == "name: a"
    assert all(line.startswith("# ") for line in lines[:-1])
    assert "refused as long as that is missing" in lines[-2]
    assert "--submit" in output.text(replace(answer, ready=True))
    note = ImportNote("after", "prepare", True, "Those jobs are not here: it waits for none.")
    origin = replace(ORIGIN, notes=(note,))
    lost = output.text(replace(answer, origin=origin)).splitlines()[-3]
    told = job_diff.told(replace(JOB, imported=origin))
    assert told["lost"] == "after: prepare. Those jobs are not here: it waits for none."
    assert lost == "# lost     after: prepare. Those jobs are not here: it waits for none."
