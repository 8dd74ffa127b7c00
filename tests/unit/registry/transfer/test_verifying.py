"""Whether the files of a version are what they were: by whatever name the registry is asked, and before anybody asks."""

import importlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.kit.base.errors import NotFound, Unavailable
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.records.transfer import HashedFile, RecordedHashes, hashes_of
from mlops_desk.registry.transfer import hashing, service
from mlops_desk.registry.transfer.hash_recorder import HashRecorder
from mlops_desk.registry.transfer.service import VersionTransfer

HOST, NAME, SPELLED = "http://ml.example:5000", "lab", "http://ML.example:5000/"


class Kept(dict[str, RecordedHashes]):
    """The table of hashes, in memory."""

    def put(self, record: RecordedHashes) -> None:
        self[record.key] = record


class Desk:
    """Registries on a disk, one of which has three names; ``hashed`` counts what was read of them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kept, self.hashed = Kept(), 0
        self.folders = {one: folder / one for one in ("own", "far", "other")}
        self.clients = {one: FakeRegistry(place) for one, place in self.folders.items()}
        known = {None: "own", "own": "own", HOST: "far", NAME: "far", SPELLED: "far", "/other.db": "other"}
        identities = {None: "own", "own": "own", HOST: HOST, NAME: HOST, SPELLED: HOST, "/other.db": "/other.db"}
        registries = SimpleNamespace(
            read=lambda uri: self.clients[known[uri]],
            source=lambda uri: RegistrySource(TrackerKind.SQLITE, "sqlite:////s.db", "s", Path("/s.db")),
            identity=identities.__getitem__,
            server=SimpleNamespace(ledger=SimpleNamespace(artifacts=folder)),
        )
        core: Any = SimpleNamespace(registries=registries, changed=lambda uri: None)
        self.transfer = VersionTransfer(core, self.kept, Event())
        monkeypatch.setattr(service, "run_worker", self._worked)

    def _worked(self, module: str, request: dict[str, Any], *_limits: object) -> Any:
        self.hashed += 1
        return importlib.import_module(module).work(request)

    def add(self, where: str, text: str = "flavors: {}\n", created_at: float = 1.0) -> Path:
        run_id = f"r{created_at:g}"
        file = self.folders[where] / run_id / "model" / "MLmodel"
        file.parent.mkdir(parents=True)
        file.write_text(text)
        self.clients[where].add_version("iris", run_id, created_at=created_at)
        return file

    def states(self, uri: str | None, version: str = "1") -> list[str]:
        return [one.state for one in self.transfer.verify("iris", version, uri).files]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


@pytest.mark.parametrize(("first", "then"), [(HOST, NAME), (NAME, SPELLED), (None, "own"), ("own", None)])
def test_a_changed_file_is_seen_whichever_name_of_the_registry_it_was_written_down_by(
    desk: Desk, first: str | None, then: str | None
) -> None:
    file = desk.add("own" if first in {None, "own"} else "far")
    assert desk.states(first) == ["unknown"]
    assert desk.states(then) == ["same"]
    file.write_text("flavors: {evil: {}}\n")
    assert desk.states(then) == ["changed"]
    assert desk.states(then) == ["changed"], "what it is now was not taken for what it was"
    assert desk.transfer.verify("iris", "1", then).recorded_at is not None


def test_what_an_earlier_version_wrote_down_by_the_name_that_was_asked_still_counts(desk: Desk) -> None:
    file = desk.add("far")
    then = HashedFile("MLmodel", "0" * 64, file.stat().st_size)
    desk.kept[hashes_of(NAME, "iris", "1")] = RecordedHashes(NAME, "iris", "1", 5.0, 1.0, (then,))
    told = desk.transfer.verify("iris", "1", NAME)
    assert (told.recorded_at, [one.state for one in told.files]) == (5.0, ["changed"])


def test_the_same_name_and_number_elsewhere_or_made_anew_is_another_version(desk: Desk) -> None:
    desk.add("own")
    desk.add("other", "another\n")
    assert [desk.states(None), desk.states("/other.db"), desk.states(None)] == [["unknown"], ["unknown"], ["same"]]
    desk.clients["own"].delete_model("iris", None)
    desk.add("own", "new\n", created_at=2.0)
    assert [desk.states(None), desk.states(None)] == [["unknown"], ["same"]]


def test_a_version_that_names_no_place_of_its_files_says_so_and_nothing_is_written_down(desk: Desk) -> None:
    desk.clients["own"].add_version("iris", None)
    with pytest.raises(NotFound, match="names no place"):
        desk.transfer.verify("iris", "1", None)
    assert not desk.kept


class Store:
    """The part of the desk's own store that is looked at."""

    def __init__(self, path: Path, mode: str) -> None:
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute(f"PRAGMA journal_mode = {mode}")
        self.connection.execute(
            "CREATE TABLE model_versions "
            "(name TEXT, version INTEGER, run_id TEXT, source TEXT, status TEXT, creation_time INTEGER)"
        )

    def add(self, version: int, status: str = "READY") -> None:
        values = ("iris", version, f"r{version}", None, status, version * 1000)
        self.connection.execute("INSERT INTO model_versions VALUES (?, ?, ?, ?, ?, ?)", values)


@pytest.fixture(params=["delete", "wal"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    made = Store(tmp_path / "mlflow.db", request.param)
    with closing(made.connection):
        yield made


def recorded(desk: Desk) -> set[str]:
    return {one.version for one in desk.kept.values()}


def test_new_versions_are_written_down_one_at_a_time_and_each_once(desk: Desk, store: Store) -> None:
    recorder = HashRecorder(desk.transfer, store.path)
    recorder.turn()
    assert (recorded(desk), desk.hashed) == (set(), 0)
    for version in (1, 2):
        desk.add("own", created_at=float(version))
        store.add(version)
    recorder.turn()
    assert recorded(desk) == {"1"}
    for _ in range(4):
        recorder.turn()
    assert (recorded(desk), desk.hashed) == ({"1", "2"}, 2)
    desk.add("own", created_at=3.0)
    store.add(3)
    recorder.turn()
    assert (recorded(desk), desk.hashed) == ({"1", "2", "3"}, 3)


def test_what_is_not_ready_is_left_until_it_is(desk: Desk, store: Store) -> None:
    recorder = HashRecorder(desk.transfer, store.path)
    desk.add("own")
    store.add(1, "PENDING_REGISTRATION")
    recorder.turn()
    recorder.turn()
    assert recorded(desk) == set()
    store.connection.execute("UPDATE model_versions SET status = 'READY'")
    recorder.turn()
    assert recorded(desk) == {"1"}


def test_a_store_that_nobody_wrote_to_is_not_looked_at(
    desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    true = HashRecorder._next
    monkeypatch.setattr(HashRecorder, "_next", lambda self: looks.append(1) or true(self))
    recorder = HashRecorder(desk.transfer, store.path)
    for _ in range(5):
        recorder.turn()
    assert len(looks) == 1


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_one_that_can_not_be_read_keeps_no_other_from_being_written_down(desk: Desk, store: Store) -> None:
    recorder = HashRecorder(desk.transfer, store.path)
    desk.clients["own"].add_version("iris", "r1", created_at=1.0)  # its files are gone
    store.add(1)
    desk.add("own", created_at=2.0)
    store.add(2)
    for _ in range(4):
        recorder.turn()
    assert recorded(desk) == {"2"}


def test_files_that_come_back_are_written_down_though_nobody_wrote_to_the_store(desk: Desk, store: Store) -> None:
    clock = Clock()
    recorder = HashRecorder(desk.transfer, store.path, clock)
    file = desk.add("own")
    store.add(1)
    file.rename(file.with_name("away"))
    file.parent.rename(file.parent.with_name("elsewhere"))
    for _ in range(3):
        recorder.turn()
    file.parent.with_name("elsewhere").rename(file.parent)
    clock.now += 299
    recorder.turn()
    assert (recorded(desk), desk.hashed) == (set(), 1), "not before its time"
    clock.now += 2
    recorder.turn()
    assert (recorded(desk), desk.hashed) == ({"1"}, 2)
    clock.now += 1e6
    recorder.turn()
    assert desk.hashed == 2


def test_what_never_can_be_read_is_tried_for_two_days_and_then_left(
    desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, looks = Clock(), []
    true = HashRecorder._next
    monkeypatch.setattr(HashRecorder, "_next", lambda self: looks.append(1) or true(self))
    recorder = HashRecorder(desk.transfer, store.path, clock)
    desk.clients["own"].add_version("iris", "r1", created_at=1.0)  # its files are gone
    store.add(1)
    for pause in (0, 300, 1800, 7200, 21600, 86400):
        clock.now += pause
        recorder.turn()
        recorder.turn()
    tries = desk.hashed
    assert tries == 6
    clock.now += 1e7
    n_looks = len(looks)
    recorder.turn()
    assert (desk.hashed, len(looks)) == (tries, n_looks), "a store at rest is left alone"


def test_one_that_is_deleted_before_its_next_try_is_not_looked_for_again_and_again(
    desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, looks = Clock(), []
    true = HashRecorder._next
    monkeypatch.setattr(HashRecorder, "_next", lambda self: looks.append(1) or true(self))
    recorder = HashRecorder(desk.transfer, store.path, clock)
    desk.clients["own"].add_version("iris", "r1", created_at=1.0)  # its files are gone
    store.add(1)
    recorder.turn()
    store.connection.execute("DELETE FROM model_versions")
    clock.now += 301
    recorder.turn()
    recorder.turn()
    assert (len(looks), desk.hashed) == (2, 1)


def unreadable(monkeypatch: pytest.MonkeyPatch, names: set[str]) -> None:
    """Let files of these names be ones that can't be read: for root there are none."""
    true = hashing.hashed

    def hashed(files: Any, path: str, bytes_a_second: float | None = None) -> HashedFile:
        if path in names:
            raise Unavailable(f"{path} can't be read: Permission denied.")
        return true(files, path, bytes_a_second)

    monkeypatch.setattr(hashing, "hashed", hashed)


def test_a_file_that_can_not_be_read_is_told_with_its_reason_and_compared_once_it_was(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = desk.add("own")
    weights = file.with_name("weights")
    weights.write_text("1")
    names = {"weights"}
    unreadable(monkeypatch, names)
    why = "1 of 2 files could not be read: weights can't be read: Permission denied."
    for states in (["unknown", "unknown"], ["unknown", "same"]):
        told = desk.transfer.verify("iris", "1", None)
        assert (told.problem, [one.state for one in told.files]) == (why, states)
    assert all(not one.problem for record in desk.kept.values() for one in record.files), "it is of that moment"
    names.clear()
    file.write_text("flavors: {evil: {}}\n")
    for states in (["changed", "unknown"], ["changed", "same"]):
        told = desk.transfer.verify("iris", "1", None)
        assert (told.problem, [one.state for one in told.files]) == (None, states)
    weights.write_text("2")
    assert desk.states(None) == ["changed", "changed"]


def test_a_version_of_which_one_file_could_not_be_read_is_tried_again(
    desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    recorder = HashRecorder(desk.transfer, store.path, clock)
    desk.add("own").with_name("weights").write_text("1")
    store.add(1)
    names = {"weights"}
    unreadable(monkeypatch, names)
    recorder.turn()
    (first,) = desk.kept.values()
    assert {one.path: bool(one.sha256) for one in first.files} == {"MLmodel": True, "weights": False}
    names.clear()
    recorder.turn()
    clock.now += 301
    recorder.turn()
    (then,) = desk.kept.values()
    assert all(one.sha256 for one in then.files)
    assert then.recorded_at == first.recorded_at
    assert desk.states(None) == ["same", "same"]


def test_a_store_that_is_not_there_yet_is_no_fault(desk: Desk, tmp_path: Path) -> None:
    HashRecorder(desk.transfer, tmp_path / "nothing.db").turn()
    assert not desk.kept
