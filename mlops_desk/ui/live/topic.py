"""What kinds of things can have changed, by name."""

from __future__ import annotations

from typing import ClassVar


class Topic(str):
    """The name of a kind of thing that can have changed.

    Those below are spoken of by more than one feature; what only one speaks of, it names itself.
    """

    __slots__ = ()

    STATUS: ClassVar[Topic]
    CONNECTION: ClassVar[Topic]
    NOTICES: ClassVar[Topic]
    JOBS: ClassVar[Topic]
    ENDPOINTS: ClassVar[Topic]
    MODELS: ClassVar[Topic]
    REGISTRY: ClassVar[Topic]
    REGISTRIES: ClassVar[Topic]
    REPORTS: ClassVar[Topic]
    MONITORS: ClassVar[Topic]
    RULES: ClassVar[Topic]
    RETRAININGS: ClassVar[Topic]
    SETTINGS: ClassVar[Topic]
    CHECKS: ClassVar[Topic]
    INCIDENTS: ClassVar[Topic]
    ALERTS: ClassVar[Topic]
    ALERT_RULES: ClassVar[Topic]
    APPROVALS: ClassVar[Topic]


for _name in (
    "status", "connection", "notices", "jobs", "endpoints", "models", "registry", "registries", "reports", "rules",
    "retrainings", "monitors", "settings", "checks", "incidents", "alerts", "alert_rules", "approvals",
):  # fmt: skip
    setattr(Topic, _name.upper(), Topic(_name))
