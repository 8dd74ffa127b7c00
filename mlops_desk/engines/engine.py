"""What the program asks of a container engine. Every call has a deadline.

A TimedOut from any of these means *unknown*, never failed: the caller looks again by name. Errors
are DeskErrors: Unavailable (no engine), TimedOut, NotFound (image, container), Refused (the engine
said no: the text is the engine's, capped).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mlops_desk.engines.image_store import PLAIN_ORDER, BuildOrder, HearBuild, HearLayer, ImageStore, unheard
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.disk.mount_points import MountPoint
from mlops_desk.kit.base.errors import Refused, Unavailable


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Which engine answers. ``gpu_route`` is how GPUs are handed over, or None when no way was found.

    ``live_restore``: containers outlive a restart of the engine. ``rootless``: it runs as a person, not as root.
    ``holds_limits``: containers get no more processor and memory than they were given, and are counted by themselves.
    ``keeps_apart``: containers that ask for no network by name don't reach one another.
    ``proxy`` is by which it pulls images: None where it goes without, "" where the engine does not tell; no login.
    """

    name: str
    version: str
    api_version: str
    gpu_route: str | None
    live_restore: bool
    address: str
    rootless: bool = False
    holds_limits: bool = True
    proxy: str | None = ""
    keeps_apart: bool = True


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container to create, always under the hardened profile (see security_profile.py).

    ``mounts`` are what a person asked for, and are judged. ``own_mounts`` are folders of the agent's own making.
    ``ports`` of the container are reached on this machine alone, on numbers that the engine chooses. ``relax`` names
    points of the profile that do not hold for it (security_profile.py). ``beside`` is a container of the agent's own
    making without a network, whose namespace it shares.
    """

    name: str
    image: str
    command: tuple[str, ...] | None
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    gpus: tuple[str, ...] = ()
    cpus: float | None = None
    memory_bytes: int | None = None
    shm_bytes: int | None = None
    user: str | None = None
    network: str | None = None
    working_dir: str | None = None
    tmpfs_bytes: int = 1 << 30
    stop_grace_seconds: int = 30
    own_mounts: tuple[Mount, ...] = ()
    ports: tuple[int, ...] = ()
    relax: tuple[str, ...] = ()
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """A container as the engine tells of it. ``status``: created, running, exited, dead, paused, restarting, removing.

    ``exit_code`` is a hint only: a success that ended while the engine was down reads 255. ``image``, ``user`` and
    ``gpus`` (UUIDs) are what it was created with. ``ports`` are its own ports, with this machine's for each.
    """

    id: str
    name: str
    image_id: str
    status: str
    labels: Mapping[str, str]
    exit_code: int | None = None
    oom_killed: bool = False
    error: str | None = None
    pid: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    user: str = ""
    gpus: tuple[str, ...] = ()
    ports: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """A local image; ``id`` is what a job is pinned to; ``architecture`` is the engine's word (amd64), "" unknown.

    ``diff_ids`` name the contents of its layers, the same on every engine.
    """

    id: str
    tags: tuple[str, ...]
    repo_digests: tuple[str, ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    working_dir: str
    user: str
    architecture: str = ""
    os: str = ""
    diff_ids: tuple[str, ...] = ()


class NotAllowed(Unavailable):
    """An engine is there, and this user may not use it."""


class EngineRefused(Refused):
    """The engine refused. ``said`` is all that it said, as it is: it may quote a command or a path, and is hostile."""

    def __init__(self, message: str, hint: str | None = None, *, said: str) -> None:
        super().__init__(message, hint)
        self.said = said


class Obstacle(Refused):
    """The engine can't do it before something on its machine is mended. ``word`` says what, in a stable word."""

    def __init__(self, word: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.word = word


@dataclass(frozen=True, slots=True)
class LogPiece:
    """What a container wrote at once: a line with its end, or a part of one. ``stamp`` is the engine's own time of it.

    ``at`` is the same in Unix seconds.
    """

    at: float
    stamp: str
    data: bytes


class WasEnded(Refused):
    """What was under way was ended by what had been handed out for that."""


HandEnder = Callable[[Callable[[], None]], None]
"""Take what ends a reading that may be blocked."""


class Engine(ImageStore, Protocol):
    """A container engine."""

    def info(self) -> EngineInfo: ...

    def image(self, reference: str) -> ImageFacts:
        """Describe a local image. Raises NotFound when it is not local."""
        ...

    def pull(
        self,
        reference: str,
        quiet_seconds: float,
        login: RegistryLogin | None = None,
        *,
        heard: HearLayer = unheard,
        hand: HandEnder | None = None,
    ) -> ImageFacts:
        """Pull an image, with ``login`` or with none, however long it takes.

        TimedOut is raised when nothing is heard for ``quiet_seconds``.
        ``hand`` is given what ends it at once, from any thread; then WasEnded is raised. Raises NotFound when the
        registry has none of that name, and Unavailable when it broke off: finished layers need not be fetched again.
        """
        ...

    def ask_registry(self, reference: str, login: RegistryLogin | None = None) -> None:
        """Ask an image's registry whether it would be given out, also if it is here. Raises NotFound where not."""
        ...

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
        """Build ``folder`` as ``tag``, in the way that ``order`` says; the output, cut to a length, goes into ``log``.

        Raises Refused when it fails, with the last lines that it wrote, and WasEnded as pulling does.
        """
        ...

    def remove_image(self, reference: str, *, force: bool = True) -> None:
        """Remove an image with all its names. No error when it is gone.

        Without ``force``, Refused where a container was made of it, or another image was built on it.
        """
        ...

    def create(self, spec: ContainerSpec) -> ContainerFacts:
        """Create a container; one of the same name and labels that is there already is adopted (idempotent)."""
        ...

    def start(self, name: str) -> ContainerFacts:
        """Start a created container; one that runs already is left alone. GPU errors appear here, not at create."""
        ...

    def stop(self, name: str, grace_seconds: int) -> None:
        """TERM, then KILL after the grace. No error when it is gone."""
        ...

    def kill(self, name: str, signal: str) -> None:
        """Send a signal (``USR1``) to a container's first process. No error when it does not run, or is gone."""
        ...

    def remove(self, name: str) -> None:
        """Remove a container by force. No error when it is gone."""
        ...

    def inspect(self, name: str) -> ContainerFacts:
        """Describe a container. Raises NotFound when there is none of that name."""
        ...

    def mounted(self, name: str) -> list[MountPoint] | None:
        """Return what the kernel (not the engine) says is mounted in a container: nothing in one that does not run.

        None: it can't be seen from here, as with an engine on another machine, or one whose users are others here.
        """
        ...

    def has_file(self, name: str, path: str) -> bool:
        """Tell whether a created container holds ``path`` (without starting it)."""
        ...

    def containers(self, labels: Mapping[str, str]) -> list[ContainerFacts]:
        """List containers, running or not, that carry all of ``labels`` (an empty value: any value)."""
        ...

    def incarnation(self) -> str | None:
        """Return a word for the engine's process that changes whenever the engine is started; None: not known."""
        ...

    def seen_end(self, container_id: str) -> int | None:
        """Return the exit code that the engine's event log has for a container's end; None when it has none."""
        ...

    def logs(self, name: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        """Yield output lines, capped at 4096 characters and made plain, until the end or the container's end.

        Raises Unavailable, also in between: then there may be more.
        """
        ...

    def log_pieces(
        self, name: str, *, since: float = 0.0, follow: bool = False, hand: HandEnder | None = None
    ) -> Iterator[LogPiece]:
        """Yield output as it was written, ``since`` shortly before a Unix time: to the end, or the container's end.

        It is for who listens all the time: with ``follow`` an engine that is frozen is noticed after a minute only.
        ``hand`` is given what ends the reading at once, from any thread; it may be given another one later.

        Raises NotFound, and Unavailable, also in between: then there may be more.
        """
        ...

    def sight_socket(self) -> str | None:
        """Return the socket at which one attaches to see what a container paints, of a Docker on this machine.

        None where that can't be, or the log tells of a line before it has its end, as Podman's does. Raises Invalid.
        """
        ...

    def remove_network(self, name: str) -> None:
        """Remove a network. No error when it is gone; Refused while a container is on it."""
        ...

    def bridge_address(self) -> str:
        """Return the host's address on the default bridge, where job containers can reach it."""
        ...
