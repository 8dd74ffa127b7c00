"""A Docker engine, or one that speaks its API.

All calls can be repeated: containers are known by name, a second create of the same one adopts it, and stopping what
is gone is no error.

The facts of listed containers, each asked for anew only where the listing shows something new of it.

A listing is one question, whatever is listed; what it leaves out (the process, how it ended) is one more for each
container. Fifty of them once a second cost a twentieth of a core.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mlops_desk.engines.daemon import docker_socket, incarnation
from mlops_desk.engines.dialects import PODMAN
from mlops_desk.engines.docker import answers, bridge, connection, images, logs
from mlops_desk.engines.docker.address import choose_address
from mlops_desk.engines.docker.answers import (
    ENDED,
    container_facts,
    gateway_of,
    gpu_route,
    holds_limits,
    is_rootless,
    last_exit_code,
)
from mlops_desk.engines.docker.connection import Connections, NameTaken, sdk
from mlops_desk.engines.engine import (
    ContainerFacts,
    ContainerSpec,
    EngineInfo,
    EngineRefused,
    HandEnder,
    ImageFacts,
    LogPiece,
)
from mlops_desk.engines.image_store import (
    PLAIN_ORDER,
    BuildOrder,
    HearBuild,
    HearLayer,
    StoredImage,
    StoredVolume,
    StoreRoom,
    unheard,
)
from mlops_desk.engines.log_lines import LineFolder, shown
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.security_profile import Machine, container_body, engine_limits, needs_bridge
from mlops_desk.kit.base.disk.mount_points import MountPoint, mount_points
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Unavailable
from mlops_desk.kit.base.text import plain

_FRESH_SECONDS = 15.0  # chosen: what a running container's listing hides (one that was restarted at once) waits so long
_FORGOTTEN_SECONDS = 600.0  # chosen: no listing is that rare
_TELLING = ("State", "Names", "Ports")
"""What says that something happened. The rest moves by itself ("Up 5 minutes"), or comes in another order each time."""


@dataclass(frozen=True, slots=True)
class _Known:
    facts: ContainerFacts
    shown: tuple[str, ...]
    asked_at: float
    listed_at: float


class ListedContainers:
    """Remembers what was asked about listed containers. Safe for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def facts(self, client: Any, entry: Mapping[str, Any]) -> ContainerFacts | None:
        """Return the facts of a listed container; None for one that was removed since."""
        now = self._clock()
        still = tuple(_settled(entry.get(key)) for key in _TELLING)
        with self._lock:
            known = self._known.get(entry["Id"])
        if known is None or known.shown != still or not _holds(known, now):
            docker = sdk()
            try:
                found = container_facts(client.inspect_container(entry["Id"]), client.dialect)
            except docker.errors.NotFound:
                return None
            known = _Known(found, still, now, now)
        self._keep(_Known(known.facts, still, known.asked_at, now))
        return known.facts

    def _keep(self, known: _Known) -> None:
        with self._lock:
            self._known[known.facts.id] = known

    def forget_gone(self) -> None:
        """Forget what no listing has named for long."""
        limit = self._clock() - _FORGOTTEN_SECONDS
        with self._lock:
            self._known = {name: known for name, known in self._known.items() if known.listed_at >= limit}


def _settled(value: Any) -> str:
    """Return a value of a listing as a word that is the same in whatever order its parts come."""
    return str(sorted(map(str, value)) if isinstance(value, list) else value)


def _holds(known: _Known, now: float) -> bool:
    """Tell whether facts still hold whose listing is the same: always once a container has ended, else for a while."""
    return known.facts.status in ENDED or (known.facts.status == "running" and now - known.asked_at < _FRESH_SECONDS)


# From the bytes that a container writes to lines that can be shown: cut, folded, plain.
def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines without their end; what has no end comes last."""
    folder = LineFolder()
    for chunk in chunks:
        yield from folder.feed(chunk)
    if folder.painted:
        yield folder.painted


DEADLINE_SECONDS = 8.0  # chosen: an engine that starts many containers at once takes seconds for a listing
# How much longer the slow calls may take: handing over several sleeping GPUs takes the driver a while.
_SLOW = 4

_GOING = frozenset({"running", "paused", "restarting"})
_LISTENED_SECONDS = 60.0  # chosen: fifty silent jobs are then asked for anew not once a second
_POLL_SECONDS = 0.05  # chosen: nobody notices it


def _no_setting() -> str:
    return ""


class DockerEngine:
    """A Docker engine. ``host`` returns the address from the settings ("" for the usual places); safe for threads."""

    def __init__(
        self,
        host: Callable[[], str] = _no_setting,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        choose: Callable[[str], str] = choose_address,
    ) -> None:
        self._connections = Connections(lambda: choose(host()), deadline_seconds)
        self._deadline = deadline_seconds
        self._call = self._connections.call
        self._address = self._connections.address
        self._listed = ListedContainers()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._connections.close()

    # -- the machine ---------------------------------------------------------------------------

    def info(self) -> EngineInfo:
        def ask(client: Any) -> EngineInfo:
            return _engine_info(client, self._address())

        return self._call("Asking the engine what it is", ask)

    def bridge_address(self) -> str:
        what = "Looking up the engine's default bridge"
        gateway = gateway_of(self._call(what, lambda client: client.inspect_network(client.dialect.bridge)))
        if gateway is None:
            text = "The engine's default bridge has no address of this machine, so containers can't reach it."
            raise Unavailable(text, 'Remove "bridge": "none" from /etc/docker/daemon.json and restart the engine.')
        return gateway

    def remove_network(self, name: str) -> None:
        try:
            self._call(f"Removing the network {plain(name)}", lambda client: client.remove_network(name))
        except NotFound:
            return  # what is gone needs no removing
        except EngineRefused as error:
            if not connection.is_network_gone(error.said):
                raise

    # -- images --------------------------------------------------------------------------------

    def image(self, reference: str) -> ImageFacts:
        return images.look_up(self._connections, reference)

    def pull(
        self,
        reference: str,
        quiet_seconds: float,
        login: RegistryLogin | None = None,
        *,
        heard: HearLayer = unheard,
        hand: HandEnder | None = None,
    ) -> ImageFacts:
        return images.pull(self._connections, reference, quiet_seconds, login, heard=heard, hand=hand)

    def ask_registry(self, reference: str, login: RegistryLogin | None = None) -> None:
        images.ask_registry(self._connections, reference, login)

    def build(
        self,
        folder: Path,
        tag: str,
        labels: Mapping[str, str],
        timeout_seconds: float,
        log: Path,
        *,
        order: BuildOrder = PLAIN_ORDER,
        heard: HearBuild = unheard,
        hand: HandEnder | None = None,
    ) -> ImageFacts:
        return images.build(self._connections, folder, tag, labels, timeout_seconds, log, order, heard=heard, hand=hand)

    def remove_image(self, reference: str, *, force: bool = True) -> None:
        images.remove(self._connections, reference, force=force)

    def images(self) -> list[StoredImage]:
        return answers.images(self._connections)

    def volumes(self) -> list[StoredVolume]:
        return answers.volumes(self._connections)

    def room(self) -> StoreRoom:
        return answers.room(self._connections)

    def save_image(
        self, reference: str, target: Path, timeout_seconds: float, saved: Callable[[int], None] = unheard
    ) -> None:
        images.save(self._connections, reference, target, timeout_seconds, saved)

    def data_folder(self) -> str:
        return answers.data_folder(self._connections)

    # -- containers ----------------------------------------------------------------------------

    def create(self, spec: ContainerSpec) -> ContainerFacts:
        what = f"Creating the container {plain(spec.name)}"

        def create(client: Any) -> None:
            info = client.info()
            machine = Machine(
                int(info["MemTotal"]),
                gpu_route(info, client.dialect),
                engine_limits(self._address()),
                client.dialect,
                rootless=is_rootless(info),
            )
            body = container_body(spec, machine)
            if needs_bridge(spec):
                bridge.ensure(client, spec.name)
            client.create_container_from_config(body, spec.name)

        deadline = time.monotonic() + self._deadline
        while True:
            try:
                self._call(what, create)
                return self.inspect(spec.name)
            except NameTaken as taken:
                facts = self._of_that_name(spec, taken)
            # The name is taken before the container can be looked at: another thread is at it just now.
            if facts is not None:
                return facts
            if time.monotonic() > deadline:
                raise connection.no_answer(what, self._address(), self._deadline)
            time.sleep(_POLL_SECONDS)

    def _of_that_name(self, spec: ContainerSpec, taken: DeskError) -> ContainerFacts | None:
        try:
            facts = self.inspect(spec.name)
        except NotFound:
            return None
        if not spec.labels.items() <= facts.labels.items():
            text = f"Creating the container {plain(spec.name)}: another container has that name."
            hint = Hint(f"docker rm {plain(spec.name)}", after="    if it is not needed.")
            raise EngineRefused(text, hint, said=taken.message) from taken
        return facts

    def start(self, name: str) -> ContainerFacts:
        facts = self.inspect(name)
        if facts.status != "created":
            return facts  # it runs, or has run: an attempt is never started twice
        what = f"Starting the container {plain(name)}"
        try:
            self._call(what, lambda client: client.start(name), self._deadline * _SLOW)
        except EngineRefused as error:
            if not bridge.is_missing(error.said, name):
                raise
            # A cleaner of unused networks takes one on which nothing runs, also between making and starting.
            self._call("Making the network of jobs", lambda client: bridge.ensure(client, name))
            self._call(what, lambda client: client.start(name), self._deadline * _SLOW)
        return self.inspect(name)

    def stop(self, name: str, grace_seconds: int) -> None:
        with contextlib.suppress(NotFound):
            what = f"Stopping the container {plain(name)}"
            # The SDK adds its own deadline to the grace.
            self._call(what, lambda client: client.stop(name, timeout=grace_seconds))

    def kill(self, name: str, signal: str) -> None:
        with contextlib.suppress(NotFound, NameTaken):  # gone, or it does not run
            what = f"Sending {plain(signal)} to the container {plain(name)}"
            self._call(what, lambda client: client.kill(name, f"SIG{signal}"), again=False)

    def remove(self, name: str) -> None:
        with contextlib.suppress(NotFound, NameTaken):  # gone, or being removed already
            what = f"Removing the container {plain(name)}"
            self._call(what, lambda client: client.remove_container(name, force=True, v=True), self._deadline * _SLOW)
        self._call(f"Removing the network of {plain(name)}", lambda client: bridge.give_back(client, name))

    def inspect(self, name: str) -> ContainerFacts:
        what = f"Looking at the container {plain(name)}"
        return self._call(what, lambda client: container_facts(client.inspect_container(name), client.dialect))

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
            return [facts for entry in listed if (facts := self._listed.facts(client, entry)) is not None]

        found = self._call("Listing containers", look)
        self._listed.forget_gone()
        return found

    def incarnation(self) -> str | None:
        return incarnation(self._address())

    def seen_end(self, container_id: str) -> int | None:
        what = f"Asking for the end of the container {plain(container_id[:12])}"
        wanted = {"container": container_id, "event": "die"}
        until = int(time.time()) + 1  # the engine keeps the newest events of its life, and the stream ends here
        return last_exit_code(
            self._call(what, lambda client: list(client.events(since=1, until=until, filters=wanted, decode=True)))
        )

    def logs(self, name: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        self.inspect(name)
        if follow:
            frames = logs.followed(self._connections, name, tail, partial(self._is_going, name))
        else:
            frames = logs.frames(self._connections, name, tail)
        return (shown(line) for line in split_lines(text for _, text in frames))

    def log_pieces(
        self, name: str, *, since: float = 0.0, follow: bool = False, hand: HandEnder | None = None
    ) -> Iterator[LogPiece]:
        is_going = partial(self._is_going, name)
        if follow:
            frames = logs.followed(
                self._connections, name, None, is_going, since=since, quiet_seconds=_LISTENED_SECONDS, hand=hand
            )  # fmt: skip
        else:
            self.inspect(name)
            frames = logs.frames(self._connections, name, None, since=since)
        return (
            LogPiece(logs.written_at(stamp) or since, stamp.decode("ascii", "replace"), text) for stamp, text in frames
        )

    def sight_socket(self) -> str | None:
        return docker_socket(self._address())

    def _is_going(self, name: str) -> bool:
        return self.inspect(name).status in _GOING


def _engine_info(client: Any, address: str) -> EngineInfo:
    info, version = client.info(), client.version()
    return EngineInfo(
        name=client.dialect.name,
        version=plain(str(version.get("Version", "?"))),
        api_version=plain(str(version.get("ApiVersion", "?"))),
        gpu_route=gpu_route(info, client.dialect),
        live_restore=bool(info.get("LiveRestoreEnabled")) or client.dialect is PODMAN,
        address=address,
        rootless=is_rootless(info),
        holds_limits=holds_limits(info),
        proxy=_proxy(info),
        keeps_apart=bridge.keeps_apart(client, str(version.get("Version", ""))),
    )


def _proxy(info: Mapping[str, Any]) -> str | None:
    """Return by which proxy an engine pulls; Docker tells of none by an empty word, Podman of nothing."""
    told = [info[name] for name in ("HttpsProxy", "HttpProxy") if name in info]
    if not told:
        return ""
    return next((plain(str(one).rpartition("@")[2]) for one in told if one), None)
