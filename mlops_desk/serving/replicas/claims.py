"""Who works on an endpoint: one deployment at a time, and starts of single replicas, each of them once.

A deployment need not wait for starts that have begun: a replica that nobody wants any more ends when it is up.
"""

import contextlib
import threading
from collections.abc import Iterator

from mlops_desk.base.errors import Refused, Unavailable


class EndpointClaims:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._deployed: set[str] = set()
        self._starts: set[tuple[str, str]] = set()

    def claim(self, name: str) -> bool:
        """Take an endpoint for a deployment; False while there is another."""
        with self._lock:
            if name in self._deployed:
                return False
            self._deployed.add(name)
            return True

    def release(self, name: str) -> None:
        with self._lock:
            self._deployed.discard(name)

    @contextlib.contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Hold an endpoint while a deployment of it begins, which lets go of it. Raises Refused and Unavailable."""
        if not self.claim(name):
            raise Refused(f"Endpoint {name} is being deployed or restarted.", "Try again when that is done.")
        try:
            yield
        except OSError as error:
            self.release(name)
            raise Unavailable(f"Endpoint {name} can't be written down: {error}.", "Is the disk full?") from error
        except BaseException:
            self.release(name)
            raise

    def claim_start(self, name: str, what: str) -> bool:
        """Take an endpoint for a start of ``what``; False while it is deployed, or the same is started already."""
        with self._lock:
            if name in self._deployed or (name, what) in self._starts:
                return False
            self._starts.add((name, what))
            return True

    def release_start(self, name: str, what: str) -> None:
        with self._lock:
            self._starts.discard((name, what))
            self._lock.notify_all()

    def wait_for_starts(self, name: str, timeout_seconds: float) -> bool:
        """Wait until no replica of an endpoint is being started; False when that took too long."""
        with self._lock:
            return self._lock.wait_for(lambda: all(known != name for known, _ in self._starts), timeout_seconds)

    def deployed(self) -> set[str]:
        """Return the endpoints that are being deployed."""
        with self._lock:
            return set(self._deployed)

    def busy(self) -> set[str]:
        """Return the endpoints that somebody works on in any way."""
        with self._lock:
            return self._deployed | {name for name, _ in self._starts}

    def starts(self, name: str, what: str) -> bool:
        """Tell whether ``what`` of an endpoint is being started."""
        with self._lock:
            return (name, what) in self._starts
