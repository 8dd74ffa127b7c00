"""What people do with data on the page on governance: take sets into the catalogue, say what they are, look again."""

from dataclasses import replace

import pytest
from governance_steps import click, opened, tab, told
from PySide6.QtCore import Qt

from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.governance.records.data.catalogue import DataColumn, DataUser, DataUserKind, DataVersion, SetState
from mlops_desk.governance.window.data.facts import difference
from mlops_desk.governance.window.data.register import RegisterDialog, TraitsDialog
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.widgets.confirmation import Confirm


@pytest.fixture
def view(page, qtbot):
    shown = tab(page, qtbot, "data")
    qtbot.waitUntil(lambda: shown._shown is not None)
    return shown


def choose(view, qtbot, name):
    view.table.select(name)
    qtbot.waitUntil(lambda: view._shown is not None and view._shown.brief.name == name)


def test_a_folder_is_registered_by_its_own_name_and_looked_at(view, double, qtbot):
    click(qtbot, view.register)
    form = opened(view, RegisterDialog)
    assert (form.folder.isVisible(), form.query.isVisible()) == (True, False)
    form.folder.line.setText("/srv/data/scans-2026")
    assert form.name.text() == "scans-2026"
    form.traits.owner.setText("ana")
    form.traits.days.setText("90")
    form.traits.personal.setCurrentIndex(form.traits.personal.findData("no"))
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: view.table.key() == "scans-2026")
    said = {"path": "/srv/data/scans-2026", "data_owner": "ana", "retention_days": 90.0, "personal": "no"}
    assert double.registered_data == [("scans-2026", said)]
    qtbot.waitUntil(lambda: "1,204 files, 8.6" in told(view.facts).get("State", ""))


def test_the_name_that_somebody_gave_stays_when_the_folder_is_another(view, qtbot):
    click(qtbot, view.register)
    form = opened(view, RegisterDialog)
    form.folder.line.setText("/srv/a")
    form.name.setText("scans")
    form.folder.line.setText("/srv/b")
    assert form.name.text() == "scans"


def test_a_set_of_a_database_is_registered_with_its_query_and_not_without(view, double, qtbot):
    click(qtbot, view.register)
    form = opened(view, RegisterDialog)
    form.where.setCurrentIndex(form.where.findData("query"))
    form.name.setText("orders")
    form.database.setText("postgresql://desk@db/shop")
    click(qtbot, form.act)
    assert "Query is missing." in form.error_text()
    form.query.setText("SELECT * FROM orders")
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: bool(double.registered_data))
    said = {"database": "postgresql://desk@db/shop", "query": "SELECT * FROM orders", "personal": "unknown"}
    assert double.registered_data == [("orders", said)]


def test_what_is_refused_is_said_and_what_was_typed_stays(view, double, qtbot):
    click(qtbot, view.register)
    form = opened(view, RegisterDialog)
    click(qtbot, form.act)
    assert "Where the data lie is not said." in form.error_text()
    form.folder.line.setText("/srv/warehouse")
    form.traits.days.setText("soon")
    click(qtbot, form.act)
    assert "'soon' is no number of days." in form.error_text()
    form.traits.days.clear()
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: "There is a data set warehouse already." in form.error_text())
    assert form.folder.text() == "/srv/warehouse"
    assert double.registered_data == []


def test_a_form_with_something_typed_asks_before_it_is_closed(view, qtbot):
    click(qtbot, view.register)
    form = opened(view, RegisterDialog)
    form.name.setText("half")
    qtbot.keyClick(form, Qt.Key.Key_Escape)
    question = opened(view, Confirm)
    click(qtbot, question.back)
    assert form.isVisible()
    assert form.name.text() == "half"
    click(qtbot, form.cancel)
    click(qtbot, opened(view, Confirm).act)
    qtbot.waitUntil(lambda: opened(view, RegisterDialog) is None)


def test_a_form_in_which_nothing_was_typed_just_closes(view, qtbot):
    click(qtbot, view.register)
    qtbot.keyClick(opened(view, RegisterDialog), Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: opened(view, RegisterDialog) is None)
    assert opened(view, Confirm) is None


def test_only_what_was_changed_of_a_set_is_sent_and_an_empty_field_takes_back(view, double, qtbot):
    choose(view, qtbot, "digits-2026-10")
    click(qtbot, view.edit)
    form = opened(view, TraitsDialog)
    assert (form.traits.licence.text(), form.traits.days.text()) == ("CC BY 4.0", "90")
    form.traits.licence.setText("CC0")
    form.traits.days.clear()
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: told(view.facts)["Licence"] == "CC0")
    assert double.updated_data == [("digits-2026-10", {"licence": "CC0", "retention_days": 0.0})]


def test_a_look_is_begun_followed_and_stopped(view, double, qtbot):
    choose(view, qtbot, "digits-2026-10")
    click(qtbot, view.check)
    qtbot.waitUntil(lambda: view.check.text() == "Stop looking")
    assert double.checked_data == ["digits-2026-10"]
    assert "so far" in told(view.facts)["State"]
    click(qtbot, view.check)
    qtbot.waitUntil(lambda: view.check.text() == "Look again")
    assert double.cancelled_data == ["digits-2026-10"]


@pytest.mark.slow
def test_a_look_that_ends_tells_what_it_found(view, double, qtbot):
    choose(view, qtbot, "digits-2026-10")
    click(qtbot, view.check)
    qtbot.waitUntil(lambda: view.check.text() == "Stop looking")
    old = DataVersion("digits-2026-10", 1, sha256="cd" * 32, size_bytes=48_000_000, files=3, rows=1797)
    new = replace(old, number=2, sha256="ab" * 32, files=4, rows=2000)
    double.data_versions["digits-2026-10"] = (new, old)
    text = "It is not what it was: 4 files instead of 3."
    double.data_by_name["digits-2026-10"] = replace(
        double.data_by_name["digits-2026-10"], state=SetState.CHANGED, text=text
    )
    qtbot.waitUntil(lambda: text in view.says.whole)
    assert told(view.facts)["What changed"] == "3 → 4 files, 1,797 → 2,000 rows"


def test_a_log_is_not_looked_at_and_a_set_that_nobody_registered_is_not_forgotten(view, qtbot):
    choose(view, qtbot, "churn-log")
    assert not view.check.isVisible()
    assert view.redact.isVisible()
    assert not view.forget.isVisible()
    choose(view, qtbot, "digits-2026-10")
    assert not view.redact.isVisible()


def test_a_registered_set_is_forgotten_once_somebody_agrees(view, double, qtbot):
    double.data_by_name["digits-2026-10"] = replace(double.data_by_name["digits-2026-10"], is_registered=True)
    choose(view, qtbot, "churn-log")
    choose(view, qtbot, "digits-2026-10")
    click(qtbot, view.forget)
    assert "The data stay where they are." in opened(view, Confirm).findChildren(type(view.says))[1].whole
    click(qtbot, opened(view, Confirm).act)
    qtbot.waitUntil(lambda: not view.table.holds("digits-2026-10"))


def test_what_a_thing_stands_on_is_found_and_all_come_back(view, page, qtbot):
    view.used_by.setFocus()
    qtbot.keyClicks(view.used_by, "digits/3")
    qtbot.keyClick(view.used_by, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: view.table.shown_rows() == 1)
    assert view.says.whole == "digits/3 stands on digits-2026-10 (its training data)."
    page.escape()
    assert view.table.shown_rows() == 4
    assert not view.says.isVisible()
    qtbot.keyClicks(view.used_by, "nobody")
    qtbot.keyClick(view.used_by, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "Nothing is known that nobody stands on." in view.says.whole)


def test_each_that_stands_on_a_set_leads_to_its_page(view, qtbot, monkeypatch):
    gone = []
    monkeypatch.setattr(view.context, "open_page", lambda page, thing: gone.append((page, thing)))
    monkeypatch.setattr(view.context, "act", lambda act, *things: gone.append((act, things[1])))
    users = [DataUser(kind, f"a-{kind.value}", "as data") for kind in DataUserKind]
    view.users.show_users(tuple(users))
    for row in range(len(users)):
        view.users.selectRow(row)
        qtbot.keyClick(view.users, Qt.Key.Key_Return)
    assert gone == [
        ("models", "a-model"), ("runs.show", "a-run"), ("endpoints", "a-endpoint"), ("drift", "a-monitor"),
        ("automations", "pipeline:a-pipeline"),
    ]  # fmt: skip


def test_a_set_that_somebody_came_for_by_another_name_is_told(view, page, qtbot):
    page.data.value = None
    assert page.show_thing("data:accounts")
    page.data.look()
    qtbot.waitUntil(lambda: "accounts is not in the catalogue by that name" in view.says.whole)


def test_what_can_not_be_looked_up_is_said(view, double, qtbot):
    double.failing["data.uses"] = Unavailable("The registry does not answer.", "Try again.")
    view.used_by.setText("digits/3")
    view.look_up()
    qtbot.waitUntil(lambda: view.says.whole == "■ The registry does not answer. Try again.")


def version(number, **more):
    return DataVersion("d", number, **more)


@pytest.mark.parametrize(
    ("before", "now", "text"),
    [
        (version(1), version(2), ""),
        (version(1, sha256="a"), version(2, sha256="a"), ""),
        (version(1, rows=3), version(2), ""),  # what is not known now did not become another
        (version(1, rows=3, files=1), version(2, rows=4, files=1), "3 → 4 rows"),
        (version(1, size_bytes=1024), version(2, size_bytes=2048), "1 KiB → 2 KiB"),
        (version(1, sha256="a"), version(2, sha256="b"),
         "its hash, and nothing else as far as is known"),
        (
            version(1, columns=(DataColumn("a", ColumnKind.NUMERIC), DataColumn("b", None))),
            version(2, columns=(DataColumn("a", None), DataColumn("c", None))),
            "new: c, gone: b, of another kind: a",
        ),
        (version(1, columns=(DataColumn("a", None),)), version(2), ""),
    ],
)  # fmt: skip
def test_what_changed_between_two_versions_is_only_what_is_known_of_both(before, now, text):
    assert difference(before, now).replace("\u202f", " ").replace("\u2009", " ").replace("\u00a0", " ") == text
