"""Runs buildx for one build: what it writes is made into progress, and it is ended when nobody wants it any more.

A step may be silent for hours, so silence ends nothing by itself: then the engine is asked whether it lives. A program
that says nothing at first, or what is no progress, is no BuildKit, and the build is done in the old way.
"""

import os
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base.errors import DeskError, Refused, TimedOut, Unavailable
from mlops_desk.base.process import end_group, start_child
from mlops_desk.base.text import plain
from mlops_desk.engines.docker import trouble
from mlops_desk.engines.docker.build_output import BuildOutput
from mlops_desk.engines.docker.buildkit.command import build_command, build_environment
from mlops_desk.engines.docker.buildkit.documents import Garbled
from mlops_desk.engines.docker.buildkit.program import BUILDX, Find, NoBuildKit, find_program
from mlops_desk.engines.docker.buildkit.progress import BuildProgress
from mlops_desk.engines.docker.buildkit.workplace import Workplace, workplace
from mlops_desk.engines.docker.connection import Connections
from mlops_desk.engines.engine import HandEnder, WasEnded
from mlops_desk.engines.images import BuildOrder
from mlops_desk.records.images.task import BuilderName

FIRST_WORD_SECONDS = 60.0  # chosen: an engine that starts many containers at once takes a while to say anything
_QUIET_SECONDS = 30.0  # chosen: what is asked of an engine that is silent for so long disturbs nobody
_MOST_UNHEARD = 4  # chosen: with the pauses between, two minutes of an engine that does not answer
_LOOK_SECONDS = 0.2  # chosen: whoever ends a build sees it end at once
_END_SECONDS = 10.0  # chosen: it has closed what it writes to, and only puts its things away
_CHUNK_BYTES = 1 << 16  # what a pipe holds
_TEXT_LIMIT = 1000  # chosen: a paragraph
_FAULT = 500  # the status of an engine's own faults


@dataclass(frozen=True, slots=True)
class BuildPatience:
    """How long a first word is waited for, and how long silence is taken for work."""

    first_word_seconds: float = FIRST_WORD_SECONDS
    quiet_seconds: float = _QUIET_SECONDS


class BuildKit:
    """One build on one engine; ``what`` is how errors begin. ``find`` tells where the program docker is."""

    def __init__(
        self,
        connections: Connections,
        what: str,
        output: BuildOutput,
        log: Path,
        patience: BuildPatience = BuildPatience(),
        find: Find = shutil.which,
    ) -> None:
        self._connections = connections
        self._what = what
        self._output = output
        self._log = log
        self._patience = patience
        self._find = find
        self._greeted = False

    def build(
        self,
        folder: Path,
        tag: str,
        labels: Mapping[str, str],
        timeout_seconds: float,
        order: BuildOrder,
        hand: HandEnder | None,
    ) -> None:
        """Build. Raises NoBuildKit before anything was begun; Refused, WasEnded, TimedOut, Unavailable."""
        over = threading.Event()
        if hand is not None:
            hand(over.set)
        with workplace(order.logins, order.secrets) as place:
            environment = self._environment(order, place)
            docker, version = find_program(environment, self._find)
            command = build_command(docker, folder, tag, labels, order, place)
            process = self._started(command, environment, folder)
            try:
                progress = self._watched(process, version, time.monotonic() + timeout_seconds, timeout_seconds, over)
            finally:
                end_group(process)
        if process.returncode != 0:
            raise self._failed(progress, process.returncode)

    def _environment(self, order: BuildOrder, place: Workplace) -> dict[str, str]:
        own = os.environ.get("DOCKER_CERT_PATH") or os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
        return build_environment(self._connections.address(), order, place, own)

    def _started(self, command: list[str], environment: Mapping[str, str], folder: Path) -> subprocess.Popen[bytes]:
        try:
            return start_child(command, stdout=subprocess.DEVNULL, environment=environment, folder=folder)
        except OSError as error:
            raise NoBuildKit(f"Docker's buildx can't be started: {error.strerror}.", BUILDX) from error

    def _watched(
        self, process: subprocess.Popen[bytes], version: str, deadline: float, seconds: float, over: threading.Event
    ) -> BuildProgress:
        """Read what it writes to the end. Raises NoBuildKit, WasEnded, TimedOut, Unavailable."""
        stream = process.stderr
        if stream is None:
            raise AssertionError("it writes to a pipe")
        progress, silence = BuildProgress(), _Silence(self._connections, self._patience, self._what)
        while True:
            if over.is_set():
                raise WasEnded(f"{self._what} was ended.")
            if time.monotonic() > deadline:
                raise TimedOut(f"{self._what} took longer than {seconds:g} s and was ended.", "Look at its output.")
            if not select.select([stream], [], [], _LOOK_SECONDS)[0]:
                silence.lasts(has_begun=progress.has_begun)
                continue
            chunk = os.read(stream.fileno(), _CHUNK_BYTES)
            self._take_in(progress, chunk, version)
            if not chunk:
                break
            if progress.has_begun:
                silence.ends()
            else:
                silence.lasts(has_begun=False)
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"{self._what}: buildx was done and did not end.") from error
        if not progress.has_begun and process.returncode != 0 and not _is_of_the_build(progress.said):
            raise NoBuildKit(f"BuildKit can't be used: {progress.said or f'it ended with {process.returncode}'}")
        return progress

    def _take_in(self, progress: BuildProgress, chunk: bytes, version: str) -> None:
        """Pass on what was written. Raises NoBuildKit for what is no progress from the beginning, Unavailable later."""
        try:
            for news in progress.feed(chunk) if chunk else progress.end():
                if progress.has_begun:
                    self._greet(version)
                    self._output.hear(news)
            if progress.has_begun:
                self._greet(version)
        except Garbled as error:
            if progress.has_begun:
                raise Unavailable(f"{self._what}: what buildx writes makes no sense. {error.message}") from error
            raise NoBuildKit(f"What buildx writes makes no sense. {error.message}", BUILDX) from error

    def _greet(self, version: str) -> None:
        if not self._greeted:
            self._greeted = True
            self._output.tell(BuilderName.BUILDKIT, f"BuildKit builds (buildx {version}).")

    def _failed(self, progress: BuildProgress, code: int) -> DeskError:
        said = progress.said or f"buildx ended with {code}"
        if trouble.FULL in said.lower():
            return trouble.from_engine(_FAULT, said, self._what)
        hint: str = f"The whole output is in {self._log}."
        if "docker/dockerfile" in said and "resolve" in said:
            hint = "Take the line # syntax=… out of the Dockerfile: the engine's own reader needs no network."
        return Refused(f"{self._what} failed: {plain(said, _TEXT_LIMIT)}", hint)


class _Silence:
    """Judges how long nothing was heard."""

    def __init__(self, connections: Connections, patience: BuildPatience, what: str) -> None:
        self._connections = connections
        self._patience = patience
        self._what = what
        self._since = self._asked = time.monotonic()
        self._unheard = 0

    def ends(self) -> None:
        self._since = self._asked = time.monotonic()
        self._unheard = 0

    def lasts(self, *, has_begun: bool) -> None:
        """See that it is work. Raises NoBuildKit before the first word, Unavailable when the engine is gone too."""
        now = time.monotonic()
        if not has_begun:
            if now - self._since > self._patience.first_word_seconds:
                text = f"buildx said nothing of a build for {self._patience.first_word_seconds:g} s."
                raise NoBuildKit(text)
            return
        if now - self._asked < self._patience.quiet_seconds:
            return
        try:
            self._connections.call(self._what, lambda client: client.ping())
            self._unheard = 0
        except Unavailable:
            self._unheard += 1
            if self._unheard >= _MOST_UNHEARD:
                raise
        self._asked = time.monotonic()


def _is_of_the_build(said: str) -> bool:
    """Tell whether what was said before anything began is about the build, and no reason to try another way."""
    return any(mark in said.lower() for mark in ("invalid tag", "invalid reference", "dockerfile", "secret"))
