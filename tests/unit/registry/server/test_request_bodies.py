"""However much jobs send at once, the tracking server holds so much of it and no more, and the owner is answered."""

import asyncio
import json
import threading

import pytest

from mlops_desk.registry.server import guard
from mlops_desk.registry.server.tickets import Grant
from tests.unit.registry.guard_rig import HOST, OTHER, OWN, OWNER, Door

MIB = 1 << 20
CALL = "/api/2.0/mlflow/runs/log-batch"


@pytest.fixture
def door(tmp_path):
    return Door(tmp_path)


def batch(size):
    """Return the body of a batch for the job's own run that is ``size`` bytes long."""
    fields = json.dumps({"run_id": OWN, "metrics": []}).encode()
    return fields + b" " * (size - len(fields))


class Sender:
    """A request whose body comes piece by piece, as the test says."""

    def __init__(self, door, token, path=CALL, method="POST"):
        self.sent, self.pieces = [], asyncio.Queue()
        given = {"host": HOST, "authorization": f"Bearer {token}"}
        headers = [(name.encode(), value.encode()) for name, value in given.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}
        self.task = asyncio.create_task(door._guard(scope, self.pieces.get, self.send))

    async def send(self, message):
        self.sent.append(message)

    def give(self, body, *, more):
        self.pieces.put_nowait({"type": "http.request", "body": body, "more_body": more})

    async def answer(self):
        await asyncio.wait_for(self.task, 10)
        return self.sent[0]["status"], dict(self.sent[0]["headers"]).get(b"retry-after")


async def settle(senders):
    for _ in range(1000):
        if all(sender.pieces.empty() for sender in senders):
            return
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_a_body_of_a_job_that_is_too_large_is_refused_in_words_and_one_that_fits_is_not(door, method):
    assert door.ask("POST", CALL, batch(4 * MIB), chunks=64)[0] == 200
    status, text = door.ask(method, CALL, batch(4 * MIB + 1), chunks=64)
    assert (status, "larger than 4 MiB" in text, "artifacts" in text) == (413, True, True)
    assert len(door.reached) == 1


@pytest.mark.slow
def test_the_owner_may_log_what_mlflow_takes(door):
    assert door.ask("POST", CALL, batch(20 * MIB), token=OWNER, chunks=64)[0] == 200
    assert door.ask("POST", CALL, batch(64 * MIB + 1), token=OWNER, chunks=64)[0] == 413


def test_a_body_that_is_said_to_be_too_large_is_not_even_read(door):
    async def scene():
        sent = []

        async def send(message):
            sent.append(message)

        async def receive():
            return {"type": "http.disconnect"}

        headers = [(b"host", HOST.encode()), (b"authorization", f"Bearer {door.ticket}".encode())]
        headers.append((b"content-length", b"99000000"))
        scope = {"type": "http", "method": "POST", "path": CALL, "headers": headers}
        await door._guard(scope, receive, send)
        return sent[0]["status"]

    assert asyncio.run(scene()) == 413


def test_what_jobs_hold_has_a_share_for_each_and_an_end_and_leaves_the_owner_alone(door):
    tokens = [door.ticket, *(door.tickets.issue(Grant(OTHER, f"x{number}-a1")) for number in range(4))]

    async def scene():
        first = [Sender(door, token) for token in tokens[:4] for _ in range(2)]
        for sender in first:
            sender.give(batch(4 * MIB), more=True)  # 32 MiB in all, and none of them ends
        await settle(first)
        more = Sender(door, tokens[0])
        more.give(batch(1 * MIB), more=False)
        assert await more.answer() == (429, b"2")
        other = Sender(door, tokens[4])
        other.give(batch(1 * MIB), more=False)
        assert await other.answer() == (503, b"5")
        owner = Sender(door, OWNER)
        owner.give(batch(1 * MIB), more=False)
        assert (await owner.answer())[0] == 200
        nothing = Sender(door, tokens[0], "/api/2.0/mlflow/runs/search")
        nothing.give(b"", more=False)
        assert (await nothing.answer())[0] == 200
        first[0].give(b"", more=False)
        assert (await first[0].answer())[0] == 200
        first[2].pieces.put_nowait({"type": "http.disconnect"})
        assert (await first[2].answer())[0] == 400
        for token in (tokens[0], tokens[4]):
            again = Sender(door, token)
            again.give(batch(1 * MIB), more=False)
            assert (await again.answer())[0] in {200, 403}  # the run is another's, so it was judged
        for sender in first[1:2] + first[3:]:
            sender.pieces.put_nowait({"type": "http.disconnect"})
            await sender.answer()

    asyncio.run(scene())


@pytest.mark.slow
def test_nothing_stays_held_whatever_becomes_of_requests(door):
    for number in range(40):
        body = batch(4 * MIB) if number % 2 else b"[" * (4 * MIB)
        assert door.ask("POST", CALL, body, chunks=8)[0] == (200 if number % 2 else 400)


def test_a_refused_body_is_read_to_its_end_so_that_its_sender_sees_why(door):
    async def scene():
        sender = Sender(door, door.ticket)
        for _ in range(10):
            sender.give(b" " * MIB, more=True)
        sender.give(b"", more=False)
        assert (await sender.answer())[0] == 413
        return sender.pieces.empty()

    assert asyncio.run(scene())


def test_a_body_is_not_read_in_the_event_loop(door, monkeypatch):
    threads = []
    parse = guard.parse_fields
    monkeypatch.setattr(guard, "parse_fields", lambda body: threads.append(threading.current_thread()) or parse(body))
    assert door.ask("POST", CALL, batch(1000))[0] == 200
    assert threads
    assert threading.main_thread() not in threads
