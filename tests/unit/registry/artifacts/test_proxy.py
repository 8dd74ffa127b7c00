"""Another server's files: what it hands out is taken within limits, and where it lies, drips or sends away it is left."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.registry.artifacts import proxy
from mlops_desk.registry.artifacts.proxy import ProxyFiles
from mlops_desk.registry.artifacts.source import FilesSource
from mlops_desk.registry.records.model import Artifact

ROUTE = "/api/2.0/mlflow-artifacts/artifacts"


class Server:
    """Answers by ``answer(handler)``; ``asked`` has (path, query, login)."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda handler: send(handler, b"{}")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                outer.asked.append((unquote(parts.path), parts.query, self.headers.get("Authorization")))
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                """Be silent."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    @property
    def files(self) -> ProxyFiles:
        url = f"http://127.0.0.1:{self._http.server_port}{ROUTE}"
        return ProxyFiles(FilesSource("3/abc/artifacts", "", url, {"Authorization": "Bearer t"}))

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def send(handler: BaseHTTPRequestHandler, data: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(data)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def listing(*files: object) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: send(handler, json.dumps({"files": files}).encode())


@pytest.mark.slow
def test_a_folder_is_listed_with_the_registrys_login(server: Server) -> None:
    server.answer = listing({"path": "b.txt", "is_dir": False, "file_size": "7"}, {"path": "a b", "is_dir": True})
    assert server.files.list("model/x") == [
        Artifact("model/x/a b", is_folder=True),
        Artifact("model/x/b.txt", size_bytes=7),
    ]
    assert server.asked == [(ROUTE, "path=3%2Fabc%2Fartifacts%2Fmodel%2Fx", "Bearer t")]
    assert [one.path for one in server.files.walk("", 4)] == ["b.txt", "a b/b.txt"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", "..", "", "a\\b", 3, None, "x" * 300, "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(server: Server, name: object) -> None:
    server.answer = listing({"path": name, "is_dir": False})
    with pytest.raises(Refused):
        server.files.list("")


@pytest.mark.slow
@pytest.mark.parametrize("size", [None, "many", -1, "1e9", 1.5, [3]])
def test_a_size_that_is_none_is_not_known(server: Server, size: object) -> None:
    server.answer = listing({"path": "a", "file_size": size})
    assert server.files.list("") == [Artifact("a")]


@pytest.mark.slow
def test_a_file_is_fetched_up_to_a_limit(server: Server) -> None:
    server.answer = lambda handler: send(handler, b"0123456789")
    with server.files.open("a b/ü%25.txt", 100) as opened:
        assert (opened.stream.read(), opened.size_bytes, opened.is_whole) == (b"0123456789", 10, True)
    assert server.asked[0][0] == f"{ROUTE}/3/abc/artifacts/a b/ü%25.txt"
    with server.files.open("a", 4) as opened:
        assert (opened.stream.read(), opened.size_bytes, opened.is_whole) == (b"0123", 10, False)
    with server.files.open("a", 10) as opened:
        assert opened.is_whole


@pytest.mark.slow
def test_what_is_sent_without_end_is_left_at_the_limit(server: Server) -> None:
    sent = []

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(1000):
                handler.wfile.write(b"x" * (1 << 20))
                sent.append(1)
        except OSError:
            pass

    server.answer = endless
    with server.files.open("a", 1000) as opened:
        assert (len(opened.stream.read()), opened.size_bytes, opened.is_whole) == (1000, None, False)
    with pytest.raises(Refused, match="too long"):
        server.files.list("")
    assert len(sent) < 500


def test_a_packed_answer_is_not_unpacked(server: Server) -> None:
    server.answer = lambda handler: send(handler, b"\x1f\x8bnonsense", Content_Encoding="gzip")
    with server.files.open("a", 100) as opened:
        assert opened.stream.read() == b"\x1f\x8bnonsense"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Refused),
        (403, Refused),
        (404, NotFound),
        (400, NotFound),
        (302, Refused),
        (307, Refused),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_each_refusal_is_told_as_what_it_is(server: Server, status: int, kind: type[DeskError]) -> None:
    server.answer = lambda handler: send(
        handler, b"<html>secret</html>", status, Location="http://127.0.0.1:1/elsewhere"
    )
    with pytest.raises(kind) as told, server.files.open("a", 100):
        pass
    assert type(told.value) is kind
    assert len(server.asked) == 1
    assert "secret" not in told.value.message


@pytest.mark.slow
@pytest.mark.parametrize("data", [b"", b"nonsense", b"[]", b"[" * 100_000, b'{"files": 3}', b'{"files": [3]}'])
def test_garbage_instead_of_a_list_is_none(server: Server, data: bytes) -> None:
    server.answer = lambda handler: send(handler, data)
    if data.startswith(b"{"):
        assert server.files.list("") == []
        return
    with pytest.raises(Unavailable, match="list of files"):
        server.files.list("")


@pytest.mark.slow
def test_a_server_that_says_nothing_is_timed_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "_TIMEOUT_SECONDS", 0.2)
    server.answer = lambda _: time.sleep(1)
    with pytest.raises(TimedOut):
        server.files.list("")


def test_a_server_that_is_not_there_is_unavailable() -> None:
    files = ProxyFiles(FilesSource("a", "", "http://127.0.0.1:9/x"))
    with pytest.raises(Unavailable, match="can't be read"):
        files.list("")
