"""What was just made is what is shown: chosen as soon as it is there, with the filter kept where it can be."""

import time

import pytest
from doubles import endpoint_record, job_record
from PySide6.QtCore import Qt

from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState
from mlops_desk.jobs.records.job import JobState
from mlops_desk.machine.records import event as events
from mlops_desk.machine.records.event import IncidentLogged
from mlops_desk.machine.records.incident import Incident
from mlops_desk.serving.records.endpoint import EndpointState


@pytest.fixture
def jobs(start, double, qtbot):
    page = start(double, "jobs").window.page()
    qtbot.waitUntil(lambda: page.table.key() is not None)
    return page


def test_a_job_that_the_agent_tells_of_later_is_chosen_then(jobs, double, qtbot):
    jobs.filters.words.setText("sweep")
    qtbot.waitUntil(lambda: jobs.table.shown_rows() == 2)
    jobs.table.select_first()
    other = jobs.table.key()
    assert other is not None, "another row, which would stay chosen"
    jobs.reveal("late")
    assert (jobs.filters.words.text(), jobs.table.key()) == ("sweep", other)
    double.put_job(job_record("late", "sweep-late", JobState.QUEUED))
    qtbot.waitUntil(lambda: jobs.table.key() == "late")
    assert jobs.filters.words.text() == "sweep"


def test_a_filter_is_taken_back_where_it_hides_what_was_made(jobs, double, qtbot):
    jobs.filters.words.setText("nothing like it")
    jobs.reveal("late")
    double.put_job(job_record("late", "submitted", JobState.QUEUED))
    qtbot.waitUntil(lambda: jobs.table.key() == "late")
    assert jobs.filters.words.text() == ""


def test_a_filter_stays_where_what_is_asked_for_is_not_there(jobs):
    jobs.filters.words.setText("res")
    jobs.reveal("nobody")
    assert jobs.filters.words.text() == "res"


def test_who_chose_another_row_meanwhile_is_not_taken_away_from_it(jobs, double, qtbot):
    jobs.table.select_first()
    jobs.reveal("late")
    qtbot.keyClick(jobs.table, Qt.Key.Key_Down)
    own = jobs.table.key()
    double.put_job(job_record("late", "submitted", JobState.QUEUED))
    qtbot.waitUntil(lambda: jobs.table.holds("late"))
    qtbot.wait(50)
    assert jobs.table.key() == own


def test_a_wish_ends_when_it_was_met_and_when_the_page_is_left(start, double, qtbot):
    window = start(double, "jobs").window
    page = window.page()
    qtbot.waitUntil(lambda: page.table.key() is not None)
    page.reveal("late")
    window.show_page("host")
    double.put_job(job_record("late", "submitted", JobState.QUEUED))
    window.show_page("jobs")
    qtbot.waitUntil(lambda: page.table.holds("late"))
    assert page.table.key() != "late"


def test_jobs_submitted_one_after_the_other_are_each_chosen(jobs, double, qtbot):
    for number in range(7):
        jobs.context.open_page("jobs", f"late{number}")
        double.put_job(job_record(f"late{number}", "submitted", JobState.QUEUED))
        qtbot.waitUntil(lambda number=number: jobs.table.key() == f"late{number}")


def test_an_endpoint_that_is_deployed_is_chosen_as_soon_as_it_is_there(start, double, qtbot):
    page = start(double, "endpoints").window.page()
    qtbot.waitUntil(lambda: page.table.key() is not None)
    page.reveal("fresh")
    double.put_endpoint(endpoint_record("fresh", EndpointState.BUILDING, "digits"))
    qtbot.waitUntil(lambda: page.table.key() == "fresh")


def test_a_retraining_that_comes_later_is_chosen_with_its_buttons(start, double, qtbot):
    page = start(double, "drift").window.page()
    rules = page.rules
    page.tabs.choose("rules")
    qtbot.waitUntil(lambda: rules.retrainings.key() is not None)
    page.reveal("retraining:late")
    late = Retraining("late", "digits-again", RetrainState.WAITING_FOR_APPROVAL, "drift", "j1", "3", 0.9, "4", 0.95,
                      created_at=time.time())  # fmt: skip
    double.retrainings_by_id["late"] = late
    double.announce(events.RetrainingChanged(late))
    qtbot.waitUntil(lambda: rules.retrainings.key() == "late")
    assert rules._approve.isVisible()


def test_an_event_that_comes_later_is_chosen(start, double, qtbot):
    page = start(double, "events").window.page()
    qtbot.waitUntil(lambda: page.log.key() is not None)
    page.level.setCurrentIndex(page.level.count() - 1)
    page.reveal("late")
    assert page.level.currentIndex() == page.level.count() - 1
    late = Incident("late", time.time(), "gpu", "info", "Something")
    double.incidents_by_id["late"] = late
    double.announce(IncidentLogged(late))
    qtbot.waitUntil(lambda: page.log.key() == "late")
