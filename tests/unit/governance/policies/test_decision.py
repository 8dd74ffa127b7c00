"""What a policy lets through, for any approvals in any order."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.governance.policies.decision import MoveAsked, MoveEvidence, check_may, refusal, standing_of
from mlops_desk.governance.records.policy import ApprovalPolicy, ApprovalWord, WordKind, WordState
from mlops_desk.kit.base.errors import Refused

ASKED = MoveAsked("own", "churn", "champion", "2")
NOW = "now"


def word(uid: int, evidence: str = NOW, state: WordState = WordState.GIVEN, kind: WordKind = WordKind.PERSON):
    return ApprovalWord("i", "own", "churn", "champion", "2", evidence, kind, f"uid {uid}", f"u{uid}", 1.0, state)


WORDS = st.lists(
    st.builds(word, st.integers(1, 4), st.sampled_from([NOW, "then"]), st.sampled_from(list(WordState))), max_size=8
)


@given(
    people=st.integers(0, 2), words=WORDS, author=st.booleans(), named=st.lists(st.integers(1, 4), max_size=3),
    card=st.booleans(), approved=st.sampled_from([True, False, None]), tag=st.booleans(), tagged=st.booleans(),
)  # fmt: skip
@example(people=2, words=[word(1), word(1)], author=True, named=[], card=False, approved=None, tag=False, tagged=False)
@example(people=1, words=[word(1, "then")], author=True, named=[], card=False, approved=None, tag=False, tagged=False)
@example(people=1, words=[word(1)], author=False, named=[], card=False, approved=None, tag=False, tagged=False)
@example(people=1, words=[word(4)], author=True, named=[1], card=False, approved=None, tag=False, tagged=False)
@example(people=0, words=[], author=True, named=[], card=True, approved=None, tag=False, tagged=False)
@example(people=0, words=[], author=True, named=[], card=False, approved=True, tag=True, tagged=False)
def test_a_move_passes_when_so_many_different_people_agreed_on_what_is_now(
    people, words, author, named, card, approved, tag, tagged
) -> None:
    """Against the plainest way to count: a set of people."""
    policy = ApprovalPolicy(
        "churn", "champion", people, uids=tuple(named), card=card, author=author, signed_tag=tag
    )  # author 1 trained it
    evidence = MoveEvidence("1", NOW, (1,), approved)
    said = [*words, *([word(9, kind=WordKind.SIGNED_TAG)] if tagged else [])]
    people_now = {
        one.identity
        for one in words
        if one.state is WordState.GIVEN and one.evidence_sha256 == NOW
        if (author or one.identity != "uid 1") and (not named or one.identity in {f"uid {uid}" for uid in named})
    }
    wanted = len(people_now) >= people and (not card or approved is True) and (not tag or tagged)
    standing = standing_of(policy, ASKED, evidence, said)
    assert standing.passes is wanted
    assert bool(standing.lacking) is not wanted
    assert (standing.hint is None) is wanted
    assert len({*standing.agreed}) == len(standing.agreed)


def test_without_a_policy_it_may_move() -> None:
    assert standing_of(None, ASKED, MoveEvidence("1", NOW), []).passes


@pytest.mark.parametrize(("people", "said"), [(0, []), (1, [word(1)])])
def test_where_only_the_tag_lacks_it_is_said_how_one_is_given(people: int, said: list[ApprovalWord]) -> None:
    policy = ApprovalPolicy("churn", "champion", people, signed_tag=True)
    standing = standing_of(policy, ASKED, MoveEvidence("1", NOW), said)
    assert standing.lacking == ("no signed tag asks for it",)
    assert "mlops-desk ci promote REPOSITORY promote/churn/2 --alias champion" in str(standing.hint)
    assert "approvals ask" not in str(standing.hint)


def test_where_people_lack_too_the_tag_is_told_beside_them() -> None:
    tagged = [word(9, kind=WordKind.SIGNED_TAG)]
    policy = ApprovalPolicy("churn", "champion", 1, signed_tag=True)
    hints = [str(standing_of(policy, ASKED, MoveEvidence("1", NOW), said).hint) for said in ([], tagged)]
    assert ["approvals ask churn/2" in hint for hint in hints] == [True, True]
    assert ["signed tag promote/churn/2" in hint for hint in hints] == [True, False]


def test_those_whose_approval_lapsed_are_named() -> None:
    policy = ApprovalPolicy("churn", "champion", 2)
    standing = standing_of(policy, ASKED, MoveEvidence("1", NOW), [word(1, "then"), word(2)])
    assert (standing.agreed, standing.lapsed) == (("u2",), ("u1",))
    assert "u1 approved it on another comparison" in refusal(standing).message


def test_whoever_would_not_count_is_told_why() -> None:
    evidence = MoveEvidence("1", NOW, (1,))
    with pytest.raises(Refused, match="Only anna may approve"):
        check_may(ApprovalPolicy("c", "a", who=("anna",), uids=(7,)), ASKED, evidence, [], 2, "bo")
    with pytest.raises(Refused, match="wants somebody else"):
        check_may(ApprovalPolicy("c", "a", author=False), ASKED, evidence, [], 1, "bo")
    with pytest.raises(Refused, match="has agreed already"):
        check_may(ApprovalPolicy("c", "a", 2), ASKED, evidence, [word(2)], 2, "bo")
    check_may(ApprovalPolicy("c", "a", 2), ASKED, evidence, [word(2, "then")], 2, "bo")


def test_one_person_counts_once_whatever_they_are_called() -> None:
    both = [word(1), replace(word(1), user="the same one renamed")]
    standing = standing_of(ApprovalPolicy("churn", "champion", 2), ASKED, MoveEvidence("1", NOW), both)
    assert standing.lacking == ("1 of 2 people have approved it",)


@pytest.mark.parametrize("state", [WordState.USED, WordState.TAKEN_BACK])
def test_whose_approval_counts_no_more_may_give_another(state) -> None:
    check_may(ApprovalPolicy("c", "a", 2), ASKED, MoveEvidence("1", NOW), [word(2, state=state)], 2, "bo")


def test_what_can_not_be_told_of_a_card_is_said_as_that() -> None:
    policy = ApprovalPolicy("churn", "champion", 0, card=True)
    unknown = MoveEvidence("1", NOW, card_approved=None, card_why="The registry does not answer.")
    assert standing_of(policy, ASKED, unknown, []).lacking == (
        "whether its card is approved can't be told: The registry does not answer.",
    )
    assert standing_of(policy, ASKED, MoveEvidence("1", NOW), []).lacking == ("its card is not approved",)


def test_who_has_agreed_anew_has_not_lapsed() -> None:
    standing = standing_of(
        ApprovalPolicy("churn", "champion", 2), ASKED, MoveEvidence("1", NOW), [word(1, "then"), word(1)]
    )
    assert (standing.agreed, standing.lapsed) == (("u1",), ())


@pytest.mark.parametrize("state", [WordState.USED, WordState.TAKEN_BACK])
def test_what_is_spent_or_taken_back_has_not_lapsed(state) -> None:
    policy = ApprovalPolicy("churn", "champion", 1)
    standing = standing_of(policy, ASKED, MoveEvidence("1", NOW), [word(1, "then", state)])
    assert (standing.agreed, standing.lapsed) == ((), ())


def test_where_one_is_wanted_nobody_is_said_as_that() -> None:
    standing = standing_of(ApprovalPolicy("churn", "champion", 1), ASKED, MoveEvidence("1", NOW), [])
    assert (standing.passes, standing.lacking) == (False, ("nobody has approved it",))


@pytest.mark.parametrize(("approved", "is_named"), [(True, False), (False, True), (None, True)])
def test_the_next_step_names_the_card_only_while_it_is_not_approved(approved, is_named) -> None:
    policy = ApprovalPolicy("churn", "champion", 1, card=True)
    standing = standing_of(policy, ASKED, MoveEvidence("1", NOW, (), approved), [])
    assert ("Its card has to be approved as well." in (standing.hint or "")) is is_named
