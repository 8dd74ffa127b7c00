"""JobImages of jobs: found, pulled, and looked at for the shell that can run our wrapper in them."""

import secrets
import threading
from collections.abc import Callable

from mlops_desk.base.errors import DeskError, NotFound, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.engines.engine import ContainerSpec, Engine, ImageFacts
from mlops_desk.runtimes.local.container import INSTANCE_LABEL, PROBE_LABEL, probe_name
from mlops_desk.runtimes.local.obstructions import unreachable
from mlops_desk.runtimes.local.shell import IMAGE_SHELL, HostShell, Shell, host_shell
from mlops_desk.runtimes.runtime import Obstructed

_PULL_TIMEOUT_SECONDS = 6 * 3600.0  # chosen: an image of 30 GB over a line of 1.4 MB/s
_SHELL = "/bin/sh"


class JobImages:
    """What the engine says of images. Safe to use from several threads.

    ``find_shell`` returns the shell of this machine that containers can be given, if there is one.
    """

    def __init__(self, engine: Engine, instance: str, find_shell: Callable[[], HostShell | None] = host_shell) -> None:
        self._engine = engine
        self._instance = instance
        self._find_shell = find_shell
        self._lock = threading.Lock()
        self._shells: dict[str, bool] = {}
        self._probing: set[str] = set()

    def local(self, reference: str) -> ImageFacts | None:
        """Return a local image, or None. Raises Unavailable."""
        try:
            return self._engine.image(reference)
        except NotFound:
            return None

    def pull(self, reference: str) -> ImageFacts:
        """Pull an image, however long it takes. Raises NotFound, Refused, Obstructed, Unavailable."""
        try:
            return self._engine.pull(reference, _PULL_TIMEOUT_SECONDS)
        except DeskError as error:
            reason = unreachable(reference, error)
            if reason is None:
                raise
            raise Obstructed(reason) from error

    def shell_for(self, image: ImageFacts) -> Shell | None:
        """Return what can run our wrapper in an image; None when nothing can. Raises NotFound for the image alone."""
        own = self._find_shell()
        if own is not None and own.architecture == image.architecture:
            return own.shell()
        return IMAGE_SHELL if self._has_shell(image.id) else None

    def is_probing(self, container: str) -> bool:
        """Tell whether a probe is one that is in use just now."""
        with self._lock:
            return container in self._probing

    def _has_shell(self, image_id: str) -> bool:
        """Look into a container that is never started; what was seen once is remembered, what failed is not."""
        with self._lock:
            known = self._shells.get(image_id)
        if known is None:
            known = self._probe(image_id)
            with self._lock:
                self._shells[image_id] = known
        return known

    def _probe(self, image_id: str) -> bool:
        name = probe_name(self._instance, secrets.token_hex(6))  # one for each look, so that none shares another's
        labels = {INSTANCE_LABEL: self._instance, PROBE_LABEL: image_id}
        with self._lock:
            self._probing.add(name)
        try:
            self._engine.create(
                ContainerSpec(name=name, image=image_id, command=("true",), labels=labels, network="none")
            )
            return self._look(name)
        finally:
            with self._lock:
                self._probing.discard(name)
            self._engine.remove(name)

    def _look(self, name: str) -> bool:
        try:
            return self._engine.has_file(name, _SHELL)
        except NotFound as error:
            text = f"The container {plain(name)}, made to look into the image, was removed by somebody meanwhile."
            raise Unavailable(text, "It is made again in a moment.") from error
