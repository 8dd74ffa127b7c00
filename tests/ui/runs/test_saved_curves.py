"""The curves of runs as files: what a spreadsheet and a viewer of pictures find in them."""

import io
import math

import pandas as pd
import pytest
from PIL import Image
from PySide6.QtWidgets import QFileDialog
from run_doubles import STEPS, some_runs

from mlops_desk.kit.window.look import theme

SWEPT = (10, 11, 12)  # rows of the sweep, which has ended


@pytest.fixture
def page(start, double, qtbot):
    double.run_registry = some_runs()
    page = start(double, "runs").window.page()
    qtbot.waitUntil(lambda: page.right is not None and page.table.runs.rowCount() == 68)
    for place in SWEPT:
        page.table.tick(place)
    curves = page.right.comparison.curves
    qtbot.waitUntil(lambda: len(curves.canvas.lines()) == 3)
    return page


def saved(page, qtbot, title, path):
    """Take an entry of the menu of the curves, and name the file."""
    curves = page.right.comparison.curves
    next(action for action in curves.menu().actions() if action.text() == title).trigger()
    qtbot.waitUntil(lambda: curves.window().findChild(QFileDialog) is not None)
    dialog = curves.window().findChild(QFileDialog)
    name = dialog.selectedFiles()[0].rpartition("/")[2]
    dialog.fileSelected.emit(str(path))
    dialog.reject()
    qtbot.waitUntil(path.exists)
    qtbot.wait(50)
    return name


def test_the_curves_as_csv_are_every_point_that_was_logged(page, double, qtbot, tmp_path):
    page.right.comparison.curves.which.setCurrentIndex(page.right.comparison.curves.which.findData("auc"))
    page.right.comparison.curves.wanted.emit()
    qtbot.waitUntil(lambda: page.right.comparison.curves._shown.wish.metric == "auc")
    name = saved(page, qtbot, "Save CSV …", tmp_path / "curves.csv")
    assert name.startswith("curves-auc-")
    assert name.endswith(".csv")
    table = pd.read_csv(tmp_path / "curves.csv", dtype={"key": str})
    assert list(table.columns) == ["curve", "key", "Step", "auc"]
    assert len(table) == 3 * STEPS
    for run_id, points in table.groupby("key"):
        assert set(points["curve"]) == {double.run_registry.run(run_id).name}
        assert list(points["Step"]) == list(range(STEPS))
        assert list(points["auc"]) == double.run_registry._logged[run_id, "auc"]


def test_what_is_drawn_otherwise_is_saved_as_it_is_drawn_beside_what_was_logged(page, double, qtbot, tmp_path):
    curves = page.right.comparison.curves
    curves.smooth.setValue(60)
    curves.log_y.setChecked(True)
    qtbot.waitUntil(lambda: curves._shown.wish.log_y and curves._shown.wish.weight > 0)
    saved(page, qtbot, "Save CSV …", tmp_path / "smooth.csv")
    table = pd.read_csv(tmp_path / "smooth.csv", dtype={"key": str})
    assert list(table.columns) == ["curve", "key", "Step", "loss as logged", "loss"]
    run_id = table["key"][0]
    logged = double.run_registry._logged[run_id, "loss"]
    one = table[table["key"] == run_id]
    assert list(one["loss as logged"]) == pytest.approx(logged, rel=1e-12)
    assert one["loss"].diff().abs().mean() < one["loss as logged"].diff().abs().mean()
    assert (one["loss"] > 0).all(), "numbers, not their powers"


def test_of_groups_the_mean_is_saved_with_its_band_and_what_is_no_number_as_nothing(page, double, qtbot, tmp_path):
    double.run_registry._logged[page.table.runs.row(SWEPT[0]).run_id, "loss"][5] = math.nan
    comparison = page.right.comparison
    comparison.by.setCurrentIndex(comparison.by.findText("by model"))
    comparison.curves.band.setCurrentIndex(1)
    comparison._draw()
    qtbot.waitUntil(lambda: comparison.curves._shown.wish.band is not None)
    saved(page, qtbot, "Save CSV …", tmp_path / "groups.csv")
    table = pd.read_csv(tmp_path / "groups.csv", dtype={"key": str})
    assert list(table.columns) == ["curve", "key", "Step", "loss", "low", "high"]
    known = table.dropna()
    assert len(known) > 100
    assert (known["low"] <= known["loss"] + 1e-12).all()
    assert (known["loss"] <= known["high"] + 1e-12).all()


@pytest.mark.parametrize("dark", [True, False])
def test_the_picture_is_as_large_as_the_plot_with_its_title_and_not_empty(page, qapp, qtbot, tmp_path, dark):
    theme.apply(qapp, dark=dark)
    qtbot.wait(50)
    plot = page.right.comparison.curves._plot
    saved(page, qtbot, "Save image …", tmp_path / "curves.png")
    with Image.open(io.BytesIO((tmp_path / "curves.png").read_bytes())) as image:
        assert image.format == "PNG"
        ratio = plot.devicePixelRatioF()
        assert image.size == (round(plot.width() * ratio), round((plot.height() + theme.TITLE_HEIGHT) * ratio))
        seen = image.convert("RGB")
    colours = {seen.getpixel((x, y)) for x in range(0, seen.width, 2) for y in range(0, seen.height, 2)}
    for slot in range(3):
        tint = theme.series(slot)
        assert (tint.red(), tint.green(), tint.blue()) in colours, "each curve, or its square in the legend"
    title = {seen.getpixel((x, y)) for x in range(12, 120) for y in range(4, 22)}
    assert len(title) > 3, "what is drawn stands above it"
    surface = theme.colour("surface")
    assert seen.getpixel((2, 2)) == (surface.red(), surface.green(), surface.blue())


def test_a_folder_that_refuses_the_file_is_told(page, qtbot, tmp_path):
    told = []
    page.context.complain = told.append
    curves = page.right.comparison.curves
    next(action for action in curves.menu().actions() if action.text() == "Save CSV …").trigger()
    dialog = curves.window().findChild(QFileDialog)
    dialog.fileSelected.emit(str(tmp_path / "nowhere" / "curves.csv"))
    dialog.reject()
    qtbot.waitUntil(lambda: bool(told))
    assert "could not be written" in told[0].message
