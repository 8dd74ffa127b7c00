"""Images of an engine: looked up, pulled, removed.

What an engine tells while it pulls, as the progress of layers. Pure, and the engine's words are from outside.

Docker tells of each layer by its id: waiting, "Downloading" with bytes, "Verifying Checksum", "Extracting" (with bytes,
and with a containerd store in seconds), "Pull complete". Podman tells of the same in fewer words, and of bytes only
where it copies a blob. What is not understood is passed over: it is news all the same that something was said.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_desk.engines.dialects import PODMAN
from mlops_desk.engines.docker import connection
from mlops_desk.engines.docker.answers import image_facts
from mlops_desk.engines.docker.build_output import BuildOutput
from mlops_desk.engines.docker.buildkit.build_runner import BuildKit
from mlops_desk.engines.docker.buildkit.workspace import BUILDX, NoBuildKit
from mlops_desk.engines.docker.connection import Connections, listening, sdk
from mlops_desk.engines.engine import HandEnder, ImageFacts
from mlops_desk.engines.image_store import BuildOrder, HearBuild, HearLayer, unheard
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.records.task import BuilderName, LayerProgress, LayerState
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain

_MOST_BYTES = 1 << 62  # what a file can have
_ID_LIMIT = 64  # a digest in hexadecimal
_STATES = (
    ("pulling fs layer", LayerState.WAITING),
    ("waiting", LayerState.WAITING),
    ("retrying", LayerState.WAITING),
    ("downloading", LayerState.DOWNLOADING),
    ("copying blob", LayerState.DOWNLOADING),
    ("verifying checksum", LayerState.VERIFYING),
    ("download complete", LayerState.VERIFYING),
    ("extracting", LayerState.EXTRACTING),
    ("pull complete", LayerState.DONE),
    ("already exists", LayerState.PRESENT),
)
"""The beginnings of what engines say of a layer."""


def layer_of(message: Mapping[str, Any]) -> LayerProgress | None:
    """Return what a message tells of a layer; None where it tells of none."""
    status, id_ = message.get("status"), message.get("id")
    if not isinstance(status, str) or not isinstance(id_, str) or not id_:
        return None
    state = next((state for word, state in _STATES if status.lower().startswith(word)), None)
    if state is None:
        return None
    detail = message.get("progressDetail")
    told = detail if isinstance(detail, Mapping) and state is LayerState.DOWNLOADING else {}
    total = _bytes(told.get("total")) or None  # engines say 0, or -1, for what they do not know
    done = _bytes(told.get("current"))
    if done is not None and total is not None:
        done = min(done, total)
    return LayerProgress(plain(id_, _ID_LIMIT), state, done, total)


def error_in(message: Mapping[str, Any]) -> str | None:
    """Return what a message says went wrong; None where it says nothing of the kind."""
    detail = message.get("errorDetail")
    said = message.get("error") or (detail.get("message") if isinstance(detail, Mapping) else None)
    return None if said is None else str(said)


def _bytes(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value < _MOST_BYTES else None  # which NaN is not either


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
    if connection.FULL in said.lower():
        return connection.from_engine(_FAULT, said, what)
    closed = _is_closed(said)
    hint = _LOG_IN if closed else "Check its name and tag."
    if _is_missing(said):
        return NotFound(f"{what}: no registry has it. {plain(said, _TEXT_LIMIT)}", hint)
    if closed:
        return NotFound(f"{what}: its registry does not give it out. {plain(said, _TEXT_LIMIT)}", hint)
    return Unavailable(f"{what} failed: {plain(said, _TEXT_LIMIT)}", "Check the network, or load the image by hand.")


# Builds on an engine: by BuildKit where that can be had, else by the engine's own old way, which knows less.
#
# Podman builds by its own program behind Docker's call. Docker's classic builder is going out of use and knows no
# cache mounts, secrets or heredocs; what it is asked for of those is said before, or in the error.

# What an image build leaves behind: the classic builder keeps the last layer of each stage, without a name.
# With wheels in it that is a gigabyte a build, so a stage whose first instruction gives it the build's labels is
# cleared away when the build ends, well or not.
_log = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 30.0  # chosen: between two messages of a build or pull, not for all of it


@contextlib.contextmanager
def clearing_stages(client: Any, labels: Mapping[str, str]) -> Iterator[None]:
    """Remove nameless images that carry all of ``labels`` at the end. What the engine refuses costs disk, no more."""
    try:
        yield
    finally:
        if labels:  # without one the engine would take everybody's nameless images
            _clear(client, labels)


def _clear(client: Any, labels: Mapping[str, str]) -> None:
    client.timeout = _TIMEOUT_SECONDS
    wanted = {"dangling": True, "label": [f"{key}={value}" for key, value in labels.items()]}
    try:
        client.prune_images(wanted)
    except Exception as error:  # noqa: BLE001 - the build's own outcome counts; the next build tries again
        _log.info("The layers of an image build are left over: %s", error)


_NEWER_MARKS = ("--mount option requires buildkit", "requires buildkit", "unknown flag: mount", "unknown flag: network")
"""What the classic builder says of what only BuildKit can do; of a heredoc it says that << is no instruction."""


def build(
    connections: Connections,
    folder: Path,
    tag: str,
    labels: Mapping[str, str],
    timeout_seconds: float,
    log: Path,
    order: BuildOrder,
    *,
    heard: HearBuild,
    hand: HandEnder | None,
) -> ImageFacts:
    """Build ``folder`` as ``tag``, the output in ``log``. Raises Refused when it fails."""
    what = f"Building the image {plain(tag)}"
    began = time.monotonic()
    dialect = connections.call(what, lambda client: client.dialect)
    with log.open("w", encoding="utf-8") as file:
        output = BuildOutput(file, heard)
        if dialect is PODMAN:
            if order.secrets:
                raise Refused(f"{what}: Podman's socket hands no secrets to a build.", "Have it built by Docker.")
            output.tell(BuilderName.PODMAN, "")
        else:
            try:
                kit = BuildKit(connections, what, output, log)
                kit.build(folder, tag, labels, timeout_seconds, order, hand)
            except NoBuildKit as error:
                if order.secrets:
                    text = f"{what}: only BuildKit hands secrets to a build. {error.message}"
                    raise Refused(text, error.hint or BUILDX) from error
                output.tell(BuilderName.CLASSIC, f"Docker's classic builder builds. {error.message}")
            else:
                with connections.lent(what, connections.deadline_seconds) as client, clearing_stages(client, labels):
                    pass
                return arrived(connections, tag, what)
        left = timeout_seconds - (time.monotonic() - began)
        _classic(connections, folder, tag, labels, max(left, 1.0), log, order, output, hand, what)
    return arrived(connections, tag, what)


def _classic(
    connections: Connections,
    folder: Path,
    tag: str,
    labels: Mapping[str, str],
    seconds: float,
    log: Path,
    order: BuildOrder,
    output: BuildOutput,
    hand: HandEnder | None,
    what: str,
) -> None:
    def work(client: Any) -> None:
        deadline = time.monotonic() + seconds
        with clearing_stages(client, labels), listening(client, what, hand):
            for message in _messages(client, folder, tag, labels, seconds, order):
                said = error_in(message)
                output.write(str(message.get("stream") or said or ""))
                if said is not None:
                    raise _failed(what, said, log)
                if time.monotonic() > deadline:
                    raise connection.no_answer(what, client.base_url, seconds)

    connections.call(what, work, seconds, again=False)


def _messages(
    client: Any, folder: Path, tag: str, labels: Mapping[str, str], seconds: float, order: BuildOrder
) -> Iterator[Mapping[str, Any]]:
    """Yield what the engine tells; the folder goes there as it is: what is to be left out of it is not in it."""
    with sdk().utils.tar(str(folder), dockerfile=(order.dockerfile, None)) as packed:
        yield from client.build(
            fileobj=packed, custom_context=True, dockerfile=order.dockerfile, tag=tag, labels=dict(labels),
            buildargs={**order.arguments, **order.values}, target=order.target or None, rm=True,
            forcerm=True, decode=True, timeout=seconds,
        )  # fmt: skip


def _failed(what: str, said: str, log: Path) -> Refused:
    text = f"{what} failed: {plain(said, _TEXT_LIMIT)}"
    lowered = said.lower()
    if any(mark in lowered for mark in _NEWER_MARKS) or ("unknown instruction" in lowered and "<<" in lowered):
        return Refused(f"{text} Docker's classic builder can't do this, BuildKit can.", BUILDX)
    return Refused(text, f"The whole output is in {log}.")
