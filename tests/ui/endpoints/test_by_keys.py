"""Endpoints without a mouse: Tab goes from the list to tabs, what they show, and only then what changes it."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractScrollArea, QApplication

from mlops_desk.serving.records.endpoint import EndpointRevision, ModelRef, RevisionState
from mlops_desk.serving.records.rollout import Rollout, RolloutGuard
from mlops_desk.serving.records.test_request import LatencyFigures, ReplayDifference, Replayed
from mlops_desk.serving.records.variants import Variant, VariantComparison

SHIFT, NONE = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.NoModifier
FIGURES = LatencyFigures(0.011, 0.02, 0.03)
WORST = ReplayDifference("r-1", 0, "churn", "0.1", "0.9", 0.888)
MEASURED = (Variant("float32", 1, None, 1, 0.004, 0.005, 250.0, 1 << 20, 1 << 20, 1.0),)
FOUND = VariantComparison("digits", "3", "one", ("avx512", "vnni"), MEASURED, "Take float32.")


def revision(number, state):
    model = ModelRef("digits", str(number), f"models:/digits/{number}")
    return EndpointRevision(number, model, state, 0.0, "build", 1000.0, "one", is_kept=True)


@pytest.fixture
def page(start, double, qtbot):
    made = (revision(1, RevisionState.RETIRED), revision(2, RevisionState.LIVE))
    double.endpoints_by_name["digits"] = replace(double.endpoints_by_name["digits"], revisions=made)
    program = start(double, "endpoints")
    page = program.window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == 3)
    qtbot.waitUntil(program.window.isActiveWindow)
    page.reveal("digits")
    page.window().resize(1280, 900)
    page.table.setFocus(Qt.FocusReason.TabFocusReason)
    yield page
    double.answered.set()
    double.stopped.set()


def focus():
    found = QApplication.focusWidget()
    assert found is not None
    assert found.isVisible()
    inner = found.viewport() if isinstance(found, QAbstractScrollArea) else found  # which covers all of it
    assert not inner.visibleRegion().isEmpty(), "what has the focus is seen"
    return found


def press(key, modifier=NONE):
    QTest.keyClick(focus(), key, modifier)


def walked(page, steps, modifier=NONE):
    """Press Tab so often; return what had the focus after each."""
    found = []
    for _ in range(steps):
        press(Qt.Key.Key_Backtab if modifier else Qt.Key.Key_Tab, modifier)
        found.append(focus())
    return found


def region_of(page, widget):
    pane = page.pane
    regions = (
        ("filter", page._filter), ("list", page.table), ("tabs", pane.tabs), ("content", pane.layers),
        ("span", pane.requests_of), ("rollout", pane.rollout), ("address", pane.url), ("acts", pane),
    )  # fmt: skip
    return next((name for name, region in regions if region is widget or region.isAncestorOf(widget)), "outside")


def in_order(names):
    """Leave out what is the same as before."""
    return [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]


@pytest.mark.slow
@pytest.mark.parametrize("tab", ["curves", "revisions", "setup", "try", "requests", "measure", "log", "facts"])
def test_tab_goes_from_the_list_to_the_tabs_their_content_and_then_to_the_acts(page, qtbot, tab):
    page.pane.tabs.choose(tab)
    QApplication.processEvents()
    seen = [page.table]
    while (found := walked(page, 1)[0]) not in seen:
        seen.append(found)
    regions = in_order([region_of(page, one) for one in seen])
    assert regions[:2] == ["list", "tabs"]
    rest = [name for name in regions[2:] if name not in {"content", "span"}]
    assert rest == ["address", "acts", "outside", "filter"], "each region once"
    assert len(seen) == len(set(seen))
    back = walked(page, len(seen) - 1, SHIFT)  # from the list, where the round ended
    assert back == list(reversed(seen[1:])), "back is the same way"


def test_a_rollout_stands_between_what_is_shown_and_what_changes_the_endpoint(page, double, qtbot):
    double.put_endpoint(replace(double.endpoints_by_name["digits"], rollout=Rollout(2, 5.0, (), RolloutGuard(), 0.0)))
    qtbot.waitUntil(page.pane.rollout.isVisible)
    names = in_order([region_of(page, one) for one in walked(page, 14)])
    assert names.index("content") < names.index("rollout") < names.index("address") < names.index("acts")


def test_a_replay_is_begun_stopped_and_read_by_keys_alone(page, double, qtbot):
    press(Qt.Key.Key_Tab)
    while page.pane.tabs.current() != "measure":
        press(Qt.Key.Key_Right)
    replay = page.pane.view("measure").replay
    found = walked(page, 5)
    assert found[1:] == [replay.revision, replay.since, replay.count, replay.start]
    press(Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: double.ticket != "")
    qtbot.waitUntil(lambda: QApplication.focusWidget() is replay.under_way.stop)
    press(Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: "was stopped" in replay.says.whole)
    qtbot.waitUntil(lambda: region_of(page, focus()) == "content")
    while focus() is not replay.start:
        press(Qt.Key.Key_Backtab, SHIFT)
    double.stopped.clear()
    double.ticket = ""
    double.found_beside["replay"] = Replayed("digits", 1, 2, 0, 1, 0, 1, {}, FIGURES, FIGURES, (WORST,), 5.0)
    press(Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: len(double.asked_beside) == 2)
    double.answered.set()
    qtbot.waitUntil(lambda: replay.table.shown_rows() == 1)
    while focus() is not replay.table:
        press(Qt.Key.Key_Tab)
        assert region_of(page, focus()) == "content", "its table is reached before anything else"


def test_variants_are_chosen_and_measured_by_keys_alone(page, double, qtbot):
    page.pane.tabs.choose("measure")
    view = page.pane.view("measure")
    view.ways._buttons["replay"].setFocus(Qt.FocusReason.TabFocusReason)
    press(Qt.Key.Key_Right)
    variants = view.variants
    assert variants.isVisible()
    boxes = [box for box in variants.names.values() if box.isEnabled()]
    assert walked(page, len(boxes) + 2) == [*boxes, variants.threads, variants.start]
    press(Qt.Key.Key_Backtab, SHIFT)
    QTest.keyClicks(focus(), "1,2")
    press(Qt.Key.Key_Tab)
    double.found_beside["compare"] = FOUND
    double.answered.set()
    press(Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: variants.table.shown_rows() == 1)
    asked = double.asked_beside[0]
    assert (asked[0], asked[2]["threads"]) == ("compare", "1,2")
    while focus() is not variants.table:
        press(Qt.Key.Key_Tab)
        assert region_of(page, focus()) == "content"


def test_who_comes_to_the_page_goes_on_in_it_and_back_to_what_stands_before(page):
    page.enter()
    assert focus() is page
    assert region_of(page, walked(page, 1)[0]) == "filter"
    page.enter()
    (back,) = walked(page, 1, SHIFT)
    assert page.window().title_row.isAncestorOf(back)


def test_in_try_tab_goes_from_the_values_to_what_sends_them(page, double, qtbot):
    body = {"dataframe_records": [{"height": 1.0, "weight": 2.0}]}
    double.endpoints_by_name["digits"] = replace(double.endpoints_by_name["digits"], example=body)
    page.pane.tabs.choose("try")
    view = page.pane.view("try")
    qtbot.waitUntil(lambda: bool(view.fields))
    fields = list(view.fields.values())
    fields[0].setFocus(Qt.FocusReason.TabFocusReason)
    assert walked(page, len(fields) + 3) == [*fields[1:], view.send, view.curl, view.python, view.answer]


def test_a_filter_that_hides_the_chosen_one_chooses_the_first_that_fits(page):
    assert page.chosen().name == "digits"
    other = next(name for name in page.context.store.endpoints.value if name != "digits")
    page.filter_field().setText(other)
    assert page.chosen().name == other
    assert page.acts.remove.isVisible()
    page.filter_field().setText("no such endpoint")
    assert page.chosen() is None
