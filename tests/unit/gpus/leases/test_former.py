"""Leases of agents of before, which had one folder for all users: believed during an upgrade, never written."""

import json
from pathlib import Path

import pytest

from mlops_desk.gpus.leases import folders
from mlops_desk.gpus.leases.allocation import DriverFacts
from mlops_desk.gpus.leases.context import LeaseHolder, LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from tests.leasing import lease_gpus
from tests.unit.gpus.leases.world import World, gpu, uuid

ANNA = 4242


class Machine:
    """``folder`` is the shared one; the older agent is process 10, ours 20."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.former = folder, folder / "mlops-desk-gpu-leases"
        self.former.mkdir(parents=True)
        self.former.chmod(0o1777)
        self.world = World()
        self.world.spawn(10)
        self.world.spawn(20)
        self.containers: set[str] = set()

    def older(self, index: int, **changes: object) -> Path:
        """Write a lease as older agents do: a block of JSON padded with blanks that everybody may write."""
        block = {
            "gpu": uuid(index), "instance": "0a1b2c3d", "uid": ANNA, "attempt": "4be0643f1d98-a1", "label": "train",
            "owner": {"pid": 10, "start_ticks": self.world.processes[10], "namespace": 7}, "boot_id": "boot-1",
            "taken_at": 999.5, "engine": "unix:///engine", "container": None, "container_process": None,
            "released_at": None,
        } | changes  # fmt: skip
        path = self.former / f"{uuid(index)}.lease"
        path.write_bytes(json.dumps(block, separators=(",", ":")).encode().ljust(4096))
        path.chmod(0o666)
        return path

    def ours(self, instance: str = "ours") -> LeaseLedger:
        return LeaseLedger(
            LeaseOwner(instance, "unix:///engine"),
            lambda name: name in self.containers,
            folders=LeaseFolders((self.folder,)),
            host=self.world.seen_by(20),
        )

    @property
    def facts(self) -> DriverFacts:
        return DriverFacts((gpu(0), gpu(1)), self.world.now())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(folders, "FOLDERS", (tmp_path / "tmp",))
    return Machine(tmp_path / "tmp")


def test_what_an_older_agent_holds_is_not_given_out_and_says_whose_it_is(machine: Machine) -> None:
    path = machine.older(0)
    before = path.read_bytes(), path.stat().st_mtime_ns
    ours = machine.ours()
    choice = lease_gpus(ours, "b1", "x", 2, machine.facts)
    assert choice.gpus is None
    assert choice.reason == (
        f"GPU 0 is not given out: leased to train of uid {ANNA}, by an older agent's lease file {path}."
    )
    assert lease_gpus(ours, "b1", "x", 1, machine.facts).gpus == (uuid(1),)
    info = ours.snapshot(machine.facts)[uuid(0)]
    assert (info.state, info.uid, info.label) == ("leased", ANNA, "train")
    ours.uphold()
    ours.release("b1")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert sorted(entry.name for entry in machine.former.iterdir()) == [path.name]


def test_a_dead_older_holder_frees_its_gpu_once_the_driver_shows_that(machine: Machine) -> None:
    machine.older(0)
    machine.older(1, owner={"pid": 11, "start_ticks": 5, "namespace": 7})  # long dead
    ours = machine.ours()
    lease_gpus(ours, "b1", "x", 2, machine.facts)
    assert lease_gpus(ours, "b1", "x", 1, machine.facts).gpus == (uuid(1),)
    ours.release("b1")
    del machine.world.processes[10]
    lease_gpus(ours, "b2", "x", 2, machine.facts)
    assert lease_gpus(ours, "b2", "x", 2, machine.facts).gpus == (uuid(0), uuid(1))


def test_a_container_of_an_older_agent_that_ended_keeps_its_gpu(machine: Machine) -> None:
    machine.older(0, container="mld-0a1b2c3d-4be0643f1d98-a1")
    machine.older(1, container="mld-0a1b2c3d-4be0643f1d98-a1")
    machine.containers.add("mld-0a1b2c3d-4be0643f1d98-a1")
    del machine.world.processes[10]
    stranger = machine.ours()
    assert [lease_gpus(stranger, "b1", "x", 1, machine.facts).gpus for _ in range(3)] == [None] * 3
    # The same agent, newer by now, takes its running job's GPUs over.
    ours = machine.ours("0a1b2c3d")
    wanted = (uuid(0), uuid(1))
    assert ours.adopt(LeaseHolder("4be0643f1d98-a1", "train", "mld-0a1b2c3d-4be0643f1d98-a1"), wanted) == wanted


@pytest.mark.parametrize(
    "changes", [{"boot_id": "boot-0"}, {"gpu": uuid(5)}, {"label": "x" * 5000}, {"taken_at": "soon"}, {"owner": 3}]
)
def test_what_anybody_may_have_left_in_there_holds_nothing(machine: Machine, changes: dict[str, object]) -> None:
    machine.older(0, **changes)
    ours = machine.ours()
    assert lease_gpus(ours, "b1", "x", 2, machine.facts).gpus == (uuid(0), uuid(1))
    assert {info.trouble for info in ours.snapshot(machine.facts).values()} == {None}


def test_a_link_in_place_of_the_folder_is_not_followed(machine: Machine, tmp_path: Path) -> None:
    machine.older(0)
    machine.former.rename(tmp_path / "elsewhere")
    machine.former.symlink_to(tmp_path / "elsewhere")
    assert lease_gpus(machine.ours(), "b1", "x", 2, machine.facts).gpus == (uuid(0), uuid(1))


def test_a_folder_that_was_chosen_held_older_leases_itself(machine: Machine, tmp_path: Path) -> None:
    """That of MLOPS_DESK_LEASE_DIR."""
    machine.older(0)
    chosen = LeaseFolders((machine.former,))
    found = chosen.read()
    assert [(each.stem, each.uid, each.former) for each in found] == [(uuid(0), ANNA, True)]
    assert chosen.glance() == found
    assert chosen.read_own() == chosen.glance_own() == []
    assert [entry.name for entry in machine.folder.iterdir()] == ["mlops-desk-gpu-leases"]
