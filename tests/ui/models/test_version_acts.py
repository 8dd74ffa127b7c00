"""What is done with a version and can be taken back, what was confirmed and has changed meanwhile, and files of versions."""

import pytest
from pressing import click, opened

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.records.transfer import Loss
from mlops_desk.registry.records.version_hit import VersionHit
from mlops_desk.registry.window.models.acts.acts import AliasRemovalDialog
from mlops_desk.registry.window.models.acts.labels import DescribeDialog, TagDialog
from mlops_desk.registry.window.models.acts.transfer import ImportDialog, file_name, left_behind
from mlops_desk.registry.window.models.alias.words import stays


@pytest.fixture
def offered(page):
    found = []
    page.context.offered.connect(lambda text, act, do: found.append((text, act, do)))
    return found


# Aliases that go.


def test_an_alias_is_taken_away_and_comes_back_by_undo(page, double, qtbot, offered):
    assert page._version().aliases == ("challenger",)
    page.acts.take_alias_away()
    dialog = opened(page, AliasRemovalDialog)
    assert dialog.alias.currentData() == "challenger"
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "challenger" not in double.models_by_name["digits"].aliases)
    qtbot.waitUntil(lambda: bool(offered))
    assert offered[0][0] == "digits@challenger is taken away."
    offered[0][2]()
    qtbot.waitUntil(lambda: double.models_by_name["digits"].aliases.get("challenger") == "4")


def test_an_alias_that_moved_meanwhile_is_asked_about_anew(page, double, qtbot):
    page.acts.take_alias_away()
    dialog = opened(page, AliasRemovalDialog)
    double.models_by_name["digits"].aliases["challenger"] = "2"
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "points at version 2 now" in dialog.says.whole)
    assert "points at version 2 by now" in dialog.error_text()
    assert double.models_by_name["digits"].aliases["challenger"] == "2"
    assert dialog.act.isEnabled()
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "challenger" not in double.models_by_name["digits"].aliases)


def test_an_alias_that_is_gone_by_now_leaves_nothing_to_take_away(page, double, qtbot):
    page.acts.take_alias_away()
    dialog = opened(page, AliasRemovalDialog)
    del double.models_by_name["digits"].aliases["challenger"]
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "nothing to take away" in dialog.says.whole)
    assert not dialog.act.isEnabled()


def test_it_is_offered_only_of_versions_that_have_one(page, qtbot):
    assert next(one for one in page.acts.list() if one.id == "models.unalias").when()
    page.versions.table.select("digits/1")
    assert not next(one for one in page.acts.list() if one.id == "models.unalias").when()


def test_who_serves_the_version_is_told_before_its_alias_goes():
    hit = VersionHit("m", "3")
    assert stays(hit, {"a": "3", "b": "3", "c": "2"}) == "a, b go on with version 3."
    assert stays(hit, {"a": "3"}) == "a goes on with version 3."
    assert stays(hit, {"c": "2"}) == "No endpoint of this desk serves this version."


# Tags and descriptions that somebody else writes.


def test_a_tag_that_somebody_wrote_meanwhile_is_shown_and_asked_about_anew(page, double, qtbot):
    page.acts.tag()
    dialog = opened(page, TagDialog)
    qtbot.waitUntil(dialog.act.isEnabled)
    dialog.key.setText("stage")
    dialog.value.setText("prod")
    double.version_tags["digits/4"] = {"stage": "archived"}
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "reads 'archived' now" in dialog.now.whole)
    assert double.version_tags["digits/4"] == {"stage": "archived"}
    assert dialog.value.text() == "prod"
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.version_tags["digits/4"] == {"stage": "prod"})


def test_the_tags_of_the_model_are_others_than_those_of_the_version(page, double, qtbot):
    double.version_tags["digits/4"] = {"stage": "prod"}
    page.acts.tag()
    dialog = opened(page, TagDialog)
    dialog.key.setText("stage")
    qtbot.waitUntil(lambda: "'prod'" in dialog.now.whole)
    dialog.of.setCurrentIndex(1)
    qtbot.waitUntil(lambda: dialog.now.whole == "There is no such tag yet.")


def test_a_description_that_somebody_wrote_meanwhile_is_shown_before_it_is_written_over(page, double, qtbot):
    page.acts.describe()
    dialog = opened(page, DescribeDialog)
    dialog.text.setPlainText("Mine.")
    double.descriptions["digits/4"] = "Theirs."
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: dialog.now.whole == "It reads now: Theirs.")
    assert double.descriptions["digits/4"] == "Theirs."
    assert dialog.text.toPlainText() == "Mine."
    qtbot.waitUntil(dialog.act.isEnabled)
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.descriptions["digits/4"] == "Mine.")


def test_labels_that_can_not_be_read_are_told(page, double, qtbot):
    double.failing["models"] = Unavailable("The server is gone.", "Start it.")
    page.acts.tag()
    dialog = opened(page, TagDialog)
    qtbot.waitUntil(lambda: "The server is gone." in dialog.error_text())


# Files of versions.


def test_an_exported_version_is_imported_into_the_registry_that_is_looked_at(page, double, qtbot, tmp_path):
    double.losses = (Loss("datasets", "the target is too old"),)
    dialog = page.acts.transfer.ask_name(str(tmp_path / "churn-3.mldversion"))
    dialog.name.setText("a/b")
    click(qtbot, dialog.act)
    assert "no slash" in dialog.error_text()
    dialog.name.setText("churn")
    said = []
    page.context.said.connect(lambda tone, text: said.append((tone, text)))
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.imported == [(str(tmp_path / "churn-3.mldversion"), "churn", None)])
    qtbot.waitUntil(lambda: bool(said))
    assert said[0][0] == "warning"
    assert said[0][1].startswith("It is churn/5 now: 6 files")
    assert "Not along: datasets: the target is too old." in said[0][1]


def test_a_file_that_is_none_is_refused_where_its_name_stands(page, double, qtbot, tmp_path):
    dialog = page.acts.transfer.ask_name(str(tmp_path / "x.zip"))
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: "no version that was exported" in dialog.error_text())
    assert opened(page, ImportDialog) is dialog
    assert not double.imported


@pytest.mark.parametrize(
    ("name", "called"), [("churn", "churn-3"), ("../a b/ü", "a-b-ü-3"), ("x" * 200, "x" * 80), ("--", "3")]
)
def test_the_file_is_called_after_the_version_in_letters_that_disks_take(name, called):
    assert file_name(VersionHit(name, "3")) == called


def test_what_is_left_behind_is_told_in_a_few_words():
    assert left_behind(()) == ""
    losses = [Loss(f"part {n}", "too large") for n in range(5)]
    assert left_behind(losses).endswith("part 2: too large; and 2 more.")


# Comparing.


def test_three_versions_are_compared_as_versions(page, double, qtbot):
    for key in ("digits/4", "digits/2", "digits/1"):
        page.versions.tick(key)
    qtbot.waitUntil(lambda: double.compared[-1:] == [("digits", "4", None, "2", "digits/1")])
    qtbot.waitUntil(page.comparison.pane.isVisible)
    assert page.comparison.title.whole == "3 versions"
