"""What can go wrong with a server, said so that a person can act on it. Pure."""

import json
import ssl

import httpx

from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain, size_text

_SHOWN = 300  # chosen: two lines of what a server says
_LOGIN = Hint(
    "mlops-desk registry add NAME URI --login SECRET",
    before="Keep USER:PASSWORD or a token as a secret, and the server with it: ",
)


class TooLarge(Unavailable):
    """An answer of more than is taken in: who asked for many things may ask for fewer at a time."""


def late(where: str, seconds: float) -> TimedOut:
    return TimedOut(f"{where} did not give a whole answer within {seconds:g} s.", "Try again: it may be busy.")


def too_large(where: str, limit_bytes: int) -> TooLarge:
    text = f"{where} answered with more than {size_text(limit_bytes)}, which was not taken."
    return TooLarge(text, "Is this the address of an MLflow tracking server?")


def garbage(where: str, why: str) -> Unavailable:
    text = f"{where} does not answer like an MLflow server: {plain(why, _SHOWN)}."
    return Unavailable(text, "Is this the address of an MLflow tracking server, with its path if it has one?")


def broken(where: str, error: Exception, proxy: str | None) -> DeskError:
    """Return what an exchange that did not come about, or ended early, means."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        hint = Hint(
            "mlops-desk settings set network.ca_bundle FILE",
            before=f"Is {where} the right host? An authority of your own is trusted by: ",
        )
        text = f"The certificate of {where} is not trusted: {plain(cause.verify_message or str(cause), _SHOWN)}."
        return Unavailable(text, hint)
    if isinstance(cause, ssl.SSLError):
        text = f"No encrypted connection to {where}: {plain(cause.reason or str(cause), _SHOWN)}."
        return Unavailable(text, "Does it speak https? Write http:// if not.")
    said = plain((str(error) or type(error).__name__).rstrip("."), _SHOWN)
    if isinstance(error, httpx.ProxyError):
        text = f"The proxy does not let us through to {where}: {said}."
        return Unavailable(text, Hint("mlops-desk settings show network.http_proxy"))
    if isinstance(error, httpx.ConnectError):
        by = "" if proxy is None else " by way of the proxy"
        text = f"Nothing answers at {where}{by}: {said}."
        return Unavailable(text, "Is the server running, are host and port right, and is this machine on its network?")
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return Invalid(f"{where} is no address that can be asked: {said}.")
    return Unavailable(f"The answer of {where} broke off: {said}.", "Try again: the server may have been restarted.")


def refused(where: str, status: int, location: str, body: bytes, *, has_login: bool) -> DeskError:
    """Return what an answer other than 200 means."""
    if 300 <= status < 400:
        # Its query may be a login's state, and nobody types it.
        to = plain(location.partition("?")[0], _SHOWN) or "another address"
        return Refused(f"{where} sends us to {to}; it was not followed.", "Name the address of the server itself.")
    if status in {401, 403, 407}:
        return _no_entry(where, status, body, has_login=has_login)
    said = _said(body)
    if _code(body) == "RESOURCE_DOES_NOT_EXIST":
        return NotFound(said or "There is no such thing.", f"The registry is {where}.")
    if status == 404:
        return garbage(where, "it has nothing at the addresses of MLflow (404)")
    if status in {400, 422}:
        return Invalid(f"{where} does not accept this{_because(said)}")
    text = f"{where} failed at this (status {status}){_because(said)}"
    return Unavailable(text, "Its log says why; try again later.")


def _no_entry(where: str, status: int, body: bytes, *, has_login: bool) -> Refused:
    if status == 401:
        text = f"{where} does not accept the login." if has_login else f"{where} asks for a login."
        return Refused(text, _LOGIN)
    if status == 407:
        text = f"The proxy on the way to {where} asks for a login."
        return Refused(text, Hint("mlops-desk settings set network.proxy_login SECRET"))
    return Refused(f"{where} does not allow this{_because(_said(body))}", "Its administrators give the permission.")


def _because(said: str) -> str:
    return f": {said}" if said else "."


def _said(body: bytes) -> str:
    message = _fields(body).get("message")
    return plain(message, _SHOWN) if isinstance(message, str) else ""


def _code(body: bytes) -> object:
    return _fields(body).get("error_code")


def _fields(body: bytes) -> dict[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
