"""A web server of a lab, over TLS: an index of packages and a repository behind a login, and a page for everybody."""

import base64
import hashlib
import subprocess
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.authority import Authority

HELLO = "hello from the lab"


class LabServer:
    """Serves ``folder``; what lies in simple/ and git/ is for ``login`` (USER:PASSWORD). ``asked``: (login, path).

    /away sends whoever asks to ``elsewhere``. Without an ``authority`` it speaks http.
    """

    def __init__(self, folder: Path, login: str, authority: Authority | None = None, elsewhere: str = "") -> None:
        folder.mkdir(exist_ok=True)
        (folder / "hello").write_text(f"{HELLO}\n")
        self.folder = folder
        self.wanted: str | None = f"Basic {base64.b64encode(login.encode()).decode()}"
        self.elsewhere = elsewhere
        self.asked: list[tuple[str | None, str]] = []
        handler = type("Handler", (_Handler,), {"lab": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if authority is not None:
            self._server.socket = authority.server_context().wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def add_package(self, name: str) -> Path:
        """Put a package that says its name when it is imported into the index; return its wheel."""
        place = self.folder / "simple" / name.replace("_", "-")  # as every installer asks for it
        place.mkdir(parents=True, exist_ok=True)
        file = wheel(place, name)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        (place / "index.html").write_text(f'<a href="{file.name}#sha256={digest}">{file.name}</a>')
        return file

    def add_repository(self, name: str, **files: str) -> None:
        """Put a repository with one commit where git fetches it by plain files."""
        work = self.folder.with_name(f"{name}-work")
        _git("init", "-q", "-b", "main", str(work))
        for file, text in files.items():
            (work / file).write_text(text)
        _git("-C", str(work), "add", ".")
        _git("-C", str(work), "-c", "user.name=Ada", "-c", "user.email=ada@lab", "commit", "-q", "-m", "Begin")
        bare = self.folder / "git" / f"{name}.git"
        _git("clone", "-q", "--bare", str(work), str(bare))
        _git("-C", str(bare), "update-server-info")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(SimpleHTTPRequestHandler):
    lab: LabServer

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, directory=str(self.lab.folder), **more)

    def log_message(self, *_: object) -> None:
        """Be silent."""

    def do_GET(self) -> None:
        login = self.headers.get("Authorization")
        self.lab.asked.append((login, self.path))
        if self.path.startswith("/away"):
            self._answer(302, "Location", self.lab.elsewhere)
        elif self.path.startswith(("/simple", "/git")) and self.lab.wanted not in {None, login}:
            self._answer(401, "WWW-Authenticate", 'Basic realm="lab"')
        else:
            super().do_GET()

    def _answer(self, status: int, name: str, value: str) -> None:
        self.send_response(status)
        self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


def wheel(folder: Path, name: str) -> Path:
    """Make a wheel of one module that has its own name in ``SAID``."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": f"SAID = {name!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    target = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as packed:
        for path, text in files.items():
            packed.writestr(path, text)
    return target


def _git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True, timeout=600)
