"""What a job may log into the store itself: so much in all, so fast, and who is told that it was refused more."""

import asyncio
import json
import logging
import sqlite3
from contextlib import closing

import pytest

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.loop import Loop
from mlops_desk.machine.records.event import Notice
from mlops_desk.registry.server.quotas import (
    BURST_BYTES,
    LONGEST_SECONDS,
    MADE_BYTES,
    RATE_BYTES,
    ROW_BYTES,
    LoggedAmounts,
    LogRefusals,
    StoredAmounts,
    amount_of,
)
from mlops_desk.registry.server.request import RegistryRequest
from mlops_desk.registry.server.request_bodies import CallRejected
from mlops_desk.registry.server.tickets import Grant
from mlops_desk.registry.service import RegistryCore
from tests.unit.registry.guard_rig import CHILD, GRANDCHILD, OTHER, OUTSIDE, OWN, OWNER, Door

MIB = 1 << 20
POINT = {"key": "loss", "value": 0.5, "timestamp": 1}
FIXED = 3 * MADE_BYTES + 2 * (MADE_BYTES + ROW_BYTES) + (MADE_BYTES + ROW_BYTES)
"""Of the rig's store: three runs below the job's own, two logged models, a version."""
PARENTS = 3 * (ROW_BYTES + len("mlflow.parentRunId") + 32)


@pytest.fixture
def door(tmp_path):
    return Door(tmp_path)


def write(door, statement, rows):
    with closing(sqlite3.connect(door.artifacts.parent / "mlflow.db")) as store, store:
        store.executemany(statement, rows)


def points(door, run, count):
    write(door, "INSERT INTO metrics VALUES ('loss', 0.5, 1, ?, ?, 0)", [(run, step) for step in range(count)])


def log(door, token=None, **fields):
    return door.call("POST", "runs/log-batch", {"run_id": OWN, **fields}, token=token)


def allowed(door, amount):
    return door.tickets.issue(Grant(OWN, "job-7-a1", logged_bytes=amount))


def test_a_job_logs_as_much_as_it_may_and_then_is_told_what_to_do(door):
    points(door, OWN, 1000)
    token = allowed(door, FIXED + PARENTS + 1010 * ROW_BYTES)
    assert log(door, token, metrics=[POINT])[0] == 200
    reached = len(door.reached)
    status, text = log(door, token, metrics=[POINT] * 20)
    assert (status, len(door.reached)) == (507, reached)
    assert "4 GiB" not in text
    assert "mlops-desk settings set jobs.logged_mebibytes N" in text
    assert log(door, OWNER, metrics=[POINT] * 20)[0] == 200, "a person is not held up"
    assert door.call("POST", "runs/search", {}, token=token)[0] == 200, "it may read all the same"
    assert door.call("GET", "runs/get", token=token)[0] == 200


def test_the_refusal_is_one_of_mlflows_own(door):
    log(door, allowed(door, 1), metrics=[POINT])
    headers, text = door.answer
    assert headers[b"content-type"] == b"application/json"
    assert json.loads(text)["error_code"] == "RESOURCE_EXHAUSTED"


@pytest.mark.slow
def test_what_is_counted_is_the_run_and_all_below_it_and_nobody_elses(door):
    stored = StoredAmounts(door.artifacts.parent / "mlflow.db")
    assert stored.bytes_of(OWN) == FIXED + PARENTS
    for run, count in ((OWN, 100), (CHILD, 10), (GRANDCHILD, 1), (OTHER, 100_000)):
        points(door, run, count)
    assert stored.bytes_of(OWN) == FIXED + PARENTS + 111 * ROW_BYTES
    assert stored.bytes_of(OTHER) >= 100_000 * ROW_BYTES, "more than are read at once"
    write(door, "INSERT INTO params VALUES ('lr', ?, ?)", [("1" * 1000, OWN), ("1" * 9000, OTHER)])
    write(door, "INSERT INTO tags VALUES ('team', ?, ?)", [("x" * 500, OUTSIDE)])
    write(door, "INSERT INTO logged_model_params VALUES ('m-own', 'p', ?)", [("x" * 99,)])
    write(door, "INSERT INTO datasets VALUES (?, ?, NULL)", [("d-1", "x" * 50), ("d-2", "x" * 5000)])
    write(door, "INSERT INTO datasets VALUES (?, ?, ?)", [("d-3", "x" * 40, "y" * 30)])
    write(door, "INSERT INTO inputs VALUES (?, ?)", [("d-1", OWN), ("d-2", OTHER), ("d-3", CHILD)])
    texts = 1002 + 504 + 100 + 0 + 70
    assert stored.bytes_of(OWN) == FIXED + PARENTS + 111 * ROW_BYTES + 5 * ROW_BYTES + texts


@pytest.mark.parametrize(
    ("call", "fields", "least"),
    [
        ("runs/log-metric", POINT, ROW_BYTES),
        ("runs/log-batch", {"metrics": [POINT] * 900, "tags": [{}] * 50, "params": [{}] * 50}, 1000 * ROW_BYTES),
        ("runs/create", {"tags": []}, MADE_BYTES),
        ("logged-models", {}, MADE_BYTES),
        ("model-versions/create", {}, MADE_BYTES),
        ("experiments/create", {}, 4 * MIB),
        ("registered-models/create", {}, 4 * MIB),
    ],
)
def test_what_a_request_counts(call, fields, least):
    amount = amount_of(RegistryRequest("POST", call, fields=fields), 0)
    assert least <= amount <= least + ROW_BYTES
    assert amount_of(RegistryRequest("POST", call, fields=fields), 5000) == amount + 5000, "with what is in it"


def test_experiments_and_names_which_no_run_is_of_are_not_forgotten_by_a_recount(door):
    token = allowed(door, FIXED + PARENTS + 9 * MIB)
    statuses = []
    for n in range(4):
        statuses.append(door.call("POST", "experiments/create", {"name": str(n)}, token=token)[0])
        door.amounts._accounts[OWN].recount_at = 0.0  # it has rested: a full account is counted again
    assert statuses == [200, 200, 507, 507]


class Clock:
    def __init__(self, monkeypatch):
        self.at, self.slept = 0.0, []
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    def __call__(self):
        return self.at

    async def sleep(self, seconds):
        self.slept.append(seconds)


class Empty:
    """A store in which there is nothing, or that can't be read."""

    def __init__(self, amount=0, fails=None):
        self.amount, self.fails, self.counted = amount, fails, 0

    def bytes_of(self, _run_id):
        self.counted += 1
        if self.fails is not None:
            raise self.fails
        return self.amount


def rates(monkeypatch):
    clock = Clock(monkeypatch)
    return clock, LoggedAmounts(Empty(), lambda _grant, _text: None, clock)


BATCH = RegistryRequest("POST", "runs/log-batch", fields={"metrics": [POINT] * 1000})
BATCH_BYTES = amount_of(BATCH, MIB)


def test_a_burst_goes_through_and_what_is_too_fast_for_long_waits(monkeypatch):
    clock, amounts = rates(monkeypatch)
    grant = Grant(OWN, "j-a1", logged_bytes=1 << 40)
    within = BURST_BYTES // BATCH_BYTES

    async def go():
        for _ in range(within):
            await amounts.admit(grant, BATCH, MIB)
        assert set(clock.slept) == {0.0}
        await amounts.admit(grant, BATCH, MIB)
        over = (within + 1) * BATCH_BYTES - BURST_BYTES
        assert clock.slept[-1] == pytest.approx(over / RATE_BYTES)
        await amounts.admit(Grant(OTHER, "k-a1", logged_bytes=1 << 40), BATCH, MIB)
        assert clock.slept[-1] == 0.0, "another job does not wait for it"
        clock.at += 3600
        await amounts.admit(grant, BATCH, MIB)
        assert clock.slept[-1] == 0.0, "it has rested"

    asyncio.run(go())


def test_who_would_wait_too_long_is_told_to_come_again_and_has_taken_nothing(monkeypatch):
    clock, amounts = rates(monkeypatch)
    grant = Grant(OWN, "j-a1", logged_bytes=1 << 40)

    async def go():
        with pytest.raises(CallRejected) as refused:
            while True:
                await amounts.admit(grant, BATCH, MIB)
        assert refused.value.status == 429
        assert "log less often" in refused.value.text
        longest = clock.slept[-1]
        assert longest <= LONGEST_SECONDS
        clock.at += BATCH_BYTES / RATE_BYTES + 0.1
        await amounts.admit(grant, BATCH, MIB)
        assert clock.slept[-1] == pytest.approx(longest, abs=2 * BATCH_BYTES / RATE_BYTES)

    asyncio.run(go())


def test_a_full_account_is_counted_again_and_that_rests(monkeypatch):
    _clock, amounts = rates(monkeypatch)
    amounts._stored = stored = Empty(10 * MIB)
    grant = Grant(OWN, "j-a1", logged_bytes=11 * MIB)

    async def go():
        for _ in range(5):
            with pytest.raises(CallRejected):
                await amounts.admit(grant, BATCH, MIB)
        assert stored.counted == 1
        stored.amount = 0  # somebody has deleted a run below
        account = amounts._accounts[OWN]
        account.recount_at = 0.0
        await amounts.admit(grant, BATCH, MIB)
        assert stored.counted == 2

    asyncio.run(go())


def test_a_store_that_can_not_be_counted_lets_nothing_through(door):
    door.amounts._stored = Empty(fails=sqlite3.OperationalError("disk I/O error"))
    status, text = log(door, metrics=[POINT])
    assert (status, "Try again" in text) == (503, True)
    assert door.reached == []


def test_the_agent_hears_of_each_job_once(door, tmp_path):
    token = allowed(door, 1)
    for _ in range(3):
        assert log(door, token, metrics=[POINT])[0] == 507
    taker = LogRefusals(tmp_path / "refused")
    (found,) = taker.take()
    assert (found.run_id, found.attempt_id) == (OWN, "job-7-a1")
    assert found.text.endswith("of the registry that are allowed.")
    assert taker.take() == []
    assert list((tmp_path / "refused").iterdir()) == []


def test_people_hear_of_it_with_the_job(tmp_path):
    data = DataFolder(tmp_path / "data")
    data.make()
    bus, heard = Bus(), list[Notice]()
    bus.subscribe(Notice, heard.append)
    core = RegistryCore(data, bus, Loop("test"), lambda: None)
    core.server.ledger.make()
    LogRefusals(core.server.ledger.refused).note(Grant(OWN, "job-7-a2"), "It is too much. Log less.")
    core.tell_refusals()
    core.tell_refusals()
    (notice,) = heard
    assert (notice.level, notice.about) == ("warning", ("job", "job-7"))
    assert notice.text == "The registry takes no more of what job job-7 logs. It is too much. Log less."
    assert notice.command == "mlops-desk settings set jobs.logged_mebibytes N"


def test_a_note_that_can_not_be_read_or_written_holds_nobody_up(tmp_path, caplog, monkeypatch):
    taker = LogRefusals(tmp_path / "refused")
    assert taker.take() == [], "nobody was ever refused"
    (tmp_path / "refused").mkdir()
    (tmp_path / "refused" / OWN).write_bytes(b'["no note"]')
    (tmp_path / "refused" / "no-run").write_bytes(b"{}")
    with caplog.at_level(logging.WARNING):
        assert taker.take() == []
    assert OWN in caplog.text
    blocked = LogRefusals(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        blocked.note(Grant(OTHER, "j-a1"), "too much")
        assert blocked.take() == []
    assert "can't be noted" in caplog.text
    assert "can't be read" in caplog.text
    LogRefusals(tmp_path / "refused").note(Grant("../../x", "j-a1"), "no run's name")
    assert not (tmp_path / "x").exists()


def test_one_that_can_not_be_removed_is_told_once(tmp_path, caplog, monkeypatch):
    LogRefusals(tmp_path).note(Grant(OWN, "j-a1"), "too much")

    def fail(_path, **_more):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.unlink", fail)
    taker = LogRefusals(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert [len(taker.take()) for _ in range(3)] == [1, 0, 0]
    assert "can't be removed" in caplog.text
