"""An agent is killed by -9 before and after everything that a rule does: the next one does what is left, and nothing twice."""

import json
import os
import shutil
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState
from mlops_desk.automation.records.rule_state import RuleClock
from mlops_desk.automation.rules.actions.actions import RuleDeeds
from mlops_desk.automation.rules.actions.cycle_guard import RuleChain
from mlops_desk.automation.rules.actions.notifications import RuleTelling
from mlops_desk.automation.rules.actions.worker import FiringWorker
from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.automation.rules.live.rule_loop import LifeParts, RuleLife
from mlops_desk.automation.rules.storage.rule_repository import RuleShelf
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.event import FiringChanged, Notice
from mlops_desk.serving.records.endpoint import EndpointState
from tests.rule_house import action_house
from tests.rule_specs import METRICS

HEAD = "apiVersion: mlops-desk/v1\nkind: Rule\nname: r\nwhen: {state: job, of: nightly, is: [failed]}\nthen:\n"


@dataclass
class Deadly:
    """Kills this process before the step number ``left``."""

    left: int

    def step(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


class Outside:
    """What is outside of the agent and outlives it: a file with each thing that was really done."""

    def __init__(self, path, deadly):
        self.path, self.deadly = path, deadly

    def done(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def do(self, *what):
        self.deadly.step()
        with self.path.open("a") as file:
            file.write(json.dumps(what) + "\n")
        self.deadly.step()

    def submit(self, template, params, origin, _chain):
        self.do("submit", origin)
        return self.job_of_origin(origin)

    def job_of_origin(self, origin):
        found = [origin for kind, origin in self.done() if kind == "submit"]
        return job("made", JobState.QUEUED) if origin in found else None

    def cancel(self, job_id):
        self.do("cancel", job_id)
        return job(job_id, JobState.CANCELLED)

    def job(self, job_id):
        cancelled = ["cancel", job_id] in self.done()
        return job(job_id, JobState.CANCELLED if cancelled else JobState.RUNNING)

    def endpoint(self, name):
        paused = ["pause", name] in self.done() or None
        back = sum(what == ["back", name] for what in self.done())
        revisions = (SimpleNamespace(revision=5 - back, traffic=100.0),)
        return SimpleNamespace(name=name, state=EndpointState.LIVE, revisions=revisions, paused=paused)

    def raise_alert(self, alert):
        if ["alert", alert.id] not in self.done():
            self.do("alert", alert.id)
        return alert

    def retrain(self, rule, trigger, data, retraining_id, _chain):
        if ["retrain", retraining_id] not in self.done():
            self.do("retrain", retraining_id)
        return Retraining(retraining_id, rule.name, RetrainState.TRAINING, trigger, "job", "1", 0.9)


def job(job_id, state):
    return Job(job_id, "nightly", state, JobSpec("nightly", "image"), 0.0, 0, "me")


class Stepped:
    """The tables of rules, each write of which is a step before and after."""

    def __init__(self, tables, deadly):
        self._tables, self._deadly = tables, deadly

    def __getattr__(self, name):
        found = getattr(self._tables, name)
        if name not in {"keep", "firings"}:
            return found
        if name == "firings":
            return _Firings(found, self._deadly)

        def keep(*given):
            self._deadly.step()
            found(*given)
            self._deadly.step()

        return keep


class _Firings:
    def __init__(self, table, deadly):
        self._table, self._deadly = table, deadly

    def __getattr__(self, name):
        return getattr(self._table, name)

    def put(self, record):
        self._deadly.step()
        self._table.put(record)
        self._deadly.step()


class Agent:
    """One life of an agent."""

    def __init__(self, folder, at=-1):
        self.deadly = Deadly(at)
        self.outside = Outside(folder / "outside", self.deadly)
        self.state = State(folder / "state.db")
        self.loop, self.bus = Loop("test"), Bus()
        self.shelf = RuleShelf(Stepped(self.state.rule_tables, self.deadly), METRICS)
        self.life = RuleLife(self.shelf, LifeParts(lambda _, name: name, self.act))
        outside = self.outside
        house = action_house(
            notice=lambda notice: outside.do("desktop", notice.text),
            webhook=lambda told, key: outside.do("webhook", key),
            email=lambda subject, text, key: outside.do("email", key),
            command=lambda told, uid: outside.do("command", told["key"]),
            submit=outside.submit,
            job_of_origin=outside.job_of_origin,
            job=outside.job,
            newest_job=lambda name: outside.job("j1"),
            cancel=outside.cancel,
            endpoint=outside.endpoint,
            raise_alert=outside.raise_alert,
            pause_endpoint=lambda name, why: outside.do("pause", name),
            roll_back=lambda name: outside.do("back", name),
        )
        deeds = RuleDeeds(
            house, RuleTelling(house, lambda _: True), outside.retrain, RuleChain(outside.job, self.state.firings.get)
        )
        shown = lambda rule_id: self.shelf.kept(self.shelf.of_id(rule_id))  # noqa: E731 - one of seven arguments
        self.worker = FiringWorker(
            self.shelf, deeds, self.loop, shown, self.life.holds, self.bus.publish, self.life.came_to_nothing
        )

    def act(self, firings):
        for firing in firings:
            self.worker.do(firing)

    def take_up(self):
        """Do what an earlier agent has left, as ``start`` does, but here."""
        self.act(self.state.firings.list(states=("intended", "waiting"), newest_first=False))

    def hear(self, word):
        self.life.board.put("state/job/named", "nightly", word)
        self.life.look()

    def end(self):
        self.loop.stop()
        self.state.close()


def killed_at(folder, number):
    """Let a rule fire in an agent that is killed before a step; tell whether it got that far."""
    child = os.fork()
    if child == 0:
        try:
            agent = Agent(folder, number)
            agent.hear("running")
            agent.hear("failed")
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def rule_in(folder, then):
    first = Agent(folder)
    first.shelf.add(parse_rule(HEAD + then, METRICS), os.getuid())
    first.end()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("then", "kind", "most"),
    [
        ("- submit: train\n", "submit", 1),
        ("- {retrain: digits, metric: accuracy}\n", "retrain", 1),
        ("- {stop: nightly, warning: 0s}\n", "cancel", 1),
        ("- alert: warning\n", "alert", 1),
        ("- pause: front\n", "pause", 1),
        ("- rollBack: front\n", "back", 1),
        ("- notify: [command]\n", "command", 1),
        ("- notify: [webhook]\n", "webhook", 2),  # with the same key, by which who gets it knows a repetition
        ("- notify: [email]\n", "email", 2),  # likewise
    ],
)
def test_each_action_is_done_once_wherever_the_agent_is_killed(tmp_path, then, kind, most):
    number = 0
    made = tmp_path / "made"
    made.mkdir()
    rule_in(made, then)
    while True:
        folder = Path(shutil.copytree(made, tmp_path / str(number)))
        was_killed = killed_at(folder, number)
        agent = Agent(folder)
        agent.take_up()
        agent.hear("failed")  # what the next agent sees first: it goes on
        done = [tuple(what) for what in agent.outside.done() if what[0] == kind]
        firings = agent.state.firings.list()
        told = number, [(one.state, one.steps[0].text) for one in firings]
        assert len(firings) == 1, told
        assert len(set(done)) <= 1, told
        assert len(done) <= most, told
        assert firings[0].state in {"done", "unknown"}, told
        if firings[0].state == "unknown":
            assert kind == "command"
        else:
            assert len(done) >= 1, told
        agent.end()
        if not was_killed:
            return
        number += 1
        assert number < 40


def test_a_command_of_which_nobody_knows_whether_it_ran_is_told_as_unknown_and_not_run(tmp_path):
    rule_in(tmp_path, "- notify: [command]\n- submit: train\n")
    agent = Agent(tmp_path)
    agent.hear("failed")
    (firing,) = agent.state.firings.list()
    begun = replace(firing.steps[0], state="intended", ended_at=None, text=None)
    later = replace(firing.steps[1], state="intended", begun_at=None, made=None)
    agent.state.firings.put(replace(firing, steps=(begun, later), state="intended"))
    agent.outside.path.unlink()
    agent.take_up()
    (firing,) = agent.state.firings.list()
    assert [step.state for step in firing.steps] == ["unknown", "done"]
    assert "not run again" in firing.steps[0].text
    assert [kind for kind, _ in agent.outside.done()] == ["desktop", "submit"]  # the trouble is told, and it goes on
    agent.end()


def test_what_can_not_be_stored_is_not_done_and_is_done_once_it_can(tmp_path, monkeypatch):
    rule_in(tmp_path, "- submit: train\n")
    agent = Agent(tmp_path)
    real = agent.state.rule_tables.keep
    full = [True]

    def keep(*given):
        if full[0]:
            raise Unavailable("The disk is full.")
        real(*given)

    monkeypatch.setattr(agent.state.rule_tables, "keep", keep)
    agent.hear("failed")
    agent.life.look()
    assert (agent.state.firings.list(), agent.outside.done()) == ([], [])
    full[0] = False
    agent.life.look()
    agent.life.look()
    assert len(agent.state.firings.list()) == 1
    assert len(agent.outside.done()) == 1
    agent.end()


def test_an_action_that_fails_ends_the_firing_and_is_told_once(tmp_path):
    rule_in(tmp_path, "- {stop: nightly, warning: 0s}\n- submit: train\n")
    agent = Agent(tmp_path)
    told = []
    agent.worker._published = told.append
    agent.outside.cancel = None

    def refuse(*_):
        raise Unavailable("The engine does not answer.", "Start it.")

    agent.worker._doing = replace(agent.worker._doing, house=replace(agent.worker._doing.house, cancel=refuse))
    for word in ("failed", "running", "failed"):
        agent.hear(word)
    found = agent.state.firings.list()
    assert [one.state for one in found] == ["failed", "failed"]
    assert [step.state for step in found[0].steps] == ["failed", "intended"]
    assert found[0].steps[0].hint == "Start it."
    notices = [one for one in told if isinstance(one, Notice)]
    assert len(notices) == 1
    assert "could not stop the job nightly" in notices[0].text
    firings = [one.firing for one in told if isinstance(one, FiringChanged)]
    assert [one.state for one in firings] == ["intended", "failed", "intended", "failed"]
    agent.end()


@pytest.mark.slow
def test_the_clock_that_is_set_fires_no_schedule(tmp_path):
    text = HEAD.replace("{state: job, of: nightly, is: [failed]}", "{cron: 0 2 * * *}") + "- submit: train\n"
    agent = Agent(tmp_path)
    agent.shelf.add(parse_rule(text, METRICS), os.getuid())
    now = [1_790_000_000.0, 100.0]
    object.__setattr__(agent.life._parts, "clock", lambda: RuleClock(now[0], now[1], "boot"))
    agent.life.look()
    now[0] += 86_400.0
    now[1] += 1.0
    agent.life.look()
    assert agent.outside.done() == []
    for _ in range(288):  # a day in steps of five minutes
        now[0] += 300.0
        now[1] += 300.0
        agent.life.look()
    assert len(agent.outside.done()) == 1
    agent.end()
