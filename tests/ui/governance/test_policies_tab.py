"""What people do with policies of approval on the page on governance: set, edit and remove them, and check a version."""

import os
from dataclasses import replace

import pytest
from doubles import Double
from governance_doubles import some_policies
from governance_steps import click, opened, tab, told
from PySide6.QtCore import Qt

from mlops_desk.governance.records.policy import ApprovalPolicy, policy_key
from mlops_desk.governance.window.policies.tab import PolicyDialog, signers_in
from mlops_desk.governance.window.policies.words import policy_facts, wants
from mlops_desk.kit.base.errors import Invalid, Refused, Unavailable
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.kit.window.words.numbers import WARNING

DIGITS, FRAUD = policy_key("own", "digits", "champion"), policy_key("own", "fraud-score", "champion")
HOSTILE = "<b>m</b>\n" + "x" * 200
KEYS = "ann@example.org ssh-ed25519 AAAAC3Nz\n"


@pytest.fixture
def view(page, qtbot):
    shown = tab(page, qtbot, "policies")
    qtbot.waitUntil(lambda: "Lacks" in told(shown.facts))
    return shown


def cells(view, key):
    row = view.table.records.row_of(key)
    return [view.table.records.index(row, column).data() for column in range(3)]


def new_form(view, qtbot, model="llm-router"):
    click(qtbot, view.new)
    form = opened(view, PolicyDialog)
    form.model.setText(model)
    return form


def test_the_list_says_what_each_alias_wants_and_what_keeps_it_from_working(view):
    wanted = "2 people of ann, bo; the card approved; not by its author; a signed tag"
    assert cells(view, DIGITS) == ["digits@champion", wanted, "–"]
    trouble = f"{WARNING} This agent does not let in chen, so they can't approve."
    assert cells(view, FRAUD) == ["fraud-score@champion", "1 person", trouble]


def test_the_chosen_policy_is_told_whole_with_what_the_challenger_or_the_newest_version_lacks(view, double, qtbot):
    facts = told(view.facts)
    assert view.version.text() == "4"
    assert double.checked_policies[-1] == ("digits", "champion", "4", "own")
    assert facts["Version"] == f"{WARNING} 4 may not be put there now"
    assert [one.value for one in view.facts.shown if one.name == "Lacks"] == [
        "1 of 2 people (ann, bo) have approved it", "its card is not approved",
    ]  # fmt: skip
    assert (facts["Agreed"], facts["Lapsed"]) == ("ann", "bo: on another comparison, which counts no more")
    assert "approvals ask digits/4" in facts["Next"]
    assert facts["Signed tag"] == "wanted, by SSH key of ann@example.org"
    assert (facts["Author"], facts["Card"]) == ("may not approve", "has to be approved")
    view.table.select(FRAUD)
    qtbot.waitUntil(lambda: double.checked_policies[-1] == ("fraud-score", "champion", "12", "own"))
    assert told(view.facts)["Trouble"].endswith("so they can't approve.")


def test_any_version_is_checked_by_enter_and_one_that_is_typed_stays_when_all_is_asked_anew(view, page, double, qtbot):
    view.version.setText("3")
    qtbot.keyClick(view.version, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: told(view.facts)["Version"] == "● 3 may be put there now")
    asked = len(double.checked_policies)
    page.reload()
    qtbot.waitUntil(lambda: len(double.checked_policies) > asked)
    assert double.checked_policies[-1][2] == "3"
    view.version.clear()
    click(qtbot, view.check)
    assert told(view.facts)["Version"] == "type one below to see what it lacks"


def test_a_damaged_policy_can_not_be_checked_and_says_why(view, double, qtbot):
    text = "The policy of digits@champion can't be read, so nobody can tell what it wants. Nothing was moved."
    double.failing["policies.check"] = Refused(text, "Set it anew (policies set), or remove it (policies remove).")
    click(qtbot, view.check)
    qtbot.waitUntil(lambda: text in told(view.facts)["Version"])
    assert "Lacks" not in told(view.facts)
    assert told(view.facts)["Alias"] == "digits@champion"


def test_a_new_policy_is_set_with_all_that_was_said_and_chosen(view, double, qtbot, tmp_path):
    (tmp_path / "keys").write_text(KEYS)
    view.search.setText("fraud")
    form = new_form(view, qtbot)
    assert not form.signers.isVisible()
    form.alias.setText("challenger")
    form.people.setValue(2)
    form.who.setText("ann, bo")
    for box in (form.author, form.card, form.tag, form.back):
        box.setChecked(True)
    form.signers.line.setText(str(tmp_path / "keys"))
    click(qtbot, form.act)
    key = policy_key("own", "llm-router", "challenger")
    qtbot.waitUntil(lambda: view.table.key() == key)
    made = replace(double.set_policies[0], set_at=0.0)
    assert made == ApprovalPolicy(
        "llm-router", "challenger", 2, ("ann", "bo"), (), card=True, author=False, signed_tag=True, signers=KEYS,
        free_rollback=True, set_by="ana",
    )  # fmt: skip
    assert "llm-router@challenger wants from now on: 2 people of ann, bo;" in view.says.whole


def test_what_is_missing_is_said_where_it_is_typed_and_nothing_is_set(view, double, qtbot):
    form = new_form(view, qtbot)

    def wrong(text, field):
        qtbot.keyClick(form, Qt.Key.Key_Return)
        assert text in form.error_text()
        assert form.focusWidget() is field

    form.tag.setChecked(True)
    wrong("no key is named that may sign", form.signers.line)
    form.people.setValue(2)
    form.who.setText("ann, ann")
    wrong("2 people have to approve, and 1 may.", form.who)
    form.alias.clear()
    wrong("No alias is named.", form.alias)
    form.model.setText("  ")
    wrong("No model is named.", form.model)
    assert double.set_policies == []


def test_what_the_agent_refuses_is_said_and_what_was_typed_stays(view, double, qtbot):
    double.failing["policies.set"] = Refused("Only an administrator may set policies.", "Ask one.")
    form = new_form(view, qtbot)
    form.who.setText("nobody-here")
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: "Only an administrator may set policies." in form.error_text())
    assert (form.model.text(), form.who.text()) == ("llm-router", "nobody-here")


def test_a_new_policy_does_not_write_over_one_that_is_there_unless_nobody_can_read_it(view, double, qtbot):
    form = new_form(view, qtbot, "digits")
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: "digits@champion has a policy already, set by ana." in form.error_text())
    assert double.set_policies == []
    double.failing["policies.show"] = Refused("The policy of digits@champion can't be read.")
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: [one.people for one in double.set_policies] == [1])


def test_an_edit_begins_with_what_was_said_and_keeps_the_keys(view, double, qtbot):
    click(qtbot, view.edit)
    form = opened(view, PolicyDialog)
    assert not form.model.isVisible()
    assert (form.people.value(), form.who.text(), form.author.isChecked()) == (2, "ann, bo", True)
    form.card.setChecked(False)
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: bool(double.set_policies))
    before = some_policies()[0]
    assert replace(double.set_policies[0], set_at=0.0) == replace(before, card=False, set_at=0.0, uids=())


def test_an_edit_of_what_somebody_set_meanwhile_is_refused(view, double, qtbot):
    click(qtbot, view.edit)
    form = opened(view, PolicyDialog)
    double.policy_by_key[DIGITS] = replace(double.policy_by_key[DIGITS], set_at=1.0, set_by="chen")
    click(qtbot, form.act)
    qtbot.waitUntil(lambda: "chen has set the policy of digits@champion anew" in form.error_text())
    assert double.set_policies == []


def test_a_policy_of_another_registry_is_checked_and_edited_there(view, double, qtbot):
    away = ApprovalPolicy("digits", "champion", 1, registry="http://mlflow.example:5000", set_at=5.0)
    double.policy_by_key[away.key] = away
    view.look()
    qtbot.waitUntil(lambda: view.table.select(away.key))
    place = ("digits", "champion", "4", "http://mlflow.example:5000")
    qtbot.waitUntil(lambda: double.checked_policies[-1] == place)
    click(qtbot, view.edit)
    click(qtbot, opened(view, PolicyDialog).act)
    qtbot.waitUntil(lambda: [one.registry for one in double.set_policies] == ["http://mlflow.example:5000"])


def test_a_policy_is_removed_once_somebody_agrees_and_a_refusal_is_said(view, double, qtbot):
    double.failing["policies.remove"] = Refused("Only an administrator may remove policies.", "Ask one.")
    click(qtbot, view.remove)
    click(qtbot, opened(view, Confirm).act)
    qtbot.waitUntil(lambda: view.says.whole == "■ Only an administrator may remove policies. Ask one.")
    assert view.table.holds(DIGITS)
    double.failing.clear()
    qtbot.waitUntil(lambda: opened(view, Confirm) is None)
    click(qtbot, view.remove)
    assert DIGITS in double.policy_by_key
    click(qtbot, opened(view, Confirm).act)
    qtbot.waitUntil(lambda: not view.table.holds(DIGITS))
    assert view.says.whole == "● digits@champion has no policy any more."
    qtbot.waitUntil(lambda: view.table.key() == FRAUD)


def test_a_list_that_can_not_be_asked_anew_stays_and_says_of_when_it_is(view, double, qtbot):
    double.failing["policies.list"] = Unavailable("The disk does not answer.", "Try again.")
    view.look()
    qtbot.waitUntil(view.trouble.isVisible)
    assert "The disk does not answer. Try again. What is shown is of" in view.trouble.whole
    assert view.table.holds(DIGITS)


def test_without_policies_the_page_says_what_one_does_and_how_it_is_set(start, qtbot):
    shown = tab(start(Double(beat_seconds=0.2, empty=True), "governance").window.page(), qtbot, "policies")
    qtbot.waitUntil(lambda: "No alias has a policy" in shown.state.details())
    assert "who has to agree before an alias of a model moves" in shown.state.details()
    assert not any(one.id == "policies.edit" and one.when() for one in shown.actions_here())


def test_names_from_outside_are_plain_and_cut(view, double, qtbot):
    bad = ApprovalPolicy(HOSTILE, "champion", 1, (HOSTILE,) * 9, signed_tag=True, trouble=HOSTILE, set_by=HOSTILE)
    double.policy_by_key = {bad.key: bad}
    view.look()
    qtbot.waitUntil(lambda: view.table.key() == bad.key)
    shown = [*cells(view, bad.key), *(fact.value for fact in view.facts.shown)]
    assert not any("\n" in text for text in shown)
    assert cells(view, bad.key)[1].endswith("and 5 more; a signed tag")
    click(qtbot, view.remove)
    assert "\n" not in opened(view, Confirm).windowTitle()


def test_keys_are_read_from_a_file_and_nothing_else(tmp_path):
    good, large, strange = tmp_path / "keys", tmp_path / "large", tmp_path / "strange"
    good.write_text(KEYS)
    large.write_bytes(b"#" * 65_537)
    strange.write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "pipe")
    assert signers_in(str(good)) == KEYS
    for name, why in (
        ("large", "is larger than 64 KiB"), ("strange", "is not text in UTF-8"), ("pipe", "is no file"),
        ("nowhere", "can't be read: No such file or directory"),
    ):  # fmt: skip
        with pytest.raises(Invalid, match=why):
            signers_in(str(tmp_path / name))


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (ApprovalPolicy("m", "a", 0), "nothing: whoever may move aliases moves it"),
        (ApprovalPolicy("m", "a", 0, author=False), "nothing: whoever may move aliases moves it"),
        (ApprovalPolicy("m", "a", 0, card=True), "the card approved"),
        (ApprovalPolicy("m", "a", 1, author=False), "1 person; not by its author"),
        (ApprovalPolicy("m", "a", is_damaged=True, trouble="It can't be read."), "nobody can tell"),
    ],
)
def test_what_an_alias_wants_is_a_sentence(policy, text):
    assert wants(policy) == text


def test_of_a_policy_that_nobody_can_read_nothing_is_told_but_that():
    facts = policy_facts(ApprovalPolicy("m", "a", is_damaged=True, trouble="It can't be read."))
    assert [fact.name for fact in facts] == ["Trouble", "Alias"]


def test_keys_that_can_not_be_read_are_told_with_the_policy():
    policy = ApprovalPolicy("m", "a", 0, signed_tag=True, signers="-----BEGIN OPENSSH PRIVATE KEY-----\n")
    facts = {fact.name: (fact.value, fact.tone) for fact in policy_facts(policy)}
    assert facts["Signed tag"][0].startswith("wanted, but its keys can't be read: Line 1 begins a secret key")
    assert facts["Signed tag"][1] == "warning"
    assert facts["Set"][0] == "–"
