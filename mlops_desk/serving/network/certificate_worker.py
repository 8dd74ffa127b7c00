"""The worker that makes and judges certificates: ``python -m mlops_desk.serving.network.certificate_worker``.

Request: {"folder": where they are kept, "listen": address, "certificate": path or "", "key": path or ""}. The answer
is an ``ServerIdentity``. What the gateway is handed is a file that never changes again: its name says what is in it.

Certificates that somebody else has made: judged before the gateway is handed them. Runs in a worker alone.

The desk's own certificates: an authority that is made once, and certificates of its for the gateway.

Callers trust the authority, so that a certificate can be renewed, or get another name, without a word to them. Its key
lies in the agent's folder, 0600; whoever has it can pass for any server towards those who trust it, so callers are told
to give it to the one program that asks, and not to their system. Runs in a worker alone.
"""

import datetime as dt
import hashlib
import ipaddress
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Hint, Invalid, Unavailable
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.network.identity import IDENTITY, ServerIdentity

AUTHORITY = "authority.key"
OWN = "own.key"
CALLERS = "authority.pem"
_AUTHORITY_DAYS = 3650  # chosen: longer than the machine; callers have to be given another one then
_DAYS = 397
"""What browsers take at most (CA/Browser Forum, Baseline Requirements 6.3.2 until 2026)."""
_RENEW_DAYS = 60  # chosen: an agent that runs once in two months is enough
_SLACK = dt.timedelta(hours=1)  # chosen: callers' clocks may be behind
_ADDRESSES = Path("/proc/net/if_inet6")
_TEMPORARY = 0x01  # IFA_F_TEMPORARY of linux/if_addr.h
_ADDRESS_PREFERENCES, _LASTING = 72, 0x0002
"""IPV6_ADDR_PREFERENCES and IPV6_PREFER_SRC_PUBLIC of linux/in6.h, which Python does not name."""
_NAME_CHARACTERS = 64  # of a common name (RFC 5280, ub-common-name)


def own_identity(folder: Path, names: Sequence[str], now: dt.datetime) -> bytes:
    """Return key and certificates for ``names`` as PEM: those of last time, or new ones of the same authority.

    Raises Invalid where the authority's file is damaged: another one would be no callers' any more. Raises OSError.
    """
    key, authority = _authority(folder, now)
    known = _known(folder / OWN)
    if known is not None and _still_good(known, authority, names, now):
        return known
    own = ec.generate_private_key(ec.SECP256R1())
    made = _issued(names, own, key, authority, now)
    whole = _private(own) + _public(made) + _public(authority)
    write_atomically(folder / OWN, whole)
    return whole


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return the hosts and addresses that a certificate is for, in lower case; none of an old one with a name alone."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    hosts = [name.lower() for name in found.get_values_for_type(x509.DNSName)]
    return [*hosts, *(str(address) for address in found.get_values_for_type(x509.IPAddress))]


def machine_names(listen: str) -> list[str]:
    """Return what this machine is called, and its addresses: the one that it listens on, or all of them.

    No name server is asked, for one may take its time: the machine's own name, and as its neighbours find it (mDNS).
    """
    called = socket.gethostname().lower().rstrip(".")
    hosts = [called, f"{called.partition('.')[0]}.local", "localhost"] if _is_host(called) else ["localhost"]
    wanted = ipaddress.ip_address(listen)
    if not wanted.is_unspecified:
        return [*dict.fromkeys(hosts), str(wanted)]
    families = {socket.AF_INET, socket.AF_INET6} if wanted.version == 6 else {socket.AF_INET}
    found = (one for addresses in psutil.net_if_addrs().values() for one in addresses)
    addresses = {
        str(ipaddress.ip_address(one.address)) for one in found if one.family in families and "%" not in one.address
    } - _passing()
    outward = [_outward(version) for version in ((6, 4) if wanted.version == 6 else (4,))]
    first = [address for address in outward if address in addresses]
    return [*dict.fromkeys([*hosts, *first, *sorted(addresses)])]


def _outward(version: int) -> str | None:
    """Return this machine's address on the way to others, not that of a bridge of its own; None without such a way."""
    family, anybody = (socket.AF_INET, "192.0.2.1") if version == 4 else (socket.AF_INET6, "2001:db8::1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            if version == 6:
                asking.setsockopt(socket.IPPROTO_IPV6, _ADDRESS_PREFERENCES, _LASTING)
            asking.connect((anybody, 9))  # of a datagram's socket: the kernel looks for the way, and sends nothing
            return str(ipaddress.ip_address(asking.getsockname()[0].partition("%")[0]))
    except OSError:
        return None


def _passing() -> set[str]:
    """Return the addresses of IPv6 that this machine changes each day, so that nobody knows it again (RFC 8981)."""
    try:
        rows = [line.split() for line in _ADDRESSES.read_text().splitlines()]
    except OSError:  # there is no IPv6
        return set()
    return {str(ipaddress.IPv6Address(bytes.fromhex(row[0]))) for row in rows if int(row[4], 16) & _TEMPORARY}


def _authority(folder: Path, now: dt.datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """Return the authority, which is made where there is none. Raises Invalid, OSError."""
    path = folder / AUTHORITY
    try:
        kept = path.read_bytes()
    except FileNotFoundError:
        kept = _made_authority(now)
        write_atomically(path, kept)
    try:
        key = serialization.load_pem_private_key(kept, password=None)
        certificate = x509.load_pem_x509_certificate(kept)
    except ValueError as error:
        hint = Hint(f"mv {path} {path}.damaged", before="Callers have to be given another one then: ")
        raise Invalid(f"The desk's own authority in {path} is damaged, and no other one was made.", hint) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        raise Invalid(f"The desk's own authority in {path} is of another key.", f"Move {path} away for a new one.")
    callers = folder / CALLERS
    if _known(callers) != _public(certificate):
        write_atomically(callers, _public(certificate), mode=0o644)
    return key, certificate


def _made_authority(now: dt.datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    text = f"MLOps Desk of user {os.getuid()} on {socket.gethostname()}"[:_NAME_CHARACTERS]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    made = (
        _begun(name, name, key.public_key(), now, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return _private(key) + _public(made)


def _issued(
    names: Sequence[str],
    own: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    now: dt.datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_NAME_CHARACTERS])])
    of_authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return (
        _begun(subject, authority.subject, own.public_key(), now, _DAYS)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(of_authority, critical=False)
        .sign(key, hashes.SHA256())
    )


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _is_host(name: str) -> bool:
    """Tell whether a machine's name may stand in a certificate, which is not so of all that people call machines."""
    return bool(name) and name.isascii() and all(part and part.replace("-", "").isalnum() for part in name.split("."))


def _still_good(known: bytes, authority: x509.Certificate, names: Sequence[str], now: dt.datetime) -> bool:
    """Tell whether what was made last time serves on; a damaged file does not, and is made anew."""
    try:
        certificate = x509.load_pem_x509_certificate(known)
        serialization.load_pem_private_key(known, password=None)
    except ValueError:
        return False
    lasts = certificate.not_valid_after_utc - now > dt.timedelta(days=_RENEW_DAYS)
    return lasts and _is_signed(certificate, authority) and set(names) <= set(names_of(certificate))


def _is_signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _known(path: Path) -> bytes | None:
    """Return what is kept in a file; None where nothing is. Raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


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
