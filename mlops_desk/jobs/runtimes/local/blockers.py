"""What keeps a job from starting until a person mends it, told with the command that does.

A job waits for these instead of failing: no container toolkit, GPUs that CDI does not know, an engine's full disk, a
registry that does not answer. What a registry answers for certain (it has no such image) is none of them.
"""

import re
import shlex

from mlops_desk.engines.engine import Engine, Obstacle
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, TimedOut, command_of
from mlops_desk.kit.base.text import plain

_EVIDENCE_LIMIT = 1000  # chosen: the engine quotes the runtime, which may quote all of a command
_TEXTS = {
    "gpu_toolkit_missing": "The engine has no way to hand GPUs to containers: NVIDIA's container toolkit is missing.",
    "cdi_stale": "The engine's CDI files do not name the job's GPUs: they are missing, or older than the driver.",
    "gpu_driver": "The container toolkit can't use the GPU driver as it is.",
    "engine_disk_full": "The engine's disk is full.",
    "engine_network_open": "The engine has a network of the desk's name on which containers would reach one another.",
    "engine_network_filter": "The engine can't keep jobs apart: the kernel lacks the filter between ports of a bridge.",
    "engine_network_full": "The engine has no addresses left for the network of jobs.",
    "engine_init_missing": "The engine lacks the small init program that containers run under.",
}
_RESTARTS = "restart docker"
# What Go's network library and the engines say of a registry that was not reached, or could not answer.
_NOT_REACHED = (
    "connection refused", "connection reset", "i/o timeout", "network is unreachable", "no route to host",
    "tls handshake timeout", "temporary failure in name resolution", "server misbehaving", "context deadline exceeded",
    "proxyconnect", "client.timeout", "unexpected http status: 5", "toomanyrequests", "unexpected eof",
)  # fmt: skip
_CERTIFICATE = ("x509:", "certificate signed by unknown authority")
_NO_SUCH_HOST = "no such host"
# Hosts of which a name server that does not know them has no connection to the world: nobody mistyped them.
_KNOWN_HOSTS = re.compile(
    r"\b([a-z0-9-]+\.)*(docker\.io|docker\.com|ghcr\.io|nvcr\.io|quay\.io|gcr\.io|pkg\.dev|gitlab\.com"
    r"|public\.ecr\.aws|mcr\.microsoft\.com)\b"
)
_LATER = "It is tried again once a minute."


def obstruction(error: Obstacle, engine: Engine) -> Reason:
    """Return why a container could not be started for now, and what mends it."""
    text = _TEXTS.get(error.word, "The engine could not start the job.")
    if _RESTARTS in (command_of(error.hint) or "") and not _survive_restart(engine):
        text = f"{text} Restarting Docker ends all running containers, as its live-restore is off."
    return Reason(error.word, text, plain(error.message, _EVIDENCE_LIMIT), error.hint)


def no_gpu_route() -> Reason:
    """Return why no job with a GPU can start on an engine that has no way to hand one over."""
    hint = Hint("mlops-desk doctor", before="What mends it: ")
    return Reason("gpu_toolkit_missing", _TEXTS["gpu_toolkit_missing"], hint=hint)


def unreachable(reference: str, error: DeskError) -> Reason | None:
    """Return why an image can't be fetched for now; None when it is no matter of reaching its registry."""
    said = error.message.lower()
    if isinstance(error, NotFound | TimedOut):
        return None
    text = f"The image {plain(reference)} is not on this machine, and its registry"
    evidence = plain(error.message, _EVIDENCE_LIMIT)
    if any(mark in said for mark in _CERTIFICATE):
        hint = Hint(
            "mlops-desk settings list", before="A proxy that looks into connections needs its certificates here: "
        )
        return Reason("registry_untrusted", f"{text} has a certificate that the engine does not trust.", evidence, hint)
    offline = _NO_SUCH_HOST in said and _KNOWN_HOSTS.search(said) is not None
    if not offline and not any(mark in said for mark in _NOT_REACHED):
        return None
    hint = Hint(f"docker pull {shlex.quote(plain(reference))}", before=f"{_LATER} To see for yourself: ")
    return Reason("registry_unreachable", f"{text} can't be reached.", evidence, hint)


def _survive_restart(engine: Engine) -> bool:
    try:
        return engine.info().live_restore
    except DeskError:
        return False  # not known, so the warning stands
