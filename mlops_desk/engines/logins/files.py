"""What docker login and podman login leave behind: which helper, or which entry, has the login at a registry. Pure.

A file is a person's own and nobody else's, and yet read as text from outside: what does not fit is passed over.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlops_desk.engines.login import RegistryLogin

HUB = "docker.io"
_HUB_NAMES = ("https://index.docker.io/v1/", "index.docker.io", HUB, "registry-1.docker.io")
_ENDS = ("", "/", "/v1/", "/v2/")
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
TOKEN_USER = "<token>"  # noqa: S105 - the name that stands where a token is no password
"""As helpers call whoever has an identity token."""


def registry_of(reference: str) -> str:
    """Return the registry that an image's name names, as docker reads it: the hub's where it names none."""
    first, slash, _ = reference.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        return HUB if first in _HUB_NAMES else first
    return HUB


def places(reference: str) -> tuple[str, ...]:
    """Return the keys under which a login for an image may stand, the closest first."""
    registry = registry_of(reference)
    words = reference.partition("@")[0].split("/")
    if len(words) > 1 and (words[0] == registry or words[0] in _HUB_NAMES):
        words = words[1:]
    path = [*words[:-1], words[-1].partition(":")[0]]
    names = ["/".join((registry, *path[:length])) for length in range(len(path), 0, -1)]
    if registry == HUB:
        return (*names, *_HUB_NAMES)
    return (*names, registry, *(f"{scheme}{registry}{end}" for scheme in ("https://", "http://") for end in _ENDS))


def helpers(config: Mapping[str, Any], reference: str) -> Iterator[tuple[str, str]]:
    """Yield (helper, what to ask it for), the closest first: the registry's own helper, then the one for all."""
    wanted = places(reference)
    own = _table(config.get("credHelpers"))
    for place in wanted:
        if (name := _helper(own.get(place))) is not None:
            yield name, place
            return
    store = _helper(config.get("credsStore"))
    if store is not None:
        known = [place for place in wanted if place in _table(config.get("auths"))]
        yield store, known[0] if known else _HUB_NAMES[0] if registry_of(reference) == HUB else registry_of(reference)


def written(config: Mapping[str, Any], reference: str) -> RegistryLogin | None:
    """Return the login that stands in the file itself."""
    entries = _table(config.get("auths"))
    for place in places(reference):
        if (login := _entry(registry_of(reference), _table(entries.get(place)))) is not None:
            return login
    return None


def answered(reference: str, answer: Any) -> RegistryLogin | None:
    """Return the login that a helper's answer holds; None where it is no answer."""
    found = _table(answer)
    user, secret = found.get("Username"), found.get("Secret")
    if not isinstance(user, str) or not isinstance(secret, str) or not secret:
        return None
    return _login(registry_of(reference), user, secret)


def _entry(registry: str, entry: Mapping[str, Any]) -> RegistryLogin | None:
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return RegistryLogin(registry, identity_token=token)
    auth = entry.get("auth")
    try:
        text = base64.b64decode(auth, validate=True).decode() if isinstance(auth, str) else ""
    except (binascii.Error, ValueError):
        return None
    user, colon, password = text.partition(":")
    return _login(registry, user, password.rstrip("\0")) if colon and user and password else None


def _login(registry: str, user: str, secret: str) -> RegistryLogin:
    if user == TOKEN_USER:
        return RegistryLogin(registry, identity_token=secret)
    return RegistryLogin(registry, user, secret)


def _helper(value: Any) -> str | None:
    return value if isinstance(value, str) and _HELPER.fullmatch(value) else None


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
