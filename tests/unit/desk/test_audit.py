"""The audit trail on a disk that does not play along: in order, complete, without secrets."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.desk import audit as module
from mlops_desk.desk.audit import AuditHeads, AuditTrail
from mlops_desk.desk.settings import HIDDEN, without_secrets
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.disk.write_deadline import PatientWriter
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.records.agent import AuditEntry, AuditState
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.event import Notice


class Table:
    """Takes entries, or refuses them as a full disk does."""

    def __init__(self) -> None:
        self.full = False
        self.kept: list[AuditEntry] = []

    def put(self, entry: AuditEntry) -> None:
        if self.full:
            raise Unavailable("No space left on device.")
        self.kept.append(entry)

    def list(self, *, states: tuple[str, ...], newest_first: bool) -> list[AuditEntry]:
        if self.full:
            raise Unavailable("The disk can't be read.")
        newest = {entry.id: entry for entry in self.kept}
        assert not newest_first
        return [entry for entry in newest.values() if entry.state in states]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def entry(number: int, verb: str = "jobs.submit", arguments: str = "{}", error: str | None = None) -> AuditEntry:
    return AuditEntry(float(number), 1000, "ana", verb, arguments, error=error, id=f"e{number}")


def test_what_a_full_disk_refuses_is_written_in_order_with_the_next() -> None:
    table = Table()
    trail = AuditTrail(table, print)
    trail.put(entry(1))
    table.full = True
    trail.put(entry(2))
    trail.put(entry(3))
    trail.flush()
    assert [each.id for each in table.kept] == ["e1"]
    table.full = False
    trail.flush()
    assert [each.id for each in table.kept] == ["e1", "e2", "e3"]
    trail.flush()
    trail.put(entry(4))
    assert [each.id for each in table.kept] == ["e1", "e2", "e3", "e4"]


def test_people_are_told_once_that_the_trail_waits_and_once_that_it_is_written_again() -> None:
    table, told = Table(), list[Notice]()
    trail = AuditTrail(table, told.append)
    trail.put(entry(1))
    assert told == []
    table.full = True
    trail.put(entry(2))
    trail.flush()
    (notice,) = told
    assert notice.text == (
        "The audit trail can't be written. No space left on device. What is changed meanwhile is noted in memory alone."
    )
    assert (notice.level, notice.about, notice.command) == ("alert", ("file", "audit"), "mlops-desk doctor")
    table.full = False
    trail.flush()
    trail.flush()
    assert [one.text for one in told[1:]] == ["The audit trail is written again."]
    table.full = True
    trail.put(entry(3))
    assert len(told) == 3, "what fails again is told again"


def test_a_verb_does_not_wait_for_a_disk_that_hangs_and_its_record_is_written_when_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, told, answers = Table(), list[Notice](), threading.Event()
    put, tried = table.put, list[str]()

    def hang(one: AuditEntry) -> None:
        tried.append(one.id or "")
        assert answers.wait(60)
        put(one)

    monkeypatch.setattr(table, "put", hang)
    writer = PatientWriter("audit", 0.2)
    trail = AuditTrail(table, told.append, writer)
    for number in range(1, 4):
        trail.put(entry(number))
    assert (table.kept, tried, writer.is_hung) == ([], ["e1"], True), "one thread waits, and nobody else"
    (notice,) = told
    assert notice.text == (
        "The audit trail can't be written. The disk of the data folder does not answer. "
        "What is changed meanwhile is noted in memory alone."
    )
    answers.set()
    until(lambda: not writer.is_hung)
    trail.flush()
    newest = {one.id: one for one in table.kept}
    assert list(newest) == ["e1", "e2", "e3"]
    assert told[-1].text == "The audit trail is written again."


@pytest.mark.slow
def test_of_very_many_that_wait_the_newest_are_kept() -> None:
    table = Table()
    trail = AuditTrail(table, print)
    table.full = True
    for number in range(10_003):
        trail._waiting.append(entry(number))
    table.full = False
    trail.flush()
    assert [table.kept[0].id, table.kept[-1].id, len(table.kept)] == ["e3", "e10002", 10_000]


def test_a_secret_never_reaches_the_trail() -> None:
    table = Table()
    trail = AuditTrail(table, print)
    secret = json.dumps({"key": "alerts.webhook", "value": "https://x.example/T0KEN"})
    trail.put(entry(1, "settings.set", secret, error="https://x.example/T0KEN is no address"))
    (kept,) = table.kept
    assert json.loads(kept.arguments) == {"key": "alerts.webhook", "value": HIDDEN}
    assert kept.error == HIDDEN


def test_an_open_setting_is_told_and_one_that_was_cut_is_not() -> None:
    opened = entry(1, "settings.set", json.dumps({"key": "ui.theme", "value": "dark"}))
    assert without_secrets(opened) == opened
    cut = entry(2, "settings.set", '{"key": "alerts.webhook", "value": "https://x.example/T0K')
    assert json.loads(without_secrets(cut).arguments) == {"key": "?", "value": HIDDEN}
    other = entry(3, "jobs.submit", '{"key": "alerts.webhook"}')
    assert without_secrets(other) == other


def test_entries_without_an_id_do_not_take_each_others_place() -> None:
    table = Table()
    trail = AuditTrail(table, print)
    for number in range(2):
        trail.put(replace(entry(number, "jobs.relax"), id=None))
    assert len({each.id for each in table.kept}) == 2
    assert all(each.id for each in table.kept)


def begun(number: int, verb: str = "models.alias") -> AuditEntry:
    return replace(entry(number, verb), state=AuditState.BEGAN)


def test_what_an_earlier_agent_began_and_did_not_end_is_neither_done_nor_failed_and_people_are_told() -> None:
    table, told = Table(), list[Notice]()
    table.kept = [begun(1), entry(2), begun(3, "registry.add"), replace(begun(3), state=AuditState.ENDED)]
    AuditTrail(table, told.append).take_up()
    (unknown,) = table.kept[4:]
    assert (unknown.id, unknown.state, unknown.at) == ("e1", AuditState.UNKNOWN, 1.0)
    assert (unknown.outcome, unknown.error, unknown.why) == (None, None, "The agent stopped during it.")
    assert unknown.ended_at is not None
    (notice,) = told
    assert notice.text == (
        "The agent stopped during models alias, which ana had asked for. Whether it was done is not known."
    )
    assert (notice.level, notice.source, notice.at) == ("warning", "audit", 1.0)
    assert notice.command == "mlops-desk audit"


def test_what_can_not_be_read_at_the_start_is_taken_up_later_and_once_and_what_this_agent_does_is_left_alone() -> None:
    table, told = Table(), list[Notice]()
    table.kept = [begun(1)]
    trail = AuditTrail(table, told.append)
    table.full = True
    trail.take_up()
    table.full = False
    trail.put(begun(2))
    trail.flush()
    trail.put(begun(3))
    trail.flush()
    states = {each.id: each.state for each in table.kept}
    assert states == {"e1": AuditState.UNKNOWN, "e2": AuditState.BEGAN, "e3": AuditState.BEGAN}
    assert len(told) == 1


def anchored(folder: DataFolder) -> list[int]:
    lines = [line for file in sorted(folder.audit_heads.glob("*.jsonl")) for line in file.read_text().splitlines()]
    return [json.loads(line)["record"] for line in lines]


@pytest.mark.slow
def test_heads_are_anchored_at_the_begin_then_by_number_or_time_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, clock = DataFolder(tmp_path / "data"), [1000.0]
    folder.make()
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(module, "send_head", lambda *_: False)
    with closing(State(folder.state_database)) as state:
        heads = AuditHeads(folder, state, simulated=False)
        heads.turn()
        assert anchored(folder) == [], "of nothing there is no head"
        for number in range(1, 220):
            state.audit.put(entry(number))
            heads.turn()
        assert anchored(folder) == [1, 101, 201], "few for very many"
        clock[0] += 600
        heads.turn()
        heads.turn()
        assert anchored(folder) == [1, 101, 201, 219]
        state.audit.put(entry(220))
        heads.stop()
        assert anchored(folder)[-1] == 220
        AuditHeads(folder, state, simulated=True).stop()
        assert len(anchored(folder)) == 5, "what is made up is anchored nowhere"


def test_what_takes_no_head_is_logged_once_and_tried_again_and_the_journal_is_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder, sent = DataFolder(tmp_path / "data"), list[int]()
    folder.make()
    monkeypatch.setattr(module, "send_head", lambda _instance, anchor: sent.append(anchor.number))
    folder.audit_heads.write_text("no folder")
    with closing(State(folder.state_database)) as state:
        heads = AuditHeads(folder, state, simulated=False)
        for number in (1, 2):
            state.audit.put(entry(number))
            heads.stop()
        folder.audit_heads.unlink()
        state.audit.put(entry(3))
        heads.stop()
    assert (sent, anchored(folder)) == ([1, 2, 3], [3])
    (line,) = [record for record in caplog.records if "can't be anchored" in record.getMessage()]
    assert "File exists" in line.getMessage() or "Not a directory" in line.getMessage()
