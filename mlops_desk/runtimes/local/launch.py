"""Making an attempt's container, starting it, and letting its command go once its mounts were compared.

Each step can be repeated by whoever comes next: a container of the attempt's name is adopted, and one that has been
started is not started again.
"""

import logging
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from mlops_desk.base.disk.mount_points import MountTable
from mlops_desk.base.errors import DeskError, NotFound, Refused, Unavailable
from mlops_desk.base.network.rules import NetworkRules
from mlops_desk.base.text import plain
from mlops_desk.engines.engine import ContainerFacts, Engine, EngineRefused, Obstacle
from mlops_desk.records.jobs.job import Attempt, Job
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.jobs.spec import JobSpec, Mount
from mlops_desk.runtimes.local.container import code_mount, container_spec, runs_as
from mlops_desk.runtimes.local.folder import AttemptFolder
from mlops_desk.runtimes.local.images import JobImages
from mlops_desk.runtimes.local.kept_folders import make_kept
from mlops_desk.runtimes.local.makings.reading import LISTER, lister
from mlops_desk.runtimes.local.mounting.mounted import check_mounted
from mlops_desk.runtimes.local.network.logins import login_files
from mlops_desk.runtimes.local.network.way_out import CERTIFICATES, way_out
from mlops_desk.runtimes.local.obstructions import obstruction
from mlops_desk.runtimes.local.secret_files import SecretFiles
from mlops_desk.runtimes.runtime import (
    AboutToStart,
    Displaced,
    GoneBeforeStart,
    MakeTicket,
    NotStarted,
    Obstructed,
    RunTicket,
)
from mlops_desk.runtimes.starting.telling import START_FAILED, start_failure

_log = logging.getLogger(__name__)

CheckMounts = Callable[[JobSpec, int, bool], tuple[str, ...]]
"""Look at a job's mounts as a user, and return where they really lie; True: they are real paths already, and must have
stayed so. Raises Refused for what no job gets.
"""

StagedMounts = Callable[[Job], tuple[Mount, ...]]
"""Return where the copies lie of a job's mounts that are staged. Raises NotFound where one is gone."""

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
        self,
        job: Job,
        attempt: Attempt,
        facts: ContainerFacts | None,
        ticket: MakeTicket,
        about_to_start: AboutToStart,
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
        self,
        job: Job,
        attempt: Attempt,
        facts: ContainerFacts | None,
        ticket: MakeTicket,
        about_to_start: AboutToStart,
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

    def let_go(self, job: Job, attempt: Attempt) -> None:
        """Let a held command run once what is mounted is what was checked.

        Raises Unavailable: it is held until then; NotStarted: it is never let go.
        """
        try:
            shown = self._engine.mounted(attempt.container)
            if shown is None and os.geteuid() != 0:  # then jobs have this user's rights, whatever is mounted
                _log.warning("What is mounted in %s can't be seen and was not compared.", attempt.container)
            elif shown != []:
                check_mounted(_own(job).spec.mounts, shown, MountTable())
        except Refused as error:
            text = "The job was not started: the engine mounted something other than what was checked."
            raise NotStarted(_mount_refused(error, text)) from error
        self._folder(job, attempt).let_go()


def _own(job: Job) -> Job:
    """Return a job with the mounts that are the person's own folders; copies of data lie with what is ours."""
    mounts = tuple(mount for mount in job.spec.mounts if not mount.stage)
    return job if len(mounts) == len(job.spec.mounts) else replace(job, spec=replace(job.spec, mounts=mounts))


def gone_before_start(attempt: Attempt) -> GoneBeforeStart:
    """Return the error for a container that was there, or was asked to start, and is gone."""
    return GoneBeforeStart(*_removed_meanwhile(attempt))


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
