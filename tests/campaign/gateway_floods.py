"""Beset the gateway with a random mix of hostile connections; an innocent beside them gets every answer, and the right one.

The time between two requests stays as it is by default: an innocent on a busy machine takes longer than a second, and
whoever asks just when a kept connection is closed gets no answer from any server.

Each try starts a gateway and a replica of its own, opens up to 700 hostile connections of all kinds in a random order,
some of which drip on, and asks on fresh and on kept connections all the while. Then the flood goes away, and neither
the process nor a descriptor of it has.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import httpx

from mlops_desk.serving.gateway.process_control import Gatekeeper, read_state
from mlops_desk.serving.gateway.routes import EndpointRoutes, GatewayLimits, Route, RoutingTable
from tests import floods
from tests.serving_upstream import upstream

if TYPE_CHECKING:
    import random
    import socket

TRIES = 50
_MOST = 700
_QUESTIONS = 40
_PATIENCE_SECONDS = 30.0
_SPARE_DESCRIPTORS = 4


def attempt(number: int, folder: Path, rng: random.Random) -> str | None:
    keeper = Gatekeeper(folder / "_gateway")
    port = keeper.ensure()
    try:
        with upstream(word=f"word-{number}") as replica:
            limits = GatewayLimits(
                head_seconds=rng.uniform(1, 5), body_seconds=rng.uniform(2, 6), body_idle_seconds=rng.uniform(1, 4),
                unread_seconds=rng.uniform(2, 6),
            )  # fmt: skip
            routes = EndpointRoutes((Route(1, 1.0, (replica.place,)),), str(folder / "log"))
            keeper.wait_for(keeper.publish(lambda: RoutingTable(0, {"digits": routes}, limits)))
            return _beset(folder / "_gateway", port, f"word-{number}", rng)
    finally:
        keeper.stop()


def _beset(folder: Path, port: int, word: str, rng: random.Random) -> str | None:
    state = read_state(folder)
    if state is None:
        return "the gateway has no state"
    before = _descriptors(state.pid)
    held: list[socket.socket] = []
    ending = Event()
    thread = Thread(target=_flood, args=(port, rng, held, ending), daemon=True)
    thread.start()
    try:
        broke = _ask_all(port, word, ending)
    finally:
        ending.set()
        thread.join(_PATIENCE_SECONDS)
        for made in held:
            made.close()
    if broke is not None:
        return broke
    after = read_state(folder)
    if after is None or after.pid != state.pid or not after.is_alive:
        return "the gateway has ended"
    return _drained(state.pid, before)


def _flood(port: int, rng: random.Random, held: list[socket.socket], ending: Event) -> None:
    address = ("127.0.0.1", port)
    for kind in rng.choices(floods.KINDS, k=rng.randint(100, _MOST)):
        if ending.is_set():
            return
        with contextlib.suppress(OSError):
            held.append(kind(address))
    while not ending.wait(0.3):
        for made in rng.sample(held, min(50, len(held))):
            with contextlib.suppress(OSError):
                made.send(b"x")


def _ask_all(port: int, word: str, ending: Event) -> str | None:
    """Ask on one kept connection and on fresh ones in turn."""
    url, body = f"http://127.0.0.1:{port}/digits", {"dataframe_records": [{"a": 1}]}
    wanted = json.dumps({"predictions": [word]})
    with httpx.Client(trust_env=False, timeout=_PATIENCE_SECONDS) as kept:
        for question in range(_QUESTIONS):
            with contextlib.ExitStack() as stack:
                fresh = stack.enter_context(httpx.Client(trust_env=False, timeout=_PATIENCE_SECONDS))
                client = kept if question % 2 else fresh
                try:
                    answer = client.post(url, json=body)
                except httpx.HTTPError as error:
                    return f"question {question} on a {'kept' if question % 2 else 'fresh'} connection: {error!r}"
            if (answer.status_code, answer.text) != (200, wanted):
                return f"question {question} was answered {answer.status_code} {answer.text[:200]}"
            ending.wait(0.02)
    return None


def _drained(pid: int, before: int) -> str | None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (now := _descriptors(pid)) > before + _SPARE_DESCRIPTORS:
        if time.monotonic() > deadline:
            return f"{now} descriptors are open after the flood, {before} were before"
        time.sleep(0.1)
    return None


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
