"""What an auditor does on the page on governance, and what they see."""

import json
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

from doubles import Double
from governance_steps import click, opened, tab
from PySide6.QtCore import QPoint, QRect, Qt

from mlops_desk.governance.records.card import CardStage
from mlops_desk.governance.records.data.catalogue import SetState
from mlops_desk.governance.records.data.retention import RetentionPlan
from mlops_desk.governance.window import evidence
from mlops_desk.governance.window.audit import verified_words
from mlops_desk.governance.window.cards import CardDialog, ReasonDialog
from mlops_desk.governance.window.data.facts import STATE_MARKS
from mlops_desk.governance.window.data.tab import plan_words
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.records.audit import AuditAnchors, AuditLink, AuditVerification
from mlops_desk.kit.records.audit_words import anchors_sentence
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.lineage.footer import leads, open_node
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.registry.records.evidence import EvidenceVerification
from mlops_desk.registry.records.lineage import LineageKind, LineageNode


def test_versions_are_chosen_by_alias_and_number_and_what_was_chosen_stays(page, double, qtbot):
    offered = [page.version.itemData(place) for place in range(page.version.count())]
    assert "digits@champion" in offered
    page.choose_version("another/7")
    page.context.load(page.loads[0])
    qtbot.waitUntil(lambda: not page.context.store.models.loading)
    assert page.version.currentData() == "another/7"


def test_a_card_says_what_it_lacks_and_is_not_handed_in_before(page, double, qtbot):
    view = tab(page, qtbot, "card")
    texts = {fact.name: fact.value for fact in view.texts.shown}
    assert texts["Intended use"] == "Reading digits of parcels."
    assert "needed for review" in texts["Limits"]
    assert not view.submit.isEnabled()
    known = {fact.name: fact.value for fact in view.facts.shown}
    assert known["accuracy"] == "0.973 (0.965 – 0.981), 1,800 rows of digits/test.csv"
    assert "about itself" in known["loss"]
    assert known["Not known: environment"] == "Its run was not made by a job of this desk."


def test_a_card_goes_from_draft_to_approved_with_a_word_each_time(page, double, qtbot):
    view = tab(page, qtbot, "card")
    click(qtbot, view.edit)
    form = opened(page, CardDialog)
    for name in ("limits", "licence", "owner"):
        form.texts[name].setPlainText(f"about {name}")
    form.why.setText("all of it")
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: view.value is not None and not view.value.needed)
    wanted = {name: f"about {name}" for name in ("limits", "licence", "owner")}
    assert double.edited_cards == [("digits/3", wanted, "", "all of it")]  # what stayed is not sent
    click(qtbot, view.submit)
    word = opened(page, ReasonDialog)
    word.why.setText("please look")
    click(qtbot, word.act)
    qtbot.waitUntil(lambda: view.value.stage is CardStage.IN_REVIEW and view.approve.isVisible())
    assert "please look" in view.steps.shown[0].value
    click(qtbot, view.approve)
    click(qtbot, opened(page, ReasonDialog).act)
    qtbot.waitUntil(lambda: view.value.stage is CardStage.APPROVED)
    assert "approved" in view.head.whole


def test_a_card_that_changed_meanwhile_is_not_approved(page, double, qtbot):
    double.cards.submit("digits/3")
    view = tab(page, qtbot, "card")
    double.cards_by_version["digits/3"] = replace(double.cards_by_version["digits/3"], sha256="other")
    click(qtbot, view.approve)
    word = opened(page, ReasonDialog)
    click(qtbot, word.act)
    qtbot.waitUntil(lambda: "something else by now" in word.error_text())
    assert double.cards_by_version["digits/3"].stage is CardStage.IN_REVIEW


def test_a_card_of_another_desk_is_only_read(page, double, qtbot):
    double.cards_by_version["digits/3"] = replace(
        double.cards.show("digits/3"), is_foreign=True, stage=CardStage.APPROVED
    )
    view = tab(page, qtbot, "card")
    assert "left by another desk" in view.head.whole
    assert not any(one.isVisible() for one in (view.edit, view.submit, view.approve, view.archive))


def test_a_card_that_can_not_be_read_says_why_and_nothing_of_another_version(page, double, qtbot):
    view = tab(page, qtbot, "card")
    double.failing["cards.show"] = Unavailable("The registry does not answer.", "Try again.")
    page.choose_version("digits/2")
    qtbot.waitUntil(lambda: "The registry does not answer." in view.state.details())
    assert view.state.isVisible()


def test_a_data_set_that_somebody_came_for_is_chosen_once_the_list_is_there(start, double, qtbot):
    window = start(double, "governance").window
    names = sorted(double.data_by_name)
    window.open_thing("governance", f"data:{names[-1]}")
    view = window.page().data
    qtbot.waitUntil(lambda: view.table.key() == names[-1])
    assert window.page().show_thing(f"data:{names[0]}")
    assert view.table.key() == names[0]
    assert not window.page().show_thing("data:nowhere")


def test_an_audit_without_records_says_what_will_be_there_and_a_search_that_finds_none_stays(start, double, qtbot):
    shown = start(double, "governance").window.page()
    view = tab(shown, qtbot, "audit")
    qtbot.waitUntil(lambda: "Nothing was changed yet" in view.state.details())
    double.audited = [AuditEntry(100.0, 1000, "ana", "models.alias", "{}", "moved", id="e1")]
    view.look()
    qtbot.waitUntil(lambda: view.table.key() == "e1")
    view.search.setText("nowhere")
    view.search_again()
    qtbot.waitUntil(lambda: view.table.key() is None)
    assert view.search.isVisible()
    assert [one.value for one in view.facts.shown] == ["nothing that fits"]


def test_the_audit_is_searched_by_the_agent(page, qtbot):
    view = tab(page, qtbot, "audit")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 3)
    qtbot.keyClicks(view.search, "alias")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 1)
    view.search.clear()
    view.filters.failed.setChecked(True)
    qtbot.waitUntil(lambda: view.table.holds("e2") and view.table.shown_rows() == 1)
    facts = {fact.name: fact.value for fact in view.facts.shown}
    assert facts["By"] == "bo (uid 1001)"
    assert facts["Error"] == "refused"


def test_what_nobody_saw_the_end_of_is_neither_done_nor_failed(page, qtbot):
    view = tab(page, qtbot, "audit")
    qtbot.waitUntil(lambda: view.table.holds("e3"))
    view.table.select("e3")
    state = next(fact for fact in view.facts.shown if fact.name == "Ended")
    assert state.value.startswith("?")


def test_the_chain_is_verified_and_what_does_not_hold_is_named(page, double, qtbot):
    view = tab(page, qtbot, "audit")
    click(qtbot, view.verify)
    qtbot.waitUntil(lambda: "1,204 records: none was changed" in view.says.whole)
    assert "No head of it was found outside the database" in view.says.whole
    journal = AuditAnchors("the system's journal", 12, 1200, 1_764_763_200.0)
    double.audit_found = AuditVerification(1204, intact=True, anchors=(journal,), vouched=1200)
    click(qtbot, view.verify)
    qtbot.waitUntil(lambda: "12 heads in the system's journal, the newest that of record 1,200" in view.says.whole)
    assert anchors_sentence(double.audit_found) in view.says.whole, "as the command line says it"
    double.audit_found = AuditVerification(1204, intact=False, first_bad=77, why="Its text was changed.")
    click(qtbot, view.verify)
    qtbot.waitUntil(lambda: "record 77 does not hold: Its text was changed." in view.says.whole)
    double.failing["agent.verify_audit"] = Unavailable("The database is locked.", None)
    click(qtbot, view.verify)
    qtbot.waitUntil(lambda: view.says.whole.startswith("? It could not be looked at"))
    assert verified_words(AuditVerification(3, intact=False, entry="e9"))[1] == "alert"


def test_the_chain_is_written_whole_or_not_at_all(page, double, qtbot, tmp_path):
    double.audit_chain = [AuditLink(number, "e", "{}", f"{number:064x}") for number in range(1, 4)]
    view = tab(page, qtbot, "audit")
    out = tmp_path / "audit.jsonl"
    view._write(str(out))
    qtbot.waitUntil(lambda: "3 records are in" in view.says.whole)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[0] == {"form": "mlops-desk-audit/1"}
    assert [line["number"] for line in lines[1:-1]] == [1, 2, 3]
    assert lines[-1] == {"head": f"{3:064x}", "records": 3}
    assert out.stat().st_mode & 0o077 == 0
    view._write(str(tmp_path / "nowhere" / "audit.jsonl"))
    qtbot.waitUntil(lambda: "can't be written" in view.says.whole)


def test_data_say_whether_they_are_what_they_were_and_who_uses_them(page, qtbot):
    view = tab(page, qtbot, "data")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 4)
    view.table.select("digits-2026-10")
    qtbot.waitUntil(lambda: view.users.shown_rows() == 2)
    facts = {fact.name: fact.value for fact in view.facts.shown}
    assert facts["Licence"] == "CC BY 4.0"
    assert facts["Data of persons"] == "no"
    model, monitor = (view.users.records.index(row, 1).data() for row in range(2))
    assert (model, monitor) == ("digits/3", "digits")
    assert STATE_MARKS[SetState.UNKNOWN].token == "unknown"
    view.table.select("warehouse")
    qtbot.waitUntil(
        lambda: "did not answer" in next(f.value for f in view.facts.shown if f.name in {"State", "Loading"})
    )
    assert {fact.name: fact.value for fact in view.facts.shown}["Data of persons"] == "nobody has said"


def test_a_retention_shows_what_it_deletes_and_deletes_exactly_that(page, double, qtbot):
    view = tab(page, qtbot, "data")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 4)
    click(qtbot, view.retention)
    qtbot.waitUntil(lambda: opened(page, Confirm) is not None)
    assert "churn-log stays: the champion churn/4 was trained on them" in view.says.whole
    assert double.retained == []
    click(qtbot, opened(page, Confirm).act)
    qtbot.waitUntil(lambda: double.retained == ["token-1"])
    qtbot.waitUntil(lambda: "2 files" in view.says.whole and "are gone" in view.says.whole)


def test_what_became_another_since_it_was_shown_is_not_deleted(page, double, qtbot):
    view = tab(page, qtbot, "data")
    qtbot.waitUntil(lambda: view.table.shown_rows() == 4)
    click(qtbot, view.retention)
    qtbot.waitUntil(lambda: opened(page, Confirm) is not None)
    double.retention_plan = replace(double.retention_plan, token="token-2")
    click(qtbot, opened(page, Confirm).act)
    qtbot.waitUntil(lambda: "than were shown" in view.says.whole)
    assert double.retained == []
    assert "Nothing is older" in plan_words(RetentionPlan("t", None))


def test_a_pack_is_made_and_what_could_not_be_told_is_said(page, double, qtbot, tmp_path):
    view = tab(page, qtbot, "evidence")
    out = tmp_path / "pack.zip"
    view._build("digits/3", str(out))
    qtbot.waitUntil(lambda: out.exists() and "1 part could not be told" in view.says.whole)
    assert out.read_bytes() == b"PK pack"
    told = {fact.name: fact.value for fact in view.facts.shown}
    assert told["lineage"] == "? The registry does not answer."


def test_a_file_that_is_no_pack_is_looked_at_in_a_process_of_its_own(page, qtbot, tmp_path):
    view = tab(page, qtbot, "evidence")
    path = tmp_path / "pack.zip"
    path.write_bytes(b"nothing of the kind")
    view.look_at(str(path))
    qtbot.waitUntil(lambda: not view.under_way.is_busy, timeout=60_000)
    assert "●" not in view.says.whole


def test_a_pack_that_was_changed_names_the_file(page, qtbot, monkeypatch):
    found = EvidenceVerification(False, 9, None, "digits", "3", 100.0, 0, "card.json", "It is not what was signed.")
    monkeypatch.setattr(evidence, "verified", lambda _path, _work: found)
    view = tab(page, qtbot, "evidence")
    view.look_at("/x.zip")
    qtbot.waitUntil(lambda: "Do not rely on any of it" in view.says.whole)
    facts = {fact.name: fact.value for fact in view.facts.shown}
    assert (facts["File"], facts["Why"]) == ("card.json", "It is not what was signed.")
    assert facts["Signed by"].startswith("? not looked at")
    assert "Audit" not in facts  # nobody has counted


def test_without_models_the_page_says_that_none_can_be_chosen(start, qtbot):
    page = start(Double(empty=True, beat_seconds=0.2), "governance").window.page()
    qtbot.waitUntil(lambda: "No version is chosen" in page.lineage.state.details())
    page.tabs.choose("data")
    qtbot.waitUntil(lambda: "No data are known yet" in page.data.state.details())


def test_versions_that_can_not_be_listed_are_not_said_to_be_none_and_are_asked_for_again(start, double, qtbot):
    double.failing["models"] = Unavailable("The registry's store is locked.", "Try again in a minute.")
    page = start(double, "governance").window.page()
    qtbot.waitUntil(lambda: "The registry's store is locked." in page.lineage.state.details())
    page.tabs.choose("card")
    assert "Versions can't be listed" in page.card.state.details()
    page.tabs.choose("evidence")
    page.refresh(page.topics)
    assert "Versions can't be listed: The registry's store is locked." in page.evidence.says.whole
    assert not page.evidence.build.isEnabled()
    page.tabs.choose("card")
    del double.failing["models"]
    click(qtbot, page.card.state._act)
    qtbot.waitUntil(lambda: page.card.value is not None)
    assert page.evidence.build.isEnabled()
    assert page.evidence.says.whole.startswith("A pack is one signed file")


def test_versions_that_are_still_asked_for_are_awaited(start, double, qtbot):
    double.frozen.add("models")
    page = start(double, "governance").window.page()
    qtbot.waitUntil(lambda: "Loading versions" in page.lineage.state.details())
    double.frozen.clear()
    double.thaw.set()
    qtbot.waitUntil(lambda: page.version.count() > 0)


def test_each_step_of_a_card_is_reached_by_keys_while_it_can_be_made(page, double, qtbot):
    view = tab(page, qtbot, "card")

    def offered():
        return {one.id: one for one in page.actions_here() if one.id.startswith("cards.") and one.when()}

    assert set(offered()) == {"cards.edit", "cards.export"}, "it lacks what a review needs"
    double.cards_by_version["digits/3"] = replace(view.value, needed=())
    view.look()
    qtbot.waitUntil(lambda: "cards.submit" in offered())
    page.setFocus()
    qtbot.keyClick(page, Qt.Key.Key_E)
    opened(page, CardDialog).reject()
    for verb, stage in (
        ("submit", CardStage.IN_REVIEW),
        ("approve", CardStage.APPROVED),
        ("archive", CardStage.ARCHIVED),
    ):
        offered()[f"cards.{verb}"].run()
        opened(page, ReasonDialog).act.click()
        qtbot.waitUntil(lambda stage=stage: view.value.stage is stage)
    assert set(offered()) == {"cards.edit", "cards.export"}


def test_the_form_of_a_card_keeps_its_answers_on_a_low_screen(page, qtbot, monkeypatch):
    low = SimpleNamespace(availableGeometry=lambda: QRect(0, 0, 1280, 600))
    monkeypatch.setattr(CardDialog, "screen", lambda _form: low)
    view = tab(page, qtbot, "card")
    click(qtbot, view.edit)
    form = opened(page, CardDialog)
    qtbot.waitUntil(lambda: form.height() < 600)
    assert form.rect().contains(form.act.geometry())
    form.texts["intended_use"].setFocus()
    for _ in range(len(form.texts)):
        qtbot.keyClick(form.focusWidget(), Qt.Key.Key_Tab)
    assert form.focusWidget() is form.why
    seen = form.why.visibleRegion().boundingRect()
    assert seen.height() == form.why.height(), "who walks to a field sees it"


def test_in_a_narrow_window_tabs_are_read_whole_and_the_version_is_below_them(page, qtbot):
    window = page.window()
    window.resize(*theme.WINDOW_MINIMUM)
    qtbot.waitUntil(lambda: page.version.mapTo(page, QPoint()).y() > page.tabs.geometry().bottom())
    for button in page.tabs.findChildren(Button):
        assert button.width() >= button.sizeHint().width(), button.text()
    window.resize(1280, 800)
    qtbot.waitUntil(lambda: page.version.mapTo(page, QPoint()).y() < page.tabs.geometry().bottom())


def test_a_card_that_is_being_written_is_not_lost_by_escape(page, double, qtbot):
    view = tab(page, qtbot, "card")
    click(qtbot, view.edit)
    form = opened(page, CardDialog)
    form.texts["limits"].setPlainText("Blurred scans.")
    qtbot.keyClick(form, Qt.Key.Key_Escape)
    question = opened(page, Confirm)
    click(qtbot, question.back)
    assert form.isVisible()
    assert form.texts["limits"].toPlainText() == "Blurred scans."
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: opened(page, CardDialog) is None)
    assert double.edited_cards == [("digits/3", {"limits": "Blurred scans."}, "", "")]


def test_a_card_shows_where_it_stands_and_what_it_lacks(page, qtbot):
    view = tab(page, qtbot, "card")
    assert view.way.whole == "● draft  →  in review  →  approved  →  archived"
    assert "It lacks: limits, licence, owner" in view.submit.toolTip()


def test_an_exported_card_gets_the_ending_of_the_chosen_kind(page, qtbot):
    view = tab(page, qtbot, "card")
    click(qtbot, view.export)
    assert view.chooser.defaultSuffix() == "md"
    view.chooser.selectNameFilter("PDF (*.pdf)")
    view.chooser.filterSelected.emit("PDF (*.pdf)")
    assert view.chooser.defaultSuffix() == "pdf"
    view.chooser.reject()


def test_data_of_a_lineage_lead_to_the_catalogue(page, qtbot):
    node = LineageNode("d1", LineageKind.DATASET, "digits-2026-10", "9f2c", "digits-2026-10@9f2c")
    assert leads(node)
    open_node(page.context, node, None)
    qtbot.waitUntil(lambda: page.data.table.key() == "digits-2026-10")
    assert page.tabs.current() == "data"


def test_a_rule_of_a_lineage_leads_to_automations(page):
    open_node(page.context, LineageNode("w", LineageKind.RULE, "keep", "", "keep"), None)
    assert page.window().title_row.title.whole == "Automations"


def test_a_lineage_is_walked_through_by_keys_alone(page, qtbot):
    view = tab(page, qtbot, "lineage")
    qtbot.waitUntil(lambda: view.value is not None and view.graph.isVisible())
    page.version.setFocus()
    qtbot.keyClick(page.version, Qt.Key.Key_Tab)
    assert view.graph.hasFocus()
    view.graph.choose("v0")
    qtbot.keyClick(view.graph, Qt.Key.Key_Left)
    assert view.graph.node().node_id != "v0"
    qtbot.keyClick(view.graph, Qt.Key.Key_Right)
    assert view.graph.node().kind is LineageKind.VERSION
    qtbot.keyClick(view.graph, Qt.Key.Key_Return)
    assert page.window().title_row.title.whole == "Models"


def test_tab_goes_through_data_and_audit_as_they_are_read(page, qtbot):
    view = tab(page, qtbot, "data")
    qtbot.waitUntil(lambda: view._shown is not None)
    view.table.select("digits-2026-10")
    qtbot.waitUntil(lambda: view.users.isVisible() and view.edit.isEnabled())
    walked = [view.search, view.used_by, view.retention, view.register, view.table, view.users, view.check, view.edit]
    audit = page.audit
    seen = [audit.filters.search, audit.filters.who, audit.filters.verb, audit.filters.span, audit.filters.failed,
            audit.verify, audit.export, audit.table]  # fmt: skip
    for key, order in (("data", walked), ("audit", seen)):
        page.tabs.choose(key)
        qtbot.waitUntil(lambda table=order[-1]: table.isVisible())
        order[0].setFocus()
        for now, after in pairwise(order):
            qtbot.keyClick(now, Qt.Key.Key_Tab)
            assert after.hasFocus()
