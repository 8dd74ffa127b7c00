"""A job file becomes a JobSpec, and a JobSpec a job file; what is wrong is said with place, field and remedy."""

import posixpath

import yaml

from mlops_desk.jobs.file.binding import Bound, bind, written
from mlops_desk.jobs.file.document import read_document
from mlops_desk.jobs.file.fields import API_VERSION, JobFile, MlflowFields, MountFields, ResourcesFields
from mlops_desk.jobs.file.scalars import clean_path
from mlops_desk.records.jobs.spec import JobSpec, MlflowSpec, Mount, Resources

_LINE_BREAKS = frozenset("\x85\u2028\u2029")
_WIDTH = 4096  # chosen: nobody's line is folded


def parse_spec(text: str, folder: str = "/") -> JobSpec:
    """Read a job file; relative mount sources are taken from ``folder``. Raises Invalid."""
    bound = bind(read_document(text), JobFile)
    _check_targets(bound)
    file = bound.table
    used = file.resources
    return JobSpec(
        name=file.name,
        image=file.image,
        command=file.command,
        env=file.env,
        resources=Resources(used.gpus, used.gpu_memory, used.cpus, used.memory, used.shm),
        mounts=tuple(
            Mount(clean_path(posixpath.join(folder, mount.source)), mount.target, mount.mode) for mount in file.mounts
        ),
        mlflow=None if file.mlflow is None else MlflowSpec(file.mlflow.experiment),
    )


def _check_targets(bound: Bound[JobFile]) -> None:
    taken: set[str] = set()
    for index, mount in enumerate(bound.table.mounts):
        if mount.target in taken:
            bound.unfit(f"mounts[{index}].target", mount.target, "a target that no other mount has")
        taken.add(mount.target)


def format_spec(spec: JobSpec) -> str:
    """Write ``spec`` as a job file that ``parse_spec`` reads back as the same."""
    used = spec.resources
    file = JobFile(
        api_version=API_VERSION,
        kind="Job",
        name=spec.name,
        image=spec.image,
        command=spec.command,
        env=dict(spec.env),
        resources=ResourcesFields(
            gpus=used.gpus,
            gpu_memory=used.gpu_memory_bytes,
            cpus=used.cpus,
            memory=used.memory_bytes,
            shm=used.shm_bytes,
        ),
        mounts=tuple(
            MountFields(source=mount.source, target=mount.target, mode="rw" if mount.mode == "rw" else "ro")
            for mount in spec.mounts
        ),
        mlflow=None if spec.mlflow is None else MlflowFields(experiment=spec.mlflow.experiment),
    )
    document = written(file)
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=_WIDTH)
    if _LINE_BREAKS.isdisjoint(text):
        return text
    # YAML takes these for line breaks and would read them back as blanks.
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=False, width=_WIDTH)
