"""The way in from other machines: TLS and a token, nothing that is open, and never in the way of loopback."""

import asyncio
import contextlib
import json
import socket
import ssl
from dataclasses import replace

import pytest

from mlops_desk.serving.gateway.inbound.network import Handshakes
from mlops_desk.serving.gateway.routes import GatewayLimits, NetworkState
from tests.unit.serving.gateway.outside import NAMES, TOKENS, Outside, free_port, from_outside, identity
from tests.unit.serving.gateway.world import AGENT, OK, SHORT, eventually


def test_who_has_a_token_is_answered_and_who_has_none_learns_not_even_which_endpoints_there_are() -> None:
    async def scenario(world: Outside) -> None:
        replica = await world.replica()
        world.route(replica)
        assert (await world.ask()).status == 200
        assert (await world.ask(world.head("GET", "/digits/ping"))).status == 200
        for given in ("authorization: Bearer other", "authorization: Basic x", f"authorization: Bearer {AGENT}"):
            asked = [await world.ask(world.request(b"{}", path, given)) for path in ("/digits", "/nobody", "/digits/x")]
            assert {(said.status, said.body) for said in asked} == {(401, asked[0].body)}
        assert (await world.ask(world.request(b"{}", "/nobody"))).status == 401
        assert (
            await world.ask(world.request(b"{}", "/digits?token=token-of-digits", "authorization: x"))
        ).status == 401
        assert len(replica.asked) == 2

    from_outside(scenario)


def test_an_open_endpoint_is_not_reached_with_a_token_or_without_one() -> None:
    async def scenario(world: Outside) -> None:
        replica = await world.replica()
        world.route(replica, is_open=True)
        for lines in ((), ("authorization: Bearer other",)):
            for sent in (world.request(b"{}", "/digits", *lines), world.head("GET", "/digits/ping", *lines)):
                said = await world.ask(sent)
                assert (said.status, "--no-open" in json.loads(said.body)["error"]) == (403, True)
        assert replica.asked == []
        world.route(replica, is_open=False, tokens=())
        assert (await world.ask(world.request(b"{}", "/digits", "authorization: Bearer "))).status == 401

    from_outside(scenario)


def test_counters_and_what_is_the_agents_are_not_there() -> None:
    async def scenario(world: Outside) -> None:
        world.route(await world.replica())
        assert (await world.ask(world.head("GET", "/digits/metrics"))).status == 403
        for what in ("stats", "metrics", "roll", "try/digits"):
            for method in ("GET", "POST"):
                sent = world.head(method, f"/-/{what}", f"authorization: Bearer {AGENT}", "content-length: 0")
                assert (await world.ask(sent)).status == 404
        assert world.rolled == 0

    from_outside(scenario)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("desk.lab", 200), ("DESK.lab:8443", 200), ("127.0.0.1:1", 200), ("a.wild.lab", 200), ("desk.lab.", 200),
        ("wild.lab", 403), ("a.b.wild.lab", 403), (".wild.lab", 403), ("evil.example", 403), ("localhost", 403),
        ("desk.lab.evil.example", 403), ("[::1]:8443", 403), ("", 403),
    ],
)  # fmt: skip
def test_the_host_has_to_be_a_name_of_the_certificate(host: str, status: int) -> None:
    async def scenario(world: Outside) -> None:
        world.route(await world.replica())
        asked = world.request().replace(f"host: 127.0.0.1:{world.port}".encode(), f"host: {host}".encode())
        assert (await world.ask(asked)).status == status
        target = world.request(b"{}", f"https://{host}/digits")
        assert (await world.ask(target)).status == status

    from_outside(scenario)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("origin: https://desk.lab",), 403), (("origin: null",), 403), (("sec-fetch-site: same-origin",), 403),
        (("sec-fetch-site: none",), 200), (("x-forwarded-for: 127.0.0.1", "x-forwarded-host: evil.example"), 200),
        (("forwarded: for=127.0.0.1;host=127.0.0.1;proto=http", "x-real-ip: 127.0.0.1"), 200),
    ],
)  # fmt: skip
def test_no_page_is_let_in_and_nothing_that_a_caller_says_of_itself_is_believed(
    lines: tuple[str, ...], status: int
) -> None:
    async def scenario(world: Outside) -> None:
        replica = await world.replica()
        world.route(replica)
        said = await world.ask(world.request(b"{}", "/digits", *lines))
        assert said.status == status
        assert not any(name.startswith("access-control") for name in said.headers)
        assert b"forwarded" not in b"".join(replica.asked).lower()

    from_outside(scenario)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_large_bodies_and_answers_come_whole_in_either_version(version: ssl.TLSVersion) -> None:
    async def scenario(world: Outside) -> None:
        replica = await world.replica()
        answer = bytes(range(256)) * 12_000
        replica.answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer)
        world.route(replica)
        talk = await world.dial(world.trusting(maximum_version=version, minimum_version=version))
        for _ in range(3):
            assert (await talk.ask(world.request(answer[:2_000_000]))).body == answer
        assert replica.asked[0].endswith(answer[1_999_000:2_000_000])
        talk.send(b"".join(world.request(b"%02d" % number) for number in range(5)))
        replica.answer = OK
        assert [(await talk.said()).status for _ in range(5)] == [200] * 5

    from_outside(scenario)


def test_old_versions_and_what_is_no_tls_reach_nothing() -> None:
    async def scenario(world: Outside) -> None:
        replica = await world.replica()
        world.route(replica)
        old = world.trusting()
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLS"):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await world.dial(old)
        for sent in (world.request(), b"\x16\x03\x01\xff\xff" + b"x" * 70_000, b"\0" * 200_000):
            talk = await world.dial_plainly()
            talk.send(sent)
            with contextlib.suppress(ConnectionError):
                assert not (await talk.reader.read()).startswith(b"HTTP")
        assert replica.asked == []
        assert (await world.ask()).status == 200

    from_outside(scenario)


def test_a_hello_that_comes_byte_by_byte_is_a_hello() -> None:
    async def scenario(world: Outside) -> None:
        world.route(await world.replica())
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = world.trusting().wrap_bio(incoming, outgoing, server_hostname="desk.lab")
        talk = await world.dial_plainly()
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    talk.send(bytes([byte]))
                    await asyncio.sleep(0)
                incoming.write(await talk.reader.read(65536))
            else:
                break
        tls.write(world.request())
        for byte in outgoing.read():
            talk.send(bytes([byte]))
            await asyncio.sleep(0)
        incoming.write(await talk.reader.readuntil(b"\x17\x03\x03") + await talk.reader.read(65536))
        assert tls.read(65536).startswith(b"HTTP/1.1 200 ")

    from_outside(scenario)


@pytest.mark.slow
def test_who_does_not_finish_the_handshake_is_late_and_takes_nobodys_place() -> None:
    async def scenario(world: Outside) -> None:
        world.route(await world.replica(), limits=replace(SHORT, head_seconds=1.0))
        idle = [await world.dial_plainly() for _ in range(40)]
        for talk in idle[::2]:
            talk.send(b"\x16\x03\x01\x02\x00\x01")
        assert (await world.ask()).status == 200, "the oldest of those who owe makes room"
        await eventually(lambda: len(world.wardens[0]._open) <= 8)
        assert all([await talk.is_over() for talk in idle])
        assert len(world.warden._open) == 0
        await eventually(lambda: len(world.wardens[0]._open) == 0)

    from_outside(scenario, most=16, most_of_one=8)


@pytest.mark.slow
def test_who_does_not_finish_the_handshake_hears_nothing_in_the_open() -> None:
    async def scenario(world: Outside) -> None:
        world.route(await world.replica(), limits=replace(SHORT, head_seconds=0.2))
        for sent in (b"", world.request()[:7], b"\x16\x03\x01\x02\x00\x01"):
            talk = await world.dial_plainly()
            talk.send(sent)
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in await talk.reader.read()

    from_outside(scenario)


def test_handshakes_take_turns_with_whatever_else_there_is_to_do() -> None:
    done: list[str] = []

    class Shaker:
        def __init__(self, number: int) -> None:
            self.number = number

        def shake(self) -> None:
            done.append(f"handshake {self.number}")
            asyncio.get_running_loop().call_soon(done.append, f"request {self.number}")
            if self.number == 1:
                raise ValueError("a bug")

    async def scenario() -> None:
        heard: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: heard.append(context["exception"]))
        handshakes = Handshakes()
        for number in range(5):
            handshakes.wait(Shaker(number))
        await eventually(lambda: len(done) == 10)
        assert [type(error) for error in heard] == [ValueError], "and one that fails holds up nobody"

    asyncio.run(scenario())
    assert [one for one in done if one.startswith("handshake")] == [f"handshake {number}" for number in range(5)]
    assert all(done.index(f"request {number}") < done.index(f"handshake {number + 2}") for number in range(3))


def test_each_end_is_told_and_who_has_said_all_still_hears_the_answer() -> None:
    async def scenario(world: Outside) -> None:
        world.route(await world.replica())
        context = world.trusting()

        def ask() -> bytes:
            with (
                socket.create_connection(("127.0.0.1", world.port), 10) as plain,
                context.wrap_socket(plain, server_hostname="desk.lab", suppress_ragged_eofs=False) as talk,
            ):  # an end that is not told raises
                talk.sendall(world.request(b"{}", "/digits", "connection: close"))
                said = b""
                while piece := talk.recv(65536):
                    said += piece
                return said

        assert (await asyncio.to_thread(ask)).endswith(b"\r\n\r\n{}")

    from_outside(scenario)


def test_a_refusal_is_heard_by_who_still_sends_and_the_rest_is_thrown_away() -> None:
    async def scenario(world: Outside) -> None:
        replica = await world.replica()
        world.route(replica, limits=GatewayLimits(body_bytes=1000))
        talk = await world.dial()
        talk.send(world.head("POST", "/digits", "content-length: 500000"))
        said = await talk.said()
        assert (said.status, said.headers["connection"]) == (413, "close")
        talk.send(b"x" * 500_000)
        assert await talk.is_over()
        assert replica.asked == []

    from_outside(scenario)


def test_a_new_certificate_is_shown_to_who_comes_and_nobody_is_cut_off() -> None:
    async def scenario(world: Outside) -> None:
        world.route(await world.replica())
        talk = await world.dial()
        assert (await talk.ask(world.request())).status == 200
        second = identity(world.folder / "tls", ("other.lab", *NAMES))
        await world.listen(world.port, second, ("other.lab", *NAMES))
        assert world.told[-1] == NetworkState("127.0.0.1", world.port, str(second))
        assert (await talk.ask(world.request())).status == 200
        again = await world.dial(name="other.lab")
        assert (await again.ask(world.request().replace(b"127.0.0.1", b"other.lab"))).status == 200
        assert len(world.wardens) == 1

    from_outside(scenario)


def test_a_certificate_that_cannot_be_used_is_told_and_the_last_one_stays() -> None:
    async def scenario(world: Outside) -> None:
        world.route(await world.replica())
        damaged = world.folder / "damaged.pem"
        damaged.write_bytes(world.identity.read_bytes()[:-200])
        for path in (damaged, world.folder / "gone.pem"):
            await world.listen(world.port, path)
            state = world.told[-1]
            assert state is not None
            assert state.identity == str(world.identity)
            assert "certificate can't be used" in (state.error or "")
            assert (await world.ask()).status == 200
        await world.listen(world.port, world.identity)
        assert world.told[-1] == NetworkState("127.0.0.1", world.port, str(world.identity))

    from_outside(scenario)


def test_a_port_that_is_taken_is_told_and_had_once_it_is_free_and_loopback_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlops_desk.serving.gateway.inbound.network._AGAIN_SECONDS", 0.05)

    async def scenario(world: Outside) -> None:
        world.route(await world.replica(), is_open=True)
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            await world.listen(other.getsockname()[1])
            state = world.told[-1]
            assert state is not None
            assert "Address already in use" in (state.error or "")
            assert world.door.listening is None
            told = len(world.told)
            await asyncio.sleep(0.05)
            assert len(world.told) == told, "what goes on is not said again"
            plain = await world.dial_plainly(world.loopback_port)
            asked = world.request().replace(f":{world.port}".encode(), f":{world.loopback_port}".encode())
            assert (await plain.ask(asked)).status == 200
        await eventually(lambda: world.told[-1] == NetworkState("127.0.0.1", world.port, str(world.identity)))
        world.route(await world.replica())
        assert (await world.ask()).status == 200

    from_outside(scenario)


def test_where_it_is_no_longer_wanted_nobody_is_let_in_and_requests_under_way_are_answered() -> None:
    async def scenario(world: Outside) -> None:
        is_let = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(65536):
                await is_let.wait()
                writer.write(OK)

        world.route(await world.replica(serve))
        first = world.port
        waiting, resting = await world.dial(), await world.dial()
        waiting.send(world.request())
        await eventually(lambda: world.proxy._lanes["digits"].in_flight == 1)
        await world.listen(None)
        assert world.told[-1] is None
        assert await resting.is_over()
        with pytest.raises(OSError, match=r".*"):
            await world.dial_plainly(first)
        is_let.set()
        assert (await waiting.said()).status == 200
        assert await waiting.is_over()
        await world.listen(free_port())
        assert (await world.ask()).status == 200

    from_outside(scenario)


def test_who_comes_from_outside_is_named_by_address_and_a_user_of_this_machine_by_its_user() -> None:
    async def scenario(world: Outside) -> None:
        from mlops_desk.serving.gateway.inbound.network import NetworkPeers

        names = NetworkPeers(world.peers)
        here = ("10.0.0.5", 8443)
        assert names.name(("10.0.0.9", 1), here) == "address 10.0.0.9"
        assert names.name(("::ffff:10.0.0.9", 1), ("::ffff:10.0.0.5", 8443)) == "address 10.0.0.9"
        assert names.name(("2001:db8::1", 1), ("2001:db8::2", 8443)) == "address 2001:db8::/64"
        assert names.name(("2001:db8::ffff:1", 1), ("2001:db8::2", 1)) == "address 2001:db8::/64"
        assert names.name(("fe80::1%eth0", 1), ("fe80::2%eth0", 1)) == "address fe80::/64"
        assert names.name(None, here) == names.name(("10.0.0.9", 1), None) == "unknown"
        talk = await world.dial()
        ends = [talk.writer.get_extra_info(word) for word in ("sockname", "peername")]
        assert names.name(*ends).startswith("user ")

    from_outside(scenario)


def test_the_token_is_the_endpoints_own() -> None:
    async def scenario(world: Outside) -> None:
        replica = await world.replica()
        world.route(replica, name="other", tokens=("0" * 64,))
        assert (await world.ask(world.request(b"{}", "/other"))).status == 401
        assert TOKENS[0].encode() not in (await world.ask(world.request(b"{}", "/other"))).body

    from_outside(scenario)
