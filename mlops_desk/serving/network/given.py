"""Certificates that somebody else has made: judged before the gateway is handed them. Runs in a worker alone."""

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from mlops_desk.base.errors import Hint, Invalid
from mlops_desk.base.text import plain
from mlops_desk.serving.network.authority import names_of

_LARGEST_BYTES = 1 << 20  # chosen: a chain of five has some 10 kB


def given_identity(certificate: Path, key: Path, now: dt.datetime) -> bytes:
    """Return key and certificates, the server's own first, as one PEM. Raises Invalid for what can't be served by."""
    chain_bytes, key_bytes = _read(certificate), _read(key)
    try:
        chain = x509.load_pem_x509_certificates(chain_bytes)
    except ValueError as error:
        raise Invalid(f"{_shown(certificate)} is no file of PEM certificates.", _look(certificate)) from error
    try:
        private = serialization.load_pem_private_key(key_bytes, password=None)
    except TypeError as error:
        hint = Hint(f"openssl pkey -in {key} -out KEY", before="A key without one: ")
        raise Invalid(f"The key in {_shown(key)} wants a password, which nobody is there to give.", hint) from error
    except ValueError as error:
        raise Invalid(f"{_shown(key)} holds no PEM key that can be read.", "Name the certificate's key.") from error
    if chain[0].public_key() != private.public_key():
        text = f"The key in {_shown(key)} is not that of the first certificate in {_shown(certificate)}."
        raise Invalid(text, "The server's own certificate comes first in the file.")
    if chain[0].not_valid_after_utc <= now:
        raise Invalid(f"The certificate in {_shown(certificate)} has run out.", _look(certificate))
    if not names_of(chain[0]):
        text = f"The certificate in {_shown(certificate)} names no host (subjectAltName), so no caller takes it."
        raise Invalid(text, _look(certificate))
    encoded = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return encoded + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise Invalid(f"There is no file {_shown(path)}.", "Check the path.")
        if path.stat().st_size > _LARGEST_BYTES:
            raise Invalid(f"{_shown(path)} is too large for a certificate or a key.")
        return path.read_bytes()
    except OSError as error:
        look = Hint(f"ls -l {path}", before="The agent's user has to be able to read it: ")
        raise Invalid(f"{_shown(path)} can't be read: {error.strerror}.", look) from error


def _shown(path: Path) -> str:
    return plain(str(path), 300)


def _look(path: Path) -> Hint:
    return Hint(f"openssl x509 -in {path} -noout -text", before="Look at it: ")
