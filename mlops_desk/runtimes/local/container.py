"""From a job's attempt to the container that the engine is asked for."""

import os
import pwd
import re
from collections.abc import Mapping
from pathlib import Path

from mlops_desk.base.errors import Hint, Refused
from mlops_desk.engines.engine import ContainerFacts, ContainerSpec, ImageFacts
from mlops_desk.records.jobs.job import Attempt, Job
from mlops_desk.records.jobs.spec import JobKind, Mount
from mlops_desk.runtimes.local import kept_folders
from mlops_desk.runtimes.local.folder import HOME_TARGET, WRAPPER, AttemptFolder
from mlops_desk.runtimes.local.secret_files import SECRETS_TARGET
from mlops_desk.runtimes.local.shell import PACKAGE, Shell
from mlops_desk.runtimes.runtime import RunTicket

INSTANCE_LABEL = "io.mlops-desk.instance"
JOB_LABEL = "io.mlops-desk.job"
ATTEMPT_LABEL = "io.mlops-desk.attempt"
PROBE_LABEL = "io.mlops-desk.probe"
NAME_LABEL = "io.mlops-desk.name"
"""The job's name, for whoever finds a container of which no record is left."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


_NOTHING: Mapping[str, str] = {}


def container_name(instance: str, job_id: str, number: int) -> str:
    """Return the one name that attempt ``number`` of a job's containers can have on this engine."""
    return f"mld-{instance}-{job_id}-a{number}"


def probe_name(instance: str, word: str = "") -> str:
    """Return the name of a container that only looks into an image; without ``word``, how all of them begin."""
    return f"mld-{instance}-probe-{word}"


def is_probe(facts: ContainerFacts, instance: str) -> bool:
    """Tell whether a container was made to look into an image. Its label alone may come from the image of a job."""
    return PROBE_LABEL in facts.labels and facts.name.startswith(probe_name(instance))


def runs_as(job: Job) -> tuple[int, int]:
    """Return the uid and gid a job runs as: its submitter's where the agent is root, else the agent's own."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        return job.submitted_by, pwd.getpwuid(job.submitted_by).pw_gid
    except KeyError:
        return job.submitted_by, job.submitted_by


def code_mount(job: Job, sources: Path | None) -> Mount | None:
    """Return where a job's snapshot is mounted; None for a job without a source. Raises Refused where it is gone."""
    source = job.spec.source
    if source is None:
        return None
    sha256 = None if job.capsule is None else job.capsule.source_sha256
    if sources is None or sha256 is None or not _SHA256.fullmatch(sha256):
        raise Refused("The job has a source and no snapshot of it.", "Submit its job file again.")
    tree = sources / "trees" / sha256
    if not tree.is_dir():
        raise Refused("The snapshot of the job's code is gone.", "Submit its job file again.")
    return Mount(str(tree), source.target, "ro")


def container_spec(
    job: Job,
    attempt: Attempt,
    instance: str,
    image: ImageFacts,
    folder: AttemptFolder,
    ticket: RunTicket | None,
    *,
    shell: Shell | None,
    stop_grace_seconds: int,
    code: Mount | None = None,
    own_mounts: tuple[Mount, ...] = (),
    network: Mapping[str, str] = _NOTHING,
) -> ContainerSpec:
    """Describe the attempt's container. Raises Refused for what can't be run.

    ``code`` is where its source is mounted, which is where it starts. With a ``shell`` our wrapper runs the command:
    the image's entrypoint, then the job's command or else the image's, as the engine itself would put them together.
    ``network`` is what its environment has of the way out, ``own_mounts`` what it has of ours besides.
    """
    command = _command(job, image, shell)
    if not command:
        raise Refused("Neither the job nor its image names a command.", "Add a line command: [...] to the job file.")
    if job.spec.mounts and os.geteuid() == 0 != job.submitted_by and (shell is None or not shell.mounts):
        text = "No shell of the desk runs in this image, so its command can't be held until its mounts are compared."
        raise Refused(
            text, Hint(f"sudo apt-get install {PACKAGE}", after="    or use an image of this machine's architecture.")
        )
    uid, gid = runs_as(job)
    resources = job.spec.resources
    return ContainerSpec(
        name=attempt.container,
        image=job.image_id or job.spec.image,
        entrypoint=(*shell.words, WRAPPER) if shell else None,
        command=command if shell else job.spec.command or None,
        env={**network, **_environment(job, attempt, ticket)},
        labels={INSTANCE_LABEL: instance, JOB_LABEL: job.id, ATTEMPT_LABEL: attempt.id, NAME_LABEL: job.name},
        mounts=job.spec.mounts,
        own_mounts=(
            *folder.mounts,
            *kept_folders.kept_mounts(attempt),
            *kept_folders.input_mounts(job),
            *(shell.mounts if shell else ()),
            *((code,) if code else ()),
            *own_mounts,
        ),
        working_dir=None if code is None else code.target,
        gpus=attempt.gpus,
        cpus=resources.cpus,
        memory_bytes=resources.memory_bytes,
        shm_bytes=resources.shm_bytes,
        user=f"{uid}:{gid}",
        stop_grace_seconds=stop_grace_seconds,
        ports=job.spec.ports,
        relax=job.spec.relax,
        network=job.spec.network,
    )


def _command(job: Job, image: ImageFacts, shell: Shell | None) -> tuple[str, ...]:
    """Return what runs in the container; a job that is there for shells to be opened in it only waits for them."""
    if job.spec.kind is JobKind.SHELL and not job.spec.command and shell is not None:
        return (*shell.words, "-c", "while :; do sleep 1; done")
    return (*image.entrypoint, *(job.spec.command or image.command))


def _defaults() -> dict[str, str]:
    """Return a home that lies on the disk, with caches in it from which code can be run, and output that is not held.

    /tmp is in memory, small, and runs nothing. PyTorch's compiler is the one that would put its cache there. MLflow
    fills a log with warnings where an image has no git; the commit is in the capsule and in the run's tags.
    """
    return {
        "HOME": HOME_TARGET,
        "XDG_CACHE_HOME": f"{HOME_TARGET}/.cache",
        "TORCHINDUCTOR_CACHE_DIR": f"{HOME_TARGET}/.cache/torchinductor",
        "PYTHONUNBUFFERED": "1",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def _environment(job: Job, attempt: Attempt, ticket: RunTicket | None) -> dict[str, str]:
    """Return home and name for a user that the image has never heard of, the job's own variables, and ours."""
    environment = {"USER": job.user, "LOGNAME": job.user, **_defaults(), **job.spec.env}
    environment["MLD_JOB_ID"] = job.id
    environment["MLD_ATTEMPT"] = str(attempt.number)
    environment.update(kept_folders.environment(job, attempt))
    if job.spec.secrets:
        environment["MLD_SECRETS_DIR"] = SECRETS_TARGET
    if ticket is not None and job.spec.mlflow is not None:
        environment["MLFLOW_TRACKING_URI"] = ticket.tracking_uri
        environment["MLFLOW_RUN_ID"] = ticket.run_id
        environment["MLFLOW_EXPERIMENT_NAME"] = job.spec.mlflow.experiment
    elif job.spec.mlflow is not None and job.spec.mlflow.server is not None:
        environment["MLFLOW_TRACKING_URI"] = job.spec.mlflow.server
        environment["MLFLOW_EXPERIMENT_NAME"] = job.spec.mlflow.experiment
    return environment
