"""Images that serve by themselves: any with a port and a health path.

What an image that serves by itself is asked for: its name, the port it listens on, how it says that it is well.

Two containers for an image that serves by itself: a relay that has the way in, and the image beside it.

The relay comes first and holds a network namespace without any network; the image's container joins it, so that it is
reached on loopback by the relay and by nobody else, and reaches nothing itself. When either has gone, both are started
anew. The image's container is named after the relay, and is ended with it.
"""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from mlops_desk.engines.engine import ContainerFacts, ContainerSpec, Engine
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving import deploy_options
from mlops_desk.serving.image import machine
from mlops_desk.serving.probe import health
from mlops_desk.serving.progress import Tell
from mlops_desk.serving.records.own_image import OwnImage
from mlops_desk.serving.revision import Failed, Interrupted, plain_lines
from mlops_desk.serving.runtimes import resource_files
from mlops_desk.serving.runtimes.choice import short
from mlops_desk.serving.socket_handover import INSIDE, Handover

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


_GRACE_SECONDS = 10  # the engine's own default
_RELAY_BYTES = 128 << 20  # chosen: Python takes 15 MiB, and 512 connections some buffers each
_POLL_SECONDS = 0.25  # chosen: a server takes seconds to start
_LOST_SECONDS = 5.0  # chosen: who serves other paths by then has all of them
_EVIDENCE_LINES = 15  # chosen: a traceback names the error in its last lines
Work = Callable[[], object]
_ENDED = frozenset({"exited", "dead"})


@dataclass(frozen=True, slots=True)
class ImagePair:
    """What one replica is made of. ``relay`` names it; ``base`` is the image that the relay runs in."""

    relay: str
    image: str
    served: OwnImage
    labels: Mapping[str, str]
    user: str
    memory_bytes: int
    gpus: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()

    @property
    def beside(self) -> str:
        return deploy_options.beside(self.relay)

    def relay_spec(self, base: str, handover: Handover) -> ContainerSpec:
        """Return the container that has the way in."""
        return ContainerSpec(
            name=self.relay,
            image=base,
            command=(str(self.served.port),),
            entrypoint=("python3", f"{INSIDE}/serve.py"),
            labels=self.labels,
            own_mounts=(handover.mount,),
            memory_bytes=_RELAY_BYTES,
            user=self.user,
            network="none",
            stop_grace_seconds=_GRACE_SECONDS,
        )

    def image_spec(self) -> ContainerSpec:
        """Return the container of the image itself; the variables are those of the clouds' own contracts."""
        port = str(self.served.port)
        return ContainerSpec(
            name=self.beside,
            image=self.image,
            command=self.served.command or None,
            env={
                "AIP_HTTP_PORT": port,
                "AIP_HEALTH_ROUTE": self.served.health,
                "SAGEMAKER_BIND_TO_PORT": port,
                **self.served.environment,
            },
            labels={
                deploy_options.LABEL_INSTANCE: self.labels[deploy_options.LABEL_INSTANCE],
                deploy_options.LABEL_BESIDE: self.relay,
            },
            own_mounts=self.mounts,
            relax=self.served.relax,
            gpus=self.gpus,
            memory_bytes=self.memory_bytes,
            user=self.user,
            beside=self.relay,
            stop_grace_seconds=_GRACE_SECONDS,
        )


class PairLaunch:
    """Starts pairs, and ends what stands beside a relay."""

    def __init__(self, instance: str, engine: Engine, ending: threading.Event) -> None:
        self._instance = instance
        self._engine = engine
        self._ending = ending

    def launch(
        self, pair: ImagePair, place: Path, work: Path, seconds: float, tell: Tell, patiently: Callable[[Work], object],
        runs: Callable[[int | None], object],
    ) -> str:  # fmt: skip
        """Start a fresh pair with its way in at ``place``; return its address once it is well within ``seconds``.

        ``patiently`` does again what an engine did not answer, ``runs`` hears the image's process id.
        Raises Failed, Interrupted, DeskErrors and OSError.
        """
        base = machine.base(self._engine, self._instance, work, seconds)
        deadline = time.monotonic() + seconds  # not before: the relay's own image is made once, and may take as long
        tell("start", f"a container of {short(pair.image)}, and a relay to its port {pair.served.port}")
        patiently(lambda: self.end_beside(pair.relay))
        patiently(lambda: self._engine.remove(pair.relay))
        with Handover(place, resource_files.RELAY) as handover:
            patiently(lambda: self._start(pair.relay_spec(base, handover)))
            patiently(lambda: runs(self._start(pair.image_spec()).pid))
            tell("probe", f"until it says by {pair.served.ready or pair.served.health} that it is well")
            self._wait(pair, handover, deadline)
        return handover.address

    def end_beside(self, relay: str) -> None:
        """End the image's container of a pair, if there is one. Raises Unavailable."""
        self._engine.stop(deploy_options.beside(relay), _GRACE_SECONDS)
        self._engine.remove(deploy_options.beside(relay))

    def _start(self, spec: ContainerSpec) -> ContainerFacts:
        return self._engine.start(self._engine.create(spec).name)

    def _wait(self, pair: ImagePair, handover: Handover, deadline: float) -> None:
        lost_since: float | None = None
        while True:
            handover.give()
            said = health(handover.address, pair.served.ready or pair.served.health)
            now = time.monotonic()
            if said == HTTPStatus.OK:
                return
            lost_since = (lost_since or now) if said == HTTPStatus.NOT_FOUND else None
            if lost_since is not None and now - lost_since >= _LOST_SECONDS:
                text = f"It answers {pair.served.ready or pair.served.health} with 404."
                raise self._failed(pair, "health_not_found", text, "--health")
            self._check_alive(pair)
            if now >= deadline:
                raise self._late(pair, said)
            if self._ending.wait(_POLL_SECONDS):
                raise Interrupted

    def _check_alive(self, pair: ImagePair) -> None:
        for name, what in ((pair.beside, "The container"), (pair.relay, "The relay to its port")):
            try:
                facts = self._engine.inspect(name)
            except NotFound as error:
                raise Failed("container_vanished", f"{what} was removed by somebody else.") from error
            except Unavailable:
                return  # nothing is known: it is asked again, until the deadline
            if facts.status in _ENDED:
                text = f"{what} ended with code {facts.exit_code} before it was well."
                raise Failed("container_died", text, self.evidence(name))

    def _late(self, pair: ImagePair, said: int | None) -> Failed:
        if said is None:
            text = f"Nothing answers on port {pair.served.port} of the container."
            return self._failed(pair, "port_silent", text, "--port")
        text = f"It answers {pair.served.ready or pair.served.health} with {said}."
        return self._failed(pair, "not_well", text, "--health")

    def _failed(self, pair: ImagePair, class_: str, text: str, option: str) -> Failed:
        hint = Hint(
            "mlops-desk settings set serving.start_timeout_seconds 600",
            before=f"Is {option} right? Where it only takes longer: ",
        )
        return Failed(class_, text, self.evidence(pair.beside), hint)

    def evidence(self, name: str) -> str | None:
        """Return the last lines that a container has written, if they can be had."""
        with contextlib.suppress(DeskError):
            return plain_lines(list(self._engine.logs(name, tail=_EVIDENCE_LINES)))
        return None
