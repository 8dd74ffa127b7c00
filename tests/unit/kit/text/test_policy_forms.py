"""Policies of approval as text: what nobody can read is never told as what a policy wants."""

from mlops_desk.governance.records.policy import ApprovalPolicy, policy_of_key
from mlops_desk.governance.text.policy import FORMS, TABLES

DAMAGED = ApprovalPolicy("churn", "champion", trouble="It can't be read.", is_damaged=True)


def test_a_damaged_policy_is_told_as_unknown() -> None:
    text = FORMS[ApprovalPolicy](DAMAGED)
    assert ("churn@champion" in text, "It can't be read." in text, "people" in text) == (True, True, False)
    row = {name: cell(DAMAGED) for name, cell in TABLES[ApprovalPolicy].items()}
    assert row == {
        "ALIAS": "churn@champion", "PEOPLE": "?", "WHO": "?", "AUTHOR": "?", "CARD": "?", "TAG": "?",
        "TROUBLE": "It can't be read.",
    }  # fmt: skip


def test_a_key_names_its_alias_and_what_is_no_key_names_none() -> None:
    assert policy_of_key(ApprovalPolicy("a b", "x", registry="r").key) == ("r", "a b", "x")
    for key in ("", "[", "3", '["own", "churn"]', '["own", "churn", 3]', '{"a": 1}'):
        assert policy_of_key(key) is None
