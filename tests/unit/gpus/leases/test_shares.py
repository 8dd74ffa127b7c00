"""Several on one GPU by what they declare: what fits, what is measured, what agents of before shares make of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.gpus.leases.allocation import Claim, DriverFacts, ShareClaim, standing
from mlops_desk.gpus.leases.context import LeaseHolder, LeaseOwner
from mlops_desk.gpus.leases.files import SLOTS
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.gpus.leases.survey import room_of
from mlops_desk.gpus.records.gpu_status import CardState
from mlops_desk.machine.records.gpu import Gpu, GpuState
from tests.leasing import lease_gpus
from tests.unit.gpus.leases.world import GIB, World, gpu, process, uuid


class Room:
    """One machine with two agents, of which each has its own process."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self.folder = folder

    def agent(self, pid: int) -> LeaseLedger:
        if pid not in self.world.processes:
            self.world.spawn(pid)
        folders = LeaseFolders((self.folder,))
        return LeaseLedger(LeaseOwner(f"agent{pid}"), folders=folders, host=self.world.seen_by(pid))

    def facts(self, *gpus: Gpu) -> DriverFacts:
        return DriverFacts(gpus or (gpu(0),), self.world.now())


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "leases")


def share(attempt: str, gib: float) -> LeaseHolder:
    return LeaseHolder(attempt, f"job {attempt}", share_bytes=int(gib * GIB))


def test_what_fits_beside_the_others_is_given_and_what_does_not_is_not(room: Room) -> None:
    one, two = room.agent(1), room.agent(2)
    assert one.take(share("a", 10), [uuid(0)], room.facts()) is None
    assert two.take(share("b", 10), [uuid(0)], room.facts()) is None
    refused = two.take(share("c", 5), [uuid(0)], room.facts())
    assert refused is not None
    assert "job a of" in refused
    assert "(10 GiB)" in refused
    assert two.take(share("c", 4), [uuid(0)], room.facts()) is None
    (card,) = one.cards(room.facts())
    assert (card.state, card.room_bytes, card.memory_bytes) == (CardState.SHARED, 0, 24 * GIB)
    assert sorted((each.label, each.share_bytes) for each in card.holders) == [
        ("job a", 10 * GIB), ("job b", 10 * GIB), ("job c", 4 * GIB),
    ]  # fmt: skip


def test_jobs_that_look_alike_count_each_as_those_of_a_sweep_do_before_they_run(room: Room) -> None:
    one = room.agent(1)
    given = [one.take(LeaseHolder(f"a{n}", "sweep", share_bytes=7 * GIB), [uuid(0)], room.facts()) for n in range(4)]
    assert [refused is None for refused in given] == [True, True, True, False], "24 GiB are three times 7, not four"
    (card,) = one.cards(room.facts())
    assert (card.room_bytes, len(card.holders)) == (3 * GIB, 3)


def test_nobody_gets_a_shared_gpu_whole_nor_a_share_of_a_whole_one(room: Room) -> None:
    one, two = room.agent(1), room.agent(2)
    assert one.take(share("a", 1), [uuid(0)], room.facts()) is None
    assert two.take(LeaseHolder("b", "b"), [uuid(0)], room.facts()) is not None
    assert lease_gpus(two, "b", "b", 1, room.facts()).gpus is None
    assert one.take(LeaseHolder("c", "c"), [uuid(1)], room.facts(gpu(0), gpu(1))) is None
    assert two.take(share("d", 1), [uuid(1)], room.facts(gpu(0), gpu(1))) is not None


def test_a_share_that_is_given_back_makes_room_and_the_last_one_frees_the_gpu(room: Room) -> None:
    one = room.agent(1)
    assert one.take(share("a", 10), [uuid(0)], room.facts()) is None
    assert one.take(share("b", 10), [uuid(0)], room.facts()) is None
    one.release("a")
    (card,) = one.cards(room.facts())
    assert (card.state, card.room_bytes) == (CardState.SHARED, 14 * GIB)
    one.release("b")
    assert one.cards(room.facts())[0].state is CardState.FREE
    assert one.take(LeaseHolder("c", "c"), [uuid(0)], room.facts()) is None
    assert one.snapshot(room.facts())[uuid(0)].state == "leased"


def test_until_a_look_shows_that_it_has_gone_a_released_share_leaves_no_room(room: Room) -> None:
    one = room.agent(1)
    before = room.facts()
    assert one.take(share("a", 4), [uuid(0)], before) is None
    assert one.take(share("b", 4), [uuid(0)], before) is None
    one.release("a")
    assert one.take(share("c", 4), [uuid(0)], before) is not None
    assert one.take(share("c", 4), [uuid(0)], room.facts()) is None


def test_whoever_uses_more_than_declared_makes_the_gpu_full_and_is_named(room: Room) -> None:
    one = room.agent(1)
    assert one.take(share("a", 4), [uuid(0)], room.facts()) is None
    used = gpu(0, processes=(process(1, gib=5),), used_gib=5.5)
    (card,) = one.cards(room.facts(used))
    assert (card.state, card.room_bytes) == (CardState.SHARED, 0)
    assert card.text.endswith("uses 5 GiB of 4 GiB")
    assert card.holders[0].used_bytes == 5 * GIB
    assert one.take(share("b", 1), [uuid(0)], room.facts(used)) is not None


def test_a_process_of_nobody_who_shares_makes_a_shared_gpu_external(room: Room) -> None:
    one = room.agent(1)
    assert one.take(share("a", 4), [uuid(0)], room.facts()) is None
    strange = gpu(0, processes=(process(1, gib=1), process(77, gib=1)), used_gib=2)
    (card,) = one.cards(room.facts(strange))
    assert (card.state, card.room_bytes) == (CardState.EXTERNAL, 0)
    assert [(each.label, each.external) for each in card.holders] == [("job a", False), ("python", True)]
    assert one.take(share("b", 1), [uuid(0)], room.facts(strange)) is not None


def test_a_screen_takes_its_memory_but_keeps_nobody_off(room: Room) -> None:
    one = room.agent(1)
    assert one.take(share("a", 4), [uuid(0)], room.facts()) is None
    shown = gpu(0, processes=(process(5, "/usr/lib/xorg/Xorg", gib=0.5),), used_gib=0.5)
    (card,) = one.cards(room.facts(shown))
    assert (card.state, card.room_bytes) == (CardState.SHARED, int(19.5 * GIB))


def test_shares_are_kept_over_a_restart_with_the_time_since_when(room: Room) -> None:
    one = room.agent(1)
    assert one.take(replace(share("a", 4), container="c-a", until=9e9), [uuid(0)], room.facts()) is None
    (before,) = one.cards(room.facts())[0].holders
    del room.world.processes[1]
    later = LeaseLedger(
        LeaseOwner("agent1"), folders=LeaseFolders((room.folder,)), host=(room.world.spawn(9), room.world.seen_by(9))[1]
    )
    room.world.spawn(50)
    assert later.adopt(replace(share("a", 4), container="c-a", until=9e9), [uuid(0)], 50) == (uuid(0),)
    (holder,) = later.cards(room.facts())[0].holders
    assert (holder.share_bytes, holder.since, holder.until, holder.pid) == (4 * GIB, before.since, 9e9, 50)
    later.release("a")
    assert later.cards(room.facts())[0].state is CardState.FREE


def test_who_comes_back_keeps_what_is_still_its_own_beside_shares_and_nothing_that_is_not(room: Room) -> None:
    one, two = room.agent(1), room.agent(2)
    assert one.take(share("a", 10), [uuid(0)], room.facts()) is None
    assert two.adopt(LeaseHolder("whole", "job whole"), [uuid(0)]) == (), "others share it"
    assert two.adopt(share("b", 10), [uuid(0)]) == (uuid(0),)
    assert one.take(LeaseHolder("alone", "job alone"), [uuid(1)], room.facts(gpu(0), gpu(1))) is None
    assert two.adopt(share("c", 1), [uuid(1)]) == (), "another has it alone"


def test_a_damaged_share_is_written_anew_and_told(room: Room) -> None:
    one, two = room.agent(1), room.agent(2)
    assert one.take(share("a", 4), [uuid(0)], room.facts()) is None
    (file,) = room.folder.glob("*/*.share")
    file.write_bytes(b"{")
    (card,) = two.cards(room.facts())
    assert card.state is CardState.UNKNOWN
    assert two.take(share("b", 1), [uuid(0)], room.facts()) is not None
    one.uphold()
    info = one.snapshot(room.facts())[uuid(0)]
    assert info.state == "shared"
    assert "is damaged, and has been written anew" in (info.trouble or "")


def test_to_agents_of_before_shares_a_shared_gpu_is_leased_until_the_last_has_let_go(room: Room) -> None:
    one = room.agent(1)
    assert one.take(share("a", 4), [uuid(0)], room.facts()) is None
    assert one.take(share("b", 4), [uuid(0)], room.facts()) is None
    (file,) = room.folder.glob("*/*.lease")
    assert '"released_at": null' in file.read_text()
    assert '"namespace": 0' in file.read_text()  # of another namespace: nobody there may say that it is dead
    file.write_bytes(b"")
    one.uphold()
    assert '"namespace": 0' in file.read_text()
    one.release("a")
    assert '"released_at": null' in file.read_text()
    one.release("b")
    assert '"released_at": null' not in file.read_text()


def test_the_stand_in_of_a_killed_agents_share_is_given_back_by_the_users_next_agent(room: Room) -> None:
    one = room.agent(1)
    assert one.take(share("a", 4), [uuid(0)], room.facts()) is None
    del room.world.processes[1]
    later = room.agent(2)
    later.settle()
    lease_gpus(later, "x", "x", 2, room.facts(gpu(0), gpu(1)))  # notes who is dead
    room.world.clock[0] += 1
    later.uphold()
    (file,) = room.folder.glob("*/*.lease")
    assert '"stand_in": true' in file.read_text()
    assert '"released_at": null' not in file.read_text()


def test_there_is_an_end_to_how_many_shares_one_user_has_of_one_gpu_and_slots_are_used_again(room: Room) -> None:
    one = room.agent(1)
    for number in range(SLOTS):
        assert one.take(share(f"a{number}", 0.1), [uuid(0)], room.facts()) is None
    refused = one.take(share("more", 0.1), [uuid(0)], room.facts())
    assert refused == "You share GPU 0 so many times already that no more fit."
    one.release("a3")
    assert one.take(share("more", 0.1), [uuid(0)], room.facts()) is None
    assert len(list(room.folder.glob("*/*.share"))) == SLOTS


shares = st.builds(
    lambda gib, used, pid, living: (
        ShareClaim(
            CardState.LEASED if living else CardState.DRAINING, "x", int(gib * GIB),
            None if living else 1.0, frozenset({pid}),
        ),
        used,
    ),
    st.floats(0.1, 24), st.none() | st.floats(0, 24), st.integers(2, 9), st.booleans(),
)  # fmt: skip


@given(st.lists(shares, max_size=4, unique_by=lambda one: min(one[0].pids)), st.floats(0, 24), st.booleans())
def test_room_is_never_more_than_is_neither_declared_nor_in_use(parts, other_gib, asleep) -> None:
    claims = tuple(share for share, _ in parts)
    running = tuple(
        process(min(share.pids), gib=used, start_ticks=10**9)
        for share, used in parts
        if share.standing is CardState.LEASED
    )
    used_gib = other_gib + sum(one.gpu_memory_bytes or 0 for one in running) / GIB
    state = GpuState.ASLEEP if asleep else GpuState.OK
    card = gpu(0, processes=() if asleep else running, used_gib=used_gib, state=state)
    claim = Claim(CardState.SHARED, "shared", None, claims) if claims else None
    facts = DriverFacts((card,), 100.0)
    found, _ = standing(card, claim, facts)
    room = room_of(card, found, claim, facts).room_bytes
    assert room is not None
    declared = sum(share.declared_bytes for share in claims if share.standing is CardState.LEASED)
    assert 0 <= room <= max(0, 24 * GIB - declared)
    if not asleep:
        assert room <= max(0, 24 * GIB - int(used_gib * GIB) + 1)


def test_what_the_agent_runs_is_not_the_work_of_a_container_that_has_not_begun(room: Room) -> None:
    one = room.agent(1)
    assert one.take(replace(share("a", 4), container="c-a"), [uuid(0)], room.facts()) is None
    (card,) = one.cards(room.facts(gpu(0, processes=(process(1, gib=1),), used_gib=1)))
    assert card.state is CardState.EXTERNAL


def test_whoever_has_the_whole_after_shares_of_it_is_the_one_that_is_shown(room: Room) -> None:
    one = room.agent(1)
    assert one.take(share("a", 4), [uuid(0)], room.facts()) is None
    one.release("a")
    assert one.take(LeaseHolder("b", "the whole"), [uuid(0)], room.facts()) is None
    (card,) = one.cards(room.facts())
    assert (card.state, [each.label for each in card.holders]) == (CardState.LEASED, ["the whole"])
    assert one.snapshot(room.facts())[uuid(0)].label == "the whole"
