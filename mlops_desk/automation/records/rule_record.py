"""A rule that is kept: as it was written down, and as it is shown with how it stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.automation.records.conditions import MetricClause
from mlops_desk.automation.records.firing import FiringState, KeptFiring
from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.records.pipelines.synthetic import Augmentation
from mlops_desk.automation.records.retraining_rule import Rule
from mlops_desk.automation.records.rule_state import RuleStanding
from mlops_desk.kit.records.owner import Owner


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """A rule's document. ``id`` is never given twice, ``name`` is free again once the rule is removed.

    ``created_by`` is the uid on whose behalf it acts. ``last_fired_at`` (Unix time) is for lists alone: what holds a
    rule back is in its standings.
    """

    id: str
    name: str
    document: str
    created_by: int | None
    created_at: float
    is_paused: bool = False
    last_fired_at: float | None = None


@dataclass(frozen=True, slots=True)
class KeptStanding:
    """How a rule (by its id) stands for one thing."""

    rule_id: str
    subject: str
    standing: RuleStanding

    @property
    def key(self) -> str:
        return f"{self.rule_id}/{self.subject}"


@dataclass(frozen=True, slots=True)
class RuleSight:
    """What was seen last of what a rule waits for to change: the files of a folder, a commit. ``at`` is Unix time."""

    rule_id: str
    place: int
    seen: str
    at: float

    @property
    def key(self) -> str:
        return f"{self.rule_id}/{self.place}"


@dataclass(frozen=True, slots=True)
class ThingStanding:
    """How a rule stands for a ``subject``: ``holds`` None means that nobody knows.

    ``since`` is the Unix time of the last change that this agent saw of it, ``held_by`` what keeps it from firing
    though it would (quiet, cooldown, budget, underway); ``fired`` counts.
    """

    subject: str
    holds: bool | None
    since: float | None = None
    held_by: str | None = None
    fired: int = 0
    fired_at: float | None = None


@dataclass(frozen=True, slots=True)
class KeptRule:
    """A rule as lists show it: its sentence and document, and how it stands.

    ``model`` to ``data`` say what a rule that retrains does, and are None for others; ``endpoint`` is the one whose
    drift sets it off. ``trouble``: why it is not judged. ``next_at`` (Unix time) is the next time of its schedule.
    ``firings`` are the newest, newest first, of ``rules show`` alone. ``watched`` are the metrics of its condition,
    each with its threshold: their history can be asked for. ``lasts``: some of it lasts, so that it holds or does not;
    else it waits for moments alone. One that is ``built_in`` has a ``title`` and a ``help``, belongs to the machine,
    and its alerts are its firings; ``changed_by`` (a uid, where it is known) and ``changed_at`` (Unix time) tell of the
    last change of what it said at first, both None where it says that. ``fires_by_hand``: there is something that a
    person can have it do now; a built-in one that raises an alert alone has nothing. ``unseen``: why what it waits for
    (a folder, rows, a repository) can't be looked at now, so that nobody knows whether it has come. ``alike`` are the
    rules that wait for the same and do the same, told when it is made or changed. ``last_state``: what became of its
    newest firing, None where none is kept, or a person did not agree to it.
    """

    name: str
    model: str | None = None
    alias: str | None = None
    metric: str | None = None
    higher_is_better: bool | None = None
    endpoint: str | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True
    cooldown_seconds: float = 0.0
    created_by: int | None = None
    created_at: float = 0.0
    last_fired_at: float | None = None
    id: str = ""
    sentence: str = ""
    document: str = ""
    trouble: str | None = None
    next_at: float | None = None
    standings: tuple[ThingStanding, ...] = ()
    firings: tuple[KeptFiring, ...] = ()
    plan: EvaluationPlan = field(default_factory=EvaluationPlan)
    missing: tuple[str, ...] = ()
    watched: tuple[MetricClause, ...] = ()
    lasts: bool = False
    augment: Augmentation | None = None
    built_in: bool = False
    title: str = ""
    help: str = ""
    changed_by: int | None = None
    changed_at: float | None = None
    fires_by_hand: bool = True
    unseen: str | None = None
    alike: tuple[str, ...] = ()
    last_state: FiringState | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.created_by)

    @property
    def retraining(self) -> Rule | None:
        """Return what it says of retraining; None where it does not retrain."""
        if self.model is None or self.metric is None:
            return None
        return Rule(
            name=self.name,
            model=self.model,
            alias=self.alias or "champion",
            metric=self.metric,
            higher_is_better=self.higher_is_better is not False,
            endpoint=self.endpoint,
            data=self.data,
            enabled=self.enabled,
            cooldown_seconds=self.cooldown_seconds,
            created_by=self.changed_by if self.built_in else self.created_by,
            created_at=self.created_at,
            last_fired_at=self.last_fired_at,
            plan=self.plan,
            augment=self.augment,
        )
