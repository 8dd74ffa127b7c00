"""A disk that hangs holds up one thread: whoever writes is told in time, and what comes next at once."""

import errno
import threading

import pytest

from mlops_desk.kit.base.disk.free_space import disk_trouble
from mlops_desk.kit.base.disk.write_deadline import HungDisk, PatientWriter
from mlops_desk.kit.base.errors import TimedOut


def test_what_is_written_returns_and_raises_as_it_does() -> None:
    writer = PatientWriter("test", 20.0)
    assert writer.do(lambda: 7) == 7

    def refuse() -> None:
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        writer.do(refuse)
    assert writer.do(threading.get_ident) != threading.get_ident()
    assert not writer.is_hung


def test_while_a_write_hangs_the_next_is_refused_at_once_and_begun_after_it() -> None:
    writer, ends, begun = PatientWriter("test", 0.05), threading.Event(), []
    over = threading.Event()

    def hang() -> None:
        ends.wait(30)
        begun.append("first")

    with pytest.raises(HungDisk):
        writer.do(hang)
    assert writer.is_hung
    patient = writer._patience_seconds
    writer._patience_seconds = 3600.0  # who is refused waits for nothing
    with pytest.raises(HungDisk):
        writer.do(lambda: begun.append("refused"))
    assert (begun, patient) == ([], 0.05)
    ends.set()
    while writer.is_hung:
        over.wait(0.01)
    writer.do(lambda: begun.append("second"))
    assert begun == ["first", "second"], "one at a time, in order"


def test_a_write_waits_for_the_one_before_it() -> None:
    writer, ends, done = PatientWriter("test", 30.0), threading.Event(), []

    def first() -> None:
        ends.wait(30)
        done.append(1)

    thread = threading.Thread(target=lambda: writer.do(first))
    thread.start()
    while writer._free.acquire(blocking=False):  # until the first has it
        writer._free.release()
    other = threading.Thread(target=lambda: writer.do(lambda: done.append(2)))
    other.start()
    ends.set()
    thread.join(20)
    other.join(20)
    assert done == [1, 2]


def test_a_hung_disk_is_told_in_words() -> None:
    told = disk_trouble(HungDisk())
    assert isinstance(told, TimedOut)
    assert "may still happen" in told.message
    assert "journalctl -k" in str(told.hint)
    assert disk_trouble(TimeoutError(errno.ETIMEDOUT, "a socket")) is None
