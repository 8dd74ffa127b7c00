"""Images and volumes as they lie on an engine: how much room they take, and what needs them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.jobs.records.job import LOCAL_RUNTIME
from mlops_desk.kit.records.owner import Owner


class UserKind(StrEnum):
    """What sort of thing uses an image or a volume. A container is one that belongs to no job or endpoint of ours.

    Another desk on this machine has jobs or endpoints that need it; which, it does not tell.
    """

    CONTAINER = "container"
    JOB = "job"
    QUEUED_JOB = "queued job"
    ENDPOINT = "endpoint"
    DESK = "desk"


@dataclass(frozen=True, slots=True)
class ImageUser:
    """What needs an image, or a volume. ``user`` is whose it is, None where nobody knows; ``state`` its own word."""

    kind: UserKind
    id: str
    name: str
    state: str = ""
    user: str | None = None


@dataclass(frozen=True, slots=True)
class ImageCard:
    """An image that is on an engine. Sizes are bytes on its disk, times Unix seconds; None: not known.

    ``own_bytes`` are what would be free without it, ``shared_bytes`` lie in layers that other images have too.
    ``platform`` is as in linux/amd64. ``origin`` says what brought it here: pulled, built (both by this desk), or ""
    for somebody else; ``brought_by`` and ``user`` are who asked for that. ``labels`` are the first of them, cut.
    """

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size_bytes: int | None = None
    own_bytes: int | None = None
    shared_bytes: int | None = None
    created_at: float | None = None
    platform: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    used_by: tuple[ImageUser, ...] = ()
    origin: str = ""
    brought_at: float | None = None
    brought_by: int | None = None
    user: str | None = None
    engine: str = LOCAL_RUNTIME

    @property
    def name(self) -> str:
        """What people call it: its first tag, else where it was pulled from, else the beginning of its id."""
        return next(iter((*self.tags, *self.digests)), self.id.removeprefix("sha256:")[:12])

    @property
    def owner(self) -> Owner:
        """Who brought it here; the agent's own user for what somebody else did, or for what nobody has noted."""
        return Owner(self.brought_by)


@dataclass(frozen=True, slots=True)
class VolumeCard:
    """A volume of an engine. ``size_bytes`` is None where the engine does not tell it."""

    name: str
    driver: str = ""
    size_bytes: int | None = None
    created_at: float | None = None
    used_by: tuple[ImageUser, ...] = ()
    engine: str = LOCAL_RUNTIME


@dataclass(frozen=True, slots=True)
class ImageRoom:
    """What an engine's things take on its disk, in bytes; None: not known. ``folder`` is where they lie.

    ``free_bytes`` is what is left there, None for an engine on another machine.
    """

    images_bytes: int | None = None
    build_cache_bytes: int | None = None
    volumes_bytes: int | None = None
    free_bytes: int | None = None
    folder: str = ""
    engine: str = LOCAL_RUNTIME


@dataclass(frozen=True, slots=True)
class PruneItem:
    """An image that would go or stays. ``why`` is a stable word, ``text`` says it to people.

    Words of what goes: unused, nameless. Of what stays: used, foreign (this desk did not bring it), recent, refused
    (the engine would not, or it is needed by now).
    """

    id: str
    name: str
    why: str
    text: str
    size_bytes: int | None = None
    own_bytes: int | None = None
    used_by: tuple[ImageUser, ...] = ()


@dataclass(frozen=True, slots=True)
class PrunePreview:
    """What clearing away would take, or has taken (``applied``), and what stays.

    ``freed_bytes`` is at least what becomes free: images that go together may share more; None: not known.
    """

    going: tuple[PruneItem, ...] = ()
    staying: tuple[PruneItem, ...] = ()
    freed_bytes: int | None = None
    unused_seconds: float = 0.0
    applied: bool = False
    engine: str = LOCAL_RUNTIME
