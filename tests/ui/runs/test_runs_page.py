"""The page on runs: rows as they come into sight, a filter while one types, one run, many compared."""

import dataclasses
import math
import queue
import threading
import time

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from run_doubles import refusing, some_runs

from mlops_desk.kit.base.errors import NotFound, Unavailable
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.registry.records.run_window import RunRow, RunWindow
from mlops_desk.registry.window.runs import names, queries
from mlops_desk.registry.window.runs.detail.pane import links_of
from mlops_desk.registry.window.runs.rows import CHUNK

AUC = 4  # its place among the columns that are shown at first
LIVE = "a0000000000000000000000000000001"


@pytest.fixture
def page(start, double, qtbot):
    page = start(double, "runs").window.page()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 68 and page.right is not None)
    qtbot.waitUntil(lambda: page.right.detail.story is not None)
    qtbot.waitUntil(lambda: "metrics.auc" in page.loader.question.columns and not page.loader.is_waiting)
    return page


def column(page, number, rows=5):
    return [page.table.runs.cell(place, number).text for place in range(rows)]


def titles(page):
    model = page.table.runs
    return [model.headerData(n, Qt.Orientation.Horizontal) for n in range(model.columnCount())]


def asked(double):
    return double.asked_windows[-1][1]


# Rows.


def test_the_newest_runs_stand_first_with_the_columns_that_most_runs_have(page):
    assert column(page, 0, 4) == ["live-0", "live-1", "live-2", "fold-2"]
    assert titles(page)[:3] == ["Run", "State", "Started"]
    assert {"auc", "loss"} < set(titles(page)[3:7])
    assert titles(page)[-1] == "Ran"
    assert page.bar.counts.whole == "68 runs"


def test_what_is_no_number_infinite_missing_or_empty_is_told_apart(page, qtbot):
    page.bar.filter.show_filter("status = 'FINISHED' and attributes.start_time < 1000")
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 1)
    shown = dict(zip(titles(page), [page.table.runs.cell(0, n).text for n in range(len(titles(page)))], strict=True))
    assert (shown["auc"], shown["loss"], shown["lr"], shown["depth"]) == ("▲ NaN", "∞", "(empty)", "–")


def test_a_hostile_name_is_plain_text_and_cut(page, qtbot):
    page.bar.filter.show_filter("attributes.start_time < 1000")
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 1)
    name = page.table.runs.cell(0, 0).text
    assert "\x00" not in name
    assert "\u202e" not in name
    assert len(name) < 2500


def test_a_click_on_a_head_sorts_in_the_agent_largest_first_and_then_the_other_way(page, double, qtbot):
    place = page.table.horizontalHeader().sectionViewportPosition(AUC) + 20
    QTest.mouseClick(page.table.horizontalHeader().viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place, 10))
    qtbot.waitUntil(lambda: asked(double).sort == ("metrics.auc:desc",) and not page.loader.is_waiting)
    best = [float(text) for text in column(page, AUC)]
    assert best == sorted(best, reverse=True)
    assert marked(page) == (AUC, Qt.SortOrder.DescendingOrder)
    page.bar.sort_by_section(AUC)
    qtbot.waitUntil(lambda: asked(double).sort == ("metrics.auc:asc",) and not page.loader.is_waiting)
    assert marked(page) == (AUC, Qt.SortOrder.AscendingOrder)


def marked(page):
    """Return which column is marked as sorted, and which way."""
    head = page.table.horizontalHeader()
    return (head.sortIndicatorSection(), head.sortIndicatorOrder()) if head.isSortIndicatorShown() else None


def synthetic(count, revision=1, status="FINISHED", delay=0.0):
    """Return what answers windows of ``count`` runs whose names are their places."""

    def answer(asked):
        time.sleep(delay)
        last = min(asked.offset + asked.limit, count)
        rows = tuple(
            RunRow(f"{place:032x}", f"run-{place}", status, 1_700_000_000_000, "1", None,
                   tuple(float(place) if "metrics" in column else None for column in asked.columns))
            for place in range(asked.offset, last)
        )  # fmt: skip
        return RunWindow(asked.columns, rows, asked.offset, count, count, revision, time.time())

    return answer


def test_of_a_hundred_thousand_runs_only_those_near_the_screen_are_asked_for(page, double, qtbot):
    double.answer_window = synthetic(100_000)
    double.asked_windows.clear()
    page.reload()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 100_000)
    bar = page.table.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    assert page.table.runs.cell(50_000, 0).text == "…"
    qtbot.waitUntil(lambda: page.table.runs.cell(50_000, 0).text == "run-50000")
    qtbot.wait(50)
    offsets = {one.offset for _uri, one in double.asked_windows}
    assert offsets <= {0, 100, *range(49_700, 50_400, CHUNK)}
    assert len(double.asked_windows) < 12


@pytest.mark.slow
def test_rows_that_were_scrolled_past_are_never_asked_for(page, double, qtbot):
    double.answer_window = synthetic(100_000, delay=0.05)
    page.reload()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 100_000)
    qtbot.wait(50)
    double.asked_windows.clear()
    bar = page.table.verticalScrollBar()
    for step in range(50):
        bar.setValue(bar.maximum() * step // 50)
        QApplication.processEvents()
    qtbot.waitUntil(lambda: page.table.runs.cell(98_000, 0).text == "run-98000")
    assert len(double.asked_windows) < 50, "two at a time, and then what is wanted by then"


def test_scrolling_through_all_of_them_makes_no_more_cells_than_are_seen(page, double, qtbot):
    double.answer_window = synthetic(100_000)
    page.reload()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 100_000)
    before = page.table.runs.made
    page.table.grab()
    assert page.table.runs.made - before < 30 * len(titles(page)) * 8


def test_new_runs_come_without_moving_what_one_looks_at(page, double, qtbot):
    double.answer_window = synthetic(1000)
    page.reload()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 1000)
    page.table.selectRow(10)
    page.table.verticalScrollBar().setValue(140)
    chosen = page.table.key()
    double.answer_window = synthetic(1005, revision=2)
    page.loader.refresh()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 1005)
    assert page.table.key() == chosen
    assert page.table.currentIndex().row() == 10
    assert page.table.verticalScrollBar().value() == 140


@pytest.mark.slow
def test_what_changes_while_rows_are_asked_for_is_asked_for_again(page, double, qtbot):
    before, asked, may_answer = synthetic(1000), threading.Event(), threading.Event()

    def slow(question):
        asked.set()
        assert may_answer.wait(20.0)
        return before(question)

    double.answer_window = before
    page.reload()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 1000)
    qtbot.wait(50)  # until nothing is asked any more
    double.answer_window = slow
    page.loader.refresh()
    qtbot.waitUntil(asked.is_set)
    double.answer_window = synthetic(1005, revision=2)
    page.loader.refresh()
    may_answer.set()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 1005)


@pytest.mark.slow
def test_rows_of_runs_that_go_on_are_looked_at_again(page, double, qtbot):
    double.answer_window = synthetic(3, status="RUNNING")
    page.reload()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 3)
    count = len(double.asked_windows)
    qtbot.waitUntil(lambda: len(double.asked_windows) > count + 1, timeout=5000)


@pytest.mark.slow
def test_a_hidden_page_asks_for_nothing(page, double, qtbot):
    double.answer_window = synthetic(3, status="RUNNING")
    page.reload()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 3)
    page.window().sidebar.choose("host")
    qtbot.wait(50)
    count = len(double.asked_windows)
    qtbot.wait(50)
    assert len(double.asked_windows) == count


# The filter.


def test_the_table_answers_while_one_types(page, qtbot):
    QTest.keyClicks(page.bar.filter, "auc > 0.93 and lr < 0.01")
    qtbot.waitUntil(lambda: 0 < page.table.runs.rowCount() < 40)
    assert page.bar.counts.whole.endswith("of 68 runs")
    assert page.bar.caret.isHidden()


def test_what_is_wrong_with_a_filter_is_shown_with_its_place_and_the_rows_stay(page, qtbot):
    page.bar.filter.show_filter("auc >> 0.9")
    qtbot.waitUntil(lambda: not page.bar.caret.isHidden())
    assert page.bar.caret.around.whole == "auc >> 0.9"
    assert page.bar.caret.mark.whole.index("▲") == 5
    assert page.table.runs.rowCount() == 68
    page.bar.filter.show_filter("auc > 0.9")
    qtbot.waitUntil(page.bar.caret.isHidden)


def test_the_field_offers_what_the_runs_have(page, qtbot):
    page.bar.filter.setFocus()
    QTest.keyClicks(page.bar.filter, "au")
    assert page.bar.filter.offered()[0] == "metrics.auc"
    page.bar.filter._put("metrics.auc")
    assert page.bar.filter.text() == "metrics.auc "
    assert page.bar.filter.offered()[:3] == (">", ">=", "<")


def test_escape_clears_the_filter_and_then_the_ticks(page, qtbot):
    page.bar.filter.show_filter("auc > 0.93")
    qtbot.waitUntil(lambda: page.table.runs.rowCount() < 68)
    page.table.tick(0)
    page.escape()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 68)
    assert len(page.ticks) == 1
    page.escape()
    assert len(page.ticks) == 0


# States.


def test_a_registry_that_does_not_answer_says_so_and_the_choice_of_others_stays(start, double, qtbot):
    double.answer_window = refusing(Unavailable("The store is locked.", "Look again in a minute."))
    page = start(double, "runs").window.page()
    qtbot.waitUntil(lambda: "The store is locked." in page.places.trouble.details())
    assert page.places.is_troubled
    assert page.bar.registry.isVisible()
    double.answer_window = None
    page.places.trouble._do()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 68)


def test_a_later_failure_leaves_the_rows_and_says_of_when_they_are(page, double, qtbot):
    double.answer_window = refusing(Unavailable("The store is locked.", None))
    page.loader.refresh()
    qtbot.waitUntil(lambda: "The store is locked." in page.bar.trouble.whole)
    assert page.table.runs.rowCount() == 68
    whole = synthetic(3)

    def stale(asked):
        return dataclasses.replace(whole(asked), problem="The store is gone.", read_at=time.time() - 3600)

    double.answer_window = stale
    page.loader.refresh()
    qtbot.waitUntil(lambda: "The store is gone. What is shown is of" in page.bar.trouble.whole)


def test_a_registry_without_runs_says_what_will_be_here(start, qtbot):
    from doubles import Double

    page = start(Double(empty=True, beat_seconds=0.2), "runs").window.page()
    qtbot.waitUntil(lambda: "No runs yet" in page.places.trouble.details())


def test_a_store_that_is_gone_is_no_empty_registry(start, double, qtbot):
    double.answer_window = refusing(NotFound("There is no SQLite store at /data/gone.db.", "Check the path."))
    page = start(double, "runs").window.page()
    qtbot.waitUntil(lambda: "No runs yet" in page.places.trouble.details())  # of the desk's own: nothing was logged yet
    page.bar.choose_registry("team")
    qtbot.waitUntil(lambda: "There is no SQLite store at /data/gone.db." in page.places.trouble.details())
    assert "No runs yet" not in page.places.trouble.details()
    assert page.bar.trouble.isHidden(), "it is said once"


def test_nothing_of_another_registry_stays_when_one_is_chosen(page, double, qtbot):
    page.table.tick(0)
    page.table.select(LIVE)
    qtbot.waitUntil(lambda: page.right.detail.title.whole == "live-1")
    double.answer_window = synthetic(5)
    page.bar.choose_registry("team")
    assert page.right.detail.story is None
    assert len(page.ticks) == 0
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 5 and not page.loader.is_waiting)
    assert page.table.key() == f"{0:032x}", "the first of the new ones"


def test_columns_are_learned_again_once_all_runs_were_read_and_after_they_were_refused(
    start, double, qtbot, monkeypatch
):
    asked_columns = []
    learn, whole = type(double.runs).columns, synthetic(5)

    def columns(*given):
        asked_columns.append(given)
        if len(asked_columns) == 1:
            raise Unavailable("The registry is being opened.")
        return learn(*given)

    def loading(asked):
        return dataclasses.replace(whole(asked), is_loading=len(double.asked_windows) < 4)

    monkeypatch.setattr(type(double.runs), "columns", columns)
    double.answer_window = loading
    page = start(double, "runs").window.page()
    qtbot.waitUntil(lambda: page.loader.window is not None and not page.loader.window.is_loading, timeout=10_000)
    qtbot.waitUntil(lambda: len(asked_columns) >= 3, timeout=10_000)
    qtbot.waitUntil(lambda: len(page.bar.filter.names.metrics) > 0)
    count = len(asked_columns)
    page.loader.refresh()
    qtbot.wait(50)
    assert len(asked_columns) == count, "they are known by now"


def test_experiments_narrow_the_table_several_at_once(page, double, qtbot):
    page.experiments.choose(["churn"])
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 4)
    assert any(one.experiments == ("churn",) for _columns, one in double.asked_windows)
    page.experiments.choose(["churn", "digits-sweep"])
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 67)
    page.experiments.choose([])
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 68)


# One run.


def test_the_chosen_run_shows_what_it_logged_its_curve_and_its_files(page, qtbot):
    page.table.select(LIVE)
    detail = page.right.detail
    qtbot.waitUntil(lambda: detail.title.whole == "live-1")
    facts = {fact.name: fact.value for fact in detail.facts.shown}
    assert (facts["State"], facts["By"], facts["Data"]) == ("● running", "ana", "digits-train (training)")
    assert detail.table.key() == "metric loss"
    qtbot.waitUntil(lambda: len(detail.chart.canvas.lines()) == 1)
    assert detail.chart.canvas.lines()[0].ys.size == 60
    detail.table.select("metric auc")
    qtbot.waitUntil(lambda: detail.chart.wish().metric == "auc" and detail.chart.canvas.axes.y == "auc")


def test_a_run_that_goes_on_gets_its_new_points_without_being_asked(page, double, qtbot):
    page.table.select(LIVE)
    chart = page.right.detail.chart
    qtbot.waitUntil(lambda: len(chart.canvas.lines()) == 1 and chart.canvas.lines()[0].ys.size == 60)
    double.run_registry.log_metric(LIVE, "loss", 0.01)
    qtbot.waitUntil(lambda: chart.canvas.lines()[0].ys.size == 61, timeout=3000)


def test_nested_runs_lead_to_one_another(page, qtbot):
    page.open_run("0" + "c" * 31)
    detail = page.right.detail
    qtbot.waitUntil(lambda: detail.title.whole == "fold-0")
    links = {button.text(): button for button in detail.links.findChildren(type(page.bar.columns_button))}
    links["Run that started it"].click()
    qtbot.waitUntil(lambda: detail.title.whole == "parent")
    qtbot.waitUntil(lambda: "↳ fold-1" in {b.text() for b in detail.links.findChildren(type(page.bar.columns_button))})


def test_where_many_runs_are_below_one_the_first_have_buttons_and_a_menu_leads_to_the_others(page, double, qtbot):
    detail = page.right.detail
    detail.show_run("0" + "c" * 31, None)
    qtbot.waitUntil(lambda: detail.title.whole == "fold-0")
    nested = tuple(RunRow(f"{n:032x}", f"fold-{n} & more", "FINISHED", None, "") for n in range(50))
    wanted = []
    detail.links.show_links(links_of(dataclasses.replace(detail.story, nested=nested), page.context, wanted.append))
    shown = [button.text() for button in detail.links.findChildren(type(page.bar.columns_button)) if button.isVisible()]
    assert shown == ["Run that started it", "↳ fold-0 && more", "↳ fold-1 && more", "48 more …"]
    menu = detail.links.open_others()
    titles = [action.text() for action in menu.actions()]
    assert (titles[0], len(titles), titles[-1]) == ("↳ fold-2 && more", 41, "… and 8 others")
    menu.actions()[1].trigger()
    assert wanted == [f"{3:032x}"]
    menu.close()
    detail.links.show_links([])
    assert detail.links.isHidden()


def test_what_keeps_a_run_from_being_shown_stays_said_while_it_is_asked_for_again(page, qtbot, monkeypatch):
    detail, answers, asked = page.right.detail, queue.Queue(), []

    def story(*_asked):
        asked.append(1)
        answers.get(timeout=20)
        raise Unavailable("The store is locked.")

    monkeypatch.setattr(queries, "story", story)
    detail.show_run("0" + "c" * 31, None)
    qtbot.waitUntil(lambda: len(asked) == 1)
    assert "Loading the run" in detail.state.details()
    answers.put(None)
    qtbot.waitUntil(lambda: "The store is locked." in detail.state.details())
    detail.look()
    qtbot.waitUntil(lambda: len(asked) == 2)
    assert "The store is locked." in detail.state.details()
    answers.put(None)
    qtbot.waitUntil(lambda: not detail._tasks["run"].running)
    detail.state._do()
    qtbot.waitUntil(lambda: len(asked) == 3)
    assert "The store is locked." not in detail.state.details(), "who tries again sees that it is tried"
    answers.put(None)
    qtbot.waitUntil(lambda: "The store is locked." in detail.state.details())


def test_a_tag_is_written_and_taken_back_by_the_notice(page, double, qtbot):
    offered = []
    page.context.offered.connect(lambda text, act, do: offered.append((text, act, do)))
    page.table.select("0" * 31 + "5")
    qtbot.waitUntil(lambda: page.right.detail.title.whole == "sweep-05")
    form = page.right.acts(page.reload).tag(page.right.detail.story, None)
    form.key.setText("team")
    assert form.value.text() == "vision"
    form.value.setText("audio")
    form.submit()
    qtbot.waitUntil(lambda: bool(offered))
    assert double.run_registry.run("0" * 31 + "5").tags["team"] == "audio"
    offered[0][2]()
    qtbot.waitUntil(lambda: double.run_registry.run("0" * 31 + "5").tags["team"] == "vision")


def test_deleted_runs_are_named_before_and_brought_back_by_the_notice(page, double, qtbot):
    offered = []
    page.context.offered.connect(lambda text, act, do: offered.append((text, act, do)))
    page.table.tick(0)
    page.table.tick(1)
    action = next(one for one in page.actions_here() if one.id == "runs.delete")
    assert action.title == "Delete the 2 ticked runs …"
    action.run()
    question = next(one for one in page.window().findChildren(Confirm) if one.isVisible())
    question.accept()
    qtbot.waitUntil(lambda: bool(offered) and page.table.runs.rowCount() == 66)
    assert offered[0][0] == "2 runs were deleted."
    offered[0][2]()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 68)


# Many.


def test_two_ticked_runs_are_compared_with_their_curves(page, qtbot):
    page.table.setFocus()
    page.table.selectRow(10)
    QTest.keyClick(page.table, Qt.Key.Key_Space)
    QTest.keyClick(page.table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert [one.title for one in page.ticks.all()] == [page.table.runs.cell(n, 0).text for n in (10, 11)]
    comparison = page.right.comparison
    qtbot.waitUntil(lambda: len(comparison.pane.shown()) > 0)
    assert page.right.tabs.current() == "compare"
    assert all(value.differs for value in comparison.pane.shown())
    qtbot.waitUntil(lambda: len(comparison.curves.canvas.lines()) == 2)
    slots = [line.subject.slot for line in comparison.curves.canvas.lines()]
    assert slots == [one.slot for one in page.ticks.all()]


def test_a_run_that_is_pointed_at_is_lit_everywhere(page, qtbot):
    page.table.tick(10)
    page.table.tick(11)
    comparison = page.right.comparison
    qtbot.waitUntil(lambda: len(comparison.curves.canvas.lines()) == 2)
    key = page.ticks.all()[1].run_id
    page.table.pointed.emit(key)
    assert comparison.curves.canvas.lit == key
    assert comparison.pane.table._lit == key
    comparison.curves.canvas.pointed.emit(page.ticks.all()[0].run_id)
    assert comparison.pane.table._lit == page.ticks.all()[0].run_id


def test_curves_are_grouped_by_a_parameter_with_their_mean_and_band(page, qtbot):
    page.bar.filter.show_filter("lr < 0.01")
    qtbot.waitUntil(lambda: 3 < page.table.runs.rowCount() < 60)
    for place in range(9):
        page.table.tick(place)
    comparison = page.right.comparison
    qtbot.waitUntil(lambda: len(comparison.curves.canvas.lines()) == 9)
    comparison.by.setCurrentIndex(comparison.by.findData("params model"))
    comparison._draw()
    band = comparison.curves.band
    band.setCurrentIndex(1)
    comparison.curves._prepare()
    qtbot.waitUntil(lambda: all(line.low is not None for line in comparison.curves.canvas.lines()))
    groups = {line.subject.group for line in comparison.curves.canvas.lines()}
    assert groups == {"model = cnn", "model = mlp", "model = vit"}
    mean = comparison.curves.canvas.lines()[0]
    assert (mean.low <= mean.ys + 1e-9).all()
    assert (mean.high >= mean.ys - 1e-9).all()


def test_more_than_a_hundred_are_not_ticked_and_that_is_said(page, double, qtbot):
    double.answer_window = synthetic(500)
    page.reload()
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 500)
    qtbot.waitUntil(lambda: page.table.runs.cell(150, 0).text == "run-150")
    said = []
    page.context.said.connect(lambda _level, text: said.append(text))
    page.table.tick(0)
    page.table.tick_to(150)
    assert len(page.ticks) == 100
    assert said == ["100 runs are ticked: more can't be compared at once."]


# Views and columns.


def test_a_view_keeps_filter_columns_and_order_and_comes_back_in_the_next_window(page, start, double, qtbot):
    page.bar.filter.show_filter("auc > 0.93")
    page.bar.show_columns([names.read("metrics.auc:max"), names.read("params.lr")])
    page.bar.sort_by("metrics.auc:max", descending=True)
    page.bar.views.save("good ones")
    assert page.bar.chips.now().name == "good ones"
    page.bar.filter.show_filter("")
    page.bar.sort_by("start_time", descending=True)
    assert page.bar.chips.now() is None
    again = start(double, "runs").window.page()
    view = again.bar.chips._views[0]
    again.bar.show_view(view)
    qtbot.waitUntil(lambda: asked(double).filter == "auc > 0.93")
    assert (asked(double).sort, asked(double).columns) == (("metrics.auc:max:desc",), ("metrics.auc:max", "params.lr"))
    assert titles(again) == ["Run", "auc (max)", "lr"] or again.loader.is_waiting
    again.bar.views.rename("good ones", "better")
    again.bar.views.remove("better")
    assert again.bar.chips._views == ()


def test_columns_are_found_ticked_and_taken_away(page, double, qtbot):
    form = page.bar.choose_columns()
    form.search.setText("parameter depth")
    assert form.columns.rowCount() == 1
    QTest.mouseClick(form.list.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(60, 10))
    before = "params.depth" in page.loader.question.columns
    form.submit()
    qtbot.waitUntil(lambda: ("params.depth" in asked(double).columns) is not before)
    form = page.bar.choose_columns()
    form.which.setCurrentIndex(form.which.findData("min"))
    form._choose_which()
    form.search.setText("auc (min)")
    form.list.setFocus()
    form.list.setCurrentIndex(form.columns.index(0))
    QTest.keyClick(form.list, Qt.Key.Key_Space)
    form.submit()
    qtbot.waitUntil(lambda: "metrics.auc:min" in asked(double).columns)


def test_the_table_is_saved_whole_with_what_it_is_of(page, double, tmp_path):
    from mlops_desk.registry.window.runs.toolbar import export

    path = tmp_path / "runs.csv"
    question = dataclasses.replace(page.loader.question, filter="auc > 0.9", columns=("metrics.auc", "params.lr"))
    count = export.write(double, question, "lab", path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# runs of,lab"
    assert lines[3] == "run_id,run_name,status,metrics.auc,params.lr"
    assert len(lines) == 4 + count
    assert not any(math.isnan(float(line.split(",")[3])) for line in lines[4:])
    with pytest.raises(Exception, match="could not be written"):
        export.write(double, question, "lab", tmp_path / "nowhere" / "runs.csv")


def test_the_palette_goes_to_a_run_by_name_or_id(page, double):
    from mlops_desk.desk.window.catalogue import feature
    from mlops_desk.desk.window.frame.palette import ranked

    offered = list(feature("runs").things(page.context))
    assert ranked(offered, "sweep-05")[0].title == "Run sweep-05"
    assert ranked(offered, LIVE[:12] + LIVE[12:])[0].title == "Run live-1"


def test_the_double_has_what_these_tests_speak_of():
    assert len(some_runs()._runs) == 68


def test_the_run_in_the_detail_is_one_of_the_list(page, double, qtbot):
    page.table.select(LIVE)
    qtbot.waitUntil(lambda: page.right.detail.story is not None and page.right.detail.story.run.run_id == LIVE)
    page.bar.filter.show_filter("status = 'FINISHED'")
    qtbot.waitUntil(lambda: page.table.key() != LIVE and page.table.current_row() is not None)
    qtbot.waitUntil(lambda: page.right.detail.story is not None)
    assert page.right.detail.story.run.run_id == page.table.current_row().run_id
    page.bar.filter.show_filter("status:finished nowhere-at-all")
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 0 and page.table.key() is None)
    assert page.right.detail.story is None
    page.bar.filter.clear()
    qtbot.waitUntil(lambda: page.table.key() is not None)


def test_a_run_that_is_gone_to_says_that_the_list_leaves_it_out(page, qtbot):
    page.bar.filter.show_filter("status = 'FINISHED'")
    qtbot.waitUntil(lambda: page.table.runs.rowCount() < 68 and not page.loader.is_waiting)
    page.open_run(LIVE)
    qtbot.waitUntil(page.right.detail.unlisted.isVisible)
    assert "not in the list" in page.right.detail.unlisted.whole
    page.bar.filter.clear()
    qtbot.waitUntil(lambda: page.table.current_row() is not None and page.table.current_row().run_id == LIVE)
    qtbot.waitUntil(lambda: not page.right.detail.unlisted.isVisible())
