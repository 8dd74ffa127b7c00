"""What needs which image: containers of anybody, jobs that run or wait, endpoints. Pure.

A job that waits may name its image as a person writes it, by a digest, or be pinned to an id: each of them counts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.engines.image_store import StoredImage
from mlops_desk.engines.records.image import ImageUser, UserKind
from mlops_desk.kit.base.text import plain

_LATEST = ":latest"
_HUB = ("docker.io/library/", "docker.io/", "index.docker.io/library/", "index.docker.io/")


@dataclass(frozen=True, slots=True)
class ImageNeed:
    """Something of the desk that needs images: ``images`` are names, digests or ids, ``containers`` names of its own.

    ``needs`` is False for what is over, and only tells whose its containers are.
    """

    user: ImageUser
    images: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    needs: bool = True


def users_of(
    images: Iterable[StoredImage], containers: Iterable[ContainerFacts], needs: Sequence[ImageNeed]
) -> Mapping[str, tuple[ImageUser, ...]]:
    """Return what needs each image, by its id; nothing twice."""
    by_word: defaultdict[str, list[str]] = defaultdict(list)
    for image in images:
        for word in {image.id, image.id.removeprefix("sha256:"), *map(spelled, (*image.tags, *image.digests))}:
            by_word[word].append(image.id)
    ours = {name: need.user for need in needs for name in need.containers}
    found: defaultdict[str, dict[tuple[str, str], ImageUser]] = defaultdict(dict)

    def add(word: str, user: ImageUser) -> None:
        for image_id in by_word.get(word, ()):
            found[image_id].setdefault((user.kind, user.id), user)

    for need in needs:
        if need.needs:
            for word in need.images:
                add(word if word.startswith("sha256:") else spelled(word), need.user)
    for container in containers:
        user = ours.get(container.name) or _of_container(container)
        add(container.image_id, user)
    return {image_id: tuple(users.values()) for image_id, users in found.items()}


def desks_of(needed: Mapping[str, Iterable[tuple[int, str]]], uid: int) -> Mapping[str, tuple[ImageUser, ...]]:
    """Return other desks as users of images, from (uid, user) by the images' ids; ``uid`` is the agent's own user."""
    return {
        image_id: tuple(
            ImageUser(UserKind.DESK, str(whose), "another desk" if whose == uid else "another user's desk", "", name)
            for whose, name in users
        )
        for image_id, users in needed.items()
    }


def names_of(image: StoredImage) -> tuple[str, ...]:
    """Return what an image may be called by a job, in one spelling."""
    return tuple(map(spelled, (*image.tags, *image.digests)))


def spelled(reference: str) -> str:
    """Return an image's name in one spelling: without Docker's own registry, and with a tag."""
    prefix = next((one for one in _HUB if reference.startswith(one)), "")
    name = reference.removeprefix(prefix)
    if "@" in name:  # a digest says which, whatever tag stands before it
        repository, _, digest = name.partition("@")
        return f"{_without_tag(repository)}@{digest}"
    return name if ":" in name.rpartition("/")[2] else f"{name}{_LATEST}"


def _without_tag(repository: str) -> str:
    folder, slash, name = repository.rpartition("/")
    return f"{folder}{slash}{name.partition(':')[0]}"


def _of_container(container: ContainerFacts) -> ImageUser:
    return ImageUser(UserKind.CONTAINER, container.id, plain(container.name), container.status)
