"""One action at a time: what is asked of whoever may, what is found again, who is told, and by which ways."""

import os
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.automation.records.actions import (
    AlertAction,
    ApprovalAction,
    CiAction,
    NotifyAction,
    PauseEndpointAction,
    RetrainAction,
    RollBackAction,
    RuleAction,
    StopJobAction,
    SubmitAction,
)
from mlops_desk.automation.records.firing import FiringState, FiringStep, KeptFiring, PushedRef
from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState
from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.automation.rules.actions.action_run import Deed
from mlops_desk.automation.rules.actions.actions import RuleDeeds
from mlops_desk.automation.rules.actions.cycle_guard import RuleChain
from mlops_desk.automation.rules.actions.notifications import RuleTelling
from mlops_desk.automation.rules.actions.outcome import Became
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from mlops_desk.serving.records.endpoint import EndpointState
from tests.rule_house import action_house

PUSHED = (PushedRef("/srv/iris.git", "refs/heads/main", "c0ffee"),)
RULE = KeptRule("r", sentence="It is hot.")


def job(job_id: str = "j1", state: JobState = JobState.RUNNING, origin: str | None = None) -> Job:
    return Job(job_id, "nightly", state, JobSpec("nightly", "image"), 0.0, 0, "me", origin=origin)


def endpoint(*shares: tuple[int, float], state: EndpointState = EndpointState.LIVE) -> Any:
    revisions = tuple(SimpleNamespace(revision=number, traffic=traffic) for number, traffic in shares)
    return SimpleNamespace(name="front", state=state, revisions=revisions, paused=None)


class House:
    """Notes what is asked of it; every deed works unless a test says otherwise."""

    def __init__(self, **ways: Any) -> None:
        self.done: list[str] = []
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.notices: list[Any] = []
        self.chains: list[int] = []
        self.jobs = {"j1": job(), "made": job("made", JobState.QUEUED)}
        told = {
            "allow": lambda service, verb, given: self.asked.append((service, verb, dict(given))),
            "notice": self.notices.append,
            "job": lambda job_id: self.jobs[job_id],
            "newest_job": lambda _name: self.jobs["j1"],
            "job_of_origin": lambda _origin: None,
            "submit": self._does("submit", self.jobs["made"]),
            "cancel": self._does("cancel", self.jobs["j1"]),
            "run_pushed": self._does("run", SimpleNamespace(id="run-1", ref="main")),
            "endpoint": lambda _name: endpoint((5, 100.0)),
            "pause_endpoint": self._does("pause", endpoint((5, 100.0))),
            "roll_back": self._does("back", endpoint((4, 100.0))),
            **ways,
        }
        house = action_house(**told)
        self.pauses: list[float] = []
        telling = RuleTelling(house, lambda seconds: self.pauses.append(seconds) or False)  # type: ignore[func-returns-value]  # False says that the agent goes on
        chain = RuleChain(self._found, lambda _id: None)
        self.deeds = RuleDeeds(house, telling, self._retrained, chain)

    def _does(self, what: str, answer: Any) -> Callable[..., Any]:
        def do(*_given: object) -> Any:
            self.done.append(what)
            return answer

        return do

    def _found(self, job_id: str) -> Job:
        if job_id not in self.jobs:
            raise NotFound("no job")
        return self.jobs[job_id]

    def _retrained(self, rule: Any, trigger: str, _data: object, retraining_id: str, chain: int) -> Retraining:
        self.done.append("retrain")
        self.chains.append(chain)
        return Retraining(retraining_id, rule.name, RetrainState.TRAINING, trigger, "job", "1", 0.9)

    def do(self, action: RuleAction, **given: Any) -> Became:
        return self.deeds.do(action, deed(**given))


def deed(
    *, subject: str = "j1", again: bool = False, rule: Any = RULE, holds: bool | None = True, by_hand: bool = False,
    number: int = 0, **step: Any,
) -> Deed:  # fmt: skip
    steps = tuple(FiringStep("Action", "do it", **step) for _ in range(number + 1))
    firing = KeptFiring(
        "f1", "r", "id-of-r", subject, 1, 7.0, "its condition", steps, created_by=os.getuid(), by_hand=by_hand,
        pushed=PUSHED,
    )  # fmt: skip
    return Deed(firing, number, rule, again, holds)


TRAINS = SimpleNamespace(name="r", sentence="", enabled=True, built_in=False, retraining=SimpleNamespace(name="r"))


@pytest.mark.parametrize(
    ("action", "asked"),
    [
        (SubmitAction("train"), ("jobs", "submit", {})),
        (StopJobAction(0.0), ("jobs", "cancel", {"job_id": "j1"})),
        (StopJobAction(600.0), ("jobs", "cancel", {"job_id": "j1"})),
        (CiAction("mlops-desk.yaml"), ("ci", "run", {})),
        (PauseEndpointAction("front"), ("endpoints", "pause", {"name": "front", "why": "the rule r says so."})),
        (RollBackAction("front"), ("endpoints", "rollback", {"name": "front"})),
    ],
)
def test_nothing_is_done_and_nobody_warned_for_whoever_may_not(action: RuleAction, asked: tuple[object, ...]) -> None:
    house = House()
    house.do(action)
    assert (house.asked, bool(house.done or house.notices)) == ([asked], True)

    def forbid(*_: object) -> None:
        raise Refused("They may not any more.")

    house = House(allow=forbid)
    with pytest.raises(Refused, match="may not any more"):
        house.do(action)
    assert (house.done, house.notices) == ([], [])


def test_a_push_runs_what_was_pushed_and_without_one_nothing_is_run() -> None:
    house = House()
    assert house.do(CiAction("mlops-desk.yaml")).made == "run-1"
    bare = deed()
    with pytest.raises(Refused, match="Nothing was pushed"):
        house.deeds.do(CiAction("mlops-desk.yaml"), replace(bare, firing=replace(bare.firing, pushed=())))
    assert house.done == ["run"]


def test_what_an_alert_of_its_own_tells_is_told_once() -> None:
    raised: list[Any] = []
    house = House(raise_alert=lambda alert: raised.append(alert) or alert)
    own = replace(RULE, built_in=True)
    assert house.do(AlertAction(), rule=own).text == "Its alert fires by itself."
    assert raised == []
    for subject in ("j1", "j2", ""):
        house.do(AlertAction(), subject=subject)
    assert [one.device for one in raised] == ["j1", "j2", "r"]


def test_a_retraining_sets_off_none_though_an_agent_died_on_the_way_to_it() -> None:
    house = House()
    house.jobs["j1"] = job(origin="retraining:abc/2")
    action = RetrainAction("digits", "accuracy")
    for again in (False, True):
        told = house.do(action, rule=TRAINS, again=again)
        assert told.text == "Nothing is trained again: j1 is of a retraining itself."
    assert (house.done, house.notices) == ([], [])
    assert house.do(action, rule=TRAINS, by_hand=True).made
    assert (house.done, house.chains) == (["retrain"], [1]), "one rule stands behind its job"


def test_only_who_begins_a_retraining_tells_of_it() -> None:
    house = House()
    made = [house.do(RetrainAction("digits", "accuracy"), rule=TRAINS, again=again).made for again in (False, True)]
    assert made[0] == made[1]
    assert [one.text for one in house.notices] == ["The rule r retrains digits@champion: its condition."]


def test_a_job_that_is_stopped_at_once_is_stopped_also_where_nobody_knows_whether_it_still_holds() -> None:
    house = House()
    assert house.do(StopJobAction(0.0), holds=None).state is FiringState.DONE
    assert (house.done, house.notices) == (["cancel"], [])


@pytest.mark.parametrize(
    ("holds", "by_hand", "goes"), [(False, True, ["cancel"]), (None, True, ["cancel"]), (True, False, ["cancel"])]
)
def test_what_a_person_stops_by_hand_is_stopped_whatever_holds(
    holds: bool | None, by_hand: bool, goes: list[str]
) -> None:
    house = House()
    house.do(StopJobAction(600.0), holds=holds, by_hand=by_hand, due_at=1.0, made="j1")
    assert house.done == goes


def test_a_stopped_endpoint_is_left_as_that() -> None:
    house = House(endpoint=lambda _name: endpoint((5, 100.0), state=EndpointState.STOPPED))
    assert house.do(PauseEndpointAction("front")).text == "The endpoint front was stopped already."
    assert (house.done, house.asked) == ([], [])


def test_a_roll_back_that_an_earlier_agent_made_is_not_made_twice_and_one_that_it_did_not_begin_is() -> None:
    house = House(endpoint=lambda _name: endpoint((4, 0.0), (5, 90.0), (6, 10.0)))
    assert house.deeds.before(RollBackAction("front")) == "5:90 6:10"
    assert house.do(RollBackAction("front"), again=True, made="5:90 6:10").made == "5:90 6:10"
    assert house.done == ["back"]
    assert (
        house.do(RollBackAction("front"), again=True, made="6:100").text == "The endpoint front had gone back already."
    )
    assert house.done == ["back"]
    house = House(endpoint=lambda _name: endpoint((4, 100.0), (5, 0.0)))
    assert house.deeds.before(RollBackAction("front")) == "4:100"


def test_people_are_asked_once() -> None:
    house = House()
    for again in (False, True):
        assert house.do(ApprovalAction("Train now?", 2), again=again).state is FiringState.WAITING
    assert [one.text for one in house.notices] == ["The rule r waits for 2 people: Train now?"]


# -- telling -----------------------------------------------------------------------------------


class Ways:
    """Ways to people: each fails so many times before it works."""

    def __init__(self, **fails: int) -> None:
        self.left = fails
        self.told: list[tuple[str, Any]] = []
        self.house = House(
            webhook=lambda told, key: self._go("webhook", (key, told)),
            email=lambda subject, text, key: self._go("email", (key, subject, text)),
            command=lambda told, uid: self._go("command", (uid, told)),
        )

    def _go(self, way: str, what: Any) -> None:
        self.told.append((way, what))
        if self.left.get(way, 0) > 0:
            self.left[way] -= 1
            raise Unavailable(f"The {way} does not answer.")


def test_a_receiver_that_restarts_is_tried_again_and_a_command_is_not() -> None:
    ways = Ways(webhook=3)
    assert ways.house.do(NotifyAction(("webhook",))).text == "Told by webhook."
    assert (len(ways.told), ways.house.pauses) == (4, [1.0, 5.0, 15.0])
    ways = Ways(command=1)
    told = ways.house.do(NotifyAction(("command",)))
    assert (told.state, len(ways.told), ways.house.pauses) == (FiringState.FAILED, 1, [])
    (notice,) = ways.house.notices
    assert notice.text == "The rule r fired and could not tell of it. command: The command does not answer."


def test_a_trouble_that_lasts_is_told_once_and_again_when_it_has_gone_and_come_back() -> None:
    ways = Ways(command=2)
    for _ in range(3):  # two fail, and the third goes
        ways.house.do(NotifyAction(("command",)))
    assert len(ways.house.notices) == 1
    ways.left["command"] = 1
    ways.house.do(NotifyAction(("command",)))
    assert len(ways.house.notices) == 2


def test_who_is_told_on_the_desktop_hears_of_no_trouble_besides() -> None:
    ways = Ways(email=4)
    told = ways.house.do(NotifyAction(("desktop", "email"), text="Hot"))
    assert (told.state, told.text) == (
        FiringState.FAILED, "Told by desktop, but not by email: The email does not answer.",
    )  # fmt: skip
    assert [one.text for one in ways.house.notices] == ["Hot (j1)"]


def test_people_are_told_what_they_call_a_thing_and_programs_by_what_name_it_goes() -> None:
    documents: list[Any] = []
    house = House(title={"GPU-4c1f": "GPU 3"}.__getitem__, webhook=lambda told, _key: documents.append(told))
    house.do(NotifyAction(("desktop", "webhook"), text="Hot"), subject="GPU-4c1f")
    assert [one.text for one in house.notices] == ["Hot (GPU 3)"]
    assert [(one["text"], one["subject"]) for one in documents] == [("Hot (GPU 3)", "GPU-4c1f")]
    house.do(NotifyAction(("desktop",), text="Hot"), subject="")
    assert house.notices[-1].text == "Hot"


def test_only_a_command_alone_leaves_it_unknown() -> None:
    told = Ways().house.do(NotifyAction(("command",)), again=True)
    assert told.state is FiringState.UNKNOWN
    told = Ways(email=4).house.do(NotifyAction(("command", "email")), again=True)
    assert told.state is FiringState.FAILED, "that the mail did not go is known"


def test_a_repetition_is_known_by_its_action_and_people_read_of_what_thing_it_is() -> None:
    ways = Ways()
    for number in (0, 1):
        ways.house.do(NotifyAction(("webhook", "email", "command")), number=number)
    assert [what[0] for way, what in ways.told if way != "command"] == ["f1/0", "f1/0", "f1/1", "f1/1"]
    assert [what[1]["key"] for way, what in ways.told if way == "command"] == ["f1/0", "f1/1"]
    (subject, text) = next(what[1:] for way, what in ways.told if way == "email")
    assert subject == "[MLOps Desk] The rule r fired. It is hot. (j1)"
    assert text.startswith("The rule r fired. It is hot. (j1)\n\nRule r, ")
    assert next(what[0] for way, what in ways.told if way == "command") == os.getuid()


def test_a_command_of_nobody_is_not_run() -> None:
    ways = Ways()
    nobody = deed()
    told = ways.house.deeds.do(
        NotifyAction(("command",)), replace(nobody, firing=replace(nobody.firing, created_by=None))
    )
    assert (told.state, ways.told) == (FiringState.FAILED, [])


def test_what_is_named_like_the_beginning_of_a_job_is_none() -> None:
    chain = RuleChain(lambda _id: job("abc123", origin="retraining:x"), lambda _id: None)
    assert (chain.is_retraining("abc123"), chain.is_retraining("abc"), chain.is_retraining("")) == (True, False, False)
