"""What is looked for in the audit, how far a look at the whole of it is, and a file that can be looked at elsewhere."""

import time

import pytest
from governance_steps import click, tab
from PySide6.QtCore import Qt

from mlops_desk.governance.window import audit
from mlops_desk.governance.window.audit import spoken
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.records.audit import AuditLink
from mlops_desk.kit.storage.audit.chain import ChainEnd
from mlops_desk.kit.storage.audit.worker import links_of


@pytest.fixture
def view(page, qtbot):
    shown = tab(page, qtbot, "audit")
    qtbot.waitUntil(lambda: shown.table.shown_rows() == 3)
    return shown


def only(view, *keys):
    return view.table.shown_rows() == len(keys) and all(view.table.holds(key) for key in keys)


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ('{"model": "digits", "version": 4, "force": true}', "model digits · version 4 · force yes"),
        (
            '{"model": "a", "alias": null, "tags": [], "text": "", "made": {}, "deep": {"a": 1}}',
            'model a · deep {"a": 1}',
        ),
        ('{"names": ["a", "b"], "zero": 0, "no": false}', "names a, b · zero 0 · no no"),
        ('{"name": "r", "document": "apiVersion: mlops…', 'name r · document "apiVersion: mlops…'),
        ('{"deep": ' + "[" * 1990, "deep " + "[" * 1990),
        ('{"odd\\"name": 1}', 'odd\\"name 1'),
        ("{}", ""),
        ("[1]", "[1]"),
        ("{} more", "{} more"),
        ("moved", "moved"),
    ],
)
def test_what_was_given_is_told_in_words(kept, told):
    assert spoken(kept) == told


def test_a_time_is_told_as_a_clock_shows_it_and_no_other_number_is(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        kept = '{"began": 1764573276.46, "silenced_until": 1764573276, "bytes_at": 3, "created_at": true, "size": 1764573276}'
        assert spoken(kept) == (
            "began 2025-12-01 08:14 · silenced_until 2025-12-01 08:14 · bytes_at 3 · created_at yes · size 1764573276"
        )
        assert (
            spoken('{"at": 1e300, "ended": NaN, "seen_at": "1764573276"}')
            == "at 1e+300 · ended nan · seen_at 1764573276"
        )
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_list_and_the_facts_tell_what_was_given_without_braces(view, qtbot):
    view.table.select("e1")
    row = view.table.records.row_of("e1")
    shown = [view.table.records.index(row, n).data() for n in range(view.table.records.columnCount())]
    assert "model digits" in shown
    qtbot.waitUntil(lambda: ("Given", "model digits") in [(one.name, one.value) for one in view.facts.shown])
    given = next(one for one in view.facts.shown if one.name == "Given")
    assert given.tip == '{"model": "digits"}'


def test_changes_are_found_by_who_made_them(view, qtbot):
    qtbot.keyClicks(view.filters.who, "bo")
    qtbot.keyClick(view.filters.who, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: only(view, "e2", "e3"))
    view.filters.who.clear()
    qtbot.waitUntil(lambda: only(view, "e1", "e2", "e3"))


def test_changes_are_found_by_their_verb_or_its_service(view, qtbot):
    view.filters.verb.setText("rules")
    qtbot.keyClick(view.filters.verb, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: only(view, "e2"))
    view.filters.verb.setText("models.alias")
    qtbot.keyClick(view.filters.verb, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: only(view, "e1"))


def test_who_and_what_were_seen_is_offered_while_one_types(view):
    assert view.filters._users.stringList() == ["ana", "bo"]
    assert view.filters._verbs.stringList() == [
        "jobs", "jobs.submit", "models", "models.alias", "rules", "rules.remove",
    ]  # fmt: skip


def test_changes_are_found_by_when_they_were_made(view, double, qtbot):
    double.audited.append(AuditEntry(time.time() - 600, 1000, "ana", "jobs.submit", "{}", "queued", id="e4"))
    view.filters.span.setCurrentIndex(view.filters.span.findText("Last hour"))
    qtbot.waitUntil(lambda: only(view, "e4"))
    view.filters.span.setCurrentIndex(view.filters.span.findText("Between …"))
    assert view.filters.between.isVisible()
    view.filters.between.setText("1 jan 1970 – 2 jan 1970")
    qtbot.keyClick(view.filters.between, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: view.table.shown_rows() == 3 or view.trouble_of_time.isVisible())


def test_what_is_no_time_is_said_and_asks_nothing(view, double, qtbot):
    view.filters.span.setCurrentIndex(view.filters.span.findText("Between …"))
    asked = len(double.calls)
    view.filters.between.setText("the other day")
    qtbot.keyClick(view.filters.between, Qt.Key.Key_Return)
    assert "'the other day' is no time that has been." in view.trouble_of_time.whole
    assert ("agent", "audit") not in double.calls[asked:]
    view.filters.between.setText("2 h ago")
    qtbot.keyClick(view.filters.between, Qt.Key.Key_Return)
    assert not view.trouble_of_time.isVisible()
    qtbot.waitUntil(lambda: view.table.shown_rows() == 0)


def test_a_list_that_is_cut_says_so(page, double, qtbot, monkeypatch):
    monkeypatch.setattr(audit, "SHOWN", 2)
    view = tab(page, qtbot, "audit")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 2)
    assert view.cut.isVisible()
    assert "These are the newest 2" in view.cut.whole


def test_a_look_at_the_chain_says_how_far_it_is_and_is_stopped(view, double, qtbot):
    double.audit_waits = True
    click(qtbot, view.verify)
    qtbot.waitUntil(lambda: view.under_way.bar.shown[0].share == 0.25)
    assert not view.verify.isEnabled()
    assert not view.export.isEnabled()
    click(qtbot, view.under_way.stop)
    qtbot.waitUntil(lambda: "The verify was stopped." in view.says.whole)
    assert view.says.whole.startswith("?")  # it says neither that it holds nor that it does not
    assert view.verify.isEnabled()


def test_an_exported_chain_is_one_that_can_be_looked_at(view, double, qtbot, tmp_path):
    double.audit_chain = [AuditLink(number, "e", "{}", f"{number:064x}") for number in range(1, 4)]
    out = tmp_path / "audit.jsonl"
    view._write(str(out))
    qtbot.waitUntil(lambda: "3 records are in" in view.says.whole)
    *chain, end = links_of(out)
    assert chain == double.audit_chain
    assert end == ChainEnd(f"{3:064x}", 3, is_last=True)


def test_an_export_that_is_stopped_leaves_nothing_and_takes_nothing_away(view, double, qtbot, tmp_path, monkeypatch):
    double.audit_chain = [AuditLink(number, "e", "{}", f"{number:064x}") for number in range(1, 4)]
    out = tmp_path / "audit.jsonl"
    out.write_text("before")
    double.frozen.add("agent")
    view._write(str(out))
    qtbot.waitUntil(view.under_way.isVisible)
    click(qtbot, view.under_way.stop)
    double.thaw.set()
    qtbot.waitUntil(lambda: "The export was stopped." in view.says.whole)
    assert list(tmp_path.glob("*audit*")) == [out]
    assert out.read_text() == "before"


def test_escape_looks_for_all_changes_again(view, page, qtbot):
    view.filters.verb.setText("rules")
    qtbot.keyClick(view.filters.verb, Qt.Key.Key_Return)
    view.filters.failed.setChecked(True)
    qtbot.waitUntil(lambda: only(view, "e2"))
    page.escape()
    qtbot.waitUntil(lambda: only(view, "e1", "e2", "e3"))
    assert view.filters.wanted().is_all


def test_what_stands_before_a_time_is_no_part_of_it(view):
    view.filters.span.setCurrentIndex(view.filters.span.findText("Between …"))
    view.filters.between.setText("gpu 7 2 h ago")
    assert "is no time" in view.filters.trouble()
    assert view.filters.wanted().since is None
