"""Images of an engine: looked up, pulled, removed."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import DeskError, Hint, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.engines.dialects import PODMAN
from mlops_desk.engines.docker import trouble
from mlops_desk.engines.docker.answers import image_facts
from mlops_desk.engines.docker.connection import Connections
from mlops_desk.engines.docker.listening import listening
from mlops_desk.engines.docker.pulling import error_in, layer_of
from mlops_desk.engines.engine import HandEnder, ImageFacts
from mlops_desk.engines.images import HearLayer, unheard
from mlops_desk.engines.login import RegistryLogin

_TEXT_LIMIT = 1000  # chosen: a paragraph; a registry may answer with a page
_MISSING = ("not found", "manifest unknown", "does not exist", "pull access denied", "name unknown")
_FAULT = 500  # the status of an engine's own faults
_NOT_LET_IN = ("denied", "unauthorized", "no basic auth credentials", "authentication required")
_LOG_IN = Hint(
    "docker login REGISTRY", before="Check its name and tag. For a private image log in, or anew, as whoever wants it: "
)
_ASK_SECONDS = 60.0  # chosen: what clients of registries wait for a word
_PIECE_BYTES = 1 << 20  # chosen: an image of gigabytes is written in pieces
_SAVE_QUIET_SECONDS = 120.0  # chosen: an engine packs a layer of gigabytes before its first byte comes
_REMOVE_DEADLINES = 4  # chosen: removing tens of layers from a slow disk takes a while


def look_up(connections: Connections, reference: str) -> ImageFacts:
    """Describe a local image. Raises NotFound."""
    what = f"Looking up the image {plain(reference)}"
    return connections.call(what, lambda client: image_facts(client.inspect_image(reference), client.dialect))


def pull(
    connections: Connections,
    reference: str,
    quiet_seconds: float,
    login: RegistryLogin | None = None,
    *,
    heard: HearLayer = unheard,
    hand: HandEnder | None = None,
) -> ImageFacts:
    """Pull an image, with ``login`` or with none, however long it takes, unless nothing is heard for ``quiet_seconds``.

    Raises NotFound when the registry has none of that name.
    """
    what = f"Pulling the image {plain(reference)}"

    def work(client: Any) -> None:
        with listening(client, what, hand):
            for message in client.pull(reference, stream=True, decode=True, auth_config=_auth(login)):
                said = error_in(message)
                if said is not None:
                    raise _pull_error(said, what)
                layer = layer_of(message)
                if layer is not None:
                    heard(layer)

    try:
        connections.call(what, work, quiet_seconds, again=False)
    except Refused as error:  # some engines pass what the registry said on as a fault of their own
        if _is_missing(error.message) or _is_closed(error.message):
            raise _pull_error(error.message.removeprefix(f"{what}: the engine refused. "), what) from error
        raise
    return arrived(connections, reference, what)


def arrived(connections: Connections, reference: str, what: str) -> ImageFacts:
    """Return what was pulled; an engine that said nothing wrong and has it not was broken off."""
    try:
        return look_up(connections, reference)
    except NotFound as error:
        raise Unavailable(f"{what}: it ended, and the image is not there.", "Ask for it once more.") from error


def ask_registry(connections: Connections, reference: str, login: RegistryLogin | None) -> None:
    """Ask a registry whether it gives an image out. Docker pulls no digest that is here, so a pull would ask nobody."""
    what = f"Asking for the image {plain(reference)}"

    def ask(client: Any) -> None:
        if client.dialect is PODMAN:  # it has no such question, and asks at every pull
            for message in client.pull(reference, stream=True, decode=True, auth_config=_auth(login)):
                said = error_in(message)
                if said is not None:
                    raise _pull_error(said, what)
        else:
            client.inspect_distribution(reference, auth_config=_auth(login))

    try:
        connections.call(what, ask, _ASK_SECONDS, again=False)
    except (Refused, NotFound) as error:
        said = error.message.removeprefix(f"{what}: ").removeprefix("the engine refused. ")
        raise _pull_error(said, what) from error


def remove(connections: Connections, reference: str, *, force: bool) -> None:
    """Remove an image, by ``force`` also one that is in use. No error when it is gone."""
    with contextlib.suppress(NotFound):
        what = f"Removing the image {plain(reference)}"
        seconds = connections.deadline_seconds * _REMOVE_DEADLINES
        connections.call(what, lambda client: client.remove_image(reference, force=force), seconds)


def save(
    connections: Connections, reference: str, target: Path, timeout_seconds: float, saved: Callable[[int], None]
) -> None:
    """Write an image to a file; ``saved`` hears how many bytes are there. Raises NotFound, TimedOut, OSError."""
    what = f"Saving the image {plain(reference)}"
    deadline = time.monotonic() + timeout_seconds

    def work(client: Any) -> None:
        with target.open("wb") as file:
            for piece in client.get_image(reference, chunk_size=_PIECE_BYTES):
                file.write(piece)
                saved(file.tell())
                if time.monotonic() > deadline:
                    raise TimedOut(f"{what} took longer than {timeout_seconds:g} s.")

    connections.call(what, work, _SAVE_QUIET_SECONDS, again=False)


def _auth(login: RegistryLogin | None) -> dict[str, str]:
    """Return a login as the SDK takes it. It would look for one of this process's own user if it were given None."""
    if login is None:
        return {}
    if login.identity_token:
        return {"identitytoken": login.identity_token, "serveraddress": login.registry}
    return {"username": login.user, "password": login.password, "serveraddress": login.registry}


def _is_missing(said: str) -> bool:
    return any(mark in said.lower() for mark in _MISSING)


def _is_closed(said: str) -> bool:
    return any(mark in said.lower() for mark in _NOT_LET_IN)


def _pull_error(said: str, what: str) -> DeskError:
    if trouble.FULL in said.lower():
        return trouble.from_engine(_FAULT, said, what)
    closed = _is_closed(said)
    hint = _LOG_IN if closed else "Check its name and tag."
    if _is_missing(said):
        return NotFound(f"{what}: no registry has it. {plain(said, _TEXT_LIMIT)}", hint)
    if closed:
        return NotFound(f"{what}: its registry does not give it out. {plain(said, _TEXT_LIMIT)}", hint)
    return Unavailable(f"{what} failed: {plain(said, _TEXT_LIMIT)}", "Check the network, or load the image by hand.")
