"""What a move of an alias is decided on: the version, what it was compared with, its card, and who made it.

The hash changes with all that a person looked at before they agreed. It changes with every move of the alias too:
approvals of an earlier move are none of the next one.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.errors import DeskError, NotFound
from mlops_desk.base.text import plain
from mlops_desk.desk.governance.registries import GovernedRegistries
from mlops_desk.governance.policies.deciding import MoveAsked, MoveEvidence
from mlops_desk.records.governance.card import CardOfVersion, CardStage
from mlops_desk.records.governance.policy import OWN_REGISTRY
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.pipelines.run import PipelineRun, StepName
from mlops_desk.registry.service import RegistryCore
from mlops_desk.storage.records import StoredRecords

_LOOKED_AT = 500  # chosen: as many runs as a pipeline looks back for the same data
CardOf = Callable[[str, str, str | None], CardOfVersion | None]


class MoveEvidences:
    """``card`` returns the card that this desk keeps of a version (of model, number and registry)."""

    def __init__(
        self,
        core: RegistryCore,
        registries: GovernedRegistries,
        pipelines: StoredRecords[PipelineRun],
        job_of_run: Callable[[str], Job | None],
    ) -> None:
        self._core = core
        self._registries = registries
        self._pipelines = pipelines
        self._job_of_run = job_of_run
        self.card: CardOf = lambda _model, _version, _uri: None

    def of(self, wanted: MoveAsked) -> MoveEvidence:
        """Return the evidence as it is now. Raises NotFound where there is no such version, Unavailable."""
        uri = wanted.uri
        version = self._registries.find(wanted.model, wanted.version, uri)
        at = self._core.registries.read(uri).model(wanted.model).aliases.get(wanted.alias)
        run = self._compared(wanted, at)
        compared = None if run is None else wire.to_builtins((run.comparison, run.step(StepName.EVALUATE).evidence))
        told = {
            "version": self._told(version, uri),
            "at": None if at is None else self._at(wanted, at),
            "moved": self._moved(wanted),
            "comparison": compared,
        }  # fmt: skip
        sha256 = hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
        approved, why = self._card(version, uri)
        return MoveEvidence(at, sha256, tuple(dict.fromkeys(self._authors(wanted, version, run))), approved, why)

    def _at(self, wanted: MoveAsked, at: str) -> Any:
        """Return what the alias means now; a version that was deleted under it is told by its number alone."""
        try:
            return self._told(self._registries.find(wanted.model, at, wanted.uri), wanted.uri)
        except NotFound:
            return [at]

    def _told(self, version: ModelVersion, uri: str | None) -> Any:
        """Return what tells one version from another, and what its run has measured."""
        metrics = None
        if version.run_id:
            try:
                found = self._core.registries.read(uri).run(version.run_id).metrics
                metrics = sorted((name, repr(value)) for name, value in found.items())  # NaN is no JSON
            except NotFound:
                metrics = None  # the run is gone, and the version stays
        return [version.version, version.run_id, version.source, version.created_at, metrics]

    def _moved(self, wanted: MoveAsked) -> Any:
        """Return the newest move of the alias that is known of, after a look."""
        moves = self._core.aliases.history(wanted.model, wanted.alias, None, wanted.uri)
        return [moves[0].at, moves[0].from_version, moves[0].to_version] if moves else None

    def _compared(self, wanted: MoveAsked, at: str | None) -> PipelineRun | None:
        """Return the newest retraining in which the version was compared with what the alias means now."""
        if wanted.registry != OWN_REGISTRY:
            return None
        return next(
            (
                run
                for run in self._pipelines.list(limit=_LOOKED_AT)
                if (run.model, run.challenger_version, run.champion_version) == (wanted.model, wanted.version, at)
                and run.comparison is not None
            ),
            None,
        )

    def _authors(self, wanted: MoveAsked, version: ModelVersion, run: PipelineRun | None) -> Iterator[int]:
        """Yield who made the rule that retrained it, and whose job trained it."""
        if run is not None and run.created_by is not None:
            yield run.created_by
        if wanted.registry == OWN_REGISTRY and version.run_id:
            job = self._job_of_run(version.run_id)
            if job is not None and job.owner.uid is not None:
                yield job.owner.uid

    def _card(self, version: ModelVersion, uri: str | None) -> tuple[bool | None, str]:
        """Tell whether the version's card is approved here, and if not, why."""
        name = f"{plain(version.name)}/{plain(version.version)}"
        try:
            card = self.card(version.name, version.version, uri)
        except DeskError as error:
            return None, error.message
        if card is None:
            return False, f"nobody here has written the card of {name}"
        if (card.facts.run_id, card.facts.created_at) != (version.run_id, version.created_at):
            return False, f"the card of {name} is of another version that had its number before"
        if card.stage is not CardStage.APPROVED:
            return False, f"the card of {name} is {card.stage.replace('_', ' ')}, not approved"
        return True, ""
