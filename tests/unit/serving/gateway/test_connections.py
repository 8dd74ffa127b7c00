"""What a caller's connection does: one answer for each request, in order, and after trouble nothing but the answer to it."""

import asyncio
from dataclasses import replace

import pytest

from mlops_desk.serving.gateway.routes import GatewayLimits
from tests.unit.serving.gateway.world import OK, SHORT, World, eventually, within

INNOCENT = b'{"dataframe_records": [{"innocent": 1}]}'


def test_requests_on_one_connection_are_answered_in_turn() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        replica.answer = lambda asked: OK.replace(b"{}", asked[-2:])
        world.route(replica)
        talk = await world.dial()
        talk.send(b"".join(world.request(b"%02d" % number) for number in range(60)))
        assert [(await talk.said()).body for _ in range(60)] == [b"%02d" % number for number in range(60)]

    within(scenario)


@pytest.mark.parametrize(
    "sent",
    [
        ("content-length: 4", "transfer-encoding: chunked"), ("transfer-encoding: chunked", "content-length: 4"),
        ("content-length: 2", "content-length: 60"), ("content-length: 0, 60",), ("transfer-encoding: x",),
        ("x: a\r\n folded",), ("x: a\0b",), ("content-length : 0",), ("x: a\ncontent-length: 60",),
        ("host: 127.0.0.1:1",), ("connection: upgrade", "upgrade: h2c"),
    ],
)  # fmt: skip
def test_after_a_request_that_could_be_read_two_ways_nothing_on_its_connection_is_a_request(
    sent: tuple[str, ...],
) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        talk = await world.dial()
        talk.send(world.request() + world.head("POST", "/digits", *sent) + b"0\r\n\r\n" + world.request(b"smuggled"))
        assert (await talk.said()).status == 200
        assert (await talk.said()).status in {400, 501}
        assert await talk.is_over()
        assert (await world.ask(world.request(INNOCENT))).status == 200
        assert [asked.partition(b"\r\n\r\n")[2] for asked in replica.asked] == [b"{}", INNOCENT]

    within(scenario)


def test_a_body_that_looks_like_a_request_is_a_body() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        inner = world.request(b"smuggled")
        talk = await world.dial()
        assert (await talk.ask(world.request(inner))).status == 200
        chunk = b"%x;x=y\r\n%b\r\n0\r\nx-trailer: 1\r\n\r\n" % (len(inner), inner)
        sent = world.head("POST", "/digits", "transfer-encoding: chunked") + chunk
        assert (await talk.ask(sent + world.request(INNOCENT))).status == 200
        assert (await talk.said()).status == 200
        assert [asked.partition(b"\r\n\r\n")[2] for asked in replica.asked] == [inner, inner, INNOCENT]
        assert all(b"x-trailer" not in asked for asked in replica.asked[:1])

    within(scenario)


def test_nothing_of_the_callers_own_headers_reaches_the_model_but_what_is_meant_for_it() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        given = ("authorization: Bearer secret", "cookie: secret", "content-type: text/csv", "x-request-id: mine")
        await world.ask(world.request(b"a", "/digits", *given, "connection: keep-alive, x-odd", "x-odd: 1"))
        head = replica.asked[0].partition(b"\r\n\r\n")[0].split(b"\r\n")
        assert head == [
            b"POST /invocations HTTP/1.1", b"host: localhost", b"accept: */*", b"x-request-id: mine",
            b"content-type: text/csv", b"content-length: 1",
        ]  # fmt: skip

    within(scenario)


def test_an_absolute_target_is_a_path_where_it_names_this_gateway() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica())
        for target, status in (
            (f"http://127.0.0.1:{world.port}/digits", 200), (f"HTTP://LOCALHOST:{world.port}/digits?x", 200),
            ("http://evil.example/digits", 403), (f"https://127.0.0.1:{world.port}/digits", 403), ("*", 403),
        ):  # fmt: skip
            assert (await world.ask(world.request(b"{}", target))).status == status

    within(scenario)


def test_an_old_caller_is_answered_and_its_connection_closed_unless_it_wants_it_kept() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica())
        old = world.request().replace(b"HTTP/1.1", b"HTTP/1.0")
        talk = await world.dial()
        said = await talk.ask(old)
        assert (said.status, said.headers["connection"]) == (200, "close")
        assert await talk.is_over()
        talk = await world.dial()
        for _ in range(2):
            said = await talk.ask(old.replace(b"content-length", b"connection: keep-alive\r\ncontent-length"))
            assert (said.status, said.headers["connection"]) == (200, "keep-alive")

    within(scenario)


def test_a_body_that_waits_to_be_asked_for_is_asked_for_or_refused_unsent() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica(), limits=GatewayLimits(body_bytes=100))
        expecting = ("expect: 100-Continue",)
        talk = await world.dial()
        assert (
            await talk.ask(world.head("POST", "/digits", "content-length: 2", *expecting), is_head=True)
        ).status == 100
        assert (await talk.ask(b"{}")).status == 200
        for path, length, status in (("/nobody", 2, 404), ("/digits", 101, 413)):
            talk = await world.dial()
            said = await talk.ask(world.head("POST", path, f"content-length: {length}", *expecting))
            assert (said.status, said.headers["connection"]) == (status, "close")
        assert (await world.ask(world.head("POST", "/digits", "content-length: 2", "expect: wonders"))).status == 417

    within(scenario)


def test_a_head_request_gets_no_body() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica())
        talk = await world.dial()
        said = await talk.ask(world.head("HEAD", "/digits"), is_head=True)
        assert (said.status, said.headers["allow"]) == (405, "POST")
        assert (await talk.ask(world.request())).status == 200

    within(scenario)


def test_who_says_that_all_is_said_is_answered() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica())
        talk = await world.dial()
        talk.send(world.request())
        talk.writer.write_eof()
        assert (await talk.said()).status == 200
        assert await talk.is_over()

    within(scenario)


def test_a_refusal_reaches_who_is_still_sending_and_its_connection_is_not_used_again() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica, limits=GatewayLimits(body_bytes=1000))
        talk = await world.dial()
        talk.send(world.head("POST", "/digits", "content-length: 3000000"))
        said = await talk.said()
        assert (said.status, said.headers["connection"]) == (413, "close")
        for _ in range(30):
            talk.send(b"x" * 99_000)
            await talk.writer.drain()
        talk.send(world.request(b"late"))
        assert await talk.is_over()
        chunked = world.head("POST", "/digits", "transfer-encoding: chunked") + b"2000\r\n" + b"x" * 1001
        assert (await world.ask(chunked)).status == 413
        assert replica.asked == []

    within(scenario)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "said"), [("POST /dig", b"head did not come"), ("", b"head did not come"), ("body", b"came too slowly")]
)
def test_who_is_late_is_told_so_and_closed(sent: str, said: bytes) -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica(), limits=SHORT)
        talk = await world.dial()
        talk.send(world.head("POST", "/digits", "content-length: 9") + b"{" if sent == "body" else sent.encode())
        answer = await talk.said()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert said in answer.body
        assert await talk.is_over()

    within(scenario)


@pytest.mark.slow
def test_a_body_that_drips_is_late_too() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica(), limits=replace(SHORT, body_seconds=0.5, body_idle_seconds=30.0))
        talk = await world.dial()
        talk.send(world.head("POST", "/digits", "content-length: 1000"))
        dripping = asyncio.create_task(_drip(talk.writer))
        assert (await talk.said()).status == 408
        dripping.cancel()

    within(scenario)


async def _drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.05)


@pytest.mark.slow
def test_a_connection_at_rest_is_closed_without_a_word() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica(), limits=replace(SHORT, head_seconds=30.0))
        talk = await world.dial()
        assert (await talk.ask(world.request())).status == 200
        assert await talk.is_over()

    within(scenario)


def test_a_large_answer_waits_for_its_reader_and_what_it_held_is_given_back() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        size = 8 << 20
        replica.answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"y" * size
        world.route(replica)
        talk = await world.dial()
        talk.send(world.request())
        await eventually(lambda: len(world.log.kept) == 1)
        assert world.proxy.memory.taken == size + 2
        assert (await talk.said()).body == b"y" * size
        await eventually(lambda: world.proxy.memory.taken == 0)
        assert (await talk.ask(world.request(b"{}", "/nobody"))).status == 404

    within(scenario)


@pytest.mark.slow
def test_an_answer_that_nobody_reads_is_ended_and_its_memory_given_back() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        replica.answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (8 << 20) + b"y" * (8 << 20)
        world.route(replica, limits=GatewayLimits(unread_seconds=0.3))
        talk = await world.dial()
        talk.send(world.request())
        await eventually(lambda: world.proxy.memory.taken > 0)
        talk.reader._limit = 1  # asyncio would read on by itself
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport reads too
        await eventually(lambda: world.proxy.memory.taken == 0)

    within(scenario)


def test_many_bodies_at_once_take_no_more_memory_than_there_is() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica())
        talks = [await world.dial() for _ in range(2)]
        talks[0].send(world.head("POST", "/digits", "content-length: 100000") + b"x" * 70_000)
        await eventually(lambda: world.proxy.memory.taken == 70_000)
        said = await talks[1].ask(world.request(b"x" * 70_000))
        assert (said.status, said.headers["retry-after"]) == (503, "2")
        talks[0].close()
        await eventually(lambda: world.proxy.memory.taken == 0)
        assert (await world.ask(world.request(b"x" * 70_000))).status == 200

    within(scenario, held_bytes=100_000)


def test_the_end_of_the_gateway_lets_requests_under_way_end() -> None:
    async def scenario(world: World) -> None:
        slow = await world.replica()
        slow._serve = lambda reader, writer: _after(slow, reader, writer)
        world.route(slow)
        idle, busy = await world.dial(), await world.dial()
        assert (await idle.ask(world.head("GET", "/nobody"))).status == 404
        busy.send(world.request())
        await eventually(lambda: len(slow.asked) == 1)
        ending = asyncio.create_task(world.warden.finish(5.0))
        said = await busy.said()
        assert (said.status, said.headers["connection"]) == (200, "close")
        assert await idle.is_over()
        await ending

    within(scenario)


async def _after(replica: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await replica.read(reader)  # type: ignore[attr-defined]  # a Replica
    await asyncio.sleep(0.05)
    writer.write(OK)
