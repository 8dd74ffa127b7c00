"""What stands on the models of a registry: endpoints, what they see drift, the rules that retrain, and the jobs."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mlops_desk.base.text import plain
from mlops_desk.drift.monitors.service import MonitorService
from mlops_desk.drift.service import DriftService
from mlops_desk.records.drift import Verdict
from mlops_desk.records.drift.monitors import MonitorStanding, MonitorState
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.registry.lineage.outside import (
    KnownDrift,
    KnownEndpoint,
    KnownJob,
    KnownMonitor,
    KnownRevision,
    KnownRule,
    LineageHouse,
)
from mlops_desk.rules.service import RulesService
from mlops_desk.serving.service import EndpointsService
from mlops_desk.storage.state import State

_MOST_RETRAININGS = 1000  # chosen: years of them
_SENTENCE = 200  # chosen: what a tip of a node has room for


class Services(Protocol):
    """The services that lineage asks."""

    endpoints: EndpointsService
    drift: DriftService
    monitors: MonitorService
    rules: RulesService


def lineage_house(house: Services, state: State) -> LineageHouse:
    """Return how lineage asks the rest of the house."""
    endpoints, drift, monitors, rules = house.endpoints, house.drift, house.monitors, house.rules

    def known_endpoints() -> Sequence[KnownEndpoint]:
        return [
            KnownEndpoint(
                one.name, one.state.value, one.model.name, one.model.version, one.model.registry, _revisions(one)
            )
            for one in endpoints.list()
        ]

    def known_monitors() -> Sequence[KnownMonitor]:
        return [
            KnownMonitor(
                one.monitor.name,
                one.state.value,
                one.monitor.endpoint,
                one.monitor.model,
                plain(one.sentence, _SENTENCE),
            )
            for one in monitors.list()
        ]

    def known_drift(names: Sequence[str]) -> Sequence[KnownDrift]:
        newest = {name: drift.page(name, limit=1).items for name in names}
        standings = monitors.list()
        return [
            KnownDrift(
                report.id,
                name,
                verdict_of([one for one in standings if one.monitor.endpoint == name], report.verdict).value,
                f"{report.n_drifted} of {report.n_columns} columns",
            )
            for name, reports in newest.items()
            for report in reports
        ]

    def known_rules() -> Sequence[KnownRule]:
        started: dict[str, list[str]] = {}
        for retraining in rules.retrainings(limit=_MOST_RETRAININGS):
            if retraining.job_id is not None:
                started.setdefault(retraining.rule, []).append(retraining.job_id)
        there = [
            KnownRule(one.name, one.model, one.alias, one.endpoint, one.enabled, tuple(started.get(one.name, ())))
            for one in rules.shelf.list()
        ]
        gone = [name for name in started if rules.shelf.find(name) is None]
        return there + [KnownRule(name, "", "", None, False, tuple(started[name]), is_removed=True) for name in gone]

    def known_jobs(ids: Sequence[str]) -> Mapping[str, KnownJob]:
        found = {job_id: state.jobs.get(job_id) for job_id in ids}
        return {key: KnownJob(job.name, job.state.value) for key, job in found.items() if job is not None}

    return LineageHouse(known_endpoints, known_drift, known_rules, known_jobs, known_monitors)


def _revisions(endpoint: Endpoint) -> list[KnownRevision]:
    """Return an endpoint's revisions, oldest first: those of the registry where its model of today is."""
    return [
        KnownRevision(one.revision, one.model.name, one.model.version, one.state.value, one.traffic, one.created)
        for one in sorted(endpoint.revisions, key=lambda one: one.revision)
        if one.model.registry == endpoint.model.registry
    ]


def verdict_of(standings: Sequence[MonitorStanding], newest: Verdict) -> Verdict:
    """Return how an endpoint's data stand: as its monitors say, for one window alone may be chance.

    ``newest`` is the verdict of its newest report, which counts where no monitor can tell.
    """
    turned = [one.verdict for one in standings if one.state is MonitorState.TURNED and one.verdict is not None]
    if turned:
        return Verdict.CRITICAL if Verdict.CRITICAL in turned else Verdict.DRIFT
    fine = [one.verdict for one in standings if one.state is MonitorState.FINE]
    if not fine:
        return newest
    return Verdict.OK if all(verdict is Verdict.OK for verdict in fine) else Verdict.WARNING
