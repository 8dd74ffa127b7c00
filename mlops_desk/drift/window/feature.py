"""Drift and retraining, as the frame sees them."""

from collections.abc import Iterable, Iterator

from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState, Rule
from mlops_desk.drift.records.monitors import MonitorStanding, MonitorState
from mlops_desk.drift.records.report import DriftReport
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.window.words import newest_reports
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.feature import Badge, Charted, Feature, OfferedAct, as_it_is, go, later
from mlops_desk.kit.window.live import announcements
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Loaded, Store, Topic, report_key
from mlops_desk.kit.window.widgets.lines import Line
from mlops_desk.kit.window.words import alerts, marks, numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.machine.records import event as events

REPORTS_LOADED = 50  # chosen: what one scrolls through; the page asks for more
_MOVED = {Verdict.DRIFT, Verdict.CRITICAL}
_TELLING = {MonitorState.TURNED, MonitorState.UNKNOWN}


def _ask_reports(desk: ClientLike, _store: Store) -> dict[str, DriftReport]:
    return {report_key(report): report for report in desk.drift.list(limit=REPORTS_LOADED)}


def _ask_rules(desk: ClientLike, _store: Store) -> dict[str, Rule]:
    """Return the rules that retrain; the others are none of drift's."""
    found = (rule.retraining for rule in desk.rules.list())
    return {rule.name: rule for rule in found if rule is not None}


def _ask_retrainings(desk: ClientLike, _store: Store) -> dict[str, Retraining]:
    return {retraining.id: retraining for retraining in desk.rules.retrainings()}


def _waiting(store: Store) -> list[Retraining]:
    every = (store.retrainings.value or {}).values()
    return [retraining for retraining in every if retraining.state is RetrainState.WAITING_FOR_APPROVAL]


def _mark(store: Store) -> Mark | None:
    """Return what is gravest: a decision that waits for somebody hides no alert."""
    waiting = len(_waiting(store))
    turned = [one for one in _monitors(store) if one.state is MonitorState.TURNED]
    drifted = numbers.count(len(turned), "monitor") + " drifted"
    approve = numbers.count(waiting, "retraining") + " waiting for approval"
    gravest = alerts.gravest(marks.monitor_mark(one) for one in turned)
    if waiting and (gravest is None or not _is_alert(gravest)):
        return Mark("warning", f"{numbers.WARNING} {waiting}", f"{approve}, {drifted}" if turned else approve)
    if gravest is None:
        return None
    return Mark(gravest.token, gravest.shape, f"{drifted}, {approve}" if waiting else drifted)


def _is_alert(mark: Mark) -> bool:
    return mark.shape == numbers.ALERT


def _monitors(store: Store) -> Iterable[MonitorStanding]:
    return (store.monitors.value or {}).values()


def _wrong_now(store: Store) -> Iterator[Line]:
    for retraining in _waiting(store):
        yield Line(
            Mark("warning", numbers.WARNING, "approve?"),
            f"{plain(retraining.rule)}: version {plain(retraining.challenger_version or '?')} is better",
            numbers.ago(retraining.created_at),
            f"drift/retraining:{retraining.id}",
        )
    told = {alert.id for alert in alerts.firing((store.alerts.value or {}).values())}
    for one in _monitors(store):
        if one.state in _TELLING and one.alert_id not in told:
            why = one.trouble if one.state is MonitorState.UNKNOWN else one.sentence
            at = one.checked_at if one.state is MonitorState.UNKNOWN else one.turned_at
            text = f"{plain(one.monitor.name)}: {plain(why or 'it could not be judged')}"
            yield Line(marks.monitor_mark(one), text, numbers.ago(at), f"drift/{one.monitor.id}")
    watched = {one.monitor.endpoint for one in _monitors(store)}
    for endpoint, report in newest_reports(store.reports.value).items():
        if endpoint not in watched and report.verdict in {Verdict.WARNING, *_MOVED}:
            yield Line(
                marks.VERDICT_MARKS[report.verdict],
                f"{plain(endpoint or 'files')}: {report.dataset.n_drifted} of {report.dataset.n_columns} columns moved",
                numbers.ago(report.created_at),
                f"drift/reports:{endpoint}",
            )


def _things(context: Context) -> Iterator[Action]:
    for one in _monitors(context.store):
        yield go(context, "drift", one.monitor.id, f"Drift monitor {plain(one.monitor.name)}")


def _charted(store: Store) -> Iterator[Charted]:
    for one in _monitors(store):
        yield Charted(one.monitor.id, f"Drift {plain(one.monitor.name)}", one.monitor.endpoint or "")


def _of_report(store: Store, report_id: str) -> str | None:
    every = (store.reports.value or {}).values()
    return next((report.endpoint for report in every if report.id == report_id), None)


def _ask_monitors(desk: ClientLike, _store: Store) -> dict[str, MonitorStanding]:
    return {one.monitor.id: one for one in desk.monitors.list()}


FEATURE = Feature(
    later("mlops_desk.drift.window.page", "DriftPage"),
    loads=(
        Loaded(
            Topic.MONITORS,
            _ask_monitors,
            {
                events.MonitorChanged: announcements.put(
                    lambda store: store.monitors, lambda event: (event.standing.monitor.id, event.standing)
                ),
                events.MonitorRemoved: announcements.remove(
                    lambda store: store.monitors, lambda event: event.monitor_id
                ),
            },
            early=True,
        ),
        Loaded(
            Topic.REPORTS,
            _ask_reports,
            {
                events.DriftReported: announcements.put_first(
                    lambda store: store.reports, lambda event: (report_key(event.report), event.report)
                )
            },
            early=True,
        ),
        Loaded(
            Topic.RULES,
            _ask_rules,
            {
                events.RuleChanged: announcements.put(
                    lambda store: store.rules, lambda event: (event.rule.name, event.rule)
                ),
                events.RuleRemoved: announcements.remove(lambda store: store.rules, lambda event: event.name),
            },
        ),
        Loaded(
            Topic.RETRAININGS,
            _ask_retrainings,
            {
                events.RetrainingChanged: announcements.put_first(
                    lambda store: store.retrainings, lambda event: (event.retraining.id, event.retraining)
                )
            },
            early=True,
        ),
    ),
    badge=Badge(frozenset({Topic.MONITORS, Topic.RETRAININGS}), _mark),
    things=_things,
    charted=_charted,
    wrong_now=_wrong_now,
    sources=frozenset({"drift", "rules"}),
    shows={
        "report": _of_report,
        "retraining": lambda _store, key: f"retraining:{key}",
        "endpoint": as_it_is,
        "monitor": as_it_is,
    },
    offers=(
        OfferedAct("drift.new", "New monitor …", "watch endpoint data"),
        OfferedAct("drift.judge", "Check the chosen monitor now", "drift run"),
        OfferedAct("drift.edit", "Edit the chosen monitor …", "limit change"),
        OfferedAct("drift.pause", "Pause or resume the chosen monitor", "hold continue"),
        OfferedAct("drift.remove", "Remove the chosen monitor …", "delete"),
        OfferedAct("drift.check", "Check the endpoint for drift now", "run"),
        OfferedAct("rules.new", "New retraining rule …", "retrain automatic"),
        OfferedAct("rules.fire", "Retrain by the chosen rule now …", "retrain train"),
        OfferedAct("rules.approve", "Approve the chosen retraining …", "accept promote agree"),
        OfferedAct("rules.reject", "Reject the chosen retraining …", "refuse decline"),
    ),
)
