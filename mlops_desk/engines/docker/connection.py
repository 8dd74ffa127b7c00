"""Connections of the Docker SDK to one engine: a small stock of them, each call with a deadline, errors as DeskErrors.

This is the only file that loads the SDK, and only when an engine is first spoken to. A connection that an engine cut
is tried once more where that does no harm.
"""

import contextlib
import errno
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from mlops_desk.engines.dialects import dialect_of
from mlops_desk.engines.docker.address import knock
from mlops_desk.engines.engine import EngineRefused, HandEnder, NotAllowed, Obstacle, WasEnded
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain

# What goes wrong between us and an engine, as errors that a person can act on.
#
# No answer in time, or an answer that breaks off, means *unknown*: TimedOut, never "failed". What the engine says
# itself is quoted, capped and plain.

_ERRORS_TEXT_LIMIT = 600  # chosen: a paragraph
_START = Hint("sudo systemctl start docker", after="    (not installed: sudo apt-get install docker.io)")
_RIGHTS = Hint(
    "sudo usermod -aG docker $USER", after="    then log in again. Members of that group are as good as root."
)
_TOOLKIT = Hint(
    "sudo apt-get install nvidia-container-toolkit && sudo nvidia-ctk runtime configure --runtime=docker"
    " && sudo systemctl restart docker"
)
_DRIVER = Hint(
    "nvidia-smi", before="Look whether ", after=" works on the host; after a driver update, restart the machine."
)
_CDI_FILE = "/etc/cdi/nvidia.yaml"
# With UUIDs for names: the generator's own choice is numbers, which change with the next card.
_CDI = Hint(f"sudo nvidia-ctk cdi generate --device-name-strategy=uuid --output={_CDI_FILE}")
_NETWORKS = Hint("docker network prune", after="    removes networks that nothing uses.")
FULL = "no space left on device"
_OBSTACLES = (
    ("could not select device driver", "gpu_toolkit_missing", _TOOLKIT),
    ("unknown or invalid runtime name: nvidia", "gpu_toolkit_missing", _TOOLKIT),
    ("unresolvable cdi devices", "cdi_stale", _CDI),
    ("driver/library version mismatch", "gpu_driver", _DRIVER),
    ("nvidia-container-cli: initialization error", "gpu_driver", _DRIVER),
    (FULL, "engine_disk_full", Hint("docker system df", after="    shows what the engine keeps.")),
    ("no available ipv4 addresses on this network", "engine_network_full", _NETWORKS),
    ("non-overlapping ipv4 address pool", "engine_network_full", _NETWORKS),
    ("fully subnetted", "engine_network_full", _NETWORKS),
    ("restrict inter-container communication", "engine_network_filter", Hint("sudo modprobe br_netfilter")),
    ("lookup init binary", "engine_init_missing", Hint("sudo apt-get install catatonit")),
)
"""What keeps an engine from starting a container until a person mends it: what it says, our word, what mends it."""
_HINTS = (
    ("nvidia-container-cli", _DRIVER),
    ("executable file not found", "The image has no such program: check the command."),
)
# What an engine says of the command itself repeats it, and so may hold any of the words above.
_OF_COMMAND = re.compile(
    r'exec: "(?:[^"\\]|\\.)*": (?:stat |executable file not found|permission denied|is a directory)'
)
_NO_NETWORK = re.compile(r"^network \S+ not found")
"""A container is there, and what it was to be connected to is not: making it again mends nothing."""
_BROKEN = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED})
_NOBODY = frozenset({errno.ECONNREFUSED, errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.EHOSTUNREACH})


def from_engine(status: int, text: str, what: str) -> DeskError:
    """Return the error for an answer of ``status`` with the engine's ``text`` to what we asked (``what``)."""
    said = plain(text.strip() or f"status {status}", _ERRORS_TEXT_LIMIT)
    if status == 404 and not is_network_gone(text):
        return NotFound(f"{what}: {said}")
    of_command = _OF_COMMAND.search(text)
    lowered = (text if of_command is None else text[: of_command.start()]).lower()
    for mark, word, mending in _OBSTACLES:
        if mark in lowered:
            return Obstacle(word, f"{what}: the engine refused. {said}", mending)
    hint = next((hint for mark, hint in _HINTS if mark in text.lower()), None)
    return EngineRefused(f"{what}: the engine refused. {said}", hint, said=text)


def is_network_gone(said: str) -> bool:
    """Tell whether the engine says that there is no such network."""
    return _NO_NETWORK.search(said) is not None


def no_answer(what: str, address: str, seconds: float) -> TimedOut:
    """Return the error for an engine that took the call and did not answer."""
    text = f"{what}: the container engine at {plain(address)} did not answer within {seconds:g} s."
    return TimedOut(text, "It may still happen; the desk looks again. Is the engine overloaded or stopped?")


def from_connection(error: BaseException, what: str, address: str) -> Unavailable:
    """Return the error for a connection that could not be made, or that broke."""
    causes = list(_causes(error))
    numbers = {cause.errno for cause in causes if isinstance(cause, OSError) and cause.errno is not None}
    if errno.EACCES in numbers or errno.EPERM in numbers:
        return NotAllowed(f"This user may not use the container engine at {plain(address)}.", _RIGHTS)
    if numbers & _NOBODY:
        return Unavailable(f"No container engine answers at {plain(address)}.", _START)
    if is_broken(error):
        text = f"{what}: the connection to the container engine broke off, so whether it happened is unknown."
        return TimedOut(text, "The desk looks again as soon as the engine answers.")
    said = plain(str(causes[-1]), _ERRORS_TEXT_LIMIT)
    return Unavailable(f"The container engine at {plain(address)} can't be reached: {said}", _START)


def is_late(error: BaseException) -> bool:
    """Tell whether an answer did not come in time."""
    return any(
        isinstance(cause, TimeoutError) or type(cause).__name__ in {"ReadTimeout", "ConnectTimeout", "ReadTimeoutError"}
        for cause in _causes(error)
    )


def is_broken(error: BaseException) -> bool:
    """Tell whether a connection that stood was cut, as when an engine restarts."""
    return any(
        (isinstance(cause, OSError) and cause.errno in _BROKEN)
        or type(cause).__name__ in {"RemoteDisconnected", "IncompleteRead", "ProtocolError"}
        for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and everything it was made from; libraries hide the cause in arguments as well as in chains."""
    waiting, seen = [error], set()
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            waiting += [*(arg for arg in current.args if isinstance(arg, BaseException))]
            waiting += [current.__cause__, current.__context__, getattr(current, "reason", None)]


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
                raise from_connection(broken.error, what, self.address()) from broken
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
            if used and is_broken(error):
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
    late = is_late(error)
    return no_answer(what, address, seconds) if late else from_connection(error, what, address)


def _engine_error(error: Any, what: str) -> DeskError:
    status, said = error.status_code or 500, str(error.explanation or error)
    if status == 409 or (status == 500 and _PODMAN_NAME_TAKEN in said):
        return NameTaken(f"{what}: {plain(said, _TEXT_LIMIT)}")
    return from_engine(status, said, what)


# Listening to what an engine tells while it works, in a way that somebody else can end at once.


@contextlib.contextmanager
def listening(client: Any, what: str, hand: HandEnder | None) -> Iterator[None]:
    """Let ``hand`` have what ends the answer that ``client`` reads meanwhile; then WasEnded is raised here.

    An engine that loses its listener ends the pull or the build. An answer that has not begun is cut when it does.
    """
    over, answers = threading.Event(), list[Any]()

    def begun(answer: Any) -> None:
        answers.append(answer)
        if over.is_set():
            _cut(answer)

    def end() -> None:
        over.set()
        for answer in list(answers):
            _cut(answer)

    client.cut = begun
    if hand is not None:
        hand(end)
    try:
        yield
    except Exception as error:
        if over.is_set():
            raise WasEnded(f"{what} was ended.") from error
        raise
    finally:
        client.cut = None
        for answer in answers:
            answer.close()
    if over.is_set():
        raise WasEnded(f"{what} was ended.")


def _cut(answer: Any) -> None:
    """Shut down the connection under an answer: merely closing it would leave its reader waiting."""
    with contextlib.suppress(
        AttributeError, OSError, ValueError
    ):  # it is over already, or the SDK finds no socket: then the deadline ends it
        sdk().types.CancellableStream(iter(()), answer).close()
