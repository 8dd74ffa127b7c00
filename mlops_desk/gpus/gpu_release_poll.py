"""GPUs that were let go are free as soon as the driver shows them so: it is asked at once, and again until it does.

Left to the usual looks a GPU would stand idle for two seconds after each job, which short jobs feel.
"""

import threading
import time
from collections.abc import Callable

from mlops_desk.kit.base.loop import Loop

_HURRY_SECONDS = 10.0  # chosen: a driver that has not let go of a dead process by then is waited for at the usual pace
_AGAIN_SECONDS = 0.1  # chosen: most contexts are torn down within it, and a look costs some milliseconds


class Haste:
    """``look`` has the driver asked; ``drains`` tells whether a GPU is still to be seen free; ``free`` tells the queue.

    ``released`` is called when a GPU was let go, ``sampled`` with each sample.
    """

    def __init__(
        self, loop: Loop, look: Callable[[], None], drains: Callable[[], bool], free: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._look = look
        self._drains = drains
        self._free = free
        self._until = 0.0
        self._lock = threading.Lock()

    def released(self) -> None:
        """Look at once, and go on for a while."""
        with self._lock:
            self._until = time.monotonic() + _HURRY_SECONDS
        self._look()

    def sampled(self) -> None:
        """Tell the queue what a hurried look has shown, and look again while it has not shown all GPUs free."""
        if time.monotonic() > self._until:
            return
        if self._drains():
            self._loop.start("haste", self._again)
        else:
            with self._lock:
                self._until = 0.0
        self._free()

    def _again(self) -> None:
        if not self._loop.ending.wait(_AGAIN_SECONDS):
            self._look()
