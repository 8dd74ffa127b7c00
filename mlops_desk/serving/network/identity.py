"""What the gateway shows who it is with, and how it is had: by a worker, for what it takes to make one is heavy."""

from dataclasses import dataclass
from pathlib import Path

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.process import run_worker

IDENTITY = "identity-{}.pem"
_WORKER = "mlops_desk.serving.network.certificate_worker"
_SECONDS = 10.0  # chosen: it makes two keys and asks what this machine is called, which may ask a name server


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """A key with its certificates at ``path``, for ``names``, until the Unix time ``expires_at``.

    Callers trust ``pem``, which lies at ``certificate``; ``fingerprint`` is its SHA-256.
    """

    path: str
    names: tuple[str, ...]
    expires_at: float
    is_own: bool
    certificate: str
    fingerprint: str
    pem: str


def identity_of(folder: Path, listen: str, certificate: str, key: str) -> ServerIdentity:
    """Return the identity for an address: the given one, or the desk's own where none is. Raises DeskError."""
    request = {"folder": str(folder), "listen": listen, "certificate": certificate, "key": key}
    return wire.from_builtins(run_worker(_WORKER, request, _SECONDS), ServerIdentity)


def clear(folder: Path, kept: set[str]) -> None:
    """Remove identities that nobody serves by any more. Raises OSError."""
    for path in folder.glob(IDENTITY.format("*")):
        if str(path) not in kept:
            path.unlink(missing_ok=True)
