"""What this desk needs of a registry: versions that endpoints serve, runs of jobs, what a retraining compares."""

from collections.abc import Callable, Iterable

from mlops_desk.records.jobs.job import Job
from mlops_desk.records.rule import Retraining, Rule
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.registry.cleanup.planning import RegistryUsers


def users_of(
    is_meant: Callable[[str | None], bool],
    endpoints: Iterable[Endpoint],
    jobs: Iterable[Job],
    retrainings: Iterable[Retraining],
    rule: Callable[[str], Rule | None],
) -> RegistryUsers:
    """Return what is needed of the registry that ``is_meant`` by an address (None: the desk's own), and by what."""
    runs: dict[str, str] = {}
    versions: dict[str, str] = {}
    for endpoint in endpoints:
        model = endpoint.model
        if is_meant(model.registry):
            versions[f"{model.name}/{model.version}"] = f"endpoint {endpoint.name} serves it"
            if model.run_id is not None:
                runs[model.run_id] = f"endpoint {endpoint.name} serves its model"
    if not is_meant(None):
        return RegistryUsers(runs, versions)  # jobs and rules know the desk's own alone
    for job in jobs:
        if job.mlflow_run_id is not None and not job.state.is_final:
            runs[job.mlflow_run_id] = f"job {job.name} logs to it"
    for retraining in retrainings:
        made_by = rule(retraining.rule) if retraining.state.is_underway else None
        for version in (retraining.champion_version, retraining.challenger_version):
            if made_by is not None and version is not None:
                versions[f"{made_by.model}/{version}"] = f"rule {retraining.rule} compares it"
    return RegistryUsers(runs, versions)
