"""A routing table on its way: the channel says by which one the gateway goes, and what is owed is tried again."""

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mlops_desk.kit.base.disk.preallocation import SpareFile
from mlops_desk.serving import socket_handover
from mlops_desk.serving.gateway import routing_table
from mlops_desk.serving.gateway.routing_table import CHANNEL, TableDelivery, TableEar, hand_over

PID = 77


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="mld-") as made:
        yield Path(made)


@contextmanager
def listening(folder: Path, in_force: int | None = None) -> Iterator[list[bytes]]:
    """Take tables as a gateway does; it goes by the number of tables it got, or says that it goes by ``in_force``."""
    taken: list[bytes] = []

    def take(document: bytes) -> int:
        taken.append(document)
        return int(document) if in_force is None else in_force

    loop = asyncio.new_event_loop()
    ear = TableEar(folder, take)
    loop.run_until_complete(ear.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield taken
    finally:
        loop.call_soon_threadsafe(ear.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()


def full(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: SpareFile, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    monkeypatch.setattr(SpareFile, "write", refuse)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing_table, "_AGAIN_SECONDS", 0.0)


def test_the_gateway_says_by_which_table_it_goes_and_only_the_owner_may_hand_one_over(folder: Path) -> None:
    with listening(folder) as taken:
        assert hand_over(folder, b"12", 5.0) == 12
        assert (folder / CHANNEL).stat().st_mode & 0o777 == 0o600
    assert taken[-1] == b"12\n"


def test_one_that_breaks_off_is_no_table_and_the_next_one_is_taken(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(folder) as taken:
        with socket.socket(socket.AF_UNIX) as killed:
            with socket_handover.short(folder / CHANNEL) as name:
                killed.connect(name)
            killed.sendall(b"13")
        assert hand_over(folder, b"14", 5.0) == 14
    assert taken == [b"14\n"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "A routing table broke off, the old one holds" in caplog.text


def test_a_gateway_that_is_not_there_or_does_not_answer_is_not_said_to_follow(folder: Path) -> None:
    assert hand_over(folder, b"15", 0.2) is None
    with socket_handover.bind(folder / CHANNEL) as frozen:
        frozen.listen(4)
        assert hand_over(folder, b"15", 0.2) is None


def test_half_a_number_is_no_answer(folder: Path) -> None:
    with socket_handover.bind(folder / CHANNEL) as dying:
        dying.listen(4)

        def answer() -> None:
            with dying.accept()[0] as talk:
                assert talk.recv(64) == b"15\n"
                talk.sendall(b"1")

        thread = threading.Thread(target=answer)
        thread.start()
        assert hand_over(folder, b"15", 5.0) is None
        thread.join(5)


def test_a_full_disk_is_not_asked_at_each_look(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing_table, "_AGAIN_SECONDS", 1e6)
    asked: list[bytes] = []

    def refuse(_file: SpareFile, data: bytes) -> None:
        asked.append(data)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(SpareFile, "write", refuse)
    made = TableDelivery(folder)
    made.hand(b"30", 30, None)
    assert not made.store()
    for _ in range(5):
        made.settle(None)
    assert (asked, made.is_owed) == ([b"30"], True)


def test_it_is_followed_once_that_very_gateway_says_so(folder: Path, at_once: None) -> None:
    made = TableDelivery(folder)
    assert made.hand(b"20", 20, PID) is None
    assert made.store()
    with listening(folder) as taken:
        assert not made.is_followed(PID)
        made.settle(PID)
        assert made.is_followed(PID)
        assert not made.is_followed(PID + 1)
        assert (made.serial_followed(PID), made.serial_followed(PID + 1)) == (20, 0)
        made.settle(PID)
        assert taken == [b"20\n"], "nothing is owed any more"
        made.hand(b"21", 21, None)
        assert not made.is_followed(PID)


def test_an_answer_with_another_serial_is_told_and_is_no_following(folder: Path) -> None:
    made = TableDelivery(folder)
    with listening(folder, in_force=99):
        assert made.hand(b"20", 20, PID) == 99
        assert not made.is_followed(PID)


def test_what_the_disk_refuses_is_told_handed_to_the_next_gateway_and_written_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch, at_once: None
) -> None:
    made = TableDelivery(folder)
    with monkeypatch.context() as there:
        full(there)
        made.hand(b"30", 30, None)
        assert not made.store()
        made.settle(None)
        assert made.trouble == "No space left on device"
        given = made.to_begin_with()
        assert given is not None
        with os.fdopen(given, "rb") as file:
            assert os.pread(file.fileno(), 10, 0) == b"30"
    made.settle(None)
    assert (folder / "routes.json").read_bytes() == b"30"
    assert (made.trouble, made.to_begin_with()) == (None, None)
