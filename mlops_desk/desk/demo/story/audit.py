"""What the demonstration's team has changed lately, as the audit has it: who, what, when, and what became of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlops_desk.desk.demo import past
from mlops_desk.records.agent import AuditEntry

_HOUR = 3600.0
_UIDS = {"amara": 1001, "jonas": 1002, "maria": 1003}  # chosen: as Debian numbers people


@dataclass(frozen=True, slots=True)
class _Told:
    """A change so many hours before now."""

    hours: float
    user: str
    verb: str
    arguments: Mapping[str, str]
    outcome: str | None = None
    error: str | None = None
    before: str | None = None


_CHANGES = (
    _Told(620.0, "maria", "rules.create", {"document": "name: warn-hot-gpus …"}, "warn-hot-gpus: armed"),
    _Told(570.0, "maria", "rules.create", {"document": "name: retrain-line-defects …"}, "retrain-line-defects: armed"),
    _Told(503.0, "amara", "models.alias", {"model": "churn", "alias": "champion", "version": "1"}, "churn@champion: 1"),
    _Told(480.0, "jonas", "endpoints.deploy", {"model": "churn@champion", "name": "churn-prod"},
          "churn-prod: live, revision 1"),
    _Told(430.0, "jonas", "rules.create", {"document": "name: roll-back-churn-eu …"}, "roll-back-churn-eu: armed"),
    _Told(337.0, "maria", "rules.fire", {"name": "retrain-line-defects"}, "a retraining was begun"),
    _Told(335.0, "maria", "models.alias", {"model": "resnet50", "alias": "champion", "version": "5"},
          "resnet50@champion: 5",
          before="resnet50@champion: 4"),
    _Told(334.6, "amara", "approvals.approve", {"approval_id": "468dc751", "expected": "1"}, "churn@champion: 2",
          before="churn@champion: 1"),
    _Told(300.0, "jonas", "endpoints.rollback", {"name": "line-defects"},
          error="Endpoint line-defects has no revision before this one."),
    _Told(288.0, "jonas", "rules.create", {"document": "name: nightly-scoring …"}, "nightly-scoring: armed"),
    _Told(261.0, "amara", "rules.answer", {"firing": "roll-back-churn-eu/1", "agree": "False"},
          "nothing was rolled back"),
    _Told(212.0, "jonas", "jobs.cancel", {"job": "sweep-lr"}, "sweep-lr: cancelled", before="sweep-lr: running"),
    _Told(169.0, "maria", "rules.fire", {"name": "retrain-line-defects"}, "a retraining was begun"),
    _Told(167.6, "maria", "approvals.approve", {"approval_id": "9f2b174c", "expected": "5"}, "resnet50@champion: 6",
          before="resnet50@champion: 5"),
    _Told(166.4, "amara", "approvals.approve", {"approval_id": "5b76de51", "expected": "2"}, "churn@champion: 3",
          before="churn@champion: 2"),
    _Told(75.0, "amara", "rules.pause", {"name": "keep-churn-eu-fresh"}, "keep-churn-eu-fresh: paused",
          before="keep-churn-eu-fresh: armed"),
    _Told(52.0, "jonas", "models.alias", {"model": "resnet50", "alias": "champion", "version": "5"},
          error="2 people have to approve moves of resnet50@champion, and nobody has."),
    _Told(26.0, "maria", "settings.set", {"key": "telemetry.interval_seconds", "value": "1"}, "1", before="2"),
    _Told(5.0, "amara", "labels.set", {"endpoint": "churn-prod", "label": "churned=1"}, "1 row was taken"),
    _Told(2.2, "jonas", "jobs.submit", {"name": "vit-large", "gpus": "1"}, "vit-large: queued"),
)  # fmt: skip


def tell(put: Callable[[AuditEntry], None], now: float) -> None:
    """Hand over what was changed before ``now`` (Unix time), oldest first."""
    for told in _CHANGES:
        at = now - told.hours * _HOUR
        put(
            AuditEntry(
                at, _UIDS[told.user], told.user, told.verb, json.dumps(told.arguments), told.outcome, told.error,
                past.named(f"audit.{told.hours}"), told.before, ended_at=at + 0.1,
            )
        )  # fmt: skip
