"""The tables of the state database, as SQLAlchemy 2 typed mappings.

A record is stored whole, as the JSON document the wire defines, beside the columns it is found by.
So a record may gain fields without a migration, and a query never has to read what it does not need.
"""

from typing import Any

from sqlalchemy import JSON, Index, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class StateBase(DeclarativeBase):
    """All tables of the state database."""


class Stored(StateBase):
    """What every kind of record has: key, state, the thing it belongs to, an order and the document."""

    __abstract__ = True

    key: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(default="")
    parent: Mapped[str] = mapped_column(default="")
    created_at: Mapped[float]
    document: Mapped[dict[str, Any]] = mapped_column(JSON)


class StoredJob(Stored):
    """Jobs, by id; parent is the origin (a retraining's id) or empty."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("jobs_by_state", "state", "created_at"),
        Index("jobs_by_origin", "parent", "created_at"),
        Index("jobs_by_run", text("json_extract(document, '$.mlflow_run_id')")),
        Index("jobs_by_name", text("json_extract(document, '$.name')"), "created_at"),
        Index("jobs_by_group", text("json_extract(document, '$.group')"), "created_at"),
    )


class StoredEndpoint(Stored):
    """Endpoints, by name."""

    __tablename__ = "endpoints"


class StoredReport(Stored):
    """Drift reports, by id; parent is the endpoint."""

    __tablename__ = "drift_reports"
    __table_args__ = (Index("drift_reports_by_endpoint", "parent", "created_at"),)


class StoredMonitor(Stored):
    """Monitors of drift, by id; parent is the endpoint, or empty."""

    __tablename__ = "drift_monitors"


class StoredWindow(Stored):
    """Windows of monitors as they were judged, by id; parent is the monitor, in the order of their number."""

    __tablename__ = "drift_windows"
    __table_args__ = (Index("drift_windows_by_monitor", "parent", "created_at"),)


class StoredScores(Stored):
    """How good the answers in monitors' windows were, by the windows' ids; parent is the monitor, in their order."""

    __tablename__ = "drift_answers"
    __table_args__ = (Index("drift_answers_by_monitor", "parent", "created_at"),)


class StoredRule(Stored):
    """Retraining rules as they were kept before there were documents, by name: those that are still to be taken up."""

    __tablename__ = "rules"


class StoredRuleDocument(Stored):
    """Documents of rules, by the rule's id; parent is the name."""

    __tablename__ = "rule_documents"


class StoredRuleStanding(Stored):
    """How rules stand, by rule and thing; parent is the rule's id."""

    __tablename__ = "rule_standings"


class StoredRuleFiring(Stored):
    """What rules did, by the firing's id; parent is the rule's id."""

    __tablename__ = "rule_firings"
    __table_args__ = (
        Index("rule_firings_by_rule", "parent", "created_at"),
        Index("rule_firings_by_state", "state", "created_at"),
    )


class StoredRuleSight(Stored):
    """What rules saw last of folders and repositories, by rule and place in its condition; parent is the rule's id."""

    __tablename__ = "rule_sights"


class StoredRetraining(Stored):
    """Retrainings, by id; parent is the rule."""

    __tablename__ = "retrainings"
    __table_args__ = (Index("retrainings_by_rule", "parent", "created_at"),)


class StoredCurve(Stored):
    """Learning curves, by id; parent is the model."""

    __tablename__ = "learning_curves"
    __table_args__ = (Index("learning_curves_by_state", "state", "created_at"),)


class StoredPipeline(Stored):
    """Runs of retraining pipelines, by id; parent is the rule."""

    __tablename__ = "pipelines"
    __table_args__ = (
        Index("pipelines_by_rule", "parent", "created_at"),
        Index("pipelines_by_state", "state", "created_at"),
    )


class StoredDataSet(Stored):
    """Data sets that somebody has registered, by name; state is the kind."""

    __tablename__ = "data_sets"


class StoredDataVersion(Stored):
    """What data sets were at looks, by set and number; parent is the set, the place its number."""

    __tablename__ = "data_versions"
    __table_args__ = (Index("data_versions_by_set", "parent", "created_at"),)


class StoredRedaction(Stored):
    """What is taken out of request logs, by the endpoint's name."""

    __tablename__ = "redactions"


class StoredCiRun(Stored):
    """Runs of repositories' pipelines, by id; parent is the repository."""

    __tablename__ = "ci_runs"
    __table_args__ = (
        Index("ci_runs_by_repository", "parent", "created_at"),
        Index("ci_runs_by_state", "state", "created_at"),
        Index("ci_runs_by_origin", text("json_extract(document, '$.origin')")),
    )


class StoredAudit(Stored):
    """Audit entries, by id; state is that of one that did not end, parent the verb."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_by_time", "created_at"), Index("audit_by_state", "state", "created_at"))


class StoredAuditLink(Stored):
    """The chain of what was written of audit entries, by number; parent is the entry, the place its number."""

    __tablename__ = "audit_chain"
    __table_args__ = (Index("audit_chain_by_entry", "parent", "created_at"),)


class StoredIncident(Stored):
    """The event log, by id; state is the level, parent the device."""

    __tablename__ = "incidents"
    __table_args__ = (Index("incidents_by_time", "created_at"),)


class StoredAlert(Stored):
    """Alerts, by id; state is firing or ended, parent the rule."""

    __tablename__ = "alerts"
    __table_args__ = (Index("alerts_by_time", "created_at"),)


class StoredAlertRule(Stored):
    """Alert rules that a person changed, by name, as they were kept before these were documents."""

    __tablename__ = "alert_rules"


class StoredTracker(Stored):
    """Registries that a person keeps, by name."""

    __tablename__ = "trackers"


class StoredAliasMove(Stored):
    """Where aliases of models went, by their order; state is intended or moved, parent the registry and the model."""

    __tablename__ = "alias_moves"
    __table_args__ = (Index("alias_moves_by_model", "parent", "created_at"),)


class StoredHashes(Stored):
    """What the files of versions were when they were looked at first, by registry, model and version."""

    __tablename__ = "version_hashes"


class StoredAliasSight(Stored):
    """How the aliases of registries stood when they were looked at last, by the registry."""

    __tablename__ = "alias_sights"


class StoredCard(Stored):
    """Cards of versions, by registry, model and version; state tells what a registry lacks, parent is the model."""

    __tablename__ = "version_cards"
    __table_args__ = (Index("version_cards_by_state", "state", "created_at"),)


class StoredPolicy(Stored):
    """Policies of approval, by registry, model and alias; parent is the model."""

    __tablename__ = "approval_policies"


class StoredWord(Stored):
    """Approvals that were given, by id; parent is the version under an alias that they are about."""

    __tablename__ = "approval_words"
    __table_args__ = (Index("approval_words_by_subject", "parent", "created_at"),)


class StoredPromotion(Stored):
    """Moves of aliases that were asked for, by id; parent is the model."""

    __tablename__ = "promotions"
    __table_args__ = (Index("promotions_by_state", "state", "created_at"),)
