"""The page on models: the list, one search over all, versions with the metrics that vary, and what is chosen."""

from dataclasses import replace

import pytest
from doubles import Double
from pressing import click, opened
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.widgets.button import CopyButton
from mlops_desk.machine.records import event as events
from mlops_desk.registry.records.tracker import Tracker, TrackerKind
from mlops_desk.registry.records.version_hit import VersionHit
from mlops_desk.registry.window.models import metrics
from mlops_desk.registry.window.models.loads import CARDS
from mlops_desk.registry.window.models.page import query_of
from mlops_desk.registry.window.models.registries import AddressDialog
from mlops_desk.serving.window.deploy_form import DeployDialog, TokenDialog


def titles(table):
    return [column.title for column in table.records.columns]


# The list.


def test_a_card_tells_aliases_metric_owner_and_how_its_endpoints_are(page):
    assert page.models.shown_rows() == 3
    said = page.models.records.index(0, 0).data()
    for part in ("digits", "version 4", "champion 3", "challenger 4", "auc 0.91", "digits: drift", "jonas"):
        assert part in said


def test_the_versions_of_another_model_are_shown_when_it_is_chosen(page, double, qtbot):
    page.models.select("fraud-score")
    qtbot.waitUntil(lambda: page.versions.table.shown_rows() == 12)
    assert page._version().name == "fraud-score"
    assert page.versions.heading.whole == "fraud-score: 12 versions"
    assert double.searched[-1] == 'name:"fraud-score"'


def test_a_model_of_a_similar_name_is_not_mixed_in(page, double, qtbot):
    double.models_by_name["digits-old"] = replace(double.models_by_name["llm-router"], name="digits-old")
    page.reload()
    qtbot.waitUntil(lambda: page.models.shown_rows() == 4)
    qtbot.wait(50)
    assert {hit.name for hit in page.versions.hits()} == {"digits"}


@pytest.mark.parametrize(("name", "query"), [("churn", 'name:"churn"'), ('a"bc', 'name:"bc"'), ("ü x", 'name:"ü x"')])
def test_a_name_that_a_query_can_not_hold_is_asked_for_by_a_part_of_it(name, query):
    assert query_of(name) == query


# Versions.


def test_the_metrics_that_vary_have_columns_and_the_others_can_be_given_one(page, qtbot):
    assert [one for one in titles(page.versions.table) if one in {"auc", "loss", "f1_macro", "rows"}] == [
        "auc",
        "f1_macro",
        "loss",
    ]
    page.versions.show_metric("rows", on=True)
    page.versions.show_metric("loss", on=False)
    assert "rows" in titles(page.versions.table)
    assert "loss" not in titles(page.versions.table)
    page.models.select("fraud-score")
    qtbot.waitUntil(lambda: page.versions.table.shown_rows() == 12)
    assert "rows" not in titles(page.versions.table)
    page.models.select("digits")
    qtbot.waitUntil(lambda: page.versions.table.shown_rows() == 4)
    assert "rows" in titles(page.versions.table)


def test_what_is_the_same_everywhere_takes_no_column_from_what_varies():
    hits = [
        VersionHit("m", str(n), metrics={"accuracy": 0.9, "zeta": float(n), "system/gpu": float(n)}) for n in (1, 2)
    ]
    assert metrics.varying(hits) == ["zeta", "system/gpu"]
    assert metrics.varying(hits, 1) == ["zeta"]
    assert metrics.varying(hits[:1]) == ["accuracy", "zeta", "system/gpu"]
    assert metrics.chosen(hits, ["gone"]) == ["zeta", "system/gpu"]
    assert metrics.chosen(hits, ["accuracy"]) == ["accuracy"]


@pytest.mark.parametrize(("name", "lower"), [("val_loss", True), ("RMSE", True), ("test-auc", False), ("rows", None)])
def test_a_name_says_which_way_is_better_or_says_nothing(name, lower):
    assert metrics.is_lower_better(name) is lower


def test_versions_without_a_number_come_after_all_that_have_one(page):
    table = page.versions.table
    place = titles(table).index("f1_macro")
    table.sort_by(place, Qt.SortOrder.DescendingOrder)
    assert [table.records.index(row, place).data() for row in range(4)][-1] == "NaN"


def test_a_metric_over_the_versions_is_gone_through_by_keys(page, qtbot):
    strip = page.versions.strip
    assert [one.title for one in strip.points] == ["v1", "v2", "v3", "v4"]
    assert strip.points[2].aliases == ("champion",)
    strip.setFocus()
    QTest.keyClick(strip, Qt.Key.Key_Left)
    assert page._version().version == "3"
    assert "v3" in strip.accessibleDescription()
    page.versions.plotted.setCurrentIndex(page.versions.plotted.findData("f1_macro"))
    page.versions.plotted.activated.emit(0)
    strip.grab()
    assert strip.accessibleName() == "Chart: f1_macro by version"


def test_who_serves_a_version_stands_beside_it(page):
    table = page.versions.table
    place = titles(table).index("Served by")
    shown = {table.records.index(row, 2).data(): table.records.index(row, place).data() for row in range(4)}
    row = table.records.row_of("digits/3")
    assert table.records.index(row, place).data() == "digits"
    assert "digits" in shown.values() or row is not None


def test_a_version_that_is_named_is_chosen_as_soon_as_it_is_there(start, double, qtbot):
    window = start(double, "models").window
    window.open_thing("models", "fraud-score/3")
    page = window.page()
    qtbot.waitUntil(lambda: page._version() is not None and page._version().version == "3")
    assert page._version().name == "fraud-score"


# The search.


def test_what_is_typed_is_found_among_all_models_and_one_way_back_is_esc(page, double, qtbot):
    page.search.field.setText("alias:champion")
    qtbot.waitUntil(lambda: page.versions.table.shown_rows() == 2)
    assert "Model" in titles(page.versions.table)
    assert page.versions.heading.whole == "Found: 2 versions"
    assert not page.versions.strip.isVisible()
    page.escape()
    qtbot.waitUntil(lambda: page.versions.table.shown_rows() == 4)
    assert "Model" not in titles(page.versions.table)


def test_only_what_was_typed_last_is_asked(page, double, qtbot):
    before = len(double.searched)
    for text in ("d", "di", "dig"):
        page.search.field.setText(text)
    qtbot.waitUntil(lambda: page.versions.heading.whole == "Found: 4 versions")
    assert double.searched[before:] == ["dig"]


@pytest.mark.slow
def test_answers_that_come_at_once_ask_for_nothing_more_and_an_announcement_does(page, double, qtbot):
    context = page.context
    qtbot.waitUntil(lambda: not any(context.store.part(topic).loading for topic in (CARDS, Topic.REGISTRY)))
    page._soon.stop()
    context.changed.emit(frozenset({CARDS, Topic.REGISTRY}))
    assert not page._soon.isActive()
    double.calls.clear()
    double.announce(events.RegistryChanged(double.server))
    qtbot.waitUntil(lambda: ("models", "cards") in double.calls)
    assert not context.store.part(CARDS).outdated


def test_a_query_that_is_wrong_is_marked_where_it_is_and_what_was_found_stays(page, qtbot):
    page.search.field.setText("alias:champion")
    qtbot.waitUntil(lambda: page.versions.table.shown_rows() == 2)
    page.search.field.setText("auc> bad")
    qtbot.waitUntil(page.search.error.isVisible)
    assert page.search.error.around.whole == "auc> bad"
    assert page.search.error.mark.whole == "\u00a0\u00a0\u00a0\u00a0▲"
    assert "is missing" in page.search.error.says.whole
    assert page.versions.table.shown_rows() == 2
    page.search.field.clear()
    assert not page.search.error.isVisible()


def test_a_search_shows_what_is_known_says_what_may_come_and_asks_until_that_is_there(page, double, qtbot):
    double.unread = [900, 900, 3]
    page.search.field.setText("alias:champion")
    qtbot.waitUntil(lambda: "900 versions more may match" in page.versions.says.whole)
    assert page.versions.table.shown_rows() == 2
    again = page.search.again
    assert (again.timer.isActive(), again.pause_milliseconds) == (True, 500)
    again.timer.start(0)
    qtbot.waitUntil(lambda: again.pause_milliseconds == 1000 and again.timer.isActive())
    again.timer.start(0)
    qtbot.waitUntil(lambda: "3 versions more" in page.versions.says.whole)
    assert again.pause_milliseconds == 500, "more of it came"
    again.timer.start(0)
    qtbot.waitUntil(lambda: page.versions.says.whole == "")
    assert not again.timer.isActive()


def test_a_search_of_which_not_all_is_shown_says_of_how_many(page, double, qtbot, monkeypatch):
    monkeypatch.setattr("mlops_desk.registry.window.models.list.FOUND_MOST", 5)
    page.search.field.setText("fraud")
    qtbot.waitUntil(lambda: page.versions.heading.whole == "Found: the newest 5 of 12 versions")
    assert page.versions.table.shown_rows() == 5


def test_nothing_found_yet_is_not_told_as_nothing_at_all(page, double, qtbot):
    double.unread = [7] * 50
    page.search.field.setText("nowhere")
    qtbot.waitUntil(lambda: "7 versions more may match" in page.versions.says.whole)
    assert "No version matches" not in page.versions.says.whole


def test_who_leaves_a_search_that_is_not_whole_has_it_go_on_when_it_is_seen_again(page, double, qtbot):
    double.unread = [7]
    page.search.field.setText("alias:champion")
    qtbot.waitUntil(lambda: "may match" in page.versions.says.whole)
    page.window().go_to("jobs")
    assert not page.search.again.timer.isActive()
    page.window().go_to("models")
    qtbot.waitUntil(lambda: page.versions.says.whole == "")
    assert page.versions.table.shown_rows() == 2


def test_a_search_that_finds_nothing_says_so(page, qtbot):
    page.search.field.setText("nowhere at all")
    qtbot.waitUntil(lambda: "No version matches" in page.versions.says.whole)
    assert page._version() is None
    assert not page.detail.alias.isEnabled()


def test_who_chooses_a_model_while_searching_sees_its_versions(page, qtbot):
    page.search.field.setText("alias:champion")
    qtbot.waitUntil(lambda: page.versions.table.shown_rows() == 2)
    page.models.select("llm-router")
    qtbot.waitUntil(lambda: page.versions.table.shown_rows() == 2 and page._version().name == "llm-router")
    assert page.search.query() == ""


def test_versions_that_can_not_be_read_say_why(page, double, qtbot):
    double.failing["models.find"] = Unavailable("The registry does not answer.", "Try later.")
    page.models.select("fraud-score")
    qtbot.waitUntil(lambda: "does not answer" in page.versions.says.whole)
    assert page.versions.table.shown_rows() == 0


# Registries.


def test_the_tracking_server_is_started_from_the_empty_page(start, qtbot):
    double = Double(empty=True, beat_seconds=0.2)
    page = start(double, "models").window.page()
    qtbot.waitUntil(lambda: page._state._act.text() == "Start the tracking server")
    assert not page.registries.start_server.isVisible(), "it is offered once"
    click(qtbot, page._state._act)
    qtbot.waitUntil(lambda: "No models yet" in page._state._title.whole)


def test_another_registry_can_be_chosen_while_the_desks_own_is_empty(start, qtbot):
    double = Double(empty=True, beat_seconds=0.2)
    page = start(double, "models").window.page()
    qtbot.waitUntil(page._state.isVisible)
    assert page.registries.box.isVisible()
    dialog = page.registries.ask_address()
    assert opened(page, AddressDialog) is dialog
    dialog.uri.setText("http://nowhere")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "does not answer" in page._state._text.whole)
    assert page.registries.box.isVisible()


def test_kept_registries_are_looked_at_by_their_name(page, qtbot):
    box = page.registries.box
    qtbot.waitUntil(lambda: box.count() > 4)
    assert [box.itemText(place) for place in range(4)] == ["own (default)", "team", "■ old-runs", "sweeps"]
    box.setCurrentIndex(1)
    box.activated.emit(1)
    assert page.context.store.models_uri == "team"
    assert page.models.shown_rows() == 0 or page.versions.table.shown_rows() == 0
    qtbot.waitUntil(lambda: page.versions.table.shown_rows() == 4)
    assert not page.detail.deploy.isVisible()
    assert box.currentText() == "team"
    box.setCurrentIndex(0)
    box.activated.emit(0)
    assert page.context.store.models_uri is None
    qtbot.waitUntil(page.detail.deploy.isVisible)


def test_why_a_registry_cannot_be_shown_is_told_once(page, double, qtbot):
    box = page.registries.box
    qtbot.waitUntil(lambda: box.count() > 4)
    double.failing["models"] = Unavailable("The folder is gone.", "Mount the disk.")
    page.registries.choose("old-runs")
    qtbot.waitUntil(lambda: "The folder is gone." in page._state._text.whole)
    assert page._state.isVisible()
    assert not page.registries.says.isVisible()
    del double.failing["models"]
    page.reload()
    qtbot.waitUntil(lambda: page.models.shown_rows() > 0)
    assert page.registries.says.isVisible()
    assert "The folder is gone." in page.registries.says.text()


def test_the_desks_own_registry_is_named_where_another_is_the_default(page, double, qtbot):
    double.trackers = [
        Tracker("own", "sqlite:///x", TrackerKind.OWN),
        Tracker("team", "https://mlflow", TrackerKind.HTTP, is_default=True),
    ]
    page.registries.look()
    box = page.registries.box
    qtbot.waitUntil(lambda: box.itemText(1) == "team (default)")
    assert (box.itemData(0), box.itemData(1)) == ("own", None)
    assert box.currentText() == "team (default)"


def test_a_registry_that_was_added_elsewhere_can_be_chosen(page, double, qtbot):
    box = page.registries.box
    qtbot.waitUntil(lambda: box.count() > 4)
    double.trackers = [*double.trackers, Tracker("lab", "http://lab:5000", TrackerKind.HTTP)]
    double.announce(events.RegistriesChanged())
    qtbot.waitUntil(lambda: box.findText("lab") >= 0)


# What changes.


def test_a_change_elsewhere_is_shown_and_many_in_a_row_are_asked_for_once(page, double, qtbot):
    before = double.calls.count(("models", "cards"))
    double.models_by_name["digits"] = replace(double.models_by_name["digits"], aliases={"champion": "1"})
    for _ in range(5):
        double.announce(events.RegistryChanged(double.server))
        qtbot.wait(20)
    qtbot.waitUntil(lambda: page.models.records.record("digits").aliases == {"champion": "1"})
    qtbot.waitUntil(lambda: page.versions.table.records.record("digits/1").hit.aliases == ("champion",))
    assert double.calls.count(("models", "cards")) <= before + 2


def test_a_model_is_deployed_from_here(page, double, qtbot):
    click(qtbot, page.detail.deploy)
    dialog = opened(page, DeployDialog)
    assert dialog.version.currentData() == "digits/4"
    dialog.name.setText("digits-two")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: opened(page, TokenDialog) is not None)
    told = opened(page, TokenDialog)
    assert "digits-two" in told.windowTitle()
    assert told.token.command() == "s3cret-token"
    click(qtbot, told.findChild(CopyButton))
    assert QGuiApplication.clipboard().text() == "s3cret-token"
    click(qtbot, told.leave)
    assert double.endpoints_by_name["digits-two"].token_required


def test_one_that_is_deployed_open_gets_no_token_and_one_that_is_there_tells_none(page, double, qtbot):
    for _ in range(2):
        click(qtbot, page.detail.deploy)
        dialog = opened(page, DeployDialog)
        dialog.name.setText("digits-open")
        dialog.opens.setChecked(True)
        click(qtbot, dialog.act)
        qtbot.waitUntil(lambda: opened(page, DeployDialog) is None)
        assert opened(page, TokenDialog) is None
        assert not double.endpoints_by_name["digits-open"].token_required


def test_the_row_of_a_version_has_all_that_can_be_done_with_it(page):
    menu = QMenu()
    page.versions.table.fill_more(menu)
    told = [action.text() for action in menu.actions()]
    for act in (
        "Set an alias …",
        "Write a tag …",
        "Describe …",
        "Verify the files",
        "Export …",
        "Delete the version …",
    ):
        assert act in told
    ids = [action.id for action in page.actions_here()]
    assert len(ids) == len(set(ids))
