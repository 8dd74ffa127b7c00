"""What a rule needs to retrain: a champion, its job, data, rows to score by, and an endpoint that drifts."""

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.automation.evaluation_rows import HELD_OUT
from mlops_desk.automation.records.retraining_rule import Rule
from mlops_desk.automation.rules.storage.rule_repository import ReadRule
from mlops_desk.desk.automation.reference_check import unjudged
from mlops_desk.drift.records.monitors import MonitorStanding
from mlops_desk.drift.records.sources import Reference, ReferenceKind
from mlops_desk.drift.reference_dataset import FoundReference, address_of, nothing_found
from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.base.timer import Bell
from mlops_desk.registry.records.model import DatasetInput, ModelVersion
from mlops_desk.serving.records.endpoint import Endpoint

LOOK_SECONDS = 300.0
"""Chosen: the registry is asked for it, and files of mounts may be read."""
_OWN = frozenset({ReferenceKind.FILE, ReferenceKind.LIVE})
"""What needs no data set of the run."""


@dataclass(frozen=True, slots=True)
class RuleNeeds:
    """``champion`` finds the version behind MODEL@ALIAS, ``model`` a registered model (raises NotFound).

    ``dataset`` finds a run's data set of some contexts, ``job_of_run`` the job that made a run, None where this desk
    has none. ``monitors`` are those of an endpoint's drift. All may raise DeskError.
    """

    champion: Callable[[str, str], ModelVersion]
    job_of_run: Callable[[str], Job | None]
    dataset: Callable[[str, Sequence[str] | None], DatasetInput]
    endpoint: Callable[[str], Endpoint]
    model: Callable[[str], object]
    search: Callable[[str, DatasetInput], FoundReference | None] = nothing_found
    monitors: Callable[[str], Sequence[MonitorStanding]] = lambda _endpoint: ()

    def lacking(self, rule: Rule) -> list[str]:
        """Return what a rule would need and is not there, in sentences; nothing while nobody can tell."""
        try:
            champion = self.champion(rule.model, rule.alias)
            job = self.job_of_run(champion.run_id) if champion.run_id else None
        except NotFound:
            return [self._no_champion(rule), *self._no_endpoint(rule)]
        except DeskError:
            return []  # the registry does not answer, which the rule's notice has told
        if job is None:
            told = [f"Version {champion.version} was not trained by a job of this desk, so there is no recipe."]
            return told + self._no_endpoint(rule)
        found = [unread for target, path in rule.data.items() if (unread := _unread(path, target)) is not None]
        targets = {mount.target for mount in job.spec.mounts}
        found += [f"Its job has no mount at {plain(target)}." for target in rule.data if target not in targets]
        found += self._no_endpoint(rule)
        drift = [] if rule.endpoint is None else unjudged(rule.endpoint, self.monitors)
        return found + (drift or self._no_path(rule, champion)) + self._no_rows(rule, champion)

    def _no_champion(self, rule: Rule) -> str:
        """Say which is missing of a rule's model and its alias."""
        model, alias = plain(rule.model), plain(rule.alias)
        try:
            self.model(rule.model)
        except NotFound as error:
            hint = f" {error.hint}" if error.hint else ""
            return f"There is no registered model {model} yet, so there is nothing to train again.{hint}"
        except DeskError:
            return f"There is no version at {model}@{alias} yet, so there is no champion."
        return f"{model} has no alias {alias} yet, so there is no champion."

    def _no_endpoint(self, rule: Rule) -> list[str]:
        """Return what keeps the rule's endpoint from ever setting it off."""
        if rule.endpoint is None:
            return []
        name = plain(rule.endpoint)
        try:
            model = self.endpoint(rule.endpoint).model.name
        except NotFound:
            return [f"There is no endpoint {name} yet, so nothing of it drifts."]
        except DeskError:
            return []
        if model != rule.model:
            return [f"Endpoint {name} serves {plain(model)}, and drift of that does not set the rule off."]
        return []

    def _no_path(self, rule: Rule, champion: ModelVersion) -> list[str]:
        """Return what can't be done with a data set that was logged without the path of its data."""
        run_id = champion.run_id or ""
        try:
            dataset = self.dataset(run_id, None)
        except DeskError:
            return []
        try:
            address_of(dataset)
        except NotFound as error:
            if self.search(run_id, dataset) is not None or self._is_held(rule):
                return []
            name = None if rule.endpoint is None else plain(rule.endpoint)
            drift = (
                ""
                if name is None
                else f"drift of endpoint {name} is judged only by a file that its monitor names, "
                f"or by its first live rows, and "
            )
            return [f"{error.message} So {drift}new data are not held against them. {error.hint}"]
        return []

    def _is_held(self, rule: Rule) -> bool:
        """Tell whether a monitor of the rule's endpoint has a reference of its own, whatever the run has logged."""
        if rule.endpoint is None:
            return False
        try:
            return any(one.monitor.reference.kind in _OWN for one in self.monitors(rule.endpoint))
        except DeskError:
            return False

    def _no_rows(self, rule: Rule, champion: ModelVersion) -> list[str]:
        """Return what to say where nothing is known yet that both models can be scored on."""
        if rule.plan.test or rule.plan.newest or rule.endpoint:
            return []
        try:
            self.dataset(champion.run_id or "", HELD_OUT)
        except NotFound:
            text = "The champion's run has logged no data set for testing or validation, and no --test file is named: "
            return [f"{text}unless the new run logs one, there are no rows to score both models on."]
        except DeskError:
            return []
        return []


def _unread(path: str, target: str) -> str | None:
    """Say why what is to be a mount's source can't be read by the agent; None where it can."""
    try:
        is_folder = stat.S_ISDIR(Path(path).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return f"There is nothing at {plain(path)}, which is to be {plain(target)}."
    except OSError as error:
        return f"{plain(path)}, which is to be {plain(target)}, can't be looked at: {error.strerror}."
    if os.access(path, os.R_OK | (os.X_OK if is_folder else 0)):
        return None
    return f"{plain(path)}, which is to be {plain(target)}, can't be read: Permission denied."


class NeedsWatch:
    """Looks what rules lack: at all of them first and when it is woken, now and then at those that lack something.

    ``lacking`` tells it of a rule by its name, ``changed`` is told of one that lacks something else than before.
    """

    def __init__(
        self,
        rules: Callable[[], Sequence[ReadRule]],
        lacking: Callable[[str], Sequence[str]],
        changed: Callable[[ReadRule], None],
    ) -> None:
        self._rules = rules
        self._lacking = lacking
        self._changed = changed
        self._missing: dict[str, tuple[str, ...]] = {}
        self._troubles: dict[str, tuple[str | None, Reference]] = {}
        self._is_whole = True
        self._bell = Bell()

    def start(self, loop: Loop) -> None:
        """Begin to look."""
        loop.repeat("rules-needs", LOOK_SECONDS, self.look, bell=self._bell)

    def wake(self) -> None:
        """Look at all again soon: something that a rule may lack has come or gone."""
        self._is_whole = True
        self._bell.ring()

    def monitor(self, standing: MonitorStanding) -> None:
        """Look again where a monitor can't be judged any more, can again, or is held against something else."""
        told = standing.trouble, standing.monitor.reference
        if self._troubles.get(standing.monitor.id) != told:
            self._troubles[standing.monitor.id] = told
            self.wake()

    def missing(self, rule: str) -> tuple[str, ...]:
        """Return what a rule lacked when it was last looked at."""
        return self._missing.get(rule, ())

    def look(self) -> None:
        """Look at all once, or at those that lacked something."""
        is_whole, self._is_whole = self._is_whole, False
        rules = {one.written.name: one for one in self._rules() if one.built_in is None and one.is_judged}
        for name in self._missing.keys() - rules.keys():
            self._missing.pop(name)
        for name, one in rules.items():
            if not is_whole and not self.missing(name):
                continue
            try:
                now = tuple(self._lacking(name))
            except DeskError:
                continue  # it is gone meanwhile, or nobody can tell
            if now != self.missing(name):
                self._missing[name] = now
                self._changed(one)
