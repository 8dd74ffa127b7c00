"""The worker that makes and judges certificates: ``python -m mlops_desk.serving.network.certificate_worker``.

Request: {"folder": where they are kept, "listen": address, "certificate": path or "", "key": path or ""}. The answer
is an ``ServerIdentity``. What the gateway is handed is a file that never changes again: its name says what is in it.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from mlops_desk.base import wire
from mlops_desk.base.disk.files import write_atomically
from mlops_desk.base.errors import Hint, Invalid, Unavailable
from mlops_desk.base.process import serve_one
from mlops_desk.serving.network.authority import CALLERS, machine_names, names_of, own_identity
from mlops_desk.serving.network.given import given_identity
from mlops_desk.serving.network.identity import IDENTITY, ServerIdentity


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types. Raises Invalid, Unavailable."""
    folder, now = Path(request["folder"]), dt.datetime.now(dt.UTC)
    certificate, key = (Path(request[word]).expanduser() if request[word] else None for word in ("certificate", "key"))
    if (certificate is None) != (key is None):
        raise Invalid(
            "A certificate needs its key, and a key its certificate.",
            Hint("mlops-desk settings set serving.tls_key PATH", before="Set both, or neither for the desk's own: "),
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if certificate is not None and key is not None:
            return wire.to_builtins(_kept(folder, given_identity(certificate, key, now), certificate))
        names = machine_names(request["listen"])
        return wire.to_builtins(_kept(folder, own_identity(folder, names, now), None, names))
    except OSError as error:
        raise Unavailable(f"Certificates can't be kept in {folder}: {error.strerror}.", "Is the disk full?") from error


def _kept(folder: Path, pem: bytes, given: Path | None, first: Sequence[str] = ()) -> ServerIdentity:
    """Write an identity down; of its names those that are the best to ask by come ``first``."""
    path = folder / IDENTITY.format(hashlib.sha256(pem).hexdigest()[:16])
    if not path.exists():
        write_atomically(path, pem)
    own = x509.load_pem_x509_certificate(pem)
    callers = own if given is not None else x509.load_pem_x509_certificate((folder / CALLERS).read_bytes())
    return ServerIdentity(
        path=str(path),
        names=tuple(dict.fromkeys([*first, *names_of(own)])),
        expires_at=own.not_valid_after_utc.timestamp(),
        is_own=given is None,
        certificate=str(given or folder / CALLERS),
        fingerprint=callers.fingerprint(hashes.SHA256()).hex(":").upper(),
        pem=callers.public_bytes(serialization.Encoding.PEM).decode(),
    )


if __name__ == "__main__":
    serve_one(answer)
