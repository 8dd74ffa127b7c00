"""Jobs in words: when they start or end, how far they are, and the queue in a line."""

import time
from dataclasses import replace

import pytest
from doubles import gpu_record, job_record
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.records.brief import brief_of
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.job_activity import Progress
from mlops_desk.kit.window.words import gpus, jobs
from mlops_desk.machine.records.gpu import GpuProcess, LeaseInfo

NOW = time.mktime((2026, 11, 26, 14, 0, 0, 0, 0, -1))


def brief(state, **more):
    limit = more.pop("limit", None)
    return replace(brief_of(job_record("j", "train", state, **more)), time_limit_seconds=limit)


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (-5.0, "now"),
        (30.0, "now"),
        (160 * 60.0, "~16:40"),
        (86_400.0, "~27 Nov 14:00"),
        (86_400.0 * 60, "~25 Jan 2027"),
    ],
)
def test_what_is_expected_is_said_to_the_minute(ahead, said):
    assert jobs.about(NOW + ahead, NOW) == said


@pytest.mark.parametrize(("number", "said"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"),
                                              (12, "12th"), (13, "13th"), (21, "21st"), (112, "112th"), (1001, "1,001st")])  # fmt: skip
def test_places_are_counted_as_people_do(number, said):
    assert jobs.ordinal(number) == said


@given(st.one_of(st.none(), st.floats(0, 1e6)), st.one_of(st.none(), st.floats(1, 1e6)), st.floats(0, 1e6))
@example(None, None, 10.0)
@example(0.0, None, 100.0)
def test_an_end_is_never_before_now_nor_after_the_limit(left, limit, ran):
    progress = None if left is None else Progress("", NOW - 60, 0.5, left)
    end = jobs.expected_end(brief(JobState.RUNNING, started_at=NOW - ran, progress=progress, limit=limit), NOW)
    if left is None and limit is None:
        assert end is None
    if end is not None and limit is not None:
        assert end <= NOW - ran + limit
    if end is not None and limit is None:
        assert end >= NOW


def test_what_does_not_run_has_no_end_to_expect():
    assert jobs.expected_end(brief(JobState.QUEUED, limit=60.0), NOW) is None
    assert jobs.expected_end(brief(JobState.SUCCEEDED, started_at=NOW - 9, limit=60.0), NOW) is None


def test_the_queue_is_said_in_a_line():
    at = time.time()
    known = [
        brief(JobState.RUNNING), brief(JobState.STARTING), brief(JobState.QUEUED, forecast_start=at + 86_400 * 3),
        brief(JobState.QUEUED, forecast_start=at), brief(JobState.BLOCKED), brief(JobState.FAILED),
    ]  # fmt: skip
    assert jobs.queue_title(known) == "Queue: 2 running, 3 waiting · next now"
    assert jobs.queue_title([], then=True) == "Queue now: 0 running, 0 waiting"


@pytest.mark.parametrize(
    ("state", "text", "word", "token"),
    [
        ("shared", "2 jobs share it, 24 of 80 GiB declared", "shared", "ok"),
        ("reserved", "reserved for ana until 18:00", "reserved", "paused"),
        ("faulted", "XID 79: fell off the bus", "faulted", "alert"),
        ("draining", "its job is over, its memory is not free yet", "draining", "paused"),
    ],
)
def test_each_state_of_the_ledger_has_word_shape_and_colour_and_says_why(state, text, word, token):
    gpu = replace(gpu_record(3, NOW), lease=LeaseInfo(state, text=text))
    mark = gpus.gpu_mark(gpu)
    assert (mark.word, mark.token) == (word, token)
    assert mark.shape
    assert gpus.who(gpu) == text


def test_who_has_a_gpu_is_said_with_job_user_and_for_how_long():
    process = GpuProcess(
        7, "bo", "python x.py", 1, "mld-7c1d-a1", started_at=time.time() - 3 * 3600 - 5, job="resnet50"
    )
    gpu = replace(gpu_record(3, NOW), lease=None, processes=(process,))
    assert gpus.who(gpu) == "resnet50 · bo · 3\u202fh"
    assert gpus.who(replace(gpu, lease=LeaseInfo("leased", user="ana", label="vit"))) == "vit · ana · 3\u202fh"
    assert gpus.process_holder(process) == "resnet50 · mld-7c1d-a1 · bo"
