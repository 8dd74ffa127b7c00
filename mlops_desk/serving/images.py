"""The images that endpoints can start from, and the end of those that none can start from any more."""

import contextlib

from mlops_desk.base.errors import DeskError
from mlops_desk.engines.engine import Engine
from mlops_desk.serving.board import EndpointBoard
from mlops_desk.serving.revision import Shelf


class EndpointImages:
    """Knows which revision needs which image."""

    def __init__(self, board: EndpointBoard, shelf: Shelf, engine: Engine) -> None:
        self._board = board
        self._shelf = shelf
        self._engine = engine

    def of(self, name: str) -> set[str]:
        """Return the tags of the images from which revisions of an endpoint can be started."""
        return {
            revision.image
            for revision in self._shelf.all(name)
            if revision.image is not None and self._shelf.has_files(name, revision.number)
        }

    def drop(self, tags: set[str]) -> None:
        """Remove those of ``tags`` that no endpoint uses any more."""
        for tag in tags - {tag for endpoint in self._board.all() for tag in self.of(endpoint.name)}:
            with contextlib.suppress(DeskError):  # one that is still in use, or gone, is nobody's problem
                self._engine.remove_image(tag)
