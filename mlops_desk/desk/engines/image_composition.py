"""Where images meet the rest of the desk: what needs them, which engines there are, where builds' folders are kept."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlops_desk.engines.images.builds import FrozenContext
from mlops_desk.engines.images.dependents import ImageNeed, spelled
from mlops_desk.engines.images.inventory import ImageParts
from mlops_desk.engines.images.service import ImagesService
from mlops_desk.engines.records.image import ImageUser, UserKind
from mlops_desk.engines.table import EngineTable, is_here
from mlops_desk.gpus.leases.shared_mailbox.image_service import ImageNeedDesk
from mlops_desk.jobs.records.job import LOCAL_RUNTIME, Job, JobState
from mlops_desk.jobs.records.spec import Source
from mlops_desk.jobs.runtimes.local.container import INSTANCE_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from mlops_desk.engines.engine import Engine
    from mlops_desk.engines.logins.private_images import PrivateImages
    from mlops_desk.gpus.leases.folders import LeaseFolders
    from mlops_desk.jobs.provenance.source.snapshot_capture import Snapshots
    from mlops_desk.kit.base.bus import Bus
    from mlops_desk.kit.base.disk.paths import DataFolder
    from mlops_desk.kit.base.loop import Loop
    from mlops_desk.serving.records.endpoint import Endpoint
    from mlops_desk.serving.service import EndpointsService

    MadeEndpoints = Callable[[], EndpointsService | None]
    from mlops_desk.kit.storage.records import StoredRecords


# Folders of builds, kept as jobs' code is: each file once, as it was when the build was asked for.
class BuildContexts:
    """Implements ``images.building.Contexts`` by the snapshots that jobs have."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    @contextmanager
    def frozen(self, folder: str, dockerfile: str, uid: int) -> Iterator[FrozenContext]:
        """Keep a folder as it is; it is safe until this is left. Raises DeskError."""
        with self._snapshots.taken(Source(folder=folder), uid, dockerfile) as snapshot:
            yield FrozenContext(snapshot.sha256, self._snapshots.store.tree(snapshot.sha256))

    @contextmanager
    def in_use(self, sha256: str) -> Iterator[FrozenContext]:
        """Give a folder that is kept. Raises NotFound."""
        with self._snapshots.store.in_use(sha256):
            yield FrozenContext(sha256, self._snapshots.store.tree(sha256))


_WAITING = frozenset({JobState.QUEUED, JobState.BLOCKED})
_OVER_LOOKED_AT = 2000  # chosen: their containers are kept for days at most; only whose they are is told by them


def images_service(
    folder: DataFolder,
    bus: Bus,
    loop: Loop,
    engines: Mapping[str, Engine],
    table: EngineTable,
    snapshots: Snapshots,
    needs: Callable[[str], list[ImageNeed]],
    private: PrivateImages,
    arguments: Callable[[], Mapping[str, str]],
    shared: LeaseFolders,
    wanted: Callable[[], Iterable[str]],
) -> ImagesService:
    """Return the verbs about images of ``engines``; ``arguments`` are those of builds.

    In the ``shared`` folders the desks of other users are told what is ``wanted`` here.
    """

    def here(name: str) -> bool:
        return name == LOCAL_RUNTIME or is_here(table.address(name))

    neighbours = ImageNeedDesk(shared, folder.instance, folder.root / "image_needs")
    labels = {INSTANCE_LABEL: folder.instance}
    parts = ImageParts(engines, here, needs, BuildContexts(snapshots), labels, private, arguments, neighbours, wanted)
    return ImagesService(folder.images, bus, loop, parts)


def image_needs(jobs: StoredRecords[Job], endpoints: MadeEndpoints, engine: str) -> list[ImageNeed]:
    """Return what needs images of an engine: every job that is not over, and endpoints with all their revisions."""
    active = jobs.list(states=tuple(state for state in JobState if not state.is_final))
    known = {job.id: job for job in (*jobs.list(limit=_OVER_LOOKED_AT), *active)}
    found = [_of_job(job) for job in known.values() if job.runtime == engine]
    return [*found, *(need for one, need in _of_endpoints(endpoints) if one.engine == engine)]


def wanted_images(jobs: StoredRecords[Job], endpoints: MadeEndpoints) -> list[str]:
    """Return the ids and names of images that jobs and endpoints need on any engine, the newest first."""
    active = jobs.list(states=tuple(state for state in JobState if not state.is_final))
    needs = [*map(_of_job, active), *(need for _, need in _of_endpoints(endpoints))]
    words = (word for need in needs for word in need.images)
    return list(dict.fromkeys(word if word.startswith("sha256:") else spelled(word) for word in words))


def _of_job(job: Job) -> ImageNeed:
    """Say what a job needs: one that is over nothing, though its container is still called after it."""
    kind = UserKind.QUEUED_JOB if job.state in _WAITING else UserKind.JOB
    images = tuple(word for word in (job.image_id, job.spec.image) if word)
    containers = tuple(attempt.container for attempt in job.attempts if attempt.container)
    user = ImageUser(kind, job.id, job.name, job.state.value, job.user)
    return ImageNeed(user, images, containers, needs=not job.state.is_final)


def _of_endpoints(endpoints: MadeEndpoints) -> list[tuple[Endpoint, ImageNeed]]:
    made = endpoints()
    return [] if made is None else [(one, _of_endpoint(one, made.images(one.name))) for one in made.list()]


def _of_endpoint(endpoint: Endpoint, tags: Iterable[str]) -> ImageNeed:
    images = tuple({*tags, *((endpoint.image,) if endpoint.image else ())})
    containers = tuple(replica.container for replica in endpoint.replicas)
    user = ImageUser(UserKind.ENDPOINT, endpoint.name, endpoint.name, endpoint.state.value)
    return ImageNeed(user, images, containers)
