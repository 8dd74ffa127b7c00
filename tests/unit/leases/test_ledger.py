"""The ledger on real files with processes and a driver that a test makes up."""

import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops_desk.base.errors import Unavailable
from mlops_desk.leases import files
from mlops_desk.leases.allocation import Facts
from mlops_desk.leases.files import LeaseFolders, file_name
from mlops_desk.leases.host import Host
from mlops_desk.leases.ledger import Ledger, Owner
from tests.unit.leases.world import World, gpu, process, uuid


@dataclass
class Machine:
    folder: Path
    world: World

    def __post_init__(self) -> None:
        self.containers: set[str] = set()
        self.engine_answers = True
        self.gpus = (gpu(0), gpu(1))

    def agent(self, pid: int, engine: str = "unix:///engine", *folders: Path) -> Ledger:
        if pid not in self.world.processes:
            self.world.spawn(pid)
        lives = lambda name: name in self.containers if self.engine_answers else None  # noqa: E731
        return Ledger(
            Owner(f"agent{pid}", engine),
            lives,
            folders=LeaseFolders(folders or (self.folder,)),
            host=self.world.seen_by(pid),
        )

    @property
    def facts(self) -> Facts:
        return Facts(self.gpus, self.world.now())

    def kill(self, pid: int) -> None:
        del self.world.processes[pid]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "leases", World())


def test_two_agents_never_get_the_same_gpu(machine: Machine) -> None:
    one, two = machine.agent(10), machine.agent(20)
    assert one.acquire("a1", "train", 1, machine.facts).gpus == (uuid(0),)
    assert two.acquire("b1", "serve", 1, machine.facts).gpus == (uuid(1),)
    choice = one.acquire("a2", "more", 1, machine.facts)
    assert choice.gpus is None
    assert "GPU 1: leased to serve of" in (choice.reason or "")


def test_the_ledger_says_who_holds_what(machine: Machine) -> None:
    ledger = machine.agent(10)
    ledger.acquire("a1", "train\x1b[31m", 1, machine.facts, uid=0)
    info = ledger.snapshot(machine.facts)[uuid(0)]
    assert (info.state, info.instance, info.uid, info.user, info.attempt, info.label) == (
        "leased",
        "agent10",
        0,
        "root",
        "a1",
        r"train\x1b[31m",
    )
    assert uuid(1) not in ledger.snapshot(machine.facts)


def test_released_gpus_drain_until_the_driver_shows_them_empty(machine: Machine) -> None:
    ledger = machine.agent(10)
    before = machine.facts
    ledger.acquire("a1", "train", 2, machine.facts)
    ledger.release("a1")
    ledger.release("a1")
    assert ledger.acquire("a2", "next", 1, before).gpus is None
    machine.gpus = (gpu(0, processes=(process(),)), gpu(1))
    assert ledger.snapshot(machine.facts)[uuid(0)].state == "draining"
    assert ledger.acquire("a2", "next", 2, machine.facts).gpus is None
    machine.gpus = (gpu(0), gpu(1))
    assert ledger.acquire("a2", "next", 2, machine.facts).gpus == (uuid(0), uuid(1))


def test_a_killed_holder_without_a_container_frees_its_gpu(machine: Machine) -> None:
    machine.agent(10).acquire("a1", "exec", 1, machine.facts)
    machine.kill(10)
    other = machine.agent(20)
    assert other.snapshot(machine.facts) == {}
    other.acquire("b1", "train", 2, machine.facts)  # the first look notes the death, a later one frees
    assert other.acquire("b1", "train", 2, machine.facts).gpus == (uuid(0), uuid(1))


def test_the_container_keeps_the_lease_of_a_killed_agent(machine: Machine) -> None:
    machine.agent(10).acquire("a1", "train", 2, machine.facts, container="mld-a1")
    machine.kill(10)
    other = machine.agent(20)
    machine.containers.add("mld-a1")
    assert [other.acquire("b1", "x", 1, machine.facts).gpus for _ in range(3)] == [None] * 3
    assert other.snapshot(machine.facts)[uuid(0)].state == "leased"
    machine.engine_answers = False
    machine.containers.clear()
    assert [other.acquire("b1", "x", 1, machine.facts).gpus for _ in range(3)] == [None] * 3
    machine.engine_answers = True
    other.acquire("b1", "x", 1, machine.facts)
    assert other.acquire("b1", "x", 1, machine.facts).gpus == (uuid(0),)


def test_the_containers_process_decides_without_an_engine(machine: Machine) -> None:
    ledger = machine.agent(10)
    ledger.acquire("a1", "train", 1, machine.facts, container="mld-a1")
    machine.world.spawn(500)
    ledger.bind("a1", container_pid=500)
    machine.kill(10)
    machine.engine_answers = False
    other = machine.agent(20)
    machine.gpus = (gpu(0),)
    assert [other.acquire("b1", "x", 1, machine.facts).gpus for _ in range(2)] == [None, None]
    machine.kill(500)
    machine.world.spawn(500)  # the number is used again, by a stranger
    other.acquire("b1", "x", 1, machine.facts)
    assert other.acquire("b1", "x", 1, machine.facts).gpus == (uuid(0),)


def test_a_reused_pid_is_not_the_owner(machine: Machine) -> None:
    machine.agent(10).acquire("a1", "exec", 1, machine.facts)
    machine.kill(10)
    machine.world.spawn(10)
    other = machine.agent(20)
    other.acquire("b1", "x", 2, machine.facts)
    assert other.acquire("b1", "x", 2, machine.facts).gpus is not None


def test_a_hidden_process_counts_as_alive(machine: Machine) -> None:
    machine.agent(10).acquire("a1", "exec", 2, machine.facts)
    machine.kill(10)
    machine.world.hidden.add(10)
    assert [machine.agent(20).acquire("b1", "x", 1, machine.facts).gpus for _ in range(3)] == [None] * 3


def test_a_lease_of_another_boot_is_void(machine: Machine) -> None:
    machine.agent(10).acquire("a1", "exec", 2, machine.facts)
    machine.world.boot[0] = "boot-2"
    assert machine.agent(20).acquire("b1", "x", 2, machine.facts).gpus is not None


def test_on_a_foreign_engine_doubt_ends_after_a_while(machine: Machine) -> None:
    machine.agent(10, "unix:///other").acquire("a1", "train", 2, machine.facts, container="mld-a1")
    machine.kill(10)
    other = machine.agent(20)
    assert [other.acquire("b1", "x", 1, machine.facts).gpus for _ in range(2)] == [None, None]
    machine.world.clock[0] += files.DOUBT_SECONDS + 1
    other.acquire("b1", "x", 1, machine.facts)
    assert other.acquire("b1", "x", 1, machine.facts).gpus is not None


def test_adopting_after_a_restart_keeps_the_gpus(machine: Machine) -> None:
    machine.agent(10).acquire("a1", "train", 2, machine.facts, container="mld-a1")
    machine.containers.add("mld-a1")
    machine.kill(10)
    again = Ledger(
        Owner("agent10", "unix:///engine"),
        lambda name: name in machine.containers,
        folders=LeaseFolders((machine.folder,)),
        host=machine.agent(11) and machine.world.seen_by(11),
    )
    assert again.adopt("a1", "train", (uuid(0), uuid(1)), container="mld-a1") == (uuid(0), uuid(1))
    machine.containers.clear()
    assert [machine.agent(20).acquire("b1", "x", 1, machine.facts).gpus for _ in range(3)] == [None] * 3


def test_adopting_makes_a_lost_lease_anew_but_takes_nothing_from_the_living(machine: Machine) -> None:
    machine.agent(20).acquire("b1", "x", 1, machine.facts)
    ledger = machine.agent(10)
    assert ledger.adopt("a1", "train", (uuid(0), uuid(1))) == (uuid(1),)
    assert ledger.snapshot(machine.facts)[uuid(0)].instance == "agent20"
    assert ledger.snapshot(machine.facts)[uuid(1)].attempt == "a1"


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[]", b'{"gpu": 3}', b"x" * 10_000, b'{"a":' * 2000])
def test_a_damaged_file_holds_its_gpu_for_a_while(machine: Machine, content: bytes) -> None:
    ledger = machine.agent(10)
    ledger.acquire("a0", "x", 1, machine.facts)
    path = machine.folder / file_name(uuid(1))
    path.write_bytes(content)
    choice = ledger.acquire("a1", "x", 1, machine.facts)
    assert choice.gpus is None
    assert "lease file" in (choice.reason or "")
    assert ledger.snapshot(machine.facts)[uuid(1)].state == "unknown"
    old = path.stat().st_mtime - files.DOUBT_SECONDS - 1
    os.utime(path, (old, old))
    assert ledger.acquire("a1", "x", 1, machine.facts).gpus == (uuid(1),)
    assert ledger.snapshot(machine.facts)[uuid(1)].attempt == "a1"


def test_a_lease_that_names_another_gpu_is_damage(machine: Machine) -> None:
    ledger = machine.agent(10)
    ledger.acquire("a0", "x", 1, machine.facts)
    (machine.folder / file_name(uuid(1))).write_bytes((machine.folder / file_name(uuid(0))).read_bytes())
    assert ledger.acquire("a1", "x", 1, machine.facts).gpus is None


def test_links_and_other_things_in_the_folder_are_not_followed(machine: Machine, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    ledger = machine.agent(10)
    ledger.acquire("a0", "x", 1, machine.facts)
    ledger.release("a0")
    (machine.folder / file_name(uuid(0))).unlink(missing_ok=True)
    (machine.folder / file_name(uuid(0))).symlink_to(victim)
    (machine.folder / file_name(uuid(1))).unlink(missing_ok=True)
    os.mkfifo(machine.folder / file_name(uuid(1)))
    assert ledger.acquire("a1", "x", 1, machine.facts).gpus is None
    assert victim.read_text() == "precious"


def test_files_are_for_everybody_whatever_the_umask(machine: Machine) -> None:
    before = os.umask(0o077)
    try:
        machine.agent(10).acquire("a1", "x", 2, machine.facts)
    finally:
        os.umask(before)
    assert stat.S_IMODE(machine.folder.stat().st_mode) == 0o1777
    assert {stat.S_IMODE(path.stat().st_mode) for path in machine.folder.iterdir()} == {0o666}
    assert {path.name for path in machine.folder.iterdir()} == {file_name(uuid(0)), file_name(uuid(1))}


def test_a_file_that_stays_locked_makes_only_its_gpu_unknown(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOCK_TIMEOUT_SECONDS", 0.1)
    ledger = machine.agent(10)
    with LeaseFolders((machine.folder,)).locked([uuid(0)]):
        assert ledger.acquire("a1", "x", 1, machine.facts).gpus == (uuid(1),)
        choice = ledger.acquire("a2", "x", 1, machine.facts)
        assert "locked" in (choice.reason or "")


def test_a_file_removed_under_a_waiting_lock_is_not_the_one_that_counts(machine: Machine) -> None:
    ledger = machine.agent(10)
    path = machine.folder / file_name(uuid(0))
    granted: list[object] = []
    with LeaseFolders((machine.folder,)).locked([uuid(0)]) as slots:
        waiting = threading.Thread(target=lambda: granted.append(ledger.acquire("a1", "x", 1, machine.facts).gpus))
        waiting.start()
        path.unlink()
        del slots
    waiting.join()
    assert granted == [(uuid(0),)]
    assert ledger.snapshot(machine.facts)[uuid(0)].attempt == "a1"
    assert path.exists()


def test_agents_with_one_folder_in_common_are_safe(machine: Machine, tmp_path: Path) -> None:
    both = machine.agent(10, "e", tmp_path / "a", tmp_path / "b")
    only = machine.agent(20, "e", tmp_path / "b")
    assert both.acquire("a1", "x", 1, machine.facts).gpus == (uuid(0),)
    assert only.acquire("b1", "x", 1, machine.facts).gpus == (uuid(1),)
    assert both.acquire("a2", "x", 1, machine.facts).gpus is None


def test_without_a_folder_nothing_is_given_out(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ledger = machine.agent(10, "e", tmp_path / "file" / "leases")
    choice = ledger.acquire("a1", "x", 1, machine.facts)
    assert choice.gpus is None
    assert "no shared folder" in (choice.reason or "")
    with pytest.raises(Unavailable):
        ledger.adopt("a1", "x", (uuid(0),))


def test_writing_is_all_or_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, real, calls = machine.agent(10), os.pwrite, []

    def second_fails(descriptor: int, data: bytes, offset: int) -> int:
        calls.append(data)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", second_fails)
    choice = ledger.acquire("a1", "x", 2, machine.facts)
    assert choice.gpus is None
    assert "No space left" in (choice.reason or "")
    monkeypatch.undo()
    assert ledger.snapshot(machine.facts) == {}


def test_this_machine_names_its_processes() -> None:
    host = Host()
    me = host.this_process()
    assert host.lives(me) is True
    assert host.lives(type(me)(me.pid, me.start_ticks + 1, me.namespace)) is False
    assert host.lives(type(me)(me.pid, me.start_ticks, me.namespace + 1)) is None
    assert host.process(2**22 + 1) is None
    assert host.now() > 0
