"""What waits for a person's word in one list: challengers, and firings that ask; each answered by its own rules."""

import os
from dataclasses import replace

import pytest

from mlops_desk.base.caller import Caller, set_caller
from mlops_desk.base.errors import NotFound, Refused
from mlops_desk.cli.forms.rules.approvals import TABLES, approval
from mlops_desk.records.pipelines.run import PipelineState, StepName
from mlops_desk.records.rules.approval import Approval, ApprovalKind
from mlops_desk.records.rules.firing import FiringState
from mlops_desk.rules.approvals import ApprovalsService
from tests.unit.rules.test_service import World

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
    with pytest.raises(NotFound):
        world.approvals.approve(run.id)


def test_a_challenger_that_is_refused_leaves_the_champion(world):
    run = world.trained(0.95)
    world.approvals.reject(run.id)
    assert world.aliases["champion"] == "1"
    assert world.pipelines.show(run.id).state is PipelineState.REJECTED
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
    assert "Retrain digits?" in waiting.what
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
