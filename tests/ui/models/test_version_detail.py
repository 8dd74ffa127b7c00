"""The chosen version: what it is made of, its files, where it comes from, where aliases went, and what is compared."""

import math
from dataclasses import replace

import pytest
from doubles import NOW
from pressing import click, opened
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices
from PySide6.QtTest import QTest

from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.registry.records.alias_move import AliasMove
from mlops_desk.registry.records.model_files import ModelFileFacts
from mlops_desk.registry.records.transfer import CheckedFile, Verified
from mlops_desk.registry.window.models import history
from mlops_desk.registry.window.models.acts.acts import DeleteDialog, VerifyDialog, verdict
from mlops_desk.registry.window.models.acts.labels import DescribeDialog, TagDialog
from mlops_desk.registry.window.models.alias.dialog import AliasDialog
from mlops_desk.registry.window.models.detail.pane import said_at, said_change


def told(grid):
    return {fact.name: fact.value for fact in grid.shown}


# Facts and files.


def test_what_a_version_is_comes_from_the_registry_and_from_its_own_files(page, qtbot):
    view = page.detail.view("facts")
    about = told(view.about)
    assert (about["Aliases"], about["Trained on"], about["By"]) == ("challenger", "digits-train 9f2c11aa", "jonas")
    assert told(view.sections["Metrics"])["rows"] == "12000"
    qtbot.waitUntil(lambda: "Format" in told(view.sections["Model"]))
    model = told(view.sections["Model"])
    assert (model["Flavours"], model["Format"]) == ("sklearn", "cloudpickle")
    assert "runs code" in model["Beware"]
    assert "LogisticRegression" in model["Beware"]
    assert told(view.sections["Inputs"]) == {"age": "double", "country": "string, may be missing"}
    assert told(view.sections["Outputs"]) == {"#0": "tensor float32 (any, 10)"}
    assert "scikit-learn==1.8.0" in view.requirements.toPlainText()


def test_a_format_that_runs_nothing_has_no_warning_and_files_that_say_nothing_say_why(page, double, qtbot):
    double.model_facts = ModelFileFacts("digits", "3", {"onnx": {}}, ("onnx",), False)
    page.versions.table.select("digits/3")
    view = page.detail.view("facts")
    qtbot.waitUntil(lambda: told(view.sections["Model"]).get("Format") == "onnx")
    assert "Beware" not in told(view.sections["Model"])
    assert told(view.sections["Model"])["Size"] == "not known"
    double.model_facts = ModelFileFacts("digits", "2", problem="Its files lie on another machine.")
    page.versions.table.select("digits/2")
    qtbot.waitUntil(lambda: "another machine" in view.says.whole)
    assert not view.sections["Model"].isVisible()


def test_files_that_can_not_be_read_leave_what_the_registry_knows(page, double, qtbot):
    double.failing["models.facts"] = Unavailable("The file server does not answer.")
    page.versions.table.select("digits/1")
    view = page.detail.view("facts")
    qtbot.waitUntil(lambda: "does not answer" in view.says.whole)
    assert told(view.about)["By"] == "jonas" or told(view.about)["Run"] == "run1"


def test_the_files_of_a_version_are_asked_for_when_their_tab_is_chosen(page, double, qtbot):
    assert ("models", "files") not in double.calls
    page.detail.tabs.choose("files")
    pane = page.detail.view("files").pane
    qtbot.waitUntil(lambda: pane.tree.topLevelItemCount() == 7)
    qtbot.waitUntil(lambda: "loader_module" in pane.preview.lines.toPlainText())


# History.


def test_moves_are_told_newest_first_with_who_and_how_sure(page, qtbot):
    page.detail.tabs.choose("history")
    view = page.detail.view("history")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 4)
    rows = [[view.table.records.index(row, column).data() for column in range(1, 4)] for row in range(4)]
    assert rows[0] == ["challenger", "3 → 4", "jonas"]
    assert rows[2] == ["champion", "1 → 2", "elsewhere"]
    assert rows[3] == ["champion", "made, at 1", "ana"]


def test_an_alias_is_put_back_from_its_history(page, double, qtbot):
    page.detail.tabs.choose("history")
    view = page.detail.view("history")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 4)
    view.table.select(next(key for key in view.table.records.order.keys if key.startswith("champion")))
    click(qtbot, view.back)
    dialog = opened(page, AliasDialog)
    qtbot.waitUntil(lambda: dialog.says.whole == "champion moves from version 3 to version 2.")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.models_by_name["digits"].aliases["champion"] == "2")


MOVES = (
    AliasMove("m", "champion", 100.0, None, "1", "ana"),
    AliasMove("m", "champion", 200.0, "1", "2", None, 150.0),
    AliasMove("m", "champion", 300.0, "2", None, "ana"),
    AliasMove("m", "shadow", 250.0, "1", "2", "jonas"),
)


@pytest.mark.parametrize(
    ("moment", "champion", "shadow"),
    [(50, None, "1"), (100, "1", "1"), (199, "1", "1"), (260, "2", "2"), (300, None, "2")],
)
def test_where_an_alias_was_at_a_time(moment, champion, shadow):
    found = history.at(MOVES, moment)
    assert (found["champion"][0], found["shadow"][0]) == (champion, shadow)


def test_a_move_that_was_only_seen_later_makes_the_time_before_it_unsure():
    assert history.is_certain(MOVES[0], 140, MOVES)
    assert not history.is_certain(MOVES[0], 160, MOVES)
    assert "or moved shortly before" in said_at(MOVES, 160)
    assert "or moved shortly before" not in said_at(MOVES, 140)
    assert "pointed nowhere" in said_at(MOVES, 50)


def test_the_version_before_is_that_of_the_newest_move_to_where_it_is_now():
    assert history.previous(MOVES, "champion", "2") == "1"
    assert history.previous(MOVES, "champion", "1") is None
    assert history.previous(MOVES, "shadow", "2") == "1"
    assert history.previous((), "champion", "2") is None


def test_a_time_is_typed_and_what_is_none_is_said(page, qtbot):
    page.detail.tabs.choose("history")
    view = page.detail.view("history")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 4)
    view.at.setText("5 d ago")
    assert "champion was version 2" in view.answer.whole
    view.at.setText("banana")
    assert "is no time" in view.answer.whole


# The champion before, in one act.


def test_the_champion_before_comes_back_in_one_act_and_goes_again_by_undo(page, double, qtbot):
    back = page.detail.back
    qtbot.waitUntil(back.isVisible)
    assert back.text().startswith("Previous champion (v2, auc ")
    offered = []
    page.context.offered.connect(lambda text, act, do: offered.append((text, act, do)))
    click(qtbot, back)
    qtbot.waitUntil(lambda: double.models_by_name["digits"].aliases["champion"] == "2")
    qtbot.waitUntil(lambda: bool(offered))
    assert offered[0][:2] == ("digits@champion is version 2 again.", "Undo")
    offered[0][2]()
    qtbot.waitUntil(lambda: double.models_by_name["digits"].aliases["champion"] == "3")


def test_a_champion_that_moved_meanwhile_is_not_put_back_without_a_word(page, double, qtbot):
    qtbot.waitUntil(page.detail.back.isVisible)
    old = double.models_by_name["digits"]
    double.models_by_name["digits"] = replace(old, aliases={**old.aliases, "champion": "1"})
    click(qtbot, page.detail.back)
    bar = page.window().notices
    qtbot.waitUntil(lambda: "by now" in bar._text.whole)
    assert double.models_by_name["digits"].aliases["champion"] == "1"


def test_the_change_of_the_first_metric_stands_on_the_button(page):
    beside = {hit.version: hit for hit in page.versions.hits()}
    assert said_change(beside, "3", "9") == "v9"
    none = {"1": replace(beside["1"], metrics={"auc": math.nan}), "2": beside["2"]}
    assert said_change(none, "1", "2") == "v2"
    two = {"1": replace(beside["1"], metrics={"auc": 0.9}), "2": replace(beside["2"], metrics={"auc": 0.8})}
    assert said_change(two, "1", "2") == "v2, auc ▼\u202f0.1"


# The alias dialog.


def test_the_dialog_tells_which_metrics_are_worse_and_who_does_not_follow(page, double, qtbot):
    dialog = page.acts.ask_alias("digits", "champion", "2")
    qtbot.waitUntil(dialog.act.isEnabled)
    table = dialog.consequences.table
    head = [column.title for column in table.records.columns]
    assert head == ["Metric", "champion now: v3", "v2", "Change"]
    shown = {table.records.index(row, 0).data(): table.records.index(row, 3).data() for row in range(4)}
    assert shown["auc"].startswith("▲")
    assert shown["auc"].endswith("better")
    assert shown["loss"].endswith("worse") or shown["loss"].endswith("better")
    assert shown["rows"] == "the same"
    assert list(dialog.consequences.deploy) == ["digits"]


def test_what_is_ticked_is_deployed_after_the_move_and_nothing_where_it_is_refused(page, double, qtbot):
    dialog = page.acts.ask_alias("digits", "champion", "2")
    qtbot.waitUntil(dialog.act.isEnabled)
    dialog.consequences.deploy["digits"].setChecked(True)
    double.failing["models.promote"] = Refused("It points elsewhere by now.")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "by now" in dialog.error_text())
    assert ("endpoints", "deploy") not in double.calls
    double.failing.clear()
    qtbot.waitUntil(lambda: dialog.act.isEnabled() and "digits" in dialog.consequences.deploy)
    dialog.consequences.deploy["digits"].setChecked(True)
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: ("endpoints", "deploy") in double.calls)


def test_a_preview_that_fails_is_told_and_nothing_can_be_set(page, double, qtbot):
    double.failing["models.preview"] = Unavailable("The registry does not answer.", "Try later.")
    dialog = page.acts.ask_alias("digits", "champion", "2")
    qtbot.waitUntil(lambda: "does not answer" in dialog.error_text())
    assert not dialog.act.isEnabled()


# Tags, descriptions, deleting, verifying.


def test_a_tag_is_written_and_taken_back(page, double, qtbot):
    offered = []
    page.context.offered.connect(lambda text, act, do: offered.append((text, act, do)))
    page.acts.tag()
    dialog = opened(page, TagDialog)
    qtbot.waitUntil(dialog.act.isEnabled)
    click(qtbot, dialog.act)
    assert "needs a name" in dialog.error_text()
    dialog.key.setText("team")
    assert "reads 'vision' now" in dialog.now.whole or "reads 'lab' now" in dialog.now.whole
    dialog.key.setText("stage")
    assert dialog.now.whole == "There is no such tag yet."
    dialog.value.setText("shadow")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.version_tags.get("digits/4") == {"stage": "shadow"})
    qtbot.waitUntil(lambda: bool(offered))
    offered[0][2]()
    qtbot.waitUntil(lambda: double.version_tags.get("digits/4") == {})


def test_a_description_is_written_of_the_version_or_of_the_model(page, double, qtbot):
    page.acts.describe()
    dialog = opened(page, DescribeDialog)
    dialog.of.setCurrentIndex(1)
    assert dialog.text.toPlainText() == "Hand-written digits, logistic regression"
    dialog.of.setCurrentIndex(0)
    dialog.text.setPlainText("Good enough.")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.descriptions.get("digits/4") == "Good enough.")


def test_what_can_not_be_undone_needs_its_name_typed(page, double, qtbot):
    page.versions.table.select("digits/1")
    page.acts.delete()
    dialog = opened(page, DeleteDialog)
    assert not dialog.act.isEnabled()
    dialog.typed.setText("digits/2")
    assert not dialog.act.isEnabled()
    QTest.keyClick(dialog.typed, Qt.Key.Key_Return)
    assert double.deleted == []
    dialog.typed.setText("digits/1")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.deleted == [("digits", "1", "digits/1")])


def test_files_that_are_not_as_registered_are_named_first(page, qtbot):
    page.acts.verify()
    dialog = opened(page, VerifyDialog)
    qtbot.waitUntil(lambda: dialog.files.shown_rows() == 2)
    assert "Not as registered: 1 file is changed." in dialog.says.whole
    assert "Compared with the hashes of" in dialog.about.whole


@pytest.mark.parametrize(
    ("files", "problem", "said"),
    [
        (("same",), None, "All 1 file is as registered."),
        (("same", "missing", "added"), None, "1 file is missing, 1 file is added since"),
        (("unknown",), None, "1 file can't be compared."),
        (("unknown", "same"), "1 of 2 files could not be read: no.", "1 of 2 files could not be read: no."),
        (
            ("changed", "unknown"),
            "1 of 2 files could not be read: no.",
            "1 file is changed. 1 of 2 files could not be read: no.",
        ),
    ],
)
def test_what_was_verified_is_said_in_a_sentence(files, problem, said):
    checked = tuple(CheckedFile(f"f{number}", state) for number, state in enumerate(files))
    assert said in verdict(Verified("m", "1", NOW, checked, problem))[0]


def test_a_version_is_exported_into_one_file(page, double, qtbot, tmp_path):
    page.acts.transfer.export_to(page._version(), str(tmp_path / "x.mldversion"))
    qtbot.waitUntil(lambda: double.exported == [("digits", "4", str(tmp_path / "x.mldversion"))])


def test_mlflows_own_page_is_opened_at_the_run_and_only_that_of_the_desks_own_registry(
    page, double, qtbot, monkeypatch
):
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    acts = {action.id: action for action in page.acts.list()}
    acts["models.page"].run()
    qtbot.waitUntil(lambda: opened == ["http://127.0.0.1:5000/visit/once"])
    assert double.visits == ["run4"]
    page.context.store.models_uri = "team"
    assert not acts["models.page"].when()


# Comparing.


def test_two_ticked_versions_are_compared_and_esc_shows_the_detail_again(page, double, qtbot):
    table = page.versions.table
    table.setFocus()
    QTest.keyClick(table, Qt.Key.Key_Space)
    assert page._right.currentWidget() is page.detail
    page.versions.tick("digits/2")
    assert page._right.currentWidget() is page.comparison
    qtbot.waitUntil(lambda: double.compared == [("digits", "4", None, "2")])
    qtbot.waitUntil(lambda: bool(page.comparison.pane.shown()))
    assert "numpy" not in {one.key for one in page.comparison.pane.shown()}
    page.escape()
    assert page._right.currentWidget() is page.detail
    assert page.versions.ticked() == []


def test_compare_means_the_chosen_version_and_the_champion(page, double, qtbot):
    click(qtbot, page.detail.compared)
    qtbot.waitUntil(lambda: double.compared == [("digits", "4", None, "3")])


def test_ticks_belong_to_what_is_listed(page, qtbot):
    page.versions.tick("digits/4")
    page.versions.tick("digits/2")
    page.models.select("fraud-score")
    qtbot.waitUntil(lambda: page.versions.table.shown_rows() == 12)
    assert page.versions.ticked() == []
    assert page._right.currentWidget() is page.detail


def test_a_search_begins_without_ticks_also_where_it_finds_what_was_ticked(page, qtbot):
    page.versions.tick("digits/3")
    page.search.field.setText("alias:champion")
    qtbot.waitUntil(lambda: page.versions.table.shown_rows() == 2)
    assert page.versions.table.holds("digits/3")
    assert page.versions.ticked() == []


def test_versions_that_can_not_be_compared_say_why_and_are_asked_for_again(page, double, qtbot):
    double.failing["models.compare"] = Unavailable("The registry does not answer.")
    click(qtbot, page.detail.compared)
    qtbot.waitUntil(lambda: "does not answer" in page.comparison.pane.state._text.whole)
    double.failing.clear()
    page.comparison.pane.state._act.click()
    qtbot.waitUntil(lambda: bool(page.comparison.pane.shown()))
