"""A gateway as the process it is, with one endpoint, and whoever besets it."""

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx

from mlops_desk.kit.storage.request_log.layout import parts
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.serving.gateway.process_control import Gatekeeper, read_state
from mlops_desk.serving.gateway.routes import EndpointRoutes, GatewayLimits, Route, RoutingTable
from tests import floods
from tests.serving_upstream import Upstream, upstream

FEATURES = (LoggedFeature("a", "number"), LoggedFeature("city", "text"))
BODY = {"dataframe_records": [{"a": 1.5, "city": "Bonn"}]}
LIMITS = GatewayLimits(head_seconds=2.0, body_seconds=4.0, body_idle_seconds=2.0, unread_seconds=3.0, rest_seconds=3)
RIGHT = [(200, '{"predictions": ["cat"]}')] * 5
LATE_SECONDS = 100


class Door:
    """One gateway, and how it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "_gateway"
        self.log = folder / "digits" / "requests"
        self.keeper = Gatekeeper(self.folder)
        self.port = self.keeper.ensure()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=60)

    def route(self, *routes: Route, limits: GatewayLimits | None = None, **more: Any) -> None:
        endpoint = EndpointRoutes(routes, str(self.log), **more)
        table = RoutingTable(0, {"digits": endpoint}, limits or GatewayLimits())
        assert self.keeper.wait_for(self.keeper.publish(lambda: table))

    def ask(self, **headers: str) -> httpx.Response:
        return self.client.post("/digits", json=BODY, headers=headers)

    def logged(self, columns: str = "*") -> list[tuple[Any, ...]]:
        files = ", ".join(f"'{part.path}'" for part in parts(self.log))
        if not files:
            return []
        with duckdb.connect(":memory:") as connection:
            query = f"SELECT {columns} FROM read_parquet([{files}], union_by_name = true) ORDER BY _received_at"
            return connection.execute(query).fetchall()

    def is_up(self) -> bool:
        state = read_state(self.folder)
        return state is not None and state.is_alive

    def pid(self) -> int:
        state = read_state(self.folder)
        assert state is not None
        return state.pid


class Crowd:
    """A gateway with one endpoint, the connections that beset it, and an innocent who asks beside them."""

    def __init__(self, door: Door, replica: Upstream) -> None:
        self.door = door
        self.replica = replica
        self.address: floods.Address = ("127.0.0.1", door.port)
        self.held: list[socket.socket] = []

    def route(self, limits: GatewayLimits = LIMITS) -> None:
        self.door.route(Route(3, 1.0, (self.replica.place,)), limits=limits)

    def flood(self, kind: str, count: int) -> list[socket.socket]:
        opened = [getattr(floods, kind)(self.address) for _ in range(count)]
        self.held += opened
        return opened

    def innocent_answers(self, times: int = 5) -> list[object]:
        """Ask on fresh connections; an innocent has nothing to do with those before it."""
        found: list[object] = []
        for _ in range(times):
            with httpx.Client(trust_env=False, timeout=60) as client:
                answer = client.post(f"http://127.0.0.1:{self.door.port}/digits", json=BODY)
            found.append((answer.status_code, answer.text))
        return found

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.door.pid()}/fd").iterdir()))


@contextlib.contextmanager
def beset(folder: Path) -> Iterator[Crowd]:
    """Give a gateway and its crowd until the end of the block."""
    door = Door(folder)
    with contextlib.ExitStack() as stack:
        stack.callback(door.keeper.stop)
        stack.callback(door.client.close)
        replica = stack.enter_context(upstream(word="cat"))
        built = Crowd(door, replica)
        built.route()
        stack.callback(lambda: [made.close() for made in built.held])
        yield built


def eventually_closed(held: list[socket.socket], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    return all(floods.is_closed(made, max(0.01, deadline - time.monotonic())) for made in held)
