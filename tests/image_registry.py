"""A registry of images in this process, for engines to pull from: it can be slow, break off, fall silent, or refuse.

It speaks as much of the distribution API as a pull needs, on 127.0.0.1, which Docker takes without TLS. Its images are
made on the spot of busybox's sort: a layer is a tar with one file of so many bytes that do not pack.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import platform
import socketserver
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_CHUNK = 64 << 10


@dataclass
class ImageRegistry:
    """``bytes_per_second`` slows every layer; ``breaks`` are so many bytes of layers in all after which the next
    connection is cut, each once; ``silent_after``: nothing comes any more from so many bytes on, until ``goes_on``.
    """

    port: int = 0
    bytes_per_second: float | None = None
    breaks: list[int] = field(default_factory=list)
    silent_after: int | None = None
    goes_on: threading.Event = field(default_factory=threading.Event)
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    layers: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def layer_bytes(self) -> int:
        return sum(self.sent[digest] for digest in self.layers)

    def reference(self, name: str) -> str:
        return f"127.0.0.1:{self.port}/{name}"

    def add(self, name: str, sizes: tuple[int, ...]) -> str:
        """Have an image ``name`` (with its tag) of layers of so many bytes; return what it is pulled by."""
        layers, diff_ids = [], []
        for number, size in enumerate(sizes):
            packed, plain = _layer(f"data-{number}", size)
            digest = self._keep(packed)
            self.layers.add(digest)
            diff_ids.append(f"sha256:{hashlib.sha256(plain).hexdigest()}")
            layers.append({"mediaType": _LAYER, "size": len(packed), "digest": digest})
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        config = json.dumps(
            {
                "architecture": machine, "os": "linux", "config": {"Labels": {"io.mlops-desk.test": "1"}, "Cmd": ["x"]},
                "rootfs": {"type": "layers", "diff_ids": diff_ids},
                "history": [{"created_by": f"layer {number}"} for number in range(len(sizes))],
            }
        ).encode()  # fmt: skip
        described = {"mediaType": _CONFIG, "size": len(config), "digest": self._keep(config)}
        manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": described, "layers": layers}
        repository, _, tag = name.partition(":")
        document = json.dumps(manifest).encode()
        self.manifests[f"{repository}/{tag}"] = document
        self.manifests[f"{repository}/sha256:{hashlib.sha256(document).hexdigest()}"] = document
        return self.reference(name)

    def _keep(self, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = data
        return digest


def _layer(name: str, size: int) -> tuple[bytes, bytes]:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = size
        tar.addfile(info, io.BytesIO(os.urandom(size)))
    return gzip.compress(plain.getvalue(), compresslevel=1), plain.getvalue()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: ImageRegistry

    def log_message(self, *_args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        one = self.registry
        one.asked.append(self.path)
        parts = self.path.removeprefix("/v2/").split("/")
        if self.path == "/v2/":
            self._send(b"{}", "application/json", body=body)
        elif "manifests" in parts:
            key = "/".join([*parts[: parts.index("manifests")], parts[-1]])
            document = one.manifests.get(key)
            if document is None:
                self._send(
                    b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}', "application/json", 404,
                    body=body,
                )  # fmt: skip
            else:
                self._send(document, _MANIFEST, body=body)
        elif parts[-1] in one.blobs:
            self._send(one.blobs[parts[-1]], "application/octet-stream", body=body, blob=parts[-1])
        else:
            self._send(b"{}", "application/json", 404, body=body)

    def _send(self, data: bytes, kind: str, status: int = 200, *, body: bool, blob: str | None = None) -> None:
        begin = 0
        asked = self.headers.get("Range", "")
        if blob is not None and asked.startswith("bytes="):
            begin = int(asked.removeprefix("bytes=").partition("-")[0])
            status = 206
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) - begin))
        self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(data).hexdigest()}")
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if body:
            self._write(data[begin:], blob)

    def _write(self, data: bytes, blob: str | None) -> None:
        if blob is None or blob not in self.registry.layers:
            self.wfile.write(data)
            return
        for place in range(0, len(data), _CHUNK):
            piece = data[place : place + _CHUNK]
            if not self._may_go_on():
                self.close_connection = True
                self.connection.close()
                return
            self.wfile.write(piece)
            with self.registry.lock:
                self.registry.sent[blob] += len(piece)
            speed = self.registry.bytes_per_second
            if speed:
                time.sleep(len(piece) / speed)

    def _may_go_on(self) -> bool:
        one = self.registry
        if one.silent_after is not None and one.layer_bytes >= one.silent_after:
            one.goes_on.wait(60)
        with one.lock:
            if one.breaks and one.layer_bytes >= one.breaks[0]:
                one.breaks.pop(0)
                return False
        return True


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, *_args: Any) -> None:
        """Say nothing of connections that engines cut."""


@contextlib.contextmanager
def image_registry() -> Iterator[ImageRegistry]:
    registry = ImageRegistry()
    with _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"registry": registry})) as server:
        registry.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield registry
        finally:
            registry.goes_on.set()
            server.shutdown()
            thread.join()
