"""Jobs in containers of an engine, on the GPUs of this machine.

A container's name is the attempt's handle, and carries instance, job and number: the engine has at most one of a
name, so whoever makes it a second time adopts the first.
"""

import logging
import math
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlops_desk.engines.engine import ContainerFacts, Engine
from mlops_desk.engines.images.tasks import ImageClaim
from mlops_desk.engines.logins.private_images import PrivateImages
from mlops_desk.engines.records.relaxations import OPENS
from mlops_desk.engines.security_profile import check_relaxed
from mlops_desk.gpus.records.gpu_status import GpuCard
from mlops_desk.jobs.records.job import Attempt, ImageProgress, Job, JobState
from mlops_desk.jobs.records.job_activity import LiveUse
from mlops_desk.jobs.records.job_shell import JobShell
from mlops_desk.jobs.records.provenance import ImageIdentity
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.local.blockers import no_gpu_route
from mlops_desk.jobs.runtimes.local.cleanup import Remains, check_kept
from mlops_desk.jobs.runtimes.local.container import (
    ATTEMPT_LABEL,
    INSTANCE_LABEL,
    JOB_LABEL,
    MEMORY,
    SecretFiles,
    container_name,
    is_probe,
)
from mlops_desk.jobs.runtimes.local.container_process import Sight
from mlops_desk.jobs.runtimes.local.held_gpus import HeldGpus
from mlops_desk.jobs.runtimes.local.image_provenance.wrapper_report import identity_of, makings
from mlops_desk.jobs.runtimes.local.images import JobImages
from mlops_desk.jobs.runtimes.local.launch import CheckMounts, Launch, StagedMounts, ended_while_held, gone_before_start
from mlops_desk.jobs.runtimes.local.network import needed_secrets
from mlops_desk.jobs.runtimes.local.orphans import attempt_of, stray
from mlops_desk.jobs.runtimes.local.ports import GpuLeases, ImageSupply
from mlops_desk.jobs.runtimes.local.quota import OutQuota, too_much
from mlops_desk.jobs.runtimes.local.resource_usage import LiveCounters
from mlops_desk.jobs.runtimes.local.shell import PACKAGE, SHELL_TARGET
from mlops_desk.jobs.runtimes.runtime import (
    Abilities,
    AboutToStart,
    Aftermath,
    Displaced,
    Glance,
    MakeTicket,
    Makings,
    Phase,
    Sighting,
    Stray,
)
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.network import NetworkRules
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.secrets import SecretStore

# The shell that a person gets in a running container: bash where the image has it, else its sh, else the desk's.
_IMAGE_SHELL = "/bin/sh"
_CHOICE = "command -v bash >/dev/null 2>&1 && exec bash; exec {}"


def shell_entry(engine: Engine, job: Job, attempt: Attempt) -> JobShell:
    """Return what opens a shell in an attempt's container. Raises Refused (there is none), NotFound, Unavailable."""
    name = attempt.container
    if engine.has_file(name, _IMAGE_SHELL):
        words: tuple[str, ...] = (_IMAGE_SHELL, "-c", _CHOICE.format(_IMAGE_SHELL))
    elif engine.has_file(name, SHELL_TARGET):
        words = (SHELL_TARGET, "sh")
    else:
        text = f"The image of job {job.id} holds no shell, and none of the desk's was brought along."
        after = "    and run the job again: then each container gets one."
        raise Refused(text, Hint(f"sudo apt-get install {PACKAGE}", after=after))
    return JobShell(job.id, name, engine.info().address, words)


# Which device file each GPU of this machine has, as the driver's own files tell; nothing is asked of the driver.
_FOLDER = Path("/proc/driver/nvidia/gpus")
_LONGEST = 8192  # a file of it has a dozen short lines


def device_minors(folder: Path = _FOLDER) -> dict[str, int]:
    """Return the number N of /dev/nvidiaN by GPU UUID; of a GPU that the driver has not woken the UUID is unknown."""
    minors: dict[str, int] = {}
    try:
        files = sorted(folder.glob("*/information"))
    except OSError:
        return minors  # no NVIDIA driver is loaded
    for file in files:
        try:
            lines = file.read_text("utf-8", "replace")[:_LONGEST].splitlines()
        except OSError:
            continue  # a GPU that fell off the bus just now
        facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        uuid, minor = facts.get("GPU UUID", ""), facts.get("Device Minor", "")
        if uuid.startswith("GPU-") and "?" not in uuid and minor.isdecimal():
            minors[uuid] = int(minor)
    return minors


_log = logging.getLogger(__name__)

_LOGS_BYTES = 4 << 30  # the setting's own default
_LEAST_SLOTS = 2  # chosen: on a machine of one core, one that waits for a disk holds up no other
_PHASES = {"created": Phase.WAITING, "exited": Phase.ENDED, "dead": Phase.ENDED}
"""The engine's words; of all others (running, paused, restarting, removing) nothing is concluded."""


def _unheard(_level: str, _gpus: tuple[str, ...]) -> None:
    """Keep nothing of a proof."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings that hold at the moment they are asked for, the look at mounts, and where snapshots of code lie.

    ``device_minors`` names the device files of this machine's GPUs; ``proven`` hears that GPUs were seen in a container
    of this engine, by uuid or minor. ``relaxable`` are the points of the hardened profile that may be relaxed, and
    ``relaxed`` hears of each job that is placed with some of them. ``logs_bytes`` is what all logs together may take;
    without ``loop`` a log is kept when its job is over, not before. ``jobs_without_gpus`` run at once, 0: as many as
    there are processor cores. ``network`` is the way out of this machine, ``memory`` where secrets lie (``engines``
    are the addresses at which containers that need them may be),
    ``private_images`` tells whose images are whose, ``staged`` where the copies of a job's staged data lie, ``supply``
    brings images by tasks that people see (None: the engine alone is asked).
    """

    stop_grace_seconds: Callable[[], int]
    keep_containers: Callable[[], bool]
    check_mounts: CheckMounts
    out_limit_bytes: Callable[[], int]
    device_minors: Callable[[], Mapping[str, int]] = device_minors
    proven: Callable[[str, tuple[str, ...]], None] = _unheard
    relaxable: Callable[[], Collection[str]] = lambda: OPENS
    relaxed: Callable[[Job], None] = lambda _job: None
    sources: Path | None = None
    logs_bytes: Callable[[], int] = lambda: _LOGS_BYTES
    loop: Loop | None = None
    network: Callable[[], NetworkRules] = NetworkRules
    memory: Path = MEMORY
    private_images: PrivateImages = field(default_factory=PrivateImages)
    jobs_without_gpus: Callable[[], int] = lambda: 0
    staged: StagedMounts = lambda _job: ()
    supply: ImageSupply | None = None
    engines: Callable[[], Iterable[str]] | None = None


class LocalRuntime:
    """A ``Runtime`` on one engine.

    ``root`` is where the attempts' folders are, in the data folder; ``instance`` marks what is ours.
    """

    def __init__(self, name: str, engine: Engine, leases: GpuLeases, root: Path, instance: str, policy: Policy) -> None:
        self._name = name
        self._engine = engine
        self._leases = leases
        self._instance = instance
        self._policy = policy
        self._gpus = HeldGpus(leases, self.grace_seconds)
        self._images = JobImages(engine, instance, private=policy.private_images, supply=policy.supply)
        self._remains = Remains(engine, root, policy.keep_containers, policy.logs_bytes, policy.loop)
        self._secrets = SecretFiles(SecretStore(root.parent / "secrets"), instance, policy.memory, policy.engines)
        self._launch = Launch(
            engine,
            self._images,
            instance,
            self._remains.folder,
            policy.check_mounts,
            policy.stop_grace_seconds,
            policy.device_minors,
            policy.sources,
            self._secrets,
            policy.network,
            policy.staged,
        )
        self._quota = OutQuota()
        self._sight = Sight()
        self._live = LiveCounters()
        self._probes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self._name

    def abilities(self) -> Abilities:
        most = self._policy.jobs_without_gpus() or max(_LEAST_SLOTS, os.cpu_count() or 1)
        return Abilities("local", most, self._leases.pool)

    # -- before anything is placed -------------------------------------------------------------

    def accept(self, spec: JobSpec, uid: int) -> JobSpec:
        """Check the mounts as the submitter and write down where they really lie, so that a link can't be turned."""
        real = self._policy.check_mounts(spec, uid, False)
        check_kept(spec)
        check_relaxed(spec.relax, self._policy.relaxable())
        self._secrets.check(uid, needed_secrets(spec))
        mounts = tuple(replace(mount, source=source) for mount, source in zip(spec.mounts, real, strict=True))
        return replace(spec, mounts=mounts)

    def withheld(self, spec: JobSpec) -> Reason | None:
        return no_gpu_route() if spec.resources.gpus and self._engine.info().gpu_route is None else None

    def image(self, reference: str, uid: int) -> str | None:
        found = self._images.open_to(reference, uid)
        return None if found is None else found.id

    def identity(self, reference: str) -> ImageIdentity | None:
        found = self._images.local(reference)
        return None if found is None else identity_of(found)

    def fetch(self, reference: str, uid: int, claim: ImageClaim | None = None) -> str:
        return self._images.pull(reference, uid, claim).id

    def build(self, job: Job, claim: ImageClaim) -> str:
        return self._images.build(job, claim).id

    def image_progress(self, job_id: str) -> ImageProgress | None:
        return self._images.progress(job_id)

    def cards(self) -> tuple[GpuCard, ...]:
        return self._leases.cards()

    def draft(self, job: Job) -> Attempt:
        number = len(job.attempts) + 1
        name = container_name(self._instance, job.id, number)
        limit = self._policy.out_limit_bytes()
        return Attempt(
            number, f"{job.id}-a{number}", name, JobState.STARTING, out_limit_bytes=limit, runtime=self._name,
            handle=name, kept=self._remains.kept(job, number),
        )  # fmt: skip

    def reserve(self, job: Job, attempt: Attempt, gpus: tuple[str, ...]) -> tuple[str, ...] | str:
        return self._gpus.lease(job, attempt, gpus)

    # -- placing -------------------------------------------------------------------------------

    def place(self, job: Job, attempt: Attempt, ticket: MakeTicket, about_to_start: AboutToStart) -> Sighting:
        facts = self._inspect(attempt)
        if facts is None and attempt.started_at is not None and not self._launch.never_began(job, attempt):
            raise gone_before_start(attempt)
        if facts is not None and facts.status == "created" and (facts.error or not self._launch.is_laid(job, attempt)):
            # It could not be started as it was made, or the machine's restart has forgotten its secrets: made anew.
            self._launch.discard(job, attempt)
            facts = None
        if facts is None or facts.status == "created":
            if not self._gpus.still_held(job, attempt):
                self._launch.discard(job, attempt)
                text = "The agent ended before this attempt was started, and its GPUs are taken by now."
                raise Displaced(Reason("not_started", text))
            if facts is None and job.spec.relax:
                self._policy.relaxed(job)
            facts = self._launch.start(job, attempt, facts, ticket, about_to_start)
        if self._launch.is_held(job, attempt):
            facts = self._let_go(job, attempt, facts)
        self._gpus.bind(job, attempt, facts.pid)
        return _sighting(facts)

    def _let_go(self, job: Job, attempt: Attempt, facts: ContainerFacts) -> ContainerFacts:
        """Let a held command begin; one whose container ended before has never begun, and what is left of it goes."""
        proven = self._launch.never_began(job, attempt)
        if proven and self._seen(facts).phase is not Phase.ENDED and not self._launch.let_go(job, attempt):
            facts = self._inspect(attempt) or facts
        if not proven:
            self._launch.let_go(job, attempt)
        elif self._launch.is_held(job, attempt) and self._seen(facts).phase is Phase.ENDED:
            why = ended_while_held(job, facts)
            self._launch.discard(job, attempt)
            raise why
        return facts

    # -- looking -------------------------------------------------------------------------------

    def survey(self) -> list[Sighting]:
        listed = self._engine.containers({INSTANCE_LABEL: self._instance})
        self._sight.keep({facts.id for facts in listed})
        self._probes = tuple(facts.name for facts in listed if is_probe(facts, self._instance))
        ours = [facts for facts in listed if JOB_LABEL in facts.labels and not is_probe(facts, self._instance)]
        seen = [self._seen(facts) for facts in ours]
        self._live.see(facts for facts, one in zip(ours, seen, strict=True) if one.phase is Phase.RUNNING)
        self._remains.tees.listen(
            (one.handle, self._remains.log_folder(attempt.id.rpartition("-a")[0], attempt.number))
            for one in seen
            if one.phase is Phase.RUNNING and (attempt := attempt_of(one, self._name, self._instance)) is not None
        )
        return seen

    def look(self, job: Job, attempt: Attempt) -> Sighting | None:
        facts = self._inspect(attempt)
        if facts is None:
            if attempt.started_at is not None and self._launch.never_began(job, attempt):
                return Sighting(attempt.container, Phase.WAITING)
            return None
        seen = self._seen(facts)
        if self._launch.is_held(job, attempt):
            return replace(seen, phase=Phase.WAITING)
        if seen.phase is Phase.RUNNING:
            self._gpus.bind(job, attempt, facts.pid)
        return seen

    def _seen(self, facts: ContainerFacts) -> Sighting:
        """Return a container as it is: one whose process is gone is over, whatever the engine goes on saying."""
        seen = _sighting(facts)
        if seen.phase is Phase.RUNNING and self._sight.gone(facts):
            return replace(seen, phase=Phase.ENDED, status="dead", exit_code=None)
        return seen

    def saw_end(self, attempt: Attempt, seen: Sighting) -> bool:
        """Tell whether the engine lived on from start to end, or has the end in its log. Raises Unavailable."""
        mark = attempt.mark
        if mark is not None and mark.engine is not None and mark.engine == self._engine.incarnation():
            return True
        return self._engine.seen_end(seen.id) == seen.exit_code

    def describe(self, seen: Sighting) -> Stray | None:
        attempt = attempt_of(seen, self._name, self._instance)
        facts = None if attempt is None else self._inspect(attempt)
        return None if attempt is None or facts is None else stray(attempt, facts)

    def proof(self, job: Job, attempt: Attempt) -> str | None:
        word = self._remains.folder(job, attempt).proof()
        if word in {"uuid", "minor"}:
            self._policy.proven(word, attempt.gpus)
        return word

    def overrun_due(self, attempt: Attempt) -> bool:
        return attempt.out_limit_bytes is not None and self._quota.is_due(attempt.id)

    def overrun(self, job: Job, attempt: Attempt) -> Reason | None:
        """Look at how much a job has written to its folders.

        It may write what it was started with, and more once more is allowed: a lower limit is for later jobs.
        """
        if attempt.out_limit_bytes is None:
            return None
        limit_bytes = max(attempt.out_limit_bytes, self._policy.out_limit_bytes())
        own = self._remains.folder(job, attempt)
        folders = (own.out, own.home, *(Path(one.path) for one in attempt.kept))
        used = self._quota.used(attempt.id, folders)
        if used is None or used <= limit_bytes:
            return None
        return too_much(used, limit_bytes, folders)

    def shell(self, job: Job, attempt: Attempt) -> JobShell:
        return shell_entry(self._engine, job, attempt)

    # -- ending --------------------------------------------------------------------------------

    def grace_seconds(self, job: Job) -> float:
        own = job.spec.grace_seconds
        return self._policy.stop_grace_seconds() if own is None else own

    def signal(self, job: Job, attempt: Attempt, signal: str) -> None:  # noqa: ARG002 - the name is all that the engine needs
        self._engine.kill(attempt.container, signal)

    def stop(self, job: Job, attempt: Attempt, grace_seconds: float | None = None) -> None:
        seconds = self.grace_seconds(job) if grace_seconds is None else grace_seconds
        self._engine.stop(attempt.container, math.ceil(seconds))

    def aftermath(self, job: Job, attempt: Attempt, seen: Sighting | None) -> Aftermath:
        tail = self._remains.keep_log(job, attempt, gone=seen is None)
        return Aftermath(self._remains.folder(job, attempt).outcome(), tail)

    def clear(self, job: Job, attempt: Attempt, *, finished: bool) -> None:
        self._quota.forget(attempt.id)
        try:
            self._secrets.forget(attempt)
        except OSError as error:
            raise Unavailable(f"The secrets of {attempt.id} can't be removed: {error.strerror}.") from error
        self._remains.clear(job, attempt, finished=finished)

    def release(self, attempt: Attempt) -> None:
        self._gpus.release(attempt)

    def settle(self) -> None:
        """Give back GPUs, find out who ended without giving back, and remove containers that only looked at images."""
        self._gpus.release_leftovers()
        self._leases.settle()
        self._remains.trim_logs()
        for name in self._probes:
            try:
                if not self._images.is_probing(name):
                    self._engine.remove(name)
            except DeskError as error:  # one that can't be removed now must not hold up the jobs
                _log.warning("The container %s is left over for now: %s", plain(name), error.message)
                if isinstance(error, Unavailable):
                    return

    def makings(self, job: Job, attempt: Attempt) -> Makings:
        return makings(self._engine, job, self._remains.folder(job, attempt).out)

    # -- reading -------------------------------------------------------------------------------

    def logs(
        self, job: Job, attempt: Attempt, *, follow: bool = False, tail: int | None = None, since: float | None = None
    ) -> Iterator[str]:
        if not follow:
            return self._remains.read(job, attempt, tail, since)
        tee = self._remains.tees.of(attempt.container)
        return self._engine.logs(attempt.container, follow=True, tail=tail) if tee is None else tee.follow(tail)

    def glance(self, attempt: Attempt) -> Glance | None:
        tee = self._remains.tees.of(attempt.container)
        return None if tee is None else tee.glance()

    def live(self, attempt: Attempt) -> LiveUse | None:
        return self._live.read(attempt.container)

    # -- inside --------------------------------------------------------------------------------

    def _inspect(self, attempt: Attempt) -> ContainerFacts | None:
        try:
            return self._engine.inspect(attempt.container)
        except NotFound:
            return None


def _sighting(facts: ContainerFacts) -> Sighting:
    return Sighting(
        handle=facts.name,
        phase=_PHASES.get(facts.status, Phase.RUNNING),
        job_id=facts.labels.get(JOB_LABEL, ""),
        attempt_id=facts.labels.get(ATTEMPT_LABEL, ""),
        id=facts.id,
        status=facts.status,
        exit_code=facts.exit_code,
        oom_killed=facts.oom_killed,
        started_at=facts.started_at,
        ended_at=facts.ended_at,
        ports=facts.ports,
    )
