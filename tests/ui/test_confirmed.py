"""What is confirmed is what is true then: it is read again, and asked anew where it has moved meanwhile."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt

from mlops_desk.automation.records.retraining_rule import RetrainState
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.registry.window.models.alias.dialog import AliasDialog


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def asked(page, kind=Confirm):
    return [dialog for dialog in page.window().findChildren(kind) if dialog.isVisible()]


def words(dialog):
    return " ".join(label.whole for label in dialog.findChildren(Label))


def move(double, version):
    """Let somebody else move the alias, of which the window has not heard."""
    old = double.models_by_name["digits"]
    double.models_by_name["digits"] = replace(old, aliases={**old.aliases, "champion": version})


@pytest.fixture
def panel(start, double, qtbot):
    page = start(double, "drift").window.page()
    page.tabs.choose("rules")
    qtbot.waitUntil(lambda: page.rules.retrainings.key() is not None)
    page.rules.retrainings.select("t2")
    return page.rules


def test_the_question_names_the_version_that_the_alias_points_at_now(panel, double, qtbot):
    move(double, "5")
    click(qtbot, panel._approve)
    qtbot.waitUntil(lambda: len(asked(panel)) == 1)
    told = words(asked(panel)[0])
    assert "digits@champion moves from version 5 to version 4 (0.9812)" in told
    assert "compared with version 3" in told
    click(qtbot, asked(panel)[0].act)
    qtbot.waitUntil(lambda: double.retrainings_by_id["t2"].state is RetrainState.APPROVED)


def test_a_champion_that_moves_while_one_is_asked_is_asked_about_anew(panel, double, qtbot):
    click(qtbot, panel._approve)
    qtbot.waitUntil(lambda: len(asked(panel)) == 1)
    assert "from version 3 (0.9731) to version 4 (0.9812)" in words(asked(panel)[0])
    move(double, "5")
    qtbot.keyClicks(asked(panel)[0].why, "better on both sets")
    click(qtbot, asked(panel)[0].act)
    qtbot.waitUntil(lambda: len(asked(panel)) == 1 and "by now" in words(asked(panel)[0]))
    assert asked(panel)[0].why.text() == "better on both sets", "what was typed is not lost"
    assert double.retrainings_by_id["t2"].state is RetrainState.WAITING_FOR_APPROVAL
    assert "from version 5 to version 4" in words(asked(panel)[0])
    click(qtbot, asked(panel)[0].act)
    qtbot.waitUntil(lambda: double.retrainings_by_id["t2"].state is RetrainState.APPROVED)


def test_what_somebody_else_has_decided_is_not_asked(panel, double, qtbot):
    double.retrainings_by_id["t2"] = replace(double.retrainings_by_id["t2"], state=RetrainState.REJECTED)
    click(qtbot, panel._approve)
    bar = panel.window().notices
    qtbot.waitUntil(lambda: "does not wait any more: rejected" in bar._text.whole)
    assert asked(panel) == []


def test_a_refusal_for_another_reason_is_told_and_not_asked_again(panel, double, qtbot):
    click(qtbot, panel._approve)
    qtbot.waitUntil(lambda: len(asked(panel)) == 1)
    fine = double.enter

    def refuse(service, verb):
        if verb == "approve":
            raise Refused("Only its owner may approve it.")
        fine(service, verb)

    double.enter = refuse
    click(qtbot, asked(panel)[0].act)
    bar = panel.window().notices
    qtbot.waitUntil(lambda: "Only its owner" in bar._text.whole)
    assert asked(panel) == []


def test_nothing_is_confirmed_where_the_registry_does_not_tell(panel, double, qtbot):
    double.failing["models"] = Unavailable("The registry does not answer.", None)
    click(qtbot, panel._approve)
    bar = panel.window().notices
    qtbot.waitUntil(lambda: "does not answer" in bar._text.whole)
    assert asked(panel) == []


@pytest.fixture
def dialog(start, double, qtbot):
    page = start(double, "models").window.page()
    qtbot.waitUntil(lambda: page._version() is not None)
    page.versions.table.select("digits/2")
    move(double, "1")
    click(qtbot, page.detail.alias)
    found = asked(page, AliasDialog)[0]
    qtbot.waitUntil(found.act.isEnabled)
    return found


def test_an_aliass_dialog_says_from_where_it_moves_and_asks_anew_where_that_changed(dialog, double, qtbot):
    assert dialog.says.whole == "champion moves from version 1 to version 2."
    move(double, "4")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: dialog.says.whole == "champion moves from version 4 to version 2.")
    assert "by now" in dialog.error_text()
    assert double.models_by_name["digits"].aliases["champion"] == "4"
    qtbot.waitUntil(dialog.act.isEnabled)
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.models_by_name["digits"].aliases["champion"] == "2")


def test_an_alias_that_is_new_or_there_already_is_said_to_be_so(dialog, double, qtbot):
    dialog.alias.setText("next")
    assert not dialog.act.isEnabled()
    qtbot.waitUntil(lambda: dialog.says.whole == "next does not exist yet; it will point at version 2.")
    click(qtbot, dialog.act)
    qtbot.waitUntil(lambda: double.models_by_name["digits"].aliases.get("next") == "2")


def test_an_alias_that_points_there_already_can_not_be_set(dialog, double, qtbot):
    move(double, "2")
    dialog.alias.setText("other")
    dialog.alias.setText("champion")
    qtbot.waitUntil(lambda: dialog.says.whole == "champion points at version 2 already.")
    assert not dialog.act.isEnabled()
