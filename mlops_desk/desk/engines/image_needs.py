"""What of the desk needs images of an engine: jobs that are not over, and endpoints with all their revisions."""

from collections.abc import Callable, Iterable

from mlops_desk.images.users import ImageNeed
from mlops_desk.records.endpoint import Endpoint
from mlops_desk.records.images.card import ImageUser, UserKind
from mlops_desk.records.jobs.job import Job, JobState

_WAITING = frozenset({JobState.QUEUED, JobState.BLOCKED})


def image_needs(
    jobs: Iterable[Job], endpoints: Iterable[Endpoint], tags: Callable[[str], Iterable[str]], engine: str
) -> list[ImageNeed]:
    """Return what needs images of ``engine``; ``tags`` returns those of an endpoint's revisions."""
    found = [_of_job(job) for job in jobs if job.runtime == engine]
    return [*found, *(_of_endpoint(one, tags(one.name)) for one in endpoints if one.engine == engine)]


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
