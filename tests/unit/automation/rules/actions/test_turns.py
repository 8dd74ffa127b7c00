"""Whose turn it is: firings of one rule in their order, people before what they are asked, and what fails stays told."""

import os
from dataclasses import replace

import pytest

from mlops_desk.automation.records.firing import FiringState
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.machine.records.event import Notice
from tests.unit.automation.rules.actions.test_kills import Agent, rule_in
from tests.unit.automation.rules.actions.test_meanwhile import changed, kinds, only


@pytest.fixture(autouse=True)
def asked_by_nobody():
    yield
    set_caller(Caller(os.getuid(), os.getgid(), 1))


class Lanes:
    """Lanes that do nothing by themselves: by their names, what was put into each."""

    def __init__(self):
        self.put = {}

    def __call__(self, _loop, name):
        work = self.put.setdefault(name, [])
        return type("OneLane", (), {"put": staticmethod(work.append)})()


def test_firings_of_one_rule_are_done_one_after_the_other_and_the_oldest_first(tmp_path, monkeypatch):
    lanes = Lanes()
    monkeypatch.setattr("mlops_desk.automation.rules.actions.worker.Lane", lanes)
    rule_in(tmp_path, "- submit: train\n")
    agent = Agent(tmp_path)
    object.__setattr__(agent.life._parts, "act", lambda firings: None)
    agent.hear("failed")
    firing = only(agent)
    rest = [replace(firing, id=f"{number}-of-it", at=firing.at + number) for number in range(1, 9)]
    for one in rest:
        agent.state.firings.put(one)
    agent.worker.start()
    (work,) = [work for work in lanes.put.values() if work]
    assert len(work) == 9
    for do in work:
        do()
    origins = [origin for _, origin in agent.outside.done()]
    assert origins == [f"firing:{one.id}/0" for one in (firing, *rest)]
    agent.end()


def test_an_approval_that_nobody_was_asked_for_yet_is_not_given(tmp_path):
    rule_in(tmp_path, "- approval: Train now\n- submit: train\n")
    agent = Agent(tmp_path)
    object.__setattr__(agent.life._parts, "act", lambda firings: None)
    agent.hear("failed")
    with pytest.raises(Refused, match="does not wait for anybody"):
        agent.worker.answer(only(agent).id, agree=True)
    assert only(agent).state is FiringState.INTENDED
    agent.end()


def test_nobodys_word_takes_from_an_owner_the_time_that_they_were_told(tmp_path):
    rule_in(tmp_path, "- {stop: nightly, warning: 10m}\n")
    agent = Agent(tmp_path)
    agent.hear("failed")
    for agree in (True, False):
        with pytest.raises(Refused, match="waits for a time, and for nobody"):
            agent.worker.answer(only(agent).id, agree=agree)
    assert (only(agent).state, kinds(agent)) == ("waiting", ["desktop"])
    agent.end()


def away(*_):
    raise Unavailable("The queue does not answer.")


def test_a_trouble_that_comes_back_after_it_was_over_is_told_again(tmp_path):
    rule_in(tmp_path, "- submit: train\n")
    agent = Agent(tmp_path)
    told = []
    agent.worker._published = told.append
    real = agent.worker._doing.house.submit
    for submit in (away, away, real, away):
        changed(agent, submit=submit)
        agent.hear("running")
        agent.hear("failed")
    texts = [one.text for one in told if isinstance(one, Notice)]
    assert (
        texts == ["The rule r fired and could not submit the job of the template train: The queue does not answer."] * 2
    )
    agent.end()


def test_a_failed_action_stays_told_as_begun_and_who_fires_by_hand_hears_of_it_once(tmp_path):
    rule_in(tmp_path, "- submit: train\n")
    agent = Agent(tmp_path)
    told, nothing = [], []
    agent.worker._published, agent.worker._came_to_nothing = told.append, nothing.append
    changed(agent, submit=away)
    firing = agent.life.fire(agent.shelf.all()[0], "", "by me", ())
    with pytest.raises(Unavailable):
        agent.worker.do_now(firing)
    step = only(agent).steps[0]
    assert (step.state, step.begun_at is not None) == (FiringState.FAILED, True)
    assert [one for one in told if isinstance(one, Notice)] == []
    assert [one.id for one in nothing] == [firing.id]
    agent.end()


def test_only_a_firing_of_which_nothing_was_done_may_come_again_at_once(tmp_path):
    rule_in(tmp_path, "- submit: train\n- {stop: nightly, warning: 0s}\n")
    agent = Agent(tmp_path)
    nothing = []
    agent.worker._came_to_nothing = nothing.append
    changed(agent, cancel=away)
    agent.hear("failed")
    assert [step.state for step in only(agent).steps] == ["done", "failed"]
    assert nothing == []
    agent.end()


def test_a_rule_that_fired_a_hundred_times_in_a_week_goes_on_and_a_person_has_it_fire_in_any_hour(tmp_path):
    rule_in(tmp_path, "- submit: train\n")
    agent = Agent(tmp_path)
    agent.hear("failed")
    firing = only(agent)
    past = [replace(firing, id=f"{number:032x}", at=firing.at - 3000.0 - 60.0 * number) for number in range(100)]
    agent.state.firings.put_all(past)
    agent.hear("running")
    agent.hear("failed")
    assert agent.state.firings.list(limit=1)[0].state is FiringState.DONE, "the hundredth but one is over an hour ago"
    agent.state.firings.put_all([replace(one, at=firing.at - 1.0) for one in past])
    agent.hear("running")
    agent.hear("failed")
    assert agent.state.firings.list(limit=1)[0].state is FiringState.FAILED
    by_hand = agent.life.fire(agent.shelf.all()[0], "", "by me", ())
    assert agent.worker.do_now(by_hand).state is FiringState.DONE
    agent.end()
