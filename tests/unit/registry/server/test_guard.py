"""The guard of the tracking server: a token on every method, exact hosts, no foreign pages, a list of paths."""

import asyncio
import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_desk.registry.server import request_bodies
from tests.unit.registry.guard_rig import HOST, OWN, OWNER, Door

PATH = "/api/2.0/mlflow/runs/search"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"]
FOREIGN_HOSTS = ["evil.example", "evil.example:5000", "127.0.0.1", "127.0.0.1:5001", "127.0.0.1:5000.evil.example",
                 "localhost.evil.example:5000", "[::1]:5000", "0.0.0.0:5000", "", "127.0.0.1:5000@evil.example"]  # fmt: skip
FOREIGN_ORIGINS = ["http://evil.example", "null", "https://127.0.0.1:5000", "http://127.0.0.1:5001", "file://", ""]


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    return Door(tmp_path_factory.mktemp("store"))


@pytest.fixture
def ask(door):
    """Return the status that a request gets; 200 means that it reached the application."""

    def asked(method="GET", path=PATH, host=HOST, authorization=f"Bearer {OWNER}", origin=None):
        headers = {"host": host, "authorization": authorization, "origin": origin}
        return door.ask(method, path, **headers)[0]

    return asked


@pytest.mark.parametrize("method", METHODS)
def test_every_method_wants_the_token_the_host_and_no_foreign_page(ask, method):
    assert ask(method) == 200
    assert ask(method, authorization=None) == 401
    assert {ask(method, host=host) for host in FOREIGN_HOSTS} == {403}
    assert {ask(method, origin=origin) for origin in FOREIGN_ORIGINS} == {403}


@pytest.mark.parametrize("twice", ["host", "authorization"])
def test_what_decides_is_given_once(door, twice):
    """Of two hosts or tokens nobody knows which the next reader takes."""
    given = {"host": HOST, "authorization": f"Bearer {OWNER}"}
    refused = {"host": 403, "authorization": 401}[twice]
    for first, second in ((given[twice], given[twice]), (given[twice], "x"), ("x", given[twice])):
        headers = [(name.encode(), value.encode()) for name, value in given.items() if name != twice]
        headers += [(twice.encode(), value.encode()) for value in (first, second)]
        assert statuses(door, headers) == [refused]
    assert statuses(door, [(name.encode(), value.encode()) for name, value in given.items() if name != twice]) == [
        refused
    ]
    assert statuses(door, [(name.upper().encode(), value.encode()) for name, value in given.items()]) == [200]


def statuses(door, headers):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(door._guard({"type": "http", "method": "GET", "path": PATH, "headers": headers}, receive, send))
    return [message["status"] for message in sent if "status" in message]


def test_workspaces_which_this_server_has_none_of_are_refused_as_such(door):
    for call, method in (("runs/search", "POST"), ("runs/get", "GET")):
        status, text = door.ask(method, f"/api/2.0/mlflow/{call}", **{"x-mlflow-workspace": "other"})
        assert (status, "workspace" in text) == (400, True)
        assert door.ask(method, f"/api/2.0/mlflow/{call}", **{"x-mlflow-workspace": "default"})[0] == 200


@pytest.mark.parametrize("path", ["a//b", "/etc", "a/./b", "a/../b", "a/"])
def test_a_file_is_put_by_a_path_that_is_one(door, path):
    """MLflow answers such a path as if it had failed itself, so that clients try again and again."""
    for token in (OWNER, None):
        assert door.ask("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}", b"x", token=token)[0] == 400
    assert door.ask("PUT", "/api/2.0/mlflow-artifacts/artifacts/a/b c?;%2e.txt", b"x", token=OWNER)[0] == 200


def test_a_token_that_is_void_opens_nothing(door):
    from mlops_desk.registry.server.tickets import Grant

    token = door.tickets.issue(Grant("run", "z-a1"))
    assert door.ask("GET", PATH, token=token)[0] == 200
    door.tickets.void("z-a1")
    status, text = door.ask("GET", PATH, token=token)
    assert status == 401
    assert "void once the job is over" in text


def test_a_body_that_does_not_end_is_given_up(door, monkeypatch):
    monkeypatch.setattr(request_bodies, "BODY_SECONDS", 0.05)

    async def receive():
        await asyncio.Event().wait()

    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"host", HOST.encode()), (b"authorization", f"Bearer {OWNER}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/api/2.0/mlflow/runs/create", "headers": headers}
    asyncio.run(door._guard(scope, receive, send))
    assert sent[0]["status"] == 408


def test_a_store_that_can_not_be_read_lets_nothing_through(tmp_path):
    door = Door(tmp_path)
    (tmp_path / "mlflow.db").write_bytes(b"no database at all, but long enough to be read as one" * 100)
    assert door.call("POST", "runs/update", {"run_id": "b" * 32, "status": "FAILED"})[0] == 503
    assert door.reached == []


def test_the_token_may_come_as_bearer_or_as_password(ask):
    basic = base64.b64encode(f"anyone:{OWNER}".encode()).decode()
    assert ask(authorization=f"Basic {basic}") == 200
    assert ask(authorization=f"bearer {OWNER}") == 200
    assert ask(origin=f"http://{HOST}") == 200


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(max_codepoint=255, blacklist_characters="\r\n"), max_size=40))
def test_nothing_else_opens(ask, text):
    for authorization in (text, f"Bearer {text}", f"Basic {text}", f"Bearer {OWNER}{text or 'x'}"):
        if text.strip() and authorization.strip() != f"Bearer {OWNER}":
            assert ask(authorization=authorization) == 401 or authorization.split() == ["Bearer", OWNER]


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/webhooks/create",
        "/ajax-api/2.0/mlflow/gateway-proxy",
        "/ajax-api/3.0/mlflow/assistant/message",
        "/api/3.0/mlflow/jobs/create",
        "/ajax-api/3.0/mlflow/scorers",
        "/api/3.0/mlflow/mcp-servers",
        "/gateway/x/mlflow/invocations",
        "/graphql",
        "/api/2.0/mlflow/runsx",
        "//api/2.0/mlflow/webhooks/create",
        "/api/2.0/mlflow/",
        "/docs",
    ],
)
def test_what_reaches_out_or_runs_programs_is_not_served(ask, path):
    assert ask(path=path) == 403


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/experiments/get-by-name",
        "/api/2.0/mlflow/registered-models/alias",
        "/api/2.0/mlflow-artifacts/artifacts/0/m-1/artifacts/MLmodel",
        "/api/3.0/mlflow/server-info",
        "/api/2.0/mlflow/logged-models/m-1",
        "/version",
        "/health",
        "/",
    ],
)
def test_runs_models_and_files_are(ask, path):
    assert ask(path=path) == 200


def test_a_web_socket_is_closed(door):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(door._guard({"type": "websocket"}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize("call", ["log-metric", "set-tag"])
def test_a_token_that_becomes_void_while_the_body_comes_opens_nothing(tmp_path, call):
    door = Door(tmp_path)
    sent = []

    async def receive():
        door.tickets.void("j-a1")  # the job ends between head and body
        body = {"run_id": OWN, "key": "loss", "value": 1.0 if call == "log-metric" else "x", "timestamp": 1, "step": 1}
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message):
        sent.append(message)

    headers = [(b"host", HOST.encode()), (b"authorization", f"Bearer {door.ticket}".encode())]
    scope = {"type": "http", "method": "POST", "path": f"/api/2.0/mlflow/runs/{call}", "headers": headers}
    asyncio.run(door._guard(scope, receive, send))
    assert sent[0]["status"] == 403
    assert b"the job is over" in sent[1]["body"]
    assert door.reached == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_address_with_a_nul_is_refused(tmp_path, method):
    door = Door(tmp_path)
    for path in ("../\0/x", f"1/{OWN}/artifacts/a\0b", "..\0/x"):
        status, text = door.ask(method, f"/api/2.0/mlflow-artifacts/artifacts/{path}", b"x", token=OWNER)
        assert (status, "NUL" in text) == (400, True)
    assert not door.reached


@pytest.mark.parametrize(
    "body", [b'{"run_id": "\\ud800"}', b'{"tags": [{"key": "a", "value": "\\udc00x"}]}', b'{"\\ud800": 1}']
)
def test_half_of_a_character_in_a_body_is_refused(tmp_path, body):
    door = Door(tmp_path)
    status, text = door.ask("POST", "/api/2.0/mlflow/runs/set-tag", body, token=OWNER)
    assert (status, "lone surrogate" in text, door.reached) == (400, True, [])
