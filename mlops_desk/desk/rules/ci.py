"""Joins pipelines of repositories with jobs and the registry."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from mlops_desk.base.bus import Bus
from mlops_desk.base.caller import current_caller
from mlops_desk.base.errors import NotFound
from mlops_desk.base.loop import Loop
from mlops_desk.base.process import run_worker
from mlops_desk.base.text import plain
from mlops_desk.desk.model_wiring import run_metrics
from mlops_desk.jobs.capsule.basis import Basis
from mlops_desk.jobs.capsule.source.taking import Snapshots
from mlops_desk.jobs.ci.driver import CiParts
from mlops_desk.jobs.ci.machine import BRANCH, TAG
from mlops_desk.jobs.ci.service import CiAsked, CiService
from mlops_desk.jobs.service import JobsService
from mlops_desk.records.ci.run import CiRun
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.jobs.spec import JobSpec
from mlops_desk.records.rules.actions import CiAction
from mlops_desk.records.rules.firing import PushedRef
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.service import RegistryCore
from mlops_desk.storage.state import State


def ci_service(
    jobs: JobsService, registry: RegistryCore, state: State, snapshots: Snapshots, bus: Bus, loop: Loop
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
        register=ModelsService(registry).register,
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
