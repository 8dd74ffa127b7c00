"""Images of an engine: looked up, pulled, built, removed."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import DeskError, Hint, NotFound, Refused, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.engines.dialects import PODMAN
from mlops_desk.engines.docker import trouble
from mlops_desk.engines.docker.answers import image_facts
from mlops_desk.engines.docker.build_output import BuildOutput
from mlops_desk.engines.docker.connection import Connections, sdk
from mlops_desk.engines.docker.listening import listening
from mlops_desk.engines.docker.pulling import error_in, layer_of
from mlops_desk.engines.docker.stages import clearing_stages
from mlops_desk.engines.engine import HandEnder, ImageFacts
from mlops_desk.engines.images import NO_ARGUMENTS, HearBuild, HearLayer, unheard
from mlops_desk.engines.login import RegistryLogin

_TEXT_LIMIT = 1000  # chosen: a paragraph; a registry may answer with a page
_MISSING = ("not found", "manifest unknown", "does not exist", "pull access denied", "name unknown")
_FAULT = 500  # the status of an engine's own faults
_NOT_LET_IN = ("denied", "unauthorized", "no basic auth credentials", "authentication required")
_LOG_IN = Hint(
    "docker login REGISTRY", before="Check its name and tag. For a private image log in, or anew, as whoever wants it: "
)
_ASK_SECONDS = 60.0  # chosen: what clients of registries wait for a word
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
    return _arrived(connections, reference, what)


def _arrived(connections: Connections, reference: str, what: str) -> ImageFacts:
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
        raise _pull_error(error.message, what) from error


def build(
    connections: Connections,
    folder: Path,
    tag: str,
    labels: Mapping[str, str],
    timeout_seconds: float,
    log: Path,
    *,
    dockerfile: str = "Dockerfile",
    arguments: Mapping[str, str] = NO_ARGUMENTS,
    heard: HearBuild = unheard,
    hand: HandEnder | None = None,
) -> ImageFacts:
    """Build ``folder`` as ``tag``, the output in ``log``. Raises Refused when it fails."""
    what = f"Building the image {plain(tag)}"

    def work(client: Any) -> None:
        deadline = time.monotonic() + timeout_seconds
        with log.open("w", encoding="utf-8") as file, clearing_stages(client, labels), listening(client, what, hand):
            output = BuildOutput(file, heard)
            for message in _building(client, folder, dockerfile, tag, labels, arguments, timeout_seconds):
                said = error_in(message)
                output.write(str(message.get("stream") or said or ""))
                if said is not None:
                    text = f"{what} failed: {plain(said, _TEXT_LIMIT)}"
                    raise Refused(text, f"The whole output is in {log}.")
                if time.monotonic() > deadline:
                    raise trouble.no_answer(what, client.base_url, timeout_seconds)

    connections.call(what, work, timeout_seconds, again=False)
    return _arrived(connections, tag, what)


def _building(
    client: Any,
    folder: Path,
    dockerfile: str,
    tag: str,
    labels: Mapping[str, str],
    arguments: Mapping[str, str],
    seconds: float,
) -> Iterator[Mapping[str, Any]]:
    """Yield what the engine tells; the folder goes there as it is: what is to be left out of it is not in it."""
    with sdk().utils.tar(str(folder), dockerfile=(dockerfile, None)) as packed:
        yield from client.build(
            fileobj=packed, custom_context=True, dockerfile=dockerfile, tag=tag, labels=dict(labels),
            buildargs=dict(arguments), rm=True,
            forcerm=True, decode=True, timeout=seconds,
        )  # fmt: skip


def remove(connections: Connections, reference: str, *, force: bool) -> None:
    """Remove an image, by ``force`` also one that is in use. No error when it is gone."""
    with contextlib.suppress(NotFound):
        what = f"Removing the image {plain(reference)}"
        seconds = connections.deadline_seconds * _REMOVE_DEADLINES
        connections.call(what, lambda client: client.remove_image(reference, force=force), seconds)


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
