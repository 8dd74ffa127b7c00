"""Making an attempt's container, starting it, and letting its command go once its mounts were compared.

Each step can be repeated by whoever comes next: a container of the attempt's name is adopted, and one that has been
started is not started again.

What an engine really mounted into a container, held against what was checked, before the job's command runs.

An engine is asked for a path, and follows it as root when the container starts. Whoever may write to a folder above
can put a link into that path after it was checked. So the kernel's own table of the container's mounts is compared:
each mount must show the very place that the checked path, which had no links, has on this machine.

A job's way out: proxy, certificates, index and wheels, as its container is to have them. No login is in any of it.

A setting that does not hold any more (certificates that were moved, a share that is gone) keeps jobs waiting instead of
letting them fail one after the other.
"""

import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

from mlops_desk.engines.engine import ContainerFacts, Engine, EngineRefused, Obstacle
from mlops_desk.engines.mounts import target_of
from mlops_desk.jobs.records.job import Attempt, Job
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.jobs.runtimes.local.blockers import obstruction
from mlops_desk.jobs.runtimes.local.cleanup import make_kept
from mlops_desk.jobs.runtimes.local.container import SecretFiles, code_mount, container_spec, runs_as
from mlops_desk.jobs.runtimes.local.folder import IN_TARGET, AttemptFolder
from mlops_desk.jobs.runtimes.local.image_provenance.wrapper_report import LISTER, lister
from mlops_desk.jobs.runtimes.local.images import JobImages
from mlops_desk.jobs.runtimes.local.network import login_files
from mlops_desk.jobs.runtimes.runtime import (
    AboutToStart,
    Displaced,
    GoneBeforeStart,
    MakeTicket,
    NotStarted,
    Obstructed,
    RunTicket,
)
from mlops_desk.jobs.runtimes.start_failures import START_FAILED, start_failure
from mlops_desk.kit.base import network as certificates
from mlops_desk.kit.base.disk.mount_points import MountPoint, MountTable, RealPlace
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.network import NetworkRules, host_of, job_environment
from mlops_desk.kit.base.text import plain

_log = logging.getLogger(__name__)

CERTIFICATES = "ca.pem"
"""The file of certificates, beside the wrapper."""
WHEELS_TARGET = "/mlops-desk/wheels"


@dataclass(frozen=True, slots=True)
class WayOut:
    """``environment`` gives way to the job's own; ``certificates`` is what is to lie beside the wrapper."""

    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    certificates: bytes | None = None


def way_out(spec: JobSpec, rules: NetworkRules, ticket: RunTicket | None, bridge: Callable[[], str]) -> WayOut:
    """Return what a job gets; ``bridge`` tells where containers reach this machine. Raises Obstructed."""
    try:
        trusted = certificates.with_usual(certificates.read_bundle(rules.ca_bundle)) if rules.ca_bundle else None
    except (Invalid, OSError) as error:
        raise _obstructed("network.ca_bundle", error) from error
    wheels = _wheels(rules)
    local = [] if ticket is None else [host_of(ticket.tracking_uri)]
    if rules.has_proxy:
        local.append(bridge())
    environment = job_environment(
        rules,
        spec.env,
        local=local,
        certificates=None if trusted is None else f"{IN_TARGET}/{CERTIFICATES}",
        wheels=None if wheels is None else wheels.target,
    )
    return WayOut(environment, () if wheels is None else (wheels,), trusted)


def _wheels(rules: NetworkRules) -> Mount | None:
    if not rules.wheelhouse:
        return None
    folder = Path(rules.wheelhouse).expanduser()
    if not folder.is_dir():
        raise _obstructed("network.wheels", Invalid(f"There is no folder {folder}."))
    return Mount(os.path.realpath(folder), WHEELS_TARGET, "ro")


def _obstructed(key: str, error: DeskError | OSError) -> Obstructed:
    said = error.message if isinstance(error, DeskError) else str(error.strerror)
    hint = Hint(f"mlops-desk settings set {key} ''", before="Put it back, or go without: ")
    return Obstructed(Reason("network_settings", "The job waits: a setting of the network does not hold.", said, hint))


_ROOT = PurePosixPath("/")


def check_mounted(mounts: Sequence[Mount], shown: Sequence[MountPoint] | None, table: MountTable) -> None:
    """Raise Refused when one of ``mounts`` (sources without links) is not what ``shown``, the container's table, has.

    The table is None when it can't be seen.

    Several mounts never count as the same one. A target that is a link in the image is mounted where the link
    leads, so such a mount has another name: it may be any that lies on the image itself and shows the right place.
    What only came along with a mount, as part of a folder that a job's user owns, is none.
    """
    if mounts and shown is None:
        text = "What the engine mounted in the container can't be seen, so it can't be compared with what was checked."
        raise Refused(text, "Run the agent where the engine runs, in the same space of process numbers.")
    shown = shown or ()
    uppermost = {mount.point: mount for mount in shown}
    roots = {mount.number for mount in shown if mount.point == _ROOT}
    on_the_image = [mount for mount in uppermost.values() if mount.parent in roots]
    named = {mount.target: uppermost.get(target_of(mount)) for mount in mounts}
    taken = {found.number for found in named.values() if found is not None}
    for mount in mounts:
        place = table.place(mount.source)
        found = named[mount.target] or _elsewhere(on_the_image, place, taken)
        if found is None or found.place != place:
            raise _another(mount, found)
        taken.add(found.number)


def _elsewhere(mounts: Iterable[MountPoint], place: RealPlace, taken: set[str]) -> MountPoint | None:
    return next((mount for mount in mounts if mount.place == place and mount.number not in taken), None)


def _another(mount: Mount, found: MountPoint | None) -> Refused:
    shows = "nothing" if found is None else f"{plain(str(found.place.path))} of filesystem {found.place.filesystem}"
    text = f"What the engine mounted on {plain(mount.target)} is not {plain(mount.source)}, which was checked: {shows}."
    hint = (
        "A folder above it was exchanged for a link just then: see who may write there. "
        "Submit the job again with a folder that nobody else can move."
    )
    return Refused(text, hint)


CheckMounts = Callable[[JobSpec, int, bool], tuple[str, ...]]
"""Look at a job's mounts as a user, and return where they really lie; True: they are real paths already, and must have
stayed so. Raises Refused for what no job gets.
"""

StagedMounts = Callable[[Job], tuple[Mount, ...]]
"""Return where the copies lie of a job's mounts that are staged. Raises NotFound where one is gone."""

_ENDED_HELD = "ended_before_start"
_MOST_ENDED_HELD = 2  # chosen: a person's stop or a restart of the engine comes once, what ends all of them for ever
_ENGINE_TEXT_LIMIT = 1000  # chosen: the engine quotes the runtime, which may quote all of a command


class Launch:
    """``check_mounts`` looks at a job's mounts once more, as its submitter; ``folder`` names an attempt's folder.

    ``sources`` is where snapshots of code lie.
    """

    def __init__(
        self,
        engine: Engine,
        images: JobImages,
        instance: str,
        folder: Callable[[Job, Attempt], AttemptFolder],
        check_mounts: CheckMounts,
        stop_grace_seconds: Callable[[], int],
        device_minors: Callable[[], Mapping[str, int]],
        sources: Path | None,
        secrets: SecretFiles,
        network: Callable[[], NetworkRules],
        staged: StagedMounts,
    ) -> None:
        self._engine = engine
        self._images = images
        self._instance = instance
        self._folder = folder
        self._check_mounts = check_mounts
        self._stop_grace_seconds = stop_grace_seconds
        self._sources = sources
        self._secrets = secrets
        self._network = network
        self._staged = staged
        self._device_minors = device_minors

    def start(
        self, job: Job, attempt: Attempt, facts: ContainerFacts | None, ticket: MakeTicket, about_to_start: AboutToStart
    ) -> ContainerFacts:
        """Make the container unless ``facts`` show it, and start it; ``about_to_start`` is called right before that.

        Raises NotStarted, Obstructed, Displaced, GoneBeforeStart, Unavailable (unknown: look again), and what the
        callables raise.
        """
        try:
            self._check_mounts(_own(job).spec, job.submitted_by, True)
        except Refused as error:
            text = "The job was not started: one of its mounts is not given to jobs any more."
            raise NotStarted(_mount_refused(error, text)) from error
        try:
            return self._create_and_start(job, attempt, facts, ticket, about_to_start)
        except Unavailable:
            raise
        except Obstacle as error:
            raise Obstructed(obstruction(error, self._engine)) from error
        except DeskError as error:
            raise NotStarted(_start_failed(error)) from error

    def _create_and_start(
        self, job: Job, attempt: Attempt, facts: ContainerFacts | None, ticket: MakeTicket, about_to_start: AboutToStart
    ) -> ContainerFacts:
        try:
            if facts is None:
                self._create(job, attempt, ticket())
        except NotFound as error:
            if self._images.local(job.image_id or job.spec.image) is None:
                raise
            raise Unavailable(*_removed_meanwhile(attempt)) from error
        about_to_start(self._engine.incarnation())
        self._folder(job, attempt).note_start()
        try:
            return self._engine.start(attempt.container)
        except NotFound as error:
            raise gone_before_start(attempt) from error

    def _create(self, job: Job, attempt: Attempt, ticket: RunTicket | None) -> None:
        image_id = job.image_id or job.spec.image
        image = self._engine.image(image_id)
        try:
            self._images.show_right(image, job.submitted_by)
        except NotFound as error:
            text = "The job's image was pulled here with another person's login, and its registry does not give it out."
            said = plain(error.message, _ENGINE_TEXT_LIMIT)
            raise NotStarted(Reason("image_private", text, said, error.hint, title="Image is private")) from error
        shell = self._images.shell_for(image)
        folder = self._folder(job, attempt)
        rules = self._network()
        way = way_out(job.spec, rules, ticket, self._engine.bridge_address)
        logins = login_files(job.spec, rules, ticket, partial(self._secrets.value, job.submitted_by))
        spec = container_spec(
            _own(job),
            attempt,
            self._instance,
            image,
            folder,
            ticket,
            shell=shell,
            stop_grace_seconds=self._grace_seconds(job),
            code=code_mount(job, self._sources),
            own_mounts=(*self._secrets.mounts(job, attempt, logins), *way.mounts, *self._copies(job)),
            network={**way.environment, **logins.environment},
        )
        make_kept(attempt, *runs_as(job))
        beside = {CERTIFICATES: way.certificates, LISTER: lister(job.spec.resources.memory_bytes)}
        more = {name: data for name, data in beside.items() if data is not None}
        wrapped, minors = shell is not None, self._minors(attempt)
        folder.prepare(*runs_as(job), held=bool(_own(job).spec.mounts), wrapped=wrapped, minors=minors, more=more)
        folder.make_at_home(logins.at_home(job.spec).values(), *runs_as(job))
        self._secrets.lay(job, attempt, *runs_as(job), logins)
        self._engine.create(spec)

    def is_laid(self, job: Job, attempt: Attempt) -> bool:
        """Tell whether what an attempt's container mounts from memory is there still."""
        return self._secrets.are_laid(job, attempt)

    def _copies(self, job: Job) -> tuple[Mount, ...]:
        try:
            return self._staged(job)
        except NotFound as error:  # cleared away, or from before a restart of the machine: it is copied once more
            raise Displaced(Reason("data_staging", f"{error.message} It is copied again.")) from error

    def _minors(self, attempt: Attempt) -> list[int]:
        """Return the numbers of an attempt's device files; none unless they are known of all its GPUs."""
        known = self._device_minors() if attempt.gpus else {}
        return [known[uuid] for uuid in attempt.gpus] if set(attempt.gpus) <= known.keys() else []

    def _grace_seconds(self, job: Job) -> int:
        own = job.spec.grace_seconds
        return self._stop_grace_seconds() if own is None else math.ceil(own)

    def is_held(self, job: Job, attempt: Attempt) -> bool:
        """Tell whether the command waits until its mounts were compared."""
        return self._folder(job, attempt).is_held()

    def never_began(self, job: Job, attempt: Attempt) -> bool:
        """Tell whether it is certain that the command has not begun, also of a container that is gone."""
        return self._folder(job, attempt).never_began()

    def discard(self, job: Job, attempt: Attempt) -> None:
        """Remove a container that never ran. Raises DeskError.

        That is written down first: whoever comes after a kill in between finds no container and may make it anew.
        """
        self._folder(job, attempt).note_unbegun()
        self._engine.remove(attempt.container)

    def let_go(self, job: Job, attempt: Attempt) -> bool:
        """Let a held command run once what is mounted is what was checked; False: its container has ended before.

        Raises Unavailable: it is held until then; NotStarted: it is never let go.
        """
        try:
            shown = self._engine.mounted(attempt.container)
            if shown is None and os.geteuid() != 0:  # then jobs have this user's rights, whatever is mounted
                _log.warning("What is mounted in %s can't be seen and was not compared.", attempt.container)
            elif shown == []:
                if self.never_began(job, attempt):
                    return False
            else:
                check_mounted(_own(job).spec.mounts, shown, MountTable())
        except Refused as error:
            text = "The job was not started: the engine mounted something other than what was checked."
            raise NotStarted(_mount_refused(error, text)) from error
        self._folder(job, attempt).let_go()
        return True


def _own(job: Job) -> Job:
    """Return a job with the mounts that are the person's own folders; copies of data lie with what is ours."""
    mounts = tuple(mount for mount in job.spec.mounts if not mount.stage)
    return job if len(mounts) == len(job.spec.mounts) else replace(job, spec=replace(job.spec, mounts=mounts))


def gone_before_start(attempt: Attempt) -> GoneBeforeStart:
    """Return the error for a container that was there, or was asked to start, and is gone."""
    return GoneBeforeStart(*_removed_meanwhile(attempt))


def ended_while_held(job: Job, facts: ContainerFacts) -> Displaced | NotStarted:
    """Return what becomes of an attempt whose container ended before its command could begin: nothing of it has run.

    It waits again, unless the engine says what ended it, or that has come about again and again.
    """
    if facts.oom_killed:
        told = start_failure("container init was oom-killed")
        return NotStarted(replace(told, evidence="The kernel ended the container before the command began."))
    if facts.error:
        return NotStarted(start_failure(facts.error))
    before = sum(one.reason is not None and one.reason.class_ == _ENDED_HELD for one in job.attempts)
    text = "The container ended before the job's command began, so nothing of it has run."
    if before < _MOST_ENDED_HELD:
        return Displaced(Reason(_ENDED_HELD, text))
    code = "" if facts.exit_code is None else f" The last ended with exit code {facts.exit_code}."
    hint = Hint("mlops-desk doctor", before="Something ends containers of this image or engine: ", after=" looks.")
    evidence = f"That was so {before + 1} times.{code}"
    return NotStarted(Reason(START_FAILED, text, evidence, hint, title="Ended before it began"))


def _removed_meanwhile(attempt: Attempt) -> tuple[str, str]:
    text = f"The container {attempt.container} was removed by somebody just when it was made."
    return text, "It is made again in a moment. A cleaner of unused containers does this."


def _mount_refused(error: DeskError, text: str) -> Reason:
    return Reason(
        "mount_refused", text, plain(error.message, _ENGINE_TEXT_LIMIT), error.hint, title="A folder can't be mounted"
    )


def _start_failed(error: DeskError) -> Reason:
    """NotFound here is the pinned image, which somebody removed since the submit."""
    text = plain(error.message, _ENGINE_TEXT_LIMIT)
    if isinstance(error, NotFound):
        hint = "Pull or build it again and submit the job once more."
        return Reason("image_missing", "The job's image is gone.", text, hint, title="Image gone")
    if isinstance(error, EngineRefused):
        return start_failure(error.said, error.hint)
    return Reason(START_FAILED, "The job can't be started as it is.", text, error.hint, title="Can't be started")
