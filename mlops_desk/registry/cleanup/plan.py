"""Which runs and versions a clean-up takes, and what keeps the others. Pure; when in doubt something stays."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import duration_text, plain
from mlops_desk.registry.comparison.direction import LOWER, direction
from mlops_desk.registry.records.clean_up import CleanUpItem
from mlops_desk.registry.records.model import Model, ModelVersion, Run

# What a clean-up is to take: everything that it asks for has to be true of a run, or of a version.


@dataclass(frozen=True, slots=True)
class CleanUpRule:
    """``experiment``: of which runs; ``model``: of which versions ("" all), of those without an alias; None: of none.

    ``keep_best`` runs by ``metric`` stay; ``at`` (Unix seconds) is what ``older_than_seconds`` is counted from.
    """

    at: float
    experiment: str | None = None
    keep_best: int | None = None
    metric: str | None = None
    lower_is_better: bool | None = None
    older_than_seconds: float | None = None
    failed: bool = False
    model: str | None = None

    def check(self) -> None:
        """Refuse a rule that takes nothing, or all without a condition. Raises Invalid."""
        if self.experiment is None and self.model is None:
            raise Invalid("A clean-up is of the runs of an experiment, or of the versions of a model.", _FORMS)
        if (self.keep_best is None) != (self.metric is None):
            raise Invalid("The best runs are kept by a metric: how many, and by which.", _FORMS)
        if self.keep_best is not None and self.keep_best < 1:
            raise Invalid(f"{self.keep_best} runs can't be the best; at least one is kept.")
        if self.metric is not None and self.lower_is_better is None and direction(self.metric) is None:
            text = f"Whether more or less of {plain(self.metric)} is better its name does not tell; nothing is guessed."
            raise Invalid(text, "Say --higher or --lower.")
        if self.older_than_seconds is not None and not 0 <= self.older_than_seconds < self.at:
            raise Invalid(f"{self.older_than_seconds:g} s is no age.")
        has_condition = self.keep_best is not None or self.older_than_seconds is not None or self.failed
        if self.experiment is not None and not has_condition:
            text = f"Of all runs of {plain(self.experiment)} nothing says which are to go."
            raise Invalid(text, _FORMS)
        if self.model is not None and (self.failed or self.keep_best is not None) and self.experiment is None:
            raise Invalid("Versions do not fail and have no metric of their own.", _FORMS)

    @property
    def prefers_lower(self) -> bool:
        """Tell whether less of the metric is better: as it was said, else by the metric's name."""
        if self.lower_is_better is not None:
            return self.lower_is_better
        return self.metric is not None and direction(self.metric) == LOWER


_FORMS = (
    "clean-up --experiment NAME with one or more of --keep-best N --metric KEY, --older-than 30d, --failed; "
    "or --model NAME for its versions without an alias."
)


def token_of(rule: CleanUpRule, uri: str | None, going: Iterable[CleanUpItem]) -> str:
    """Return what names a preview: another rule, place or set of things has another token."""
    told = [asdict(rule), uri, sorted((item.kind, item.name, item.why) for item in going)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:_TOKEN_CHARACTERS]


_TOKEN_CHARACTERS = 24  # 96 bits: no two previews have the same

_PARENT_TAG = "mlflow.parentRunId"
_UNDER_WAY = ("RUNNING", "SCHEDULED")
_FAILED = ("FAILED", "KILLED")


@dataclass(frozen=True, slots=True)
class RegistryUsers:
    """What the desk knows to need a run (by id) or a version (by NAME/VERSION), each in words."""

    runs: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Planned:
    """What goes and what stays though the rule would take it."""

    going: tuple[CleanUpItem, ...]
    kept: tuple[CleanUpItem, ...]


def plan_runs(
    rule: CleanUpRule, runs: Sequence[Run], versions: Iterable[ModelVersion], users: RegistryUsers
) -> Planned:
    """Say which runs of an experiment go. What a version was made of stays, and so does whatever still runs."""
    best = _best(rule, runs)
    taken = {run.run_id: why for run in runs if (why := _why(rule, run, best)) is not None}
    keepers = {run.run_id: keeper for run in runs if (keeper := _keeper(run, users)) is not None}
    for version in versions:
        if version.run_id:
            keepers.setdefault(version.run_id, f"version {plain(version.name)}/{version.version} was made of it")
    _keep_parents(runs, taken, keepers)
    going: list[CleanUpItem] = []
    kept: list[CleanUpItem] = []
    for run in runs:
        if (why := taken.get(run.run_id)) is None:
            continue
        keeper = keepers.get(run.run_id)
        item = CleanUpItem("run", run.run_id, plain(run.name or run.run_id), why, kept_by=keeper)
        (going if keeper is None else kept).append(item)
    return Planned(tuple(going), tuple(kept))


def _best(rule: CleanUpRule, runs: Sequence[Run]) -> frozenset[str]:
    """Return the best runs by the metric; NaN is never among them, and of equal ones the older is the better."""
    if rule.metric is None or rule.keep_best is None:
        return frozenset()
    sign = 1.0 if rule.prefers_lower else -1.0
    known = [
        (sign * value, run.start_time or 0, run.run_id)
        for run in runs
        if (value := run.metrics.get(rule.metric)) is not None and not math.isnan(value)
    ]
    return frozenset(run_id for _, _, run_id in sorted(known)[: rule.keep_best])


def _why(rule: CleanUpRule, run: Run, best: frozenset[str]) -> str | None:
    """Return why the rule takes a run; None where something that it asks for is not so, or is not known."""
    reasons = []
    if rule.metric is not None:
        value = run.metrics.get(rule.metric)
        if value is None or run.run_id in best:
            return None
        reasons.append(f"not among the best {rule.keep_best} by {plain(rule.metric)} ({value:.6g})")
    if rule.failed:
        if run.status not in _FAILED:
            return None
        reasons.append(f"it {'was killed' if run.status == 'KILLED' else 'failed'}")
    if rule.older_than_seconds is not None:
        ended = run.end_time or run.start_time
        if ended is None or not _is_older(rule, ended / 1000):
            return None
        reasons.append(f"older than {duration_text(rule.older_than_seconds)}")
    return "; ".join(reasons)


def _is_older(rule: CleanUpRule, at: float) -> bool:
    return rule.older_than_seconds is not None and rule.at - at > rule.older_than_seconds


def _keeper(run: Run, users: RegistryUsers) -> str | None:
    if run.status in _UNDER_WAY:
        return "it has not ended"
    return users.runs.get(run.run_id)


def _keep_parents(runs: Sequence[Run], taken: Mapping[str, str], keepers: dict[str, str]) -> None:
    """Keep every run above one that stays: a page that shows runs below their parents would lose it."""
    parents = {run.run_id: run.tags.get(_PARENT_TAG) for run in runs}
    for run in runs:
        if run.run_id in taken and run.run_id not in keepers:
            continue
        above = parents.get(run.run_id)
        while above is not None and above not in keepers and above in taken:
            keepers[above] = f"run {plain(run.name or run.run_id, 60)} below it stays"
            above = parents.get(above)


def plan_versions(
    rule: CleanUpRule, models: Iterable[Model], versions: Iterable[ModelVersion], users: RegistryUsers
) -> Planned:
    """Say which versions go: those that no alias means and nothing uses; the newest of each model stays."""
    newest = {model.name: model.latest_version for model in models}
    aliased = {f"{model.name}/{version}": alias for model in models for alias, version in model.aliases.items()}
    going: list[CleanUpItem] = []
    kept: list[CleanUpItem] = []
    for version in versions:
        name = f"{version.name}/{version.version}"
        if rule.older_than_seconds is not None and not (version.created_at and _is_older(rule, version.created_at)):
            continue
        keeper = _version_keeper(version, name, newest.get(version.name), aliased, users)
        why = "no alias means it"
        if rule.older_than_seconds is not None:
            why += f"; older than {duration_text(rule.older_than_seconds)}"
        item = CleanUpItem("version", name, plain(name), why, kept_by=keeper)
        (going if keeper is None else kept).append(item)
    return Planned(tuple(going), tuple(kept))


def _version_keeper(
    version: ModelVersion, name: str, newest: str | None, aliased: Mapping[str, str], users: RegistryUsers
) -> str | None:
    if name in aliased or version.aliases:
        return f"alias {plain(aliased.get(name) or version.aliases[0])}"
    if name in users.versions:
        return users.versions[name]
    if newest is None or version.version == newest:
        return "the newest version, which the model's bare name means"
    return "it is not ready yet" if version.status != "READY" else None
