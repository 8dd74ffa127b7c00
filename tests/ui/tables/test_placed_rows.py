"""Rows go where the sort says, long names leave room for the others, a filter without a match says so."""

import time
from dataclasses import replace

import pytest
from doubles import Double, job_record
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest

from mlops_desk.gpus.window.tables import JudgedGpu
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.tables.widths import COLUMN_SHARE
from mlops_desk.kit.window.words import gpus
from mlops_desk.machine.records.gpu import GpuState

NOTHING = "Nothing matches \u201czzz\u201d"


def column(table, key):
    return next(number for number, one in enumerate(table.records.columns) if one.key == key)


def shown(table, key):
    return [table.records.index(row, column(table, key)).data() for row in range(table.shown_rows())]


@pytest.fixture
def jobs(start, double, qtbot):
    page = start(double, "jobs").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == len(double.jobs_by_id))
    return page


def test_a_new_job_stands_at_the_end_of_the_queue_and_the_others_stay(jobs, double, qtbot):
    before = shown(jobs.table, "name")
    double.put_job(job_record("new1", "fresh", JobState.QUEUED, submitted_at=time.time()))
    qtbot.waitUntil(lambda: "fresh" in shown(jobs.table, "name"))
    place = before.index("eval-nightly") + 1  # the last one that waits
    assert shown(jobs.table, "name") == [*before[:place], "fresh", *before[place:]]
    jobs.reload()
    qtbot.wait(50)
    assert shown(jobs.table, "name") == [*before[:place], "fresh", *before[place:]]


def test_jobs_stand_as_the_queue_does_and_the_header_says_so(jobs):
    found = [jobs.table.records.record(key) for key in jobs.table.records.order.keys]
    ranks = [0 if job.state is JobState.RUNNING else 2 if job.state.is_final else 1 for job in found]
    assert ranks == sorted(ranks)
    over = [job.ended_at or job.submitted_at for job in found if job.state.is_final]
    assert over == sorted(over, reverse=True)
    header = jobs.table.horizontalHeader()
    assert header.sortIndicatorSection() == column(jobs.table, "position")
    assert header.sortIndicatorOrder() is Qt.SortOrder.AscendingOrder


def test_drift_reports_stand_newest_first_and_a_persons_sort_is_kept(start, double, qtbot):
    whole = start(double, "drift").window.page()
    whole.tabs.choose("reports")
    page = whole.reports
    qtbot.waitUntil(lambda: page.reports.shown_rows() > 1)
    header = page.reports.horizontalHeader()
    at = [page.reports.records.record(key).created_at for key in page.reports.records.order.keys]
    assert at == sorted(at, reverse=True)
    assert header.sortIndicatorOrder() is Qt.SortOrder.DescendingOrder
    page.reports.sort_by_key("moved", Qt.SortOrder.AscendingOrder)
    whole.reload()
    qtbot.wait(50)
    assert header.sortIndicatorSection() == column(page.reports, "moved")


def test_one_long_name_leaves_room_for_the_other_columns(jobs, double, qtbot):
    jobs.window().resize(1280, 800)
    long = "a-very-long-name-" * 6
    reason = Reason("exit", "The program ended with code 1, because its data was not there.", None, None)
    job = replace(job_record("long", long[:100], JobState.FAILED, submitted_at=time.time()), reason=reason)
    double.put_job(job)
    qtbot.waitUntil(lambda: jobs.table.records.record("long") is not None)
    table = jobs.table
    room = table.viewport().width()
    assert table.columnWidth(column(table, "name")) <= room * COLUMN_SHARE + 1
    # Three quarters: what began yesterday or earlier is told by a longer time, whatever hour it is now.
    assert table.columnWidth(column(table, "why")) >= theme.COLUMN_MINIMUM * 3 // 4
    assert not table.horizontalScrollBar().isVisible()
    tip = table.records.index(table.records.row_of("long"), column(table, "name")).data(Qt.ItemDataRole.ToolTipRole)
    assert long[:100] in tip


@pytest.mark.parametrize("page", ["jobs", "endpoints", "settings"])
def test_a_filter_without_a_match_says_so_and_escape_clears_it(start, double, qtbot, page):
    made = start(double, page).window.page()
    qtbot.waitUntil(lambda: made._state.isHidden() or not made._state.isVisible())
    qtbot.wait(50)
    QTest.keyClicks(made.filter_field(), "zzz")
    if page == "settings":
        assert made.cards.nothing.isVisible()
        assert NOTHING in made.cards.nothing.whole
        QTest.keyClick(made.filter_field(), Qt.Key.Key_Escape)
        assert not made.cards.nothing.isVisible()
        return
    table = made.table
    assert table.nothing().startswith(NOTHING)
    assert NOTHING in table.accessibleDescription()
    assert _is_written_on(table)
    table.setFocus()
    QTest.keyClick(table, Qt.Key.Key_Escape)
    assert table.nothing() == ""
    assert table.shown_rows() > 0


def test_a_table_without_records_does_not_blame_the_filter(start, qtbot):
    made = start(Double(empty=True, beat_seconds=0.2), "drift").window.page().reports
    made.columns.narrow("zzz")
    assert made.columns.nothing() == ""


def _is_written_on(table):
    """Tell whether anything is painted on the ground of an empty table."""
    picture = table.viewport().grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    ground = picture.pixel(picture.width() - 1, picture.height() - 1)
    return any(picture.pixel(x, y) != ground for x in range(picture.width() // 2) for y in range(4, 30))


def test_a_settings_error_does_not_say_the_help_again(start, double, qtbot):
    page = start(double, "settings").window.page()
    qtbot.waitUntil(lambda: bool(page.rows))
    row = next(iter(page.rows.values()))
    row.fail(Invalid("It is not a number.", row.setting.help))
    assert row.error_text() == "It is not a number."
    row.fail(Invalid("It is not a number.", "Type one."))
    assert row.error_text() == "It is not a number. Type one."


def test_rules_without_an_endpoint_are_not_said_to_have_no_report(start, double, qtbot):
    double.endpoints_by_name.clear()
    double.reports.clear()
    whole = start(double, "drift").window.page()
    whole.tabs.choose("reports")
    page = whole.reports
    qtbot.waitUntil(lambda: "No endpoint" in page._banner._title.whole)
    assert "None" not in page._banner._title.whole
    assert not page._check.isEnabled()


def test_a_long_reason_is_shown_whole_without_a_gap_above(jobs, double, qtbot):
    jobs.window().resize(1280, 800)
    reason = Reason("waits", "GPU 4: used by python (pid 4249256) of jonas, which holds no lease; " * 6, None, None)
    double.put_job(replace(job_record("wait", "waits", JobState.QUEUED, submitted_at=time.time()), reason=reason))
    qtbot.waitUntil(lambda: jobs.table.records.record("wait") is not None)
    jobs.table.select("wait")
    why = jobs.pane.view("why")
    qtbot.waitUntil(lambda: "GPU 4" in why.needs.whole)

    def cut() -> bool:
        return why.needs.height() < why.needs.heightForWidth(why.needs.width())

    qtbot.waitUntil(lambda: not cut())
    assert why.headline.y() == 0


def test_what_a_job_comes_from_is_said_within_its_column(jobs, double, qtbot):
    origin = "retraining:375e48de016546f0ac68375e48de0165"
    double.put_job(replace(job_record("made", "made", JobState.QUEUED, submitted_at=time.time()), origin=origin))
    qtbot.waitUntil(lambda: jobs.table.records.record("made") is not None)
    jobs.table.select("made")
    fact = next(fact for fact in jobs.pane.view("why").facts.shown if fact.name == "Because of")
    assert fact.value == "retraining 375e48de0165"
    assert fact.tip == origin


@pytest.mark.parametrize("state", list(GpuState))
def test_the_names_of_all_gpus_are_read_in_full_whatever_their_state(start, double, qtbot, state):
    program = start(double, "gpus")
    program.window.resize(1280, 800)
    page = program.window.page()
    qtbot.waitUntil(lambda: page.list.shown_rows() == 8)
    states = [replace(gpu, state=state, lease=None) for gpu in page.context.store.status.gpus]
    page.list.show_records({gpu.uuid: JudgedGpu(gpu, None) for gpu in states})
    metrics = page.list.fontMetrics()
    room = page.list.columnWidth(0) - 2 * theme.SPACE_8
    for row in range(8):
        name = page.list.records.index(row, 0).data()
        assert name == f"{row}  H100 80GB"
        assert metrics.horizontalAdvance(name) <= room + 1
    assert page._title.whole == "GPU 0  H100 80GB"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("NVIDIA H100 80GB HBM3 (simulated)", "H100 80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100-SXM4-40GB"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA H200", "H200"),
    ],
)
def test_a_name_in_the_list_keeps_what_tells_gpus_apart(name, shown):
    assert gpus.list_name(name) == shown
