"""What was read before is read the same again, from the same words alone, and lets nobody in who may not come in now."""

import asyncio
import itertools
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.serving.gateway.header_cache import KnownHeads
from mlops_desk.serving.gateway.inbound.reader import REQUEST_END, Malformed, Part, RequestReader
from mlops_desk.serving.gateway.routes import EndpointRoutes, GatewayLimits, Route
from tests.unit.serving.gateway.test_gate import TOKENS
from tests.unit.serving.gateway.world import OK, World, within

ONE = b"POST /d HTTP/1.1\r\nHost: a\r\ncontent-length: 2\r\n\r\n{}"
GET = b"GET /d HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /d HTTP/1.1\r\nHost: a\r\nconnection: close\r\n\r\n"
OLD = b"GET /d HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"
CHUNKS = b"POST /d HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
EMPTY = b"POST /d HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
EXPECTING = b"POST /d HTTP/1.1\r\nHost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n{}"
LONG = b"POST /d HTTP/1.1\r\nHost: a\r\ncontent-length: 4\r\n\r\n\r\n\r\n"
BROKEN = b"POST /d HTTP/1.1\r\nHost: a\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\n{}"
messages = st.sampled_from((ONE, GET, LAST, OLD, CHUNKS, EMPTY, EXPECTING, LONG, BROKEN, b"\r\n" + ONE, b"\r\n\r\n"))


def read(pieces: list[bytes], *, remembers: bool) -> list[Part]:
    """Return what one connection reads, as connections do, or without what was read before."""
    reader, found = RequestReader(), list[Part]()
    for piece in pieces:
        if remembers and (whole := reader.whole(piece)) is not None:
            head, body = whole
            found += [head, body, REQUEST_END] if body else [head, REQUEST_END]
            continue
        reader.feed(piece)
        while reader.parts:
            found.append(reader.parts.popleft())
    return found


@given(st.lists(messages, max_size=5), st.lists(st.integers(0, 400), max_size=4))
@example([ONE, ONE + GET, ONE[:-1], ONE + b"{}", LONG, LONG], [])
@example([b"\r\n" + ONE, b"\r\n" + ONE, b"\r\n\r\n", b"\r\n\r\n"], [])
@example([LAST, LAST, ONE], [])
@example([ONE, BROKEN, ONE], [])
def test_a_connection_that_remembers_reads_what_one_reads_that_does_not(sent: list[bytes], places: list[int]) -> None:
    data = b"".join(sent)
    cuts = sorted({*itertools.accumulate(map(len, sent)), 0, *(place for place in places if place < len(data))})
    pieces = [data[start:end] for start, end in itertools.pairwise(cuts)]
    assert _plain(read(pieces, remembers=True)) == _plain(read(pieces, remembers=False))


def _plain(parts: list[Part]) -> list[object]:
    return [part.status if isinstance(part, Malformed) else part for part in parts]


@pytest.mark.parametrize("sent", [ONE, GET, LONG, b"\r\n" + ONE])
def test_what_is_plain_is_remembered(sent: bytes) -> None:
    RequestReader().feed(sent)
    whole = RequestReader().whole(sent)
    assert whole is not None
    assert whole[0].method == sent.strip().partition(b" ")[0]


@pytest.mark.parametrize("sent", [LAST, OLD, CHUNKS, EMPTY, EXPECTING, BROKEN, ONE + GET, ONE[:-1]])
def test_what_is_not_plain_is_read_each_time(sent: bytes) -> None:
    sent = sent.replace(b"/d", b"/other")
    RequestReader().feed(sent)
    assert RequestReader().whole(sent) is None


def test_a_head_that_is_remembered_is_no_end_of_one_that_has_begun() -> None:
    RequestReader().feed(ONE)
    reader = RequestReader()
    reader.feed(b"POST /d HTTP/1.1\r\nHost: a\r\ncontent-length: 900\r\n\r\n")
    assert reader.whole(ONE) is None


def test_heads_that_are_too_many_or_too_long_are_forgotten() -> None:
    known = KnownHeads[int]()
    for number in range(1000):
        known.learn(b"%d\r\n\r\n" % number, 0, number)
    found = [number for number in range(1000) if known.find(b"%d\r\n\r\n" % number) is not None]
    assert found[-1] == 999
    assert len(found) <= 256
    known = KnownHeads[int]()
    known.learn(b"x" * 3000 + b"\r\n\r\n", 0, 1)
    assert known.find(b"x" * 3000 + b"\r\n\r\n") is None
    assert not known._known, "nobody fills the memory with long ones"


def test_a_head_that_came_with_something_else_is_not_remembered() -> None:
    known = KnownHeads[int]()
    known.learn(ONE + GET, 2, 1)
    known.learn(ONE[:-1], 2, 1)
    assert [known.find(sent) for sent in (ONE, ONE + GET, ONE[:-1])] == [None, None, None]


def test_what_held_for_a_head_holds_no_longer_than_its_table() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        sent = world.request(b"{}", "/digits", "authorization: Bearer first-token")
        closed = {"is_open": False, "tokens": TOKENS}
        world.route(replica, **closed)
        talk = await world.dial()
        assert [(await talk.ask(sent)).status for _ in range(3)] == [200, 200, 200]
        world.route(replica, is_open=False, tokens=TOKENS[1:])
        assert (await talk.ask(sent)).status == 401
        assert (await world.ask(sent)).status == 401
        world.route(replica, **closed)
        assert (await world.ask(sent)).status == 200
        world.endpoints({})
        assert (await world.ask(sent)).status == 404
        world.route(replica, limits=GatewayLimits(body_bytes=1), **closed)
        assert (await world.ask(sent)).status == 413
        world.route(replica, requests_per_second=0.001, **closed)
        assert [(await world.ask(sent)).status for _ in range(3)] == [200, 429, 429]
        assert len(replica.asked) == 5

    within(scenario)


def test_a_head_that_was_let_in_asks_the_endpoint_that_has_its_name_now() -> None:
    async def scenario(world: World) -> None:
        first, second = await world.replica(), await world.replica()
        first.answer = OK.replace(b"{}", b"11")
        second.answer = OK.replace(b"{}", b"22")
        talk = await world.dial()
        world.route(first)
        assert [(await talk.ask(world.request())).body for _ in range(2)] == [b"11", b"11"]
        route = Route(3, 1.0, (second.address,))
        world.endpoints({"digits": EndpointRoutes((route,), "/elsewhere")})
        assert [(await talk.ask(world.request())).body for _ in range(2)] == [b"22", b"22"]

    within(scenario)


def test_answers_in_known_words_are_whole_or_none() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica, limits=replace(GatewayLimits(), answer_bytes=64))
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        for body in (b"{}", b'{"a": 1}', b"{}", b'{"a": 1}', b""):
            replica.answer = head % len(body) + body
            said = await world.ask()
            assert (said.status, said.body) == (200, body)
        kept = replica.connections
        replica.answer = head % 2 + b"{}" + b"{}"  # more than it said: the connection is let go
        assert (await world.ask()).body == b"{}"
        replica.answer = head % 2 + b"{}"
        assert (await world.ask()).body == b"{}"
        assert replica.connections == kept + 1
        replica.answer = head % 65 + b"x" * 65
        assert [(await world.ask()).status for _ in range(2)] == [502, 502]

    within(scenario)


def test_answers_that_come_in_two_parts_or_end_the_connection_are_read_each_time() -> None:
    async def scenario(world: World) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/odd\r\n%bcontent-length: 4\r\n\r\n"

        async def in_halves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(65536):
                writer.write(head % b"" + b"12")
                await asyncio.sleep(0.02)
                writer.write(b"34")

        world.route(await world.replica(in_halves))
        for _ in range(3):
            assert (await world.ask()).body == b"1234"
        closing = await world.replica()
        closing.answer = head % b"connection: close\r\n" + b"1234"
        world.route(closing)
        for _ in range(3):
            assert (await world.ask()).body == b"1234"
        assert closing.connections == 3

    within(scenario)


def test_an_answer_in_known_words_that_breaks_off_is_lost() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        assert (await world.ask()).status == 200

        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(65536)
            writer.write(OK[:-1])
            writer.close()

        world.route(await world.replica(half))
        assert (await world.ask()).status == 502

    within(scenario)
