"""Bodies of requests, which MLflow wants whole in memory: how large one may be, and how much is held at once.

A job's container may send as many as it likes, so they are counted while they come, against a budget for all
jobs and a share for each. The owner's have a budget of their own, which no job can use up. MLflow's client waits
and tries again after 429 and 503; 413 it shows. Files are not held: they are handed through (uploads.py).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any

from mlops_desk.kit.base.network import Places

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

BODY_SECONDS = 60.0  # chosen: MLflow's largest batch is 1 MB, so 17 KB/s are enough
LARGEST_OF_JOB_BYTES = 4 << 20
"""MLflow takes 1 MB in a batch of metrics, parameters and tags, and 1 MiB of a dataset's schema, of which a call
may bring a few. It would take 16 MiB of a dataset's profile, but those that its own datasets make are a line."""
LARGEST_OF_OWNER_BYTES = 64 << 20
"""A person may log whatever MLflow takes."""
_HELD_OF_ALL_BYTES = 32 << 20
"""The worst JSON, nothing but empty lists, takes 30 times its size once it is read: 1 GiB."""
_HELD_OF_ONE_BYTES = 8 << 20
"""Eight of the largest batches at once, and thousands of usual ones."""
_HELD_OF_OWNER_BYTES = LARGEST_OF_OWNER_BYTES
_OWNER = ""
_LONGEST_LENGTH = 18
"""Digits of a length that are looked at: more than there are bytes on any disk."""
_DRAIN_SECONDS = 2.0
"""All callers are on this machine: what was on its way has come by then."""
_DRAIN_BYTES = 64 << 20
"""Chosen: who gets an answer while sending may see a reset instead; so much is read and thrown away first."""


class CallRejected(Exception):  # noqa: N818 - a rejection is an answer here, not a fault
    """Ends the handling of a request with a status and a sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Held:
    """What one request holds of memory until it is answered. ``largest_bytes`` is what it may hold at most."""

    def __init__(self, places: Places, holder: str, largest_bytes: int) -> None:
        self._places = places
        self._holder = holder
        self._largest_bytes = largest_bytes
        self._bytes = 0
        self._is_owed = True

    async def read(self, headers: Headers, receive: Receive) -> bytes:
        """Take a request's body in. Raises CallRejected: too large, too slow, given up, or too much is held already."""
        self._take(length_of(headers) or 0)  # at once: of many that come together some are taken in whole
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    self._is_owed = message.get("more_body", False)
                    if message["type"] != "http.request":
                        raise CallRejected(400, "The request was given up before its body had come.")
                    body += message.get("body", b"")
                    self._take(len(body) - self._bytes)
                    if not self._is_owed:
                        return bytes(body)
        except TimeoutError as error:
            self._is_owed = False
            raise CallRejected(408, f"The request's body did not come within {BODY_SECONDS:g} s.") from error

    async def drain(self, receive: Receive) -> None:
        """Read the rest of a body that was refused and keep nothing: who still sends would not see the answer."""
        self.release()
        if self._is_owed:
            await drain(receive)

    def release(self) -> None:
        """Give back what is held."""
        if self._bytes:
            self._places.give(self._holder, self._bytes)
            self._bytes = 0

    def _take(self, amount: int) -> None:
        if self._bytes + amount > self._largest_bytes:
            raise self._too_large()
        if amount <= 0:
            return
        if not self._places.take(self._holder, amount):
            if self._places.of(self._holder) + amount > self._places.most_of_one:
                limit = f"{self._places.most_of_one >> 20} MiB"
                raise CallRejected(
                    429, f"Requests with more than {limit} in all are under way with this token. Try again."
                )
            raise CallRejected(503, "The requests of all jobs that are under way are too large together. Try again.")
        self._bytes += amount

    def _too_large(self) -> CallRejected:
        limit = f"{self._largest_bytes >> 20} MiB"
        return CallRejected(
            413, f"The request's body is larger than {limit}. Log less at once, or large things as artifacts."
        )


class Bodies:
    """Counts the bodies that are held. For one event loop."""

    def __init__(self) -> None:
        self._of_jobs = Places(_HELD_OF_ALL_BYTES, _HELD_OF_ONE_BYTES)
        self._of_owner = Places(_HELD_OF_OWNER_BYTES, _HELD_OF_OWNER_BYTES)

    @contextlib.contextmanager
    def hold(self, attempt_id: str | None) -> Iterator[Held]:
        """Lend memory for one request of a job's attempt, or of the owner (None)."""
        if attempt_id is None:
            held = Held(self._of_owner, _OWNER, LARGEST_OF_OWNER_BYTES)
        else:
            held = Held(self._of_jobs, attempt_id, LARGEST_OF_JOB_BYTES)
        try:
            yield held
        finally:
            held.release()


def length_of(headers: Headers) -> int | None:
    """Return how many bytes a body is said to have; None when that is not said."""
    found = next((value for name, value in headers if name.lower() == b"content-length"), b"")
    return int(found[:_LONGEST_LENGTH]) if found.isdigit() else None


async def drain(receive: Receive) -> None:
    """Read what still comes of a body, for a while, and keep nothing."""
    drained = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while drained < _DRAIN_BYTES:
                message = await receive()
                drained += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
