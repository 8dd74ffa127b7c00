"""Who may ask: programs, no web pages, and of an endpoint whoever has one of its tokens. Pure.

A page in a browser can reach loopback: it gives itself away by its Origin, or by a Host that is not ours.
What forwards requests (X-Forwarded-For, Forwarded) is not believed, for everybody can write it: a caller is who holds
the other end of the connection.
"""

import contextlib
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from typing import Protocol

from mlops_desk.serving.gateway.messages import Rejected
from mlops_desk.serving.gateway.routes import EndpointRoutes

_BEARER = b"bearer "
_PORT = re.compile(rb"(?::0*(?:6553[0-5]|655[0-2]\d|65[0-4]\d{2}|6[0-4]\d{3}|[1-5]?\d{1,4})?)?", re.ASCII)
"""What may follow the name in a Host: nothing, or a port, which may be left out behind its colon (RFC 3986, 3.2.3)."""
_HTTP, _HTTPS = b"http://", b"https://"
_OWN_SITES = frozenset({b"none", b"same-origin"})
_WANTED = (
    "This endpoint wants one of its tokens: Authorization: Bearer TOKEN."
    " Its owner makes one: mlops-desk endpoints token NAME"
)
_LOOPBACK = "This gateway answers to 127.0.0.1 and localhost only."
_NAMES = "This gateway answers to the names of its certificate only."
_PAGES = "Requests from web pages are refused."
_NOBODY = "No endpoint has this address."
_OPEN = (
    "This endpoint is open to the users of its machine, without a token, so it is not reached from others."
    " Its owner closes it: mlops-desk endpoints deploy MODEL --name NAME --no-open"
)
_CHALLENGE = b'www-authenticate: Bearer realm="mlops-desk"\r\n'


class Access(Protocol):
    """The checks of one way in. Each raises Rejected."""

    def check_origin(self, headers: Mapping[bytes, bytes]) -> None:
        """Let in who asks for this gateway by a name of its own, and is no web page."""

    def path(self, target: bytes) -> bytes:
        """Return the path of a target, whole or absolute, with its query."""
        ...

    def check_agent(self, headers: Mapping[bytes, bytes]) -> None:
        """Let the agent in, and nobody else."""

    def check_token(self, endpoint: EndpointRoutes | None, headers: Mapping[bytes, bytes]) -> None:
        """Let in who may ask an endpoint; None is one that there is not."""

    def check_counters(self) -> None:
        """Let in who may read the counters of an endpoint that they may ask."""


class LoopbackAccess:
    """The way in from this machine, at ``port``; ``token`` is the agent's."""

    def __init__(self, port: int, token: str) -> None:
        self._hosts = frozenset({b"127.0.0.1:%d" % port, b"localhost:%d" % port})
        self._token = token.encode()

    def check_origin(self, headers: Mapping[bytes, bytes]) -> None:
        host = headers.get(b"host")
        if host not in self._hosts and (host is None or host.lower() not in self._hosts):
            raise Rejected(403, _LOOPBACK)
        origin = headers.get(b"origin")
        if origin is not None:
            scheme, host = origin[: len(_HTTP)].lower(), origin[len(_HTTP) :].lower()
            if scheme != _HTTP or host not in self._hosts:
                raise Rejected(403, _PAGES)
        if headers.get(b"sec-fetch-site", b"none") not in _OWN_SITES:
            raise Rejected(403, _PAGES)

    def path(self, target: bytes) -> bytes:
        if target.startswith(b"/"):
            return target
        if target[: len(_HTTP)].lower() == _HTTP:
            host, slash, path = target[len(_HTTP) :].partition(b"/")
            if host.lower() in self._hosts:
                return slash + path or b"/"
        raise Rejected(403, _LOOPBACK)

    def check_agent(self, headers: Mapping[bytes, bytes]) -> None:
        if not hmac.compare_digest(_token_of(headers), self._token):
            raise Rejected(403, "This is for the agent.")

    def check_token(self, endpoint: EndpointRoutes | None, headers: Mapping[bytes, bytes]) -> None:
        if endpoint is None:
            raise Rejected(404, _NOBODY)
        if not endpoint.is_open:
            _check_token(endpoint.tokens, headers)

    def check_counters(self) -> None:
        """Let in whoever may ask the endpoint."""


class NetworkAccess:
    """The way in from other machines, by TLS. A token is always wanted, and what needs none is not reached here.

    ``names`` are those of the certificate. The port in a Host is not looked at: it may be that of a router, which
    leads here. A name that is none of them is a page that somebody has pointed at this machine.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._hosts = frozenset(name.encode() for name in names if not name.startswith("*."))
        self._domains = tuple(name[1:].encode() for name in names if name.startswith("*."))

    def check_origin(self, headers: Mapping[bytes, bytes]) -> None:
        if not self._is_own(headers.get(b"host", b"")):
            raise Rejected(403, _NAMES)
        if b"origin" in headers or headers.get(b"sec-fetch-site", b"none") != b"none":
            raise Rejected(403, _PAGES)

    def path(self, target: bytes) -> bytes:
        if target.startswith(b"/"):
            return target
        if target[: len(_HTTPS)].lower() == _HTTPS:
            host, slash, path = target[len(_HTTPS) :].partition(b"/")
            if self._is_own(host):
                return slash + path or b"/"
        raise Rejected(403, _NAMES)

    def check_agent(self, headers: Mapping[bytes, bytes]) -> None:  # noqa: ARG002 - the agent does not come this way
        raise Rejected(404, _NOBODY)

    def check_token(self, endpoint: EndpointRoutes | None, headers: Mapping[bytes, bytes]) -> None:
        """Let in who has a token; whoever has none does not learn which endpoints there are, but for open ones."""
        if endpoint is not None and endpoint.is_open:
            raise Rejected(403, _OPEN)
        _check_token(() if endpoint is None else endpoint.tokens, headers)

    def check_counters(self) -> None:
        raise Rejected(403, "Counters are read on the machine itself, at 127.0.0.1.")

    def _is_own(self, host: bytes) -> bool:
        name = _without_port(host.lower())
        if name in self._hosts:
            return True
        first, dot, _ = name.partition(b".")
        return bool(first and dot) and name[len(first) :] in self._domains


def _without_port(host: bytes) -> bytes:
    """Return the name or address of a Host; one of IPv6 without brackets, and as certificates' are written here."""
    if host.startswith(b"["):
        address, closed, rest = host[1:].partition(b"]")
        if closed and _PORT.fullmatch(rest):
            with contextlib.suppress(ValueError):
                return str(ipaddress.IPv6Address(address.decode("latin-1"))).encode("latin-1")
        return b""
    name, colon, port = host.partition(b":")
    return name.removesuffix(b".") if _PORT.fullmatch(colon + port) else b""


def _check_token(tokens: tuple[str, ...], headers: Mapping[bytes, bytes]) -> None:
    """Raise Rejected unless one of the ``tokens`` was given."""
    given = hashlib.sha256(_token_of(headers)).hexdigest()
    holds = False
    for token in tokens:  # all of them, so that the time tells nothing
        holds |= hmac.compare_digest(given, token)
    if not holds:
        raise Rejected(401, _WANTED, headers=_CHALLENGE)


def _token_of(headers: Mapping[bytes, bytes]) -> bytes:
    value = headers.get(b"authorization", b"")
    return value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else b""
