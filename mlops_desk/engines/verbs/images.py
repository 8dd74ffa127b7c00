"""Verbs about images of a container engine."""

from builtins import list as list_of
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import AbsolutePath, Option, Who, changes, reads

if TYPE_CHECKING:
    from mlops_desk.engines.records.image import ImageCard, ImageRoom, PrunePreview, VolumeCard
    from mlops_desk.engines.records.task import ImageTask

LONGEST_WAIT_SECONDS = 30.0  # chosen: half of a call's deadline; whoever still waits then asks again


class Images(Protocol):
    """Images on the container engine: what is there and what needs it; pulling, building and clearing away.

    ``engine`` names one of the settings; without it, this machine's own is meant.
    """

    @reads
    def list(self, engine: str | None = None) -> "list_of[ImageCard]":
        """List the images that are there, the newest first, with what needs each of them."""
        ...

    @reads
    def show(self, image_id: str, engine: str | None = None) -> "ImageCard":
        """Show one image, by its name, its id or the beginning of it."""
        ...

    @changes(why="an image that is there takes nothing from others but room, which is watched")
    def pull(self, reference: str, engine: str | None = None) -> "ImageTask":
        """Pull an image; the agent does it. Who asks for one that is on its way already is told of that one.

        It goes on without the one who asked, and after a broken connection; it is refused, or ends, before the engine's
        disk is full.
        """
        ...

    @changes(why="an image that is there takes nothing from others but room, which is watched")
    def build(
        self,
        folder: Annotated[str, AbsolutePath("FOLDER")] = ".",
        tag: Annotated[str, Option("TAG")] = "",
        file: str = "Dockerfile",
        engine: str | None = None,
    ) -> "ImageTask":
        """Build an image from a folder as it is now; the agent does it.

        The folder is read with the rights of the one who asks, and .dockerignore is heeded; ``file`` is the
        Dockerfile in it. Without a tag the image is named after the folder.
        """
        ...

    @reads
    def tasks(self, limit: int = 50) -> "list_of[ImageTask]":
        """List pulls and builds, those under way and what became of the last ones, the newest first."""
        ...

    @reads
    def task(self, task_id: str, wait_seconds: float = 0.0, seen_at: float | None = None) -> "ImageTask":
        """Show one pull or build; with ``wait_seconds`` as soon as there is news since ``seen_at`` (its heard_at)."""
        ...

    @reads
    def logs(self, task_id: str, *, follow: bool = False) -> Iterator[str]:
        """Print what a build has written; with ``follow`` to its end."""
        ...

    @changes(who=Who.OWNER, before="task", of=("image task", "task_id"))
    def cancel(self, task_id: str) -> "ImageTask":
        """End a pull or build that is under way. Layers that are finished stay, and are not fetched again."""
        ...

    @changes(who=Who.OWNER, before="show", of=("image", "image_id"), timeout_seconds=120.0)
    def remove(self, image_id: str, engine: str | None = None) -> "ImageCard":
        """Remove an image that nothing needs: no container, no job that waits for it, no endpoint."""
        ...

    @reads
    def preview(self, unused_seconds: float = 0.0, engine: str | None = None) -> "PrunePreview":
        """Tell what clearing away would remove and why, and what stays; nothing is changed.

        Only what this desk pulled or built can go, and what nothing has needed for so long.
        """
        ...

    @changes(who=Who.ADMINISTRATOR, before="preview", timeout_seconds=600.0)
    def prune(
        self, images: list_of[str] | None = None, unused_seconds: float = 0.0, engine: str | None = None
    ) -> "PrunePreview":
        """Remove images that nothing needs, which ``preview`` shows; each is looked at again before it goes."""
        ...

    @reads
    def volumes(self, engine: str | None = None) -> "list_of[VolumeCard]":
        """List the volumes, with the containers that use them."""
        ...

    @reads
    def room(self, engine: str | None = None) -> "ImageRoom":
        """Tell how much room images, build cache and volumes take, and how much is left."""
        ...
