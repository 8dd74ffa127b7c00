"""What happens between a rule's firing and its action: what is gone, over, another's or forbidden by then is told, and left."""

import os
from dataclasses import replace

import pytest

from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base.caller import Caller, current_caller, set_caller
from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from mlops_desk.machine.records.event import Notice
from tests.rule_specs import METRICS
from tests.unit.automation.rules.actions.test_kills import HEAD, Agent, job, rule_in
from tests.unit.automation.rules.actions.test_waiting import due_now

EACH = "apiVersion: mlops-desk/v1\nkind: Rule\nname: r\nwhen: {state: job, is: [failed]}\nthen:\n- {stop: each}\n"
OWNER = 64_007


@pytest.fixture(autouse=True)
def asked_by_nobody():
    yield
    set_caller(Caller(os.getuid(), os.getgid(), 1))


def changed(agent, **ways):
    """Let the house be otherwise from now on."""
    agent.worker._doing = replace(agent.worker._doing, house=replace(agent.worker._doing.house, **ways))


def kinds(agent):
    return [kind for kind, _ in agent.outside.done()]


def only(agent):
    (firing,) = agent.state.firings.list()
    return firing


@pytest.fixture
def warned(tmp_path):
    """Give an agent that has told the owner of job j1 that it is stopped, as a rule of another account."""
    agent = Agent(tmp_path)
    agent.shelf.add(parse_rule(EACH, METRICS), OWNER)
    agent.life.board.put("state/job", "j1", "failed")
    agent.life.look()
    assert (only(agent).state, kinds(agent)) == ("waiting", ["desktop"])
    yield agent
    agent.end()


def test_a_template_that_was_removed_is_told_and_queues_nothing_until_there_is_one_again(tmp_path):
    rule_in(tmp_path, "- submit: train\n- {stop: nightly, warning: 0s}\n")
    agent = Agent(tmp_path)
    told = []
    agent.worker._published = told.append
    real = agent.worker._doing.house.submit

    def removed(*_):
        raise NotFound("There is no template train.", "jobs templates lists them.")

    changed(agent, submit=removed)
    for word in ("failed", "running", "failed"):
        agent.hear(word)
    assert len(agent.state.firings.list()) == 2
    for firing in agent.state.firings.list():
        assert [step.state for step in firing.steps] == ["failed", "intended"]
        assert firing.steps[0].text == "There is no template train."
        assert firing.steps[0].hint == "jobs templates lists them."
    assert kinds(agent) == [], "what stands below is not done"
    assert len([one for one in told if isinstance(one, Notice)]) == 1
    agent.take_up()
    changed(agent, submit=real)
    agent.hear("running")
    agent.hear("failed")
    assert kinds(agent) == ["submit", "cancel"], "what could not be done is not made up for"
    agent.end()


def test_a_job_that_ended_itself_after_the_warning_is_left_and_no_newer_one_is_stopped(tmp_path):
    rule_in(tmp_path, "- {stop: nightly, warning: 10m}\n")
    agent = Agent(tmp_path)
    agent.hear("failed")
    changed(
        agent,
        job=lambda job_id: job(job_id, JobState.SUCCEEDED if job_id == "j1" else JobState.RUNNING),
        newest_job=lambda name: job("j2", JobState.RUNNING),
    )
    due_now(agent)
    step = only(agent).steps[0]
    assert (step.state, step.text, step.made) == ("done", "The job was over already.", "j1")
    assert kinds(agent) == ["desktop"]
    agent.end()


def test_a_name_that_no_job_has_is_not_told_as_one_that_is_over(tmp_path):
    rule_in(tmp_path, "- {stop: nightly, warning: 10m}\n")
    agent = Agent(tmp_path)
    changed(agent, newest_job=lambda name: None)
    agent.hear("failed")
    step = only(agent).steps[0]
    assert (step.state, step.made) == ("done", None)
    assert step.text == "No job called nightly waits or runs, so none is stopped."
    agent.end()


def test_a_job_that_ends_while_it_is_being_stopped_is_no_failure(warned):
    states = iter([JobState.RUNNING, JobState.SUCCEEDED])

    def over(job_id):
        raise Refused(f"Job {job_id} is over already: succeeded.")

    changed(warned, job=lambda job_id: job(job_id, next(states)), cancel=over)
    due_now(warned)
    assert (only(warned).state, only(warned).steps[0].text) == ("done", "The job was over already.")
    assert kinds(warned) == ["desktop"]


def test_a_stop_that_is_refused_while_the_job_runs_is_told_as_one(warned):
    def refuse(job_id):
        raise Refused(f"Job {job_id} is of another runtime.")

    changed(warned, cancel=refuse)
    due_now(warned)
    assert (only(warned).state, only(warned).steps[0].text) == ("failed", "Job j1 is of another runtime.")


def test_the_job_of_another_user_is_neither_stopped_nor_warned_about(tmp_path):
    agent = Agent(tmp_path)
    asked = []

    def allow(service, verb, arguments):
        asked.append((service, verb, dict(arguments), current_caller().uid))
        if verb == "cancel":
            raise Refused("Job j1 is anna's.", "Ask anna.")

    changed(agent, allow=allow)
    agent.shelf.add(parse_rule(EACH, METRICS), OWNER)
    agent.life.board.put("state/job", "j1", "failed")
    agent.life.look()
    agent.take_up()
    firing = only(agent)
    assert (firing.state, firing.steps[0].text, firing.steps[0].hint) == ("failed", "Job j1 is anna's.", "Ask anna.")
    assert kinds(agent) == [], "nobody was told that it would be stopped"
    assert asked == [("rules", "fire", {"name": "r"}, OWNER), ("jobs", "cancel", {"job_id": "j1"}, OWNER)]
    agent.end()


@pytest.mark.parametrize("verb", ["fire", "cancel"])
def test_a_rules_owner_who_lost_their_right_after_the_warning_stops_nothing(warned, verb):
    def allow(_service, name, _arguments):
        if name == verb:
            raise Refused("uid 64007 may not any more.")

    changed(warned, allow=allow)
    due_now(warned)
    assert (only(warned).state, only(warned).steps[0].text) == ("failed", "uid 64007 may not any more.")
    changed(warned, allow=lambda *_: None)
    warned.take_up()
    assert kinds(warned) == ["desktop"], "it is over, and not tried again when they may once more"


def test_a_job_that_does_something_again_after_the_warning_goes_on_and_is_warned_anew_when_it_stops(warned):
    warned.life.board.put("state/job", "j1", "running")
    warned.life.look()
    due_now(warned)
    assert only(warned).steps[0].text == "The job j1 goes on: what the rule is about was over in time."
    warned.life.board.put("state/job", "j1", "failed")
    warned.life.look()
    newest, _ = warned.state.firings.list()
    assert (newest.state, kinds(warned)) == ("waiting", ["desktop", "desktop"]), "as long again, and not at once"


@pytest.mark.parametrize("then", ["- {stop: each}\n", "- {stop: nightly, warning: 10m}\n"])
def test_a_rule_that_is_paused_after_the_warning_stops_nothing_as_the_warning_says(tmp_path, then):
    agent = Agent(tmp_path)
    head = HEAD if "nightly" in then else EACH.partition("- ")[0]
    agent.shelf.add(parse_rule(head + then, METRICS), os.getuid())
    agent.life.board.put("state/job", "j1", "failed")
    agent.hear("failed")
    (_, told), *_ = agent.outside.done()
    assert ("unless that is over before" in told) == ("each" in then), "only what it is about may save a job"
    agent.shelf.pause("r", is_paused=True)
    due_now(agent)
    assert only(agent).steps[0].text == "The job j1 goes on: the rule was paused meanwhile."
    assert kinds(agent) == ["desktop"]
    agent.end()


def test_a_job_that_nobody_can_ask_about_is_not_stopped_on_a_guess(warned):
    def away(_job_id):
        raise Unavailable("The engine does not answer.")

    changed(warned, job=away)
    due_now(warned)
    assert (only(warned).state, only(warned).steps[0].text) == ("failed", "The engine does not answer.")
    assert kinds(warned) == ["desktop"]
