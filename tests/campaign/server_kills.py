"""The gateway and the tracking server are killed beside live traffic, by themselves, with their keepers, or at once.

Callers ask an endpoint without a pause and a training logs one metric after the other, while one or several of the
processes are killed (the tracking server is frozen as well), up to six times in a row. Only what was under way at a
gateway's end may be cut off; every answer is the right one. No write that the tracking server has acknowledged is lost,
none is there twice, and both serve at their old ports afterwards.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import httpx

from mlops_desk.serving.gateway.process_control import Gatekeeper
from mlops_desk.serving.gateway.routes import EndpointRoutes, Route, RoutingTable
from tests.end2end.test_registry_supervision import Agent, Writer, back
from tests.serving_upstream import upstream

TRIES = 60
_CALLERS = 4
_AFTERWARDS = 20
_PATIENCE_SECONDS = 30.0
_CLOSING_SECONDS = 0.5
"""The kernel closes a killed process's sockets a moment after it has gone: who comes in between is cut off."""


@dataclass(frozen=True)
class Answer:
    """What a caller got from ``asked`` to ``answered`` (monotonic seconds): a status, or 0 and why there is none."""

    asked: float
    answered: float
    status: int
    text: str


class Callers:
    """Ask without a pause, each on fresh connections and on one that is kept in turn."""

    def __init__(self, url: str) -> None:
        self.answers: list[Answer] = []
        self._url, self._ending = url, Event()
        self._threads = [Thread(target=self._ask, daemon=True) for _ in range(_CALLERS)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(_PATIENCE_SECONDS)

    def _ask(self) -> None:
        with httpx.Client(trust_env=False, timeout=_PATIENCE_SECONDS) as kept:
            while not self._ending.is_set():
                self.answers.append(ask(self._url, kept))
                with httpx.Client(trust_env=False, timeout=_PATIENCE_SECONDS) as fresh:
                    self.answers.append(ask(self._url, fresh))


def ask(url: str, client: httpx.Client) -> Answer:
    asked = time.monotonic()
    try:
        answer = client.post(url, json={"dataframe_records": [{"a": 1}]})
    except httpx.HTTPError as error:
        return Answer(asked, time.monotonic(), 0, repr(error))
    return Answer(asked, time.monotonic(), answer.status_code, answer.text)


@contextmanager
def revived(keeper: Gatekeeper, publish: Callable[[], int]) -> Iterator[None]:
    """Do as the agent's serving does meanwhile: a gateway that is gone is started again and gets its routes."""
    ending = Event()

    def look() -> None:
        while not ending.wait(0.1):
            if keeper.is_gone():
                keeper.ensure()
                publish()
            keeper.settle()

    thread = Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(_PATIENCE_SECONDS)


def attempt(number: int, folder: Path, rng: random.Random) -> str | None:
    agent, keeper = Agent(folder / "data"), Gatekeeper(folder / "_gateway")
    try:
        with upstream(word=f"word-{number}") as replica:
            replica.wait_seconds = rng.choice([0.0, 0.01, 0.2])
            routes = {"digits": EndpointRoutes((Route(1, 1.0, (replica.place,)),), str(folder / "log"))}
            port = keeper.ensure()

            def publish() -> int:
                return keeper.publish(lambda: RoutingTable(0, routes))

            keeper.wait_for(publish())
            with revived(keeper, publish):
                return _beset(agent, keeper, f"http://127.0.0.1:{port}/digits", f"word-{number}", rng)
    finally:
        keeper.stop()
        agent.end()
        agent.core.stop_server()


def _beset(agent: Agent, keeper: Gatekeeper, url: str, word: str, rng: random.Random) -> str | None:
    prepared = agent.core.prepare_run("digits", {}, "j-a1")
    port = agent.server.ledger.read().port
    writer, callers = Writer(prepared), Callers(url)
    cuts: list[float] = []
    try:
        writer.more(5)
        for _ in range(rng.randint(1, 6)):
            victims = rng.choice(["gateway", "tracking", "both", "both"])
            if victims != "tracking":
                cuts.append(_kill_gateway(keeper))
            if victims != "gateway":
                _kill_tracking(agent, rng)
            if rng.random() < 0.7:  # else the next kill meets what is just being started
                writer.more(rng.randint(1, 10))
        writer.more(20)
    finally:
        callers.end()
        writer.end()
    if agent.server.ledger.read().port != port:
        return "the tracking server has another port"
    return (
        next(_untrue(callers.answers, word, cuts), None)
        or next(_unserved(url, word), None)
        or next(_lost(writer.acknowledged, agent.server.ledger.store, prepared.run_id), None)
    )


def _kill_gateway(keeper: Gatekeeper) -> float:
    """Kill the gateway that runs, if one does; return when."""
    state = keeper.state
    moment = time.monotonic()
    if state is not None:
        with suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGKILL)
    return moment


def _kill_tracking(agent: Agent, rng: random.Random) -> None:
    """Kill or freeze the server, its keeper or both, and sometimes wait until another one serves."""
    old = agent.server.ledger.read()
    kind = rng.choice(["server", "server", "frozen", "keeper", "group"])
    with suppress(ProcessLookupError):
        if kind in {"server", "frozen"}:
            os.kill(old.pid, signal.SIGKILL if kind == "server" else signal.SIGSTOP)
        elif kind == "keeper":
            os.kill(old.keeper_pid, signal.SIGKILL)
        else:
            os.killpg(old.keeper_pid, signal.SIGKILL)
    if rng.random() < 0.5:
        back(agent.server.ledger, old)


def _untrue(answers: list[Answer], word: str, cuts: list[float]) -> Iterator[str]:
    wanted = json.dumps({"predictions": [word]})
    if not any(answer.status == httpx.codes.OK for answer in answers):
        yield f"none of {len(answers)} callers was answered"
    for answer in answers:
        was_cut_off = any(answer.asked - _CLOSING_SECONDS <= cut <= answer.answered for cut in cuts)
        if answer.status == httpx.codes.OK and answer.text != wanted:
            yield f"a wrong answer: {answer}"
        if answer.status != httpx.codes.OK and not was_cut_off:
            yield f"a caller was refused though no gateway ended meanwhile: {answer}, killed at {cuts}"


def _unserved(url: str, word: str) -> Iterator[str]:
    with httpx.Client(trust_env=False, timeout=_PATIENCE_SECONDS) as client:
        for _ in range(_AFTERWARDS):
            if (answer := ask(url, client)).text != json.dumps({"predictions": [word]}):
                yield f"afterwards: {answer}"


def _lost(acknowledged: list[int], store: Path, run_id: str) -> Iterator[str]:
    if acknowledged != list(range(len(acknowledged))):
        yield f"the training's writes are not in order: {acknowledged}"
    with closing(sqlite3.connect(store, timeout=60)) as database:
        rows = database.execute("SELECT step FROM metrics WHERE run_uuid = ? AND key = 'loss'", (run_id,))
        stored = Counter(step for (step,) in rows)
    if lost := set(acknowledged) - set(stored):
        yield f"acknowledged and lost: {sorted(lost)}"
    if double := [step for step, count in stored.items() if count > 1]:
        yield f"stored twice: {double}"
