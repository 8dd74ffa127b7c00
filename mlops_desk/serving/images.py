"""The images that endpoints can start from, and the end of those that none can start from any more."""

import contextlib

from mlops_desk.engines.engine import Engine
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.serving import deploy_options
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.revision import Shelf


class EndpointImages:
    """Knows which revision needs which image."""

    def __init__(self, instance: str, board: EndpointBoard, shelf: Shelf, engine: Engine) -> None:
        self._instance = instance
        self._board = board
        self._shelf = shelf
        self._engine = engine

    def of(self, name: str) -> set[str]:
        """Return the tags, or ids, of the images from which revisions of an endpoint can be started."""
        return {
            revision.image
            for revision in self._shelf.all(name)
            if revision.image is not None and self._shelf.has_files(name, revision.number)
        }

    def drop(self, tags: set[str]) -> None:
        """Remove those of ``tags`` that were built for endpoints and that none uses any more.

        A training image is its person's own, whoever serves from it.
        """
        unused = tags - {tag for endpoint in self._board.all() for tag in self.of(endpoint.name)}
        for tag in (tag for tag in unused if deploy_options.is_built(self._instance, tag)):
            with contextlib.suppress(DeskError):  # one that is still in use, or gone, is nobody's problem
                self._engine.remove_image(tag)
