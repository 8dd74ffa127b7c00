"""Where images meet the rest of the desk: what needs them, which engines there are, where builds' folders are kept."""

from collections.abc import Callable, Iterable, Mapping

from mlops_desk.base.bus import Bus
from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.loop import Loop
from mlops_desk.desk.engines.build_contexts import BuildContexts
from mlops_desk.engines.engine import Engine
from mlops_desk.engines.logins.private_images import PrivateImages
from mlops_desk.engines.table import EngineTable, is_here
from mlops_desk.images.service import ImagesService
from mlops_desk.images.stock import ImageParts
from mlops_desk.images.users import ImageNeed, spelled
from mlops_desk.jobs.capsule.source.taking import Snapshots
from mlops_desk.leases.folders import LeaseFolders
from mlops_desk.leases.letters.image_desk import ImageNeedDesk
from mlops_desk.records.images.card import ImageUser, UserKind
from mlops_desk.records.jobs.job import LOCAL_RUNTIME, Job, JobState
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.runtimes.local.container import INSTANCE_LABEL
from mlops_desk.serving.service import EndpointsService
from mlops_desk.storage.records import StoredRecords

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


def image_needs(jobs: StoredRecords[Job], endpoints: EndpointsService, engine: str) -> list[ImageNeed]:
    """Return what needs images of an engine: every job that is not over, and endpoints with all their revisions."""
    active = jobs.list(states=tuple(state for state in JobState if not state.is_final))
    known = {job.id: job for job in (*jobs.list(limit=_OVER_LOOKED_AT), *active)}
    found = [_of_job(job) for job in known.values() if job.runtime == engine]
    shown = [one for one in endpoints.list() if one.engine == engine]
    return [*found, *(_of_endpoint(one, endpoints.images(one.name)) for one in shown)]


def wanted_images(jobs: StoredRecords[Job], endpoints: EndpointsService) -> list[str]:
    """Return the ids and names of images that jobs and endpoints need on any engine, the newest first."""
    active = jobs.list(states=tuple(state for state in JobState if not state.is_final))
    needs = [*map(_of_job, active), *(_of_endpoint(one, endpoints.images(one.name)) for one in endpoints.list())]
    words = (word for need in needs for word in need.images)
    return list(dict.fromkeys(word if word.startswith("sha256:") else spelled(word) for word in words))


def _of_job(job: Job) -> ImageNeed:
    """Say what a job needs: one that is over nothing, though its container is still called after it."""
    kind = UserKind.QUEUED_JOB if job.state in _WAITING else UserKind.JOB
    images = tuple(word for word in (job.image_id, job.spec.image) if word)
    containers = tuple(attempt.container for attempt in job.attempts if attempt.container)
    user = ImageUser(kind, job.id, job.name, job.state.value, job.user)
    return ImageNeed(user, images, containers, needs=not job.state.is_final)


def _of_endpoint(endpoint: Endpoint, tags: Iterable[str]) -> ImageNeed:
    images = tuple({*tags, *((endpoint.image,) if endpoint.image else ())})
    containers = tuple(replica.container for replica in endpoint.replicas)
    user = ImageUser(UserKind.ENDPOINT, endpoint.name, endpoint.name, endpoint.state.value)
    return ImageNeed(user, images, containers)
