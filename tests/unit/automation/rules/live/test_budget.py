"""A rule's budget of GPU-hours counts real seconds back from now: clocks that are set for summer change nothing of it."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.automation.rules.live.budget import gpu_hours
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobSpec

WEEK = 604_800.0
BACK, ON = datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp(), datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()
"""When Berlin's clocks are set back and on."""


def held(start: float, end: float | None, *gpus: str) -> Job:
    state = JobState.RUNNING if end is None else JobState.SUCCEEDED
    attempt = Attempt(1, "a", "c", state, gpus, start, end)
    return Job("j", "train", state, JobSpec("train", "img"), start, 0, "me", attempts=(attempt,))


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe"])
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("change", [BACK, ON])
def test_a_week_over_a_change_of_clocks_has_168_hours_in_every_zone(zone, change) -> None:
    now = change + 3 * 86_400.0
    assert gpu_hours([held(now - 2 * WEEK, None, "g", "h")], now - WEEK, now) == 336.0
    assert gpu_hours([held(change - 3600.0, change + 3600.0, "g")], now - WEEK, now) == 2.0, "the hour that is doubled"


@given(
    st.sampled_from([BACK, ON]), st.integers(0, 604_800), st.integers(-900_000, 604_800), st.integers(0, 900_000),
    st.integers(0, 3),
)  # fmt: skip
@example(BACK, 0, -900_000, 900_000, 1)
@example(ON, 604_800, 0, 0, 2)
def test_what_counts_is_what_lies_within_the_span(change, since_change, begin, length, n_gpus) -> None:
    now = change + since_change
    start = change + begin
    jobs = [held(start, start + length, *map(str, range(n_gpus)))]
    within = max(0.0, min(start + length, now) - max(start, now - WEEK))
    assert gpu_hours(jobs, now - WEEK, now) == pytest.approx(within * n_gpus / 3600.0)
    if start <= now:
        running = [held(start, None, *map(str, range(n_gpus)))]
        assert gpu_hours(running, now - WEEK, now) == pytest.approx((now - max(start, now - WEEK)) * n_gpus / 3600.0)
