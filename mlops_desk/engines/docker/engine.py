"""Docker, through its SDK: the only file that imports it, and only when an engine is first spoken to.

Each call takes a connection of its own from a small stock, has a deadline, and ends in records or
DeskErrors. All calls can be repeated: containers are known by name, a second create of the same one
adopts it, and stopping what is gone is no error. So a connection that an engine cut is tried once more.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from mlops_desk.base.disk.mount_points import MountPoint, mount_points
from mlops_desk.base.errors import DeskError, Hint, NotFound, Refused, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.engines.daemon import incarnation
from mlops_desk.engines.docker import trouble
from mlops_desk.engines.docker.address import choose_address, knock
from mlops_desk.engines.docker.answers import (
    ENDED,
    container_facts,
    engine_name,
    gateway_of,
    gpu_route,
    image_facts,
    last_exit_code,
    unix_time,
)
from mlops_desk.engines.docker.lines import shown, split_lines
from mlops_desk.engines.docker.stages import clearing_stages
from mlops_desk.engines.engine import ContainerFacts, ContainerSpec, EngineInfo, ImageFacts
from mlops_desk.engines.limits import engine_limits
from mlops_desk.engines.profile import Machine, container_body

T = TypeVar("T")

DEADLINE_SECONDS = 8.0  # chosen: an engine that starts many containers at once takes seconds for a listing
# How much longer the slow calls may take: handing over several sleeping GPUs takes the driver a while.
_SLOW = 4

# Answers change their form after this one (networks, events); older engines get what they offer.
_NEWEST_API = "1.51"
_TEXT_LIMIT = 1000  # chosen: a paragraph; a registry may answer with a page
_STOCK = 4  # chosen: jobs, endpoints, the doctor and a log at once
_POLL_SECONDS = 0.05  # chosen: nobody notices it
_OVERLAP_SECONDS = 2.0  # lines of one moment may come in another order when asked anew; those seen are dropped


def _no_setting() -> str:
    return ""


class DockerEngine:
    """A Docker engine. ``host`` returns the address from the settings ("" for the usual places); safe for threads."""

    def __init__(self, host: Callable[[], str] = _no_setting, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._host = host
        self._deadline = deadline_seconds
        self._lock = threading.Lock()
        self._stock: list[tuple[str, Any]] = []
        self._ended: dict[str, ContainerFacts] = {}

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            stock, self._stock = self._stock, []
        for _, client in stock:
            client.close()

    # -- the machine ---------------------------------------------------------------------------

    def info(self) -> EngineInfo:
        facts = self._call("Asking the engine what it is", lambda client: (client.info(), client.version()))
        info, version = facts
        return EngineInfo(
            name=engine_name(version),
            version=plain(str(version.get("Version", "?"))),
            api_version=plain(str(version.get("ApiVersion", "?"))),
            gpu_route=gpu_route(info),
            live_restore=bool(info.get("LiveRestoreEnabled")),
            address=choose_address(self._host()),
        )

    def bridge_address(self) -> str:
        what = "Looking up the engine's default bridge"
        gateway = gateway_of(self._call(what, lambda client: client.inspect_network("bridge")))
        if gateway is None:
            text = "The engine's default bridge has no address of this machine, so containers can't reach it."
            raise Unavailable(text, 'Remove "bridge": "none" from /etc/docker/daemon.json and restart the engine.')
        return gateway

    def remove_network(self, name: str) -> None:
        with contextlib.suppress(NotFound):  # what is gone needs no removing
            self._call(f"Removing the network {plain(name)}", lambda client: client.remove_network(name))

    # -- images --------------------------------------------------------------------------------

    def image(self, reference: str) -> ImageFacts:
        what = f"Looking up the image {plain(reference)}"
        return image_facts(self._call(what, lambda client: client.inspect_image(reference)))

    def pull(self, reference: str, timeout_seconds: float) -> ImageFacts:
        what = f"Pulling the image {plain(reference)}"

        def pull(client: Any) -> None:
            deadline = time.monotonic() + timeout_seconds
            for message in client.pull(reference, stream=True, decode=True):
                if "error" in message:
                    raise _pull_error(str(message["error"]), what)
                if time.monotonic() > deadline:
                    raise trouble.no_answer(what, client.base_url, timeout_seconds)

        self._call(what, pull, timeout_seconds, again=False)
        return self.image(reference)

    def build(self, folder: Path, tag: str, labels: Mapping[str, str], timeout_seconds: float, log: Path) -> ImageFacts:
        what = f"Building the image {plain(tag)}"

        def build(client: Any) -> None:
            deadline = time.monotonic() + timeout_seconds
            messages = client.build(
                path=str(folder), tag=tag, labels=dict(labels), rm=True, forcerm=True, decode=True,
                timeout=timeout_seconds,
            )  # fmt: skip
            with log.open("w", encoding="utf-8") as output, clearing_stages(client, labels):
                for message in messages:
                    for line in str(message.get("stream") or message.get("error") or "").splitlines():
                        output.write(shown(line.encode("utf-8", "replace")) + "\n")
                    output.flush()
                    if "error" in message:
                        said = plain(str(message["error"]), _TEXT_LIMIT)
                        raise Refused(f"{what} failed: {said}", f"The whole output is in {log}.")
                    if time.monotonic() > deadline:
                        raise trouble.no_answer(what, client.base_url, timeout_seconds)

        self._call(what, build, timeout_seconds, again=False)
        return self.image(tag)

    def remove_image(self, reference: str) -> None:
        with contextlib.suppress(NotFound):
            what = f"Removing the image {plain(reference)}"
            self._call(what, lambda client: client.remove_image(reference, force=True), self._deadline * _SLOW)

    # -- containers ----------------------------------------------------------------------------

    def create(self, spec: ContainerSpec) -> ContainerFacts:
        what = f"Creating the container {plain(spec.name)}"

        def create(client: Any) -> None:
            info = client.info()
            machine = Machine(int(info["MemTotal"]), gpu_route(info), engine_limits(choose_address(self._host())))
            body = container_body(spec, machine)
            client.create_container_from_config(body, spec.name)

        deadline = time.monotonic() + self._deadline
        while True:
            try:
                self._call(what, create)
                return self.inspect(spec.name)
            except _NameTaken as taken:
                facts = self._of_that_name(spec, taken)
            # The name is taken before the container can be looked at: another thread is at it just now.
            if facts is not None:
                return facts
            if time.monotonic() > deadline:
                raise trouble.no_answer(what, choose_address(self._host()), self._deadline)
            time.sleep(_POLL_SECONDS)

    def _of_that_name(self, spec: ContainerSpec, taken: DeskError) -> ContainerFacts | None:
        try:
            facts = self.inspect(spec.name)
        except NotFound:
            return None
        if not spec.labels.items() <= facts.labels.items():
            text = f"Creating the container {plain(spec.name)}: another container has that name."
            raise Refused(text, Hint(f"docker rm {plain(spec.name)}", after="    if it is not needed.")) from taken
        return facts

    def start(self, name: str) -> ContainerFacts:
        facts = self.inspect(name)
        if facts.status != "created":
            return facts  # it runs, or has run: an attempt is never started twice
        what = f"Starting the container {plain(name)}"
        self._call(what, lambda client: client.start(name), self._deadline * _SLOW)
        return self.inspect(name)

    def stop(self, name: str, grace_seconds: int) -> None:
        with contextlib.suppress(NotFound):
            what = f"Stopping the container {plain(name)}"
            # The SDK adds its own deadline to the grace.
            self._call(what, lambda client: client.stop(name, timeout=grace_seconds))

    def kill(self, name: str, signal: str) -> None:
        with contextlib.suppress(NotFound, _NameTaken):  # gone, or it does not run
            what = f"Sending {plain(signal)} to the container {plain(name)}"
            self._call(what, lambda client: client.kill(name, f"SIG{signal}"), again=False)

    def remove(self, name: str) -> None:
        with contextlib.suppress(NotFound, _NameTaken):  # gone, or being removed already
            what = f"Removing the container {plain(name)}"
            self._call(what, lambda client: client.remove_container(name, force=True, v=True), self._deadline * _SLOW)

    def inspect(self, name: str) -> ContainerFacts:
        what = f"Looking at the container {plain(name)}"
        return container_facts(self._call(what, lambda client: client.inspect_container(name)))

    def mounted(self, name: str) -> list[MountPoint] | None:
        facts = self.inspect(name)
        if facts.pid is None:
            return []
        try:
            found = mount_points(Path(f"/proc/{facts.pid}/mountinfo"))
        except OSError:
            found = None
        return found if self.inspect(name).pid == facts.pid else []  # else it ended, and the number may be another's

    def has_file(self, name: str, path: str) -> bool:
        def look(client: Any) -> bool:
            url = client._url("/containers/{0}/archive", name)  # noqa: SLF001 - the SDK can only fetch the whole file
            answer = client.head(url, params={"path": path}, timeout=self._deadline)
            if answer.status_code == 404:
                client.inspect_container(name)  # raises if it is the container that is missing
                return False
            client._raise_for_status(answer)  # noqa: SLF001 - makes it the SDK's own error
            return True

        return self._call(f"Looking into the container {plain(name)}", look)

    def containers(self, labels: Mapping[str, str]) -> list[ContainerFacts]:
        words = [f"{key}={value}" if value else key for key, value in labels.items()]

        def look(client: Any) -> list[ContainerFacts]:
            listed = client.containers(all=True, filters={"label": words})
            return [facts for entry in listed if (facts := self._listed(client, entry)) is not None]

        found = self._call("Listing containers", look)
        with self._lock:
            self._ended = {facts.id: facts for facts in found if facts.status in ENDED}
        return found

    def incarnation(self) -> str | None:
        return incarnation(choose_address(self._host()))

    def seen_end(self, container_id: str) -> int | None:
        what = f"Asking for the end of the container {plain(container_id[:12])}"
        wanted = {"container": container_id, "event": "die"}
        until = int(time.time()) + 1  # the engine keeps the newest events of its life, and the stream ends here
        return last_exit_code(
            self._call(what, lambda client: list(client.events(since=1, until=until, filters=wanted, decode=True)))
        )

    def logs(self, name: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        self.inspect(name)
        frames = self._followed(name, tail) if follow else self._frames(name, tail=tail)
        return (shown(line) for line in split_lines(text for _, text in frames))

    # -- inside: logs --------------------------------------------------------------------------

    def _followed(self, name: str, tail: int | None) -> Iterator[tuple[bytes, bytes]]:
        """Yield until the container ends; a silent stream is opened anew. Raises Unavailable: the log may go on.

        Only so can a frozen engine be told from a job that has nothing to say.
        """
        since, recent = 0.0, set[tuple[bytes, bytes]]()
        while True:
            try:
                running = self.inspect(name).status in {"running", "paused", "restarting"}
                for stamp, text in self._frames(name, tail=None if since else tail, since=since, follow=running):
                    if (stamp, text) not in recent:
                        at = unix_time(stamp.decode("ascii", "replace")) or since
                        since = max(since, at)
                        recent = {
                            seen for seen in recent if (unix_time(seen[0].decode()) or 0) >= since - _OVERLAP_SECONDS
                        }
                        recent.add((stamp, text))
                        yield stamp, text
            except NotFound:
                return  # removed meanwhile
            if not running:
                return

    def _frames(
        self, name: str, *, tail: int | None, since: float = 0.0, follow: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield what was written as (time, bytes), until there is no more or, with ``follow``, silence.

        Raises TimedOut when the engine falls silent before that: half of a log must not look like a whole one.
        """
        import urllib3  # noqa: PLC0415 - comes with the SDK, behind the same door

        what = f"Reading the log of {plain(name)}"
        options: dict[str, Any] = {"since": max(0.001, since - _OVERLAP_SECONDS)} if since else {}
        with self._client(what, self._deadline, fresh=True) as client:
            stream = client.logs(
                name, stream=True, follow=follow, timestamps=True, tail="all" if tail is None else tail, **options
            )
            try:
                for frame in stream:
                    stamp, _, text = frame.partition(b" ")
                    yield stamp, text
            except urllib3.exceptions.ReadTimeoutError:
                if not follow:
                    raise
            finally:
                stream._response.close()  # noqa: SLF001 - its own close() leaves half of the socket open

    # -- inside: facts -------------------------------------------------------------------------

    def _listed(self, client: Any, entry: Mapping[str, Any]) -> ContainerFacts | None:
        """Return the facts of a listed container; what has ended does not change and is not asked for again."""
        known = self._ended.get(entry["Id"])
        if known is not None and entry.get("State") in ENDED:
            return known
        docker = _sdk()
        try:
            return container_facts(client.inspect_container(entry["Id"]))
        except docker.errors.NotFound:
            return None  # removed since it was listed

    # -- inside: calls -------------------------------------------------------------------------

    def _call(
        self, what: str, work: Callable[[Any], T], timeout_seconds: float | None = None, *, again: bool = True
    ) -> T:
        seconds = timeout_seconds or self._deadline
        try:
            with self._client(what, seconds) as client:
                return work(client)
        except _Broken as broken:
            if not again:
                raise trouble.from_connection(broken.error, what, choose_address(self._host())) from broken
        with self._client(what, seconds, fresh=True) as client:
            return work(client)

    @contextlib.contextmanager
    def _client(self, what: str, seconds: float, *, fresh: bool = False) -> Iterator[Any]:
        """Lend a connection; it goes back to the stock only when all went well. Turns errors into DeskErrors."""
        import requests  # noqa: PLC0415 - these two come with the SDK, behind the same door
        import urllib3  # noqa: PLC0415 - likewise

        docker = _sdk()
        address = choose_address(self._host())
        client, used, patience = None, False, self._deadline
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
        return connect(address, self._deadline), False

    def _give_back(self, address: str, client: Any) -> None:
        with self._lock:
            if client is not None and len(self._stock) < _STOCK:
                self._stock.append((address, client))
                return
        if client is not None:
            client.close()


class _NameTaken(Refused):
    """Status 409: for a create, another container has the name; for a signal, the container does not run."""


class _Broken(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """A connection from the stock turned out to be cut."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


def _sdk() -> Any:
    import docker  # noqa: PLC0415 - loading it takes a while, and not every machine has an engine

    return docker


def connect(address: str, seconds: float) -> Any:
    """Return a connection of the SDK to the engine at ``address``, ``seconds`` being its deadline."""
    knock(address, seconds)
    docker = _sdk()
    base: Any = docker.APIClient

    class Client(base):  # type: ignore[misc]  # the SDK is untyped here
        """Two things done better: the deadline also holds for streams, and a failed hello leaks no socket."""

        def _disable_socket_timeout(self, socket: Any) -> None:
            """Leave the deadline as it is."""

        def negotiate(self) -> None:
            offered = str(self.version(api_version=False)["ApiVersion"])
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
    status = error.status_code or 500
    if status == 409:
        return _NameTaken(f"{what}: {plain(str(error.explanation), _TEXT_LIMIT)}")
    return trouble.from_engine(status, str(error.explanation or error), what)


def _pull_error(said: str, what: str) -> DeskError:
    missing = ("not found", "manifest unknown", "does not exist", "pull access denied", "name unknown")
    if any(mark in said.lower() for mark in missing):
        return NotFound(f"{what}: no registry has it. {plain(said, _TEXT_LIMIT)}", "Check its name and tag.")
    return Unavailable(f"{what} failed: {plain(said, _TEXT_LIMIT)}", "Check the network, or load the image by hand.")
