"""A rule that takes signed tags for moves of an alias: what moved, what waits, what was refused, and doing it again."""

from dataclasses import replace

import pytest

from mlops_desk.automation.records.actions import PromoteAction
from mlops_desk.automation.records.approval import Approval, ApprovalKind
from mlops_desk.automation.records.firing import FiringStep, KeptFiring, PushedRef
from mlops_desk.automation.rules.actions.action_run import Deed
from mlops_desk.automation.rules.actions.actions import RuleDeeds
from mlops_desk.automation.rules.document.document import format_rule, parse_rule
from mlops_desk.automation.rules.sentence import sentence
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, Unavailable
from tests.rule_house import action_house
from tests.rule_specs import METRICS

RULE = """apiVersion: mlops-desk/v1
kind: Rule
name: r
when:
  push: /srv/iris.git
  ref: refs/tags/promote/*
then:
- promote: champion
"""
MOVED = Approval("m1", ApprovalKind.PROMOTION, "", "", model="iris", alias="champion", challenger="3", state="moved")
WAITS = replace(MOVED, id="m2", challenger="4", state="waiting", lacking=("nobody has approved it",))


def deed(*refs: str) -> Deed:
    pushed = tuple(PushedRef("/srv/iris.git", ref, "c") for ref in refs)
    step = FiringStep("PromoteAction", "move champion")
    return Deed(KeptFiring("r/1/", "r", "r", "", 1, 1.0, "a push", (step,), pushed=pushed), 0, None, again=False)


def promote(answers: dict[str, Approval | Exception], *refs: str, **house: object) -> object:
    def take(repository: str, tag: str, alias: str) -> Approval:
        assert (repository, alias) == ("/srv/iris.git", "champion")
        answer = answers[tag]
        if isinstance(answer, Exception):
            raise answer
        return answer

    deeds = RuleDeeds(action_house(promote_tag=take, **house), None, None, None)  # type: ignore[arg-type]  # nobody is told, nothing trained
    return deeds.do(PromoteAction("champion"), deed(*refs))


def test_it_reads_as_it_is_written_and_says_so_in_one_sentence() -> None:
    spec = parse_rule(RULE, METRICS)
    assert spec.then == (PromoteAction("champion"),)
    assert parse_rule(format_rule(spec), METRICS) == spec
    assert sentence(spec, METRICS) == (
        "When /srv/iris.git has a new commit on the tag promote/*: move champion as signed tags that were pushed and "
        "its policy say."
    )


def test_a_rule_that_waits_for_no_push_promotes_nothing() -> None:
    text = RULE.replace("  push: /srv/iris.git\n  ref: refs/tags/promote/*\n", "  cron: 0 2 * * *\n")
    with pytest.raises(Invalid, match="waits for no push") as caught:
        parse_rule(text, METRICS)
    assert "Line 7, column 12" in caught.value.message


def test_what_moved_and_what_waits_is_told_and_no_other_ref_is_taken() -> None:
    asked: list[tuple[str, ...]] = []
    made = promote(
        {"promote/iris/3": MOVED, "promote/iris/4": WAITS},
        "refs/heads/main", "refs/tags/v1", "refs/heads/promote/iris/9", "refs/tags/promote/iris/3",
        "refs/tags/promote/iris/4", allow=lambda *words: asked.append(words[:2]),
    )  # fmt: skip
    assert made.text == "iris@champion is version 3. iris@champion waits to become version 4: nobody has approved it."  # type: ignore[attr-defined]  # it Became something
    assert asked == [("ci", "promote")]


@pytest.mark.parametrize("kind", [Refused, NotFound, Invalid])
def test_a_tag_that_is_refused_keeps_no_other_from_counting_and_is_told(kind: type[DeskError]) -> None:
    bad = kind("The tag promote/iris/3 is not signed by a key of the policy.", "Sign it.")
    with pytest.raises(Refused) as caught:
        promote(
            {"promote/iris/3": bad, "promote/iris/4": MOVED}, "refs/tags/promote/iris/3", "refs/tags/promote/iris/4"
        )
    assert caught.value.message == f"{bad.message} iris@champion is version 3."
    assert caught.value.hint == "Sign it."


def test_a_registry_that_is_away_is_no_refusal() -> None:
    with pytest.raises(Unavailable):
        promote({"promote/iris/3": Unavailable("The registry is away.")}, "refs/tags/promote/iris/3")


def test_a_push_without_such_a_tag_is_no_failure_and_no_push_is_one() -> None:
    assert "Nothing of what was pushed" in promote({}, "refs/heads/main").text  # type: ignore[attr-defined]  # likewise
    with pytest.raises(Refused, match="Nothing was pushed"):
        promote({})


def test_who_may_not_promote_has_no_rule_that_does() -> None:
    def forbid(*_: object) -> None:
        raise Refused("Only administrators may.")

    with pytest.raises(Refused, match="Only administrators"):
        promote({"promote/iris/3": MOVED}, "refs/tags/promote/iris/3", allow=forbid)
