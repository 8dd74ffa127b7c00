"""Runs buildx for one build: what it writes is made into progress, and it is ended when nobody wants it any more.

A step may be silent for hours, so silence ends nothing by itself: then the engine is asked whether it lives. A program
that says nothing at first, or what is no progress, is no BuildKit, and the build is done in the old way.
"""

import base64
import binascii
import json
import os
import re
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.engines.docker import connection
from mlops_desk.engines.docker.build_output import BuildOutput
from mlops_desk.engines.docker.buildkit.workspace import (
    BUILDX,
    Find,
    NoBuildKit,
    Workplace,
    build_command,
    build_environment,
    find_program,
    workplace,
)
from mlops_desk.engines.docker.connection import Connections
from mlops_desk.engines.engine import HandEnder, WasEnded
from mlops_desk.engines.image_store import BuildNews, BuildOrder
from mlops_desk.engines.log_lines import LineFolder, shown
from mlops_desk.engines.records.task import BuilderName, BuildStep, LayerProgress, LayerState
from mlops_desk.kit.base.errors import DeskError, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.process import end_group, start_child
from mlops_desk.kit.base.text import plain

# Splits what ``buildx --progress=rawjson`` writes: JSON documents over many lines or one, and lines of text between.
# What comes is from a program that may be any: nothing is kept beyond a limit, and what is beyond it is no progress.
LIMIT_BYTES = 8 << 20  # chosen: a step's text is capped at some KiB; a thousand of them at once stay far below


class Garbled(Unavailable):
    """What comes is no progress of a build."""


class Documents:
    """Takes in bytes as they come; gives documents, and whole lines of text that belong to none."""

    def __init__(self) -> None:
        self._pending = b""
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Mapping[str, Any] | bytes]:
        """Yield what a chunk completes. Raises Garbled for what grows without an end."""
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        for line in lines:
            yield from self._line(line)
        if self._size + len(self._pending) > LIMIT_BYTES:
            raise Garbled(f"It wrote more than {LIMIT_BYTES >> 20} MiB that are no progress of a build.")

    def end(self) -> Iterator[Mapping[str, Any] | bytes]:
        """Yield what has no end when all was read."""
        rest = [*self._parts, self._pending]
        self._parts, self._pending = [], b""
        yield from (line for line in rest if line.strip())

    def _line(self, line: bytes) -> Iterator[Mapping[str, Any] | bytes]:
        line = line.rstrip(b"\r")
        if not self._parts and not line.startswith(b"{"):
            if line.strip():
                yield line
            return
        self._parts.append(line)
        self._size += len(line)
        # Indented documents begin and end with a brace of their own line, compact ones are one line.
        if line == b"}" or (len(self._parts) == 1 and line != b"{"):
            whole = b"\n".join(self._parts)
            self._parts, self._size = [], 0
            yield from _document(whole)


def _document(whole: bytes) -> Iterator[Mapping[str, Any] | bytes]:
    try:
        found = json.loads(whole)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        yield found
    else:
        yield from whole.split(b"\n")


# What BuildKit tells of a build, made into what the classic builder tells: steps, lines, layers, the error. Pure.
# It tells of vertices: the steps of all stages, as ``[build 2/5] RUN make``, and its own work, as ``[internal] load
# .dockerignore``. They run side by side, so a step's number here is how many have begun, of so many as are known; a
# line above the output says whose it is when it changes hands.
_STEP = re.compile(r"\[(?:(.{1,200}?) )?\d{1,4}/\d{1,4}\] (.*)", re.DOTALL)
_LAYER = re.compile(r"(extracting )?sha256:([0-9a-f]{64})")
_MOST_VERTICES = 10_000  # chosen: a build of a hundred stages has a tenth of it
_MOST_STRAY_LINES = 2000  # chosen: what buildx writes in sentences at the end is a screenful
_TAIL_LINES = 40  # chosen: buildx quotes the Dockerfile around the step that failed
_NUMBER = (1 << 63) - 1  # the largest size that a file may have
_SAID_LIMIT = 1000  # chosen: a paragraph
_LOADING = ("downloading", "extracting", "verifying", "pulling")


@dataclass(slots=True)
class _Vertex:
    name: str
    step: str | None
    folder: LineFolder
    begun: bool = False
    cached: bool = False


class BuildProgress:
    """Takes in what buildx writes, and yields news."""

    def __init__(self) -> None:
        self._documents = Documents()
        self._vertices: dict[str, _Vertex] = {}
        self._speaks: str | None = None
        self._step: BuildStep | None = None
        self._stray: list[str] = []
        self._strays = 0
        self.has_begun = False
        self.error: str | None = None

    def feed(self, chunk: bytes) -> Iterator[BuildNews]:
        """Yield the news of a chunk. Raises Garbled for what is no progress of a build."""
        for found in self._documents.feed(chunk):
            yield from self._stray_line(found) if isinstance(found, bytes) else self._document(found)

    def end(self) -> Iterator[BuildNews]:
        """Yield what had no end of its line."""
        for found in self._documents.end():
            if isinstance(found, bytes):
                yield from self._stray_line(found)
        for vertex in self._vertices.values():
            if vertex.folder.painted:
                yield BuildNews(shown(vertex.folder.painted), self._step)

    @property
    def said(self) -> str:
        """What buildx itself has said last: its ERROR, else the error of a step, else its last lines."""
        errors = [line.removeprefix("ERROR: ") for line in self._stray if line.startswith("ERROR: ")]
        if errors:
            return plain(errors[-1].removeprefix("failed to solve: "), _SAID_LIMIT)
        return plain(self.error or " ".join(self._stray[-3:]), _SAID_LIMIT)

    def _stray_line(self, line: bytes) -> Iterator[BuildNews]:
        self._strays += 1
        if self._strays > _MOST_STRAY_LINES:
            raise Garbled(f"It wrote {_MOST_STRAY_LINES} lines that are no progress of a build.")
        text = shown(line)
        self._stray = [*self._stray, text][-_TAIL_LINES:]
        yield BuildNews(text, self._step)

    def _document(self, document: Mapping[str, Any]) -> Iterator[BuildNews]:
        for one in _entries(document, "vertexes"):
            yield from self._vertex(one)
        for one in _entries(document, "statuses"):
            yield from self._status(one)
        for one in _entries(document, "logs"):
            yield from self._log(one)
        for one in _entries(document, "warnings"):
            yield from self._warning(one)

    def _vertex(self, told: Mapping[str, Any]) -> Iterator[BuildNews]:
        digest = _text(told.get("digest"))
        vertex = self._vertices.get(digest)
        if vertex is None:
            if not digest or len(self._vertices) >= _MOST_VERTICES:
                return
            name = plain(_text(told.get("name")))
            found = _STEP.fullmatch(name)
            vertex = self._vertices[digest] = _Vertex(name, None if found is None else found[2], LineFolder())
            self.has_begun = True
        if told.get("started") and not vertex.begun:
            vertex.begun = True
            yield from self._begins(digest, vertex)
        if told.get("cached") is True and not vertex.cached and vertex.step is not None:
            vertex.cached = True
            yield BuildNews(" ---> Using cache", self._step)
        error = _text(told.get("error"))
        if error and error != "context canceled":
            self.error = error
            yield BuildNews(f"ERROR: {vertex.name}: {plain(error, _SAID_LIMIT)}", self._step)

    def _begins(self, digest: str, vertex: _Vertex) -> Iterator[BuildNews]:
        if vertex.step is None:
            return  # its own work: told of only where something is written about it
        steps = [one for one in self._vertices.values() if one.step is not None]
        number = sum(one.begun for one in steps)
        self._step = BuildStep(number, len(steps), vertex.step)
        self._speaks = digest
        yield BuildNews(f"Step {number}/{len(steps)} : {vertex.step}", self._step)

    def _log(self, told: Mapping[str, Any]) -> Iterator[BuildNews]:
        digest = _text(told.get("vertex"))
        vertex = self._vertices.get(digest)
        if vertex is None:
            return
        try:
            data = base64.b64decode(_text(told.get("data")), validate=True)
        except (binascii.Error, ValueError):
            return
        lines = vertex.folder.feed(data)
        if lines and self._speaks != digest:
            self._speaks = digest
            yield BuildNews(f"--- {vertex.name}", self._step)
        for line in lines:
            yield BuildNews(shown(line), self._step)

    def _status(self, told: Mapping[str, Any]) -> Iterator[BuildNews]:
        """Tell of a layer of an image that a build stands on."""
        found = _LAYER.match(_text(told.get("id")))
        if found is None:
            return
        done, total = _size(told.get("current")), _size(told.get("total"))
        if told.get("completed"):
            yield BuildNews("", self._step, LayerProgress(found[2][:12], LayerState.DONE, None, total or None))
        elif found[1]:
            yield BuildNews("", self._step, LayerProgress(found[2][:12], LayerState.EXTRACTING))
        elif _text(told.get("name")) in _LOADING:
            yield BuildNews("", self._step, LayerProgress(found[2][:12], LayerState.DOWNLOADING, done, total or None))

    def _warning(self, told: Mapping[str, Any]) -> Iterator[BuildNews]:
        try:
            short = base64.b64decode(_text(told.get("short")), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return
        yield BuildNews(f"WARNING: {plain(short)}", self._step)


def _entries(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = document.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _NUMBER else None


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
        if connection.FULL in said.lower():
            return connection.from_engine(_FAULT, said, self._what)
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
