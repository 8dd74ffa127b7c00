"""What holds callers back holds them back on loopback and from other machines alike."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from mlops_desk.serving.gateway.routes import GatewayLimits
from tests.unit.serving.gateway.outside import from_outside
from tests.unit.serving.gateway.world import OK, SHORT, World, within

Way = Callable[..., None]
both = pytest.mark.parametrize("way", [within, from_outside], ids=["loopback", "network"])


async def busy_world(world: World, **more: Any) -> tuple[asyncio.Event, World]:
    """Lead the endpoint to a replica that answers once it is let."""
    is_let = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            await is_let.wait()
            writer.write(OK)

    world.route(await world.replica(serve), **more)
    return is_let, world


def run(way: Way, scenario: Callable[[World], Awaitable[None]]) -> None:
    way(scenario)


@both
def test_pages_of_other_sites_get_no_permission_and_no_answer(way: Way) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        evil = ("origin: https://evil.example", "access-control-request-method: POST")
        for method in ("OPTIONS", "POST", "GET"):
            said = await world.ask(world.head(method, "/digits", *evil, "content-length: 0"))
            assert said.status == 403
            assert not [name for name in said.headers if name.startswith("access-control")]
        said = await world.ask(world.head("OPTIONS", "/digits"))
        assert (said.status, said.headers["allow"]) == (405, "POST")
        assert replica.asked == []
        assert not [name for name in (await world.ask()).headers if name.startswith("access-control")]

    run(way, scenario)


@both
def test_more_than_may_be_asked_is_told_when_to_come_again(way: Way) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica, requests_per_second=0.25)
        assert (await world.ask()).status == 200
        said = await world.ask()
        assert (said.status, said.headers["retry-after"]) == (429, "4")
        assert len(replica.asked) == 1

    run(way, scenario)


@both
def test_more_than_may_wait_are_told_to_come_again(way: Way) -> None:
    async def scenario(world: World) -> None:
        is_let, _ = await busy_world(world, limits=GatewayLimits(in_flight=1, in_flight_of_one=1), queue=1)
        talks = [await world.dial() for _ in range(3)]
        for talk in talks:
            talk.send(world.request())
            await asyncio.sleep(0.05)
        said = await talks[2].said()
        assert (said.status, said.headers["retry-after"]) == (503, "2")
        is_let.set()
        assert [(await talk.said()).status for talk in talks[:2]] == [200, 200]

    run(way, scenario)


@both
def test_a_body_that_is_too_large_is_refused_said_or_unsaid(way: Way) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica, limits=GatewayLimits(body_bytes=1000))
        assert (await world.ask(world.head("POST", "/digits", f"content-length: {10 << 30}"))).status == 413
        talk = await world.dial()
        talk.send(world.head("POST", "/digits", "transfer-encoding: chunked"))
        for _ in range(11):
            talk.send(b"64\r\n" + b"x" * 100 + b"\r\n")
        said = await talk.said()
        assert (said.status, said.headers["connection"]) == (413, "close")
        assert (await world.ask(world.request(b"x" * 1000))).status == 200
        assert len(replica.asked) == 1

    run(way, scenario)


@pytest.mark.slow
@both
def test_a_body_that_comes_packed_is_refused_and_never_unpacked(way: Way) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        bomb = gzip.compress(b"\0" * 20_000_000)
        said = await world.ask(world.request(bomb, "/digits", "content-encoding: gzip"))
        assert (said.status, said.headers["accept-encoding"]) == (415, "identity")
        assert (await world.ask(world.request(bomb, "/digits", "transfer-encoding: gzip, chunked"))).status in {
            400,
            501,
        }
        assert (await world.ask(world.request(b"{}", "/digits", "content-encoding: Identity"))).status == 200
        assert len(replica.asked) == 1

    run(way, scenario)


@both
def test_an_answer_that_is_packed_or_of_no_type_is_not_taken_for_what_it_is_not(way: Way) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        for line in (
            b"content-encoding: gzip", b"content-encoding: br", b"transfer-encoding: gzip, chunked",
            b"content-type: " + b"x" * 2000, b"content-type: \xff", b"content-type: ",
        ):  # fmt: skip
            replica.answer = b"HTTP/1.1 200 OK\r\n" + line + b"\r\ncontent-length: 2\r\n\r\n{}"
            said = await world.ask()
            assert said.status == 502
            assert b"x" * 20 not in said.body
        replica.answer = OK.replace(b"content-length", b"content-encoding: identity\r\ncontent-length")
        assert (await world.ask()).status == 200

    run(way, scenario)


@both
def test_what_comes_with_a_ping_is_not_handed_on(way: Way) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        assert (await world.ask(world.head("GET", "/digits/ping", "content-length: 8") + b"smuggled")).status == 200
        assert b"smuggled" not in replica.asked[0]
        assert (await world.ask()).status == 200

    run(way, scenario)


@pytest.mark.slow
@both
def test_who_is_slow_is_told_and_ends(way: Way) -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica(), limits=replace(SHORT, head_seconds=1.0))
        head, body = await world.dial(), await world.dial()
        head.send(world.request()[:30])
        body.send(world.head("POST", "/digits", "content-length: 10") + b"x")
        assert [(await talk.said()).status for talk in (head, body)] == [408, 408]
        assert await head.is_over()
        assert await body.is_over()

    run(way, scenario)


@both
def test_a_head_may_be_so_large(way: Way) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        assert (await world.ask(world.request(b"{}", "/digits", f"x: {'y' * 30_000}"))).status == 200
        for lines in ((f"x: {'y' * 33_000}",), tuple(f"x-{n}: 1" for n in range(101)), (f"{'x' * 33_000}: 1",)):
            assert (await world.ask(world.request(b"{}", "/digits", *lines))).status == 431
        assert (await world.ask(world.request(b"{}", f"/digits?{'x' * 33_000}"))).status == 431
        assert len(replica.asked) == 1

    run(way, scenario)


@both
def test_a_model_has_so_long_and_so_much_to_say(way: Way) -> None:
    async def scenario(world: World) -> None:
        is_let, _ = await busy_world(world, timeout_seconds=0.2)
        said = await world.ask()
        assert (said.status, json.loads(said.body)) == (504, {"error": "No answer within 0.2 s."})
        is_let.set()
        replica = await world.replica()
        replica.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n" + b"x" * 4096
        world.route(replica, limits=GatewayLimits(answer_bytes=2048))
        assert (await world.ask()).status == 502

    run(way, scenario)


@both
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "//digits", 200), ("POST", "/digits/", 200), ("POST", "/digits//invocations", 404),
        ("POST", "/DIGITS", 404), ("POST", "/%64igits", 404), ("POST", "/digits/%69nvocations", 404),
        ("POST", "/digits/../digits", 404), ("POST", "/x/%2e%2e/digits", 404), ("POST", "/digits;x=1", 404),
        ("POST", "/digits/invocations;x", 404), ("POST", "/digits%00", 404), ("POST", "/digits%2finvocations", 404),
        ("POST", "/\\digits", 404), ("POST", "/digits#x", 404), ("POST", "/./digits", 404), ("POST", "/-", 403),
        ("POST", "/-/../digits", 403), ("GET", "/-//stats", 403), ("GET", "/digits", 405), ("HEAD", "/digits", 405),
        ("PUT", "/digits", 405), ("TRACE", "/digits", 405), ("DELETE", "/digits/invocations", 405),
    ],
)  # fmt: skip
def test_a_path_means_one_thing_or_nothing(way: Way, method: str, path: str, status: int) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        body = b"{}" if method == "POST" else b""
        talk = await world.dial()
        said = await talk.ask(world.head(method, path, f"content-length: {len(body)}") + body, is_head=method == "HEAD")
        hidden = {404: {401, 404}, 403: {403, 404}}  # from outside nobody learns what there is
        assert said.status in hidden.get(status, {status})
        assert len(replica.asked) == (status == 200)

    run(way, scenario)


@both
def test_each_request_on_a_connection_is_let_in_by_its_own_token(way: Way) -> None:
    import hashlib

    async def scenario(world: World) -> None:
        first, second = await world.replica(), await world.replica()
        from mlops_desk.serving.gateway.routes import EndpointRoutes, Route

        def to(address: str, token: bytes) -> EndpointRoutes:
            hashes = (hashlib.sha256(token).hexdigest(),)
            return EndpointRoutes((Route(1, 1.0, (address,)),), "/nowhere", tokens=hashes, is_open=False)

        world.endpoints({"a": to(first.address, b"of-a"), "b": to(second.address, b"of-b")})
        talk = await world.dial()
        asked = [("a", "of-a"), ("b", "of-b"), ("a", "of-a"), ("b", "of-a"), ("b", "of-b")]
        for name, token in asked:
            talk.send(world.request(name.encode(), f"/{name}", f"authorization: Bearer {token}"))
        assert [(await talk.said()).status for _ in asked[:4]] == [200, 200, 200, 401]
        assert await talk.is_over(), "whose token is wrong is heard no further"
        assert [one[-1:] for one in first.asked + second.asked] == [b"a", b"a", b"b"]

    run(way, scenario)


@both
def test_no_other_protocol_is_spoken(way: Way) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        for lines in (
            ("connection: upgrade", "upgrade: websocket", "sec-websocket-key: x", "sec-websocket-version: 13"),
            ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: x"),
        ):
            talk = await world.dial()
            talk.send(world.head("GET", "/digits/ping", *lines) + world.request(b"smuggled"))
            assert (await talk.said()).status == 501
            assert await talk.is_over()
        talk = await world.dial()
        talk.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert (await talk.said()).status in {400, 505}
        assert (await world.ask(world.head("CONNECT", "digits:80"))).status in {400, 403, 405, 501}
        assert replica.asked == []

    run(way, scenario)
