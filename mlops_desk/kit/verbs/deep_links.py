"""Addresses of things in the window: ``mlops-desk://job/ID``. Pure.

Anybody can put such an address into a page or a log. All that it can do is lead the window to a thing of that kind and
name: there is no word in it for doing anything.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

SCHEME = "mlops-desk"
LONGEST = 1024  # chosen: twice the longest name of a model, each letter of it escaped, would not be typed by anybody
_KNOWN = "Addresses are mlops-desk://job/ID, run/ID, gpu/UUID, model/NAME/VERSION, endpoint/NAME and settings/VIEW."
_WHOLE = re.compile(rf"{SCHEME}://([a-z]{{1,20}})/([^?#]*)", re.IGNORECASE | re.ASCII)
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_KEYS = {
    "job": _ID,
    "run": _ID,
    "gpu": re.compile(r"[A-Za-z0-9._:/-]{1,100}", re.ASCII),
    "endpoint": re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII),
    "model": re.compile(r"[^/]{1,256}"),  # MLflow's own limit, and a letter that its names can't have
    "settings": re.compile(r"[a-z][a-z0-9._]{0,99}", re.ASCII),  # a view of them, such as registries, or one's own key
}
_VERSION = re.compile(r"[0-9]{1,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Destination:
    """A thing in the window: its ``kind`` (job, run, gpu, model, endpoint, settings), key, and of a model a version."""

    kind: str
    key: str
    version: str | None = None

    def __str__(self) -> str:
        parts = [self.key] if self.version is None else [self.key, self.version]
        return f"{SCHEME}://{self.kind}/{'/'.join(quote(part, safe='') for part in parts)}"


def parse_address(text: str) -> Destination:
    """Return what an address leads to. Raises Invalid for all that is none, and for what is too long."""
    shown = plain(text[:LONGEST], 100)
    if len(text) > LONGEST:
        raise Invalid(f"The address {shown!r} is longer than {LONGEST} letters.", _KNOWN)
    whole = _WHOLE.fullmatch(text)
    kind = whole[1].lower() if whole else ""
    if whole is None or kind not in _KEYS:
        raise Invalid(f"{shown!r} is no address of anything in MLOps Desk.", _KNOWN)
    parts = [_decoded(part) for part in whole[2].removesuffix("/").split("/")]
    key, version = parts[0], parts[1] if len(parts) > 1 else None
    if (
        len(parts) > (2 if kind == "model" else 1)
        or key is None
        or _KEYS[kind].fullmatch(key) is None
        or (len(parts) > 1 and (version is None or _VERSION.fullmatch(version) is None))
    ):
        raise Invalid(f"{shown!r} names no {kind} as there could be one.", _KNOWN)
    return Destination(kind, key, version)


def _decoded(part: str) -> str | None:
    """Return a part of a path as text; None for what is none, or would do something to a terminal."""
    if _ESCAPE.search(part):
        return None
    try:
        text = unquote_to_bytes(part).decode("utf-8")
    except UnicodeError:
        return None
    return text if text.isprintable() else None
