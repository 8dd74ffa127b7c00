"""The whole ledger at once: agents of several users take whole GPUs, shares of them and MIG instances, book them, crash
and come back, machines restart, GPUs are lost, clocks jump, strangers compute and files are damaged, in any order.

Whatever happens: no two owners of a whole GPU, never more declared than a GPU has, nobody on a GPU that somebody else
has booked for now or that is lost, and nothing is taken any more once all holders have ended. Where these tests run as
root, the three agents are three users'."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mlops_desk.gpus.leases.allocation import DriverFacts
from mlops_desk.gpus.leases.context import LeaseHolder, LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.gpus.leases.shared_mailbox.booking_service import BookingDesk
from mlops_desk.gpus.leases.shared_mailbox.bookings import BookingLimits, BookingPaper, WithdrawnPaper
from mlops_desk.gpus.leases.shared_mailbox.mailbox_files import Papers
from mlops_desk.gpus.leases.survey import devices_of
from mlops_desk.gpus.leases.validity import DOUBT_SECONDS
from mlops_desk.gpus.records.gpu_status import CardState
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.machine.records.gpu import GpuState
from mlops_desk.machine.records.metric import Reading
from tests.unit.gpus.leases.test_devices import MIG, cut
from tests.unit.gpus.leases.world import GIB, World, gpu, process, uuid

AGENTS = 3
UIDS = (4101, 4102, 4103) if os.geteuid() == 0 else (os.geteuid(),) * 3
DEVICES = (uuid(0), uuid(1), uuid(2), *MIG)  # the last GPU is cut into two instances
SIZES = {uuid(0): 24 * GIB, uuid(1): 24 * GIB, uuid(2): 24 * GIB, MIG[0]: 10 * GIB, MIG[1]: 10 * GIB}
OVERLAPS = {uuid(2): set(MIG), MIG[0]: {uuid(2)}, MIG[1]: {uuid(2)}}
HOUR = 3600.0
LIMITS = BookingLimits(14 * 24 * HOUR, 96 * HOUR)
SETTINGS = settings(
    max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
"""A busy machine makes the files of a step slow, which says nothing about the steps."""
agents = st.integers(0, AGENTS - 1)
devices = st.sampled_from(DEVICES)


@contextlib.contextmanager
def user(uid: int) -> Iterator[None]:
    before = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before)


@dataclass(frozen=True)
class Held:
    """What is truly held. ``owner`` is the pid of the agent that took it; ``share_bytes`` None: all."""

    agent: int
    owner: int
    gpus: tuple[str, ...]
    share_bytes: int | None
    container: str


class Machine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.ahead_seconds = 0.0
        real = time.time
        self.clock = mock.patch("time.time", side_effect=lambda: real() + self.ahead_seconds)
        self.clock.start()
        self.place = tempfile.TemporaryDirectory(prefix="mlops-desk-shares-")
        Path(self.place.name).chmod(0o755)
        self.shared = Path(self.place.name) / "l"
        self.shared.mkdir()
        self.shared.chmod(0o1777)
        self.world = World()
        self.numbers = 0
        self.boots = 1
        self.lost: set[str] = set()
        self.strangers: dict[int, str] = {}
        self.containers: dict[str, int] = {}
        self.held: dict[str, Held] = {}
        self.pids: dict[int, int] = {}
        self.ledgers: dict[int, LeaseLedger] = {}
        self.desks: dict[int, BookingDesk] = {}
        for agent in range(AGENTS):
            self.comes_up(agent)

    def teardown(self) -> None:
        if not hasattr(self, "place"):
            return
        try:
            self.all_end()
            self.nothing_is_left()
        finally:
            self.clock.stop()
            self.place.cleanup()

    # -- what is true ------------------------------------------------------------------------

    def lives(self, held: Held) -> bool:
        return held.owner in self.pids.values() or held.container in self.containers

    def living(self) -> list[Held]:
        return [held for held in self.held.values() if self.lives(held)]

    def look(self) -> DriverFacts:
        """Return what the driver shows: a process in each container, of the size that it declared, and strangers."""
        shown = []
        for index in range(3):
            parts = {uuid(index): None, **({MIG[0]: 0, MIG[1]: 1} if index == 2 else {})}
            running = []
            for held in self.held.values():
                pid = self.containers.get(held.container)
                size = (held.share_bytes or GIB) / GIB
                running += [(pid, parts[one], size) for one in held.gpus if pid is not None and one in parts]
            running += [(pid, parts[device], 1.0) for pid, device in self.strangers.items() if device in parts]
            processes = tuple(
                _placed(process(pid, gib=size, start_ticks=self.world.processes[pid]), instance)
                for pid, instance, size in running
            )
            state = GpuState.LOST if uuid(index) in self.lost else GpuState.OK
            used = sum(size for _, _, size in running)
            shown.append(
                cut(index, processes=processes) if index == 2 else gpu(index, processes=processes, used_gib=used)
            )
            shown[-1] = _stated(shown[-1], state, used)
        return DriverFacts(tuple(shown), self.world.now())

    def comes_up(self, agent: int) -> None:
        self.numbers += 1
        pid = 1000 + self.numbers
        self.world.spawn(pid)
        self.pids[agent] = pid
        folders = LeaseFolders((self.shared,))
        desk = BookingDesk(
            Papers(folders, ".booking", BookingPaper), Papers(folders, ".withdrawn", WithdrawnPaper),
            lambda: LIMITS, lambda: time.time(),  # noqa: PLW0108 - the clock is turned later
        )  # fmt: skip

        def booked():
            desk._forget()  # this clock jumps hours between two calls
            return desk.by_gpu()

        self.desks[agent] = desk
        self.ledgers[agent] = LeaseLedger(
            LeaseOwner(f"agent{agent}", "e"), lambda name: name in self.containers,
            folders=folders, host=self.world.seen_by(pid), bookings=booked,
        )  # fmt: skip

    # -- what happens ------------------------------------------------------------------------

    @rule(
        agent=agents, gpus=st.lists(devices, min_size=1, max_size=2, unique=True),
        gib=st.none() | st.integers(1, 16), hours=st.none() | st.integers(1, 30),
    )  # fmt: skip
    def take(self, agent: int, gpus: list[str], gib: int | None, hours: int | None) -> None:
        if agent not in self.pids:
            return
        self.numbers += 1
        attempt = f"a{agent}-{self.numbers}"
        until = None if hours is None else time.time() + hours * HOUR
        share = None if gib is None else gib * GIB
        holder = LeaseHolder(attempt, "x", f"c-{attempt}", share_bytes=share, until=until)
        with user(UIDS[agent]):
            refused = self.ledgers[agent].take(holder, gpus, self.look())
        if refused is not None:
            return
        for device in gpus:
            around = {device, *OVERLAPS.get(device, ())}
            there = [held for held in self.living() if around & set(held.gpus)]
            if share is None:
                assert not there, f"{device} is given whole and {there} are on it"
            else:
                assert all(held.share_bytes is not None and device in held.gpus for held in there)
                assert share + sum(held.share_bytes or 0 for held in there) <= SIZES[device]
            whole = uuid(2) if device in MIG else device
            assert whole not in self.lost
            assert not [pid for pid, place in self.strangers.items() if place in around]
            self.nobody_elses_time(device, UIDS[agent], until)
        self.held[attempt] = Held(agent, self.pids[agent], tuple(gpus), share, f"c-{attempt}")

    @rule(agent=agents, device=devices, gib=st.integers(1, 16))
    def take_a_share(self, agent: int, device: str, gib: int) -> None:
        self.take(agent, [device], gib, 1)

    @rule(agent=agents, device=devices)
    def take_a_whole_one(self, agent: int, device: str) -> None:
        self.take(agent, [device], None, 1)

    def nobody_elses_time(self, device: str, uid: int, until: float | None) -> None:
        now = time.time()
        for one in next(iter(self.desks.values())).list():
            if one.note is None and one.uid != uid and {device, *OVERLAPS.get(device, ())} & set(one.gpus):
                assert one.starts_at >= (now + 24 * HOUR if until is None else until), one

    @rule(which=st.integers(0, 99), bound=st.booleans())
    def container_starts(self, which: int, bound: bool) -> None:
        waiting = [
            name for name, held in self.held.items()
            if held.owner in self.pids.values() and held.container not in self.containers
        ]  # fmt: skip
        if not waiting:
            return
        name = waiting[which % len(waiting)]
        held = self.held[name]
        self.numbers += 1
        pid = 10_000 + self.numbers
        self.world.spawn(pid)
        self.containers[held.container] = pid
        if bound:
            with user(UIDS[held.agent]):
                self.ledgers[held.agent].bind(name, container_pid=pid)

    @precondition(lambda self: getattr(self, "held", None))
    @rule(which=st.integers(0, 99))
    def ends(self, which: int) -> None:
        name = [*self.held][which % len(self.held)]
        held = self.held.pop(name)
        self.container_is_killed(held.container)
        if held.owner in self.pids.values():
            with user(UIDS[held.agent]):
                self.ledgers[held.agent].release(name)

    def container_is_killed(self, container: str) -> None:
        pid = self.containers.pop(container, None)
        if pid is not None:
            del self.world.processes[pid]

    @rule(agent=agents)
    def crashes(self, agent: int) -> None:
        pid = self.pids.pop(agent, None)
        if pid is not None:
            del self.world.processes[pid]

    @rule(agent=agents)
    def comes_back(self, agent: int) -> None:
        if agent in self.pids:
            return
        self.comes_up(agent)
        for name, held in [*self.held.items()]:
            if held.agent != agent:
                continue
            if held.container not in self.containers:
                del self.held[name]
                continue
            holder = LeaseHolder(name, "x", held.container, share_bytes=held.share_bytes)
            with user(UIDS[agent]):
                kept = self.ledgers[agent].adopt(holder, held.gpus, self.containers[held.container])
            assert kept == held.gpus
            self.held[name] = Held(agent, self.pids[agent], held.gpus, held.share_bytes, held.container)

    @rule(dice=st.integers(1, 6))
    def machine_restarts(self, dice: int) -> None:
        if dice < 6:  # seldom, for nothing outlives it
            return
        self.boots += 1
        self.world.boot[0] = f"boot-{self.boots}"
        self.world.processes.clear()
        self.world.clock[0] = 50.0
        self.pids.clear()
        self.containers.clear()
        self.strangers.clear()
        self.held.clear()
        self.lost.clear()
        for agent in range(AGENTS):
            self.comes_up(agent)

    @rule(device=devices)
    def stranger_comes(self, device: str) -> None:
        self.numbers += 1
        self.world.spawn(50_000 + self.numbers)
        self.strangers[50_000 + self.numbers] = device

    @rule()
    def strangers_leave(self) -> None:
        for pid in self.strangers:
            del self.world.processes[pid]
        self.strangers.clear()

    @rule(index=st.none() | st.integers(0, 2))
    def gpu_is_lost_or_all_are_back(self, index: int | None) -> None:
        self.lost = set() if index is None else self.lost | {uuid(index)}

    @rule(hours=st.integers(-30, 30))
    def clock_jumps(self, hours: int) -> None:
        self.ahead_seconds += hours * HOUR

    @rule(agent=agents, device=devices, start=st.integers(-2, 40), hours=st.integers(1, 30))
    def books(self, agent: int, device: str, start: int, hours: int) -> None:
        begins = time.time() + start * HOUR
        with user(UIDS[agent]), contextlib.suppress(DeskError):
            self.desks[agent].book(UIDS[agent], [device], begins, begins + hours * HOUR)

    @rule(which=st.integers(0, 99))
    def booking_is_taken_back(self, which: int) -> None:
        known = self.desks[0].list()
        if known:
            one = known[which % len(known)]
            agent = UIDS.index(one.uid)
            with user(one.uid), contextlib.suppress(DeskError):
                self.desks[agent].withdraw(one.id)

    @rule(which=st.integers(0, 999), how=st.sampled_from(["removed", "emptied", "garbled"]))
    def a_file_is_damaged_and_mended(self, which: int, how: str) -> None:
        """By its own user, for others can't; its agent mends it at its next look."""
        files = sorted(self.shared.glob("*/*.share")) + sorted(self.shared.glob("*/*.lease"))
        if not files:
            return
        path = files[which % len(files)]
        agent = next(agent for agent in range(AGENTS) if UIDS[agent] == path.stat().st_uid)
        if {a for a in range(AGENTS) if UIDS[a] == UIDS[agent]} - set(self.pids):
            return  # nobody is there to mend it: what becomes of doubts is another test's
        if how == "removed":
            path.unlink()
        else:
            path.write_bytes(b"" if how == "emptied" else b"{")
        for one in self.pids:
            with user(UIDS[one]):
                self.ledgers[one].uphold()

    # -- what holds --------------------------------------------------------------------------

    @invariant()
    def whoever_lives_is_shown(self) -> None:
        if not getattr(self, "ledgers", None):
            return
        seen = {stand.device.uuid: stand for stand in next(iter(self.ledgers.values())).survey(self.look())}
        for name, held in self.held.items():
            if self.lives(held):
                for device in held.gpus:
                    leases = {lease.attempt for lease in seen[device].holders} | {
                        each.lease.attempt for each in seen[device].held.sharers
                    }
                    assert name in leases, (name, device, seen[device])

    def all_end(self) -> None:
        for name in [*self.held]:
            self.ends([*self.held].index(name))
        self.strangers_leave()
        for agent in range(AGENTS):
            self.comes_back(agent)

    def nothing_is_left(self) -> None:
        """Once everybody has let go, and doubts about files that nobody mends are over, all is free: nothing leaked."""
        self.lost.clear()
        for agent in range(AGENTS):
            for one in self.desks[agent].list():
                if one.uid == UIDS[agent]:
                    with user(UIDS[agent]):
                        self.desks[agent].withdraw(one.id)
        ledger = self.ledgers[0]
        ledger.settle()
        ledger.cards(self.look())
        self.world.clock[0] += DOUBT_SECONDS + 1
        assert {card.state for card in ledger.cards(self.look())} == {CardState.FREE}


def _placed(one, instance):
    return replace(one, gpu_instance=instance)


def _stated(one, state, used):
    metrics = {**one.metrics, "hw.gpu.memory.usage": Reading(used * GIB, "By")}
    return replace(one, state=state, metrics=metrics)


def test_the_devices_are_those_that_the_ledger_knows() -> None:
    assert tuple(one.uuid for one in devices_of((gpu(0), gpu(1), cut(2)))) == DEVICES


@pytest.mark.slow
def test_nobody_meets_anybody_and_nothing_is_leaked_whatever_happens_in_any_order() -> None:
    run_state_machine_as_test(Machine, settings=SETTINGS)
