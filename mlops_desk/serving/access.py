"""The tokens that open an endpoint: 32 random bytes each, told once. Their SHA-256 is kept, in a file of its own.

An endpoint that an older version has deployed has no such file: it stays as open as it was. A file that can't be read
opens nothing.
"""

import hashlib
import logging
import secrets
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import set_aside, sync_folder, write_atomically
from mlops_desk.kit.base.disk.write_deadline import PatientWriter
from mlops_desk.kit.base.errors import Hint, Invalid, Refused
from mlops_desk.serving.records.endpoint import Endpoint

_log = logging.getLogger(__name__)

_FILE = "access.json"
_TOKEN_BYTES = 32  # as many as SHA-256 has: nobody guesses it, and no slow hash is needed
MOST_TOKENS = 100  # chosen: each caller with its own; the gateway compares a request with all of them


@dataclass(frozen=True, slots=True)
class AccessRules:
    """Who is let in at an endpoint: everybody, or whoever has one of ``tokens`` (their SHA-256 in hex)."""

    is_open: bool
    tokens: tuple[str, ...] = ()


class EndpointTokens:
    """What is kept in the endpoints' folders. Safe to use from several threads."""

    def __init__(self, endpoints: Path) -> None:
        self._endpoints = endpoints
        self._lock = threading.Lock()
        self._writer = PatientWriter("tokens")

    def rules(self, endpoint: Endpoint) -> AccessRules:
        """Return who is let in at an endpoint now."""
        try:
            return self._read(endpoint.name) or AccessRules(is_open=not endpoint.token_required)
        except (OSError, Invalid) as error:
            _log.warning("The tokens of endpoint %s can't be read, so nobody is let in: %s", endpoint.name, error)
            return AccessRules(is_open=False)

    def settle(self, name: str, known: Endpoint | None, *, is_open: bool | None) -> str | None:
        """Write down who is let in at an endpoint that is deployed; return its first token if it has just got one.

        A new endpoint wants a token; one that is there stays as it is. ``is_open`` says otherwise. Raises OSError.
        """
        with self._lock:
            before = self._kept(name)
            was = before or AccessRules(is_open=known is not None and not known.token_required)
            kept_open = was.is_open if known is not None else False
            rules, token = replace(was, is_open=kept_open if is_open is None else is_open), None
            if not rules.is_open and (known is None or not rules.tokens):
                rules, token = _with_new(rules)
            if rules != before:
                self._write(name, rules)
            return token

    def make(self, endpoint: Endpoint, *, revokes: bool) -> tuple[str, AccessRules]:
        """Return a new token and who is let in with it; earlier ones hold unless it ``revokes`` them.

        Raises Refused (there are too many) and OSError.
        """
        with self._lock:
            kept = self._kept(endpoint.name) or AccessRules(is_open=not endpoint.token_required)
            if not revokes and len(kept.tokens) >= MOST_TOKENS:
                text = f"Endpoint {endpoint.name} has {len(kept.tokens)} tokens, and no more are kept."
                before = "To end them all and make one: "
                raise Refused(text, Hint(f"mlops-desk endpoints token {endpoint.name} --revoke", before=before))
            rules, token = _with_new(replace(kept, tokens=()) if revokes else kept)
            self._write(endpoint.name, rules)
            return token, rules

    def forget(self, name: str) -> None:
        """Let none of an endpoint's tokens open anything any more. Raises OSError."""
        with self._lock:
            path = self._path(name)

            def forget() -> None:
                path.unlink()
                sync_folder(path.parent)

            if path.exists():
                self._writer.do(forget)

    def _path(self, name: str) -> Path:
        return self._endpoints / name / _FILE

    def _read(self, name: str) -> AccessRules | None:
        try:
            return wire.loads(self._path(name).read_bytes(), AccessRules)
        except FileNotFoundError:
            return None

    def _kept(self, name: str) -> AccessRules | None:
        """Return what is kept, to be written anew; a damaged file is set aside, and lets nobody in. Raises OSError."""
        try:
            return self._read(name)
        except Invalid as error:
            _log.warning("The tokens of endpoint %s are damaged, and end: %s", name, error)
            set_aside(self._path(name))
            return AccessRules(is_open=False)

    def _write(self, name: str, rules: AccessRules) -> None:
        def write() -> None:
            self._path(name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path(name), wire.dumps(rules).encode())

        self._writer.do(write)


def fresh_token() -> str:
    """Return a token that nobody has yet."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def _with_new(rules: AccessRules) -> tuple[AccessRules, str]:
    token = fresh_token()
    return replace(rules, tokens=(*rules.tokens, hashlib.sha256(token.encode()).hexdigest())), token
