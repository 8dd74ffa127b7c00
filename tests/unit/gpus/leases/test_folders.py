"""Whose word counts in a shared folder: each user's own, a few folders and files of each, and root's for anybody."""

import contextlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_desk.gpus.leases import folders
from mlops_desk.gpus.leases.allocation import DriverFacts
from mlops_desk.gpus.leases.context import LeaseOwner
from mlops_desk.gpus.leases.files import Doubt
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from tests.leasing import lease_gpus
from tests.unit.gpus.leases.world import World, gpu, uuid

OWN = f"mlops-desk-leases-{os.geteuid()}"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users needs root")


@contextlib.contextmanager
def user(uid: int) -> Iterator[None]:
    before = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A sticky folder that everybody reaches: pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="mlops-desk-test-folders-") as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)


class Town:
    """Agents of one machine, each with a pid of its own."""

    def __init__(self, shared: Path) -> None:
        self.shared = shared
        self.world = World()

    def agent(self, pid: int) -> LeaseLedger:
        if pid not in self.world.processes:
            self.world.spawn(pid)
        view = self.world.seen_by(pid)
        return LeaseLedger(LeaseOwner(f"agent{pid}"), folders=LeaseFolders((self.shared,)), host=view)

    @property
    def facts(self) -> DriverFacts:
        return DriverFacts((gpu(0), gpu(1)), self.world.now())


@pytest.fixture
def town(shared: Path) -> Town:
    return Town(shared)


@needs_root
def test_root_speaks_for_whom_it_works_and_is_believed(town: Town) -> None:
    lease_gpus(town.agent(10), "a1", "train", 1, town.facts, uid=4101)
    with user(4102):
        info = town.agent(20).snapshot(town.facts)[uuid(0)]
    assert (info.state, info.uid, info.user) == ("leased", 4101, "uid 4101")


@needs_root
def test_another_user_speaks_only_for_themselves(town: Town) -> None:
    with user(4101):
        assert lease_gpus(town.agent(10), "a1", "train", 1, town.facts, uid=0).gpus == (uuid(0),)
    info = town.agent(20).snapshot(town.facts)[uuid(0)]
    assert (info.state, info.uid) == ("leased", 4101)


@needs_root
def test_a_lease_in_anothers_name_is_rubbish(town: Town) -> None:
    with user(4101):
        lease_gpus(town.agent(10), "a1", "train", 1, town.facts)
    path = town.shared / "mlops-desk-leases-4101" / f"{uuid(0)}.lease"
    lease = json.loads(path.read_text())
    path.write_text(json.dumps(lease | {"uid": 4102}))
    info = town.agent(20).snapshot(town.facts)[uuid(0)]
    assert (info.state, info.uid) == ("unknown", None)
    assert info.trouble == f"The lease file {path} of uid 4101 speaks for another user."
    path.write_text(json.dumps(lease))
    assert town.agent(20).snapshot(town.facts)[uuid(0)].attempt == "a1"
    os.chown(path, 4102, 4102)
    assert "speaks for another user" in (town.agent(20).snapshot(town.facts)[uuid(0)].trouble or "")


@needs_root
def test_a_folder_that_its_owner_has_closed_says_nothing_and_stops_nobody(town: Town) -> None:
    with user(4101):
        lease_gpus(town.agent(10), "a1", "train", 1, town.facts)
        (town.shared / "mlops-desk-leases-4101").chmod(0o700)
    with user(4102):
        assert lease_gpus(town.agent(20), "b1", "x", 1, town.facts).gpus == (uuid(0),)
    with user(4101):
        lease_gpus(town.agent(10), "a2", "x", 1, town.facts)
    assert stat.S_IMODE((town.shared / "mlops-desk-leases-4101").stat().st_mode) == 0o755


@needs_root
def test_a_file_that_others_may_not_read_holds_its_gpu_and_is_named(town: Town) -> None:
    with user(4101):
        lease_gpus(town.agent(10), "a1", "train", 1, town.facts)
        (town.shared / "mlops-desk-leases-4101" / f"{uuid(0)}.lease").chmod(0o600)
    with user(4102):
        reason = lease_gpus(town.agent(20), "b1", "x", 2, town.facts).reason or ""
    assert "of uid 4101 can't be read (Permission denied)" in reason


def test_one_user_is_heard_with_eight_folders(town: Town) -> None:
    lease_gpus(town.agent(10), "a1", "train", 1, town.facts)
    for number in range(9):
        (town.shared / f"{OWN}-{number}").mkdir()
        (town.shared / f"{OWN}-{number}" / "x.lease").write_text("{")
    heard = {found.path.parent.name for found in LeaseFolders((town.shared,)).read()}
    assert heard == {OWN, *(f"{OWN}-{number}" for number in range(7))}
    assert town.agent(20).snapshot(town.facts)[uuid(0)].attempt == "a1"


def test_one_user_is_heard_with_so_many_files(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_FILE_LIMIT", 4)
    (town.shared / OWN).mkdir()
    for number in range(9):
        (town.shared / OWN / f"x{number}.lease").write_text("{")
    assert len(LeaseFolders((town.shared,)).read()) == 4


def test_what_is_no_lease_file_by_its_name_is_not_read(town: Town) -> None:
    (town.shared / OWN).mkdir()
    for name in ("lock", "GPU-0.lease.tmp", ".GPU-0.lease", "a b.lease", "x" * 130 + ".lease", "GPU-0.lease"):
        (town.shared / OWN / name).write_text("{")
    (found,) = LeaseFolders((town.shared,)).read()
    assert (found.stem, found.uid, found.path.name) == ("GPU-0", os.geteuid(), "GPU-0.lease")
    assert isinstance(found.content, Doubt)


def test_what_is_no_folder_of_leases_is_not_looked_into(town: Town, tmp_path: Path) -> None:
    (tmp_path / "x.lease").write_text("{")
    (town.shared / "mlops-desk-leases-link").symlink_to(tmp_path)
    (town.shared / "mlops-desk-leases-file").write_text("{")
    (town.shared / "something-else").mkdir()
    (town.shared / "something-else" / "x.lease").write_text("{")
    assert LeaseFolders((town.shared,)).read() == []


def test_of_two_that_drain_the_later_release_counts(town: Town) -> None:
    """As of two users who had the GPU one after the other."""
    first = town.agent(10)
    lease_gpus(first, "a1", "early", 1, town.facts)
    first.release("a1")
    (town.shared / OWN).rename(town.shared / f"{OWN}-early")
    between = town.facts
    town.agent(20)
    elsewhere = LeaseFolders((town.shared / "other",))
    second = LeaseLedger(LeaseOwner("agent20"), folders=elsewhere, host=town.world.seen_by(20))
    lease_gpus(second, "b1", "late", 1, town.facts)
    second.release("b1")
    (town.shared / "other" / OWN).rename(town.shared / OWN)
    third = town.agent(30)
    assert third.snapshot(between)[uuid(0)].label == "late"
    assert lease_gpus(third, "c1", "x", 2, between).gpus is None
    assert lease_gpus(third, "c1", "x", 2, town.facts).gpus == (uuid(0), uuid(1))


def test_the_machines_own_folders_are_never_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "run" / "lock"
    gone.parent.mkdir()
    monkeypatch.setattr(folders, "FOLDERS", (gone,))
    monkeypatch.delenv("MLOPS_DESK_LEASE_DIR")
    choice = lease_gpus(LeaseLedger(LeaseOwner("x")), "a1", "x", 1, DriverFacts((gpu(0),), 0.0))
    assert (choice.gpus, gone.exists()) == (None, False)
    assert choice.reason == f"No GPU is given out: no shared folder for GPU leases can be used (tried {gone})."


def test_the_environment_names_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_DESK_LEASE_DIR", str(tmp_path / "mine"))
    assert LeaseFolders().candidates == (tmp_path / "mine",)
    monkeypatch.setenv("MLOPS_DESK_LEASE_DIR", "")
    assert LeaseFolders().candidates == (Path("/run/lock"), Path("/tmp"))


def test_a_glance_sees_what_reading_sees_and_reads_only_what_has_changed(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease_gpus(town.agent(10), "a1", "train", 2, town.facts)
    seen, opened, real = LeaseFolders((town.shared,)), [], folders.read_lease
    monkeypatch.setattr(folders, "read_lease", lambda path, uid: opened.append(path.stem) or real(path, uid))
    assert seen.glance() == seen.read()
    opened.clear()
    seen.glance()
    assert opened == [uuid(0), uuid(1)], "what was written just now may be written again under the same time"
    monkeypatch.setattr(folders, "time", SimpleNamespace(time=lambda: time.time() + 60.0, monotonic=time.monotonic))
    seen.glance_own()
    opened.clear()
    assert seen.glance() == seen.glance_own()
    assert opened == []
    with (town.shared / OWN / f"{uuid(0)}.lease").open("r+b") as file:
        file.write(b"garbled")
    found = {each.stem: each.content for each in seen.glance()}
    assert opened == [uuid(0)]
    assert isinstance(found[uuid(0)], Doubt)
    opened.clear()
    seen.glance()
    assert opened == [uuid(0)], "what is in doubt is looked at again"
    (town.shared / OWN / f"{uuid(1)}.lease").unlink()
    assert [each.stem for each in seen.glance()] == [uuid(0)]


def test_a_glance_lists_a_shared_folder_again_only_when_it_has_changed_and_a_crowded_one_seldom(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(ahead=60.0)
    times = SimpleNamespace(time=lambda: time.time() + clock.ahead, monotonic=lambda: time.monotonic() + clock.ahead)
    monkeypatch.setattr(folders, "time", times)
    listed, real = [], os.scandir
    monkeypatch.setattr(
        folders.os, "scandir", lambda path: (listed.append(path) if path == shared else None, real(path))[1]
    )
    seen = LeaseFolders((shared,))

    def looks() -> int:
        listed.clear()
        seen.glance_own()
        seen.glance()
        return len(listed)

    assert [looks(), looks()] == [1, 0]
    (shared / f"{folders.PREFIX}5").mkdir()
    clock.ahead += 10.0
    assert [looks(), looks()] == [1, 0]
    monkeypatch.setattr(folders, "_CROWD", 3)
    for name in ("a", "b", "c"):
        (shared / name).touch()
    clock.ahead += 10.0
    assert looks() == 1
    (shared / "d").touch()
    clock.ahead += 19.0
    assert looks() == 0
    clock.ahead += 2.0
    assert looks() == 1
    (shared / "e").touch()
    seen.read()
    assert len(listed) == 2, "who gives out GPUs looks at what is there now"


def test_of_two_agents_that_make_the_shared_folder_at_once_the_slower_leaves_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, chmod = tmp_path / "shared" / "leases", Path.chmod
    shared.parent.mkdir()

    def quicker(path: Path, mode: int) -> None:
        chmod(path, mode)
        if not shared.exists():
            (shared / "another").mkdir(parents=True)

    monkeypatch.setattr(Path, "chmod", quicker)
    world = World()
    world.spawn(7)
    ledger = LeaseLedger(LeaseOwner("late"), folders=LeaseFolders((shared,)), host=world.seen_by(7))
    lease_gpus(ledger, "a", "job a", 1, DriverFacts((gpu(0),), world.now()))
    assert [path.name for path in shared.parent.iterdir()] == ["leases"]
    assert "another" in [path.name for path in shared.iterdir()]
