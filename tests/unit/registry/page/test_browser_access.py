"""The door of MLflow's page: one browser of one person, opened once; jobs, other pages and other users gain nothing."""

import asyncio
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mlops_desk.registry.page import OF_A_VISIT, PageDoor, Visit, Visits

PORT = 5000
OWNER = "owner-token"
ME = f"user {os.getuid()}"
RUN = "a" * 32


class Front:
    """A door with an application behind it that notes what reached it."""

    def __init__(self, root: Path, *, has_page: bool = True) -> None:
        self.visits = Visits(root / "access" / "visits", root / "used")
        self.reached: list[dict[str, Any]] = []
        self.door = PageDoor(self._app, self.visits, OWNER, PORT, has_page=has_page)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached.append(scope)
        headers = [(b"Set-Cookie", b"session=flask"), (b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"the page"})

    def ask(
        self, path: str, *, host: str = "127.0.0.1:5000", method: str = "GET", peer: str = ME, query: str = "", **headers: str | None
    ) -> tuple[int, dict[str, str], str]:  # fmt: skip
        """Return status, headers and body of an answer."""
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        given = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        scope = {
            "type": "http", "method": method, "path": path, "query_string": query.encode(), "state": {"peer": peer},
            "headers": [(name.encode(), value.encode()) for name, value in given.items() if value is not None],
        }  # fmt: skip
        asyncio.run(self.door(scope, receive, send))
        told = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], told, b"".join(part.get("body", b"") for part in sent[1:]).decode()

    def opened(self) -> tuple[Visit, str]:
        """Open a visit; return it and the cookie that the browser got."""
        visit, token = self.visits.issue(os.getuid())
        status, headers, _ = self.ask("/open-page", host=f"{visit.host}:{PORT}", query=f"once={token}")
        assert status == 303
        return visit, headers["set-cookie"].partition(";")[0]

    def header(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.reached[-1]["headers"] if key == name]


@pytest.fixture
def front(tmp_path: Path) -> Front:
    return Front(tmp_path)


def test_the_address_leads_to_the_page_once_and_leaves_nothing_that_opens_it(front: Front) -> None:
    visit, token = front.visits.issue(os.getuid())
    host, place = f"{visit.host}:{PORT}", quote(f"experiments/1/runs/{RUN}", safe="")
    query = f"once={token}&to={place}"
    status, headers, body = front.ask("/open-page", host=host, query=query, sec_fetch_site="none")
    assert (status, headers["location"], body) == (303, f"/#/experiments/1/runs/{RUN}", "")
    cookie, *attributes = headers["set-cookie"].split("; ")
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Strict"], "no domain: this host alone"
    assert token not in headers["set-cookie"]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    status, headers, body = front.ask("/open-page", host=host, query=query)
    assert (status, "set-cookie" in headers) == (401, False)
    assert "good once" in body
    assert front.reached == []
    assert front.ask("/", host=host, cookie=cookie)[0] == 200
    assert front.header(b"authorization") == [b"Bearer owner-token"]
    assert front.header(b"host") == [b"127.0.0.1:5000"]
    assert front.header(b"cookie") == []
    assert front.reached[-1][OF_A_VISIT] is True


@pytest.mark.parametrize("to", ["//evil.example", "http://evil.example", "a\r\nX: y", "../../x", "", "a" * 400, "a b"])
def test_it_leads_nowhere_else(front: Front, to: str) -> None:
    visit, token = front.visits.issue(os.getuid())
    query = f"once={token}&to={quote(to, safe='')}"
    status, headers, _ = front.ask("/open-page", host=f"{visit.host}:{PORT}", query=query)
    assert status == 303
    assert headers["location"] in {"/", f"/#/{to}"}
    if headers["location"] != "/":
        assert to == "//evil.example"  # behind a #, where it is a place of the page


@pytest.mark.parametrize("peer", ["user 0", "user 64001", "address 172.17.0.5", "unknown", ""])
def test_who_reads_the_address_or_the_cookie_elsewhere_gains_nothing(front: Front, peer: str) -> None:
    if peer == ME:
        peer = "user 64002"
    visit, token = front.visits.issue(os.getuid())
    host = f"{visit.host}:{PORT}"
    assert front.ask("/open-page", host=host, query=f"once={token}", peer=peer)[0] == 401
    assert front.ask("/open-page", host=host, query=f"once={token}")[0] == 303, "and it is not used up by them"
    cookie = f"mlops_desk_visit={visit.cookie}"
    assert front.ask("/", host=host, cookie=cookie)[0] == 200
    for path in ("/", "/graphql", "/ajax-api/2.0/mlflow/runs/search"):
        assert front.ask(path, host=host, cookie=cookie, peer=peer)[0] == 401
    assert len(front.reached) == 1


def test_the_cookie_is_good_for_its_own_name_alone(front: Front) -> None:
    visit, cookie = front.opened()
    other, _ = front.opened()
    for host in (f"{other.host}:{PORT}", f"{visit.host}:5001", f"{visit.host}", "a" * 32 + f".localhost:{PORT}"):
        front.ask("/graphql", host=host, cookie=cookie)
        assert not front.reached or OF_A_VISIT not in front.reached[-1], host
    for host in ("127.0.0.1:5000", "localhost:5000", "172.17.0.1:5000", "evil.example:5000"):
        front.ask("/graphql", host=host, cookie=cookie)
        assert OF_A_VISIT not in front.reached[-1], "goes on to the guard as it came"
        assert front.header(b"authorization") == []


@pytest.mark.parametrize(
    "cookie", ["", "mlops_desk_visit=", "mlops_desk_visit=x", "other=1", "mlops_desk_visit", "\\;="]
)
def test_without_its_cookie_a_name_opens_nothing(front: Front, cookie: str) -> None:
    visit, _ = front.opened()
    assert front.ask("/", host=f"{visit.host}:{PORT}", cookie=cookie)[0] == 401
    assert front.reached == []


def test_a_visit_that_was_never_opened_has_no_cookie_that_counts(front: Front) -> None:
    visit, _ = front.visits.issue(os.getuid())
    assert front.ask("/", host=f"{visit.host}:{PORT}", cookie=f"mlops_desk_visit={visit.cookie}")[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:5000"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_another_page_can_not_make_the_browser_act_or_read(front: Front, headers: dict[str, str]) -> None:
    visit, cookie = front.opened()
    for method in ("GET", "POST", "DELETE"):
        assert front.ask("/graphql", host=f"{visit.host}:{PORT}", method=method, cookie=cookie, **headers)[0] == 401
    assert front.reached == []


def test_what_changes_something_says_where_it_comes_from(front: Front) -> None:
    visit, cookie = front.opened()
    host = f"{visit.host}:{PORT}"
    assert front.ask("/graphql", host=host, method="POST", cookie=cookie)[0] == 401
    assert front.ask("/graphql", host=host, method="POST", cookie=cookie, origin=f"http://{host}")[0] == 200
    assert front.ask("/graphql", host=host, method="POST", cookie=cookie, sec_fetch_site="same-origin")[0] == 200


def test_another_page_can_not_open_a_visit_for_the_browser(front: Front) -> None:
    visit, token = front.visits.issue(os.getuid())
    for site in ("cross-site", "same-site", "same-origin"):
        assert (
            front.ask("/open-page", host=f"{visit.host}:{PORT}", query=f"once={token}", sec_fetch_site=site)[0] == 401
        )
    assert front.ask("/open-page", host=f"{visit.host}:{PORT}", query=f"once={token}", method="POST")[0] == 401
    assert front.ask("/open-page", host=f"{visit.host}:{PORT}", query=f"once={token}", sec_fetch_site="none")[0] == 303


@pytest.mark.parametrize(
    "path",
    ["/get-artifact", "/model-versions/get-artifact", "/api/2.0/mlflow-artifacts/artifacts/0/x/report.html",
     "/ajax-api/2.0/mlflow/get-trace-artifact", "/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files"],
)  # fmt: skip
def test_a_file_of_a_job_is_no_page_whatever_it_holds(front: Front, path: str) -> None:
    visit, cookie = front.opened()
    _, headers, _ = front.ask(path, host=f"{visit.host}:{PORT}", cookie=cookie)
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in headers


def test_the_page_itself_may_load_and_send_nothing_elsewhere(front: Front) -> None:
    visit, cookie = front.opened()
    _, headers, body = front.ask("/", host=f"{visit.host}:{PORT}", cookie=cookie)
    assert body == "the page"
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["connect-src"] == "'self' data: blob:"
    assert policy["frame-ancestors"] == "'self'"
    assert not any("http" in part or "*" in part for part in policy.values())


def test_a_browser_that_followed_a_jobs_link_is_told_how_to_get_in(front: Front) -> None:
    status, headers, body = front.ask("/", accept="text/html,application/xhtml+xml")
    assert status == 401
    assert "www-authenticate" not in headers, "no window that asks for a password nobody has"
    assert "mlops-desk runs open RUN --mlflow" in body
    assert "mlops-desk://run/" in body
    assert front.reached == []
    front.ask("/", accept="*/*")
    front.ask("/", accept="text/html", authorization="Bearer x")
    front.ask("/api/2.0/mlflow/runs/search", accept="text/html")
    assert len(front.reached) == 3, "programs are answered by the guard, as ever"


def test_where_the_page_is_missing_that_is_said_and_the_window_offered(tmp_path: Path) -> None:
    front = Front(tmp_path, has_page=False)
    visit, cookie = front.opened()
    status, _, body = front.ask("/", host=f"{visit.host}:{PORT}", cookie=cookie)
    assert status == 200
    assert "mlflow-skinny, which has no page" in body
    assert "mlops-desk://run/" in body
    assert front.reached == []


def test_when_the_agent_ends_it_the_browser_is_let_in_no_more(front: Front) -> None:
    visit, cookie = front.opened()
    front.visits.end()
    front.ask("/graphql", host=f"{visit.host}:{PORT}", cookie=cookie)
    assert OF_A_VISIT not in front.reached[-1]


def test_two_hosts_are_no_visit(front: Front) -> None:
    visit, cookie = front.opened()
    front.ask("/graphql", host=f"{visit.host}:{PORT}", Host="127.0.0.1:5000", cookie=cookie)
    assert OF_A_VISIT not in front.reached[-1]


def test_what_is_no_request_goes_on_to_the_guard(front: Front) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del receive, send
        seen.append(scope["type"])

    door = PageDoor(app, front.visits, OWNER, PORT, has_page=True)
    for kind in ("lifespan", "websocket"):
        asyncio.run(door({"type": kind}, None, None))  # type: ignore[arg-type]  # neither is used
    assert seen == ["lifespan", "websocket"]
