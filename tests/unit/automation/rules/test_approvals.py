"""What waits for a person's word in one list: challengers, and firings that ask; each answered by its own rules."""

import os
from dataclasses import replace

import pytest

from mlops_desk.automation.records.approval import Approval, ApprovalKind
from mlops_desk.automation.records.firing import FiringState
from mlops_desk.automation.records.pipelines.evidence import StepEvidence
from mlops_desk.automation.records.pipelines.run import PipelineState, StepName, StepState
from mlops_desk.automation.rules.approvals import ApprovalsService
from mlops_desk.automation.rules.pipeline.machine import StepOutcome
from mlops_desk.automation.text.approvals import TABLES, approval
from mlops_desk.automation.text.pipelines import pipeline
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from tests.unit.automation.rules.test_service import World, wait_for

ASKS = """\
apiVersion: mlops-desk/v1
kind: Rule
name: ask
when: {manual: true}
then:
  - approval: Retrain digits?
    people: 2
  - notify: [desktop]
"""


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    world.worker.start()
    world.approvals = ApprovalsService(world.service, world.pipelines.waiting, world.allow)
    yield world
    world.as_user(os.getuid())
    assert world.loop.stop() == []
    world.state.close()


def as_user(uid):
    set_caller(Caller(uid, uid, 1))


@pytest.mark.slow
def test_a_challenger_waits_with_what_it_was_compared_by_and_takes_its_place_when_somebody_agrees(world):
    run = world.trained(0.95)
    (waiting,) = world.approvals.list()
    assert (waiting.id, waiting.kind, waiting.rule) == (run.id, ApprovalKind.RETRAINING, "again")
    assert waiting.what == "Version 2 of digits is to be champion instead of version 1."
    assert (waiting.model, waiting.champion, waiting.challenger, waiting.people) == ("digits", "1", "2", 1)
    assert (waiting.comparison.better, waiting.comparison.challenger.value) == (True, 0.95)
    assert waiting.asked_at == world.pipelines.show(run.id).step(StepName.APPROVE).started_at
    told = approval(waiting)
    assert "Version 2 of digits is to be champion" in told
    assert "champion 0.9, challenger 0.95" in told
    assert world.approvals.show(run.id[:6]) == waiting
    world.approvals.approve(run.id[:6])
    assert world.aliases["champion"] == "2"
    assert world.approvals.list() == []
    with pytest.raises(NotFound, match=f"The retraining {run.id[:8]} waits for nobody: it is approved by ") as caught:
        world.approvals.approve(run.id)
    assert caught.value.hint.command == f"mlops-desk pipelines show {run.id}"
    with pytest.raises(NotFound, match="There is no approval 'nonsense'"):
        world.approvals.approve("nonsense")


def test_a_challenger_that_is_refused_leaves_the_champion(world):
    run = world.trained(0.95)
    world.approvals.reject(run.id, why="worse for \x1b[31mold customers" + 2000 * "!")
    assert world.aliases["champion"] == "1"
    shown = world.pipelines.show(run.id)
    assert shown.state is PipelineState.REJECTED
    assert "old customers" in shown.text
    assert "\x1b" not in shown.said[0].why
    assert (990 < len(shown.said[0].why) < 1010, shown.said[0].agrees) == (True, False)
    assert "old customers" in pipeline(shown)
    assert world.approvals.list() == []


def test_another_champion_than_the_one_that_was_seen_is_refused(world):
    run = world.trained(0.95)
    with pytest.raises(Refused, match="not the one that you compared with"):
        world.approvals.approve(run.id, expected="7")
    assert world.aliases["champion"] == "1"


def test_a_retraining_is_its_owners(world):
    run = world.trained(0.95)
    as_user(54_321)
    for answer in (world.approvals.approve, world.approvals.reject):
        with pytest.raises(Refused):
            answer(run.id)
    assert len(world.approvals.list()) == 1


def test_a_firing_waits_for_as_many_people_as_it_says_and_tells_who_agreed(world):
    world.service.create("", document=ASKS)
    world.service.fire("ask")
    (waiting,) = world.approvals.list()
    assert (waiting.kind, waiting.rule, waiting.people, waiting.agreed) == (ApprovalKind.FIRING, "ask", 2, ())
    assert waiting.what == "Retrain digits?"
    assert len(waiting.then) == 1
    after = world.approvals.approve(waiting.id)
    assert len(after.agreed) == 1, "one more has to"
    with pytest.raises(Refused, match="agreed already"):
        world.approvals.approve(waiting.id)
    as_user(54_321)
    world.approvals.approve(waiting.id)
    assert world.approvals.list() == []
    assert world.service.firing(waiting.id).steps[0].state is FiringState.DONE


def test_a_firing_that_is_refused_does_nothing_of_what_stands_below(world):
    world.service.create("", document=ASKS)
    world.service.fire("ask")
    (waiting,) = world.approvals.list()
    world.approvals.reject(waiting.id)
    assert world.approvals.list() == []
    assert world.service.firing(waiting.id).steps[0].state is FiringState.FAILED


def test_what_waits_for_a_time_asks_nobody(world):
    world.service.create("", document=ASKS)
    world.service.fire("ask")
    firing = world.service.firings()[0]
    step = replace(firing.steps[0], action="StopJobAction", due_at=9e9)
    world.service.shelf.tables.firings.put(replace(firing, steps=(step, *firing.steps[1:])))
    assert world.approvals.list() == []


def test_the_oldest_is_asked_first_and_hostile_words_are_plain(world):
    world.service.create("", document=ASKS)
    world.service.fire("ask")
    world.trained(0.95)
    asked = [one.asked_at for one in world.approvals.list()]
    assert len(asked) == 2
    assert asked == sorted(asked)
    hostile = Approval("a1", ApprovalKind.FIRING, "r", "\x1b[31m<b>" + "x" * 900, people=2, agreed=("\u202eana",))
    assert "\x1b" not in approval(hostile) + TABLES[Approval]["ASKS"](hostile)
    assert TABLES[Approval]["AGREED"](hostile) == "1 of 2"


def policy(world, people):
    world.approving.people = people
    world.approvals = ApprovalsService(world.service, world.pipelines.waiting, world.allow, world.pipelines.standing)


@pytest.mark.slow
def test_a_pipeline_whose_policy_wants_two_waits_for_both_and_says_how_many_have_agreed(world):
    policy(world, 2)
    run = world.trained(0.95)
    (waiting,) = world.approvals.list()
    assert (waiting.people, waiting.agreed, waiting.has_policy) == (2, (), True)
    as_user(64_002)
    assert world.approvals.approve(run.id, why="0.95 on the newest rows").agreed == ("uid 64002",)
    assert "uid 64002 agrees" in (told := approval(world.approvals.show(run.id)))
    assert "0.95 on the newest rows" in told
    assert (world.aliases["champion"], world.pipelines.show(run.id).state) == ("1", PipelineState.WAITING_FOR_APPROVAL)
    assert "waits on: 1 of 2" in world.pipelines.show(run.id).text
    with pytest.raises(Refused, match="agreed already"):
        world.approvals.approve(run.id)
    assert "1 of 2: uid 64002" in approval(world.approvals.show(run.id))
    as_user(64_003)
    over = world.approvals.approve(run.id)
    assert (over.lacking, "lacks" in approval(over)) == ((), False)
    assert world.aliases["champion"] == "2"
    shown = world.pipelines.show(run.id)
    assert shown.decided_by == "uid 64002 and uid 64003"
    said = [(one.user, one.agrees, one.why) for one in shown.said]
    assert said == [("uid 64002", True, "0.95 on the newest rows"), ("uid 64003", True, "")]


def test_while_nobody_can_tell_what_a_policy_wants_only_an_owner_decides(world):
    def away(_run):
        raise Unavailable("The registry does not answer.")

    world.approvals = ApprovalsService(world.service, world.pipelines.waiting, world.allow, away)
    run = world.trained(0.95)
    (waiting,) = world.approvals.list()
    assert waiting.lacking == ("What its policy wants can't be told: The registry does not answer.",)
    as_user(54_321)
    for answer in (world.approvals.approve, world.approvals.reject):
        with pytest.raises(Refused):
            answer(run.id)
    assert world.pipelines.show(run.id).state is PipelineState.WAITING_FOR_APPROVAL


def test_a_pipeline_whose_policy_wants_nobody_goes_on_by_itself(world):
    policy(world, 0)
    run = world.trained(0.95)
    world.pipelines.go_on_now()
    assert (world.aliases["champion"], world.approvals.list()) == ("2", [])
    assert "wants nothing that is not there" in world.pipelines.show(run.id).step(StepName.APPROVE).evidence.text


@pytest.mark.slow
def test_an_agent_that_ends_between_the_last_approval_and_what_follows_goes_on_from_there(world):
    policy(world, 1)
    run = world.trained(0.95)
    world.approving.agree(world.pipelines.show(run.id))  # and the agent is killed
    world.pipelines.go_on()
    wait_for(world, lambda: world.aliases["champion"] == "2")


def test_a_policy_that_wants_more_by_the_time_the_alias_moves_makes_it_wait_anew(world):
    policy(world, 1)
    run = world.trained(0.95)
    agree = world.approving.agree

    def then_two(one, why=""):
        standing = agree(one, why)
        world.approving.people = 2
        return standing

    world.approving.agree = then_two
    as_user(64_002)
    world.approvals.approve(run.id)
    shown = world.pipelines.show(run.id)
    assert (shown.state, world.aliases["champion"]) == (PipelineState.WAITING_FOR_APPROVAL, "1")
    assert shown.step(StepName.PROMOTE).evidence.text.startswith("Before digits@champion moves: 1 of 2")
    world.approving.agree = agree
    as_user(64_003)
    world.approvals.approve(run.id)
    assert (world.aliases["champion"], world.pipelines.show(run.id).state) == ("2", PipelineState.PROMOTED)


def test_a_rejected_challenger_takes_back_what_was_agreed(world):
    policy(world, 2)
    run = world.trained(0.95)
    as_user(64_002)
    world.approvals.approve(run.id)
    assert world.approvals.show(run.id).lacking == ("1 of 2 people have approved it",)
    as_user(64_003)
    assert world.approvals.reject(run.id).lacking == ()
    assert (world.approving.said, world.aliases["champion"]) == ([], "1")


def test_two_yeses_at_once_on_one_comparison_both_hold(world):
    policy(world, 2)
    run = world.trained(0.95)
    as_user(64_002)
    stale = world.pipelines.show(run.id)
    world.approvals.approve(run.id)
    as_user(64_003)
    world.approving.agree(stale)
    decided = world.pipelines._decided(stale, StepOutcome(stale, StepEvidence("both")), "both")
    assert (decided.state, decided.step(StepName.APPROVE).state) == (PipelineState.RUNNING, StepState.DONE)
