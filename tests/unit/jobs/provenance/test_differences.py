"""In what two jobs differ."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.gpus.records.usage import JobUsage
from mlops_desk.jobs.provenance.differences import differences, job_document
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.provenance import Capsule, DataIdentity, Difference, GitIdentity
from mlops_desk.jobs.records.spec import JobSpec, Mount, Resources

KEYS = st.text(min_size=1, max_size=4) | st.sampled_from(["a", "b", 'a"]', "a.b", "a[0]"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=4)
DOCUMENTS = st.dictionaries(
    KEYS, st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)),
    max_size=4,
)  # fmt: skip


def pruned(value):
    """What is left of a document once empty things are gone, which is all that is compared."""
    if isinstance(value, dict):
        kept = {key: pruned(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in ({}, None)} or None
    if isinstance(value, list):
        return {index: item for index, item in enumerate(map(pruned, value)) if item not in ({}, None)} or None
    return repr(value) if isinstance(value, (bool, float)) else value


@pytest.mark.slow
@given(DOCUMENTS)
def test_nothing_differs_from_itself(document):
    assert differences(document, document) == ()


@pytest.mark.slow
@given(DOCUMENTS, DOCUMENTS)
@example({"a.b": 1}, {"a": {"b": 1}})
@example({"a[0]": 1}, {"a": [1]})
@example({"a": True}, {"a": 1})
@example({"a": ""}, {})
def test_each_difference_is_told_once_and_from_both_sides(a, b):
    found = differences(a, b)
    paths = [one.path for one in found]
    assert len(paths) == len(set(paths))
    assert all(one.a != one.b for one in found)
    assert {(one.path, one.b, one.a) for one in found} == {(one.path, one.a, one.b) for one in differences(b, a)}


@given(DOCUMENTS, st.text(max_size=3))
def test_what_is_there_only_once_is_a_difference(document, text):
    assert Difference("new", text, None) in differences({**document, "new": text}, {**document, "new": None})


def test_paths_are_those_of_the_job_file():
    a = {"resources": {"gpus": 1}, "command": ["python", "a.py"], "env": {"A.B": "1"}, "on": True}
    b = {"resources": {"gpus": 2}, "command": ["python"], "env": {"A.B": "2"}, "on": False}
    assert differences(a, b, "spec") == (
        Difference("spec.resources.gpus", "1", "2"),
        Difference("spec.command[1]", "a.py", None),
        Difference('spec.env["A.B"]', "1", "2"),
        Difference("spec.on", "true", "false"),
    )


def job(**fields):
    spec = JobSpec("train", "img", mounts=(Mount("/a", "/data"), Mount("/x", "/other")))
    return replace(Job("1", "train", JobState.SUCCEEDED, spec, 1.0, 0, "me", started_at=10.0, ended_at=12.0), **fields)


def test_two_jobs_are_compared_in_all_that_is_known_of_them():
    one = job(capsule=Capsule(git=GitIdentity("c0ffee", dirty=False), data=(DataIdentity("/data", "/a", 1, 2),)))
    mounts = (Mount("/x", "/other"), Mount("/b", "/data"))
    other = job(
        id="2", submitted_at=2.0, ended_at=13.5, state=JobState.FAILED, exit_code=1, usage=JobUsage(gpu_seconds=7.0),
        spec=replace(one.spec, mounts=mounts, resources=Resources(gpus=1)),
        capsule=Capsule(git=GitIdentity("c0ffee", dirty=True), data=(DataIdentity("/data", "/b", 1, 2),)),
    )  # fmt: skip
    found = differences(job_document(one, {"auc": 0.5}), job_document(other, {"auc": 0.75}))
    assert [(item.path, item.a, item.b) for item in found] == [
        ("spec.resources.gpus", "0", "1"),
        ('spec.mounts["/data"].source', "/a", "/b"),
        ("capsule.git.dirty", "false", "true"),
        ('capsule.data["/data"].source', "/a", "/b"),
        ("outcome.state", "succeeded", "failed"),
        ("outcome.seconds", "2.0", "3.5"),
        ("metrics.auc", "0.5", "0.75"),
        ("outcome.exit_code", None, "1"),
        ("usage.gpu_seconds", None, "7.0"),
    ]
