"""What an image that serves by itself is asked for: its name, the port it listens on, how it says that it is well."""

import re
from collections.abc import Sequence

from mlops_desk.base.errors import Hint, Invalid, NotFound, Refused
from mlops_desk.base.text import plain
from mlops_desk.engines.engine import Engine
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.serving.own_image import OwnImage

_HEALTH = re.compile(r"/[A-Za-z0-9._~/-]{0,200}")
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}")
_PORTS = range(1, 1 << 16)  # RFC 9293
_MOST_WORDS = 1000  # chosen: a command line is read by people
_SHORT = 19  # "sha256:" and twelve figures, as engines show an id


def asked(
    model: str, image: str | None, port: int | None, health: str | None, command: Sequence[str] | None
) -> OwnImage | None:
    """Return the image that is to be deployed; None where it is a model. Raises Invalid."""
    if (not model) == (image is None):
        text = "An endpoint serves a model or an image." if not model else "A model or an image, not both."
        raise Invalid(text, "Name a model, or --image IMAGE --port 8000 --health /health.")
    if image is None:
        if port is not None or health is not None or command:
            raise Invalid("--port, --health and a command are for images that serve by themselves.", "Add --image.")
        return None
    return _own_image(image, port, health, tuple(command or ()))


def _own_image(image: str, port: int | None, health: str | None, command: tuple[str, ...]) -> OwnImage:
    if not _REFERENCE.fullmatch(image):
        raise Invalid(f"{plain(image)!r} is not the name of an image.", "Write it as docker does: repository:tag.")
    if port is None or health is None:
        text = f"The image {image} says neither where it listens nor how it is asked whether it is well."
        raise Invalid(text, "Give both: --port 8000 --health /health")
    if port not in _PORTS:
        raise Invalid(f"{port} is no port.", "Take the one that the image's program listens on, as --port 8000.")
    if not _HEALTH.fullmatch(health):
        raise Invalid(f"{plain(health)!r} is no path.", "It begins with a slash, as --health /health.")
    if len(command) > _MOST_WORDS or any("\0" in word for word in command):
        raise Invalid("That is no command.", f"Give at most {_MOST_WORDS} words, without zero bytes.")
    return OwnImage(image, port, health, command)


def alone(served: OwnImage | None, follow: str | None) -> OwnImage | None:
    """Return what is asked for. Raises Invalid for what is asked for beside an image, and is for models."""
    if served is not None and follow is not None:
        text = f"The image {served.reference} is no version of a model, so it can't follow the alias {plain(follow)}."
        raise Invalid(text, "Leave --follow out; to serve a newer image, deploy it under the same name.")
    return served


def version_of(engine: Engine, own: OwnImage) -> ModelVersion:
    """Return what stands for an image where others have a model's version: its name and its id. Raises Refused."""
    try:
        found = engine.image(own.reference)
    except NotFound as error:
        text = f"The image {own.reference} is not at the engine."
        hint = Hint(f"docker pull {own.reference}", before="Fetch it: ", after=" (offline: docker load < FILE)")
        raise Refused(text, hint) from error
    return ModelVersion(own.reference, found.id[:_SHORT], None, found.id, "READY")
