"""What MLflow, SQLAlchemy and HTTP raise, turned into errors that a person can act on. Pure: no MLflow import."""

import re

from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.address import Address

_LIMIT = 400  # chosen: a paragraph; servers answer with pages

_SCHEMA = "out-of-date database schema"
_NEWER_SCHEMA = "can't locate revision"
_REFUSED = ("connection refused", "failed to establish a new connection")
_UNKNOWN_HOST = ("name or service not known", "failed to resolve", "temporary failure in name resolution")
_PROXIED = "when an mlflow-artifacts uri was supplied"
_TIMED_OUT = ("timed out", "timeout")
_CERTIFICATE = ("certificate verify failed", "sslerror", "wrong version number")
_NO_LOGIN = re.compile(r"(error code|status|error:) ?40[13]|\b401\b.*(unauthori|token)|\b403\b.*forbidden")
_REDIRECT = re.compile(r"error code 30[1278]\b")
_NOT_JSON = ("valid json format", "expecting value", "jsondecodeerror", "!= 200")
_LOGIN = Hint(
    "mlops-desk registry add NAME URI --login SECRET",
    before="Keep USER:PASSWORD or a token as a secret, and the server with it: ",
)


def tame(error: Exception, address: Address) -> DeskError:
    """Return the DeskError that says what ``error`` means for the registry at ``address``."""
    if isinstance(error, DeskError):
        return error
    text = f"{error}"
    code = str(getattr(error, "error_code", ""))
    return _by_text(text, address) or _by_code(code, text, address) or _unexpected(error, text, address)


def _by_text(text: str, address: Address) -> DeskError | None:
    lowered = text.lower()
    where = address.shown
    if _SCHEMA in lowered:
        return Refused(
            f"The store {where} was made by another version of MLflow: {_first_sentence(text)}.",
            f"Back it up, then: mlflow db upgrade {where} (or use the MLflow that made it).",
        )
    if _NEWER_SCHEMA in lowered:
        return Refused(f"The store {where} was made by a newer MLflow than this one.", "Update MLOps Desk.")
    if any(word in lowered for word in _REFUSED):
        return Unavailable(f"Nothing answers at {where}.", "Is the tracking server running, and is the port right?")
    if any(word in lowered for word in _UNKNOWN_HOST):
        return Unavailable(f"The host of {where} is not known.", "Check the spelling and this machine's network.")
    if any(word in lowered for word in _CERTIFICATE):
        return Unavailable(
            f"No trusted connection to {where}: {_capped(text)}",
            Hint(
                "mlops-desk settings set network.ca_bundle FILE",
                before="Is it the right host? An authority of your own is trusted by: ",
            ),
        )
    return _by_answer(text, lowered, where) if address.kind == "http" else None


def _by_answer(text: str, lowered: str, where: str) -> DeskError | None:
    if _REDIRECT.search(lowered):
        return Refused(f"{where} sends us to another address.", "Name the address it leads to.")
    if _NO_LOGIN.search(lowered):
        return Refused(f"{where} wants a login, or does not accept the one given.", _LOGIN)
    if any(word in lowered for word in _TIMED_OUT):
        return TimedOut(f"{where} gave no answer in time.", "Try again; the server may be busy.")
    if any(word in lowered for word in _NOT_JSON):
        hint = "Is this the address of an MLflow tracking server?"
        return Unavailable(f"{where} does not answer like an MLflow server: {_capped(text)}", hint)
    return None


def _by_code(code: str, text: str, address: Address) -> DeskError | None:
    if code in {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}:
        return NotFound(_capped(text), f"The registry is {address.shown}.")
    if code in {"INVALID_PARAMETER_VALUE", "BAD_REQUEST"}:
        return Invalid(f"MLflow does not accept this: {_capped(text)}")
    if code in {"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"}:
        return Refused(f"{address.shown} does not allow this: {_capped(text)}")
    return None


def _unexpected(error: Exception, text: str, address: Address) -> DeskError:
    if isinstance(error, ModuleNotFoundError):
        return Unavailable(f"{address.shown} needs a library that is not installed: {_capped(text)}")
    if _PROXIED in text.lower():
        said = f"The files are kept by an MLflow server, which the store {address.shown} does not name."
        return Refused(said, "Name the address of that server instead: --uri http://HOST:PORT.")
    what = f"{type(error).__name__}: {_capped(text)}"
    return Unavailable(f"The registry at {address.shown} could not do this. {what}")


def _first_sentence(text: str) -> str:
    return _capped(text.partition(". ")[0])


def _capped(text: str) -> str:
    """One plain line, without the user and password of any address in it."""
    return plain(re.sub(r"//[^/@\s]*@", "//", " ".join(text.split())), _LIMIT)
