"""The relay between the desk's socket and a port: bytes as they are, ends as they come, nothing held without bound."""

import asyncio
import importlib.util
import secrets
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlops_desk.serving.runtimes import resource_files

PIECE = 64 << 10
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def relay() -> ModuleType:
    spec = importlib.util.spec_from_file_location("relay", str(resource_files.folder() / resource_files.RELAY))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def within(relay: ModuleType, serve: Serve | None, scenario: Callable[[Any, Any], Awaitable[None]]) -> None:
    """Run a scenario on a connection through the relay to ``serve``; None: nobody listens."""

    async def main() -> None:
        far = socket.create_server(("127.0.0.1", 0))
        port = far.getsockname()[1]
        far_ends: list[asyncio.StreamWriter] = []

        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_ends.append(writer)
            if serve is not None:
                await serve(reader, writer)

        upstream = None if serve is None else await asyncio.start_server(served, sock=far)
        if serve is None:
            far.close()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "s"
            server = await asyncio.start_unix_server(
                lambda reader, writer: relay.relayed(port, reader, writer), str(path), limit=PIECE
            )
            reader, writer = await asyncio.open_unix_connection(str(path))
            await asyncio.wait_for(scenario(reader, writer), 30)
            for end in (writer, *far_ends):
                end.transport.abort()
            for listener in (server, upstream):
                if listener is not None:
                    listener.close()
            under_way = asyncio.all_tasks() - {asyncio.current_task()}
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            await asyncio.sleep(0.01)  # transports let go of their sockets one turn later

    asyncio.run(main())


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(1000):
        writer.write(piece)
        await writer.drain()
    writer.close()


def test_bytes_pass_as_they_are_and_at_once(relay: ModuleType) -> None:
    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for size in (1, 7, PIECE, PIECE + 1):
            sent = secrets.token_bytes(size)
            writer.write(sent)
            await writer.drain()
            assert await reader.readexactly(size) == sent, "before the connection ends"

    within(relay, echo, scenario)


def test_who_has_said_all_still_hears_the_answer(relay: ModuleType) -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read()  # until the end: it answers only then
        writer.write(asked[::-1])
        writer.close()

    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"question")
        writer.write_eof()
        assert await reader.read() == b"noitseuq"

    within(relay, late, scenario)


def test_an_answer_that_is_over_ends_while_one_could_go_on_asking(relay: ModuleType) -> None:
    async def brief(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        assert await reader.read() == b"heard"
        writer.close()

    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"bye"
        writer.write(b"heard")
        writer.write_eof()

    within(relay, brief, scenario)


def test_a_port_that_nobody_listens_on_ends_the_connection(relay: ModuleType) -> None:
    async def scenario(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b""

    within(relay, None, scenario)


@pytest.mark.slow
def test_what_nobody_reads_is_not_held(relay: ModuleType) -> None:
    poured = 0

    async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal poured
        try:
            while True:
                writer.write(bytes(PIECE))
                await writer.drain()
                poured += PIECE
        except ConnectionError:
            return

    async def scenario(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(PIECE)
        before = -1
        while before != poured:
            before = poured
            await asyncio.sleep(0.3)
        assert poured < 32 << 20, "kernel buffers and some pieces, and then it stands still"
        await reader.readexactly(8 << 20)

    within(relay, endless, scenario)


def test_whoever_goes_away_is_gone_for_the_other_side_too(relay: ModuleType) -> None:
    gone = asyncio.Event()

    async def talker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"x" * 1000)
                await writer.drain()
                await asyncio.sleep(0.001)
        except ConnectionError:
            gone.set()

    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)
        writer.transport.abort()
        await gone.wait()

    within(relay, talker, scenario)


def test_it_needs_the_standard_library_alone() -> None:
    text = resource_files.text(resource_files.RELAY)
    imported = {line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported == {"asyncio", "os", "signal", "socket", "sys"}
