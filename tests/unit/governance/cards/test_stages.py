"""From draft over in review to approved, and away: what may be done when, and that nothing approved changes under it."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mlops_desk.governance.cards import stages
from mlops_desk.governance.cards.content import sha256_of
from mlops_desk.governance.cards.stages import Actor
from mlops_desk.governance.records.card import CARD_TEXTS, CardAct, CardFacts, CardFigure, CardStage
from mlops_desk.kit.base.errors import Invalid, Refused

WHOLE = {"intended_use": "Churn", "limits": "Children", "licence": "MIT", "owner": "Anna"}
FACTS = CardFacts(1.0, "r1", figures=(CardFigure("auc", 0.9),))


def actor(at: float = 5.0, why: str = "") -> Actor:
    return Actor("anna", 7, at, why)


def begun(known=None):
    return stages.begun("churn", "3", None, FACTS, known or {})


def whole():
    return stages.edited(begun(), WHOLE, (), actor())


class Life(RuleBasedStateMachine):
    """Anybody does anything with a card at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.card, self.at, self.agreed = begun(), 0.0, {}

    def do(self, change) -> None:
        self.at += 1.0
        before = self.card
        try:
            self.card = change(Actor("anna", 7, self.at, "why"))
        except Refused:
            assert self.card == before
            return
        if self.card.stage is CardStage.APPROVED:
            self.agreed.setdefault(self.card.revision, self.card.sha256)

    @rule(name=st.sampled_from([*CARD_TEXTS]), text=st.sampled_from(["", "a", "b\nc", " "]))
    def edit(self, name, text) -> None:
        self.do(lambda who: stages.edited(self.card, {name: text}, (), who))

    @rule()
    def fill(self) -> None:
        self.do(lambda who: stages.edited(self.card, WHOLE, (), who))

    @rule(value=st.sampled_from([0.9, 0.91, None]), at=st.floats(0, 9))
    def refresh(self, value, at) -> None:
        facts = CardFacts(at, "r1", figures=(CardFigure("auc", value),))
        self.do(lambda who: stages.refreshed(self.card, facts, {"owner": "bo"}, who))

    @rule(act=st.sampled_from([*stages.CHANGES]))
    def step(self, act) -> None:
        self.do(lambda who: stages.CHANGES[act](self.card, who))

    @rule()
    def approve(self) -> None:
        self.do(lambda who: stages.approved(self.card, None, who))

    @invariant()
    def what_it_says_has_its_hash(self) -> None:
        assert self.card.sha256 == sha256_of(self.card.texts, self.card.facts)

    @invariant()
    def what_was_agreed_to_is_what_that_revision_says(self) -> None:
        if self.card.stage is CardStage.APPROVED:
            assert self.card.sha256 == self.agreed[self.card.revision]
            assert not self.card.needed

    @invariant()
    def every_step_is_told_in_order(self) -> None:
        assert [one.at for one in self.card.steps] == sorted(one.at for one in self.card.steps)
        assert (self.card.revision > 0) == bool(self.card.steps)
        assert not self.card.steps or self.card.steps[-1].stage is self.card.stage
        numbers = [one.revision for one in self.card.steps]
        assert numbers == sorted(numbers)


TestLife = Life.TestCase
TestLife.pytestmark = [pytest.mark.slow]
TestLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_a_draft_is_handed_in_approved_and_put_away_and_each_step_is_told() -> None:
    card = stages.submitted(whole(), actor(6.0))
    card = stages.approved(card, card.sha256[:12], actor(7.0, "read it"))
    card = stages.archived(card, actor(8.0))
    assert [(one.act, one.stage, one.by, one.why) for one in card.steps] == [
        (CardAct.MADE, CardStage.DRAFT, "anna", ""), (CardAct.SUBMITTED, CardStage.IN_REVIEW, "anna", ""),
        (CardAct.APPROVED, CardStage.APPROVED, "anna", "read it"), (CardAct.ARCHIVED, CardStage.ARCHIVED, "anna", ""),
    ]  # fmt: skip
    assert (card.revision, card.updated_at) == (1, 8.0)


def test_an_approved_card_that_is_edited_is_a_new_revision_and_a_draft() -> None:
    card = stages.approved(stages.submitted(whole(), actor()), None, actor())
    again = stages.edited(card, {"limits": "Children and horses"}, (), actor())
    assert (again.stage, again.revision, card.revision) == (CardStage.DRAFT, 2, 1)
    refreshed = stages.refreshed(card, CardFacts(9.0, "r1"), {}, actor())
    assert (refreshed.stage, refreshed.revision) == (CardStage.DRAFT, 2)
    put_away = stages.edited(stages.archived(card, actor()), {"limits": "Horses"}, (), actor())
    assert (put_away.stage, put_away.revision) == (CardStage.DRAFT, 2)


def test_facts_that_change_under_a_review_leave_the_card_there_and_say_so() -> None:
    card = stages.submitted(whole(), actor())
    again = stages.refreshed(card, CardFacts(9.0, "r1"), {}, actor())
    assert (again.stage, again.revision, again.steps[-1].act) == (CardStage.IN_REVIEW, 1, CardAct.REFRESHED)
    assert again.sha256 != card.sha256, "who approves names what they saw"


def test_another_desks_card_that_is_edited_is_ones_own() -> None:
    assert stages.edited(replace(whole(), is_foreign=True), {"limits": "Horses"}, (), actor()).is_foreign is False


def test_an_approved_card_stays_approved_where_nothing_has_changed() -> None:
    card = stages.approved(stages.submitted(whole(), actor()), None, actor())
    same = stages.refreshed(card, CardFacts(9.0, "r1", figures=FACTS.figures), {}, actor())
    assert (same.stage, same.revision, same.facts.at) == (CardStage.APPROVED, 1, 9.0)
    with pytest.raises(Refused, match="says just that already"):
        stages.edited(card, WHOLE, (), actor())


def test_what_people_wrote_stays_and_what_the_desk_filled_in_is_filled_in_again() -> None:
    card = stages.edited(begun({"owner": "anna", "licence": "MIT"}), {"owner": "The churn team"}, (), actor())
    card = stages.refreshed(card, FACTS, {"owner": "bo", "licence": "BSD"}, actor())
    assert (card.text("owner"), card.text("licence")) == ("The churn team", "BSD")
    given_back = stages.edited(card, {}, ["owner"], actor())
    assert given_back.text("owner") is None
    assert stages.refreshed(given_back, FACTS, {"owner": "bo"}, actor()).text("owner") == "bo"


def test_a_card_that_says_too_little_is_not_handed_in_and_one_in_review_that_is_edited_is_a_draft() -> None:
    with pytest.raises(Refused, match="does not say yet: intended_use, limits, licence, owner"):
        stages.submitted(begun(), actor())
    with pytest.raises(Refused, match="does not say yet: limits"):
        stages.submitted(stages.edited(whole(), {"limits": " "}, (), actor()), actor())
    card = stages.edited(stages.submitted(whole(), actor()), {"notes": "n"}, (), actor())
    assert (card.stage, card.revision) == (CardStage.DRAFT, 1)


@pytest.mark.parametrize("change", [stages.sent_back, lambda card, who: stages.approved(card, None, who)])
def test_only_what_is_in_review_is_approved_or_sent_back(change) -> None:
    with pytest.raises(Refused, match="is a draft, and only one that is in review"):
        change(whole(), actor())


def test_only_a_draft_is_handed_in_and_what_nobody_wrote_is_not_put_away() -> None:
    card = stages.approved(stages.submitted(whole(), actor()), None, actor())
    with pytest.raises(Refused, match="is approved, and only one that is a draft"):
        stages.submitted(card, actor())
    for act in (stages.archived, stages.sent_back, lambda card, who: stages.approved(card, None, who)):
        with pytest.raises(Refused, match=r"^Nobody has written a card of churn/3 yet, so nothing is "):
            act(begun(), actor())


def test_what_was_seen_is_approved_and_nothing_else() -> None:
    card = stages.submitted(whole(), actor())
    for expected in ("", "0" * 64, card.sha256[:7]):
        with pytest.raises(Refused, match="says something else"):
            stages.approved(card, expected, actor())
    assert stages.approved(card, card.sha256[:8].upper(), actor()).stage is CardStage.APPROVED


def test_a_text_of_another_name_or_of_no_end_is_no_text() -> None:
    with pytest.raises(Invalid, match="has no text 'color'"):
        stages.edited(begun(), {"color": "red"}, (), actor())
    for text in ("x" * 4001, "\n" * 200):
        with pytest.raises(Invalid, match="a card takes"):
            stages.edited(begun(), {"limits": text}, (), actor())
    hidden = stages.edited(begun(), {"limits": "a\u202eb\r\nc\x1b[2J"}, (), actor()).text("limits")
    assert hidden == "a\\u202eb\nc\\x1b[2J"
