"""One word for each registry, however it is named. Pure: nothing is looked up, no disk is touched.

A store is named by a path, by ``sqlite:///`` before it (with spaces written as they are or as ``%20``) or by the name
under which it is kept, and a person and a program name it differently. What is known of a registry (its journal of
aliases, who serves from it, whose turn it is to move an alias) must not depend on that.
"""

import os
from urllib.parse import parse_qsl, urlsplit

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.address import Address, host_of, parse_address

_PLACES = frozenset({"host", "port", "service", "unix_socket"})
"""What of a database's query says where it is (libpq; PyMySQL)."""


def identity_of(uri: str) -> str:
    """Return what all spellings of an address have in common; what is no address stands for itself."""
    try:
        address = parse_address(uri)
        if address.path is not None:
            return os.path.normpath("/" + str(address.path).lstrip("/"))  # POSIX leaves two slashes as they are
        return _server(address) if address.kind == "http" else _database(address)
    except (Invalid, ValueError):  # a name that is kept no more, or a port that is no number
        return uri


def _server(address: Address) -> str:
    parts = urlsplit(address.uri)
    return f"{parts.scheme}://{host_of(address.uri)}{parts.path.rstrip('/')}"


def _database(address: Address) -> str:
    """Leave out driver, user and most of the query: who asks, and how, makes no other database."""
    parts = urlsplit(address.shown)
    where = "&".join(f"{key}={value}" for key, value in sorted(parse_qsl(parts.query)) if key in _PLACES)
    host = f"{(parts.hostname or '').lower()}:{parts.port or ''}"
    return f"{parts.scheme.partition('+')[0]}://{host}{parts.path}{'?' if where else ''}{where}"
