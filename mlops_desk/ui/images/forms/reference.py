"""What an image is called, as people type it: read as registries read it, and told what is wrong. No Qt here.

The grammar is that of distribution/reference; the agent and the engine judge anew.
"""

import re
from dataclasses import dataclass

from mlops_desk.base.text import plain

DEFAULT_REGISTRY, DEFAULT_TAG, LIBRARY = "docker.io", "latest", "library"
NAME_LIMIT = 255  # of a name without tag and digest, as registries have it
_TYPED_LIMIT = 512  # more than name, tag and digest together
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_ADDRESS = re.compile(r"\[[0-9a-fA-F:]{2,45}\]", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", re.ASCII)
_PART = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A name, in its parts. ``tag`` is None where none was typed; with a ``digest`` it means nothing."""

    registry: str
    path: str
    tag: str | None = None
    digest: str | None = None

    def told(self) -> str:
        """Return what will be pulled, in a sentence."""
        name = f"{self.path} from {self.registry}"
        if self.digest is not None:
            return f"{name}, pinned to its digest: always the same."
        if self.tag is None:
            return f"{name}, tag {DEFAULT_TAG}: none was given. What it names changes over time."
        return f"{name}, tag {self.tag}."

    def short(self) -> str:
        """Return the name as engines list it."""
        path = self.path.removeprefix(f"{LIBRARY}/") if self.registry == DEFAULT_REGISTRY else self.path
        name = path if self.registry == DEFAULT_REGISTRY else f"{self.registry}/{path}"
        return f"{name}@{self.digest}" if self.digest is not None else f"{name}:{self.tag or DEFAULT_TAG}"


class BadReferenceError(ValueError):
    """It is no name of an image; the text says why."""


def read(text: str) -> ImageReference:
    """Read what was typed. Raises BadReferenceError."""
    typed = text.strip()
    if not typed:
        raise BadReferenceError("")
    if len(typed) > _TYPED_LIMIT:
        raise BadReferenceError(f"A name has {NAME_LIMIT} letters at most.")
    if any(sign.isspace() for sign in typed):
        raise BadReferenceError("A name has no blanks in it.")
    if "://" in typed:
        raise BadReferenceError("A name begins with its registry, without https://.")
    name, at, digest = typed.partition("@")
    if at and not _SHA256.fullmatch(digest):
        raise BadReferenceError("After @ stands sha256: and 64 digits.")
    name, tag = _tag(name)
    registry, path = _registry(name)
    _check(path)
    if registry == DEFAULT_REGISTRY and "/" not in path:
        path = f"{LIBRARY}/{path}"
    return ImageReference(registry, path, tag, digest or None)


def _tag(name: str) -> tuple[str, str | None]:
    head, slash, last = name.rpartition("/")
    path, colon, tag = last.partition(":")
    if colon and not slash and tag.isdecimal() and "." in path:
        raise BadReferenceError("After the registry stands / and the image's name.")
    if colon and not _TAG.fullmatch(tag):
        why = "A tag has letters, digits, dots, dashes and underscores, 128 at most."
        raise BadReferenceError(why if tag else "After : stands a tag, as in python:3.12-slim.")
    return f"{head}{slash}{path}", tag if colon else None


def _registry(name: str) -> tuple[str, str]:
    """Tell the registry from the path: it has a dot or a port, or is called localhost."""
    first, slash, rest = name.partition("/")
    if not slash or not (first == "localhost" or set(".:[") & set(first)):
        return DEFAULT_REGISTRY, name
    host, port = first, None
    if ":" in first and not first.endswith("]"):
        host, _, port = first.rpartition(":")
    if port is not None and not _PORT.fullmatch(port):
        raise BadReferenceError("The port of a registry is a number.")
    if not (_ADDRESS.fullmatch(host) or all(_LABEL.fullmatch(label) for label in host.split("."))):
        raise BadReferenceError(f"{plain(first, 40)} is no name of a registry.")
    if first in {"index.docker.io", "registry-1.docker.io"}:
        first = DEFAULT_REGISTRY
    return first, rest


def _check(path: str) -> None:
    if not path:
        raise BadReferenceError("The name of the image is missing.")
    if path != path.lower():
        raise BadReferenceError("Names of images have small letters only.")
    if len(path) > NAME_LIMIT:
        raise BadReferenceError(f"A name has {NAME_LIMIT} letters at most.")
    if not all(_PART.fullmatch(part) for part in path.split("/")):
        raise BadReferenceError("A name has small letters and digits, with single dots, dashes or underscores between.")
