"""Files on their way into the store: handed through as they come, counted while they do, refused when it is too much.

A job may put as many bytes among the files of its run, that run's children and their logged models as its ticket
says. Nobody, owner or job, fills the disk up to what is kept for the outcome of jobs (base/reserve.py). What was
refused midway leaves nothing: for MLflow its sender has gone.
"""

import asyncio
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from mlops_desk.kit.base.disk.free_space import available_bytes
from mlops_desk.kit.base.disk.reserve import PLENTY_BYTES
from mlops_desk.kit.base.text import size_text
from mlops_desk.registry.location import ROOT, is_stored
from mlops_desk.registry.server.facts import StoreFacts
from mlops_desk.registry.server.request_bodies import CallRejected, Headers, Message, Receive, Send, drain, length_of
from mlops_desk.registry.server.tickets import Grant

_BLOCK_BYTES = 4096
"""What the smallest file takes on the disk: a million empty ones are not nothing."""
_LOOK_BYTES = 8 << 20
"""The disk is looked at again after so much of a file."""
_RECOUNT_SECONDS = 10.0  # chosen: uploads are counted as they come; a recount only finds what was deleted meanwhile
_REST = 20.0
"""A count rests for so many times as long as it took, so that counting takes 5 % of a core at most."""


@dataclass(slots=True)
class Account:
    """What a job's run may have, and has: ``used`` on the disk, ``coming`` of files under way."""

    run_id: str
    most_bytes: int
    used: int = 0
    coming: int = 0
    recount_at: float = float("-inf")
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def fits(self, amount: int) -> bool:
        return self.used + self.coming + amount <= self.most_bytes


class Uploads:
    """Counts what comes into the store in ``artifacts``. For one event loop."""

    def __init__(self, facts: StoreFacts, artifacts: Path) -> None:
        self._facts = facts
        self._artifacts = artifacts
        self._accounts: dict[str, Account] = {}

    def begin(self, path: str, receive: Receive, send: Send) -> "Upload":
        """Return the upload of the file ``path`` (below the store)."""
        return Upload(self, self._artifacts / path, receive, send)

    def account(self, grant: Grant) -> Account:
        """Return the account of a job's run."""
        account = self._accounts.setdefault(grant.run_id, Account(grant.run_id, grant.artifact_bytes))
        account.most_bytes = grant.artifact_bytes
        return account

    def check_disk(self, amount: int) -> None:
        """Raise CallRejected where so many bytes more would leave too little of the disk."""
        free = available_bytes(self._artifacts)
        if free is not None and free - amount < PLENTY_BYTES:
            kept = size_text(PLENTY_BYTES)
            text = (
                f"The disk of the desk's artifacts has {size_text(free)} left, and {kept} of it are kept for the "
                f"outcome of jobs. Free some space: df -h {self._artifacts}"
            )
            raise CallRejected(507, text)

    async def check_account(self, account: Account, amount: int) -> None:
        """Raise CallRejected where so many bytes more are too many for the job; what was deleted meanwhile counts."""
        if account.recount_at == float("-inf") or not account.fits(amount):
            await self._count(account)
        if not account.fits(amount):
            text = (
                f"The files of this job's run, of its children and their models would take more than the "
                f"{size_text(account.most_bytes)} that are allowed. Delete some, log fewer, or allow jobs that start "
                "from now on more: mlops-desk settings set jobs.artifact_mebibytes N"
            )
            raise CallRejected(507, text)

    async def _count(self, account: Account) -> None:
        async with account.counting:
            began = time.monotonic()
            if began < account.recount_at:
                return
            account.used = await asyncio.to_thread(self._used_bytes, account.run_id)
            ended = time.monotonic()
            account.recount_at = ended + max(_RECOUNT_SECONDS, _REST * (ended - began))

    def _used_bytes(self, run_id: str) -> int:
        """Add up what lies on the disk for a run, its children and their logged models. Raises sqlite3.Error."""
        stored = {place for place in self._facts.places_of(run_id) if is_stored(place)}
        return sum(_bytes_below(self._artifacts / place.removeprefix(ROOT)) for place in stored)


class Upload:
    """One file on its way: ``receive`` and ``send`` stand between MLflow and the connection."""

    def __init__(self, uploads: Uploads, file: Path, receive: Receive, send: Send) -> None:
        self._uploads = uploads
        self._account: Account | None = None
        self._file = file
        self._receive = receive
        self._send = send
        self._is_owed = True
        self._is_stored = False
        self._size = 0
        self._looked_at = 0
        self._replaced = 0
        self.rejected: CallRejected | None = None

    async def open(self, grant: Grant | None, headers: Headers) -> None:
        """See whether there is room for what a job, or the owner (None), says will come.

        Raises CallRejected, sqlite3.Error.
        """
        expected = length_of(headers) or 0
        self._uploads.check_disk(expected)
        if grant is not None:
            self._account = self._uploads.account(grant)
            await self._uploads.check_account(self._account, _on_disk(expected))
            self._replaced = _size_of(self._file)

    async def receive(self) -> Message:
        """Hand the next piece on, or say that the sender has gone when there is no room for it."""
        message = await self._receive()
        self._is_owed = message.get("more_body", False)
        amount = len(message.get("body", b""))
        try:
            await self._take(amount)
        except CallRejected as rejected:
            self.rejected = rejected
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        """Send MLflow's answer, unless there is another one to send."""
        if self.rejected is None:
            if message["type"] == "http.response.start":
                self._is_stored = message["status"] < 300
            await self._send(message)

    async def drain(self) -> None:
        """Read what still comes of a file that was refused."""
        if self._is_owed:
            await drain(self._receive)

    def close(self) -> None:
        """Take what has come for what lies there now."""
        if self._account is not None:
            self._account.coming -= self._size
            if self._is_stored:
                self._account.used += _on_disk(self._size) - self._replaced

    async def _take(self, amount: int) -> None:
        if self._size + amount - self._looked_at >= _LOOK_BYTES:
            self._uploads.check_disk(amount)
            self._looked_at = self._size + amount
        if self._account is not None:
            await self._uploads.check_account(self._account, amount)
            self._account.coming += amount
        self._size += amount


def _on_disk(size: int) -> int:
    return max(_BLOCK_BYTES, -(-size // _BLOCK_BYTES) * _BLOCK_BYTES)


def _size_of(file: Path) -> int:
    try:
        return _on_disk(file.lstat().st_size)
    except OSError:
        return 0  # there is none yet


def _bytes_below(folder: Path) -> int:
    """Add up the files below a folder; what goes while it is counted counts nothing."""
    return sum(_size_of(Path(below, name)) for below, _, names in os.walk(folder) for name in names)
