"""MIG instances as cards of their own; broken GPUs; what a card tells of its place in the machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.gpus.leases.allocation import Claim, DriverFacts, GpuFault, standing
from mlops_desk.gpus.leases.context import LeaseHolder, LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger, nearness
from mlops_desk.gpus.leases.survey import devices_of
from mlops_desk.gpus.records.gpu_status import CardState
from mlops_desk.machine.records.gpu import Gpu, GpuState, MigInstance
from mlops_desk.machine.records.metric import Reading
from tests.unit.gpus.leases.world import GIB, World, gpu, process, uuid

MIG = tuple(f"MIG-{number:08d}-0000-4000-8000-000000000000" for number in range(2))


def cut(index: int = 0, processes: tuple = ()) -> Gpu:
    """Return a GPU with two instances of 10 GiB, and a third one of which the driver tells no UUID."""
    metrics = {"hw.gpu.memory.limit": Reading(10.0 * GIB, "By"), "hw.gpu.memory.usage": Reading(0.0, "By")}
    parts = tuple(MigInstance(f"f{number}", one, "1g.10gb", number, 0, metrics) for number, one in enumerate(MIG))
    unnamed = MigInstance("f9", None, "1g.10gb", 9, None)
    return replace(gpu(index, processes=processes), mig=(*parts, unnamed))


class Shop:
    def __init__(self, folder: Path) -> None:
        self.world, self.folder = World(), folder

    def agent(self, pid: int) -> LeaseLedger:
        self.world.spawn(pid)
        return LeaseLedger(
            LeaseOwner(f"agent{pid}"), folders=LeaseFolders((self.folder,)), host=self.world.seen_by(pid)
        )

    def facts(self, *gpus: Gpu) -> DriverFacts:
        return DriverFacts(gpus, self.world.now())


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "leases")


def states(ledger: LeaseLedger, facts: DriverFacts) -> dict[str, CardState]:
    return {card.uuid: card.state for card in ledger.cards(facts)}


def test_instances_are_cards_of_their_own_with_parent_and_profile(shop: Shop) -> None:
    cards = shop.agent(1).cards(shop.facts(cut()))
    assert [(card.uuid, card.parent, card.profile, card.memory_bytes) for card in cards] == [
        (uuid(0), None, None, 24 * GIB), (MIG[0], uuid(0), "1g.10gb", 10 * GIB), (MIG[1], uuid(0), "1g.10gb", 10 * GIB),
    ]  # fmt: skip


def test_an_instance_is_as_broken_as_its_gpu(shop: Shop) -> None:
    for metric in ("hw.gpu.recovery_action", "hw.gpu.row_remap.failure", "hw.errors.ecc.volatile.uncorrected"):
        whole = cut()
        broken = replace(whole, metrics={**whole.metrics, metric: Reading(1.0, "1")})
        assert {*states(shop.agent(1), shop.facts(broken)).values()} == {CardState.FAULTED}, metric
    assert {*states(shop.agent(2), shop.facts(replace(cut(), state=GpuState.LOST))).values()} == {CardState.FAULTED}
    assert {*states(shop.agent(3), shop.facts(cut())).values()} == {CardState.FREE}


def test_a_gpu_is_not_given_whole_while_an_instance_of_it_is_leased(shop: Shop) -> None:
    one, two = shop.agent(1), shop.agent(2)
    assert one.take(LeaseHolder("a", "a"), [MIG[0]], shop.facts(cut())) is None
    assert states(two, shop.facts(cut())) == {
        uuid(0): CardState.LEASED, MIG[0]: CardState.LEASED, MIG[1]: CardState.FREE,
    }  # fmt: skip
    assert two.take(LeaseHolder("b", "b"), [uuid(0)], shop.facts(cut())) is not None
    assert two.take(LeaseHolder("b", "b"), [MIG[1]], shop.facts(cut())) is None
    (stand_in,) = shop.folder.glob(f"*/{uuid(0)}.lease")
    assert '"stand_in": true' in stand_in.read_text()  # agents that know no instances keep off
    one.release("a")
    assert two.take(LeaseHolder("c", "c"), [uuid(0)], shop.facts(cut())) is not None
    two.release("b")
    assert two.take(LeaseHolder("c", "c"), [uuid(0)], shop.facts(cut())) is None


def test_no_instance_is_given_while_the_whole_gpu_is_leased(shop: Shop) -> None:
    one, two = shop.agent(1), shop.agent(2)
    assert one.take(LeaseHolder("a", "a"), [uuid(0)], shop.facts(cut())) is None
    refused = two.take(LeaseHolder("b", "b"), [MIG[1]], shop.facts(cut()))
    assert refused is not None
    assert refused.startswith("GPU 0 (1g.10gb) is not given out: leased to a of")


def test_who_computes_in_one_instance_keeps_off_that_one_and_the_whole(shop: Shop) -> None:
    busy = cut(processes=(replace(process(9), gpu_instance=1),))
    assert states(shop.agent(1), shop.facts(busy)) == {
        uuid(0): CardState.EXTERNAL, MIG[0]: CardState.FREE, MIG[1]: CardState.EXTERNAL,
    }  # fmt: skip
    unplaced = cut(processes=(process(9),))  # the driver did not say in which instance
    assert set(states(shop.agent(2), shop.facts(unplaced)).values()) == {CardState.EXTERNAL}


def test_an_instance_can_be_shared_and_its_gpu_can_not(shop: Shop) -> None:
    one = shop.agent(1)
    assert one.take(LeaseHolder("a", "a", share_bytes=4 * GIB), [MIG[0]], shop.facts(cut())) is None
    assert one.take(LeaseHolder("b", "b", share_bytes=7 * GIB), [MIG[0]], shop.facts(cut())) is not None
    assert one.take(LeaseHolder("b", "b", share_bytes=6 * GIB), [MIG[0]], shop.facts(cut())) is None
    one.release("a")
    one.release("b")
    assert one.take(LeaseHolder("c", "c", share_bytes=GIB), [uuid(0)], shop.facts(cut())) is not None


@pytest.mark.parametrize("gpus", [[uuid(0), MIG[0]], [MIG[0], MIG[0]], [uuid(7)]])
def test_a_set_that_makes_no_sense_is_refused(shop: Shop, gpus: list[str]) -> None:
    one = shop.agent(1)
    assert one.take(LeaseHolder("a", "a"), gpus, shop.facts(cut())) is not None
    assert set(states(one, shop.facts(cut())).values()) == {CardState.FREE}


BROKEN = {
    "lost": (gpu(0, state=GpuState.LOST), "fallen off the bus"),
    "reset": (gpu(0, state=GpuState.RESET_REQUIRED), "the driver requires a reset"),
    "action": ({"hw.gpu.recovery_action": 1.0}, "the driver asks for a reset"),
    "new action": ({"hw.gpu.recovery_action": 99.0}, "the driver asks for a repair of its number 99"),
    "row": (
        {"hw.gpu.row_remap.failure": 1.0, "hw.gpu.recovery_action": 0.0},
        "a damaged memory row could not be replaced",
    ),
    "memory": ({"hw.errors.ecc.volatile.uncorrected": 3.0}, "3 errors of its memory could not be corrected"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_gpu_is_not_given_out_and_says_what_to_do(shop: Shop, case: str) -> None:
    broken, words = BROKEN[case]
    if isinstance(broken, dict):
        metrics = {name: Reading(value, "1") for name, value in broken.items()}
        broken = replace(gpu(0), metrics={**gpu(0).metrics, **metrics})
    (card,) = shop.agent(1).cards(shop.facts(broken))
    assert (card.state, card.room_bytes) == (CardState.FAULTED, 0)
    assert words in card.text
    assert card.fix
    resets = case in {"reset", "action", "memory"}
    assert card.fix_command == ("sudo nvidia-smi --gpu-reset -i 0" if resets else None)


def test_where_the_driver_says_that_nothing_is_to_be_done_contained_errors_keep_nobody_off() -> None:
    metrics = {"hw.errors.ecc.volatile.uncorrected": 3.0, "hw.gpu.recovery_action": 0.0}
    contained = replace(gpu(0), metrics={name: Reading(value, "1") for name, value in metrics.items()})
    assert standing(contained, None, DriverFacts((contained,), 1.0))[0] is CardState.FREE


def test_what_the_driver_announced_once_counts_and_a_holder_keeps_a_broken_gpu() -> None:
    facts = DriverFacts((gpu(0),), 1.0, faults={uuid(0): GpuFault("XID 79", "Restart.")})
    assert standing(gpu(0), None, facts) == (CardState.FAULTED, "XID 79")
    state, text = standing(gpu(0), Claim(CardState.LEASED, "leased to train"), facts)
    assert (state, text) == (CardState.LEASED, "leased to train, and is broken: XID 79")


@pytest.mark.parametrize(
    ("path", "rank"),
    [("NV18", 0), ("NV1", 0), ("PIX", 1), ("PXB", 2), ("PHB", 3), ("NODE", 4), ("SYS", 5), ("X", None)],
)
def test_nearness(path: str, rank: int | None) -> None:
    assert nearness(path) == rank


def test_a_card_tells_its_place_and_who_has_it_since_when_and_until(shop: Shop) -> None:
    one, two = shop.agent(1), shop.agent(2)
    placed = replace(gpu(0), peers={uuid(1): "NV18", uuid(2): "SYS", uuid(3): "?"}, numa_node=1)
    holder = LeaseHolder("4be0643f1d98-a2", "train", until=2e9)
    assert one.take(holder, [uuid(0)], shop.facts(placed)) is None
    (card,) = one.cards(shop.facts(placed))
    assert (card.peers, card.numa_node) == ({uuid(1): 0, uuid(2): 5}, 1)
    (held,) = card.holders
    assert (held.label, held.job_id, held.until, held.pid, held.external) == ("train", "4be0643f1d98", 2e9, 1, False)
    (seen,) = two.cards(shop.facts(placed))[0].holders
    assert (seen.label, seen.job_id) == ("train", None)  # another desk's ids mean nothing here
    assert seen.since == held.since


def test_who_computes_without_a_lease_is_on_the_card_and_a_screen_is_not(shop: Shop) -> None:
    users = (replace(process(9, "python x.py", gib=2), started_at=5.0), process(8, "/usr/lib/xorg/Xorg"))
    (card,) = shop.agent(1).cards(shop.facts(gpu(0, processes=users)))
    (held,) = card.holders
    assert (held.label, held.user, held.pid, held.external, held.since, held.used_bytes) == (
        "python", "eve", 9, True, 5.0, 2 * GIB,
    )  # fmt: skip
    (screen,) = shop.agent(2).cards(shop.facts(gpu(0, processes=users[1:])))
    assert (screen.state, screen.holders) == (CardState.FREE, ())


def test_memory_of_processes_that_are_gone_is_named(shop: Shop) -> None:
    (card,) = shop.agent(1).cards(shop.facts(gpu(0, used_gib=8)))
    assert card.state is CardState.UNKNOWN
    assert card.text == "8 GiB of its memory are in use by no process that the driver shows"


def test_devices_are_ordered_by_index() -> None:
    assert [device.uuid for device in devices_of((gpu(2), cut(1), gpu(0)))] == [uuid(0), uuid(1), *MIG, uuid(2)]
