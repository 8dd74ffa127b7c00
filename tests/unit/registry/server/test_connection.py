"""Whoever reaches the tracking server's port, without any token, keeps it from nobody."""

import asyncio
import contextlib
import functools
import resource
import socket

import pytest
import uvicorn
from uvicorn.server import ServerState

from mlops_desk.registry.server import application as connection
from mlops_desk.registry.server.application import Callers, ServerConnection, raise_descriptors

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
HALF = b"GET / HTTP/1.1\r\nho"


class Named:
    """Names callers as if each address of 127.0.0.0/8 were a user."""

    def name(self, peer, here):
        assert here[0] == "127.0.0.1"
        return peer[0]


async def application(scope, receive, send):
    if scope["path"] == "/slow":
        await asyncio.sleep(1.5)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextlib.asynccontextmanager
async def serving():
    """Serve, and lend a way to call; every call is over when the server's side of it is."""
    config = uvicorn.Config(application, lifespan="off", ws="none", log_config=None)
    state, made = ServerState(), []
    make = functools.partial(ServerConnection, Callers(Named()), config=config, server_state=state, app_state={})
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)

    async def call(source="127.0.0.1"):
        there = socket.create_connection(server.sockets[0].getsockname(), source_address=(source, 0))
        made.append(Caller(*await asyncio.open_connection(sock=there)))
        return made[-1]

    try:
        yield call
    finally:
        for caller in made:
            caller.writer.transport.abort()
        server.close()
        for _ in range(500):
            await asyncio.sleep(0.01)
            if not state.connections:
                break


class Caller:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def ask(self, data=REQUEST):
        """Return what comes back; nothing when the connection was closed."""
        self.writer.write(data)
        try:
            head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\nok"), 20.0)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        return head.split(b"\r\n")[0]


@pytest.mark.slow
def test_a_head_that_never_ends_is_given_up_also_the_second_one_and_one_that_drips(monkeypatch):
    monkeypatch.setattr(connection, "HEAD_SECONDS", 1.5)

    async def scene():
        async with serving() as call:
            silent, half, second, dripping = [await call() for _ in range(4)]
            assert await second.ask() == b"HTTP/1.1 200 OK"
            second.writer.write(HALF)

            async def drip():
                while not dripping.writer.is_closing():
                    dripping.writer.write(b"x")
                    await asyncio.sleep(0.01)

            dripped = asyncio.create_task(drip())
            assert [await caller.ask(data) for caller, data in ((silent, b""), (half, HALF), (second, b""))] == [
                b""
            ] * 3
            assert await dripping.ask(b"x") == b""
            dripped.cancel()

    asyncio.run(scene())


@pytest.mark.slow
def test_an_answer_may_take_longer_than_a_head_and_a_connection_may_rest(monkeypatch):
    monkeypatch.setattr(connection, "HEAD_SECONDS", 1.0)

    async def scene():
        async with serving() as call:
            caller = await call()
            assert await caller.ask(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n") == b"HTTP/1.1 200 OK"
            await asyncio.sleep(1.5)
            assert await caller.ask() == b"HTTP/1.1 200 OK"

    asyncio.run(scene())


def test_of_an_address_that_has_its_share_the_one_that_waited_longest_leaves(monkeypatch):
    monkeypatch.setattr(connection, "MOST_OF_ONE", 3)

    async def scene():
        async with serving() as call:
            other = await call("127.0.0.9")
            crowd = [await call() for _ in range(3)]
            assert await crowd[0].ask() == b"HTTP/1.1 200 OK"  # so it waits since now
            new = await call()
            assert await new.ask() == b"HTTP/1.1 200 OK"
            assert [await caller.ask() for caller in crowd] == [b"HTTP/1.1 200 OK", b"", b"HTTP/1.1 200 OK"]
            assert await other.ask() == b"HTTP/1.1 200 OK"

    asyncio.run(scene())


def test_users_of_this_machine_have_a_share_each_though_they_come_from_one_address(monkeypatch):
    monkeypatch.setattr(connection, "MOST_OF_ONE", 2)
    users = iter(["user 1", "user 1", "user 2", "user 1"])
    monkeypatch.setattr(Named, "name", lambda _self, _peer, _here: next(users))

    async def scene():
        async with serving() as call:
            first, second, other, third = [await call() for _ in range(4)]
            assert await third.ask() == b"HTTP/1.1 200 OK"
            asked = [await caller.ask() for caller in (first, second, other)]
            assert asked == [b"", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK"]

    asyncio.run(scene())


@pytest.mark.slow
def test_who_is_being_answered_does_not_leave_for_another(monkeypatch):
    monkeypatch.setattr(connection, "MOST_OF_ONE", 1)

    async def scene():
        async with serving() as call:
            busy = await call()
            answer = asyncio.create_task(busy.ask(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n"))
            await asyncio.sleep(0.1)
            assert await (await call()).ask() == b""
            assert await answer == b"HTTP/1.1 200 OK"

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("limits", "wanted"), [((1024, 524288), (4096, 524288)), ((1024, 2048), (2048, 2048)), ((8192, 8192), None)]
)
def test_a_process_takes_the_descriptors_that_it_may_need(monkeypatch, limits, wanted):
    told = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _which, new: told.append(new))
    raise_descriptors()
    assert told == ([] if wanted is None else [wanted])
