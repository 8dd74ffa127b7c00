"""The state database: jobs, endpoints, drift, rules, registries, aliases, events, alerts and the audit.

What of the catalogue of data is written together: what a look found, and the version that it made.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.automation.records.ci.run import CiRun
from mlops_desk.automation.records.firing import KeptFiring
from mlops_desk.automation.records.pipelines.curve import LearningCurve
from mlops_desk.automation.records.pipelines.run import PipelineRun
from mlops_desk.automation.records.retraining_rule import Retraining, Rule
from mlops_desk.automation.records.rule_record import KeptStanding, RuleSight, WrittenRule
from mlops_desk.drift.records.answers import ScoredWindow
from mlops_desk.drift.records.monitors import JudgedWindow, Monitor
from mlops_desk.drift.records.report import DriftReport
from mlops_desk.governance.records.card import KeptRegistryCard
from mlops_desk.governance.records.data.catalogue import CatalogueEntry, DataVersion
from mlops_desk.governance.records.data.redaction import KeptRedaction
from mlops_desk.governance.records.policy import ApprovalPolicy, ApprovalWord, PromotionRequest
from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.records.agent import AuditEntry, Backup
from mlops_desk.kit.records.audit import AuditLink
from mlops_desk.kit.storage.audit.chain import link_columns
from mlops_desk.kit.storage.audit.table import AuditTable, entry_columns
from mlops_desk.kit.storage.database import Database, DatabaseKind
from mlops_desk.kit.storage.pages import Value
from mlops_desk.kit.storage.records import Columns, StoredRecords, read_document
from mlops_desk.kit.storage.rule_tables import RuleTables
from mlops_desk.kit.storage.tables import (
    StateBase,
    Stored,
    StoredAlert,
    StoredAlertRule,
    StoredAliasMove,
    StoredAliasSight,
    StoredAudit,
    StoredAuditLink,
    StoredCard,
    StoredCiRun,
    StoredCurve,
    StoredDataSet,
    StoredDataVersion,
    StoredEndpoint,
    StoredHashes,
    StoredIncident,
    StoredJob,
    StoredMonitor,
    StoredPipeline,
    StoredPolicy,
    StoredPromotion,
    StoredRedaction,
    StoredReport,
    StoredRetraining,
    StoredRule,
    StoredRuleDocument,
    StoredRuleFiring,
    StoredRuleSight,
    StoredRuleStanding,
    StoredScores,
    StoredTracker,
    StoredWindow,
    StoredWord,
)
from mlops_desk.machine.records.alert import Alert, AlertRule
from mlops_desk.machine.records.incident import Incident
from mlops_desk.registry.records.alias_move import AliasSight, JournalEntry
from mlops_desk.registry.records.tracker import KeptTracker
from mlops_desk.registry.records.transfer import RecordedHashes
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState


class DataTables:
    """The tables of data. All methods raise Unavailable where nothing can be written, and then wrote nothing."""

    def __init__(
        self,
        database: Database,
        sets: StoredRecords[CatalogueEntry],
        versions: StoredRecords[DataVersion],
        redactions: StoredRecords[KeptRedaction],
    ) -> None:
        self._database = database
        self.sets = sets
        self.versions = versions
        self.redactions = redactions

    def keep(self, entry: CatalogueEntry, versions: Sequence[DataVersion]) -> None:
        """Store what a look found, all of it or none."""
        with self._database.transaction() as connection:
            self.sets.insert(connection, entry)
            for version in versions:
                self.versions.insert(connection, version)

    def forget(self, name: str) -> None:
        """Forget a set and its versions."""
        with self._database.transaction() as connection:
            self.sets.forget(connection, name)
            self.versions.forget_of(connection, name)


__all__ = ["State", "StoredRecords"]


@dataclass(frozen=True, slots=True)
class _Form:
    """How a kind of record lies in its table."""

    table: type[Stored]
    kind: type[Any]
    columns: Callable[[Any], Columns]


_JOB = _Form(StoredJob, Job, lambda r: (r.id, r.state, r.origin or "", r.submitted_at))
_ENDPOINT = _Form(StoredEndpoint, Endpoint, lambda r: (r.name, r.state, "", r.created_at))
_REPORT = _Form(
    StoredReport, DriftReport, lambda r: (r.id or "", r.verdict, r.endpoint or "", r.created_at or 0.0)
)  # fmt: skip
_MONITOR = _Form(StoredMonitor, Monitor, lambda r: (r.id, "", r.endpoint or "", r.created_at or 0.0))
# A window's place is its order, as a move's is.
_WINDOW = _Form(StoredWindow, JudgedWindow, lambda r: (r.id, r.verdict, r.monitor, float(r.number)))
_SCORES = _Form(StoredScores, ScoredWindow, lambda r: (r.id, r.state, r.monitor, float(r.number)))
_RULE = _Form(StoredRule, Rule, lambda r: (r.name, "", "", r.created_at))
_DOCUMENT = _Form(StoredRuleDocument, WrittenRule, lambda r: (r.id, "", r.name, r.created_at))
_STANDING = _Form(StoredRuleStanding, KeptStanding, lambda r: (r.key, "", r.rule_id, 0.0))
_FIRING = _Form(StoredRuleFiring, KeptFiring, lambda r: (r.id, r.state, r.rule_id, r.at))
_RULE_SIGHT = _Form(StoredRuleSight, RuleSight, lambda r: (r.key, "", r.rule_id, r.at))
_RETRAINING = _Form(StoredRetraining, Retraining, lambda r: (r.id, r.state, r.rule, r.created_at))
_PIPELINE = _Form(StoredPipeline, PipelineRun, lambda r: (r.id, r.state, r.rule, r.created_at))
_DATA_SET = _Form(StoredDataSet, CatalogueEntry, lambda r: (r.name, r.place.kind, "", r.created_at))
# The place of a version is its order: what was seen may have no time.
_DATA_VERSION = _Form(
    StoredDataVersion, DataVersion, lambda r: (f"{r.number:09d} {r.dataset}", "", r.dataset, float(r.number))
)
_REDACTION = _Form(StoredRedaction, KeptRedaction, lambda r: (r.endpoint, "", "", r.updated_at))
_CI = _Form(StoredCiRun, CiRun, lambda r: (r.id, r.state, r.repository, r.created_at))
_CURVE = _Form(StoredCurve, LearningCurve, lambda r: (r.id, r.state, r.model, r.created_at))
_AUDIT = _Form(StoredAudit, AuditEntry, entry_columns)
_AUDIT_LINK = _Form(StoredAuditLink, AuditLink, link_columns)
# What happens again and again is as new as its last time.
_INCIDENT = _Form(StoredIncident, Incident, lambda r: (r.id, r.level, r.device or "", r.last_at or r.at))
_ALERT = _Form(StoredAlert, Alert, lambda r: (r.id, "firing" if r.ended_at is None else "ended", r.rule, r.since))
_ALERT_RULE = _Form(StoredAlertRule, AlertRule, lambda r: (r.name, "", r.device_class, 0.0))
_TRACKER = _Form(StoredTracker, KeptTracker, lambda r: (r.name, r.kind, "", r.added_at))
# The place of a move is its order, not its time: clocks are set back.
_MOVE = _Form(
    StoredAliasMove, JournalEntry, lambda r: (r.key, "intended" if r.is_intended else "moved", r.parent, float(r.order))
)
_SIGHT = _Form(StoredAliasSight, AliasSight, lambda r: (r.registry, "", "", r.at))
_HASHES = _Form(StoredHashes, RecordedHashes, lambda r: (r.key, "", "", r.recorded_at))
_CARD = _Form(
    StoredCard, KeptRegistryCard,
    lambda r: (r.key, "owed" if r.is_owed else "", r.card.model, r.card.updated_at or 0.0),
)  # fmt: skip
_POLICY = _Form(StoredPolicy, ApprovalPolicy, lambda r: (r.key, "", r.model, r.set_at))
_WORD = _Form(StoredWord, ApprovalWord, lambda r: (r.id, r.state, r.parent, r.at))
_PROMOTION = _Form(StoredPromotion, PromotionRequest, lambda r: (r.id, r.state, r.model, r.asked_at))
_FORMS = {
    form.table.__tablename__: form
    for form in (
        _JOB, _ENDPOINT, _REPORT, _RULE, _RETRAINING, _AUDIT, _INCIDENT, _ALERT, _ALERT_RULE, _TRACKER, _MOVE, _SIGHT,
        _PIPELINE, _CURVE, _HASHES, _MONITOR, _WINDOW, _SCORES, _AUDIT_LINK, _DOCUMENT, _STANDING, _FIRING, _RULE_SIGHT,
        _CARD, _POLICY, _WORD, _PROMOTION,
        _DATA_SET, _DATA_VERSION, _REDACTION,
        _CI,
    )
}  # fmt: skip


def _is_taken_back(endpoint: Endpoint) -> bool:
    """Tell whether a later agent must not take up again what an earlier record has: it was stopped, or went back."""
    went_back = endpoint.state is EndpointState.LIVE and endpoint.rollout is None and endpoint.reason is not None
    return endpoint.state is EndpointState.STOPPED or went_back


class _Judge:
    """Knows the tables of records, which differ in nothing but what is in their documents."""

    def why_not(self, table: str, row: dict[str, Value]) -> str | None:
        """Refuse a document that is no JSON: an index looks into it, so it could be neither kept nor taken out."""
        del table
        document = row["document"]
        try:
            json.loads(document if isinstance(document, str) else b"")
        except (ValueError, RecursionError) as error:
            return f"its document is no JSON: {error}"
        return None

    def belongs(self, table: str, row: dict[str, Value]) -> bool:
        form = _FORMS.get(table)
        if form is None:
            return False
        try:
            key, _, parent, _ = form.columns(read_document(str(row["document"]).encode(), form.kind))
        except Invalid:
            return False
        return (key, parent) == (row["key"], row["parent"])


_KIND = DatabaseKind("state", frozenset(StateBase.metadata.tables), _Judge(), "FULL", thorough=True)


class State:
    """The tables of the state database; ``repair`` says what was damaged when it was opened, ``is_new`` that it is."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _KIND)
        self.repair = self._database.repair
        self.is_new = self._database.is_new
        self._tables: dict[str, StoredRecords[Any]] = {}
        self.jobs: StoredRecords[Job] = self._table(_JOB)
        self.endpoints: StoredRecords[Endpoint] = self._table(_ENDPOINT)
        self.reports: StoredRecords[DriftReport] = self._table(_REPORT)
        self.monitors: StoredRecords[Monitor] = self._table(_MONITOR)
        self.drift_windows: StoredRecords[JudgedWindow] = self._table(_WINDOW)
        self.drift_answers: StoredRecords[ScoredWindow] = self._table(_SCORES)
        self.rules: StoredRecords[Rule] = self._table(_RULE)
        self.written_rules: StoredRecords[WrittenRule] = self._table(_DOCUMENT)
        self.standings: StoredRecords[KeptStanding] = self._table(_STANDING)
        self.firings: StoredRecords[KeptFiring] = self._table(_FIRING)
        self.rule_sights: StoredRecords[RuleSight] = self._table(_RULE_SIGHT)
        self.alert_rules: StoredRecords[AlertRule] = self._table(_ALERT_RULE)
        self.rule_tables = RuleTables(
            self._database, self.rules, self.written_rules, self.standings, self.firings, self.rule_sights,
            self.alert_rules,
        )  # fmt: skip
        self.retrainings: StoredRecords[Retraining] = self._table(_RETRAINING)
        self.pipelines: StoredRecords[PipelineRun] = self._table(_PIPELINE)
        self.curves: StoredRecords[LearningCurve] = self._table(_CURVE)
        self.data = DataTables(
            self._database, self._table(_DATA_SET), self._table(_DATA_VERSION), self._table(_REDACTION)
        )
        self.ci_runs: StoredRecords[CiRun] = self._table(_CI)
        self.audit = AuditTable(self._database)
        self._tables.update({StoredAudit.__tablename__: self.audit, StoredAuditLink.__tablename__: self.audit.links})
        self.incidents: StoredRecords[Incident] = self._table(_INCIDENT)
        self.alerts: StoredRecords[Alert] = self._table(_ALERT)
        self.trackers: StoredRecords[KeptTracker] = self._table(_TRACKER)
        self.hashes: StoredRecords[RecordedHashes] = self._table(_HASHES)
        self.alias_moves: StoredRecords[JournalEntry] = self._table(_MOVE)
        self.alias_sights: StoredRecords[AliasSight] = self._table(_SIGHT)
        self.cards: StoredRecords[KeptRegistryCard] = self._table(_CARD)
        self.approval_policies: StoredRecords[ApprovalPolicy] = self._table(_POLICY)
        self.approval_words: StoredRecords[ApprovalWord] = self._table(_WORD)
        self.promotions: StoredRecords[PromotionRequest] = self._table(_PROMOTION)
        self.jobs.is_vital = lambda job: job.state.is_final
        self.endpoints.is_vital = _is_taken_back
        if not self.is_new:  # a new one has no rows
            self._check()

    def _check(self) -> None:
        """Look at those that are acted on; the others grow without end, and are looked at when asked for."""
        for table in (
            self.jobs,
            self.endpoints,
            self.monitors,
            self.rules,
            self.written_rules,
            self.standings,
            self.firings,
            self.rule_sights,
            self.retrainings,
            self.pipelines,
            self.ci_runs,
            self.curves,
            self.alerts,
            self.alert_rules,
            self.trackers,
            self.cards,
            self.approval_policies,
            self.approval_words,
            self.promotions,
            self.data.sets,
            self.data.redactions,
        ):
            table.check()

    def unreadable(self) -> dict[str, str]:
        """Return what can't be read, as ``TABLE KEY``, with the reason."""
        return {f"{name} {key}": why for name, table in self._tables.items() for key, why in table.unreadable.items()}

    @property
    def changes(self) -> int:
        """Return how many rows were changed since it was opened."""
        return self._database.changes

    def backups(self) -> list[Backup]:
        """Return the backups there are, newest first."""
        return self._database.backups.list()

    def backup(self, why: str) -> Backup:
        """Make a backup. Raises Unavailable."""
        return self._database.backup(why)

    def close(self) -> None:
        self._database.close()

    def _table(self, form: _Form) -> StoredRecords[Any]:
        made: StoredRecords[Any] = StoredRecords(self._database, form.table, form.kind, form.columns)
        self._tables[form.table.__tablename__] = made
        return made
