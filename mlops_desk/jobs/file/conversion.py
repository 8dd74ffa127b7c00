"""A job file's tables become a JobSpec, and a JobSpec the tables again; nothing is lost either way."""

import posixpath
import re
from collections.abc import Mapping
from typing import Literal

from mlops_desk.jobs.file.fields import (
    API_VERSION,
    BuildFields,
    JobFile,
    MlflowFields,
    MountFields,
    ResourcesFields,
    SourceFields,
    SpanFields,
    SweepFields,
    WarningFields,
)
from mlops_desk.jobs.file.scalars import clean_path
from mlops_desk.jobs.records.spec import (
    Build,
    Goal,
    JobKind,
    JobSpec,
    MlflowSpec,
    Mount,
    Resources,
    Source,
    Sweep,
    ValueSpan,
    Warned,
)

_NOT_IN_A_TAG = re.compile(r"[^a-z0-9]+")
_TAG_LENGTH = 60  # chosen: an image's name has up to 255 characters, and is shown in tables


def spec_of(file: JobFile, folder: str) -> JobSpec:
    """Return what a file says; relative paths are taken from ``folder``."""

    def absolute(path: str) -> str:
        return clean_path(posixpath.join(folder, path))

    source, build, warning = file.source, file.build, file.warning
    return JobSpec(
        name=file.name,
        image=file.image or built_image(file.name),
        command=file.command,
        env=file.env,
        resources=_resources(file.resources),
        mounts=tuple(Mount(absolute(one.source), one.target, one.mode, one.stage) for one in file.mounts),
        mlflow=None
        if file.mlflow is None
        else MlflowSpec(file.mlflow.experiment, file.mlflow.server, file.mlflow.login, file.mlflow.models),
        kind=JobKind(file.type),
        params=file.params,
        seed=file.seed,
        priority=file.priority,
        preemptible=file.preemptible,
        time_limit_seconds=file.time_limit,
        grace_seconds=file.grace,
        warning=None if warning is None else Warned(warning.signal, warning.before),
        begin_at=file.begin_at,
        after=file.after,
        after_success=file.after_success,
        retries=file.retries,
        array=file.array,
        sweep=None if file.sweep is None else _sweep(file.sweep),
        secrets=file.secrets,
        source=None
        if source is None
        else Source(None if source.folder is None else absolute(source.folder), source.git, source.ref, source.target),
        build=None if build is None else Build(absolute(build.context), build.dockerfile, build.only),
        outputs=file.outputs,
        checkpoint=file.checkpoint,
        ports=file.ports,
        relax=file.relax,
        network=file.network,
    )


def built_image(name: str) -> str:
    """Return what an image is called that is built for a job: a name that no registry of others can have."""
    tag = _NOT_IN_A_TAG.sub("-", name.lower()).strip("-")[:_TAG_LENGTH].strip("-")
    return f"localhost/mlops-desk-build/{tag or 'job'}"


def _resources(used: ResourcesFields) -> Resources:
    return Resources(
        gpus=used.gpus or len(used.gpu_uuids),
        gpu_memory_bytes=used.gpu_memory,
        cpus=used.cpus,
        memory_bytes=used.memory,
        shm_bytes=used.shm,
        gpu_model=used.gpu_model,
        gpu_uuids=used.gpu_uuids,
        exclusive=used.share is None if used.exclusive is None else used.exclusive,
        share_bytes=used.share,
    )


def _sweep(sweep: SweepFields) -> Sweep:
    drawn = {name: values for name, values in sweep.random.items() if isinstance(values, tuple)}
    spans = {
        name: ValueSpan(span.low, span.high, span.log, span.whole)
        for name, span in sweep.random.items()
        if isinstance(span, SpanFields)
    }
    return Sweep(
        grid=drawn or sweep.grid,
        spans=spans,
        samples=sweep.samples or 0,
        seed=sweep.seed,
        metric=sweep.metric,
        goal=Goal(sweep.goal or Goal.MAXIMIZE),
        stop_below_best=sweep.stop_below_best,
    )


def file_of(spec: JobSpec) -> JobFile:
    """Return ``spec`` as the tables of a file. A sweep without points is of a job that is one of its points already."""
    sweep = spec.sweep if spec.sweep is not None and (spec.sweep.grid or spec.sweep.spans) else None
    source, build, warning = spec.source, spec.build, spec.warning
    return JobFile(
        api_version=API_VERSION,
        kind="Job",
        name=spec.name,
        image=None if build is not None and spec.image == built_image(spec.name) else spec.image,
        command=spec.command,
        env=dict(spec.env),
        params=dict(spec.params),
        seed=spec.seed,
        resources=_resources_fields(spec.resources),
        source=None
        if source is None
        else SourceFields(folder=source.folder, git=source.git, ref=source.ref, target=source.target),
        build=None
        if build is None
        else BuildFields(dockerfile=build.dockerfile, context=build.context, only=build.only),
        mounts=tuple(_mount_fields(mount) for mount in spec.mounts),
        secrets=spec.secrets,
        ports=spec.ports,
        outputs=spec.outputs,
        checkpoint=spec.checkpoint,
        mlflow=None if spec.mlflow is None else MlflowFields(
            experiment=spec.mlflow.experiment, server=spec.mlflow.server, login=spec.mlflow.login,
            models=spec.mlflow.models,
        ),
        type=_file_type(spec.kind),
        priority=spec.priority,
        preemptible=spec.preemptible,
        time_limit=spec.time_limit_seconds,
        grace=spec.grace_seconds,
        warning=None if warning is None else WarningFields(signal=warning.signal, before=warning.before_seconds),
        begin_at=spec.begin_at,
        after=spec.after,
        after_success=spec.after_success,
        retries=dict(spec.retries),
        array=spec.array,
        sweep=None if sweep is None else _sweep_fields(sweep),
        relax=spec.relax,
        network="none" if spec.network == "none" else None,
    )  # fmt: skip


def _mount_fields(mount: Mount) -> MountFields:
    return MountFields(
        source=mount.source, target=mount.target, mode="rw" if mount.mode == "rw" else "ro", stage=mount.stage
    )


def _resources_fields(used: Resources) -> ResourcesFields:
    return ResourcesFields(
        gpus=used.gpus,
        gpu_memory=used.gpu_memory_bytes,
        cpus=used.cpus,
        memory=used.memory_bytes,
        shm=used.shm_bytes,
        gpu_model=used.gpu_model,
        gpu_uuids=used.gpu_uuids,
        exclusive=None if used.exclusive == (used.share_bytes is None) else used.exclusive,
        share=used.share_bytes,
    )


def _sweep_fields(sweep: Sweep) -> SweepFields:
    spans = {
        name: SpanFields(low=span.low, high=span.high, log=span.log, whole=span.whole)
        for name, span in sweep.spans.items()
    }
    lists = dict(sweep.grid)
    drawn: dict[str, SpanFields | tuple[str, ...]] = {**sweep.grid, **spans}
    return SweepFields(
        grid={} if sweep.samples else lists,
        random=drawn if sweep.samples else {},
        samples=sweep.samples or None,
        seed=sweep.seed,
        metric=sweep.metric,
        goal=None if sweep.goal is Goal.MAXIMIZE else Goal.MINIMIZE.value,
        stop_below_best=sweep.stop_below_best,
    )


_TYPES: Mapping[JobKind, Literal["training", "batch", "session", "shell"]] = {
    JobKind.BATCH: "batch",
    JobKind.SESSION: "session",
    JobKind.SHELL: "shell",
}


def _file_type(kind: JobKind) -> Literal["training", "batch", "session", "shell"]:
    """Return how a job file says it; a process that was started by hand becomes a training."""
    return _TYPES.get(kind, "training")
