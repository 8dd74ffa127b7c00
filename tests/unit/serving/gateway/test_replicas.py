"""What a replica may do, and what its caller and the next one see of it."""

import asyncio
import os
import socket

import pytest

from mlops_desk.serving.gateway.routes import GatewayLimits
from tests.unit.serving.gateway.world import OK, World, eventually, within

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def saying(said: bytes, *, closes: bool = False) -> object:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(said)
            if closes:
                writer.close()
                return

    return serve


def test_a_connection_is_kept_and_asked_again() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        for _ in range(20):
            assert (await world.ask()).status == 200
        assert (replica.connections, len(replica.asked)) == (1, 20)

    within(scenario)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"garbage\r\n\r\n", 502), (b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n", 502), (b"", 502),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", 502), (b"HTTP/1.1 200 OK\r\n", 502),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nab", 502),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 40_000, 502), (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n", 502),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + OK, 502), (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n" + b"x" * 2000, 502),
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\n{}", 500),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_told_to_its_caller_alone(said: bytes, status: int) -> None:
    async def scenario(world: World) -> None:
        bad, good = await world.replica(saying(said, closes=True)), await world.replica()
        world.route(bad, limits=GatewayLimits(answer_bytes=1000))
        answer = await world.ask()
        assert answer.status == status
        assert (status != 502) or answer.headers["retry-after"] == "2"
        assert [kept.status for _, kept in world.log.kept] == [status]
        world.route(good)
        assert (await world.ask()).status == 200

    within(scenario)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + OK,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 8 + OK,
    ],
)  # fmt: skip
def test_what_comes_before_an_answer_is_passed_over(said: bytes) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica(saying(said))
        world.route(replica)
        for _ in range(3):
            answer = await world.ask()
            assert (answer.status, answer.body) == (200, b"{}")
            assert "link" not in answer.headers
        assert replica.connections == 1

    within(scenario)


@pytest.mark.parametrize("second", [OK.replace(b"{}", b"no"), b"rubbish", b"HTTP/1.1 200 OK\r\ncontent-le"])
def test_what_comes_after_an_answer_is_nobodys_and_the_connection_is_let_go(second: bytes) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica(saying(OK + second))
        world.route(replica)
        for number in range(1, 4):
            assert (await world.ask()).body == b"{}"
            assert replica.connections == number

    within(scenario)


def test_what_comes_while_nobody_asks_is_never_an_answer() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        for number in range(1, 4):
            assert (await world.ask()).body == b"{}"
            replica.writers[-1].write(OK.replace(b"{}", b"no"))
            assert replica.connections == number

    within(scenario)


@pytest.mark.parametrize("left", [OK, b""])
def test_a_connection_is_looked_at_before_it_is_asked_again(left: bytes) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        pool = world.proxy.shadows.pools.at(replica.address)
        assert (await world.ask()).status == 200
        descriptor = replica.writers[-1].get_extra_info("socket").fileno()
        if left:
            os.write(descriptor, left)
        else:
            with socket.socket(fileno=os.dup(descriptor)) as made:
                made.shutdown(socket.SHUT_WR)
        assert pool.free() is None, "the event loop has not had its turn to see it"

    within(scenario)


def test_a_replica_may_answer_before_it_has_read_everything() -> None:
    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 Bad\r\ncontent-length: 2\r\n\r\nno")
        await asyncio.Event().wait()

    async def scenario(world: World) -> None:
        replica = await world.replica(early)
        world.route(replica)
        for number in range(1, 3):
            answer = await world.ask(world.request(b"x" * (4 << 20)))
            assert (answer.status, answer.body) == (400, b"no")
            assert replica.connections == number, "a connection with half a request in it is not used again"

    within(scenario)


def test_an_answer_may_end_with_its_connection() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica(saying(b"HTTP/1.1 200 OK\r\ncontent-type: a/b\r\n\r\nabc", closes=True)))
        for _ in range(2):
            answer = await world.ask()
            assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"abc", "a/b")

    within(scenario)


def test_a_connection_that_its_server_closes_between_two_requests_costs_none() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        for _ in range(20):
            assert (await world.ask()).status == 200
            replica.writers[-1].close()
        assert len(replica.asked) == 20

    within(scenario)


def dying_on_the_second() -> object:
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while await reader.read(65536):
            asked += 1
            if asked == 2:
                writer.close()
                return
            writer.write(OK)

    return serve


def test_a_request_that_may_have_arrived_is_not_asked_twice_but_a_ping_is() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica(dying_on_the_second())
        world.route(replica)
        assert (await world.ask()).status == 200
        assert (await world.ask()).status == 502
        assert replica.connections == 1
        other = await world.replica(dying_on_the_second())
        world.route(other)
        assert (await world.ask()).status == 200
        assert (await world.ask(world.head("GET", "/digits/ping"))).status == 200
        assert other.connections == 2

    within(scenario)


def test_a_ping_is_tried_again_once_and_not_on_a_new_connection() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica(saying(b"", closes=True))
        world.route(replica)
        assert (await world.ask(world.head("GET", "/digits/ping"))).status == 502
        assert replica.connections == 1

    within(scenario)


def test_a_replica_that_hangs_costs_its_deadline_and_is_hung_up_on() -> None:
    async def scenario(world: World) -> None:
        is_hung_up = asyncio.Event()

        async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await reader.read()
            is_hung_up.set()

        world.route(await world.replica(hang), timeout_seconds=0.2)
        answer = await world.ask()
        assert (answer.status, b"within 0.2 s" in answer.body) == (504, True)
        assert world.proxy._lanes["digits"].in_flight == 0
        await is_hung_up.wait()

    within(scenario)


def test_the_least_busy_replica_is_asked() -> None:
    async def scenario(world: World) -> None:
        arrived = 0

        async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            nonlocal arrived
            await reader.readuntil(b"\r\n\r\n")
            arrived += 1
            await reader.read()

        hanging, good = await world.replica(hang), await world.replica()
        world.route(hanging, good)
        held = [await world.dial() for _ in range(8)]
        for talk in held:
            talk.send(world.request())
        await eventually(lambda: arrived + len(good.asked) == 8 and world.proxy._lanes["digits"].in_flight == arrived)
        assert arrived > 0
        asked = len(good.asked)
        for _ in range(10):
            assert (await world.ask()).status == 200
        assert len(good.asked) == asked + 10

    within(scenario)


def test_connections_at_rest_are_let_go_before_their_server_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_desk.serving.gateway.outbound.pool._IDLE_SECONDS", 0.02)

    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        assert (await world.ask()).status == 200
        await asyncio.sleep(0.05)
        world.proxy.tidy()
        assert (await world.ask()).status == 200
        assert replica.connections == 2

    within(scenario)


def test_a_table_without_a_replica_lets_go_of_its_connections() -> None:
    async def scenario(world: World) -> None:
        first, second = await world.replica(), await world.replica()
        world.route(first)
        assert (await world.ask()).status == 200
        pool = world.proxy.shadows.pools.at(first.address)
        world.route(second)
        assert pool.free() is None
        assert (await world.ask()).status == 200

    within(scenario)


def test_an_answer_in_pieces_is_passed_on_as_they_come() -> None:
    async def scenario(world: World) -> None:
        given: asyncio.Queue[bytes] = asyncio.Queue()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(65536)
            writer.write(STREAM)
            while piece := await given.get():
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            writer.write(b"0\r\n\r\n")
            await reader.read(65536)

        world.route(await world.replica(serve))
        talk = await world.dial()
        talk.send(world.request())
        head = await talk.reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        assert b"content-type: text/event-stream" in head
        assert b"x-request-id: " in head
        for piece in (b"data: one\n\n", b"data: two\n\n"):
            given.put_nowait(piece)
            assert (await talk.reader.readexactly(len(piece) + 5)) == b"%x\r\n%b\r\n" % (len(piece), piece)
        assert world.log.kept == []
        given.put_nowait(b"")
        assert await talk.reader.readexactly(5) == b"0\r\n\r\n"
        ((_, kept),) = world.log.kept
        assert (kept.status, kept.answer) == (200, b"data: one\n\ndata: two\n\n")
        assert (await talk.ask(world.head("GET", "/nobody"))).status == 404, "the connection goes on"

    within(scenario)


def test_a_stream_that_breaks_is_never_taken_for_whole() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica(saying(STREAM + b"3\r\nabc\r\n", closes=True)))
        talk = await world.dial()
        talk.send(world.request())
        said = b""
        try:
            while piece := await talk.reader.read(65536):
                said += piece
        except OSError:
            pass
        assert b"0\r\n\r\n" not in said
        assert [kept.status for _, kept in world.log.kept] == [502]
        assert world.proxy._lanes["digits"].in_flight == 0

    within(scenario)


@pytest.mark.slow
def test_a_stream_without_end_is_held_up_by_a_slow_reader_and_ended_by_one_who_goes() -> None:
    async def scenario(world: World) -> None:
        written = 0
        is_hung_up = asyncio.Event()

        async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal written
            await reader.read(65536)
            writer.write(STREAM)
            try:
                while True:
                    writer.write(b"10000\r\n" + b"z" * 0x10000 + b"\r\n")
                    written += 0x10000
                    await writer.drain()
            except OSError:
                is_hung_up.set()

        world.route(await world.replica(endless), limits=GatewayLimits(answer_bytes=1 << 40))
        talk = await world.dial()
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport reads too
        talk.send(world.request())
        await asyncio.sleep(0.5)
        before = written
        await asyncio.sleep(0.3)
        assert written == before
        assert written < 64 << 20
        assert world.proxy.memory.taken < 1 << 20
        talk.close()
        await is_hung_up.wait()
        await eventually(lambda: world.proxy._lanes["digits"].in_flight == 0)
        ((_, kept),) = world.log.kept
        assert len(kept.answer) == 256 << 10

    within(scenario)


def test_a_stream_of_more_bytes_than_an_answer_may_have_is_broken_off() -> None:
    async def much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(STREAM + b"3\r\nabc\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"".join(b"400\r\n" + b"q" * 1024 + b"\r\n" for _ in range(100)))

    async def scenario(world: World) -> None:
        world.route(await world.replica(much), limits=GatewayLimits(answer_bytes=10_000))
        talk = await world.dial()
        talk.send(world.request())
        with pytest.raises((asyncio.IncompleteReadError, OSError)):
            await talk.said()
        assert [kept.status for _, kept in world.log.kept] == [502]

    within(scenario)


def test_an_old_caller_gets_a_stream_without_chunks() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica(saying(STREAM + b"3\r\nabc\r\n0\r\n\r\n")))
        said = await world.ask(world.request().replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (said.body, said.headers["connection"]) == (b"abc", "close")
        assert "transfer-encoding" not in said.headers

    within(scenario)
