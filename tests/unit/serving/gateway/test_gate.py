"""Who is let in, how many at once, how often, who waits; copies for a shadow; what the gateway says about itself."""

import asyncio
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from mlops_desk.serving.gateway.endpoint_pool import Rate
from mlops_desk.serving.gateway.routes import EndpointRoutes, GatewayLimits, Route
from tests.unit.serving.gateway.world import AGENT, OK, Replica, World, eventually, within

TOKENS = tuple(hashlib.sha256(token).hexdigest() for token in (b"first-token", b"second-token"))


class Held:
    """A replica that answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_let = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            self.asked += 1
            await self.is_let.wait()
            writer.write(OK)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ((), 401), (("authorization: Bearer first-token",), 200), (("authorization: bearer second-token",), 200),
        (("authorization: Bearer third-token",), 401), (("authorization: Basic first-token",), 401),
        (("authorization: Bearer",), 401), ((f"authorization: Bearer {TOKENS[0]}",), 401),
        ((f"authorization: Bearer {AGENT}",), 401),
    ],
)  # fmt: skip
def test_an_endpoint_wants_one_of_its_tokens_for_whatever_is_asked_of_it(given: tuple[str, ...], status: int) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica, is_open=False, tokens=TOKENS, passes=("v1",))
        for sent in (
            world.request(b"{}", "/digits", *given), world.request(b"{}", "/digits/v1/chat/completions", *given),
            world.head("GET", "/digits/ping", *given), world.head("GET", "/digits/metrics", *given),
        ):  # fmt: skip
            said = await world.ask(sent)
            assert said.status == status
            assert (said.headers.get("www-authenticate") is not None) == (status == 401)
        assert len(replica.asked) == (3 if status == 200 else 0)
        assert [kept.status for _, kept in world.log.kept] == ([200, 200] if status == 200 else []), (
            "whoever has no token writes no log"
        )

    within(scenario)


def test_an_endpoint_that_is_closed_and_has_no_token_answers_nobody() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica(), is_open=False)
        assert (await world.ask()).status == 401
        assert (await world.ask(world.request(b"{}", "/digits", "authorization: Bearer "))).status == 401

    within(scenario)


def test_a_token_is_never_told_and_does_not_reach_the_model() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica, is_open=False, tokens=TOKENS)
        said = await world.ask(world.request(b"{}", "/digits", "authorization: Bearer first-token"))
        assert said.status == 200
        assert b"token" not in b"".join(replica.asked) + repr(world.log.kept).encode()

    within(scenario)


@pytest.mark.parametrize(
    ("path", "method", "status", "asked"),
    [
        ("v1/chat/completions", "POST", 200, b"POST /v1/chat/completions "),
        ("v1/models", "GET", 200, b"GET /v1/models "),
        ("v2/models/digits/infer?x=1&y", "POST", 200, b"POST /v2/models/digits/infer?x=1&y "),
        ("v1/../admin", "POST", 404, None), ("v1/%2e%2e/admin", "POST", 404, None), ("v1/.hidden", "GET", 404, None),
        ("v1//x", "POST", 404, None), ("v1/models", "DELETE", 405, None), ("v3/models", "POST", 404, None),
        ("v10", "POST", 404, None),
    ],
)  # fmt: skip
def test_paths_are_passed_on_where_the_table_says_so(path: str, method: str, status: int, asked: bytes | None) -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica, passes=("v1", "v2"))
        body = b"{}" if method == "POST" else b""
        said = await world.ask(world.head(method, f"/digits/{path}", f"content-length: {len(body)}") + body)
        assert said.status == status
        assert [one[: len(asked or b"")] for one in replica.asked] == ([] if asked is None else [asked])
        world.route(replica)
        assert (await world.ask(world.request(b"{}", f"/digits/{path}"))).status in {404, 405}

    within(scenario)


def test_more_requests_than_there_are_places_wait_and_more_than_may_wait_are_told_to_come_again() -> None:
    async def scenario(world: World) -> None:
        held = Held()
        limits = GatewayLimits(in_flight=2, in_flight_of_one=2)
        world.route(await world.replica(held.serve), limits=limits, queue=4)
        talks = [await world.dial() for _ in range(6)]
        for number, talk in enumerate(talks):
            talk.send(world.request())
            await eventually(lambda: world.proxy._lanes["digits"].in_flight == min(2, number + 1))  # noqa: B023 - waited for within the turn
        said = await talks[-1].said()
        assert (said.status, said.headers["retry-after"]) == (503, "2"), "three of four places to wait are one's share"
        stats = json.loads((await world.ask(control(world, "stats"))).body)["endpoints"]["digits"]
        assert (stats["queued"], stats["in_flight"]) == (3, 2)
        assert held.asked == 2
        held.is_let.set()
        assert [(await talk.said()).status for talk in talks[:5]] == [200] * 5
        assert world.proxy._lanes["digits"].waiting == 0

    within(scenario)


@pytest.mark.slow
def test_who_waits_too_long_or_goes_gives_the_place_in_the_queue_up() -> None:
    async def scenario(world: World) -> None:
        held = Held()
        limits = GatewayLimits(in_flight=1, in_flight_of_one=1, queue_seconds=2.0)
        world.route(await world.replica(held.serve), limits=limits, queue=8)
        first, waiting, gone = [await world.dial() for _ in range(3)]
        for talk in (first, waiting, gone):
            talk.send(world.request())
            await asyncio.sleep(0.02)
        gone.close()
        await eventually(lambda: world.proxy._lanes["digits"].waiting == 1)
        assert (await waiting.said()).status == 503
        assert world.proxy._lanes["digits"].waiting == 0
        held.is_let.set()
        assert (await first.said()).status == 200
        assert held.asked == 1
        assert sorted(kept.status for _, kept in world.log.kept) == [200, 499, 503]

    within(scenario)


def test_a_place_in_the_queue_is_given_back_each_time_somebody_leaves_it() -> None:
    async def scenario(world: World) -> None:
        held = Held()
        limits = GatewayLimits(in_flight=1, in_flight_of_one=1)
        world.route(await world.replica(held.serve), limits=limits, queue=4)
        first = await world.dial()
        first.send(world.request())
        await eventually(lambda: world.proxy._lanes["digits"].in_flight == 1)
        for _ in range(9):  # three of four places to wait are one caller's share
            gone = await world.dial()
            gone.send(world.request())
            await eventually(lambda: world.proxy._lanes["digits"].waiting == 1)
            gone.close()
            await eventually(lambda: world.proxy._lanes["digits"].waiting == 0)
        last = await world.dial()
        last.send(world.request())
        await eventually(lambda: world.proxy._lanes["digits"].waiting == 1)
        held.is_let.set()
        assert [(await talk.said()).status for talk in (first, last)] == [200, 200]

    within(scenario)


def test_whoever_did_not_ask_for_long_may_ask_no_more_at_once_than_comes_in_a_second() -> None:
    rate = Rate(4.0, 1000.0)
    for now in (1000.0, 5000.0):
        assert [rate.wait_seconds(now) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 0.25]
    assert rate.wait_seconds(5000.25) == 0.0
    assert rate.wait_seconds(5000.25) == 0.25
    assert [Rate(0.5, 0.0).wait_seconds(0.0), Rate(None, 0.0).wait_seconds(0.0)] == [0.0, 0.0]


def test_who_waited_goes_where_the_newest_table_leads() -> None:
    async def scenario(world: World) -> None:
        held, other = Held(), await world.replica()
        limits = GatewayLimits(in_flight=1, in_flight_of_one=1)
        world.route(await world.replica(held.serve), limits=limits, queue=8)
        talks = [await world.dial() for _ in range(2)]
        for talk in talks:
            talk.send(world.request())
            await asyncio.sleep(0.02)
        world.route(other, limits=limits, queue=8)
        held.is_let.set()
        assert [(await talk.said()).status for talk in talks] == [200, 200]
        assert (held.asked, len(other.asked)) == (1, 1)

    within(scenario)


def test_a_page_of_another_kind_of_address_is_refused_whatever_host_it_names() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica())
        for scheme, status in (("http", 200), ("HTTP", 200), ("https", 403), ("apps", 403), ("file", 403)):
            said = await world.ask(world.request(b"{}", "/digits", f"origin: {scheme}://localhost:{world.port}"))
            assert said.status == status, scheme

    within(scenario)


def test_requests_beyond_the_rate_are_told_when_to_come_again() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica, requests_per_second=0.25)
        assert (await world.ask()).status == 200
        said = await world.ask()
        assert (said.status, said.headers["retry-after"]) == (429, "4")
        assert (await world.ask(world.head("GET", "/digits/ping"))).status == 200, "a ping is no request"
        world.route(replica)
        assert (await world.ask()).status == 200
        assert world.proxy._lanes["digits"].counters[0].classes[4] == 1

    within(scenario)


def shadowed(live: Replica, shadow: Replica) -> dict[str, EndpointRoutes]:
    routes = (Route(3, 1.0, (live.address,)),)
    return {"digits": EndpointRoutes(routes, "/x", shadow=Route(4, 0.0, (shadow.address,)), timeout_seconds=4.0)}


def test_a_shadow_gets_a_copy_and_its_answer_reaches_the_log_alone() -> None:
    async def scenario(world: World) -> None:
        live, shadow = await world.replica(), await world.replica()
        shadow.answer = OK.replace(b"{}", b"no")
        world.endpoints(shadowed(live, shadow))
        said = await world.ask(world.request(b"[1]", "/digits", "x-request-id: a"))
        assert (said.body, said.headers["x-mlops-desk-revision"]) == (b"{}", "3")
        await eventually(lambda: len(world.log.kept) == 2)
        assert shadow.asked == live.asked
        found = [(one.request_id, one.revision, one.answer, one.body, one.is_shadow) for _, one in world.log.kept]
        assert found == [("a", 3, b"{}", b"[1]", False), ("a", 4, b"no", b"[1]", True)]
        assert set(world.proxy._lanes["digits"].counters) == {3}

    within(scenario)


@pytest.mark.slow
def test_a_shadow_that_hangs_delays_nobody_and_copies_beyond_a_number_are_left_out() -> None:
    async def scenario(world: World) -> None:
        held = Held()
        live, shadow = await world.replica(), await world.replica(held.serve)
        world.endpoints(shadowed(live, shadow))
        talk = await world.dial()
        for _ in range(50):
            assert (await talk.ask(world.request())).status == 200
        shadows = world.proxy.shadows
        assert (shadows.under_way, world.proxy._lanes["digits"].shadows_dropped) == (32, 18)
        await eventually(lambda: shadows.under_way == 0)
        assert shadows.held_bytes == 0
        assert Counter((one.status, one.is_shadow) for _, one in world.log.kept) == {(200, False): 50, (504, True): 32}

    within(scenario)


def test_a_shadow_that_breaks_or_is_gone_changes_no_answer() -> None:
    async def scenario(world: World) -> None:
        live, shadow = await world.replica(), await world.replica()
        shadow.answer = b"garbage\r\n\r\n"
        world.endpoints(shadowed(live, shadow))
        assert (await world.ask()).body == b"{}"
        await eventually(lambda: len(world.log.kept) == 2)
        shadow.path.unlink()
        assert (await world.ask()).body == b"{}"
        await eventually(lambda: len(world.log.kept) == 4)
        assert [one.status for _, one in world.log.kept] == [200, 502, 200, 502]

    within(scenario)


def test_what_a_shadow_answers_is_counted_apart_and_is_none_of_the_endpoints_requests() -> None:
    async def scenario(world: World) -> None:
        live, shadow = await world.replica(), await world.replica()
        shadow.answer = OK.replace(b"200 OK", b"500 No")
        world.endpoints(shadowed(live, shadow))
        for _ in range(3):
            await world.ask()
        await eventually(lambda: len(world.log.kept) == 6)
        found = json.loads((await world.ask(control(world, "stats"))).body)["endpoints"]["digits"]
        assert (found["requests"], found["errors"], list(found["revisions"])) == (3, 0, ["3"])
        assert (found["shadows"]["4"]["requests"], found["shadows"]["4"]["errors"]) == (3, 3)
        lines = (await world.ask(world.head("GET", "/digits/metrics"))).body.decode().splitlines()
        told = [line for line in lines if "requests_total{" in line]
        assert told == [
            'mlops_desk_gateway_requests_total{endpoint="digits",revision="3",code="2xx"} 3',
            'mlops_desk_gateway_shadow_requests_total{endpoint="digits",revision="4",code="5xx"} 3',
        ]
        label = 'endpoint="digits",revision="4"'
        assert f'mlops_desk_gateway_shadow_request_seconds_bucket{{{label},le="+Inf"}} 3' in lines
        assert f"mlops_desk_gateway_shadow_request_seconds_count{{{label}}} 3" in lines
        assert f"mlops_desk_gateway_request_seconds_count{{{label}}} 3" not in lines

    within(scenario)


def test_the_next_endpoint_of_a_name_begins_with_nothing_of_the_one_before() -> None:
    async def scenario(world: World) -> None:
        held = Held()
        first, second = await world.replica(held.serve), await world.replica()
        slow = await world.dial()
        world.endpoints({"digits": EndpointRoutes((Route(3, 1.0, (first.address,)),), "/one", queue=4)},
                        GatewayLimits(in_flight=1, in_flight_of_one=1))  # fmt: skip
        waiting = await world.dial()
        slow.send(world.request(b"[1]", "/digits", "x-request-id: under-way"))
        await eventually(lambda: held.asked == 1)
        waiting.send(world.request(b"[2]", "/digits", "x-request-id: waits"))
        await eventually(lambda: world.proxy._lanes["digits"].waiting == 1)
        world.endpoints({"digits": EndpointRoutes((Route(1, 1.0, (second.address,)),), "/two", queue=4)})
        assert (await world.ask(world.request(b"[3]", "/digits", "x-request-id: new"))).status == 200
        held.is_let.set()
        assert (await slow.said()).status == 200
        refused = await waiting.said()
        assert (refused.status, second.asked[1:]) == (503, []), "it was let in at another one"
        assert b"was removed" in refused.body
        assert [one.request_id for _, one in world.log.kept] == ["new"]
        found = json.loads((await world.ask(control(world, "stats"))).body)["endpoints"]["digits"]
        assert (found["requests"], list(found["revisions"])) == (1, ["1"])
        world.endpoints({})
        stats = json.loads((await world.ask(control(world, "stats"))).body)
        assert stats["endpoints"] == {}

    within(scenario)


def control(world: World, what: str, method: str = "GET", token: str = AGENT) -> bytes:
    return world.head(method, f"/-/{what}", f"authorization: Bearer {token}")


def test_the_agent_alone_reads_all_counters() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica)
        await world.ask()
        replica.answer = OK.replace(b"200 OK", b"503 No")
        await world.ask()
        for what in ("stats", "metrics", "roll", "other"):
            assert (await world.ask(control(world, what, token="no"))).status == 403
        assert (await world.ask(control(world, "other"))).status == 404
        stats = json.loads((await world.ask(control(world, "stats"))).body)
        found = stats["endpoints"]["digits"]
        assert (stats["serial"], found["requests"], found["errors"]) == (1, 2, 1)
        assert found["classes"] == found["revisions"]["3"]["classes"] == [0, 0, 1, 0, 0, 1]
        assert sum(found["buckets"]) == 2
        assert (await world.ask(control(world, "roll", "POST"))).status == 200
        assert world.rolled == 1

    within(scenario)


def test_prometheus_reads_what_was_counted() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica(), is_open=False, tokens=TOKENS)
        mine = "authorization: Bearer first-token"
        for _ in range(3):
            await world.ask(world.request(b"{}", "/digits", mine))
        await world.ask()
        said = await world.ask(world.head("GET", "/digits/metrics", mine))
        assert said.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        lines = said.body.decode().splitlines()
        assert 'mlops_desk_gateway_requests_total{endpoint="digits",revision="3",code="2xx"} 3' in lines
        assert 'mlops_desk_gateway_requests_total{endpoint="digits",revision="0",code="4xx"} 1' in lines
        assert 'mlops_desk_gateway_request_seconds_bucket{endpoint="digits",revision="3",le="+Inf"} 3' in lines
        assert 'mlops_desk_gateway_queued{endpoint="digits"} 0' in lines
        assert (await world.ask(control(world, "metrics"))).body == said.body

    within(scenario)


def test_a_log_that_is_full_is_counted_and_a_sample_is_logged_by_the_requests_id() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        world.route(replica, sample=0.5)
        talk = await world.dial()
        for number in range(200):
            await talk.ask(world.request(b"{}", "/digits", f"x-request-id: {number}"))
        first = [kept.request_id for _, kept in world.log.kept]
        assert 60 < len(first) < 140
        world.log.kept.clear()
        for number in range(200):
            await talk.ask(world.request(b"{}", "/digits", f"x-request-id: {number}"))
        assert [kept.request_id for _, kept in world.log.kept] == first
        world.log.is_full = True
        world.route(replica)
        await talk.ask(world.request())
        stats = json.loads((await world.ask(control(world, "stats"))).body)
        assert stats["endpoints"]["digits"]["unlogged"] == 1

    within(scenario)


def test_an_endpoint_without_a_replica_says_why(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.endpoints({"digits": EndpointRoutes((), "/x", note="Endpoint digits is stopped.")})
        said = await world.ask()
        assert (said.status, json.loads(said.body), said.headers["retry-after"]) == (
            503, {"error": "Endpoint digits is stopped."}, "2",
        )  # fmt: skip
        world.endpoints({"digits": EndpointRoutes((Route(1, 1.0, (f"unix:{tmp_path}/nobody",)),), "/x")})
        assert b"No replica" in (await world.ask()).body

    within(scenario)


def test_who_asks_a_paused_endpoint_is_turned_away_and_its_owner_is_not() -> None:
    async def scenario(world: World) -> None:
        replica = await world.replica()
        talk = await world.dial()
        world.route(replica)
        assert (await talk.ask(world.request())).status == 200
        world.route(replica, paused="Endpoint digits is paused: the disk is changed")
        for asked in (world.request(), world.request(), world.head("GET", "/digits/ping")):
            said = await world.ask(asked)
            assert (said.status, json.loads(said.body), said.headers["retry-after"]) == (
                503, {"error": "Endpoint digits is paused: the disk is changed"}, "30",
            )  # fmt: skip
        stats = json.loads((await world.ask(control(world, "stats"))).body)
        assert (stats["endpoints"]["digits"]["requests"], stats["endpoints"]["digits"]["errors"]) == (1, 0)
        by_agent = f"authorization: Bearer {AGENT}"
        assert (await world.ask(world.request(b"{}", "/-/try/digits", by_agent))).status == 200
        assert (await talk.ask(world.request())).status == 503, "who came before the pause is no exception"
        world.route(replica)
        assert (await world.ask()).status == 200

    within(scenario)


def test_feedback_goes_to_the_log_with_a_token_and_what_is_wrong_with_it_is_said() -> None:
    async def scenario(world: World) -> None:
        world.route(await world.replica(), is_open=False, tokens=TOKENS, limits=GatewayLimits(body_bytes=100))
        mine = "authorization: Bearer first-token"
        assert (await world.ask(world.request(b"{}", "/digits/feedback"))).status == 401
        for body, status in ((b"right", 200), (b"odd", 400), (b"late", 503), (b"x" * 101, 413)):
            said = await world.ask(world.request(body, "/digits/feedback", mine))
            assert said.status == status
            assert (said.body == b'{"rows": 1}') == (status == 200)
        assert (await world.ask(world.head("GET", "/digits/feedback", mine))).status == 405
        assert world.fed == [("digits", b"right")]

    within(scenario)
