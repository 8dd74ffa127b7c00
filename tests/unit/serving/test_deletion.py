"""Files of revisions on a disk that hangs: whoever deletes them goes on, and they go once it answers."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops_desk.kit.base.disk.write_deadline import HungDisk, PatientWriter
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving import revision
from mlops_desk.serving.records.endpoint import ModelRef
from mlops_desk.serving.revision import Revision, Shelf

VERSION = ModelVersion("digits", "1", "run-1", "somewhere", "READY")
REF = ModelRef("digits", "1", "models:/digits/1")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path)
    shelf._dropping, shelf._clearing = PatientWriter("drop", 0.3), PatientWriter("clear", 0.3)
    for number in range(1, 7):
        shelf.write(Revision("front", number, REF, VERSION, "retired", was_live=number != 2))
        (shelf.place("front", number) / "model").mkdir()
    return shelf


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let nothing go before this is set."""
    event, delete = threading.Event(), shutil.rmtree

    def deleted(folder: Path, *, ignore_errors: bool) -> None:
        event.wait(60)
        delete(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", deleted)
    yield event
    event.set()


def having_files(shelf: Shelf) -> list[int]:
    return [number for number in shelf.numbers("front") if (shelf.place("front", number) / "model").exists()]


def wait_for(shelf: Shelf) -> None:
    """Wait until nothing is under way any more."""
    for writer in (shelf._dropping, shelf._clearing):
        assert writer._free.acquire(timeout=20)
        writer._free.release()


@pytest.mark.parametrize(
    ("act", "left"),
    [
        (lambda shelf: shelf.drop_files("front", 6), [1, 2, 3, 4, 5]),
        (lambda shelf: shelf.prune("front", {6}), [3, 4, 5, 6]),
        (lambda shelf: shelf.discard("front"), []),
    ],
)
def test_nobody_waits_for_files_that_nobody_needs(
    shelf: Shelf, answers: threading.Event, act: Callable[[Shelf], None], left: list[int]
) -> None:
    act(shelf)
    assert having_files(shelf) == [1, 2, 3, 4, 5, 6]
    answers.set()
    wait_for(shelf)
    assert having_files(shelf) == left


def test_a_removal_is_told_that_its_files_are_there_still(shelf: Shelf, answers: threading.Event) -> None:
    with pytest.raises(HungDisk):
        shelf.clear("front")
    assert shelf.numbers("front") == [1, 2, 3, 4, 5, 6]
    with pytest.raises(HungDisk):
        shelf.clear("front")
    answers.set()
    wait_for(shelf)
    assert shelf.numbers("front") == []


def test_what_a_full_disk_did_not_take_of_a_removed_endpoint_is_not_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    shelf = Shelf(tmp_path)
    for name in ("front", "back"):
        shelf.write(Revision(name, 1, REF, VERSION, "live", was_live=True))
    with monkeypatch.context() as disk:
        disk.setattr(revision, "write_atomically", full)
        for name in ("front", "back"):
            shelf.mark(Revision(name, 1, REF, VERSION, "retired", was_live=True))
        assert shelf.settle() == {"front", "back"}
    shelf.clear("front")
    assert shelf.settle() == set()
    assert (shelf.read("front", 1), shelf.numbers("front")) == (None, [])
    written = Shelf(tmp_path).read("back", 1)
    assert written is not None
    assert written.state == "retired"
