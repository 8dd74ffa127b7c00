"""The alerts' verbs: looks at each sample, stores what fires, tells it once, and hands it to the webhook.

Who samples only evaluates; a lane of its own stores and tells.
"""

import logging
import threading
import time
import uuid
from builtins import list as list_of
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from mlops_desk.drift.records.monitors import DriftWatch
from mlops_desk.jobs.records.job_activity import JobWatch
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound
from mlops_desk.kit.base.loop import Lane, Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.machine.alerts import causes
from mlops_desk.machine.alerts.documents import check, check_share
from mlops_desk.machine.alerts.drift import ANSWERS_RULE, DRIFT_CLASS, DRIFT_RULE, QUALITY_RULE
from mlops_desk.machine.alerts.engine import AlertEngine, Change, Wanted
from mlops_desk.machine.alerts.filters import LEVELS, AlertSieve
from mlops_desk.machine.alerts.jobs import JOB_CLASS
from mlops_desk.machine.alerts.readings import Fact
from mlops_desk.machine.alerts.rule_alerts import RaisedAlerts
from mlops_desk.machine.alerts.silences import LONGEST_SECONDS, spot_of
from mlops_desk.machine.alerts.webhook import Webhook
from mlops_desk.machine.records.alert import Alert, AlertRule
from mlops_desk.machine.records.event import AlertChanged, IncidentLogged, SettingsChanged
from mlops_desk.machine.records.incident import Incident
from mlops_desk.machine.records.status import Status

_log = logging.getLogger(__name__)

SOURCE = "alerts"
_ENDED = "ended"
_KEPT = 1000  # chosen: months of an ordinary machine
_LISTED = 100  # chosen: the window shows those that fire and the newest that ended
_WEBHOOK_RULE = "webhook"
_WHY = 600  # chosen: an error and what to do about it
_DAY_SECONDS = 86_400.0  # as its name says


class KeptAlertRules(Protocol):
    """Where rules are kept that a person changed. Both may raise DeskError."""

    def list(self) -> list_of[AlertRule]: ...

    def put(self, rule: AlertRule, /) -> None: ...


class AlertsService:
    """Implements ``verbs.Alerts``. ``log`` writes an alert into the event log; webhooks are told of ``simulated``.

    ``looked`` is told of all things of a class that were looked at apart from samples, ``configured`` of a rule that
    was changed here.
    """

    def __init__(
        self,
        alerts: StoredRecords[Alert],
        rules: KeptAlertRules,
        settings: SettingsStore,
        bus: Bus,
        loop: Loop,
        log: Callable[[Alert], None],
        *,
        simulated: bool = False,
    ) -> None:
        self._alerts = alerts
        self._rules = rules
        self._settings = settings
        self._bus = bus
        self._loop = loop
        self._log = log
        self._lock = threading.RLock()
        stored = alerts.list(states=("firing",))
        self._engine = AlertEngine(rules.list(), stored)
        self._engine.silences.take_up(alerts.list(limit=_KEPT), time.monotonic(), time.time())
        self._raised = RaisedAlerts(stored, self._engine.silences)
        self._webhook_alert = next((alert for alert in stored if alert.rule == _WEBHOOK_RULE), None)
        troubled = self._webhook_alert is not None
        self._webhook = Webhook(
            settings, loop, self._on_webhook, troubled=troubled, simulated=simulated, on_delivery=self._on_delivery
        )
        self.looked: Callable[[str, Mapping[str, Any]], None] = lambda _class, _things: None
        self.configured: Callable[[AlertRule], None] = lambda _rule: None
        self._lane: Lane | None = None
        self._unsubscribe: list_of[Callable[[], None]] = []

    def start(self) -> None:
        """Listen for incidents that set alerts off."""
        self._lane = Lane(self._loop, "alerts")
        self._unsubscribe = [
            self._bus.subscribe(IncidentLogged, lambda event: self._on_incident(event.incident)),
            self._bus.subscribe(SettingsChanged, self._on_settings),
        ]

    def stop(self) -> None:
        """Stop listening."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()

    def list(
        self, state: str | None = None, level: str | None = None, rule: str | None = None, device: str | None = None
    ) -> list_of[Alert]:
        """Return what fires, the worst first, then what ended lately, as far as it is wanted. Raises Invalid."""
        sieve = AlertSieve(state, level, rule, device)
        with self._lock:
            firing = self._firing()
        known = {alert.id for alert in firing}
        stored = self._alerts.list(states=(_ENDED,), limit=_LISTED if sieve.is_open else _KEPT)
        ended = [alert for alert in stored if alert.id not in known and sieve.takes(alert)][:_LISTED]
        firing = [alert for alert in firing if sieve.takes(alert)]
        firing.sort(key=lambda alert: (-LEVELS.index(alert.level), -alert.since))
        return firing + sorted(ended, key=lambda alert: -(alert.ended_at or 0.0))

    def show(self, alert_id: str) -> Alert:
        """Return an alert by its id, or by the beginning of it. Raises NotFound, Invalid."""
        return self._stored(alert_id)

    def rules(self) -> list_of[AlertRule]:
        """Return all rules."""
        with self._lock:
            return [*self._engine.rules.values()]

    def rule(self, name: str) -> AlertRule:
        """Return a rule. Raises NotFound."""
        with self._lock:
            return self._rule(name)

    def configure(
        self,
        name: str,
        threshold: float | None = None,
        clear_at: float | None = None,
        for_seconds: float | None = None,
        level: str | None = None,
        enabled: bool | None = None,
    ) -> AlertRule:
        """Change a rule. When only the threshold is given, the point at which it ends moves along."""
        with self._lock:
            rule = self._rule(name)
            if threshold is not None and clear_at is None:
                clear_at = threshold - (rule.threshold - rule.clear_at)
            changed = replace(
                rule,
                threshold=rule.threshold if threshold is None else threshold,
                clear_at=rule.clear_at if clear_at is None else clear_at,
                for_seconds=rule.for_seconds if for_seconds is None else for_seconds,
                level=rule.level if level is None else level,
                enabled=rule.enabled if enabled is None else enabled,
            )
            check(changed)
            check_share(rule, changed)
        self._rules.put(changed)  # a slow disk must not hold up who samples
        self._judge_by([changed])
        self.configured(changed)
        return changed

    def renew_rules(self) -> None:
        """Judge by the rules as they are kept now: they can be changed elsewhere."""
        self._judge_by(self._rules.list())

    def _judge_by(self, rules: list_of[AlertRule]) -> None:
        with self._lock:
            changed = [rule for rule in rules if self._engine.rules.get(rule.name, rule) != rule]
            changes = [change for rule in changed for change in self._engine.configure(rule, time.time())]
        for change in changes:
            self._queue(change)

    def acknowledge(self, alert_id: str) -> Alert:
        """Note who has seen an alert, by its id or the beginning of it. Raises NotFound, Invalid."""
        user = current_caller().user
        stored = self._stored(alert_id)
        with self._lock:
            spot = next((spot for spot, alert in self._engine.firing.items() if alert.id == stored.id), None)
            if spot is not None:
                alert = self._engine.firing[spot] = replace(self._engine.firing[spot], acknowledged_by=user)
            elif self._webhook_alert is not None and self._webhook_alert.id == stored.id:
                alert = self._webhook_alert = replace(self._webhook_alert, acknowledged_by=user)
            else:
                alert = replace(stored, acknowledged_by=user)
                self._raised.change(alert)
            if self._lane is not None:  # in the same order as its end
                self._lane.put(lambda: self._tell(alert, logged=False, sent=False))
        return alert

    def silence(self, alert_id: str, seconds: float) -> Alert:
        """Tell nobody of an alert for so many seconds, by its id or the beginning of it. Raises NotFound, Invalid."""
        if not 0.0 <= seconds <= LONGEST_SECONDS:
            hint = Hint("mlops-desk alerts configure RULE --enabled false", after=" ends a rule for good.")
            raise Invalid(f"{seconds / _DAY_SECONDS:g} days are not between 0 and 30 days.", hint)
        user = current_caller().user
        stored = self._stored(alert_id)
        with self._lock:
            alert = self._engine.silence(stored, seconds, user, time.monotonic(), time.time())
            if self._webhook_alert is not None and self._webhook_alert.id == stored.id:
                self._webhook_alert = alert
            self._raised.change(alert)
            loud = seconds == 0.0 and alert.ended_at is None and alert.rule != _WEBHOOK_RULE
            if self._lane is not None:
                self._lane.put(lambda: self._tell_silence(alert, sent=loud))
        return alert

    def _tell_silence(self, alert: Alert, *, sent: bool) -> None:
        """Store a silence once, with the alert that stands for what is silent, and tell of it."""
        try:
            for other in self._alerts.list(parent=alert.rule, limit=_KEPT):
                if other.id != alert.id and other.silenced_until is not None and spot_of(other) == spot_of(alert):
                    self._alerts.put(replace(other, silenced_until=None, silenced_by=None))
        except DeskError as error:
            _log.warning("What was silent of %s before can't be stored: %s", alert.rule, error.message)
        self._tell(alert, logged=False, sent=sent)

    def _stored(self, alert_id: str) -> Alert:
        with self._lock:
            found = [alert for alert in self._firing() if alert_id and alert.id.startswith(alert_id)]
        found = found or self._alerts.find(alert_id, LOOKED_FOR)
        return the_one(alert_id, found, noun="alert", hint=Hint("mlops-desk alerts list", after=" shows them all."))

    def try_webhook(self) -> str:
        """Send a test message."""
        return self._webhook.try_now()

    def tell_webhook(self, told: Mapping[str, Any], key: str) -> None:
        """Post a document of a rule to the webhook now. Raises DeskError."""
        self._webhook.tell(told, key)

    def take_jobs(self, jobs: Sequence[JobWatch]) -> None:
        """Look at the jobs that run, all of them."""
        with self._lock:
            changes = self._engine.look_at_jobs(jobs, time.monotonic(), time.time())
        for change in changes:
            self._queue(change)
        self.looked(JOB_CLASS, {job.id: job for job in jobs})

    def take(self, status: Status) -> None:
        """Look at a new sample; called by who samples, so nothing here waits."""
        with self._lock:
            changes = self._engine.step(status, time.monotonic(), time.time())
            self._webhook_loud_again()
            for alert in self._raised.loud_again():
                self._queue_raised(alert, logged=False, sent=alert.acknowledged_by is None)
        for change in changes:
            self._queue(change)

    def take_drift(self, monitors: Sequence[DriftWatch]) -> None:
        """Look at all monitors of drift as they stand; nothing here waits."""
        with self._lock:
            changes = self._engine.look_at_drift(monitors, time.monotonic(), time.time())
        for change in changes:
            self._queue(change)
        self.looked(DRIFT_CLASS, {monitor.name: monitor for monitor in monitors})

    def machine_facts(self, status: Status, wanted: Wanted) -> list_of[Fact]:
        """Return what rules ask for of a sample that was taken: measures, and whether rules of the table fire."""
        with self._lock:
            return [*self._engine.machine_facts(status, wanted, time.monotonic())]

    def facts(self, device_class: str, things: Mapping[str, Any], wanted: Wanted) -> list_of[Fact]:
        """Return the same of all things of a class."""
        with self._lock:
            return [*self._engine.facts(device_class, things, wanted, time.monotonic())]

    def of_rule(self, name: str, most: int) -> list_of[Alert]:
        """Return what fires for a rule, and the newest that ended, as many as are wanted."""
        with self._lock:
            firing = [alert for alert in self._engine.firing.values() if alert.rule == name]
        known = {alert.id for alert in firing}
        ended = self._alerts.list(parent=name, states=(_ENDED,), limit=most)
        return firing + [alert for alert in ended if alert.id not in known]

    def raised(self) -> list_of[Alert]:
        """Return what fires for people's rules."""
        with self._lock:
            return self._raised.all()

    def begin_raised(self, alert: Alert) -> Alert:
        """Have an alert of a person's rule fire, and tell of it once. Raises Refused where there are too many."""
        with self._lock:
            begun, is_new = self._raised.begin(alert)
            if is_new:
                self._queue_raised(begun, logged=True, sent=not self._engine.silences.holds(begun))
        return begun

    def end_raised(self, alert_id: str) -> None:
        """Have an alert of a person's rule fire no more; nothing for one that does not."""
        with self._lock:
            ended = self._raised.end(alert_id, time.time())
            if ended is not None:
                self._queue_raised(ended, logged=True, sent=not self._engine.silences.holds_end(ended))

    def of_monitor(self, name: str) -> str | None:
        """Return the id of the alert that fires for a monitor of drift; None where none does."""
        with self._lock:
            fires = (self._engine.firing.get((rule, name, "")) for rule in (DRIFT_RULE, QUALITY_RULE, ANSWERS_RULE))
            return next((alert.id for alert in fires if alert is not None), None)

    # -- what happens --------------------------------------------------------------------------

    def _rule(self, name: str) -> AlertRule:
        try:
            return self._engine.rules[name]
        except KeyError:
            raise NotFound(
                f"There is no alert rule {plain(name)}.", Hint("mlops-desk alerts rules", after=" lists them.")
            ) from None

    def _on_incident(self, incident: Incident) -> None:
        found = causes.of_incident(incident)
        if found is None:
            return
        rule, device, cause = found
        with self._lock:
            changes = self._engine.pulse(rule, device, time.monotonic(), cause)
        for change in changes:
            self._queue(change)

    def _on_settings(self, event: SettingsChanged) -> None:
        if any(key.startswith("alerts.webhook") for key in event.keys):
            self._webhook.retry_now()
            if not self._settings.text("alerts.webhook"):  # nothing that fires is late at one that there is not
                with self._lock:
                    late = [alert.id for alert in self._firing() if alert.undelivered]
                self._on_delivery(late, None)

    def _on_webhook(self, trouble: str | None) -> None:
        """Alert about alerts; it goes to the window and the log, not to the webhook."""
        now = time.time()
        with self._lock:
            alert = self._webhook_alert
            if trouble is None:
                ended, self._webhook_alert = alert, None
                alert = replace(ended, ended_at=now) if ended is not None else None
            elif alert is None:
                hint = Hint(
                    "mlops-desk alerts try-webhook",
                    after=" tells more; mlops-desk settings set alerts.webhook '' ends it.",
                )
                alert = self._webhook_alert = Alert(
                    id=uuid.uuid4().hex,
                    rule=_WEBHOOK_RULE,
                    title="Alerts do not reach the webhook",
                    level="warning",
                    device="webhook",
                    device_title="Webhook",
                    text=f"{trouble} What waits is tried again for an hour.",
                    hint=hint,
                    since=now,
                    value=None,
                    unit="1",
                )
            else:
                return
        if alert is not None and self._lane is not None:
            self._lane.put(lambda: self._tell(alert, logged=True, sent=False))

    def _on_delivery(self, alert_ids: Collection[str], why: DeskError | None) -> None:
        """Have alerts say why the webhook has not got them; told by who delivers, so nothing here waits."""
        if self._lane is not None:
            told = None if why is None else plain(f"{why.message} {why.hint or ''}".rstrip(), _WHY)
            self._lane.put(lambda: self._note_delivery(alert_ids, told))

    def _note_delivery(self, alert_ids: Collection[str], told: str | None) -> None:
        for alert_id in alert_ids:
            stored = self._alerts.get(alert_id)
            with self._lock:
                spot = next((spot for spot, alert in self._engine.firing.items() if alert.id == alert_id), None)
                raised = next((alert for alert in self._raised.all() if alert.id == alert_id), None)
                known = stored if spot is None else self._engine.firing[spot]
                known = raised or known
                if known is None or known.undelivered == told:
                    continue
                changed = replace(known, undelivered=told)
                if spot is not None:
                    self._engine.firing[spot] = changed
                self._raised.change(changed)
            self._tell(changed, logged=False, sent=False)

    def _webhook_loud_again(self) -> None:
        alert = self._webhook_alert
        if alert is None or alert.silenced_until is None or self._engine.silences.holds(alert):
            return
        loud = self._webhook_alert = replace(alert, silenced_until=None, silenced_by=None)
        if self._lane is not None:
            self._lane.put(lambda: self._tell(loud, logged=False, sent=False))

    def _firing(self) -> list_of[Alert]:
        webhook = [self._webhook_alert] if self._webhook_alert else []
        return [*self._engine.firing.values(), *self._raised.all(), *webhook]

    def _queue_raised(self, alert: Alert, *, logged: bool, sent: bool) -> None:
        if self._lane is not None:
            self._lane.put(lambda: self._tell(alert, logged=logged, sent=sent))

    def _queue(self, change: Change) -> None:
        if self._lane is not None:
            logged = change.watched.logged
            self._lane.put(lambda: self._tell(change.alert, logged=logged, sent=not change.silent))

    def _tell(self, alert: Alert, *, logged: bool, sent: bool) -> None:
        """Store an alert and announce it, once: whoever shows it tells from what it showed whether that is news."""
        try:
            self._alerts.put(alert)
            if alert.ended_at is not None:
                self._alerts.trim(_KEPT, _ENDED)  # one that fires for months is not forgotten
        except DeskError as error:
            _log.warning("The alert %s is not stored: %s", alert.rule, error.message)
        self._bus.publish(AlertChanged(alert))
        if logged:
            self._log(alert)
        if sent:
            self._webhook.put(alert)
