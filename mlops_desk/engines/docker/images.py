"""Images of an engine: looked up, pulled, built, removed."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import DeskError, NotFound, Refused, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.engines.docker import trouble
from mlops_desk.engines.docker.answers import image_facts
from mlops_desk.engines.docker.connection import Connections
from mlops_desk.engines.docker.stages import clearing_stages
from mlops_desk.engines.engine import ImageFacts
from mlops_desk.engines.log_lines import shown
from mlops_desk.engines.login import RegistryLogin

_TEXT_LIMIT = 1000  # chosen: a paragraph; a registry may answer with a page
_MISSING = ("not found", "manifest unknown", "does not exist", "pull access denied", "name unknown")
_REMOVE_DEADLINES = 4  # chosen: removing tens of layers from a slow disk takes a while


def look_up(connections: Connections, reference: str) -> ImageFacts:
    """Describe a local image. Raises NotFound."""
    what = f"Looking up the image {plain(reference)}"
    return connections.call(what, lambda client: image_facts(client.inspect_image(reference), client.dialect))


def pull(
    connections: Connections, reference: str, timeout_seconds: float, login: RegistryLogin | None = None
) -> ImageFacts:
    """Pull an image, with ``login`` or with none. Raises NotFound when the registry has none of that name."""
    what = f"Pulling the image {plain(reference)}"

    def work(client: Any) -> None:
        deadline = time.monotonic() + timeout_seconds
        for message in client.pull(reference, stream=True, decode=True, auth_config=_auth(login)):
            if "error" in message:
                raise _pull_error(str(message["error"]), what)
            if time.monotonic() > deadline:
                raise trouble.no_answer(what, client.base_url, timeout_seconds)

    try:
        connections.call(what, work, timeout_seconds, again=False)
    except Refused as error:  # some engines pass what the registry said on as a fault of their own
        if _is_missing(error.message):
            raise _pull_error(error.message, what) from error
        raise
    return look_up(connections, reference)


def build(
    connections: Connections, folder: Path, tag: str, labels: Mapping[str, str], timeout_seconds: float, log: Path
) -> ImageFacts:
    """Build ``folder`` as ``tag``, the output in ``log``. Raises Refused when it fails."""
    what = f"Building the image {plain(tag)}"

    def work(client: Any) -> None:
        deadline = time.monotonic() + timeout_seconds
        messages = client.build(
            path=str(folder), tag=tag, labels=dict(labels), rm=True, forcerm=True, decode=True, timeout=timeout_seconds
        )
        with log.open("w", encoding="utf-8") as output, clearing_stages(client, labels):
            for message in messages:
                for line in str(message.get("stream") or message.get("error") or "").splitlines():
                    output.write(shown(line.encode("utf-8", "replace")) + "\n")
                output.flush()
                if "error" in message:
                    said = plain(str(message["error"]), _TEXT_LIMIT)
                    raise Refused(f"{what} failed: {said}", f"The whole output is in {log}.")
                if time.monotonic() > deadline:
                    raise trouble.no_answer(what, client.base_url, timeout_seconds)

    connections.call(what, work, timeout_seconds, again=False)
    return look_up(connections, tag)


def remove(connections: Connections, reference: str) -> None:
    """Remove an image by force. No error when it is gone."""
    with contextlib.suppress(NotFound):
        what = f"Removing the image {plain(reference)}"
        seconds = connections.deadline_seconds * _REMOVE_DEADLINES
        connections.call(what, lambda client: client.remove_image(reference, force=True), seconds)


def _auth(login: RegistryLogin | None) -> dict[str, str]:
    """Return a login as the SDK takes it. It would look for one of this process's own user if it were given None."""
    if login is None:
        return {}
    if login.identity_token:
        return {"identitytoken": login.identity_token, "serveraddress": login.registry}
    return {"username": login.user, "password": login.password, "serveraddress": login.registry}


def _is_missing(said: str) -> bool:
    return any(mark in said.lower() for mark in _MISSING)


def _pull_error(said: str, what: str) -> DeskError:
    if _is_missing(said):
        return NotFound(f"{what}: no registry has it. {plain(said, _TEXT_LIMIT)}", "Check its name and tag.")
    return Unavailable(f"{what} failed: {plain(said, _TEXT_LIMIT)}", "Check the network, or load the image by hand.")
