"""An engine in memory: the shipped double, for ``--demo`` and for tests. It runs nothing.

What a container does is written down in ``programs``: how long it takes, what it prints, how it ends
and what it leaves in its folders. Time is the given clock's, and a container moves on whenever
somebody asks. The switches ``absent`` and ``frozen`` play an engine that is not there and one that
does what it is told without ever answering.
"""

import itertools
import math
import os
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from mlops_desk.engines.docker import connection
from mlops_desk.engines.engine import ContainerFacts, ContainerSpec, EngineInfo, HandEnder, LogPiece
from mlops_desk.engines.fake_images import FakeImages
from mlops_desk.engines.log_lines import shown
from mlops_desk.engines.mounts import target_of
from mlops_desk.engines.security_profile import JOBS_NETWORK, check_spec
from mlops_desk.kit.base.disk.mount_points import MountPoint, MountTable, RealPlace
from mlops_desk.kit.base.errors import NotFound, Refused
from mlops_desk.kit.base.text import plain

# What the engine in memory says was written when.
_OVERLAP_SECONDS = 2.0  # what a real engine is asked for again before a time


def stamped(lines: Iterable[str], begun: float, since: float) -> Iterator[LogPiece]:
    """Yield lines as if each had been written a millisecond after the one before, from shortly before a time on."""
    for number, line in enumerate(lines):
        at = begun + number / 1000
        if at >= since - _OVERLAP_SECONDS:
            yield LogPiece(at, datetime.fromtimestamp(at, UTC).isoformat(), f"{line}\n".encode("utf-8", "replace"))


_INSIDE, _HELD = "/mlops-desk/in", b"wrapper\n"
"""Where a job's wrapper looks, and what stands in ``hold`` there as long as it waits with the command."""
_POLL_SECONDS = 0.02  # chosen: a double's clock is mostly faster than the wall's
_SIGNALLED = 128  # a shell tells an end by a signal as 128 and its number (POSIX, 2.8.2)
_KILLED = 137  # 128 and the number of KILL


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """What a command does about a signal that it handles: it prints ``lines``, and ends with ``exit_code`` if any."""

    lines: tuple[str, ...] = ()
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class ScriptedProgram:
    """The scripted life of a command.

    It runs for ``seconds`` (``math.inf``: until stopped), prints ``lines`` evenly over that time, ends
    with ``exit_code`` and then leaves ``files`` (path in the container: text), as far as those paths lie
    in its writable folders. ``start_error`` makes every start fail with that text. ``replies`` names the signals
    that it handles; any other ends it.
    """

    seconds: float = 0.0
    lines: tuple[str, ...] = ()
    exit_code: int = 0
    files: Mapping[str, str] = field(default_factory=dict)
    oom_killed: bool = False
    ignores_term: bool = False
    start_error: str | None = None
    replies: Mapping[str, ScriptedReply] = field(default_factory=dict)

    def reply(self, sent: str) -> ScriptedReply:
        """Return what it does about a signal."""
        if self.ignores_term and sent == "TERM":
            return ScriptedReply()
        return self.replies.get(sent) or ScriptedReply(exit_code=_SIGNALLED + signal.Signals[f"SIG{sent}"])


@dataclass(frozen=True, slots=True)
class ScriptedEnding:
    """How a container ended, for ``at_end``. Times are the clock's. ``signal``: it had been told to stop by that."""

    exit_code: int
    started_at: float
    ended_at: float
    signal: str | None = None


Script = ScriptedProgram | Callable[[ContainerSpec], ScriptedProgram]
AtEnd = Callable[[ContainerSpec, ScriptedEnding], Mapping[str, str]]


@dataclass(slots=True)
class _Container:
    spec: ContainerSpec
    facts: ContainerFacts
    program: ScriptedProgram = field(default_factory=ScriptedProgram)
    said: list[str] = field(default_factory=list)
    signal: str | None = None


class FakeEngine(FakeImages):
    """An Engine that holds its images, containers and networks in this object. Safe to use from several threads.

    ``gpus`` are the UUIDs it can hand over. ``programs`` maps a piece of a command line to what such a
    command does; the longest piece that fits wins and "" fits all. ``at_end`` says what further files
    any container leaves behind (what a wrapper inside would write).
    """

    def __init__(
        self,
        *,
        images: Iterable[str] = (),
        gpus: Iterable[str] = (),
        programs: Mapping[str, Script] | None = None,
        at_end: AtEnd | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.programs: dict[str, Script] = dict(programs or {})
        self.at_end = at_end
        self.gpus = tuple(gpus)
        self.shell_less: set[str] = set()
        self._clock = clock
        self._numbers = itertools.count(1)
        self._containers: dict[str, _Container] = {}
        self._networks: dict[str, int] = {}
        self._life = 1
        self._ends: dict[str, int] = {}
        for reference in images:
            self.add_image(reference)

    # -- what a script or a test sets up -------------------------------------------------------

    def restart(self, *, containers_survive: bool = False) -> None:
        """Play an engine that went away and came back; what it lost sight of reads 255, whatever it was."""
        with self._lock:
            self._life += 1
            for container in self._containers.values():
                self._advance(container)
                if container.facts.status == "running" and not containers_survive:
                    container.facts = replace(
                        container.facts, status="exited", exit_code=255, pid=None, ended_at=self._clock()
                    )
            self._ends.clear()

    # -- Engine: the machine -------------------------------------------------------------------

    def info(self) -> EngineInfo:
        with self._act():
            return EngineInfo("fake", "1", "1.45", "fake" if self.gpus else None, live_restore=True, address="memory")

    def bridge_address(self) -> str:
        with self._act():
            return "127.77.0.1"

    def remove_network(self, name: str) -> None:
        with self._act():
            used = (one for one in self._containers.values() if one.facts.status == "running")
            if any(one.spec.network == name for one in used):
                raise Refused(f"The network {name} has active endpoints.")
            self._networks.pop(name, None)

    # -- Engine: containers --------------------------------------------------------------------

    def create(self, spec: ContainerSpec) -> ContainerFacts:
        with self._act():
            check_spec(spec)
            image = self._image(spec.image)
            known = self._containers.get(spec.name)
            if known is not None:
                return self._adopt(known, spec)
            number = next(self._numbers)
            facts = ContainerFacts(
                f"{number:064x}", spec.name, image.id, "created", dict(spec.labels), image=spec.image,
                user=spec.user or "", gpus=spec.gpus,
            )  # fmt: skip
            self._containers[spec.name] = _Container(spec, facts, self._program(spec))
            return facts

    def start(self, name: str) -> ContainerFacts:
        with self._act():
            container = self._container(name)
            if container.facts.status != "created":
                return container.facts
            error = self._start_error(container)
            if error is not None:
                container.facts = replace(container.facts, exit_code=128, error=error)
                raise connection.from_engine(500, error, f"Starting the container {name}")
            container.facts = replace(
                container.facts,
                status="running",
                error=None,
                exit_code=None,
                pid=os.getpid(),
                started_at=self._clock(),
                addresses=self._addresses(container),
            )
            self._advance(container)
            return container.facts

    def stop(self, name: str, grace_seconds: int) -> None:  # noqa: ARG002 - a script obeys at once or never
        with self._act():
            container = self._containers.get(name)
            if container is None:
                return
            self._hear(container, "TERM")
            if container.facts.status == "running":
                self._end(container, self._clock(), _KILLED)

    def kill(self, name: str, signal: str) -> None:
        with self._act():
            if name in self._containers:
                self._hear(self._containers[name], signal)

    def remove(self, name: str) -> None:
        with self._act():
            self._containers.pop(name, None)

    def inspect(self, name: str) -> ContainerFacts:
        with self._act():
            return self._container(name).facts

    def mounted(self, name: str) -> list[MountPoint] | None:
        with self._act():
            container, table = self._container(name), MountTable()
            if container.facts.status != "running":
                return []
            root = MountPoint("1", "0", PurePosixPath("/"), RealPlace("0:0", PurePosixPath("/")))
            mounts = (*container.spec.mounts, *container.spec.own_mounts)
            return [
                root,
                *(
                    MountPoint(str(number), "1", target_of(mount), table.place(os.path.realpath(mount.source)))
                    for number, mount in enumerate(mounts, 2)
                ),
            ]

    def has_file(self, name: str, path: str) -> bool:
        with self._act():
            spec = self._container(name).spec
            mounted = any(target_of(mount) == PurePosixPath(path) for mount in spec.own_mounts)
            return mounted or (path == "/bin/sh" and spec.image not in self.shell_less)

    def containers(self, labels: Mapping[str, str]) -> list[ContainerFacts]:
        with self._act():
            for container in self._containers.values():
                self._advance(container)
            return [
                container.facts
                for container in self._containers.values()
                if all(
                    key in container.facts.labels and value in {"", container.facts.labels[key]}
                    for key, value in labels.items()
                )
            ]

    def incarnation(self) -> str | None:
        return f"fake:{self._life}"

    def seen_end(self, container_id: str) -> int | None:
        with self._act():
            return self._ends.get(container_id)

    def logs(self, name: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        with self._act():
            self._container(name)
        return (shown(line.encode("utf-8", "replace")) for line in self._lines(name, follow=follow, tail=tail))

    def log_pieces(
        self, name: str, *, since: float = 0.0, follow: bool = False, hand: HandEnder | None = None
    ) -> Iterator[LogPiece]:
        begun, over = self.inspect(name).started_at or 0.0, threading.Event()
        (hand or (lambda _end: None))(over.set)
        return stamped(self._lines(name, follow=follow, tail=None, over=over), begun, since)

    def sight_socket(self) -> str | None:
        return None

    # -- inside --------------------------------------------------------------------------------

    def _is_made_of(self, image_id: str) -> bool:
        return any(container.facts.image_id == image_id for container in self._containers.values())

    def _container(self, name: str) -> _Container:
        try:
            container = self._containers[name]
        except KeyError as error:
            raise NotFound(f"The engine has no container {plain(name)}.") from error
        self._advance(container)
        return container

    def _adopt(self, known: _Container, spec: ContainerSpec) -> ContainerFacts:
        self._advance(known)
        if not spec.labels.items() <= known.facts.labels.items():
            raise Refused(f"Another container is called {spec.name}.", "Remove or rename it.")
        return known.facts

    def _program(self, spec: ContainerSpec) -> ScriptedProgram:
        line = shlex.join((*(spec.entrypoint or ()), *(spec.command or ())))
        piece = max((piece for piece in self.programs if piece in line), key=len, default=None)
        script = ScriptedProgram() if piece is None else self.programs[piece]
        return script if isinstance(script, ScriptedProgram) else script(spec)

    def _start_error(self, container: _Container) -> str | None:
        unknown = [uuid for uuid in container.spec.gpus if uuid not in self.gpus]
        if unknown and not self.gpus:
            return 'could not select device driver "nvidia" with capabilities: [[gpu]]'
        if unknown:
            return f"nvidia-container-cli: device error: {unknown[0]}: unknown device"
        return container.program.start_error

    def _addresses(self, container: _Container) -> dict[str, str]:
        network = container.spec.network or JOBS_NETWORK
        if network == "none":
            return {}
        number = 0 if network == JOBS_NETWORK else self._networks.setdefault(network, 1 + len(self._networks))
        return {network: f"127.77.{number}.{1 + int(container.facts.id, 16)}"}

    def _advance(self, container: _Container) -> None:
        started = container.facts.started_at
        if container.facts.status == "running" and started is not None and not _is_held(container.spec):
            due = started + container.program.seconds
            if self._clock() >= due:
                self._end(container, due, container.program.exit_code)

    def _hear(self, container: _Container, sent: str) -> None:
        self._advance(container)
        if container.facts.status != "running":
            return
        if sent in {"TERM", "INT"}:
            container.signal = sent
        reply = container.program.reply(sent)
        container.said += reply.lines
        if reply.exit_code is not None:
            self._end(container, self._clock(), reply.exit_code)

    def _end(self, container: _Container, ended_at: float, exit_code: int) -> None:
        started = container.facts.started_at or ended_at
        container.facts = replace(
            container.facts,
            status="exited",
            exit_code=exit_code,
            oom_killed=container.program.oom_killed,
            pid=None,
            ended_at=ended_at,
            addresses={},
        )
        self._ends[container.facts.id] = exit_code
        if _is_held(container.spec):
            return  # nothing has run that could leave anything
        files = dict(container.program.files)
        if self.at_end is not None:
            files.update(self.at_end(container.spec, ScriptedEnding(exit_code, started, ended_at, container.signal)))
        for path, text in files.items():
            _leave(container.spec, path, text)

    def _printed(self, container: _Container) -> tuple[str, ...]:
        facts, program = container.facts, container.program
        if facts.started_at is None:
            return ()
        lasted = (facts.ended_at or self._clock()) - facts.started_at
        if program.seconds <= 0 or lasted >= program.seconds:
            return (*program.lines, *container.said)
        whole = program.seconds if math.isfinite(program.seconds) else float(len(program.lines) or 1)
        return (*program.lines[: int(len(program.lines) * lasted / whole) + 1], *container.said)

    def _lines(
        self, name: str, *, follow: bool, tail: int | None, over: threading.Event | None = None
    ) -> Iterator[str]:
        told = None
        while True:
            with self._act():
                container = self._containers.get(name)
                if container is None:
                    return
                self._advance(container)
                printed, running = self._printed(container), container.facts.status == "running"
            if told is None:
                told = 0 if tail is None else max(0, len(printed) - tail)
            yield from printed[told:]
            told = len(printed)
            if not (follow and running) or (over is not None and over.is_set()):
                return
            time.sleep(_POLL_SECONDS)


def _is_held(spec: ContainerSpec) -> bool:
    inside = next((mount.source for mount in spec.own_mounts if mount.target == _INSIDE), None)
    try:
        return inside is not None and Path(inside, "hold").read_bytes() == _HELD
    except OSError:
        return False


def _leave(spec: ContainerSpec, path: str, text: str) -> None:
    """Write ``text`` where ``path`` lies on the host, if that is a writable mount; elsewhere it is lost at the end."""
    for mount in (*spec.mounts, *spec.own_mounts):
        if mount.mode == "rw" and PurePosixPath(path).is_relative_to(mount.target):
            target = Path(mount.source) / PurePosixPath(path).relative_to(mount.target)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
