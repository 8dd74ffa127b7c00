"""Joins pipelines of repositories with jobs and the registry."""

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlops_desk.automation.ci.driver import CiParts
from mlops_desk.automation.ci.machine import BRANCH, TAG
from mlops_desk.automation.ci.service import CiAsked, CiService
from mlops_desk.automation.records.actions import CiAction
from mlops_desk.automation.records.ci.run import CiRun
from mlops_desk.automation.records.firing import PushedRef
from mlops_desk.desk.model_composition import run_metrics
from mlops_desk.jobs.provenance.rerun_basis import Basis
from mlops_desk.jobs.provenance.source.snapshot_capture import Snapshots
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.service import JobsService
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.registry.server.facts import JOB_NAME_TAG, StoreFacts
from mlops_desk.registry.server.permissions import not_of_the_pipeline, register_command
from mlops_desk.registry.service import RegistryCore


@dataclass(frozen=True, slots=True)
class PipelineRegistering:
    """Registers what pipelines have trained; ``governed`` are the models that policies are about.

    A pipeline's file is whoever's that can push to its repository, and here it is the agent that registers, not a
    job's token. So it is held to what the token of its training is (``registry/server/permissions.py``).
    """

    registry: RegistryCore
    governed: Callable[[], Collection[str]]

    def register(self, model: str, run_id: str, path: str) -> ModelVersion:
        """Make a version of a folder of a run. Raises Refused under a model that is not the pipeline's, DeskErrors."""
        if model in self.governed() and not self._is_known(model, run_id):
            text = f"Nothing was registered: {not_of_the_pipeline(model)}"
            raise Refused(text, Hint(register_command(model, run_id)))
        return ModelsService(self.registry).register(model, run_id, path)

    def _is_known(self, model: str, run_id: str) -> bool:
        """Tell whether an earlier run of the same stage of the same repository has a version of a model."""
        training = self.registry.run(run_id).tags.get(JOB_NAME_TAG)
        try:
            return training in StoreFacts(self.registry.server.ledger.store).jobs_of(model)
        except sqlite3.Error as error:
            text = f"Whose versions {plain(model)} has can't be read: {error}."
            raise Unavailable(text, "It is tried again.") from error


def ci_service(
    jobs: JobsService,
    registry: RegistryCore,
    registering: PipelineRegistering,
    state: State,
    snapshots: Snapshots,
    bus: Bus,
    loop: Loop,
) -> CiService:
    """Return what runs pipelines of repositories."""

    def queue(spec: JobSpec, uid: int, basis: Basis, origin: str) -> Job:
        return jobs.queue_on(spec, uid, None, basis, origin)

    def job(job_id: str) -> Job:
        found = state.jobs.get(job_id)
        if found is None:
            raise NotFound(f"The job {plain(job_id)} is not known any more.")
        return found

    house = CiParts(
        queue=queue,
        job=job,
        job_of_origin=lambda origin: next(iter(state.jobs.list(parent=origin, limit=1)), None),
        cancel_job=jobs.cancel,
        part=snapshots.store.part,
        run_metrics=partial(run_metrics, registry),
        versions_of_run=registry.versions_of_run,
        register=registering.register,
        worker=partial(_worker, loop),
    )
    return CiService(house, state.ci_runs, snapshots, bus, loop)


def run_pushed(service: CiService, action: CiAction, pushed: PushedRef) -> CiRun:
    """Run the pipeline of a commit that was pushed: once for each ref and commit, file, data and person.

    Raises DeskError.
    """
    kind = TAG if pushed.ref.startswith("refs/tags/") else BRANCH
    ref = pushed.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    asked = CiAsked(pushed.repository, action.file, ref, kind, action.data)
    how = json.dumps([current_caller().uid, action.file, sorted(action.data.items())])
    return service.begin_at(asked, pushed.commit, f"push:{pushed.repository} {kind} {ref} {pushed.commit} {how}")


def _worker(loop: Loop, module: str, request: Mapping[str, Any], seconds: float) -> Any:
    return run_worker(module, request, seconds, ending=loop.ending)
