"""A registry of images of a test's own: one small image, given out to who logs in as somebody in ``people``.

It listens on the loopback address, which engines speak plain HTTP to.
"""

import base64
import gzip
import hashlib
import io
import json
import platform
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class RegistryDouble:
    """``people`` maps users to passwords; empty: everybody may have it. ``asked`` lists (user or None, path)."""

    def __init__(self, people: dict[str, str]) -> None:
        self.people = people
        self.asked: list[tuple[str | None, str]] = []
        self.blobs: dict[str, bytes] = {}
        self._make()
        handler = type("Handler", (_Handler,), {"registry": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.host = f"localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def reference(self, tag: str = "1") -> str:
        return f"{self.host}/team/private:{tag}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _make(self) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            info = tarfile.TarInfo("secret-sauce")
            info.size = 6
            tar.addfile(info, io.BytesIO(b"sauce\n"))
        layer = gzip.compress(packed.getvalue(), mtime=0)
        self.layer = f"sha256:{hashlib.sha256(layer).hexdigest()}"
        architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        config = json.dumps({
            "architecture": architecture, "os": "linux", "config": {"Cmd": ["/secret-sauce"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(packed.getvalue()).hexdigest()}"]},
        }).encode()  # fmt: skip
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": _MANIFEST,
            "config": self._blob("application/vnd.docker.container.image.v1+json", config),
            "layers": [self._blob("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)],
        }).encode()  # fmt: skip
        self.digest = f"sha256:{hashlib.sha256(self.manifest).hexdigest()}"

    def _blob(self, kind: str, data: bytes) -> dict[str, object]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = data
        return {"mediaType": kind, "size": len(data), "digest": digest}


class _Handler(BaseHTTPRequestHandler):
    default_request_version = "HTTP/1.0"  # who tries TLS first is to see that here is none
    registry: RegistryDouble

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, *_: object) -> None:
        """Be silent."""

    def _answer(self, *, with_body: bool) -> None:
        user = self._user()
        self.registry.asked.append((user, self.path))
        if self.registry.people and user is None:
            self._send(
                401, b'{"errors": [{"code": "UNAUTHORIZED"}]}', with_body, ("WWW-Authenticate", 'Basic realm="x"')
            )
            return
        name = self.path.rpartition("/")[2]
        if self.path == "/v2/":
            self._send(200, b"{}", with_body)
        elif "/manifests/" in self.path and name in {"1", self.registry.digest}:
            digest = ("Docker-Content-Digest", self.registry.digest)
            self._send(200, self.registry.manifest, with_body, digest, ("Content-Type", _MANIFEST))
        elif "/blobs/" in self.path and name in self.registry.blobs:
            self._send(200, self.registry.blobs[name], with_body, ("Content-Type", "application/octet-stream"))
        else:
            self._send(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}', with_body)

    def _user(self) -> str | None:
        kind, _, told = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(told).decode().partition(":") if kind == "Basic" else ("", "", "")
        return user if user and self.registry.people.get(user) == password else None

    def _send(self, status: int, data: bytes, with_body: bool, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Docker-Distribution-Api-Version", "registry/2.0")):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if with_body:
            self.wfile.write(data)
