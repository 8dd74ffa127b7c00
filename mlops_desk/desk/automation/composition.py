"""Where rules meet the rest of the house: what they hear of it, and what they ask of it when they fire."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Protocol

from mlops_desk.automation.alarms import LOOK_SECONDS, RuleAlarms
from mlops_desk.automation.ci.service import CiService
from mlops_desk.automation.records.conditions import DvcClause, NewRowsClause
from mlops_desk.automation.records.firing import KeptFiring
from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.automation.repository_watch import watched_repositories
from mlops_desk.automation.rules.actions.actions import RuleDeeds
from mlops_desk.automation.rules.actions.cycle_guard import ORIGIN, RuleChain
from mlops_desk.automation.rules.actions.notifications import RuleTelling
from mlops_desk.automation.rules.actions.ports import ActionHouse
from mlops_desk.automation.rules.actions.worker import FiringWorker
from mlops_desk.automation.rules.approval_events import ApprovalNews
from mlops_desk.automation.rules.approvals import ApprovalsService
from mlops_desk.automation.rules.channels import command, mail
from mlops_desk.automation.rules.drift_trigger import drift_of
from mlops_desk.automation.rules.dry_run_client import WorkerTrial
from mlops_desk.automation.rules.live import rows_worker
from mlops_desk.automation.rules.live.budget import gpu_hours
from mlops_desk.automation.rules.live.rule_loop import LifeParts, RuleLife
from mlops_desk.automation.rules.live.source_watch import RuleSightWatch, Sights
from mlops_desk.automation.rules.pipeline.service import PipelinesService
from mlops_desk.automation.rules.service import RulesService
from mlops_desk.automation.rules.storage.rule_repository import ReadRule, RuleShelf
from mlops_desk.automation.watch_workers import dvc_worker, push_worker
from mlops_desk.desk.automation.ci import PipelineRegistering, ci_service, run_pushed
from mlops_desk.desk.automation.fact_history import RuleHistory
from mlops_desk.desk.automation.pipelines import PipelineWiring
from mlops_desk.desk.automation.reference_check import RuleReach, ThingNames
from mlops_desk.desk.automation.retrain_requirements import NeedsWatch
from mlops_desk.desk.drift_composition import DriftDesk
from mlops_desk.desk.model_composition import ModelWiring
from mlops_desk.drift.records.monitors import MonitorStanding
from mlops_desk.governance.policy_gate import Governing, governed_models
from mlops_desk.governance.tag_signatures import SignedTags
from mlops_desk.jobs.provenance.source.snapshot_capture import Snapshots
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.service import JobsService
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.rule_engine.plan import BUDGET_FACT, UNDERWAY_FACT
from mlops_desk.kit.storage.secrets import SecretStore
from mlops_desk.kit.storage.state import State
from mlops_desk.kit.verbs.access import Permission
from mlops_desk.machine.alerts.service import AlertsService
from mlops_desk.machine.records.event import (
    AlertChanged,
    DriftReported,
    EndpointChanged,
    EndpointRemoved,
    JobChanged,
    MonitorChanged,
    RetrainingChanged,
)
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.telemetry.service import TelemetryService
from mlops_desk.registry.service import RegistryCore
from mlops_desk.serving.service import EndpointsService

_BUDGET_SECONDS = 60.0  # chosen: a minute of eight GPUs is an eighth of a GPU-hour
_BUDGET_LASTS = 600.0
"""Chosen: if nobody could reckon for so long, what was spent is unknown, and a rule with a budget waits."""
_COUNTED = 5000  # chosen: as many jobs as GPU-hours of others are counted from
_MAIL_SECONDS = 60.0  # three answers of a server that each take their deadline
_ROWS_MARGIN = 20.0  # chosen: for the worker to begin, and for the database to take up a connection
_MANIFEST_SECONDS = 120.0  # chosen: a million files of a slow disk
_PAUSE_STEP = 0.5  # chosen: an agent that ends is not held up by a pause


class RulesHouse(Protocol):
    """What rules hear of and act on; who may what is made after them."""

    rule_shelf: RuleShelf
    state: State
    bus: Bus
    loop: Loop
    store: SettingsStore
    telemetry: TelemetryService
    alerts: AlertsService
    jobs: JobsService
    endpoints: EndpointsService
    registry_core: RegistryCore
    drift_desk: DriftDesk
    governing: Governing
    snapshots: Snapshots
    permission: Permission
    keyring: SecretStore


class RulesDesk:
    """The rules of the house: kept, judged, and done."""

    def __init__(self, parts: RulesHouse, wiring: ModelWiring) -> None:
        self._parts = parts
        past = RuleHistory(parts.telemetry)
        self._names = ThingNames()
        self.shelf = parts.rule_shelf
        retraining = PipelineWiring(
            wiring,
            parts.registry_core,
            parts.jobs,
            parts.endpoints,
            parts.bus,
            parts.loop,
            parts.rule_shelf,
            parts.governing.approving,
        )
        self.pipelines = retraining.pipelines
        registering = PipelineRegistering(parts.registry_core, lambda: governed_models(parts.governing.ledger))
        self.ci = ci_service(
            parts.jobs, parts.registry_core, registering, parts.state, parts.snapshots, parts.bus, parts.loop
        )
        reach = RuleReach(parts.telemetry.status, parts.endpoints.show, parts.store, parts.drift_desk.monitors.list)
        self.rules = _service(parts, wiring, retraining, past, reach)
        self._needs = NeedsWatch(self.shelf.all, self.rules.lacking, self.rules.announce)
        self.life = self._life()
        self._alarms = RuleAlarms(parts.alerts, self.shelf, self.life.stands, self._titled)
        house = ActionHouse(
            allow=self._allow,
            notice=parts.bus.publish,
            title=self._titled,
            webhook=parts.alerts.tell_webhook,
            email=self._mail,
            command=self._command,
            submit=parts.jobs.submit_template,
            run_pushed=partial(run_pushed, self.ci),
            promote_tag=self.ci.promote,
            job_of_origin=wiring.job_of_origin,
            job=parts.jobs.show,
            newest_job=parts.jobs.newest_named,
            cancel=parts.jobs.cancel,
            endpoint=parts.endpoints.show,
            raise_alert=self._alarms.begin,
            pause_endpoint=parts.endpoints.pause,
            roll_back=parts.endpoints.rollback,
        )
        chain = RuleChain(parts.jobs.show, self.shelf.tables.firings.get)
        doing = RuleDeeds(house, RuleTelling(house, self._wait), self.rules.retrain, chain)
        self.worker = FiringWorker(
            self.shelf, doing, parts.loop, self._shown, self.life.holds, parts.bus.publish, self.life.came_to_nothing
        )
        self.rules.living, self.rules.acting = self.life, self.worker
        self.approvals = ApprovalsService(self.rules, self.pipelines.waiting, self._allow, self.pipelines.standing)
        sights = Sights(_manifest(parts.loop), self._rows, _dvc(parts.loop), _commit(parts.loop, wiring.played))
        self.approvals.moves = parts.governing.promotions
        self.ci.take_tag = SignedTags(parts.governing, parts.loop).promote
        self._watch = RuleSightWatch(self.life, sights, parts.bus.publish, self.rules.announce)
        self.ci.watching = partial(watched_repositories, parts.rule_shelf, parts.state.ci_runs, self._watch.trouble)
        self.shelf.changed = self._changed
        self._unsubscribe: list[Callable[[], None]] = []

    def _life(self) -> RuleLife:
        """Return what judges the rules."""
        parts = LifeParts(
            self._names.name,
            self._act,
            self.rules.announce,
            alerts=self._parts.alerts.of_rule,
            unseen=self._unseen,
            missing=self._needs.missing,
        )
        return RuleLife(self.shelf, parts)

    @property
    def services(self) -> tuple[RulesService, PipelinesService, ApprovalsService, CiService]:
        """What people ask: rules, pipelines, what waits for their word, and pipelines of repositories."""
        return self.rules, self.pipelines, self.approvals, self.ci

    def start(self) -> None:
        """Hear what happens, take up what was under way, and begin to judge."""
        parts, hearing = self._parts, self.life.hearing
        self.rules.start()
        subscribe = parts.bus.subscribe
        self._unsubscribe = [
            subscribe(JobChanged, lambda event: hearing.job(event.job)),
            subscribe(EndpointChanged, lambda event: hearing.endpoint(event.endpoint)),
            subscribe(EndpointRemoved, lambda event: hearing.endpoint_removed(event.name)),
            subscribe(MonitorChanged, lambda event: self._on_monitor(event.standing)),
            subscribe(DriftReported, self._on_report),
            subscribe(RetrainingChanged, lambda event: self._tell_underway(event.retraining.rule)),
            subscribe(AlertChanged, lambda event: self._tell_built_in(event.alert.rule)),
        ]
        self._unsubscribe += ApprovalNews(self.approvals.list, parts.bus, parts.loop).stops
        parts.telemetry.listen(lambda _heard, status, is_tick: self._sampled(status, is_tick=is_tick))
        parts.telemetry.recorded = hearing.recorded
        parts.drift_desk.watchers.append(hearing.monitors)
        parts.alerts.looked = self._looked
        parts.alerts.configured = lambda rule: self._tell_built_in(rule.name)
        for job in self._jobs_then():
            hearing.job(job)
        for endpoint in parts.endpoints.list():
            hearing.endpoint(endpoint)
        for one in self.shelf.all():
            self._tell_underway(one.written.name)
        self.ci.start()
        self.worker.start()
        parts.loop.repeat("rules-budget", _BUDGET_SECONDS, self._reckon)
        parts.loop.repeat("rules-alerts", LOOK_SECONDS, self._alarms.look)
        self._watch.start(parts.loop)
        self._needs.start(parts.loop)
        self.life.start(parts.loop)

    def close(self) -> None:
        """Hear nothing more."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self.ci.stop()
        self.rules.stop()

    def _changed(self) -> None:
        self._parts.alerts.renew_rules()
        self.life.renew()
        self._watch.wake()
        self._needs.wake()

    def _tell_built_in(self, name: str) -> None:
        """Tell how a built-in rule stands whose alert began or ended."""
        known = (one for one in self.shelf.built_in() if one.built_in is not None and one.built_in.name == name)
        for one in known:
            self.rules.announce(one)

    # -- what is heard ---------------------------------------------------------------------------

    def _sampled(self, status: Status, *, is_tick: bool) -> None:
        if is_tick:
            life = self.life
            if self._names.sampled(status):
                life.renew()
            life.sampled()
            life.hearing.machine(status, self._parts.alerts.machine_facts(status, life.board.wanted))

    def _looked(self, device_class: str, things: Mapping[str, Any]) -> None:
        """Hear what alerts have found of jobs or monitors."""
        facts = self._parts.alerts.facts(device_class, things, self.life.board.wanted)
        self.life.hearing.things(device_class, facts)

    def _on_monitor(self, standing: MonitorStanding) -> None:
        self.life.hearing.monitor(standing)
        self._needs.monitor(standing)

    def _on_report(self, event: DriftReported) -> None:
        moment = drift_of(event.report)
        if moment is not None:
            self.life.came(moment, f"drift of {event.report.endpoint}, report {event.report.id}")

    def _tell_underway(self, name: str) -> None:
        rule, found = self.shelf.get(name), self.shelf.find(name)
        if rule is not None and found is not None:
            self.life.board.put(UNDERWAY_FACT, found.written.id, float(self.rules.is_underway(rule)))

    def _jobs_then(self) -> Iterable[Job]:
        """Return the jobs that go on, and those that ended while no agent looked."""
        state, seen = self._parts.state, self.life.seen_before
        yield from state.jobs.list(states=tuple(one for one in JobState if not one.is_final), newest_first=False)
        if seen is not None:
            ended = state.jobs.list(states=tuple(one for one in JobState if one.is_final), limit=_COUNTED)
            yield from (job for job in reversed(ended) if job.ended_at is not None and job.ended_at >= seen)

    def _reckon(self) -> None:
        """Tell what the jobs of rules with a budget took."""
        for one in self.shelf.all():
            if one.spec is not None and one.spec.gpu_hours is not None:
                try:
                    spent = gpu_hours(self._jobs_of(one), time.time() - one.spec.budget_seconds, time.time())
                except DeskError:
                    continue  # what was reckoned last becomes unknown in time
                self.life.board.put(BUDGET_FACT, one.written.id, spent, _BUDGET_LASTS)

    def _jobs_of(self, one: ReadRule) -> Iterable[Job]:
        state = self._parts.state
        for firing in state.firings.list(parent=one.written.id, limit=_COUNTED):
            for number, step in enumerate(firing.steps):
                if step.made is None:
                    continue
                again = state.retrainings.get(step.made)
                job_id = step.made if again is None else again.job_id
                job = None if job_id is None else state.jobs.get(job_id)
                if job is not None and (again is not None or job.origin == f"{ORIGIN}{firing.id}/{number}"):
                    yield job

    # -- what is asked of the house --------------------------------------------------------------

    def _act(self, firings: Sequence[KeptFiring]) -> None:
        self.worker.act(firings)

    def _allow(self, service: str, name: str, arguments: Mapping[str, Any]) -> None:
        """Let the caller on whose behalf a rule acts ask for a verb, as if they had come by the socket."""
        self._parts.permission.check_named(service, name, arguments, current_caller())

    def _unseen(self, rule: str) -> str | None:
        return self._watch.trouble(rule)

    def _shown(self, rule_id: str) -> KeptRule | None:
        found = self.shelf.of_id(rule_id)
        return None if found is None else self.shelf.kept(found)

    def _titled(self, subject: str) -> str:
        """Return what people call a thing: rules know GPUs by their UUIDs, and jobs by their ids."""
        gpus = self._parts.telemetry.status().gpus if subject else ()
        found = next((f"GPU {gpu.index}" for gpu in gpus if gpu.uuid == subject), None)
        if found is not None or not subject:
            return found or ""
        try:
            job = self._parts.state.jobs.get(subject)
        except DeskError:
            job = None  # what can't be looked up goes by the name that it has
        return plain(subject, 120) if job is None else f"job {plain(job.name, 80)} ({job.id})"

    def _wait(self, seconds: float) -> bool:
        """Pause; tell whether the agent is about to end."""
        return self._parts.loop.ending.wait(seconds)

    def _mail(self, subject: str, text: str, key: str) -> None:
        settings = self._parts.store
        secret = settings.text("notify.smtp_login")
        try:
            login = self._parts.keyring.value(os.getuid(), secret).decode() if secret else ""
        except NotFound as error:
            hint = Hint(f"mlops-desk secrets set {secret}", after=" keeps USER:PASSWORD, as the agent's own user.")
            raise NotFound(f"The mail server's login is not there. {error.message}", hint) from error
        server = mail.MailServer(
            settings.text("notify.smtp"),
            settings.text("notify.smtp_security"),
            settings.text("notify.mail_from"),
            tuple(settings.text("notify.mail_to").split()),
            login,
        )
        letter = mail.letter(server, subject, text, key, time.time())
        # A server that drips its answers would hold it up for ever: it is left behind then.
        self._parts.loop.call("rules-mail", partial(mail.send, server, letter), _MAIL_SECONDS)

    def _rows(self, clause: NewRowsClause, uid: int | None) -> str:
        """Ask a database as the rule's person, with the password of their secret."""
        password = None
        if clause.login is not None and uid is not None:
            secret = self._parts.keyring.value(uid, clause.login)
            password = secret.rstrip(b"\r\n").decode("utf-8", "replace")
        request = {**asdict(clause), "password": password}
        ending, seconds = self._parts.loop.ending, rows_worker.SECONDS + _ROWS_MARGIN
        found: str = run_worker(rows_worker.__name__, request, seconds, ending=ending, as_uid=uid)
        return found

    def _command(self, told: Mapping[str, Any], uid: int) -> None:
        command.run(self._parts.store.text("notify.command"), told, uid, self._parts.loop.ending)


def _manifest(loop: Loop) -> Callable[[str, int | None], str]:
    def manifest(folder: str, uid: int | None) -> str:
        module = "mlops_desk.automation.rules.live.manifest_worker"
        found: str = run_worker(module, {"folder": folder}, _MANIFEST_SECONDS, ending=loop.ending, as_uid=uid)
        return found

    return manifest


def _dvc(loop: Loop) -> Callable[[DvcClause, int | None], str]:
    def dvc(clause: DvcClause, uid: int | None) -> str:
        seconds = 2 * push_worker.SECONDS
        found: str = run_worker(dvc_worker.__name__, asdict(clause), seconds, ending=loop.ending, as_uid=uid)
        return found

    return dvc


def _commit(loop: Loop, played: Callable[[str, str], str | None] | None) -> Callable[[str, str, int | None], str]:
    def commit(repository: str, ref: str, uid: int | None) -> str:
        told = None if played is None else played(repository, ref)
        if told is not None:
            return told
        request = {"repository": repository, "ref": ref}
        seconds = 2 * push_worker.SECONDS
        found: str = run_worker(push_worker.__name__, request, seconds, ending=loop.ending, as_uid=uid)
        return found

    return commit


def _service(
    parts: RulesHouse, wiring: ModelWiring, retraining: PipelineWiring, past: RuleHistory, reach: RuleReach
) -> RulesService:
    """Return the rules, which begin pipelines."""
    return RulesService(
        champion=wiring.champion,
        job_of_run=retraining.descent.job_of_run,
        pipelines=retraining.pipelines,
        lacking=replace(retraining.needs, monitors=parts.drift_desk.monitors.list).lacking,
        template=parts.jobs.template,
        shelf=parts.rule_shelf,
        retrainings=parts.state.retrainings,
        bus=parts.bus,
        loop=parts.loop,
        past=past,
        trial=WorkerTrial(parts.endpoints.begun),
        may_command=command.may_command,
        model=parts.registry_core.model,
        reach=reach.lacking,
    )
