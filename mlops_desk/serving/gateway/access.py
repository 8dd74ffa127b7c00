"""Who may ask: programs of this machine, no web pages, and of an endpoint whoever has one of its tokens. Pure.

A page in a browser can reach loopback: it gives itself away by its Origin, or by a Host that is not ours.
"""

import hashlib
import hmac
from collections.abc import Mapping

from mlops_desk.serving.gateway.messages import Rejected
from mlops_desk.serving.gateway.routes import EndpointRoutes

_BEARER = b"bearer "
_HTTP = b"http://"
_OWN_SITES = frozenset({b"none", b"same-origin"})
_WANTED = (
    "This endpoint wants one of its tokens: Authorization: Bearer TOKEN."
    " Its owner makes one: mlops-desk endpoints token NAME"
)
_CHALLENGE = b'www-authenticate: Bearer realm="mlops-desk"\r\n'


class Access:
    """The checks of one gateway, at ``port``; ``token`` is the agent's."""

    def __init__(self, port: int, token: str) -> None:
        self._hosts = frozenset({b"127.0.0.1:%d" % port, b"localhost:%d" % port})
        self._token = token.encode()

    def check_origin(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise Rejected unless a request comes from this machine's own programs."""
        host = headers.get(b"host")
        if host not in self._hosts and (host is None or host.lower() not in self._hosts):
            raise Rejected(403, "This gateway answers to 127.0.0.1 and localhost only.")
        origin = headers.get(b"origin")
        if origin is not None:
            scheme, host = origin[: len(_HTTP)].lower(), origin[len(_HTTP) :].lower()
            if scheme != _HTTP or host not in self._hosts:
                raise Rejected(403, "Requests from web pages are refused.")
        if headers.get(b"sec-fetch-site", b"none") not in _OWN_SITES:
            raise Rejected(403, "Requests from web pages are refused.")

    def path(self, target: bytes) -> bytes:
        """Return the path of a target, whole or absolute, with its query. Raises Rejected."""
        if target.startswith(b"/"):
            return target
        if target[: len(_HTTP)].lower() == _HTTP:
            host, slash, path = target[len(_HTTP) :].partition(b"/")
            if host.lower() in self._hosts:
                return slash + path or b"/"
        raise Rejected(403, "This gateway answers to 127.0.0.1 and localhost only.")

    def check_agent(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise Rejected unless the agent asks."""
        if not hmac.compare_digest(_token_of(headers), self._token):
            raise Rejected(403, "This is for the agent.")


def check_token(endpoint: EndpointRoutes, headers: Mapping[bytes, bytes]) -> None:
    """Raise Rejected unless the endpoint is open, or one of its tokens was given."""
    if endpoint.is_open:
        return
    given = hashlib.sha256(_token_of(headers)).hexdigest()
    holds = False
    for token in endpoint.tokens:  # all of them, so that the time tells nothing
        holds |= hmac.compare_digest(given, token)
    if not holds:
        raise Rejected(401, _WANTED, headers=_CHALLENGE)


def _token_of(headers: Mapping[bytes, bytes]) -> bytes:
    value = headers.get(b"authorization", b"")
    return value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else b""
