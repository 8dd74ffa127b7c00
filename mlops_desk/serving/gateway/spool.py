"""The first stop of a request on its way into the log: a file to which records are added as they came.

A record is a mark, a length and MessagePack, so that a body is written as its bytes and never read on the way. A
crash tears the last record at most; a file that somebody left is never written on, but set beside the new one with
the moment in its name. Gateways until version 2 wrote lines of JSON, which are still read.
"""

import errno
import json
import os
import re
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from mlops_desk.kit.base import wire
from mlops_desk.kit.storage.request_log.feedback import Feedback
from mlops_desk.kit.storage.request_log.layout import parts
from mlops_desk.kit.storage.requests import LoggedFeature

LOGGED_BYTES = 4 << 20  # chosen: a longer body is an upload, not rows of features
_MARK = b"\xc1RQ1"  # 0xc1 never begins a value of MessagePack
_HEAD = struct.Struct(">4sI")
_ROTATED = re.compile(r"spool-(\d{13})\.(?:records|ndjson)")
_EXCHANGE, _FEATURES, _FEEDBACK = "exchange", "features", "feedback"


class Exchange(msgspec.Struct, frozen=True, gc=False):
    """One request and its answer, as they came: bodies are bytes. ``received_at`` is Unix seconds."""

    request_id: str
    received_at: float
    revision: int
    status: int
    latency_seconds: float
    content_type: str
    body: bytes
    answer: bytes
    is_shadow: bool = False
    is_try: bool = False


Described = tuple[int, tuple[LoggedFeature, ...]]
"""A revision and the features it takes."""
Record = Exchange | Described | Feedback
"""What a spool holds."""


class Spool:
    """The spool of one endpoint. A lock is between who adds to it and who takes what is there away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._file: FileIO | None = None
        self._features: Mapping[int, tuple[LoggedFeature, ...]] = {}
        self._described: Mapping[int, tuple[LoggedFeature, ...]] | None = None
        self._last_stamp_ms: int | None = None
        self.waiting = 0
        self.waiting_bytes = 0

    def describe(self, features: Mapping[int, tuple[LoggedFeature, ...]]) -> None:
        """Say which features each revision takes. Takes no lock: the event loop calls it."""
        self._features = {**self._features, **features}

    def append(self, noted: Sequence[Exchange | Feedback]) -> None:
        """Write what was noted, all or none. Raises OSError when the disk takes no more."""
        data = b"".join(map(_record_of, noted))
        with self._lock:
            if self._file is None:
                self._open()
            features = self._features
            if self._described is not features:
                data = b"".join(map(_described, features.items())) + data
            self._write(data)
            self._described = features
            self.waiting += len(noted)
            self.waiting_bytes += len(data)

    def close(self) -> None:
        """Close the file; what is added next begins another."""
        with self._lock:
            self._close()

    def rotate(self) -> list[tuple[Path, int]]:
        """Set what is spooled aside; return all that waits to be rolled up, oldest first, and each one's moment.

        Moments are Unix milliseconds. Raises OSError.
        """
        with self._lock:
            self.waiting = self.waiting_bytes = 0
            self._close()
            self._set_aside()
        found = [(path, int(name[1])) for path in self.folder.iterdir() if (name := _ROTATED.fullmatch(path.name))]
        return sorted(found, key=lambda item: item[1])

    @property
    def _current(self) -> Path:
        return self.folder / "spool.records"

    def _open(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._set_aside()
        self._file = FileIO(self._current, "a")
        self._described = None

    def _set_aside(self) -> None:
        for path in (self.folder / "spool.ndjson", self._current):
            if path.exists():
                path.rename(self.folder / f"spool-{self._stamp_ms():013d}{path.suffix}")

    def _write(self, data: bytes) -> None:
        """Write all of ``data``, or take back what was written of it, so that nothing torn lies before what follows."""
        if self._file is None or not data:
            return
        before = self._file.tell()
        is_whole = False
        try:
            is_whole = self._file.write(data) == len(data)
        finally:
            if not is_whole:
                self._file.truncate(before)
                self._file.seek(before)
        if not is_whole:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._current))

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _stamp_ms(self) -> int:
        """Return a moment later than that of every part and spool, whatever the clock says."""
        if self._last_stamp_ms is None:
            taken = [int(name[1]) for path in self.folder.iterdir() if (name := _ROTATED.fullmatch(path.name))]
            taken.extend(part.last_ms for part in parts(self.folder))
            self._last_stamp_ms = max(taken, default=0)
        self._last_stamp_ms = max(int(time.time() * 1000), self._last_stamp_ms + 1)
        return self._last_stamp_ms


def records(path: Path) -> Iterator[Record]:
    """Yield what a spool holds, in its order; what is torn or none of ours is passed over. Raises OSError."""
    yield from _lines(path) if path.suffix == ".ndjson" else _framed(path.read_bytes())


def _record_of(noted: Exchange | Feedback) -> bytes:
    return _feedback(noted) if isinstance(noted, Feedback) else _exchange(noted)


def _feedback(given: Feedback) -> bytes:
    return _framed_bytes((_FEEDBACK, given.request_id, given.row, given.given_at, json.dumps(given.values)))


def _exchange(exchange: Exchange) -> bytes:
    body = exchange.body if len(exchange.body) <= LOGGED_BYTES else b""
    answer = exchange.answer if len(exchange.answer) <= LOGGED_BYTES else b""
    known = exchange
    return _framed_bytes(
        (_EXCHANGE, known.request_id, known.received_at, known.revision, known.status, known.latency_seconds,
         known.content_type, body, answer, known.is_shadow, known.is_try)
    )  # fmt: skip


def _described(item: Described) -> bytes:
    revision, features = item
    return _framed_bytes((_FEATURES, revision, [astuple(feature) for feature in features]))


def _framed_bytes(record: tuple[Any, ...]) -> bytes:
    packed = msgspec.msgpack.encode(record)
    return _HEAD.pack(_MARK, len(packed)) + packed


def _framed(data: bytes) -> Iterator[Record]:
    place = data.find(_MARK)
    while 0 <= place <= len(data) - _HEAD.size:
        end = place + _HEAD.size + _HEAD.unpack_from(data, place)[1]
        record = _unpacked(data[place + _HEAD.size : end])
        if record is not None and end <= len(data):
            yield record
            place = data.find(_MARK, end)
        else:
            place = data.find(_MARK, place + 1)


def _unpacked(packed: bytes) -> Record | None:
    try:
        kind, *values = wire.unpack(packed)
        if kind == _EXCHANGE:
            told = dict(zip(Exchange.__struct_fields__, values, strict=False))  # an older gateway told less
            exchange: Exchange = wire.convert(told, Exchange)
            return exchange
        if kind == _FEEDBACK:
            request_id, row, given_at, text = values
            return Feedback(request_id, row, given_at, json.loads(text))
        revision, features = values
        return int(revision), tuple(LoggedFeature(*found) for found in features)
    except (msgspec.DecodeError, ValueError, TypeError):
        return None


def _lines(path: Path) -> Iterator[Exchange | Described]:
    """Yield what a gateway until version 2 has spooled."""
    with path.open("rb") as file:
        for line in file:
            try:
                document = json.loads(line)
            except ValueError:
                continue
            if isinstance(document, dict):
                yield _of_line(document)


def _of_line(document: dict[str, Any]) -> Exchange | Described:
    if "features" in document:
        return int(document["revision"]), tuple(LoggedFeature(*found) for found in document["features"])
    bodies = {name: document[name].encode("utf-8", "replace") for name in ("body", "answer")}
    return Exchange(**{**document, **bodies})
