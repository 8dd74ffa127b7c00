"""The ledger on real files with processes and a driver that a test makes up."""

import contextlib
import json
import os
import shutil
import stat
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops_desk.gpus.leases import folders
from mlops_desk.gpus.leases.acquisition import Taking
from mlops_desk.gpus.leases.allocation import DriverFacts
from mlops_desk.gpus.leases.context import LeaseHolder, LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.host import ThisHost
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.kit.base.errors import TimedOut, Unavailable
from tests.leasing import lease_gpus
from tests.unit.gpus.leases.world import World, gpu, process, uuid


@dataclass
class Machine:
    folder: Path
    world: World

    def __post_init__(self) -> None:
        self.containers: set[str] = set()
        self.engine_answers = True
        self.gpus = (gpu(0), gpu(1))

    def agent(self, pid: int, engine: str = "unix:///engine", *folders: Path) -> LeaseLedger:
        if pid not in self.world.processes:
            self.world.spawn(pid)
        lives = lambda name: name in self.containers if self.engine_answers else None  # noqa: E731 - short, and only here
        return LeaseLedger(
            LeaseOwner(f"agent{pid}", engine),
            lives,
            folders=LeaseFolders(folders or (self.folder,)),
            host=self.world.seen_by(pid),
        )

    @property
    def facts(self) -> DriverFacts:
        return DriverFacts(self.gpus, self.world.now())

    def path(self, index: int) -> Path:
        return self.folder / f"mlops-desk-leases-{os.geteuid()}" / f"{uuid(index)}.lease"

    def kill(self, pid: int) -> None:
        del self.world.processes[pid]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "leases", World())


def test_two_agents_never_get_the_same_gpu(machine: Machine) -> None:
    one, two = machine.agent(10), machine.agent(20)
    assert lease_gpus(one, "a1", "train", 1, machine.facts).gpus == (uuid(0),)
    assert lease_gpus(two, "b1", "serve", 1, machine.facts).gpus == (uuid(1),)
    assert lease_gpus(one, "a2", "more", 1, machine.facts).gpus is None
    reason = one.take(LeaseHolder("a2", "more"), (uuid(1),), machine.facts)
    assert (reason or "").startswith("GPU 1 is not given out: leased to serve of")


def test_the_ledger_says_who_holds_what(machine: Machine) -> None:
    ledger = machine.agent(10)
    lease_gpus(ledger, "a1", "train\x1b[31m", 1, machine.facts, uid=0)
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
    lease_gpus(ledger, "a1", "train", 2, machine.facts)
    ledger.release("a1")
    ledger.release("a1")
    assert lease_gpus(ledger, "a2", "next", 1, before).gpus is None
    machine.gpus = (gpu(0, processes=(process(),)), gpu(1))
    assert ledger.snapshot(machine.facts)[uuid(0)].state == "draining"
    assert lease_gpus(ledger, "a2", "next", 2, machine.facts).gpus is None
    machine.gpus = (gpu(0), gpu(1))
    assert lease_gpus(ledger, "a2", "next", 2, machine.facts).gpus == (uuid(0), uuid(1))


def test_a_killed_holder_without_a_container_frees_its_gpu(machine: Machine) -> None:
    lease_gpus(machine.agent(10), "a1", "exec", 1, machine.facts)
    machine.kill(10)
    other = machine.agent(20)
    assert other.snapshot(machine.facts) == {}
    lease_gpus(other, "b1", "train", 2, machine.facts)  # the first look notes the death, a later one frees
    assert lease_gpus(other, "b1", "train", 2, machine.facts).gpus == (uuid(0), uuid(1))


def test_the_container_keeps_the_lease_of_a_killed_agent(machine: Machine) -> None:
    lease_gpus(machine.agent(10), "a1", "train", 2, machine.facts, container="mld-a1")
    machine.kill(10)
    other = machine.agent(20)
    machine.containers.add("mld-a1")
    assert [lease_gpus(other, "b1", "x", 1, machine.facts).gpus for _ in range(3)] == [None] * 3
    assert other.snapshot(machine.facts)[uuid(0)].state == "leased"
    machine.engine_answers = False
    machine.containers.clear()
    assert [lease_gpus(other, "b1", "x", 1, machine.facts).gpus for _ in range(3)] == [None] * 3
    machine.engine_answers = True
    lease_gpus(other, "b1", "x", 1, machine.facts)
    assert lease_gpus(other, "b1", "x", 1, machine.facts).gpus == (uuid(0),)


def test_a_lease_that_nobody_gave_back_is_seen_to_be_over_without_taking_it(machine: Machine) -> None:
    """Killed between the container's end and giving back: who only looks must not see the GPU as leased for ever."""
    lease_gpus(machine.agent(10), "a1", "train", 1, machine.facts, container="mld-a1")
    machine.kill(10)
    other = machine.agent(20)
    machine.containers.add("mld-a1")
    other.settle()
    assert other.snapshot(machine.facts)[uuid(0)].state == "leased"
    machine.containers.clear()
    machine.engine_answers = False
    other.settle()
    assert other.snapshot(machine.facts)[uuid(0)].state == "leased", "nobody knows"
    machine.engine_answers = True
    other.settle()
    assert uuid(0) not in other.snapshot(machine.facts)
    machine.engine_answers = False
    other.settle()
    assert uuid(0) in other.snapshot(machine.facts), "what is not known now is not remembered as dead"


def test_the_containers_process_decides_without_an_engine(machine: Machine) -> None:
    ledger = machine.agent(10)
    lease_gpus(ledger, "a1", "train", 1, machine.facts, container="mld-a1")
    machine.world.spawn(500)
    ledger.bind("a1", container_pid=500)
    machine.kill(10)
    machine.engine_answers = False
    other = machine.agent(20)
    machine.gpus = (gpu(0),)
    assert [lease_gpus(other, "b1", "x", 1, machine.facts).gpus for _ in range(2)] == [None, None]
    machine.kill(500)
    machine.world.spawn(500)  # the number is used again, by a stranger
    lease_gpus(other, "b1", "x", 1, machine.facts)
    assert lease_gpus(other, "b1", "x", 1, machine.facts).gpus == (uuid(0),)


def test_a_reused_pid_is_not_the_owner(machine: Machine) -> None:
    lease_gpus(machine.agent(10), "a1", "exec", 1, machine.facts)
    machine.kill(10)
    machine.world.spawn(10)
    other = machine.agent(20)
    lease_gpus(other, "b1", "x", 2, machine.facts)
    assert lease_gpus(other, "b1", "x", 2, machine.facts).gpus is not None


def test_a_hidden_process_counts_as_alive(machine: Machine) -> None:
    lease_gpus(machine.agent(10), "a1", "exec", 2, machine.facts)
    machine.kill(10)
    machine.world.hidden.add(10)
    other = machine.agent(20)
    assert [lease_gpus(other, "b1", "x", 1, machine.facts).gpus for _ in range(3)] == [None] * 3


def test_a_look_from_before_a_holders_death_frees_nothing(machine: Machine) -> None:
    before = machine.facts
    lease_gpus(machine.agent(10), "a1", "exec", 2, machine.facts)
    machine.kill(10)
    other = machine.agent(20)
    assert [lease_gpus(other, "b1", "x", 1, before).gpus for _ in range(3)] == [None] * 3
    assert lease_gpus(other, "b1", "x", 1, machine.facts).gpus == (uuid(0),)


def test_a_lease_of_another_boot_is_void(machine: Machine) -> None:
    lease_gpus(machine.agent(10), "a1", "exec", 2, machine.facts)
    machine.world.boot[0] = "boot-2"
    assert lease_gpus(machine.agent(20), "b1", "x", 2, machine.facts).gpus is not None


def test_on_a_foreign_engine_doubt_ends_after_a_while(machine: Machine) -> None:
    lease_gpus(machine.agent(10, "unix:///other"), "a1", "train", 2, machine.facts, container="mld-a1")
    machine.kill(10)
    other = machine.agent(20)
    assert [lease_gpus(other, "b1", "x", 1, machine.facts).gpus for _ in range(2)] == [None, None]
    machine.world.clock[0] += 600 + 1
    lease_gpus(other, "b1", "x", 1, machine.facts)
    assert lease_gpus(other, "b1", "x", 1, machine.facts).gpus is not None


def test_how_long_a_foreign_engine_is_doubted_counts_from_when_the_lease_was_taken(machine: Machine) -> None:
    lease_gpus(machine.agent(10, "unix:///other"), "a1", "train", 1, machine.facts, container="mld-a1")
    machine.kill(10)
    other = machine.agent(20)
    machine.world.clock[0] += 590
    lease_gpus(other, "b1", "x", 2, machine.facts)
    assert other.snapshot(machine.facts)[uuid(0)].state == "leased"
    machine.world.clock[0] += 11
    lease_gpus(other, "b1", "x", 2, machine.facts)
    assert lease_gpus(other, "b1", "x", 2, machine.facts).gpus is not None


def test_a_lease_on_a_further_engine_of_ours_is_asked_after_there(machine: Machine) -> None:
    there: set[str] = {"mld-a1"}
    far = "unix:///" + "x" * 200
    machine.world.spawn(10)
    machine.world.spawn(20)

    def agent(pid: int) -> LeaseLedger:
        others = {far: lambda name: name in there}
        return LeaseLedger(
            LeaseOwner("one", "unix:///engine"),
            lambda _name: False,
            folders=LeaseFolders((machine.folder,)),
            host=machine.world.seen_by(pid),
            others=others,
        )

    lease_gpus(agent(10), "a1", "train", 2, machine.facts, container="mld-a1", engine=far)
    machine.kill(10)
    later = agent(20)
    assert [lease_gpus(later, "b1", "x", 1, machine.facts).gpus for _ in range(2)] == [None, None]
    machine.world.clock[0] += 600 + 1
    assert [lease_gpus(later, "b1", "x", 1, machine.facts).gpus for _ in range(2)] == [None, None]
    assert later.adopt(LeaseHolder("a1", "train", "mld-a1", engine=far), [uuid(0), uuid(1)]) == (uuid(0), uuid(1))
    machine.kill(20)
    machine.world.spawn(30)
    there.clear()
    last = agent(30)
    lease_gpus(last, "b1", "x", 1, machine.facts)
    assert lease_gpus(last, "b1", "x", 1, machine.facts).gpus == (uuid(0),)


def test_adopting_after_a_restart_keeps_the_gpus(machine: Machine) -> None:
    lease_gpus(machine.agent(10), "a1", "train", 2, machine.facts, container="mld-a1")
    machine.containers.add("mld-a1")
    machine.kill(10)
    again = LeaseLedger(
        LeaseOwner("agent10", "unix:///engine"),
        lambda name: name in machine.containers,
        folders=LeaseFolders((machine.folder,)),
        host=machine.agent(11) and machine.world.seen_by(11),
    )
    assert again.adopt(LeaseHolder("a1", "train", "mld-a1"), (uuid(0), uuid(1))) == (uuid(0), uuid(1))
    machine.containers.clear()
    assert [lease_gpus(machine.agent(20), "b1", "x", 1, machine.facts).gpus for _ in range(3)] == [None] * 3


def test_adopting_makes_a_lost_lease_anew_but_takes_nothing_from_the_living(machine: Machine) -> None:
    lease_gpus(machine.agent(20), "b1", "x", 1, machine.facts)
    ledger = machine.agent(10)
    assert ledger.adopt(LeaseHolder("a1", "train"), (uuid(0), uuid(1))) == (uuid(1),)
    assert ledger.snapshot(machine.facts)[uuid(0)].instance == "agent20"
    assert ledger.snapshot(machine.facts)[uuid(1)].attempt == "a1"


DAMAGE = [b"{", b"\xff\xfe", b"[]", b'{"gpu": 3}', b"x" * 10_000, b'{"a":' * 2000]


@pytest.mark.parametrize("content", DAMAGE)
def test_a_damaged_file_holds_its_gpu_for_a_while(machine: Machine, content: bytes) -> None:
    ledger = machine.agent(10)
    lease_gpus(ledger, "a0", "x", 1, machine.facts)
    path = machine.path(1)
    path.write_bytes(content)
    assert lease_gpus(ledger, "a1", "x", 1, machine.facts).gpus is None
    reason = ledger.take(LeaseHolder("a1", "x"), (uuid(1),), machine.facts)
    assert f"GPU 1 is not given out: the lease file {path} of root " in (reason or "")
    shown = ledger.snapshot(machine.facts)[uuid(1)]
    assert shown.state == "unknown"
    assert shown.trouble is not None
    assert str(path) in shown.trouble
    assert shown.trouble == f"T{(shown.text or '')[1:]}."
    machine.world.clock[0] += 599
    assert lease_gpus(ledger, "a1", "x", 1, machine.facts).gpus is None
    machine.world.clock[0] += 2
    assert lease_gpus(ledger, "a1", "x", 1, machine.facts).gpus == (uuid(1),)
    assert ledger.snapshot(machine.facts)[uuid(1)].attempt == "a1"


def test_a_lease_with_something_behind_it_is_damage(machine: Machine) -> None:
    lease_gpus(machine.agent(10), "a0", "x", 1, machine.facts)
    with machine.path(0).open("ab") as file:
        file.write(b"more")
    assert machine.agent(20).snapshot(machine.facts)[uuid(0)].state == "unknown"


def test_damage_that_was_there_long_before_the_first_look_holds_nothing(machine: Machine) -> None:
    lease_gpus(machine.agent(10), "a0", "x", 1, machine.facts)
    path = machine.path(1)
    path.write_bytes(b"{")
    old = path.stat().st_mtime - 601
    os.utime(path, (old, old))
    assert lease_gpus(machine.agent(20), "a1", "x", 1, machine.facts).gpus == (uuid(1),)


def test_damage_that_is_mended_and_comes_back_holds_anew(machine: Machine) -> None:
    ledger = machine.agent(10)
    lease_gpus(ledger, "a0", "x", 1, machine.facts)
    path = machine.path(1)
    path.write_bytes(b"{")
    assert lease_gpus(ledger, "a1", "x", 1, machine.facts).gpus is None
    path.write_bytes(b"")
    assert ledger.snapshot(machine.facts).keys() == {uuid(0)}
    machine.world.clock[0] += 601
    path.write_bytes(b"{")
    assert lease_gpus(ledger, "a1", "x", 1, machine.facts).gpus is None


def test_a_lease_that_names_another_gpu_is_damage(machine: Machine) -> None:
    ledger = machine.agent(10)
    lease_gpus(ledger, "a0", "x", 1, machine.facts)
    machine.path(1).write_bytes(machine.path(0).read_bytes())
    assert "makes no sense" in (ledger.take(LeaseHolder("a1", "x"), (uuid(1),), machine.facts) or "")


@pytest.mark.parametrize(
    "change",
    [
        {"owner": {"pid": 0, "start_ticks": 1, "namespace": 1}},
        {"owner": {"pid": 1 << 31, "start_ticks": 1, "namespace": 1}},
        {"label": "x" * 201},
        {"boot_id": "x" * 201},
        {"engine": "x" * 201},
        {"container": "x" * 201},
        {"taken_at": 1e999},
        {"released_at": -1e999},
    ],
)
def test_a_lease_with_impossible_values_is_damage(machine: Machine, change: dict[str, object]) -> None:
    lease_gpus(machine.agent(10), "a0", "x", 1, machine.facts)
    lease = json.loads(machine.path(0).read_text())
    machine.path(0).write_text(json.dumps(lease | change).replace("Infinity", "1e999"))
    shown = machine.agent(20).snapshot(machine.facts)[uuid(0)]
    assert shown.state == "unknown"
    assert "makes no sense" in (shown.trouble or "") or "is damaged" in (shown.trouble or "")


def test_links_and_other_things_in_the_folder_are_not_followed(machine: Machine, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    lease_gpus(machine.agent(10), "a0", "x", 2, machine.facts)
    machine.kill(10)
    machine.path(0).unlink()
    machine.path(0).symlink_to(victim)
    machine.path(1).unlink()
    os.mkfifo(machine.path(1))
    ledger = machine.agent(20)
    assert "can't be read" in (ledger.take(LeaseHolder("a1", "x"), (uuid(0),), machine.facts) or "")
    assert "is not a lease file" in (ledger.take(LeaseHolder("a1", "x"), (uuid(1),), machine.facts) or "")
    machine.world.clock[0] += 601
    assert lease_gpus(ledger, "a1", "x", 2, machine.facts).gpus == (uuid(0), uuid(1))
    assert victim.read_text() == "precious"
    assert ledger.snapshot(machine.facts)[uuid(0)].attempt == "a1"


def test_files_can_be_read_by_everybody_and_written_by_their_owner_whatever_the_umask(machine: Machine) -> None:
    before = os.umask(0o077)
    try:
        lease_gpus(machine.agent(10), "a1", "x", 2, machine.facts)
    finally:
        os.umask(before)
    own = machine.path(0).parent
    assert stat.S_IMODE(machine.folder.stat().st_mode) == 0o1777
    assert stat.S_IMODE(own.stat().st_mode) == 0o755
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in own.iterdir()} == {
        f"{uuid(0)}.lease": 0o644,
        f"{uuid(1)}.lease": 0o644,
        "lock": 0o600,
    }


def test_rights_that_somebody_widened_are_narrowed_again(machine: Machine) -> None:
    ledger = machine.agent(10)
    lease_gpus(ledger, "a1", "x", 1, machine.facts)
    machine.path(0).chmod(0o666)
    ledger.bind("a1", container="c")
    assert stat.S_IMODE(machine.path(0).stat().st_mode) == 0o644
    assert ledger.snapshot(machine.facts)[uuid(0)].attempt == "a1"


def test_another_process_of_this_user_that_keeps_its_turn_is_told_of(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "LOCK_TIMEOUT_SECONDS", 0.1)
    ledger = machine.agent(10)
    lease_gpus(ledger, "a0", "x", 1, machine.facts)
    with LeaseFolders((machine.folder,)).own():
        choice = lease_gpus(ledger, "a1", "x", 1, machine.facts)
        assert choice.gpus is None
        assert choice.reason == ("No GPU is given out: another process of this user keeps its lease folder locked.")
        with pytest.raises(Unavailable):
            ledger.release("a0")
        assert ledger.snapshot(machine.facts)[uuid(0)].state == "leased"  # who only looks never waits
    ledger.release("a0")


def test_a_lock_removed_under_who_waits_for_it_is_not_the_one_that_counts(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = machine.agent(10)
    lease_gpus(ledger, "a0", "x", 1, machine.facts)
    lock = machine.path(0).with_name("lock")
    granted: list[object] = []
    opened, real = threading.Event(), folders._flock

    def flock(descriptor: int, deadline: float) -> None:
        opened.set()
        real(descriptor, deadline)

    with contextlib.ExitStack() as second:
        with LeaseFolders((machine.folder,)).own():
            waiting = threading.Thread(
                target=lambda: granted.append(lease_gpus(ledger, "a1", "x", 1, machine.facts).gpus)
            )
            monkeypatch.setattr(folders, "_flock", flock)
            waiting.start()
            assert opened.wait(10.0)
            monkeypatch.undo()
            lock.unlink()
            second.enter_context(LeaseFolders((machine.folder,)).own())  # on the file that others find
        waiting.join(0.5)
        assert granted == []
    waiting.join()
    assert granted == [(uuid(1),)]
    assert lock.exists()


# -- what befalls our own files --------------------------------------------------------------


@pytest.mark.parametrize("befalls", ["removed", "emptied", "garbled", "replaced", "folder", "link", "all", "other"])
def test_what_befell_our_lease_is_written_anew_and_told(machine: Machine, tmp_path: Path, befalls: str) -> None:
    ledger = machine.agent(10)
    lease_gpus(ledger, "a1", "train", 2, machine.facts)
    path = machine.path(0)
    if befalls == "all":
        shutil.rmtree(path.parent)
    elif befalls == "other":
        stranger = machine.agent(20)
        ledger.release("a1")
        lease_gpus(stranger, "b1", "stranger", 2, machine.facts)
        theirs = path.read_bytes()
        stranger.release("b1")
        lease_gpus(ledger, "a1", "train", 2, machine.facts)
        path.write_bytes(theirs)
    elif befalls in {"emptied", "garbled"}:
        path.write_bytes(b"" if befalls == "emptied" else b"{")
    else:
        path.unlink()
    if befalls == "replaced":
        path.write_bytes(b"not a lease")
    elif befalls == "folder":
        path.mkdir()
        (path / "something").write_text("")
    elif befalls == "link":
        (tmp_path / "elsewhere").write_text("precious")
        path.symlink_to(tmp_path / "elsewhere")
    ledger.uphold()
    shown = ledger.snapshot(machine.facts)
    assert {shown[uuid(index)].attempt for index in range(2)} == {"a1"}
    assert {shown[uuid(index)].state for index in range(2)} == {"leased"}
    assert "Our lease file" in (shown[uuid(0)].trouble or "")
    assert "written anew" in (shown[uuid(0)].trouble or "")
    assert (shown[uuid(1)].trouble is None) is (befalls != "all")
    assert lease_gpus(machine.agent(30), "c1", "x", 1, machine.facts).gpus is None
    machine.world.clock[0] += 61
    ledger.uphold()
    assert ledger.snapshot(machine.facts)[uuid(0)].trouble is None
    if befalls == "link":
        assert (tmp_path / "elsewhere").read_text() == "precious"


def test_nothing_is_written_where_everything_stands(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = machine.agent(10)
    lease_gpus(ledger, "a1", "train", 1, machine.facts)
    lease_gpus(machine.agent(20), "b1", "x", 1, machine.facts)
    monkeypatch.setattr(folders.LeaseFolders, "own", lambda _self: pytest.fail("took a turn without need"))
    ledger.uphold()


def test_what_was_given_back_is_not_upheld(machine: Machine) -> None:
    ledger = machine.agent(10)
    lease_gpus(ledger, "a1", "train", 1, machine.facts)
    ledger.release("a1")
    machine.path(0).write_bytes(b"")
    ledger.uphold()
    assert machine.path(0).read_bytes() == b""
    assert ledger.snapshot(machine.facts) == {}


def test_giving_back_works_though_somebody_garbled_the_file(machine: Machine) -> None:
    ledger = machine.agent(10)
    lease_gpus(ledger, "a1", "train", 1, machine.facts)
    machine.path(0).write_bytes(b"garbage")
    ledger.release("a1")
    assert ledger.snapshot()[uuid(0)].state == "draining"
    assert lease_gpus(ledger, "a2", "next", 2, machine.facts).gpus is not None


def test_a_lease_lost_in_one_of_two_folders_is_written_anew_there(machine: Machine, tmp_path: Path) -> None:
    ledger = machine.agent(10, "e", tmp_path / "a", tmp_path / "b")
    lease_gpus(ledger, "a1", "train", 1, machine.facts)
    lost = tmp_path / "b" / f"mlops-desk-leases-{os.geteuid()}"
    shutil.rmtree(lost)
    ledger.uphold()
    assert (lost / f"{uuid(0)}.lease").exists()
    assert "removed" in (ledger.snapshot(machine.facts)[uuid(0)].trouble or "")


def test_upholding_tells_when_it_can_not(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = machine.agent(10)
    lease_gpus(ledger, "a1", "train", 1, machine.facts)
    machine.path(0).unlink()
    monkeypatch.setattr(os, "pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(Unavailable, match="No space left"):
        ledger.uphold()


def test_agents_with_one_folder_in_common_are_safe(machine: Machine, tmp_path: Path) -> None:
    both = machine.agent(10, "e", tmp_path / "a", tmp_path / "b")
    only = machine.agent(20, "e", tmp_path / "b")
    assert lease_gpus(both, "a1", "x", 1, machine.facts).gpus == (uuid(0),)
    assert lease_gpus(only, "b1", "x", 1, machine.facts).gpus == (uuid(1),)
    assert lease_gpus(both, "a2", "x", 1, machine.facts).gpus is None


def test_without_a_folder_nothing_is_given_out(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ledger = machine.agent(10, "e", tmp_path / "file" / "leases")
    choice = lease_gpus(ledger, "a1", "x", 1, machine.facts)
    assert choice.gpus is None
    assert "no shared folder" in (choice.reason or "")
    with pytest.raises(Unavailable):
        ledger.adopt(LeaseHolder("a1", "x"), (uuid(0),))


def test_writing_is_all_or_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, real, calls = machine.agent(10), os.pwrite, []

    def second_fails(descriptor: int, data: bytes, offset: int) -> int:
        calls.append(data)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", second_fails)
    choice = lease_gpus(ledger, "a1", "x", 2, machine.facts)
    assert choice.gpus is None
    assert "No space left" in (choice.reason or "")
    monkeypatch.undo()
    assert ledger.snapshot(machine.facts) == {}


def test_a_short_write_is_no_lease(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: real(descriptor, data[:100], offset))
    choice = lease_gpus(machine.agent(10), "a1", "x", 1, machine.facts)
    assert choice.gpus is None
    assert "No space left" in (choice.reason or "")


def test_writes_that_fail_leave_neither_files_nor_descriptors(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, real = machine.agent(10), os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: real(descriptor, data[:100], offset))
    lease_gpus(ledger, "a0", "x", 1, machine.facts)  # what a first look opens for good
    opened = len([*Path("/proc/self/fd").iterdir()])
    for number in range(5):
        assert lease_gpus(ledger, f"a{number}", "x", 1, machine.facts).gpus is None
    assert len([*Path("/proc/self/fd").iterdir()]) == opened
    assert [path.name for path in machine.path(0).parent.iterdir() if machine.path(0).name in path.name] == []


def test_looking_at_leases_that_change_keeps_no_file_open(machine: Machine) -> None:
    ledger, other = machine.agent(10), machine.agent(11)

    def opened() -> int:
        lease_gpus(other, "a1", "x", 1, machine.facts)
        assert ledger.snapshot(machine.facts)[uuid(0)].attempt == "a1"
        other.release("a1")
        ledger.snapshot(machine.facts)
        return len([*Path("/proc/self/fd").iterdir()])

    machine.gpus = machine.gpus[:1]
    at_first = opened()
    assert [opened() for _ in range(5)] == [at_first] * 5


def test_what_could_not_be_taken_back_is_given_back_later(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, real, calls = machine.agent(10), os.pwrite, []
    lease_gpus(ledger, "a0", "x", 2, machine.facts)
    ledger.release("a0")

    def all_but_the_first_fail(descriptor: int, data: bytes, offset: int) -> int:
        calls.append(data)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", all_but_the_first_fail)
    assert lease_gpus(ledger, "a1", "x", 2, machine.facts).gpus is None
    monkeypatch.undo()
    assert ledger.snapshot(machine.facts)[uuid(0)].attempt == "a1"
    ledger.uphold()
    assert ledger.snapshot(machine.facts) == {}
    assert lease_gpus(ledger, "a2", "x", 2, machine.facts).gpus == (uuid(0), uuid(1))


# -- two who meet at one GPU -----------------------------------------------------------------


def test_of_two_who_take_a_gpu_at_the_same_moment_none_takes_it_blindly(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other's lease appears between our look and our write, as no lock between users forbids."""
    ledger = machine.agent(10)
    own, other = f"mlops-desk-leases-{os.geteuid()}", f"mlops-desk-leases-{os.geteuid()}-other"
    lease_gpus(machine.agent(20), "b1", "rival", 2, machine.facts)
    (machine.folder / own).rename(machine.folder / "kept")
    real, writes = folders.write_lease, []

    def rival_first(path: Path, lease: object) -> None:
        if not writes:
            (machine.folder / "kept").rename(machine.folder / other)
        writes.append(path)
        real(path, lease)

    monkeypatch.setattr(folders, "write_lease", rival_first)
    choice = lease_gpus(ledger, "a1", "x", 1, machine.facts)
    assert choice.gpus is None
    assert "leased to rival" in (choice.reason or "")
    assert len(writes) == 2  # written, seen, and taken back
    assert {info.attempt for info in ledger.snapshot(machine.facts).values()} == {"b1"}
    assert ledger.adopt(LeaseHolder("a2", "x"), (uuid(0),)) == ()


def test_who_always_meets_somebody_gives_up_with_a_word(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = machine.agent(10)
    monkeypatch.setattr(Taking, "_write_then_look", lambda *_: False)
    choice = lease_gpus(ledger, "a1", "x", 1, machine.facts)
    assert choice.gpus is None
    assert choice.reason == "Another user takes GPUs at this very moment."


# -- the engine ------------------------------------------------------------------------------


def test_an_engine_that_answers_with_an_error_does_not_say_that_a_container_is_dead(machine: Machine) -> None:
    lease_gpus(machine.agent(10), "a1", "train", 2, machine.facts, container="mld-a1")
    machine.kill(10)
    machine.world.spawn(20)

    def fails(_container: str) -> bool | None:
        raise TimedOut("The engine does not answer.")

    other = LeaseLedger(
        LeaseOwner("agent20", "unix:///engine"),
        fails,
        folders=LeaseFolders((machine.folder,)),
        host=machine.world.seen_by(20),
    )
    assert [lease_gpus(other, "b1", "x", 1, machine.facts).gpus for _ in range(3)] == [None] * 3
    assert other.snapshot(machine.facts)[uuid(0)].state == "leased"


def test_this_machine_names_its_processes() -> None:
    host = ThisHost()
    me = host.this_process()
    assert host.lives(me) is True
    assert host.lives(type(me)(me.pid, me.start_ticks + 1, me.namespace)) is False
    assert host.lives(type(me)(me.pid, me.start_ticks, me.namespace + 1)) is None
    assert host.process(2**22 + 1) is None
    assert host.now() > 0
