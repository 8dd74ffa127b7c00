"""Certificates that are trusted beside the usual ones: judged, and put together with those.

Programs that are given a file trust nothing else, so a file that held the added ones alone would cut a job off from
everything public that no proxy looks into.
"""

import math
import re
import ssl
import time
from pathlib import Path

from mlops_desk.base.errors import Hint, Invalid
from mlops_desk.base.text import plain

_USUAL = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
)
_LARGEST_BYTES = 4 << 20  # chosen: ten times what the usual ones take
_KEY = "PRIVATE KEY-----"
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_DAY_SECONDS = 86_400


def read_bundle(path: str) -> str:
    """Return the certificates in a file, without what is written between them.

    Raises Invalid for a file that has none, and for one with a key.
    """
    file = Path(path).expanduser()
    title = "Certificates trusted besides"
    try:
        if not file.is_file():
            raise Invalid(f"{title}: there is no file {plain(str(file))}.", "Name a file of PEM certificates.")
        if file.stat().st_size > _LARGEST_BYTES:
            raise Invalid(f"{title}: {plain(str(file))} has more than {_LARGEST_BYTES >> 20} MiB.")
        data = file.read_bytes()
    except OSError as error:
        look = Hint(f"ls -l {file}", before="Everybody may read certificates: ")
        raise Invalid(f"{title}: {plain(str(file))} can't be read: {error.strerror}.", look) from error
    text = data.decode("utf-8", "replace")
    if _KEY in text:
        text = f"{title}: {plain(str(file))} holds a private key."
        raise Invalid(text, "Every job would get it: name a file that holds the certificate alone.")
    found = "".join(f"{block}\n" for block in _BLOCK.findall(text))
    try:
        _loaded(found)
    except (ssl.SSLError, ValueError) as error:
        hint = Hint(f"openssl x509 -inform der -in {file} -out ca.pem", before="A DER file becomes PEM by: ")
        raise Invalid(f"{title}: {plain(str(file))} is no file of PEM certificates.", hint) from error
    return found


def check_holds(path: str, text: str, now: float | None = None) -> None:
    """Raise Invalid where every certificate has run out; of several, an old one does no harm."""
    ends = _ends(text)
    past = (time.time() if now is None else now) - max(ends, default=math.inf)
    if past > 0:
        text = f"Certificates trusted besides: what is in {plain(path)} ran out {past / _DAY_SECONDS:.0f} days ago."
        raise Invalid(text, Hint(f"openssl x509 -in {path} -noout -subject -enddate", before="Ask for a newer one: "))


def first_end(text: str) -> float | None:
    """Return when the first of the certificates runs out (Unix seconds); None where none is of an authority."""
    return min(_ends(text), default=None)


def _ends(text: str) -> list[int]:
    return [ssl.cert_time_to_seconds(str(one["notAfter"])) for one in _loaded(text).get_ca_certs() if "notAfter" in one]


def days_left(text: str, now: float | None = None) -> float | None:
    """Return how many days are left of the certificate that runs out first."""
    end = first_end(text)
    return None if end is None else (end - (time.time() if now is None else now)) / _DAY_SECONDS


def with_usual(text: str, usual: tuple[str, ...] = _USUAL) -> bytes:
    """Return the certificates together with those that this machine trusts anyway, as far as it has any."""
    for name in usual:
        try:
            return Path(name).read_bytes().rstrip() + b"\n" + text.encode()
        except OSError:
            continue  # another distribution's place
    import certifi  # noqa: PLC0415 - only where the system has none of its own

    return Path(certifi.where()).read_bytes().rstrip() + b"\n" + text.encode()


def _loaded(text: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=text)  # ValueError for an empty one
    return context
