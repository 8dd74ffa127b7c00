"""The table of runs grouped: what its rows say, what is ticked and filtered by them, and the bands of their curves."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.records.run_window import MetricSpread, RunGroup
from mlops_desk.registry.window.runs import groups as rows
from mlops_desk.registry.window.runs import names
from mlops_desk.registry.window.runs.groups import Grouping, RunGroupRow


@pytest.fixture
def page(start, double, qtbot):
    page = start(double, "runs").window.page()
    qtbot.waitUntil(lambda: page.right is not None and "metrics.auc" in page.loader.question.columns)
    qtbot.waitUntil(lambda: not page.loader.is_waiting and page.bar.groups.findData("params.model") > 0)
    return page


def grouped(page, qtbot, by="params.model"):
    page.bar.group(by)
    qtbot.waitUntil(lambda: bool(page.groups.groups) and page.groups.table.isVisible())
    return page.groups


def texts(view, title):
    model = view.table.records
    column = [one.title for one in model.columns].index(title)
    return [model.index(row, column).data() for row in range(model.rowCount())]


def test_each_group_tells_how_many_runs_it_has_and_how_their_metrics_lie(page, qtbot):
    view = grouped(page, qtbot)
    assert dict(zip(texts(view, "model"), texts(view, "Runs"), strict=True)) == {
        "vit": "23", "cnn": "20", "mlp": "20", "(none)": "5",
    }  # fmt: skip
    assert page.table.isHidden()
    vit = texts(view, "auc")[texts(view, "model").index("vit")]
    mean, _, deviation = vit.partition(" ± ")
    assert 0.8 < float(mean) < 0.97
    assert 0 < float(deviation) < 0.2
    assert "(n 4)" in texts(view, "auc")[texts(view, "model").index("(none)")], "of five, one has no finite value"
    view.spread.setCurrentIndex(1)
    view._fill()
    assert " – " in texts(view, "auc")[0]


def test_the_groups_are_those_of_the_runs_that_pass_and_follow_filter_and_changes(page, double, qtbot):
    view = grouped(page, qtbot)
    page.bar.filter.show_filter("params.model = 'cnn'")
    qtbot.waitUntil(lambda: texts(view, "model") == ["cnn"])
    double.run_registry._runs.pop("0" * 32)
    view.look()
    qtbot.waitUntil(lambda: texts(view, "Runs") == ["19"])
    page.bar.filter.show_filter("params.model >> 1")
    qtbot.waitUntil(lambda: not page.bar.caret.isHidden())
    assert texts(view, "model") == ["cnn"], "what was known stays while a filter is typed"


def test_space_ticks_the_runs_of_a_group_and_enter_shows_them_one_by_one(page, qtbot):
    view = grouped(page, qtbot)
    view.table.select(rows.key_of(RunGroup(("mlp",), 20)))
    view.table.setFocus()
    QTest.keyClick(view.table, Qt.Key.Key_Space)
    assert len(page.ticks) == 20
    assert texts(view, "Ticked")[texts(view, "model").index("mlp")] == "20"
    qtbot.waitUntil(lambda: all(one.title.startswith("sweep-") for one in page.ticks.all()))
    QTest.keyClick(view.table, Qt.Key.Key_Space)
    assert len(page.ticks) == 0
    QTest.keyClick(view.table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page.table.runs.rowCount() == 20)
    assert page.bar.filter.text() == "params.`model` = 'mlp'"
    assert page.table.isVisible()
    assert page.bar.group_by() is None


def test_the_curves_of_the_groups_are_laid_over_one_another_with_bands(page, qtbot):
    view = grouped(page, qtbot)
    view.overlay.click()
    curves = page.right.comparison.curves
    qtbot.waitUntil(lambda: len(curves.canvas.lines()) == 4)
    shown = page.right.comparison.pane.table.values
    qtbot.waitUntil(lambda: all("-" in one.title or one.title == "parent" for one in shown.things[:60]))
    assert page.right.tabs.current() == "compare"
    assert len(page.ticks) == 68
    assert {line.subject.group for line in curves.canvas.lines()} == {
        "model = vit", "model = cnn", "model = mlp", "model = (none)",
    }  # fmt: skip
    assert all(line.low is not None for line in curves.canvas.lines())
    page.ticks.clear()
    page._ticked(has_room=True)
    assert texts(view, "Ticked") == ["", "", "", ""]


def test_a_view_keeps_by_what_it_is_grouped(page, start, double, qtbot):
    grouped(page, qtbot)
    page.bar.views.save("by model")
    page.bar.group(None)
    assert page.bar.chips.now() is None
    again = start(double, "runs").window.page()
    qtbot.waitUntil(lambda: again.right is not None and not again.loader.is_waiting)
    again.bar.show_view(again.bar.chips._views[0])
    qtbot.waitUntil(lambda: again.groups is not None and len(again.groups.groups) == 4)
    assert again.bar.chips.now().name == "by model"


def test_an_agent_that_can_not_group_says_so_where_the_groups_would_be(page, double, qtbot, monkeypatch):
    def refuse(*_args):
        raise Unavailable("The store is locked.", "Look again in a minute.")

    monkeypatch.setattr(type(double.runs), "groups", refuse)
    page.bar.group("params.model")
    qtbot.waitUntil(lambda: "The store is locked." in page.groups.state.details())
    monkeypatch.undo()
    page.groups.state._do()
    qtbot.waitUntil(lambda: len(page.groups.groups) == 4)


def test_the_groups_are_saved_with_all_digits(page, qtbot, tmp_path, monkeypatch):
    grouped(page, qtbot)
    monkeypatch.setattr(QFileDialog, "open", lambda _self: None)
    page.save_csv()
    dialog = page.window().findChild(QFileDialog)
    dialog.fileSelected.emit(str(tmp_path / "groups.csv"))
    qtbot.waitUntil(lambda: (tmp_path / "groups.csv").exists() and (tmp_path / "groups.csv").read_text() != "")
    lines = (tmp_path / "groups.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("params.model,n_runs,metrics.")
    assert len(lines) == 5
    head = lines[0].split(",")
    vit = next(line for line in lines if line.startswith("vit,")).split(",")
    spread = next(one for one in page.groups.groups.values() if one.values == ("vit",)).metrics[0]
    assert float(vit[head.index(f"metrics.{spread.name} mean")]) == spread.mean


# What stands in the rows.


def told(*metrics, value="a", n_runs=3):
    grouping = Grouping(names.read("params.lr"), tuple(names.read(f"metrics.{one.name}") for one in metrics))
    columns = rows.columns_of(grouping, "deviation")
    return [column.cell(RunGroupRow(RunGroup((value,), n_runs, (), metrics))) for column in columns]


def test_what_no_run_has_is_no_zero_and_one_value_has_no_spread():
    cells = told(MetricSpread("none", 0), MetricSpread("one", 1, 0.5, 0.5, 0.5), MetricSpread("far", 3, 1.0, 0.0, 3.0))
    assert [cell.text for cell in cells[3:]] == ["–", "0.5  (n 1)", "1 ± ?"]
    assert "1 of 3 runs" in cells[4].tip


def test_groups_are_sorted_as_numbers_where_they_are_and_those_without_stand_last():
    order = rows.columns_of(Grouping(names.read("params.lr")), "spread")[0].order
    values = [None, "b", "0.1", "nan", "1e-4", "", "A", "10"]
    ordered = sorted(values, key=lambda value: order(RunGroupRow(RunGroup((value,), 1))))
    assert ordered == ["1e-4", "0.1", "10", "", "A", "b", "nan", None]


@given(st.lists(st.integers(0, 300), min_size=1, max_size=12), st.integers(1, 100))
@example([1, 300], 100)
def test_as_many_runs_of_each_group_are_drawn_as_there_is_room_for(sizes, most):
    groups = [
        RunGroup((str(at),), size, tuple(f"{at}-{number}" for number in range(size))) for at, size in enumerate(sizes)
    ]
    chosen = rows.chosen_runs(groups, most)
    assert [group for group, _ids in chosen] == groups
    counts = [len(ids) for _group, ids in chosen]
    assert sum(counts) <= most
    assert all(count <= size for count, size in zip(counts, sizes, strict=True))
    fair = most // len(sizes)
    assert all(count >= min(size, fair) for count, size in zip(counts, sizes, strict=True))


def test_a_mean_that_is_none_stands_below_all_others():
    order = rows.columns_of(Grouping(names.read("params.lr"), (names.read("metrics.a"),)), "spread")[3].order
    assert order(RunGroupRow(RunGroup(("x",), 1, (), (MetricSpread("a", 0),)))) == -math.inf
