"""Asks an MLflow server: one question at a time from each thread, every answer with a deadline and a size it may have.

A server may drip its answer a byte at a time, or pack a gigabyte into a kilobyte: the whole answer counts, unpacked.
It is told no other way than the one it was named by: no redirect is followed, so no login reaches another host.
"""

import json
import ssl
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import httpx
import msgspec

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, TimedOut
from mlops_desk.kit.base.loop import Loop
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.rest import errors

T = TypeVar("T")

ANSWER_SECONDS = 30.0  # chosen: three times what the slowest page of a server with 100,000 runs takes
QUESTION_SECONDS = 12.0
"""Chosen: below the deadline of a mirror's question (15 s): the server that is late is named, what was read stays."""
_CONNECT_SECONDS = 5.0  # chosen: another continent answers within one
_SILENT_SECONDS = 25.0  # chosen: a server that sorts without statistics is silent for long before it answers
LARGEST_BYTES = 64 << 20
"""Chosen: 1,000 runs with 11 metrics are 3.6 MB; those with 500 of each kind are 60."""
_AT_ONCE = 4
"""As many questions at a time as an MLflow server has workers, where it was not told another number."""
_WINDOW_BITS = 47  # zlib's: gzip or zlib, told by the header


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """How long an answer may take and how large, unpacked, it may be."""

    seconds: float = ANSWER_SECONDS
    bytes: int = LARGEST_BYTES


class RestSession:
    """The way to one server. Safe to use from several threads. ``limits`` are for every answer."""

    def __init__(self, source: RegistrySource, limits: AnswerLimits = AnswerLimits()) -> None:
        self._source = source
        self._limits = limits
        self._loop = Loop("registry-rest")
        self._client = _client(source)

    @property
    def shown(self) -> str:
        return self._source.shown

    def get(self, path: str, kind: type[T], parameters: Mapping[str, Any] | None = None) -> T:
        """Ask and return the answer as ``kind``. Raises DeskErrors."""
        return self._ask(kind, "GET", path, params=dict(parameters or {}))

    def post(self, path: str, kind: type[T], body: Mapping[str, Any]) -> T:
        """Ask with a body and return the answer as ``kind``. Raises DeskErrors."""
        return self._ask(kind, "POST", path, json=dict(body))

    def each(self, ask: Callable[[str], T], keys: Sequence[str]) -> list[T]:
        """Ask for each key, some at once; the answers are in the keys' order. Raises what a question raises first."""
        found: dict[str, T] = {}
        failed: list[DeskError] = []

        def some(part: Sequence[str]) -> None:
            try:
                for key in part:
                    if failed:
                        return
                    found[key] = ask(key)
            except DeskError as error:
                failed.append(error)

        wanted = list(dict.fromkeys(keys))
        parts = [wanted[place::_AT_ONCE] for place in range(min(_AT_ONCE, len(wanted)))]
        for thread in [self._loop.start("registry-each", partial(some, part)) for part in parts]:
            thread.join()  # each question has its deadline
        if failed:
            raise failed[0]
        return [found[key] for key in keys]

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Do something beside the questions, until ``ending``."""
        self._loop.start(name, work)

    def wait(self, seconds: float) -> bool:
        """Wait in a thread of ``start``; tell whether the session has ended."""
        return self._loop.ending.wait(seconds)

    def close(self) -> None:
        self._loop.ending.set()
        self._client.close()
        self._loop.stop(0.1)  # chosen: a thread that waits for the server is left to its own time-outs

    def _ask(self, kind: type[T], method: str, path: str, **given: Any) -> T:
        data = self._within(lambda: self._fetch(method, path, given))
        try:
            result: T = wire.convert(json.loads(data), kind, strict=False)
        except (ValueError, RecursionError, msgspec.ValidationError) as error:
            raise errors.garbage(self._source.shown, str(error)) from error
        return result

    def _within(self, work: Callable[[], bytes]) -> bytes:
        """Do ``work`` within the deadline; the time-outs of httpx are for each read alone, and not for the head."""
        try:
            return self._loop.call("registry-answer", work, self._limits.seconds + 1.0)
        except TimedOut as error:
            self._client.close()  # what drips ends with its connection
            self._client = _client(self._source)
            raise errors.late(self._source.shown, self._limits.seconds) from error

    def _fetch(self, method: str, path: str, given: Mapping[str, Any]) -> bytes:
        deadline = time.monotonic() + self._limits.seconds
        url = self._source.uri + path
        try:
            with self._client.stream(method, url, **given) as answer:
                body = self._body(answer, deadline)
        except httpx.TimeoutException as error:
            raise errors.late(self._source.shown, self._limits.seconds) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError) as error:  # RuntimeError: closed meanwhile
            raise errors.broken(self._source.shown, error, self._source.proxy) from error
        if answer.status_code != 200:
            raise errors.refused(self._source.shown, answer.status_code, answer.headers.get("location", ""), body,
                                  has_login=bool(self._source.headers))  # fmt: skip
        return body

    def _body(self, answer: httpx.Response, deadline: float) -> bytes:
        """Read an answer as it comes. Raises TimedOut, and Unavailable for one that is too large or packed oddly."""
        packed = answer.headers.get("content-encoding", "identity").strip().lower()
        if packed not in {"identity", "gzip", "deflate", ""}:
            raise errors.garbage(self._source.shown, f"it is packed as {packed}, which nobody asked for")
        unpacking = None if packed in {"identity", ""} else zlib.decompressobj(_WINDOW_BITS)
        body = bytearray()
        for piece in answer.iter_raw():
            if time.monotonic() > deadline:
                raise errors.late(self._source.shown, self._limits.seconds)
            body += piece if unpacking is None else self._unpacked(unpacking, piece, len(body))
            if len(body) > self._limits.bytes:
                raise errors.too_large(self._source.shown, self._limits.bytes)
        return bytes(body)

    def _unpacked(self, unpacking: "zlib._Decompress", piece: bytes, so_far: int) -> bytes:
        try:
            return unpacking.decompress(piece, self._limits.bytes - so_far + 1)
        except zlib.error as error:
            raise errors.garbage(self._source.shown, f"it can't be unpacked: {error}") from error


def _client(source: RegistrySource) -> httpx.Client:
    """Return a client that knows of nothing but the source: no proxy, login or certificate of the environment."""
    context = ssl.create_default_context()
    if source.ca_file is not None:
        context.load_verify_locations(source.ca_file)
    return httpx.Client(
        headers={**source.headers, "Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "mlops-desk"},
        verify=context,
        proxy=source.proxy,
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS),
    )
