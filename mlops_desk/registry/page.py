"""MLflow's own page in a person's browser: opened from the window, by an address that is good once.

Visits: a browser's way to MLflow's own page. The agent makes one, and the tracking server finds it.

A visit has a host name that nobody guesses (``….localhost``, which browsers take for this machine). A cookie is sent to
every port of a host, so one for 127.0.0.1 would reach whatever a job serves on another port there; this one goes to a
name that no other page was ever loaded from. It opens by an address that is good once and for a minute, and only for
programs of the person it was made for, as the kernel names them: who reads the address elsewhere gains nothing.

The agent's files say what there is; that an address was used is a file of the server's, which may not write the others.

The way of a browser to MLflow's own page, in front of the guard: who has a visit is its owner there, nobody else.

What comes to the name of a visit needs its cookie, has to come from a program of its person on this machine, and from
that page itself: a page of another site, or of another port, can't make the browser act here. All else goes on to the
guard as it came; only who comes to the front door with a browser and no token is told how to get in.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, fields
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Hint, Unavailable

OPENS_SECONDS = 60.0  # chosen: a browser that is started for it takes ten
LASTS_SECONDS = 12 * 3600.0  # chosen: a working day; the next one is a click
_TOKEN_BYTES = 32  # 256 bits: nobody guesses it
_NAME_BYTES = 16  # 128 bits, likewise; a label of a host has 63 letters at most
_MOST = 100  # chosen: more than a person opens in half a day
_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SUFFIX = ".localhost"


@dataclass(frozen=True, slots=True)
class Visit:
    """``opener`` is the digest of what opens it, ``cookie`` what its browser shows from then on.

    ``uid`` is whose programs may come; times are Unix seconds.
    """

    name: str
    uid: int
    opener: str
    cookie: str
    opens_until: float
    ends_at: float

    @property
    def host(self) -> str:
        return self.name + _SUFFIX


_FACTS = frozenset(field.name for field in fields(Visit))


def digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Visits:
    """The visits in ``folder``, which the agent writes; in ``used`` the server notes those that were opened."""

    def __init__(self, folder: Path, used: Path, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._used = used
        self._now = now

    # -- the agent's side --------------------------------------------------------------------

    def issue(self, uid: int) -> tuple[Visit, str]:
        """Make a visit for programs of ``uid``; return it, and what opens it once. Raises Unavailable."""
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._now()
        visit = Visit(
            secrets.token_hex(_NAME_BYTES), uid, digest(token), secrets.token_urlsafe(_TOKEN_BYTES),
            now + OPENS_SECONDS, now + LASTS_SECONDS,
        )  # fmt: skip
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.sweep()
            write_atomically(self._folder / visit.name, json.dumps(asdict(visit)).encode())
        except OSError as error:
            text = f"The visit of the page can't be noted in {self._folder}: {error.strerror}."
            raise Unavailable(text, "Free some space on the disk and check its permissions.") from error
        return visit, token

    def sweep(self) -> None:
        """Forget the visits that are over, and of too many the oldest. Raises OSError."""
        known = sorted(self._all(), key=lambda visit: visit.ends_at)
        late = [visit for visit in known if visit.ends_at <= self._now()]
        for visit in [*late, *known[: max(0, len(known) - _MOST + 1)]]:
            (self._folder / visit.name).unlink(missing_ok=True)

    def end(self) -> None:
        """End all visits. Raises OSError."""
        for visit in self._all():
            (self._folder / visit.name).unlink(missing_ok=True)

    def _all(self) -> list[Visit]:
        with contextlib.suppress(FileNotFoundError):  # none was ever made
            return [visit for path in self._folder.iterdir() if (visit := self._read(path.name)) is not None]
        return []

    # -- the server's side -------------------------------------------------------------------

    def find(self, host: str) -> Visit | None:
        """Return the visit that a host name belongs to, unless it is over."""
        name = host.removesuffix(_SUFFIX)
        if name == host:
            return None
        visit = self._read(name)
        return None if visit is None or visit.ends_at <= self._now() else visit

    def open(self, visit: Visit, token: str) -> bool:
        """Tell whether ``token`` opens a visit, which it does once, and until a minute after it was made."""
        if visit.opens_until <= self._now() or not hmac.compare_digest(digest(token), visit.opener):
            return False
        try:
            self._used.mkdir(mode=0o700, exist_ok=True)
            for path in self._used.iterdir():
                if self._read(path.name) is None:
                    path.unlink(missing_ok=True)
            (self._used / visit.name).touch(0o600, exist_ok=False)
        except OSError:
            return False  # used, or the disk is full: rather closed than open twice
        return True

    def is_open(self, visit: Visit, cookie: str) -> bool:
        """Tell whether a browser shows the cookie that it was given when it opened the visit."""
        shown = hmac.compare_digest(cookie.encode("utf-8", "surrogatepass"), visit.cookie.encode())
        return shown and (self._used / visit.name).exists()

    def _read(self, name: str) -> Visit | None:
        if not _NAME.fullmatch(name):
            return None
        try:
            found = json.loads((self._folder / name).read_bytes())
            visit = Visit(**{key: value for key, value in found.items() if key in _FACTS})
        except (OSError, ValueError, TypeError, AttributeError):
            return None  # over, or damaged, which is as good as over
        return visit if visit.name == name else None


def has_page(packages: Path) -> bool:
    """Tell whether the MLflow that lies in a folder of packages has its page; the small package has none."""
    return (packages / "mlflow" / "server" / "js" / "build" / "index.html").is_file()


# The few pages of the desk's own that a browser sees at the tracking server: what is missing, and how to go on.
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:38em;margin:15vh auto;padding:0 1em;color:#1b1f24;"
    "background:#fff}code{background:#eef0f2;padding:.15em .4em;border-radius:4px}"
    "a{color:#0a5cad}@media(prefers-color-scheme:dark){body{color:#e4e7ea;background:#16191d}"
    "code{background:#262b31}a{color:#7ab8ff}}"
)
# What stands behind a # never reaches a server: only the page itself knows which run its address is about.
_SCRIPT = (
    "const run=/\\/runs\\/([0-9a-f]{32})\\b/.exec(location.hash);"
    "if(run){for(const e of document.querySelectorAll('[data-run]'))e.textContent=e.dataset.run.replace('RUN',run[1]);"
    "document.querySelector('a').href='mlops-desk://run/'+run[1]}"
)
_PAGE, _HERE = Hint("mlops-desk runs open RUN --mlflow").command, Hint("mlops-desk runs open RUN").command
_HOW = f"<code data-run='{_PAGE}'>{_PAGE}</code>"
_WINDOW = (
    "<p><a href='mlops-desk://run/'>Open the run in MLOps Desk</a> – or in a terminal: "
    f"<code data-run='{_HERE}'>{_HERE}</code></p>"
)


def _page(title: str, body: str) -> bytes:
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style>"
        f"</head><body><h1>{title}</h1>{body}<script>{_SCRIPT}</script></body></html>"
    ).encode()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; frame-ancestors 'none'"
"""What these pages may do: nothing but show what is written in them."""

LOCKED = _page(
    "This tracking server is locked",
    "<p>It belongs to MLOps Desk and answers jobs, each with a token of its own. A browser is let in when its owner "
    f"opens MLflow's page from the window, or by {_HOW}</p>{_WINDOW}",
)
USED = _page(
    "This address was good once",
    "<p>It was used already, is older than a minute, or was opened by somebody else than the person it was made for. "
    f"Open MLflow's page from the window again, or by {_HOW}</p>{_WINDOW}",
)
MISSING = _page(
    "MLflow's page is not installed",
    "<p>The tracking server of this desk runs on mlflow-skinny, which has no page; that is part of the full package, "
    "<code>mlflow</code>. The window of MLOps Desk shows the same runs and models.</p>" + _WINDOW,
)


Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

OPEN = "/open-page"
COOKIE = "mlops_desk_visit"
OF_A_VISIT = "mlops_desk.visit"
"""Set in the scope of what comes by a visit; nothing that a client sends gets there."""
PAGE_PATHS = frozenset({"/graphql"})
"""What MLflow's page asks for besides what the guard lets through anyway."""
_READING = frozenset({"GET", "HEAD"})
_OURS = frozenset({b"host", b"origin", b"referer", b"authorization", b"cookie"})
_TARGET = re.compile(r"[A-Za-z0-9/_-]{1,300}", re.ASCII)
_FILES_POLICY = b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_PAGE_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline';"
    b" img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:;"
    b" frame-src 'self' blob: data:; frame-ancestors 'self'; form-action 'self'; base-uri 'self'; object-src 'none'"
)
"""MLflow's page was written without one: its own scripts are let run, and nothing of it goes to another host."""


class PageDoor:
    """ASGI middleware. ``owner`` is the token that the guard takes for the owner's; ``has_page``: there is one."""

    def __init__(self, app: App, visits: Visits, owner: str, port: int, *, has_page: bool) -> None:
        self._app = app
        self._visits = visits
        self._owner = owner
        self._port = port
        self._has_page = has_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _named(scope["headers"])
        visit = self._visit(headers)
        if visit is None:
            if _is_browser_at_door(scope, headers):
                await _show(send, 401, LOCKED)
                return
            await self._app(scope, receive, send)
        elif scope["path"] == OPEN:
            await self._open(visit, scope, headers, send)
        elif not self._is_let_in(visit, scope, headers):
            await _show(send, 401, LOCKED)
        elif scope["path"] == "/" and not self._has_page:
            await _show(send, 200, MISSING)
        else:
            await self._app(self._as_owner(scope), receive, _guarded(scope["path"], send))

    def _visit(self, headers: Mapping[str, Sequence[str]]) -> Visit | None:
        hosts = headers.get("host", ())
        host, _, port = hosts[0].lower().rpartition(":") if len(hosts) == 1 else ("", "", "")
        return self._visits.find(host) if port == str(self._port) else None

    async def _open(self, visit: Visit, scope: Scope, headers: Mapping[str, Sequence[str]], send: Send) -> None:
        """Let a browser in once: it gets its cookie, and an address that can be kept."""
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        token, to = asked.get("once", [""])[0], asked.get("to", [""])[0]
        by_hand = headers.get("sec-fetch-site", ["none"]) == ["none"]
        if (
            scope["method"] != "GET"
            or not by_hand
            or not _is_theirs(visit, scope)
            or not self._visits.open(visit, token)
        ):
            await _show(send, 401, USED)
            return
        place = f"/#/{to}" if _TARGET.fullmatch(to) else "/"
        cookie = f"{COOKIE}={visit.cookie}; Path=/; HttpOnly; SameSite=Strict"
        await _show(send, 303, b"", (b"location", place.encode()), (b"set-cookie", cookie.encode()))

    def _is_let_in(self, visit: Visit, scope: Scope, headers: Mapping[str, Sequence[str]]) -> bool:
        own = f"http://{visit.host}:{self._port}"
        origins, sites = headers.get("origin", ()), headers.get("sec-fetch-site", ())
        if any(origin.lower() != own for origin in origins) or not {"same-origin", "none"}.issuperset(sites):
            return False
        if scope["method"] not in _READING and not origins and not sites:
            return False  # a browser says where from it changes something
        return _is_theirs(visit, scope) and self._visits.is_open(visit, _cookie(headers))

    def _as_owner(self, scope: Scope) -> Scope:
        """Return the request as the owner's, without what only concerned this door."""
        kept = [(name, value) for name, value in scope["headers"] if name.lower() not in _OURS]
        ours = [(b"host", f"127.0.0.1:{self._port}".encode()), (b"authorization", b"Bearer " + self._owner.encode())]
        return {**scope, "headers": [*kept, *ours], OF_A_VISIT: True}


def _named(headers: Headers) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _cookie(headers: Mapping[str, Sequence[str]]) -> str:
    try:
        found = SimpleCookie("; ".join(headers.get("cookie", ()))).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _is_theirs(visit: Visit, scope: Scope) -> bool:
    """Tell whether a program of the visit's person asks, as the kernel says (connection.py)."""
    return bool(scope.get("state", {}).get("peer") == f"user {visit.uid}")


def _is_browser_at_door(scope: Scope, headers: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether somebody has followed a link to the server: programs ask for no HTML, and show a token."""
    wants_page = any("text/html" in value for value in headers.get("accept", ()))
    return scope["path"] == "/" and scope["method"] == "GET" and wants_page and "authorization" not in headers


def _guarded(path: str, send: Send) -> Send:
    """Keep what a job has left from acting as the page: a file is never one, whatever it says it is."""
    policy = _FILES_POLICY if "artifact" in path.lower() else _PAGE_POLICY

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = dict(_safety(policy))
            dropped = {*ours, b"set-cookie"}
            kept = [(name, value) for name, value in message["headers"] if name.lower() not in dropped]
            message = {**message, "headers": [*kept, *ours.items()]}
        await send(message)

    return sending


def _safety(policy: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-security-policy", policy),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]


async def _show(send: Send, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"), *_safety(POLICY.encode()), *more,
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
