"""Builds on an engine: by BuildKit where that can be had, else by the engine's own old way, which knows less.

Podman builds by its own program behind Docker's call. Docker's classic builder is going out of use and knows no cache
mounts, secrets or heredocs; what it is asked for of those is said before, or in the error.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import Refused
from mlops_desk.base.text import plain
from mlops_desk.engines.dialects import PODMAN
from mlops_desk.engines.docker import trouble
from mlops_desk.engines.docker.build_output import BuildOutput
from mlops_desk.engines.docker.buildkit.building import BuildKit
from mlops_desk.engines.docker.buildkit.program import BUILDX, NoBuildKit
from mlops_desk.engines.docker.connection import Connections, sdk
from mlops_desk.engines.docker.images import arrived
from mlops_desk.engines.docker.listening import listening
from mlops_desk.engines.docker.pulling import error_in
from mlops_desk.engines.docker.stages import clearing_stages
from mlops_desk.engines.engine import HandEnder, ImageFacts
from mlops_desk.engines.images import BuildOrder, HearBuild
from mlops_desk.records.images.task import BuilderName

_TEXT_LIMIT = 1000  # chosen: a paragraph; a compiler may say a page
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
                    raise trouble.no_answer(what, client.base_url, seconds)

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
