"""Certificates made on the spot: an authority, what it signs, what signs itself; and a web server that shows one."""

import datetime as dt
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Signed:
    """A certificate with its key; without an ``issuer`` it signed itself."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def write(self, path: Path) -> Path:
        """Write the certificate and, behind it, its key."""
        encoding = serialization.Encoding.PEM
        key = self.key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(self.certificate.public_bytes(encoding) + key)
        return path


def sign(name: str, issuer: Signed | None = None, *, authority: bool = False, days: int = 2) -> Signed:
    """Make a certificate for a host, or for an authority; with ``days`` below zero it has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    by = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if authority:
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
    return Signed(builder.sign(by, hashes.SHA256()), key)


class SecureServer:
    """Answers 204 over TLS on this machine's ``host``; keeps requests, and the names that were asked for (SNI)."""

    def __init__(self, signed: Signed, folder: Path, host: str = "127.0.0.1") -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(signed.write(folder / f"{signed.certificate.serial_number}.pem"))
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.names: list[str | None] = []
        self.requests: list[bytes] = []
        family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        self._context = context
        self._listener = socket.create_server(address[:2], family=family)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_SECONDS)
            try:
                with self._context.wrap_socket(connection, server_side=True) as secured:
                    self.requests.append(secured.recv(65536))
                    secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            except OSError:  # who does not trust it hangs up
                connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE_SECONDS)
