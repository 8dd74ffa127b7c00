"""Files of another tracking server, as it hands them out of its own store (MLflow's route mlflow-artifacts).

A server may say what it likes: names are checked, sizes are counted as they come, nothing is decompressed, no other
address is gone to, and what is too slow is given up by whoever ends this process.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.artifacts.files import OpenFile, in_order, parts_of
from mlops_desk.registry.artifacts.source import FilesSource
from mlops_desk.registry.records.model import Artifact

_TIMEOUT_SECONDS = 10.0  # chosen: of each step; the whole has the deadline of the process
_LIST_BYTES = 4 << 20  # chosen: 10,000 files
_CHUNK_BYTES = 1 << 20  # chosen: few calls, little memory
_NOT_THERE = (400, 404)  # MLflow answers with the first for a folder, and where a store has no such file
_NO_LOGIN = (401, 403)  # RFC 9110: unauthorized, forbidden


class ProxyFiles:
    """Files below ``source.root`` at ``source.url``."""

    def __init__(self, source: FilesSource) -> None:
        self._source = source
        self._client = httpx.Client(
            headers={"Accept-Encoding": "identity", **source.headers},
            timeout=_TIMEOUT_SECONDS,
            verify=source.ca_file or True,
            proxy=source.proxy,
            follow_redirects=False,
        )

    def list(self, path: str) -> list[Artifact]:
        head = "/".join(parts_of(path))
        with self._asked("", {"path": self._below(head)}) as answer:
            data, is_whole = _received(answer, _LIST_BYTES)
        if not is_whole:
            raise Refused(f"The server's list of {plain(path)!r} is too long to be taken in.")
        return in_order([_listed(head, one) for one in _files(data)])

    @contextmanager
    def open(self, path: str, limit_bytes: int) -> Iterator[OpenFile]:
        below = self._below("/".join(parts_of(path)))
        # In memory, which is limited: nothing of it is left behind.
        with os.fdopen(os.memfd_create("artifact"), "w+b") as stream:
            with self._asked(f"/{quote(below)}", {}) as answer:
                size_bytes = _declared(answer)
                is_whole = _receive(answer, stream, limit_bytes)
            received = stream.tell()
            stream.seek(0)
            yield OpenFile(stream, f"/proc/self/fd/{stream.fileno()}", received if is_whole else size_bytes, is_whole)

    def walk(self, path: str, most: int) -> Iterator[Artifact]:
        waiting, seen = [path], 0
        while waiting:
            for listed in self.list(waiting.pop()):
                seen += 1
                if seen > most:
                    return
                if listed.is_folder:
                    waiting.append(listed.path)
                else:
                    yield listed

    def _below(self, path: str) -> str:
        return "/".join(part for part in (self._source.root, path) if part)

    @contextmanager
    def _asked(self, path: str, query: dict[str, str]) -> Iterator[httpx.Response]:
        where = plain(self._source.url or "")
        try:
            with self._client.stream("GET", f"{self._source.url}{path}", params=query) as answer:
                _check(answer, where)
                yield answer
        except httpx.TimeoutException as error:
            raise TimedOut(f"{where} gave no answer in time.", "Try again; the server may be busy.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"{where} can't be read: {plain(str(error), 300)}") from error


def _check(answer: httpx.Response, where: str) -> None:
    if answer.status_code in _NOT_THERE:
        raise NotFound("The server has no such file.", "Look at the list of the files anew.")
    if answer.status_code in _NO_LOGIN:
        raise Refused(f"{where} wants a login, or does not accept the one given.")
    if answer.is_redirect:
        raise Refused(f"{where} sends us to another address for the file; nothing was fetched.")
    if answer.status_code != httpx.codes.OK:
        text = f"{where} answered with {answer.status_code}."
        raise Unavailable(text, "Was the server started with --serve-artifacts?")


def _received(answer: httpx.Response, limit_bytes: int) -> tuple[bytes, bool]:
    data = bytearray()
    for chunk in answer.iter_raw(_CHUNK_BYTES):
        data += chunk
        if len(data) > limit_bytes:
            return bytes(data[:limit_bytes]), False
    return bytes(data), True


def _receive(answer: httpx.Response, stream: Any, limit_bytes: int) -> bool:
    """Write what comes into ``stream``, up to the limit; tell whether that was all."""
    left = limit_bytes
    for chunk in answer.iter_raw(_CHUNK_BYTES):
        stream.write(chunk[:left])
        if len(chunk) > left:
            return False
        left -= len(chunk)
    return True


def _declared(answer: httpx.Response) -> int | None:
    """Return how large the server says that the file is; None where it doesn't say."""
    told = answer.headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdecimal() else None


def _files(data: bytes) -> list[dict[str, Any]]:
    try:
        files = json.loads(data).get("files", [])
    except (ValueError, RecursionError, AttributeError) as error:
        raise Unavailable("The server's list of files is none.", "Is this an MLflow tracking server?") from error
    return [one for one in files if isinstance(one, dict)] if isinstance(files, list) else []


def _listed(head: str, told: dict[str, Any]) -> Artifact:
    """Return a file as the server lists it, by its name in the folder. Raises Refused."""
    name, size_bytes = told.get("path"), told.get("file_size")
    try:
        parts = parts_of(name) if isinstance(name, str) else ()
    except Invalid as error:
        raise Refused(f"The server lists a file {plain(str(name))!r}; such a name is not gone after.") from error
    if len(parts) != 1:
        raise Refused(f"The server lists {plain(str(name))!r} as a file of one folder.")
    path = f"{head}/{parts[0]}" if head else parts[0]
    if told.get("is_dir"):
        return Artifact(path, is_folder=True)
    return Artifact(path, size_bytes=int(str(size_bytes)) if str(size_bytes).isdecimal() else None)
