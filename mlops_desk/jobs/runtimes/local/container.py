"""From a job's attempt to the container that the engine is asked for."""

import os
import pwd
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mlops_desk.engines.engine import ContainerFacts, ContainerSpec, ImageFacts
from mlops_desk.jobs.records.job import Attempt, Job
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobKind, Mount
from mlops_desk.jobs.runtimes.local import cleanup
from mlops_desk.jobs.runtimes.local.folder import HOME_TARGET, WRAPPER, AttemptFolder
from mlops_desk.jobs.runtimes.local.network import LOGINS_TARGET, LoginFiles, has_logins
from mlops_desk.jobs.runtimes.local.shell import PACKAGE, Shell
from mlops_desk.jobs.runtimes.local.tmpfs import NAME, MemoryFolder
from mlops_desk.jobs.runtimes.runtime import Obstructed, RunTicket
from mlops_desk.kit.base.errors import Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.storage.secrets import SecretStore

# The secrets of an attempt as files in memory: readable by whoever it runs as, mounted read only, gone with it.
#
# Beside those that the job names lie its logins, as the files that programs read (``engines/logins/files.py``).
#
# They lie in the machine's memory filesystem, so that no disk and no backup ever has them, and a reboot forgets them.
# The engine is told where they lie, and nobody what they say.

_NO_LOGINS = LoginFiles()
SECRETS_TARGET = "/run/secrets"
MEMORY = Path("/dev/shm")  # noqa: S108 - memory, and the only place of it that every Linux has


class SecretFiles:
    """``store`` has the values; ``instance`` keeps data folders apart; ``engines`` are where the containers may be."""

    def __init__(
        self,
        store: SecretStore,
        instance: str,
        memory: Path = MEMORY,
        engines: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self._store = store
        self._place = MemoryFolder(memory / NAME.format(uid=os.geteuid(), instance=instance), engines)
        self._folder = self._place.path

    def check(self, uid: int, names: tuple[str, ...]) -> None:
        """Raise Refused for a secret that the person has not."""
        self._store.check(uid, names)

    def value(self, uid: int, name: str) -> bytes:
        """Return what a person's secret says. Raises Refused; Obstructed while their keyring does not hand it out."""
        try:
            return self._store.value(uid, name)
        except Unavailable as error:
            text = f"The job waits for its secret {name}."
            raise Obstructed(Reason("secret_locked", text, error.message, error.hint)) from error
        except NotFound as error:  # removed since the submit
            raise Refused(error.message, error.hint) from error

    def mounts(self, job: Job, attempt: Attempt, logins: LoginFiles = _NO_LOGINS) -> tuple[Mount, ...]:
        """Return the mounts of an attempt's secrets, if it names any, and of its logins, if it has any."""
        named = (Mount(str(self._of(attempt)), SECRETS_TARGET, "ro"),) if job.spec.secrets else ()
        if not logins.files:
            return named
        own = self._logins_of(attempt)
        at_home = (Mount(str(own / name), place, "ro") for name, place in logins.at_home(job.spec).items())
        return (*named, Mount(str(own), LOGINS_TARGET, "ro"), *at_home)

    def lay(self, job: Job, attempt: Attempt, uid: int, gid: int, logins: LoginFiles = _NO_LOGINS) -> None:
        """Lay an attempt's secrets and logins where its container gets them from. Raises Refused, Unavailable."""
        values = {name: self.value(job.submitted_by, name) for name in job.spec.secrets}
        if not values and not logins.files:
            return
        try:
            self._place.make()
            self._clear(attempt)
            for folder, files in ((self._of(attempt), values), (self._logins_of(attempt), logins.files)):
                if files:
                    _lay(folder, files, uid, gid)
        except OSError as error:
            raise Unavailable(f"The job's secrets can't be laid in {self._folder}: {error.strerror}.") from error

    def are_laid(self, job: Job, attempt: Attempt) -> bool:
        """Tell whether what an attempt needs is there: after a restart of the machine nothing is."""
        wanted = [self._of(attempt)] if job.spec.secrets else []
        wanted += [self._logins_of(attempt)] if has_logins(job.spec) else []
        return all(folder.is_dir() for folder in wanted)

    def forget(self, attempt: Attempt) -> None:
        """Remove an attempt's secrets and logins, and the folder of all where they were the last. Raises OSError."""
        self._clear(attempt)
        self._place.leave()

    def _clear(self, attempt: Attempt) -> None:
        for folder in (self._of(attempt), self._logins_of(attempt)):
            if folder.is_dir() and not folder.is_symlink():
                folder.chmod(0o700)
                shutil.rmtree(folder)

    def _of(self, attempt: Attempt) -> Path:
        return self._folder / attempt.id

    def _logins_of(self, attempt: Attempt) -> Path:
        return self._folder / f"{attempt.id}.logins"


def _lay(folder: Path, values: Mapping[str, bytes], uid: int, gid: int) -> None:
    folder.mkdir(mode=0o700)
    for name, value in values.items():
        _write(folder / name, value, uid, gid)
    if os.geteuid() == 0:
        os.chown(folder, uid, gid)
    folder.chmod(0o500)


def _write(path: Path, value: bytes, uid: int, gid: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o400), "wb") as file:
        file.write(value)
        if os.geteuid() == 0:
            os.fchown(file.fileno(), uid, gid)


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
            *cleanup.kept_mounts(attempt),
            *cleanup.input_mounts(job),
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
    environment.update(cleanup.environment(job, attempt))
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
