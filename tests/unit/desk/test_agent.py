"""The agent about itself, and its end: who may ask for it, and what else ends."""

import contextvars
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.desk import agent as desk_agent
from mlops_desk.desk.agent import AgentParts, AgentService
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.records.agent import AgentCost, AgentInfo, AuditEntry
from mlops_desk.kit.storage.state import State
from mlops_desk.serving.background_tasks import WorkBook
from tests.permission import ask_as


class Rig:
    def __init__(self, root: Path) -> None:
        self.folder = DataFolder(root / "data")
        self.folder.make()
        self.state = State(self.folder.state_database)
        self.loop = Loop("test")
        self.sampling: tuple[str, str | None] = ("ok", None)
        self.ended = threading.Event()
        self.outliving = threading.Event()
        self.note: str | None = None
        self.works = WorkBook(self.loop)
        parts = AgentParts(
            cost=lambda: AgentCost(0.25),
            sampling=lambda: self.sampling,
            checks=list,
            end=self.ended.set,
            end_outliving=self.outliving.set,
            note=lambda: self.note,
            begun=self.works.begun,
        )
        self.agent = AgentService(self.folder, self.state, self.loop, parts, simulated=False)

    def shut_down(self, uid: int, *, everything: bool = False) -> AgentInfo:
        context = contextvars.copy_context()
        context.run(set_caller, Caller(uid, uid, 1))
        return context.run(lambda: self.agent.shutdown(everything=everything))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.loop.stop(5.0)
    rig.state.close()


def test_it_says_who_it_is_what_it_costs_and_what_is_wrong(rig: Rig) -> None:
    info = rig.agent.info()
    assert (info.pid, info.data_dir, info.instance) == (os.getpid(), str(rig.folder.root), rig.folder.instance)
    assert (info.cost.cpu_ratio, info.sampling, info.note) == (0.25, "ok", None)
    rig.sampling = ("stale", "The collector is silent.")
    info = rig.agent.info()
    assert (info.sampling, info.note) == ("stale", "The collector is silent.")
    rig.note = "Two records could not be read."
    info = rig.agent.info()
    assert info.note == "The collector is silent. Two records could not be read."


@pytest.mark.parametrize("everything", [False, True])
def test_its_own_user_may_end_it_and_what_outlives_it_only_when_asked(rig: Rig, *, everything: bool) -> None:
    assert rig.shut_down(os.getuid(), everything=everything).pid == os.getpid()
    assert rig.outliving.is_set() is everything
    assert rig.ended.wait(10.0)


def test_nobody_else_may_end_it(rig: Rig) -> None:
    ask_as(os.getuid(), rig.agent, "agent.shutdown", everything=True)
    with pytest.raises(Refused, match="is for this agent's administrators"):
        ask_as(os.getuid() + 4242, rig.agent, "agent.shutdown", everything=True)


def test_the_audit_is_listed_newest_first_within_bounds_and_looked_at_by_a_process_of_its_own(rig: Rig) -> None:
    for number in range(3):
        rig.state.audit.put(AuditEntry(float(number), 0, "root", "jobs.submit", "{}", id=f"e{number}"))
    assert [entry.id for entry in rig.agent.audit(2)] == ["e2", "e1"]
    assert [entry.id for entry in rig.agent.audit(since=1.0, until=1.0, user="root", asked="jobs")] == ["e1"]
    assert rig.agent.audit(failed=True) == rig.agent.audit(text="no such") == []
    found = rig.agent.verify_audit()
    assert (found.records, found.intact) == (3, True)
    assert rig.agent.verify_audit("0" * 64).holds_head is True
    assert [one.number for one in rig.agent.audit_links(2)] == [3]
    for wrong in ("", "x" * 64, "0" * 63, "A" * 64 + "f"):
        with pytest.raises(Invalid, match="A head is a SHA-256 in hex"):
            rig.agent.verify_audit(wrong)
    with rig.agent._verifying, pytest.raises(Refused, match="looked at already"):
        rig.agent.verify_audit()
    for limit in (0, 10_001):
        with pytest.raises(Invalid):
            rig.agent.audit(limit)
        with pytest.raises(Invalid):
            rig.agent.audit_links(0, limit)


def test_an_agent_misses_what_was_cut_from_the_end_of_its_own_audit(rig: Rig) -> None:
    for number in range(2):
        rig.state.audit.put(AuditEntry(float(number), 0, "root", "jobs.submit", "{}", id=f"e{number}"))
    with closing(sqlite3.connect(rig.folder.state_database)) as connection, connection:
        assert connection.execute("DELETE FROM audit WHERE key = 'e1'").rowcount == 1
        assert connection.execute("DELETE FROM audit_chain WHERE parent = 'e1'").rowcount == 1
    found = rig.agent.verify_audit()
    assert (found.records, found.intact, found.holds_head) == (1, False, None)
    assert "records were cut from its end" in str(found.why)


def test_a_look_at_the_audit_tells_how_far_it_is_and_is_stopped(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def watched(_module: str, _request: object, hear: Callable[[str], bool], _silence: float) -> object:
        assert hear("records 5000 1000000")
        told = rig.works.progress("t")
        assert (told.text, told.done, told.total) == ("5,000 of 1,000,000 records looked at.", 5000, 1_000_000)
        assert hear("a word of a library")
        rig.works.cancel("t")
        hear("records 10000 1000000")
        raise AssertionError

    monkeypatch.setattr(desk_agent, "run_watched", watched)
    with pytest.raises(Refused, match="The look at the audit was stopped"):
        rig.agent.verify_audit(ticket="t")
    with pytest.raises(NotFound):
        rig.works.progress("t")


def test_a_look_that_says_nothing_is_stopped_too_and_one_that_dies_is_no_stop(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watched(_module: str, _request: object, hear: Callable[[str], bool], _silence: float) -> object:
        if stops:
            rig.works.cancel("t")
        assert hear("") is not stops
        raise Unavailable("The worker ended.")

    monkeypatch.setattr(desk_agent, "run_watched", watched)
    stops = True
    with pytest.raises(Refused, match="was stopped"):
        rig.agent.verify_audit(ticket="t")
    stops = False
    with pytest.raises(Unavailable, match="The worker ended"):
        rig.agent.verify_audit(ticket="t")
