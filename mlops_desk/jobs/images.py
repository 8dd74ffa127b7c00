"""Images of jobs: found, pulled, and looked into for a shell."""

import threading

from mlops_desk.base.errors import NotFound
from mlops_desk.engines.engine import ContainerSpec, Engine, ImageFacts
from mlops_desk.jobs.container import INSTANCE_LABEL, PROBE_LABEL

_PULL_TIMEOUT_SECONDS = 6 * 3600.0
_SHELL = "/bin/sh"


class Images:
    """What the engine says of images. Safe to use from several threads."""

    def __init__(self, engine: Engine, instance: str) -> None:
        self._engine = engine
        self._instance = instance
        self._lock = threading.Lock()
        self._shells: dict[str, bool] = {}

    def local(self, reference: str) -> ImageFacts | None:
        """Return a local image, or None. Raises Unavailable."""
        try:
            return self._engine.image(reference)
        except NotFound:
            return None

    def pull(self, reference: str) -> ImageFacts:
        """Pull an image, however long it takes. Raises NotFound, Refused, Unavailable."""
        return self._engine.pull(reference, _PULL_TIMEOUT_SECONDS)

    def has_shell(self, image_id: str) -> bool:
        """Tell whether an image can run our wrapper, by looking into a container that is never started."""
        with self._lock:
            if image_id not in self._shells:
                name = f"mld-{self._instance}-probe-{image_id.rpartition(':')[2][:12]}"
                labels = {INSTANCE_LABEL: self._instance, PROBE_LABEL: image_id}
                self._engine.create(
                    ContainerSpec(name=name, image=image_id, command=("true",), labels=labels, network="none")
                )
                try:
                    self._shells[image_id] = self._engine.has_file(name, _SHELL)
                finally:
                    self._engine.remove(name)
            return self._shells[image_id]
