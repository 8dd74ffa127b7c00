"""Rules whose work sets them off again: by their own job, by that of one another, and by ways that nobody can see."""

import os
from dataclasses import replace

import pytest

from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState
from mlops_desk.automation.rules.actions.actions import RuleDeeds
from mlops_desk.automation.rules.actions.cycle_guard import RuleChain
from mlops_desk.automation.rules.actions.notifications import RuleTelling
from mlops_desk.automation.rules.actions.worker import FiringWorker
from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.automation.rules.live.rule_loop import LifeParts, RuleLife
from mlops_desk.automation.rules.storage.rule_repository import RuleShelf
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.state import State
from tests.rule_house import action_house
from tests.rule_specs import METRICS

HEAD = "apiVersion: mlops-desk/v1\nkind: Rule\n"
EACH = HEAD + "name: {}\nwhen: {{state: job, is: [{}]}}\nthen: [{{submit: tiny}}]\n"


class Machine:
    """Jobs that are over at once; each one that is submitted is heard of at the next look."""

    def __init__(self, folder, *documents):
        self.state = State(folder / "state.db")
        self.loop = Loop("test")
        self.shelf = RuleShelf(self.state.rule_tables, METRICS)
        self.life = RuleLife(self.shelf, LifeParts(lambda _, name: name, self.act))
        self.jobs: dict[str, Job] = {}
        self.notices: list[str] = []
        self.retrained: list[str] = []
        self.chains: list[int] = []
        self.ends_in = JobState.SUCCEEDED
        house = action_house(
            submit=lambda template, _params, origin, chain: self.job(template, origin, chain=chain),
            job_of_origin=lambda origin: next((job for job in self.jobs.values() if job.origin == origin), None),
            notice=lambda notice: self.notices.append(notice.text),
        )
        deeds = RuleDeeds(
            house, RuleTelling(house, lambda _: True), self.retrain, RuleChain(self.found, self.state.firings.get)
        )
        shown = lambda rule_id: self.shelf.kept(self.shelf.of_id(rule_id))  # noqa: E731 - one of seven arguments
        told = lambda notice: self.notices.append(getattr(notice, "text", ""))  # noqa: E731 - likewise
        self.worker = FiringWorker(
            self.shelf, deeds, self.loop, shown, self.life.holds, told, self.life.came_to_nothing
        )
        for document in documents:
            self.shelf.add(parse_rule(document, METRICS), os.getuid())

    def act(self, firings):
        for firing in firings:
            self.worker.do(firing)

    def found(self, job_id):
        if job_id not in self.jobs:
            raise NotFound("no job")
        return self.jobs[job_id]

    def retrain(self, rule, trigger, data, retraining_id, chain):
        self.retrained.append(retraining_id)
        self.chains.append(chain)
        return Retraining(retraining_id, rule.name, RetrainState.TRAINING, trigger, "job", "1", 0.9)

    def job(self, name, origin=None, state=None, chain=0):
        number = len(self.jobs)
        job = Job(f"{number:012x}", name, state or self.ends_in, JobSpec(name, "image"), float(number), 0, "me")
        self.jobs[job.id] = replace(job, origin=origin, chain=chain)
        self.life.hearing.job(self.jobs[job.id])
        return self.jobs[job.id]

    def end(self):
        """Have all jobs that are queued succeed."""
        for job in [one for one in self.jobs.values() if not one.state.is_final]:
            self.jobs[job.id] = replace(job, state=JobState.SUCCEEDED)
            self.life.hearing.job(self.jobs[job.id])

    def go_round(self, n):
        """Look and let jobs end, so many times."""
        for _ in range(n):
            self.looks(2)  # at what it sets off, too: of a job that ends between two looks no name is news
            self.end()

    def looks(self, n):
        for _ in range(n):
            self.life.look()


@pytest.fixture
def machine(tmp_path):
    made = []

    def make(*documents):
        made.append(Machine(tmp_path, *documents))
        return made[0]

    yield make
    assert made[0].loop.stop() == []
    made[0].state.close()


def test_a_rule_for_each_job_fires_once_for_one_and_never_for_its_own(machine):
    world = machine(EACH.format("again", "succeeded"))
    world.job("mine")
    world.job("mine")
    world.looks(9)
    assert [job.name for job in world.jobs.values()] == ["mine", "mine", "tiny", "tiny"]
    firings = world.state.firings.list(newest_first=False)
    assert sorted(one.subject for one in firings) == sorted(world.jobs)
    assert {one.state for one in firings} == {"done"}
    assert firings[-1].steps[0].text == f"No job is queued: {firings[-1].subject} is of this rule itself."


def test_two_rules_that_set_off_one_another_end_where_one_would_come_again(machine):
    world = machine(EACH.format("one", "succeeded"), EACH.format("two", "succeeded"))
    world.job("mine")
    world.looks(20)
    assert len(world.jobs) == 5  # of mine two, and of each of these the other rule's


def test_a_person_may_have_one_queued_all_the_same(machine):
    world = machine(EACH.format("again", "succeeded"))
    world.job("mine")
    world.looks(3)
    own = list(world.jobs)[-1]
    firing = world.life.fire(world.shelf.all()[0], own, "by me", ())
    assert world.worker.do_now(firing).steps[0].text.startswith("The job ")
    assert len(world.jobs) == 3


def test_a_job_of_a_retraining_sets_off_no_other(machine):
    then = "then: [{retrain: digits, metric: accuracy}]\n"
    world = machine(HEAD + "name: train\nwhen: {state: job, is: [succeeded]}\n" + then)
    world.job("train", "retraining:abc/2")
    world.looks(3)
    assert (world.retrained, world.state.firings.list()[0].state) == ([], "done")
    world.job("mine")
    world.looks(3)
    assert len(world.retrained) == 1


@pytest.mark.slow
def test_what_goes_round_by_a_name_ends_before_it_has_filled_the_queue(machine):
    world = machine(HEAD + "name: round\nwhen: {state: job, of: tiny, is: [failed]}\nthen: [{submit: tiny}]\n")
    world.ends_in = JobState.FAILED
    world.job("tiny")
    for _ in range(150):
        world.life.look()
        world.job("tiny", state=JobState.RUNNING)  # of that name another one, so that what comes next is news
        world.life.look()
        world.job("tiny")
    refused = [one for one in world.state.firings.list(limit=1000) if one.state == "failed"]
    assert len(world.state.firings.list(limit=1000)) - len(refused) == 100
    assert "It fired 100 times within an hour" in refused[0].steps[0].text
    assert sum("nothing more is begun" in text for text in world.notices) == 1


NAMED = HEAD + "name: {}\nwhen: {}\nthen: [{{submit: {}}}]\n"


def after(job):
    return f"{{state: job, of: {job}, is: [succeeded]}}"


def test_a_chain_that_goes_round_by_names_ends_after_five_rules_and_says_why(machine):
    world = machine(NAMED.format("ping", after("b"), "a"), NAMED.format("pong", after("a"), "b"))
    world.ends_in = JobState.QUEUED
    world.job("a")
    world.go_round(20)
    assert [(job.name, job.chain) for job in world.jobs.values()] == [
        ("a", 0), ("b", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5),
    ]  # fmt: skip
    last = world.state.firings.list()[0]
    assert (last.rule, last.chain, last.state) == ("ping", 5, "failed")
    assert last.steps[0].text.startswith("5 rules stand before it, each set off by a job of the one before")
    assert last.steps[0].hint == "mlops-desk rules fire ping does it all the same, once."
    assert sum("nothing more is begun" in text for text in world.notices) == 1


def test_a_persons_word_begins_a_chain_anew(machine):
    world = machine(NAMED.format("ping", after("b"), "a"), NAMED.format("pong", after("a"), "b"))
    world.ends_in = JobState.QUEUED
    world.job("a")
    world.go_round(20)
    ping = next(one for one in world.shelf.all() if one.written.name == "ping")
    firing = world.life.fire(ping, "", "by me", ())
    world.worker.do_now(firing)
    assert [*world.jobs.values()][-1].chain == 1
    world.go_round(20)
    assert len(world.jobs) == 6 + 5


def test_a_chain_goes_on_over_a_job_of_each_and_a_name(machine):
    named = NAMED.format("second", after("tiny"), "other")
    world = machine(EACH.format("first", "failed"), named)
    world.ends_in = JobState.QUEUED
    job = world.job("mine")
    world.jobs[job.id] = replace(job, state=JobState.FAILED)
    world.life.hearing.job(world.jobs[job.id])
    world.go_round(5)
    assert [(job.name, job.chain) for job in world.jobs.values()] == [("mine", 0), ("tiny", 1), ("other", 2)]


def test_what_a_moment_has_set_off_begins_a_chain_anew_however_its_jobs_came_about(machine):
    manual = "{and: [{cron: '* * * * *', zone: UTC}, " + after("a") + "]}"
    world = machine(NAMED.format("daily", manual, "a"))
    wall = [world.life._parts.clock()]
    world.life._parts = replace(world.life._parts, clock=lambda: wall[0])
    world.ends_in = JobState.QUEUED
    world.job("a")
    world.end()
    for _ in range(10):
        world.go_round(1)
        now = wall[0]
        wall[0] = replace(now, wall=now.wall + 60, uptime_seconds=now.uptime_seconds + 60)
    assert len(world.jobs) > 8
    assert {job.chain for job in [*world.jobs.values()][1:]} == {1}


def test_what_another_thing_sets_off_is_in_no_chain_though_its_own_job_is_named_beside(machine):
    both = "{and: [{state: endpoint, of: e, is: [stopped]}, " + after("a") + "]}"
    world = machine(NAMED.format("tidy", both, "a"))
    world.ends_in = JobState.QUEUED
    world.job("a")
    world.go_round(1)
    for _ in range(8):
        for state in ("live", "stopped"):
            world.life.board.put("state/endpoint", "e", state)
            world.looks(2)
        world.life.board.put("state/endpoint", "e", "live")
        world.looks(2)
        world.end()
    assert [job.chain for job in world.jobs.values()] == [0] + [1] * 8


def test_a_retraining_has_the_chain_of_what_set_it_off(machine):
    then = "then: [{retrain: digits, metric: accuracy}]\n"
    world = machine(NAMED.format("first", after("mine"), "a"), HEAD + f"name: train\nwhen: {after('a')}\n" + then)
    world.ends_in = JobState.QUEUED
    world.job("mine")
    world.go_round(4)
    assert world.chains == [2]
