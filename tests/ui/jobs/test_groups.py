"""Sweeps and arrays on the page on jobs: folded into a row, acted on as a whole, the best of them marked."""

from dataclasses import replace

import pytest
from doubles import job_record
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QMenu

from mlops_desk.jobs.records.brief import brief_of
from mlops_desk.jobs.records.group import GroupMember, JobGroup
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.window.acts.job_acts import PriorityDialog
from mlops_desk.jobs.window.table.columns import COLUMNS
from mlops_desk.jobs.window.table.rows import GroupRow, MemberRow, group_key, parent_of, rows, varied
from mlops_desk.kit.window.tables.order import Cell, Column, Order
from mlops_desk.kit.window.widgets.confirmation import Confirm

STATES = (JobState.SUCCEEDED, JobState.SUCCEEDED, JobState.RUNNING, JobState.QUEUED, JobState.QUEUED, JobState.FAILED)


def member(number, state, **more):
    job = job_record(f"m{number}", "tune", state, group="g1", group_index=number, **more)
    return replace(job, spec=replace(job.spec, params={"lr": f"0.{number}", "seed": "1", "index": str(number)}))


@pytest.fixture
def jobs(start, double, qtbot):
    for number, state in enumerate(STATES):
        job = member(number, state, submitted_at=1_700_000_000.0 + number)
        double.jobs_by_id[job.id] = job
    double.reached = {"m0": 0.91, "m1": 0.93}
    page = start(double, "jobs").window.page()
    qtbot.waitUntil(lambda: page.table.holds(group_key("g1")))
    return page


def text(page, key, column):
    number = next(n for n, one in enumerate(COLUMNS) if one.key == column)
    return page.table.records.index(page.table.records.row_of(key), number).data()


def press(page, key, *modifiers):
    QTest.keyClick(page.table, key, *modifiers)


def test_a_sweep_is_one_row_with_what_became_of_it_until_it_is_unfolded(jobs, double, qtbot):
    assert not jobs.table.holds("m0")
    assert text(jobs, group_key("g1"), "name") == "▸ tune (6)"
    assert text(jobs, group_key("g1"), "state") == "◆ 1 running"
    qtbot.waitUntil(lambda: "best auc 0.93 (lr=0.1)" in text(jobs, group_key("g1"), "why"))
    assert text(jobs, group_key("g1"), "why").startswith("2 succeeded, 1 failed, 1 running, 2 queued")
    jobs.table.setFocus()
    jobs.table.select(group_key("g1"))
    press(jobs, Qt.Key.Key_Right)
    assert text(jobs, group_key("g1"), "name") == "▾ tune (6)"
    first = jobs.table.records.row_of(group_key("g1"))
    assert {jobs.table.records.order.keys[first + n] for n in range(1, 7)} == {f"m{n}" for n in range(6)}
    assert text(jobs, "m1", "name") == "    ★ best  [1] lr=0.1"
    assert text(jobs, "m0", "name") == "    [0] lr=0.0"
    assert text(jobs, "m0", "why") == "auc 0.91"
    jobs.table.select("m3")
    press(jobs, Qt.Key.Key_Left)
    assert jobs.table.key() == group_key("g1")
    press(jobs, Qt.Key.Key_Left)
    assert not jobs.table.holds("m3")
    press(jobs, Qt.Key.Key_Return)
    assert jobs.table.holds("m3")


def test_who_looks_for_jobs_sees_them_and_no_fold(jobs):
    jobs.filters.words.setText("tune failed")
    assert jobs.table.records.order.keys == ["m5"]
    jobs.escape()
    assert jobs.table.holds(group_key("g1"))
    jobs.filters.state.setCurrentIndex(jobs.filters.state.findData("waiting"))
    jobs.filters.changed.emit()
    assert {"m3", "m4"} <= set(jobs.table.records.order.keys)
    assert not jobs.table.holds(group_key("g1"))


def test_a_link_to_a_job_of_a_sweep_unfolds_it(jobs, qtbot):
    jobs.reveal("m4")
    qtbot.waitUntil(lambda: jobs.table.key() == "m4")


def test_two_jobs_are_not_folded(jobs):
    assert jobs.table.holds("9e3f4a5b6c7d")
    assert not jobs.table.holds(group_key("sweep1"))


def test_a_group_is_shown_with_its_jobs_the_best_first_and_leads_to_them(jobs, qtbot):
    jobs.table.select(group_key("g1"))
    view = jobs.pane.group
    assert view.isVisible()
    assert not jobs.pane.tabs.isVisible()
    qtbot.waitUntil(lambda: "best auc 0.93 (lr=0.1)" in view.says.whole)
    assert view.table.records.order.keys[0] in {"m0", "m1"}
    view.table.select("m1")
    view.table.setFocus()
    QTest.keyClick(view.table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: jobs.table.key() == "m1")
    assert jobs.pane.tabs.isVisible()
    assert not view.isVisible()


def test_a_group_is_paused_goes_on_and_is_stopped_from_the_keyboard(jobs, double, qtbot):
    jobs.table.setFocus()
    jobs.table.select(group_key("g1"))
    stop, pause, go_on = jobs.acts.buttons()[:3]
    assert (stop.isVisible(), pause.isEnabled(), go_on.isEnabled()) == (True, True, False)
    assert go_on.accessibleDescription() == "Not now: it is not paused."
    assert not jobs.acts.stop.isVisible()
    press(jobs, Qt.Key.Key_P)
    qtbot.waitUntil(lambda: double.jobs_by_id["m3"].state is JobState.BLOCKED)
    qtbot.waitUntil(lambda: text(jobs, group_key("g1"), "state") == "❚❚ paused")
    qtbot.waitUntil(go_on.isEnabled)
    assert double.jobs_by_id["m2"].state is JobState.RUNNING
    press(jobs, Qt.Key.Key_G)
    qtbot.waitUntil(lambda: double.jobs_by_id["m3"].state is JobState.QUEUED)
    press(jobs, Qt.Key.Key_Delete)
    question = next(one for one in jobs.window().findChildren(Confirm) if one.isVisible())
    assert question.act.text() == "Stop group"
    words = " ".join(one.text() for one in question.findChildren(QLabel))
    assert "1 job of it runs, and what it has not saved is lost. 2 jobs that wait won't start." in words
    assert ("jobs", "cancel_group") not in double.calls
    QTest.mouseClick(question.act, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: all(double.jobs_by_id[f"m{n}"].state.is_final for n in range(6)))
    qtbot.waitUntil(lambda: stop.accessibleDescription() == "Not now: all of its jobs are over.")


def test_the_menu_of_a_row_has_all_acts_and_says_why_one_can_t_be_done(jobs, qtbot):
    menu = QMenu()
    qtbot.addWidget(menu)
    jobs.table.select("3f9a0c1e2b4d")
    jobs._fill_menu(menu)
    entries = {action.objectName(): action for action in menu.actions()}
    assert not entries["jobs.shell"].isEnabled()
    assert entries["jobs.shell"].text() == "Shell  –  it does not run"
    assert entries["jobs.resubmit"].text() == "Resubmit …\tCtrl+E"
    assert "jobs.cancel_group" not in entries
    menu.clear()
    jobs.table.select(group_key("g1"))
    jobs._fill_menu(menu)
    assert [action.objectName() for action in menu.actions() if action.objectName()] == [
        "jobs.cancel_group", "jobs.pause_group", "jobs.go_on",
    ]  # fmt: skip
    assert "Stop group …\tDel" in {action.text() for action in menu.actions()}
    menu.clear()
    jobs.reveal("m2")
    jobs._fill_menu(menu)
    texts = {action.objectName(): action.text() for action in menu.actions()}
    assert texts["jobs.cancel"] == "Stop job …\tDel"
    assert texts["jobs.cancel_group"] == "Stop group …", "the key stops the job alone"
    assert texts["jobs.pause_group"] == "Pause group"


def briefs(*jobs):
    return {job.id: brief_of(job) for job in jobs}


def test_rows_without_a_group_are_the_jobs_themselves():
    known = briefs(member(0, JobState.QUEUED), member(1, JobState.QUEUED))
    assert rows(known, (), {}, flat=False) is known
    many = briefs(*(member(n, JobState.QUEUED) for n in range(3)))
    assert rows(many, (), {}, flat=True) is many
    assert list(rows(many, (), {}, flat=False)) == [group_key("g1")]
    opened = rows(many, {"g1"}, {}, flat=False)
    assert list(opened) == [group_key("g1"), "m0", "m1", "m2"]
    assert [parent_of(row) for row in opened.values()] == [None, *[group_key("g1")] * 3]


@pytest.mark.parametrize(
    ("states", "word"),
    [
        ((JobState.RUNNING, JobState.FAILED, JobState.QUEUED), "running"),
        ((JobState.FAILED, JobState.SUCCEEDED, JobState.QUEUED), "queued"),
        ((JobState.FAILED, JobState.SUCCEEDED, JobState.SUCCEEDED), "failed"),
        ((JobState.UNKNOWN, JobState.SUCCEEDED, JobState.CANCELLED), "unknown"),
        ((JobState.CANCELLED, JobState.SUCCEEDED, JobState.SUCCEEDED), "succeeded"),
        ((JobState.CANCELLED,) * 3, "cancelled"),
    ],
)
def test_a_group_stands_as_what_goes_on_else_as_what_ended_worst(states, word):
    row = GroupRow("g1", tuple(brief_of(member(n, state)) for n, state in enumerate(states)), is_open=False)
    assert row.mark.word == word


def test_what_is_asked_of_one_job_of_a_sweep_names_it_and_not_the_sweep(jobs, qtbot):
    jobs.table.setFocus()
    jobs.reveal("m3")
    qtbot.waitUntil(lambda: jobs.table.key() == "m3")
    press(jobs, Qt.Key.Key_Delete)
    question = next(one for one in jobs.window().findChildren(Confirm) if one.isVisible())
    assert question.windowTitle() == "Take tune [3] out of the queue?"
    question.reject()
    jobs.acts.acts["jobs.priority"].run()
    form = next(one for one in jobs.window().findChildren(PriorityDialog) if one.isVisible())
    assert form.windowTitle() == "Priority of tune [3]"
    form.reject()


def test_a_group_that_stopped_itself_says_so():
    why = Reason("group_failing", "The first 3 jobs all failed.")
    jobs = [member(0, JobState.FAILED), member(1, JobState.BLOCKED, reason=why), member(2, JobState.BLOCKED)]
    row = GroupRow("g1", tuple(map(brief_of, jobs)), is_open=False)
    state = next(column for column in COLUMNS if column.key == "state").cell(row)
    assert (state.text, state.token) == ("▲ stopped", "warning")
    assert row.held == why


def test_only_parameters_that_differ_are_told():
    members = tuple(
        GroupMember(str(n), "a", n, JobState.QUEUED, {"lr": str(n), "seed": "1", "index": str(n)}) for n in (1, 2)
    )
    assert varied(JobGroup("g", "a", 0, "ana", members)) == ("lr",)


def test_the_worst_is_not_the_best_where_less_is_better():
    known = briefs(*(member(n, JobState.SUCCEEDED) for n in range(3)))
    members = tuple(GroupMember(f"m{n}", "tune", n, JobState.SUCCEEDED, {}, 1.0 - n / 10) for n in range(3))
    told = JobGroup("g1", "tune", 0, "ana", members, "loss", None, "m2")
    found = rows(known, {"g1"}, {"g1": told}, flat=False)
    assert [row.is_best for row in found.values() if isinstance(row, MemberRow)] == [False, False, True]
    assert found[group_key("g1")].best() == "best loss 0.8"


# Rows that stand under others, in any table.

NESTED = (Column("n", "N", lambda one: Cell(str(one[1])), order=lambda one: one[1]),)


def nested(records, *, descending=False):
    order = Order(NESTED, lambda one: one[0])
    order.sort = (0, descending)
    order.arrange(records, lambda key: key)
    return order


@pytest.mark.parametrize("descending", [False, True])
def test_what_stands_under_a_row_follows_it_whichever_way_is_sorted(descending):
    records = {"a": (None, 5), "b": (None, 1), "a1": ("a", 0), "a2": ("a", 9), "c": ("gone", 3)}
    order = nested(records, descending=descending)
    assert order.keys == (["a", "a2", "a1", "c", "b"] if descending else ["b", "c", "a", "a1", "a2"])
    known = {**records, "a3": ("a", 4), "d": (None, 4), "e": (None, 99), "f": (None, -1)}
    for key in ("a3", "d", "e", "f"):
        row = order.place_of(key, known, known, lambda key: key)
        order.insert(row, key)
    assert order.keys == nested(known, descending=descending).keys
