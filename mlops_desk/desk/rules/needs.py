"""What a rule needs to retrain: a champion, its job, data, rows to score by, and an endpoint that drifts."""

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base.errors import DeskError, NotFound
from mlops_desk.base.text import plain
from mlops_desk.desk.reference import FoundReference, address_of, nothing_found
from mlops_desk.desk.rules.rows import HELD_OUT
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.model import DatasetInput, ModelVersion
from mlops_desk.records.rule import Rule
from mlops_desk.records.serving.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class RuleNeeds:
    """``champion`` finds the version behind MODEL@ALIAS, ``model`` a registered model (raises NotFound).

    ``dataset`` finds a run's data set of some contexts, ``job_of_run`` the job that made a run, None where this desk
    has none. All may raise DeskError.
    """

    champion: Callable[[str, str], ModelVersion]
    job_of_run: Callable[[str], Job | None]
    dataset: Callable[[str, Sequence[str] | None], DatasetInput]
    endpoint: Callable[[str], Endpoint]
    model: Callable[[str], object]
    search: Callable[[str, DatasetInput], FoundReference | None] = nothing_found

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
        return found + self._no_endpoint(rule) + self._no_path(rule, champion) + self._no_rows(rule, champion)

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
            if self.search(run_id, dataset) is not None:
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
