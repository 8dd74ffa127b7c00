"""Actions that wait: for people, and for the time that a job's owner has; and who may have a command run."""

import os
import stat
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mlops_desk.automation.records.firing import FiringState
from mlops_desk.automation.rules.channels import command, mail
from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import Invalid, Refused
from tests.rule_specs import METRICS
from tests.unit.automation.rules.actions.test_kills import Agent, rule_in


@pytest.fixture(autouse=True)
def asked_by_nobody():
    yield
    set_caller(Caller(os.getuid(), os.getgid(), 1))


def test_what_stands_below_an_approval_waits_for_so_many_different_people(tmp_path):
    rule_in(tmp_path, "- {approval: Train now, people: 2}\n- submit: train\n")
    agent = Agent(tmp_path)
    agent.worker.start()
    agent.hear("failed")
    (firing,) = agent.state.firings.list()
    assert (firing.state, [kind for kind, _ in agent.outside.done()]) == ("waiting", ["desktop"])
    set_caller(Caller(64_001, 1, 1))
    assert agent.worker.answer(firing.id, agree=True, why="fresh data\x1b[31m").state == "waiting"
    with pytest.raises(Refused, match="agreed already"):
        agent.worker.answer(firing.id, agree=True)
    set_caller(Caller(64_002, 1, 1))
    agent.worker.answer(firing.id, agree=True)
    for _ in range(400):
        if agent.state.firings.list()[0].state == "done":
            break
        agent.loop.ending.wait(0.02)
    assert [kind for kind, _ in agent.outside.done()] == ["desktop", "submit"]
    said = [word for step in agent.state.firings.list()[0].steps for word in step.said]
    assert [(one.user, one.agrees) for one in said] == [("uid 64001", True), ("uid 64002", True)]
    assert said[0].why.startswith("fresh data"), said
    assert "\x1b" not in said[0].why
    assert said[1].why == ""
    with pytest.raises(Refused, match="does not wait"):
        agent.worker.answer(firing.id, agree=True)
    agent.end()


def test_who_does_not_agree_ends_it_there(tmp_path):
    rule_in(tmp_path, "- approval: Train now\n- submit: train\n")
    agent = Agent(tmp_path)
    agent.hear("failed")
    (firing,) = agent.state.firings.list()
    assert agent.worker.answer(firing.id, agree=False, why="not today").state == "failed"
    (word,) = [word for step in agent.state.firings.list()[0].steps for word in step.said]
    assert (word.agrees, word.why) == (False, "not today")
    agent.take_up()
    assert [kind for kind, _ in agent.outside.done()] == ["desktop"]
    agent.end()


def due_now(agent):
    """Let the time be over that a job's owner has."""
    (firing,) = agent.state.firings.list()
    steps = (replace(firing.steps[0], due_at=1.0), *firing.steps[1:])
    agent.act([replace(firing, steps=steps)])


@pytest.mark.parametrize("set_by", [86_400.0, -86_400.0])
def test_a_jobs_owner_has_the_time_that_they_were_told_whatever_the_clock_is_set_to(tmp_path, monkeypatch, set_by):
    text = "apiVersion: mlops-desk/v1\nkind: Rule\nname: r\nwhen: {state: job, is: [failed]}\nthen:\n- {stop: each}\n"
    agent = Agent(tmp_path)
    agent.worker.start()
    agent.shelf.add(parse_rule(text, METRICS), os.getuid())
    agent.life.board.put("state/job", "j1", "failed")
    agent.life.look()
    real, up = time.time(), time.monotonic()
    clocks = SimpleNamespace(time=lambda: real + set_by, monotonic=lambda: up + 590.0)
    monkeypatch.setattr("mlops_desk.automation.rules.actions.worker.time", clocks)
    agent.worker._look_due()
    agent.take_up()
    assert ["cancel", "j1"] not in agent.outside.done()
    clocks.monotonic = lambda: up + 601.0
    agent.worker._look_due()
    for _ in range(400):
        if ["cancel", "j1"] in agent.outside.done():
            break
        agent.loop.ending.wait(0.02)
    assert ["cancel", "j1"] in agent.outside.done()
    agent.end()


@pytest.mark.parametrize(("word", "cancelled"), [("failed", True), ("running", False), (None, False)])
def test_a_job_is_stopped_after_its_owner_was_told_unless_what_the_rule_is_about_is_over(tmp_path, word, cancelled):
    text = "apiVersion: mlops-desk/v1\nkind: Rule\nname: r\nwhen: {state: job, is: [failed]}\nthen:\n- {stop: each}\n"
    agent = Agent(tmp_path)
    agent.shelf.add(parse_rule(text, METRICS), os.getuid())
    agent.life.board.put("state/job", "j1", "failed")
    agent.life.look()
    (firing,) = agent.state.firings.list()
    assert (firing.subject, firing.state, firing.steps[0].made) == ("j1", "waiting", "j1")
    agent.life.board.put("state/job", "j1", word)
    agent.life.look()
    assert [kind for kind, _ in agent.outside.done()] == ["desktop"]
    due_now(agent)
    assert (["cancel", "j1"] in agent.outside.done()) is cancelled
    assert agent.state.firings.list()[0].state == "done"
    agent.end()


def test_a_command_is_run_for_the_agents_own_user_alone_and_only_what_nobody_else_may_write(tmp_path):
    with pytest.raises(Refused, match="own user"):
        command.may_command(os.getuid() + 1)
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(Invalid, match="no program"):
        command.check(str(program), os.getuid())
    program.chmod(0o722)
    with pytest.raises(Refused, match="written by others"):
        command.check(str(program), os.getuid())
    program.chmod(0o700)
    command.check(str(program), os.getuid())
    tmp_path.chmod(tmp_path.stat().st_mode | stat.S_IWOTH)
    with pytest.raises(Refused, match="written by others"):
        command.check(str(program), os.getuid())
    with pytest.raises(Invalid, match="absolute"):
        command.check("program", os.getuid())


SERVER = mail.MailServer("mail.example:2525", "starttls", "desk@example.org", ("ann@example.org",))


def test_nothing_of_a_text_becomes_a_header_and_a_repetition_has_the_same_id():
    one = mail.letter(SERVER, "hot\r\nBcc: eve@example.org", "body", "k/1", 0.0)
    again = mail.letter(SERVER, "hot", "body", "k/1", 9.0)
    other = mail.letter(SERVER, "hot", "body", "k/2", 0.0)
    assert one["Bcc"] is None
    assert one["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert (SERVER.host, SERVER.port) == ("mail.example", 2525)
    assert replace(SERVER, address="mail.example").port == 587


def test_a_login_is_not_sent_without_encryption():
    letter = mail.letter(SERVER, "hot", "body", "k", 0.0)
    with pytest.raises(Refused, match="without encryption"):
        mail.send(replace(SERVER, security="none", login="ann:secret"), letter)
    with pytest.raises(Invalid, match="No mail server"):
        mail.send(replace(SERVER, address=""), letter)


def test_an_alert_is_raised_for_the_thing_while_the_rule_holds_for_it(tmp_path):
    text = (
        "apiVersion: mlops-desk/v1\nkind: Rule\nname: bad\nwhen: {state: job, is: [failed]}\nthen:\n- {alert: alert}\n"
    )
    agent = Agent(tmp_path)
    raised = []
    object.__setattr__(agent.worker._doing.house, "raise_alert", lambda alert: raised.append(alert) or alert)
    one = agent.shelf.add(parse_rule(text, METRICS), os.getuid())
    assert agent.life.stands(one.written.id, "j1") is None, "nobody has looked since the rule was made"
    agent.life.board.put("state/job", "j1", "failed")
    agent.life.look()
    (alert,) = raised
    assert (alert.rule, alert.level, alert.device, alert.subject) == ("rules/bad", "alert", "j1", "j1")
    assert alert.text == "When each job is failed: raise an alert until it is over."
    assert agent.life.stands(one.written.id, "j1") is True
    assert agent.life.stands(one.written.id, "j2") is False, "of what nobody has heard it does not hold"
    agent.life.board.put("state/job", "j1", "running")
    agent.life.look()
    assert agent.life.stands(one.written.id, "j1") is False
    (firing,) = agent.state.firings.list()
    intended = FiringState.INTENDED
    agent.worker.do(replace(firing, state=intended, steps=(replace(firing.steps[0], state=intended),)))
    assert len(raised) == 1, "it was over before it could be raised"
    agent.life.board.put("state/job", "j1", None)
    agent.life.look()
    assert agent.life.stands(one.written.id, "j1") is None
    agent.end()


def test_what_holds_when_a_rule_goes_on_sets_it_off_also_where_it_did_before_the_pause(tmp_path):
    rule_in(tmp_path, "- submit: train\n")
    agent = Agent(tmp_path)
    name = agent.shelf.all()[0].written.name
    agent.hear("failed")
    agent.shelf.pause(name, is_paused=True)
    agent.life.look()
    agent.end()
    agent = Agent(tmp_path)
    agent.hear("failed")
    assert len(agent.state.firings.list()) == 1, "it is paused"
    agent.shelf.pause(name, is_paused=False)
    agent.life.look()
    assert [firing.number for firing in agent.state.firings.list()] == [2, 1]
    agent.life.look()
    assert len(agent.state.firings.list()) == 2
    agent.end()
