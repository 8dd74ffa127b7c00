"""Never two owners: agents of one machine take, bind, release, crash and come back in any order, containers end,
pids are used again, strangers compute, files are damaged, driver and engine fall silent. What is true is kept beside
the ledger, which knows only files, processes and what driver and engine say. Where these tests run as root, two of the
agents are one user's and the third another's."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from mlops_desk.gpus.leases.allocation import DriverFacts
from mlops_desk.gpus.leases.context import LeaseHolder, LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.machine.records.gpu import GpuState
from tests.leasing import lease_gpus
from tests.unit.gpus.leases.world import World, gpu, process, uuid

GPUS = 3
AGENTS = 3
UIDS = (4101, 4101, 4102) if os.geteuid() == 0 else (os.geteuid(),) * 3
DAMAGE = ("removed", "emptied", "garbled", "folder", "all")


@contextlib.contextmanager
def user(uid: int) -> Iterator[None]:
    before = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before)


class Machine(RuleBasedStateMachine):
    attempts = Bundle("attempts")

    @initialize()
    def start(self) -> None:
        self.world = World()
        self.folder = tempfile.TemporaryDirectory(prefix="mlops-desk-leases-")
        self.shared = Path(self.folder.name) / "l"
        self.shared.mkdir()
        self.shared.chmod(0o1777)
        Path(self.folder.name).chmod(0o755)
        self.engine_answers = True
        self.driver_answers = True
        self.stale = False
        self.numbers = 0
        self.containers: dict[str, int] = {}
        self.ran: set[str] = set()
        self.strangers: dict[int, int] = {}
        self.leftovers: dict[int, int] = {}
        self.held: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.pids: dict[int, int] = {}
        self.ledgers: dict[int, LeaseLedger] = {}
        self.seen = self.look()
        for agent in range(AGENTS):
            self.boot_agent(agent, 100 + agent)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    # -- what is true ------------------------------------------------------------------------

    def users(self, index: int) -> list[int]:
        """Pids that compute on a GPU: a container's (every other one still loads its data), and strangers'."""
        containers = [
            self.containers[f"c-{attempt}"]
            for attempt, (_, gpus) in self.held.items()
            if uuid(index) in gpus and self.containers.get(f"c-{attempt}", 1) % 2 == 0
        ]
        return containers + [pid for pid, place in (*self.strangers.items(), *self.leftovers.items()) if place == index]

    def lives(self, attempt: str) -> bool:
        return self.held[attempt][0] in self.pids.values() or f"c-{attempt}" in self.containers

    def look(self) -> DriverFacts:
        shown = []
        for index in range(GPUS):
            running = (
                tuple(process(pid, start_ticks=self.world.processes[pid]) for pid in self.users(index))
                if hasattr(self, "held")
                else ()
            )
            shown.append(gpu(index, processes=running, state=GpuState.OK if self.driver_answers else GpuState.STALE))
        return DriverFacts(tuple(shown), self.world.now())

    def facts(self) -> DriverFacts:
        """What an agent knows of the driver may be old."""
        if not self.stale:
            self.seen = self.look()
        return self.seen

    def container_lives(self, name: str) -> bool | None:
        return name in self.containers if self.engine_answers else None

    def boot_agent(self, agent: int, pid: int) -> None:
        self.world.spawn(pid)
        self.pids[agent] = pid
        view = self.world.seen_by(pid)
        self.ledgers[agent] = LeaseLedger(
            LeaseOwner(f"agent{agent}", "e"),
            self.container_lives,
            folders=LeaseFolders((self.shared,)),
            host=view,
        )

    # -- what happens ------------------------------------------------------------------------

    @rule(target=attempts, agent=st.integers(0, AGENTS - 1), count=st.integers(1, GPUS), contained=st.booleans())
    def acquire(self, agent: int, count: int, contained: bool):
        if agent not in self.pids:
            return multiple()
        self.numbers += 1
        attempt = f"a{agent}-{self.numbers}"
        facts = self.facts()
        with user(UIDS[agent]):
            choice = lease_gpus(
                self.ledgers[agent], attempt, "x", count, facts, container=f"c-{attempt}" if contained else None
            )
        if choice.gpus is None:
            return multiple()
        assert len(set(choice.gpus)) == count
        assert self.driver_answers or self.stale
        for other, (_, gpus) in self.held.items():
            assert not (self.lives(other) and set(gpus) & set(choice.gpus)), f"{other} still holds {gpus}"
        # However old the look: what our own attempts left running must have been seen to be gone.
        assert not [index for index in self.leftovers.values() if uuid(index) in choice.gpus]
        if not self.stale:
            assert not [user for index in range(GPUS) if uuid(index) in choice.gpus for user in self.users(index)]
        self.held[attempt] = (self.pids[agent], choice.gpus)
        return attempt

    @rule(attempt=attempts)
    def run_container(self, attempt: str) -> None:
        if attempt in self.held and self.held[attempt][0] in self.pids.values() and attempt not in self.ran:
            self.ran.add(attempt)  # a container that has run is never started again
            self.numbers += 1
            pid = 10_000 + self.numbers
            agent = next(agent for agent, own in self.pids.items() if own == self.held[attempt][0])
            with user(UIDS[agent]):
                self.ledgers[agent].bind(attempt, container=f"c-{attempt}")
            self.world.spawn(pid)
            self.containers[f"c-{attempt}"] = pid

    @rule(attempt=attempts)
    def note_process(self, attempt: str) -> None:
        if attempt in self.held and self.held[attempt][0] in self.pids.values() and f"c-{attempt}" in self.containers:
            agent = next(agent for agent, own in self.pids.items() if own == self.held[attempt][0])
            with user(UIDS[agent]):
                self.ledgers[agent].bind(attempt, container_pid=self.containers[f"c-{attempt}"])

    @rule(attempt=attempts)
    def container_ends(self, attempt: str) -> None:
        pid = self.containers.pop(f"c-{attempt}", None)
        if pid is not None:
            del self.world.processes[pid]

    @rule(attempt=consumes(attempts), untidy=st.booleans())
    def release(self, attempt: str, untidy: bool) -> None:
        self.container_ends(attempt)
        if untidy and attempt in self.held and self.lives(attempt):
            self.leave_processes(attempt)
        owner = self.held.get(attempt, (None, ()))[0]
        for agent, pid in self.pids.items():
            if pid == owner:
                with user(UIDS[agent]):
                    self.ledgers[agent].release(attempt)
                del self.held[attempt]

    def leave_processes(self, attempt: str) -> None:
        """What ran may hold its GPU a while longer than its container is there."""
        for index in range(GPUS):
            if uuid(index) in self.held[attempt][1]:
                self.numbers += 1
                self.world.spawn(80_000 + self.numbers)
                self.leftovers[80_000 + self.numbers] = index

    @rule()
    def leftovers_end(self) -> None:
        for pid in self.leftovers:
            del self.world.processes[pid]
        self.leftovers.clear()

    @rule(agent=st.integers(0, AGENTS - 1), answers=st.booleans())
    def crash_between_start_and_note(self, agent: int, answers: bool) -> None:
        """The worst moment: the container runs, and only the engine knows."""
        attempts = [attempt for attempt, (pid, _) in self.held.items() if pid == self.pids.get(agent)]
        for attempt in attempts:
            self.run_container(attempt)
        self.kill_agent(agent)
        self.engine_answers = answers

    @rule(attempt=attempts, how=st.sampled_from(DAMAGE))
    def somebody_damages_its_files(self, attempt: str, how: str) -> None:
        """Another user can't; the same one can, and the next look of the agent mends it."""
        owner, gpus = self.held.get(attempt, (None, ()))
        agent = next((agent for agent, pid in self.pids.items() if pid == owner), None)
        if agent is None:
            return
        path = self.shared / f"mlops-desk-leases-{UIDS[agent]}" / f"{gpus[0]}.lease"
        stranger = next((uid for uid in UIDS if uid != UIDS[agent]), None)
        if stranger is not None:
            with user(stranger), contextlib.suppress(PermissionError):
                damage(path, how)
                raise AssertionError(f"{stranger} could damage {path}")
        if how != "all":
            damage(path, how)
            with user(UIDS[agent]):
                self.ledgers[agent].uphold()

    @rule(agent=st.integers(0, AGENTS - 1))
    def kill_agent(self, agent: int) -> None:
        pid = self.pids.pop(agent, None)
        if pid is not None:
            del self.world.processes[pid]

    @rule(agent=st.integers(0, AGENTS - 1), same_pid=st.booleans())
    def agent_comes_back(self, agent: int, same_pid: bool) -> None:
        if agent in self.pids:
            return
        self.numbers += 1
        self.boot_agent(
            agent, 100 + agent if same_pid and 100 + agent not in self.world.processes else 20_000 + self.numbers
        )
        for attempt, (_, gpus) in list(self.held.items()):
            if attempt.startswith(f"a{agent}-") and f"c-{attempt}" in self.containers:
                container = f"c-{attempt}"
                with user(UIDS[agent]):
                    kept = self.ledgers[agent].adopt(
                        LeaseHolder(attempt, "x", container), gpus, self.containers[container]
                    )
                assert kept == gpus
                self.held[attempt] = (self.pids[agent], gpus)
            elif attempt.startswith(f"a{agent}-"):
                del self.held[attempt]

    @rule(agent=st.integers(0, AGENTS - 1))
    def somebody_gets_its_pid(self, agent: int) -> None:
        if 100 + agent not in self.world.processes:
            self.world.spawn(100 + agent)

    @rule(index=st.integers(0, GPUS - 1))
    def stranger_comes(self, index: int) -> None:
        self.numbers += 1
        self.world.spawn(50_000 + self.numbers)
        self.strangers[50_000 + self.numbers] = index

    @rule()
    def strangers_leave(self) -> None:
        for pid in self.strangers:
            del self.world.processes[pid]
        self.strangers.clear()

    @rule(answers=st.booleans())
    def engine(self, answers: bool) -> None:
        self.engine_answers = answers

    @rule(answers=st.booleans(), stale=st.booleans())
    def driver(self, answers: bool, stale: bool) -> None:
        self.driver_answers, self.stale = answers, stale

    # -- what holds --------------------------------------------------------------------------

    @invariant()
    def a_living_holder_is_shown(self) -> None:
        if not getattr(self, "ledgers", None):
            return
        shown = next(iter(self.ledgers.values())).snapshot()
        for attempt, (_, gpus) in self.held.items():
            if self.lives(attempt):
                for held in gpus:
                    assert shown[held].state == "leased"
                    assert shown[held].attempt == attempt


def damage(path: Path, how: str) -> None:
    if how == "all":
        shutil.rmtree(path.parent)
    elif how in {"emptied", "garbled"}:
        path.write_bytes(b"" if how == "emptied" else b"{")
    else:
        path.unlink()
    if how == "folder":
        path.mkdir()


TestNeverTwoOwners = Machine.TestCase
TestNeverTwoOwners.pytestmark = [pytest.mark.slow]
TestNeverTwoOwners.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
