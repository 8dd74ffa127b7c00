"""Connections of the Docker SDK to one engine: a small stock of them, each call with a deadline, errors as DeskErrors.

This is the only file that loads the SDK, and only when an engine is first spoken to. A connection that an engine cut
is tried once more where that does no harm.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from mlops_desk.base.errors import DeskError, Refused, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.engines.dialects import dialect_of
from mlops_desk.engines.docker import trouble
from mlops_desk.engines.docker.address import knock

T = TypeVar("T")

# Answers change their form after this one (networks, events); older engines get what they offer.
_NEWEST_API = "1.51"
_TEXT_LIMIT = 1000  # chosen: a paragraph; a registry may answer with a page
_PODMAN_NAME_TAKEN = "that name is already in use"  # with the status of a fault of its own
_STOCK = 4  # chosen: jobs, endpoints, the doctor and a log at once


class NameTaken(Refused):
    """Status 409: for a create, another container has the name; for a signal, the container does not run."""


class _Broken(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """A connection from the stock turned out to be cut."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


class Connections:
    """``address`` returns where the engine is now; ``deadline_seconds`` is how long an answer may take. Thread-safe."""

    def __init__(self, address: Callable[[], str], deadline_seconds: float) -> None:
        self.address = address
        self.deadline_seconds = deadline_seconds
        self._lock = threading.Lock()
        self._stock: list[tuple[str, Any]] = []

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            stock, self._stock = self._stock, []
        for _, client in stock:
            client.close()

    def call(
        self, what: str, work: Callable[[Any], T], timeout_seconds: float | None = None, *, again: bool = True
    ) -> T:
        """Return ``work(client)``; ``again``: on a connection that turns out to be cut it may be done a second time."""
        seconds = timeout_seconds or self.deadline_seconds
        try:
            with self.lent(what, seconds) as client:
                return work(client)
        except _Broken as broken:
            if not again:
                raise trouble.from_connection(broken.error, what, self.address()) from broken
        with self.lent(what, seconds, fresh=True) as client:
            return work(client)

    @contextlib.contextmanager
    def lent(self, what: str, seconds: float, *, fresh: bool = False) -> Iterator[Any]:
        """Lend a connection; it goes back to the stock only when all went well. Turns errors into DeskErrors."""
        import requests  # noqa: PLC0415 - these two come with the SDK, behind the same door
        import urllib3  # noqa: PLC0415 - likewise

        docker = sdk()
        address = self.address()
        client, used, patience = None, False, self.deadline_seconds
        try:
            knock(address, patience)
        except OSError as error:
            raise _unreached(error, what, address, patience) from error
        try:
            client, used = self._take(address, fresh=fresh)
            client.timeout = patience = seconds
            yield client
        except docker.errors.APIError as error:
            self._give_back(address, client)
            client = None
            raise _engine_error(error, what) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, docker.errors.DockerException) as error:
            if used and trouble.is_broken(error):
                raise _Broken(error) from error
            raise _unreached(error, what, address, patience) from error
        else:
            self._give_back(address, client)
            client = None
        finally:
            if client is not None:
                client.close()

    def _take(self, address: str, *, fresh: bool) -> tuple[Any, bool]:
        with self._lock:
            if not fresh and self._stock and self._stock[-1][0] == address:
                return self._stock.pop()[1], True
        return connect(address, self.deadline_seconds), False

    def _give_back(self, address: str, client: Any) -> None:
        with self._lock:
            if client is not None and len(self._stock) < _STOCK:
                self._stock.append((address, client))
                return
        if client is not None:
            client.close()


def sdk() -> Any:
    import docker  # noqa: PLC0415 - loading it takes a while, and not every machine has an engine

    return docker


def connect(address: str, seconds: float) -> Any:
    """Return a connection of the SDK to the engine at ``address``, ``seconds`` being its deadline."""
    knock(address, seconds)
    docker = sdk()
    base: Any = docker.APIClient

    class Client(base):  # type: ignore[misc]  # the SDK is untyped here
        """Things done better: deadlines hold for streams and for pulls, streams can be cut, no hello leaks a socket."""

        cut: Callable[[Any], None] | None = None

        def _disable_socket_timeout(self, socket: Any) -> None:
            """Leave the deadline as it is."""

        def _set_auth_headers(self, headers: dict[str, str]) -> None:
            """Hand a build none of the logins of whoever the agent runs as."""

        def _set_request_timeout(self, options: dict[str, Any]) -> dict[str, Any]:
            """Hold to the deadline also where the SDK would wait for ever, as for the next word of a pull."""
            if options.get("timeout") is None:
                options["timeout"] = self.timeout
            return options

        def _stream_helper(self, response: Any, decode: bool = False) -> Any:
            """Tell which answer is read from, so that another thread can cut it."""
            if self.cut is not None:
                self.cut(response)
            return super()._stream_helper(response, decode=decode)

        def negotiate(self) -> None:
            version = self.version(api_version=False)
            self.dialect = dialect_of(version)
            offered = str(version["ApiVersion"])
            self._version = min(offered, _NEWEST_API, key=lambda text: [int(part) for part in text.split(".")])

    options = docker.utils.kwargs_from_env() if address.startswith(("tcp:", "https:")) else {}
    options.pop("base_url", None)
    client = Client(base_url=address, version=_NEWEST_API, timeout=seconds, **options)
    try:
        client.negotiate()
    except BaseException:
        client.close()
        raise
    return client


def _unreached(error: BaseException, what: str, address: str, seconds: float) -> Unavailable:
    late = trouble.is_late(error)
    return trouble.no_answer(what, address, seconds) if late else trouble.from_connection(error, what, address)


def _engine_error(error: Any, what: str) -> DeskError:
    status, said = error.status_code or 500, str(error.explanation or error)
    if status == 409 or (status == 500 and _PODMAN_NAME_TAKEN in said):
        return NameTaken(f"{what}: {plain(said, _TEXT_LIMIT)}")
    return trouble.from_engine(status, said, what)
