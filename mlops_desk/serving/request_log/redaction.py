"""By which rules the gateway logs an endpoint's requests, and the key by which values of it are hashed.

One key lies in the data folder; what each endpoint's log is hashed by is made of it and the endpoint's name, so that no
value is known again in the log of another. Where the key can't be read, what was to be hashed is not logged.
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.governance.records.data.redaction import RedactionWay
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Unavailable

_log = logging.getLogger(__name__)
_KEY_BYTES = 32  # as long as what it is hashed with gives (RFC 2104, 3)
Columns = Callable[[str], Mapping[str, RedactionWay]]


@dataclass(frozen=True, slots=True)
class HiddenColumns:
    """The columns of one log by what becomes of them; ``key`` is hex, empty where nothing is hashed."""

    dropped: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    key: str = ""


def _nothing(_endpoint: str) -> Mapping[str, RedactionWay]:
    return {}


class LogRedaction:
    """``columns`` tells the rules of an endpoint, once somebody keeps some."""

    def __init__(self, endpoints: Path) -> None:
        self._file = endpoints / "_redaction" / "key"
        self._key: bytes | None = None
        self.columns: Columns = _nothing

    def of(self, endpoint: str) -> HiddenColumns:
        """Return what the gateway is to go by."""
        dropped, masked, hashed = by_way(self.columns(endpoint))
        if not hashed:
            return HiddenColumns(dropped, masked)
        try:
            return HiddenColumns(dropped, masked, hashed, self.key(endpoint))
        except Unavailable as error:
            _log.error("What is to be hashed of %s is not logged: %s", endpoint, error.message)
            return HiddenColumns((*dropped, *hashed), masked)

    def key(self, endpoint: str) -> str:
        """Return the key of an endpoint's log, in hex. Raises Unavailable."""
        if self._key is None:
            self._key = self._read()
        return hmac.new(self._key, endpoint.encode(), hashlib.sha256).hexdigest()

    def _read(self) -> bytes:
        try:
            if not self._file.exists():
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_atomically(self._file, secrets.token_bytes(_KEY_BYTES))
            key = self._file.read_bytes()
        except OSError as error:
            raise Unavailable(f"The key of hashed values can't be kept: {error.strerror}.") from error
        if len(key) != _KEY_BYTES:
            text = f"The key of hashed values, {self._file}, is damaged."
            raise Unavailable(text, "Put it back from a backup, or remove it: the same values get other hashes then.")
        return key


def by_way(ways: Mapping[str, RedactionWay]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return which columns are dropped, masked and hashed."""
    dropped, masked, hashed = (
        tuple(sorted(name for name, one in ways.items() if one is way))
        for way in (RedactionWay.DROP, RedactionWay.MASK, RedactionWay.HASH)
    )
    return dropped, masked, hashed
