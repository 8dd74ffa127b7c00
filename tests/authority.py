"""A certificate authority of a test's own, which signs for localhost and named hosts: made by openssl, where it lies in ``folder``."""

import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path


class Authority:
    """``pem`` is what clients are to trust, ``certificate`` and ``certificate_key`` what a server shows."""

    def __init__(self, folder: Path, days: int = 30, hosts: Sequence[str] = ()) -> None:
        self.key = folder / "ca.key"
        self.file = folder / "ca.pem"
        self.certificate = folder / "server.pem"
        self.certificate_key = folder / "server.key"
        _openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(days),
            "-keyout", self.key, "-out", self.file, "-subj", "/CN=The lab",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip
        request = folder / "server.csr"
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                 self.certificate_key, "-out", request, "-subj", "/CN=localhost")  # fmt: skip
        more = folder / "server.ext"
        names = ["DNS:localhost", "IP:127.0.0.1", "IP:172.17.0.1", *(f"DNS:{host}" for host in hosts)]
        more.write_text(f"subjectAltName={','.join(names)}\n")
        _openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial", "-days",
                 str(days), "-out", self.certificate, "-extfile", more)  # fmt: skip
        self.pem = self.file.read_text()

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.certificate_key)
        return context


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=600)
