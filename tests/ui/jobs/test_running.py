"""What is seen of a job that runs: how far it is, that it seems stuck and why, what it takes now."""

import time
from dataclasses import replace

import pytest

from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.job_activity import LiveUse, Progress, Stuck, StuckSign
from mlops_desk.jobs.window.table.columns import COLUMNS
from mlops_desk.kit.window.words import jobs as words
from mlops_desk.machine.records.event import JobMoved

GIB = 1 << 30
ID = "8d2e3f4a5b6c"
STUCK = Stuck(
    time.time() - 1800, time.time() - 60, "Nothing was written for 30 min, and its GPUs do nothing.", "Look at its output.",
    (StuckSign("silent", time.time() - 1800, "It wrote a line each 2 s.", quote="step 1200 <b>loss</b>"),
     StuckSign("gpu_flat", time.time() - 1700, "GPU activity is at 0 %.")),
)  # fmt: skip


@pytest.fixture
def jobs(start, double, qtbot):
    page = start(double, "jobs").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == len(double.jobs_by_id))
    page.table.select(ID)
    return page


def text(page, column):
    number = next(n for n, one in enumerate(COLUMNS) if one.key == column)
    return page.table.records.index(page.table.records.row_of(ID), number).data()


def facts(page):
    return [(fact.name, fact.value) for fact in page.pane.view("why").facts.shown]


def test_the_bar_is_as_long_as_the_job_is_far(jobs, double, qtbot):
    line = jobs.pane.view("why").progress
    assert (line.isVisible(), line.share()) == (True, 0.74)
    assert "epoch 3/4" in line.words.whole
    double.announce(JobMoved(ID, Progress("starting", time.time())))
    qtbot.waitUntil(lambda: line.words.whole == "starting")
    assert line.share() is None
    job = double.jobs_by_id[ID]
    double.put_job(replace(job, state=JobState.SUCCEEDED, ended_at=time.time()))
    qtbot.waitUntil(lambda: not line.isVisible())


def test_a_job_that_seems_stuck_says_so_with_the_evidence(jobs, double, qtbot):
    double.announce(JobMoved(ID, Progress("step 1200", time.time() - 1800, 0.5), STUCK))
    qtbot.waitUntil(lambda: text(jobs, "state") == "▲ stuck?")
    assert text(jobs, "why").startswith("Nothing was written for 30 min")
    why = jobs.pane.view("why")
    assert why.headline.whole.startswith("◆ Running, but seems stuck since ")
    told = dict(facts(jobs))
    assert told["Stuck?"].endswith("Look at its output.")
    assert "step 1200 <b>loss</b>" in told["Its log"]
    assert told["Its GPUs"].startswith("GPU activity is at 0 %.")
    double.announce(JobMoved(ID, Progress("step 1201", time.time(), 0.5)))
    qtbot.waitUntil(lambda: text(jobs, "state") == "◆ running 50\u202f%")
    assert "Stuck?" not in dict(facts(jobs))


def test_a_loss_that_is_no_number_is_told(jobs, double, qtbot):
    double.announce(JobMoved(ID, Progress("step 9", time.time(), 0.5, loss_broken="nan")))
    qtbot.waitUntil(lambda: text(jobs, "why").startswith("loss is nan"))
    assert dict(facts(jobs))["Loss"] == "▲ nan"


def test_what_it_takes_now_is_told(jobs, double, qtbot):
    double.announce(JobMoved(ID, live=LiveUse(time.time(), 3.24, 12 * GIB, 32 * GIB, 8)))
    qtbot.waitUntil(lambda: "Takes now" in dict(facts(jobs)))
    assert dict(facts(jobs))["Takes now"].startswith("3.2 CPUs · 12 / 32")


@pytest.mark.parametrize(
    ("live", "told"),
    [
        (LiveUse(0.0), ""),
        (LiveUse(0.0, 0.0), "0.0 CPUs"),
        (LiveUse(0.0, None, GIB), "1 GiB memory"),
        (LiveUse(0.0, processes=1), "1 process"),
    ],
)
def test_what_is_not_known_is_left_out(live, told):
    assert words.live_words(live).replace("\u202f", " ") == told
