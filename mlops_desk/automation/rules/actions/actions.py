"""All other actions. Each one finds again what it has made already, so that doing it once more changes nothing."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_desk.automation.records.actions import (
    AlertAction,
    ApprovalAction,
    CiAction,
    NotifyAction,
    PauseEndpointAction,
    PromoteAction,
    RetrainAction,
    RollBackAction,
    RuleAction,
    StopJobAction,
    SubmitAction,
)
from mlops_desk.automation.records.approval import Approval
from mlops_desk.automation.records.firing import FiringState
from mlops_desk.automation.rules.actions.action_run import Deed
from mlops_desk.automation.rules.actions.cycle_guard import ORIGIN, RuleChain
from mlops_desk.automation.rules.actions.notifications import SOURCE, RuleTelling
from mlops_desk.automation.rules.actions.outcome import Became
from mlops_desk.automation.rules.actions.ports import ActionHouse, Retrains
from mlops_desk.governance.records.policy import PromotionState
from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.document.scalar_types import written_length
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.alert import Alert
from mlops_desk.machine.records.event import Notice
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState

ALERT_PREFIX = "rules/"
"""Before a rule's name in its alerts, so that they have the name of no alert rule."""
_TAGS = "refs/tags/"
_PROMOTES = f"{_TAGS}promote/"
_IDS = uuid.UUID("6a2e6f0e-8a1f-4f0c-9a63-6c1c2d7f6b1d")
"""The space of ids of retrainings: the same firing has the same one."""


def retraining_id(deed: Deed) -> str:
    """Return the id that a firing's retraining has whenever it is begun."""
    return uuid.uuid5(_IDS, deed.key).hex


@dataclass(frozen=True, slots=True)
class RuleDeeds:
    """Does actions as the caller of the context, who has to be allowed what the action's verb does."""

    house: ActionHouse
    telling: RuleTelling
    retrain: Retrains
    chain: RuleChain

    def do(self, action: RuleAction, deed: Deed) -> Became:
        """Do an action, or tell what it waits for. Raises DeskError."""
        return _ACTS[type(action)](self, action, deed)

    def tell(self, action: NotifyAction, deed: Deed) -> Became:
        """Tell people."""
        return self.telling.tell(action, deed)

    def raise_alert(self, action: AlertAction, deed: Deed) -> Became:
        """Raise an alert, found again by its rule and thing; none where what it is about is over.

        An agent that goes on with an earlier one's firing may not know yet: it raises it, and ends it if that is over.
        """
        rule, name = deed.rule, deed.firing.rule
        if rule is None:
            raise Refused("The rule was removed before it could raise an alert.")
        if rule.built_in:
            return Became("Its alert fires by itself.")
        if deed.holds is False:
            return Became("No alert is raised: what the rule is about is over.")
        raised = self.house.raise_alert(
            Alert(
                id=uuid.uuid5(_IDS, deed.key).hex,
                rule=f"{ALERT_PREFIX}{name}",
                title=action.text or f"The rule {name} holds",
                level=action.level,
                device=deed.firing.subject or name,
                device_title="",
                text=rule.sentence,
                hint=Hint(f"mlops-desk rules show {name}", after=" tells how it stands."),
                since=time.time(),
                value=None,
                unit="1",
                user=current_caller().user,
                subject=deed.firing.subject,
            )
        )
        return Became(f"The alert {raised.id[:8]} fires until it is over.", made=raised.id)

    def submit(self, action: SubmitAction, deed: Deed) -> Became:
        """Queue a job, found again by its origin."""
        origin = ORIGIN + deed.key
        job = self.house.job_of_origin(origin)
        if job is None and not deed.firing.by_hand and deed.firing.rule_id in self.chain.behind(deed.firing.subject):
            return Became(f"No job is queued: {plain(deed.firing.subject)} is of this rule itself.")
        if job is None:
            self.house.allow("jobs", "submit", {})
            job = self.house.submit(action.template, action.params, origin, deed.firing.chain + 1)
        return Became(f"The job {job.id} ({plain(job.name)}) is queued.", made=job.id)

    def ci(self, action: CiAction, deed: Deed) -> Became:
        """Run the pipeline of each ref that was pushed, found again by repository, ref and commit: each runs once."""
        if not deed.firing.pushed:
            raise Refused("Nothing was pushed, so there is no commit to run.", "ci run runs the one checked out.")
        self.house.allow("ci", "run", {})
        made = [self.house.run_pushed(action, one) for one in deed.firing.pushed]
        told = ", ".join(f"{plain(one.ref or '?')} by run {one.id}" for one in made)
        return Became(f"{len(made)} of its pipelines run: {told}.", made=made[0].id)

    def promote(self, action: PromoteAction, deed: Deed) -> Became:
        """Take the tags promote/MODEL/VERSION that were pushed as words for moves; one that was made is only found."""
        tags = [one for one in deed.firing.pushed if one.ref.startswith(_PROMOTES)]
        if not deed.firing.pushed:
            raise Refused("Nothing was pushed, so there is no tag to go by.", "ci promote takes one that is there.")
        if not tags:
            return Became("Nothing of what was pushed is a tag promote/MODEL/VERSION.")
        self.house.allow("ci", "promote", {})
        told: list[str] = []
        refused: DeskError | None = None
        for one in tags:
            try:
                made = self.house.promote_tag(one.repository, one.ref.removeprefix(_TAGS), action.alias)
                told.append(_moved(made))
            except (Refused, NotFound, Invalid) as error:  # of the others it says nothing
                refused = refused or error
                told.append(error.message)
        if refused is not None:
            raise Refused(" ".join(told), refused.hint)
        return Became(" ".join(told), made=made.id)

    def again(self, action: RetrainAction, deed: Deed) -> Became:
        """Train again, found again by the retraining's id."""
        rule = None if deed.rule is None else deed.rule.retraining
        if rule is None:
            raise Refused("The rule was removed before it could retrain.")
        if not deed.firing.by_hand and self.chain.is_retraining(deed.firing.subject):
            return Became(f"Nothing is trained again: {plain(deed.firing.subject)} is of a retraining itself.")
        found = self.retrain(rule, deed.firing.trigger, deed.asked, retraining_id(deed), deed.firing.chain + 1)
        model = f"{plain(action.model)}@{plain(action.alias)}"
        if not deed.firing.by_hand and not deed.again:
            text = f"The rule {rule.name} retrains {model}: {plain(deed.firing.trigger, 200)}."
            self.house.notice(Notice("info", SOURCE, text, None, time.time(), about=("rule", rule.name)))
        return Became(f"{model} is trained again by job {found.job_id or '?'}.", made=found.id)

    def stop(self, action: StopJobAction, deed: Deed) -> Became:
        """Stop a job, once its owner has had time; one that is over stays so."""
        job = self._job(action, deed)
        if job is None:
            return Became(f"No job called {plain(action.job or '?')} waits or runs, so none is stopped.")
        if job.state.is_final:
            return Became("The job was over already.", made=job.id)
        self.house.allow("jobs", "cancel", {"job_id": job.id})
        if deed.step.due_at is None and action.warning_seconds:
            return self._warned(job, action, deed)
        if deed.step.due_at is not None and (why := _saved(action, deed)):
            return Became(f"The job {job.id} goes on: {why}.", made=job.id)
        try:
            self.house.cancel(job.id)
        except Refused:
            if not self.house.job(job.id).state.is_final:
                raise
            return Became("The job was over already.", made=job.id)
        return Became(f"The job {job.id} ({plain(job.name)}) is stopped.", made=job.id)

    def _job(self, action: StopJobAction, deed: Deed) -> Job | None:
        if deed.step.made is not None:  # the one whose owner was told, and no newer one of its name
            return self.house.job(deed.step.made)
        return self.house.job(deed.firing.subject) if action.job is None else self.house.newest_job(action.job)

    def _warned(self, job: Job, action: StopJobAction, deed: Deed) -> Became:
        seconds = action.warning_seconds
        span = written_length(seconds)
        unless = ", unless that is over before" if _is_about(action, deed) else ""
        text = (
            f"The job {plain(job.name)} ({job.id}) of {plain(job.user)} is stopped in {span} by the rule "
            f"{deed.firing.rule}{unless}."
        )
        hint = Hint(f"mlops-desk rules pause {deed.firing.rule}", after=" keeps the rule from it.")
        self.house.notice(Notice("warning", SOURCE, text, hint, time.time(), about=("job", job.id), personal=True))
        due = time.time() + seconds
        return Became(f"Its owner was told; it is stopped in {span}.", FiringState.WAITING, job.id, due)

    def pause(self, action: PauseEndpointAction, deed: Deed) -> Became:
        """Have an endpoint turn callers away; one that does, or is stopped, stays so."""
        name = action.endpoint
        endpoint = self.house.endpoint(name)
        if endpoint.paused is not None or endpoint.state is EndpointState.STOPPED:
            word = "stopped" if endpoint.paused is None else "paused"
            return Became(f"The endpoint {plain(name)} was {word} already.", made=name)
        why = f"the rule {deed.firing.rule} says so."
        self.house.allow("endpoints", "pause", {"name": name, "why": why})
        self.house.pause_endpoint(name, why)
        hint = Hint(f"mlops-desk endpoints resume {name}", after=" lets it answer again.")
        text = f"The endpoint {plain(name)} is paused by the rule {deed.firing.rule}: callers are turned away."
        self.house.notice(Notice("warning", SOURCE, text, hint, time.time(), about=("endpoint", name)))
        return Became(f"The endpoint {plain(name)} answers no callers until somebody resumes it.", made=name, hint=hint)

    def back(self, action: RollBackAction, deed: Deed) -> Became:
        """Roll an endpoint back, unless it answers otherwise than when that was begun."""
        name = action.endpoint
        endpoint = self.house.endpoint(name)
        now = _answering(endpoint)
        if deed.again and deed.step.made is not None and deed.step.made != now:
            return Became(f"The endpoint {plain(name)} had gone back already.", made=deed.step.made)
        self.house.allow("endpoints", "rollback", {"name": name})
        self.house.roll_back(name)
        return Became(f"The endpoint {plain(name)} goes back to its revision before.", made=now)

    def before(self, action: RuleAction) -> str | None:
        """Return what is to be remembered of how things stand before an action is done. Raises DeskError."""
        return _answering(self.house.endpoint(action.endpoint)) if isinstance(action, RollBackAction) else None

    def ask(self, action: ApprovalAction, deed: Deed) -> Became:
        """Ask people, and wait."""
        people = "somebody" if action.people == 1 else f"{action.people} people"
        text = f"The rule {deed.firing.rule} waits for {people}: {plain(action.text, 500)}"
        hint = Hint(f"mlops-desk rules answer {deed.firing.id}", after=" agrees; with --no-agree it ends there.")
        if not deed.again and deed.step.due_at is None:
            about = ("rule", deed.firing.rule)
            self.house.notice(Notice("info", SOURCE, text, hint, time.time(), about=about, personal=True))
        return Became(f"It waits for {people} to agree.", FiringState.WAITING, hint=hint)


def _is_about(action: StopJobAction, deed: Deed) -> bool:
    """Tell whether a job is stopped for what it does itself, so that it may save itself by doing otherwise."""
    return action.job is None and not deed.firing.by_hand


def _saved(action: StopJobAction, deed: Deed) -> str | None:
    """Return why a job whose owner was told is not stopped after all; None where it is."""
    if deed.rule is not None and not deed.rule.enabled and not deed.firing.by_hand:
        return "the rule was paused meanwhile"
    if _is_about(action, deed) and deed.holds is not True:
        return f"what the rule is about {'was over in time' if deed.holds is False else 'is not known any more'}"
    return None


def _moved(made: Approval) -> str:
    what = f"{plain(made.model or '?')}@{plain(made.alias or '?')}"
    if made.state == PromotionState.MOVED:
        return f"{what} is version {plain(made.challenger or '?')}."
    lacking = "; ".join(made.lacking) or plain(made.text or made.state, 200)
    return f"{what} waits to become version {plain(made.challenger or '?')}: {lacking}."


def _answering(endpoint: Endpoint) -> str:
    """Return which revisions answer, with their shares, as a text that is another when that is."""
    shares = [f"{one.revision}:{one.traffic:g}" for one in endpoint.revisions if one.traffic]
    return " ".join(shares) or "none"


_ACTS: Mapping[type, Callable[[RuleDeeds, Any, Deed], Became]] = {
    NotifyAction: RuleDeeds.tell,
    AlertAction: RuleDeeds.raise_alert,
    SubmitAction: RuleDeeds.submit,
    CiAction: RuleDeeds.ci,
    PromoteAction: RuleDeeds.promote,
    RetrainAction: RuleDeeds.again,
    StopJobAction: RuleDeeds.stop,
    PauseEndpointAction: RuleDeeds.pause,
    RollBackAction: RuleDeeds.back,
    ApprovalAction: RuleDeeds.ask,
}
