"""What the program asks of an engine's store of images: what is there, what is on its way, how much room it takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.records.task import BuilderName, BuildStep, LayerProgress


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image as the engine lists it; None and "" are not known. ``created_at`` is Unix seconds."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size_bytes: int | None = None
    shared_bytes: int | None = None
    created_at: float | None = None
    platform: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredVolume:
    """A volume as the engine lists it, with the names of the containers that have it mounted."""

    name: str
    driver: str = ""
    size_bytes: int | None = None
    created_at: float | None = None
    containers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreRoom:
    """What the engine's things take on its disk, in bytes, and the folder (on its machine) where they lie."""

    images_bytes: int | None = None
    build_cache_bytes: int | None = None
    volumes_bytes: int | None = None
    folder: str = ""


@dataclass(frozen=True, slots=True)
class BuildNews:
    """A line that a build has written, and the step that it is at; "" where only something else is told.

    ``layer`` is one of an image that it stands on, which is fetched. ``builder`` tells once who builds.
    """

    text: str
    step: BuildStep | None = None
    layer: LayerProgress | None = None
    builder: BuilderName | None = None


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """How a folder is built: by which ``dockerfile`` in it, up to which stage (``target``, "" for the last).

    ``arguments`` are those of the machine, as its proxies; ``values`` those of the person. ``secrets`` are shown to
    steps that mount them, and ``logins`` to registries of images that it stands on: neither is in any repr.
    """

    dockerfile: str = "Dockerfile"
    target: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    logins: tuple[RegistryLogin, ...] = ()


HearLayer = Callable[[LayerProgress], None]
"""Is told how far a layer of a pull is. What it raises ends the pull, and passes through."""

HearBuild = Callable[[BuildNews], None]
"""Is told what a build writes. What it raises ends the build, and passes through."""


PLAIN_ORDER = BuildOrder()
"""The Dockerfile that is called so, and nothing else."""


def unheard(_news: object) -> None:
    """Hear what is told, and do nothing."""


class ImageStore(Protocol):
    """The images and volumes of an engine. Every call has a deadline."""

    def images(self) -> list[StoredImage]:
        """List the images that are there, nameless ones (of earlier builds) included."""
        ...

    def volumes(self) -> list[StoredVolume]:
        """List the volumes. Sizes are those that the engine knows without counting."""
        ...

    def room(self) -> StoreRoom:
        """Tell how much room everything takes; counting it may take the engine a while."""
        ...

    def save_image(
        self, reference: str, target: Path, timeout_seconds: float, saved: Callable[[int], None] = unheard
    ) -> None:
        """Write an image with all its layers to ``target``, as ``docker save`` does.

        ``saved`` hears how many bytes are there, and ends it by what it raises. Raises NotFound, TimedOut, OSError.
        """
        ...

    def data_folder(self) -> str:
        """Return the folder in which the engine keeps its images, on its machine; "" where it does not tell."""
        ...
