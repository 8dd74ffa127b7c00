"""A body is read with a cap, a deadline for all of it and one for its next piece; answers go back in pieces."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from mlops_desk.serving.gateway.exchange import Answer, Rejected, read_body, send_answer
from mlops_desk.serving.gateway.routes import GatewayLimits

LIMITS = GatewayLimits(body_bytes=100, body_seconds=30.0, body_idle_seconds=30.0)


def sender(*pieces: bytes, pause_seconds: float = 0.0, ends: bool = True) -> Callable[[], Any]:
    """Return an ASGI ``receive`` that gives ``pieces`` one by one, and then the end or nothing for ever."""
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause_seconds)
        if not left and not ends:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": left.pop(0) if left else b"", "more_body": bool(left) or not ends}

    return receive


def read(
    receive: Any, limits: GatewayLimits = LIMITS, hold: Callable[[int], None] = lambda _: None, **headers: str
) -> bytes:
    return asyncio.run(asyncio.wait_for(read_body(headers, receive, limits, hold), 20))


def test_a_body_comes_together() -> None:
    assert read(sender(b"ab", b"", b"cd")) == b"abcd"


def test_a_body_in_pieces_is_cut_off_at_the_limit() -> None:
    assert read(sender(b"x" * 60, b"x" * 40)) == b"x" * 100
    with pytest.raises(Rejected) as rejected:
        read(sender(b"x" * 60, b"x" * 41))
    assert rejected.value.answer.status == 413


def test_a_length_above_the_limit_is_refused_unread() -> None:
    with pytest.raises(Rejected) as rejected:
        read(sender(ends=False), **{"content-length": "101"})
    assert rejected.value.answer.status == 413


def test_a_body_that_pauses_too_long_is_told_so() -> None:
    limits = GatewayLimits(body_seconds=30.0, body_idle_seconds=0.05)
    with pytest.raises(Rejected) as rejected:
        read(sender(b"x", ends=False), limits)
    assert rejected.value.answer.status == 408
    assert ("connection", "close") in rejected.value.answer.headers


def test_a_body_that_drips_is_told_so() -> None:
    limits = GatewayLimits(body_bytes=1 << 20, body_seconds=0.2, body_idle_seconds=30.0)
    with pytest.raises(Rejected) as rejected:
        read(sender(*[b"x"] * 400, pause_seconds=0.02), limits)
    assert rejected.value.answer.status == 408


def test_a_sender_who_goes_is_not_waited_for() -> None:
    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(Rejected) as rejected:
        read(gone)
    assert rejected.value.answer.status == 400


def test_what_is_read_is_held() -> None:
    held: list[int] = []
    read(sender(b"ab", b"cde"), hold=held.append)
    assert held == [2, 3]


@pytest.mark.parametrize("size", [0, 1, 262_144, 262_145, 600_000])
def test_an_answer_goes_out_in_pieces_and_whole(size: int) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(send_answer(send, Answer(200, b"x" * size)))
    start, *pieces = sent
    assert (b"content-length", str(size).encode()) in start["headers"]
    assert b"".join(piece["body"] for piece in pieces) == b"x" * size
    assert [piece["more_body"] for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    assert max(len(piece["body"]) for piece in pieces) <= 262_144


def test_a_rejection_is_an_answer_with_a_sentence() -> None:
    answer = Rejected(503, "Too much.", retry=True).answer
    assert (answer.status, json.loads(answer.body)) == (503, {"error": "Too much."})
    assert answer.headers == (("retry-after", "2"),)
