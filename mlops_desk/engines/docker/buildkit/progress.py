"""What BuildKit tells of a build, made into what the classic builder tells: steps, lines, layers, the error. Pure.

It tells of vertices: the steps of all stages, as ``[build 2/5] RUN make``, and its own work, as ``[internal] load
.dockerignore``. They run side by side, so a step's number here is how many have begun, of so many as are known; a line
above the output says whose it is when it changes hands.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_desk.base.text import plain
from mlops_desk.engines.docker.buildkit.documents import Documents, Garbled
from mlops_desk.engines.images import BuildNews
from mlops_desk.engines.log_lines import LineFolder, shown
from mlops_desk.records.images.task import BuildStep, LayerProgress, LayerState

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
