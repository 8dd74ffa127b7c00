"""What takes minutes beside the traffic: begun from the page, seen to get on, stopped, and what was found."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog

from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.kit.window.words import numbers
from mlops_desk.serving.records.endpoint import EndpointRevision, ModelRef, RevisionState
from mlops_desk.serving.records.export import ExportedEndpoint
from mlops_desk.serving.records.test_request import LatencyFigures, ReplayDifference, Replayed
from mlops_desk.serving.records.variants import Variant, VariantComparison
from mlops_desk.serving.window.acts import ExportDialog
from mlops_desk.serving.window.experiments import _span, spots
from mlops_desk.serving.window.words import facts_of

FIGURES = LatencyFigures(0.011, 0.02, 0.03)
WORST = ReplayDifference("r-1", 0, "churn", "0.1", "0.9", 0.888)


def click(qtbot, button):
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def revision(number, state, *, kept=True):
    model = ModelRef("digits", str(number), f"models:/digits/{number}")
    return EndpointRevision(number, model, state, 0.0, "build", 1000.0, "one", is_kept=kept)


@pytest.fixture
def page(start, double, qtbot):
    made = tuple(
        revision(number, state)
        for number, state in ((1, RevisionState.RETIRED), (2, RevisionState.LIVE), (3, RevisionState.CANARY))
    )
    made = (*made, revision(4, RevisionState.FAILED, kept=False))
    double.endpoints_by_name["digits"] = replace(double.endpoints_by_name["digits"], revisions=made)
    page = start(double, "endpoints").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == 3)
    page.reveal("digits")
    page.pane.tabs.choose("measure")
    yield page
    double.answered.set()
    double.stopped.set()


@pytest.fixture
def replay(page):
    return page.pane.view("measure").replay


@pytest.fixture
def variants(page):
    view = page.pane.view("measure")
    view.ways.choose("variants")
    return view.variants


@pytest.mark.slow
def test_a_replay_moves_and_tells_what_differs(page, replay, double, qtbot):
    offered = [replay.revision.itemData(place) for place in range(replay.revision.count())]
    assert offered == [3, 1, 2], "those that are kept, the newest first, and the one that answers last"
    click(qtbot, replay.start)
    qtbot.waitUntil(lambda: replay.under_way.bar.shown[0].share == 0.25)
    assert replay.under_way.isVisible()
    assert not replay.start.isEnabled(), "one at a time"
    asked = double.asked_beside[0]
    assert (asked[0], asked[1], asked[2]["revision"], asked[2]["limit"]) == ("replay", "digits", 3, 200)
    double.found_beside["replay"] = Replayed("digits", 3, 100, 2, 90, 8, 2, {"500": 1}, FIGURES, FIGURES, (WORST,), 5.0)
    double.answered.set()
    qtbot.waitUntil(lambda: "90 same, 8 close, 2 different, errors 1 × 500" in replay.says.whole)
    assert "2 were skipped" in replay.says.whole
    assert replay.says.whole.startswith(numbers.WARNING)
    assert replay.table.shown_rows() == 1
    assert not replay.under_way.isVisible()
    assert replay.start.isEnabled()


def test_a_replay_is_stopped_and_says_so(page, replay, double, qtbot):
    click(qtbot, replay.start)
    qtbot.waitUntil(lambda: double.ticket != "")
    click(qtbot, replay.under_way.stop)
    qtbot.waitUntil(lambda: "was stopped" in replay.says.whole)
    assert not replay.under_way.isVisible()
    assert replay.start.isEnabled()


def test_what_is_found_of_another_endpoint_is_not_shown_as_this_ones(page, replay, double, qtbot):
    click(qtbot, replay.start)
    qtbot.waitUntil(lambda: double.ticket != "")
    page.reveal("fraud")
    double.found_beside["replay"] = Replayed("digits", 3, 1, 0, 0, 0, 1, {}, FIGURES, FIGURES, (WORST,), 5.0)
    double.answered.set()
    qtbot.waitUntil(lambda: not replay.under_way.is_busy)
    assert replay.table.shown_rows() == 0
    assert "different" not in replay.says.whole


FOUND = VariantComparison(
    "digits", "3", "one", ("avx512", "vnni"),
    (
        Variant("float32", 1, None, 1, 0.004, 0.005, 250.0, 1 << 20, 1 << 20, 1.0),
        Variant("int8", 1, None, 1, 0.002, 0.003, 500.0, 1 << 20, 1 << 18, 0.99),
        Variant("float16", 1, "no kernel <b>"),
    ),
    "Take int8 on 1 thread: 2.0 times the throughput.",
)  # fmt: skip


def test_before_anything_is_measured_it_says_what_the_processor_can_do(page, variants, double, qtbot):
    able = "Processor: avx2, amx; int8 models gain from amx."
    double.endpoints_by_name["digits"] = replace(double.endpoints_by_name["digits"], processor=("avx2", "amx"))
    variants.show_endpoint(None)
    variants.show_endpoint(double.endpoints_by_name["digits"])
    assert variants.says.text().endswith(able)
    assert variants.says.text().startswith("An ONNX model is measured")
    facts = {fact.name: fact.value for fact in facts_of(double.endpoints_by_name["digits"], {})}
    assert facts["Processor"] == "avx2, amx; int8 models gain from amx"


def test_variants_are_a_table_points_and_advice(page, variants, double, qtbot):
    variants.names["float16"].setChecked(False)
    variants.threads.setText("1,2")
    click(qtbot, variants.start)
    qtbot.waitUntil(lambda: bool(double.asked_beside))
    model = double.endpoints_by_name["digits"].model
    assert double.asked_beside[0] == (
        "compare", f"{model.name}/{model.version}", {"variants": "float32,int8", "threads": "1,2"},
    )  # fmt: skip
    double.found_beside["compare"] = replace(FOUND, version=model.version)
    double.answered.set()
    qtbot.waitUntil(lambda: "2.0 times" in variants.says.whole)
    assert "avx512, vnni" in variants.says.whole
    assert variants.table.shown_rows() == 3
    assert "int8 × 1" in variants.scatter.accessibleDescription()
    page.reveal("fraud")
    qtbot.waitUntil(lambda: variants.table.shown_rows() == 0)


def test_what_is_not_known_is_no_point_and_the_advised_one_is_marked():
    drawn, meaning = spots(FOUND)
    assert [(one.name, one.is_advised) for one in drawn] == [("float32 × 1", False), ("int8 × 1", True)]
    assert meaning == "Rows answered as float32 does"
    right = replace(FOUND, variants=(replace(FOUND.variants[0], accuracy=0.9),))
    assert spots(right)[1] == "Rows answered right"
    assert spots(right)[0][0].share == 0.9


def test_the_scale_has_room_and_never_shows_what_no_share_can_be():
    assert _span([0.5], None, 1.0)[0] < 0.5 < _span([0.5], None, 1.0)[1]
    assert _span([1.0, 0.99], None, 1.0)[1] == 1.0
    assert _span([0.001], 0.0, None)[0] >= 0.0
    assert _span([0.0], 0.0, None)[1] > 0.0


@pytest.fixture
def dialog(page, qtbot):
    page.pane.tabs.choose("revisions")
    view = page.pane.view("revisions")
    view.table.select("3")
    click(qtbot, view.export)
    return next(one for one in page.window().findChildren(ExportDialog) if one.isVisible())


def test_a_revision_is_exported_and_where_to_is_said(page, dialog, double, qtbot):
    dialog.format.setCurrentIndex(dialog.format.findData("oci"))
    assert dialog.out.text().endswith("/digits-r3.tar")
    dialog.out.setText("here.tar")
    click(qtbot, dialog.act)
    assert "whole path" in dialog.error_text()
    dialog.out.setText("/data/out.tar")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: bool(double.asked_beside))
    assert double.asked_beside[0] == ("export", "digits", {"out": "/data/out.tar", "format": "oci", "revision": 3})
    dialog.reject()
    assert dialog.isVisible(), "nobody could stop it any more"
    double.found_beside["export"] = ExportedEndpoint(
        "digits", 3, "oci", "/data/out.tar", "x", "sha256:1", "sha256:2", 10, 3, ("/data/out.tar",)
    )
    said = []
    page.context.said.connect(lambda _level, text: said.append(text))
    double.answered.set()
    qtbot.waitUntil(lambda: bool(said))
    assert "/data/out.tar" in said[0]


def test_only_what_counts_is_asked_for(dialog):
    foreign = (dialog.base, dialog.wheels, dialog.platform)
    assert (dialog.key.isVisible(), [one.isVisible() for one in foreign]) == (True, [False] * 3)
    low = dialog.height()
    dialog.kind.setCurrentIndex(1)
    assert [one.isVisible() for one in foreign] == [True] * 3
    assert dialog.height() > low
    dialog.format.setCurrentIndex(dialog.format.findData("systemd"))
    assert not dialog.key.isVisible()


@pytest.mark.slow
def test_a_revision_is_exported_for_a_machine_of_another_kind(dialog, double, qtbot, tmp_path):
    dialog.kind.setCurrentIndex(1)
    dialog.out.setText("/data/arm")
    click(qtbot, dialog.act)
    assert "The base image is not named" in dialog.error_text()
    base = tmp_path / "python.tar"
    base.write_bytes(b"")
    chooser = dialog.base.choose()
    assert chooser.fileMode() is QFileDialog.FileMode.ExistingFile
    chooser.fileSelected.emit(str(base))
    chooser.reject()
    dialog.wheels.line.setText("arm64")
    click(qtbot, dialog.act)
    assert "The folder of wheels is not named by a whole path" in dialog.error_text()
    chooser = dialog.wheels.choose()
    assert chooser.fileMode() is QFileDialog.FileMode.Directory
    chooser.fileSelected.emit(str(tmp_path))
    chooser.reject()
    dialog.key.line.setText("/keys/id_ed25519")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: bool(double.asked_beside))
    assert double.asked_beside[0] == (
        "export", "digits",
        {"out": "/data/arm", "format": "bundle", "revision": 3, "key": "/keys/id_ed25519", "base": str(base),
         "wheels": str(tmp_path), "platform": None},
    )  # fmt: skip
    click(qtbot, dialog.under_way.stop)
    qtbot.waitUntil(lambda: "was stopped" in dialog.error_text())


def test_what_lacks_among_the_wheels_is_shown_with_the_line_to_paste(dialog, qtbot):
    line = "pip download -d /srv/arm64 --platform manylinux2014_aarch64 numpy==2.4.6"
    dialog.fail(Refused("The wheels in /srv/arm64 lack numpy==2.4.6.", Hint(line, before="Where there is a network: ")))
    assert dialog.error_text() == "The wheels in /srv/arm64 lack numpy==2.4.6.\nWhere there is a network:"
    assert (dialog.command.isVisible(), dialog.command.command()) == (True, line)
    dialog.begin("Exporting …")
    assert not dialog.command.isVisible()
    dialog.fail(Refused("No.", "Try later."))
    assert (dialog.error_text(), dialog.command.isVisible()) == ("No.\nTry later.", False)


def test_an_export_that_is_stopped_leaves_the_dialog_with_what_was_typed(page, dialog, double, qtbot):
    dialog.out.setText("/data/out")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.ticket != "")
    click(qtbot, dialog.under_way.stop)
    qtbot.waitUntil(lambda: "was stopped" in dialog.error_text())
    assert dialog.out.text() == "/data/out"
    dialog.reject()


def test_one_that_is_not_kept_is_not_exported(page, qtbot):
    page.pane.tabs.choose("revisions")
    view = page.pane.view("revisions")
    view.table.select("4")
    assert not view.export.isEnabled()
