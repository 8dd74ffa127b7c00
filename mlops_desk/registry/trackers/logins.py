"""Passwords of tracking URIs: taken out before a URI is stored or shown, put back only for who connects.

A secret of an HTTP server is USER:PASSWORD, or a token, which has no colon in it (RFC 6750, b64token). One of a
database is the password of the user whom the URI names.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote, urlsplit, urlunsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from mlops_desk.base.errors import Hint, Invalid, Refused
from mlops_desk.base.text import plain
from mlops_desk.registry.address import Address

_IN_QUERY = ("password", "passwd")
"""What drivers of databases take a password by, besides its own place (libpq; PyMySQL and mysqlclient)."""
_SECRET_LIKE = re.compile(r"pwd|pass|secret|token|odbc_connect", re.IGNORECASE)
_SECRET_HINT = Hint(
    "mlops-desk secrets set NAME", before="Leave it out, keep it as a secret and name that by --login: "
)
_DATABASE_HINT = "Write postgresql://USER@HOST:PORT/DATABASE; an @ in a password is written as %40."


def without_password(address: Address) -> tuple[Address, str | None]:
    """Return the address as it may be stored and shown, and what of it is secret. Raises Invalid."""
    if address.kind == "http":
        return _http(address)
    if address.kind == "database":
        return _database(address)
    return address, None


def _http(address: Address) -> tuple[Address, str | None]:
    parts = urlsplit(address.uri)
    if _SECRET_LIKE.search(parts.query):
        raise Invalid("This address seems to have a secret in its query.", _SECRET_HINT)
    userinfo, _, host = parts.netloc.rpartition("@")
    bare = replace(address, uri=urlunsplit(parts._replace(netloc=host, fragment="")).rstrip("/"))
    if not userinfo:
        return bare, None
    user, _, password = userinfo.partition(":")
    return bare, f"{unquote(user)}:{unquote(password)}"


def _database(address: Address) -> tuple[Address, str | None]:
    url = _url(address.uri)
    found = [url.password, *(url.query.get(key) for key in _IN_QUERY)]
    bare = url.difference_update_query(_IN_QUERY)._replace(password=None)
    if odd := next((key for key in bare.query if _SECRET_LIKE.search(key)), None):
        raise Invalid(f"The part {plain(odd)} of this database's address seems to hold a secret.", _SECRET_HINT)
    shown = bare.render_as_string(hide_password=False)  # there is none in it
    return replace(address, uri=shown), next((str(one) for one in found if one), None)


def _url(uri: str) -> URL:
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError) as error:
        raise Invalid("This address of a database can't be understood.", _DATABASE_HINT) from error
    if "@" in (url.host or ""):
        raise Invalid("This address of a database has more than one @ in it.", _DATABASE_HINT)
    return url


def with_password(uri: str, password: str) -> str:
    """Return a database's URI with its password, for who connects. Raises Invalid."""
    return _url(uri)._replace(password=password).render_as_string(hide_password=False)


def headers_of(name: str, secret: bytes) -> Mapping[str, str]:
    """Return what an HTTP server is shown of the secret called ``name``. Raises Refused."""
    text = secret.decode("utf-8", "replace").strip("\r\n")
    if not text or not text.isprintable():
        hint = Hint(f"mlops-desk secrets set {name}", after=" reads it from standard input.")
        raise Refused(f"The secret {plain(name)} is no login: it is one line, USER:PASSWORD or a token.", hint)
    if ":" in text:
        return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode("ascii")}
    if not text.isascii():
        raise Refused(f"The secret {plain(name)} is no token: those have letters of ASCII alone.")
    return {"Authorization": f"Bearer {text}"}
