"""What a container writes is kept while it runs; whoever follows hears each line once; a later agent goes on."""

import math
import threading
import time

import pytest

from mlops_desk.engines.engine import ContainerSpec, LogPiece
from mlops_desk.engines.fake import FakeEngine, ScriptedProgram
from mlops_desk.jobs.records.job import Attempt, JobState
from mlops_desk.jobs.runtimes.local.log_capture import tees as listeners
from mlops_desk.jobs.runtimes.local.log_capture.tees import Tee, Tees
from mlops_desk.jobs.runtimes.log_archive import reader
from mlops_desk.jobs.runtimes.log_archive.blocks import KeptPart
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.loop import Loop

ENOUGH = 1 << 30
NAME = "mld-x-j-a1"
ATTEMPT = Attempt(1, "j-a1", NAME, JobState.RUNNING)


def wait_for(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Source:
    """An engine whose one container writes what a test says; like a real one it tells it all again when asked anew."""

    def __init__(self) -> None:
        self.told: list[LogPiece] = []
        self.asked: list[float] = []
        self.changed = threading.Condition()
        self.over = False

    def write(self, data: bytes) -> None:
        with self.changed:
            at = 1_700_000_000.0 + len(self.told)
            self.told.append(LogPiece(at, f"2023-11-14T22:13:20.{len(self.told):09d}Z", data))
            self.changed.notify_all()

    def end(self) -> None:
        with self.changed:
            self.over = True
            self.changed.notify_all()

    def sight_socket(self):
        return None

    def log_pieces(self, name, *, since=0.0, follow=False, hand=None):
        self.asked.append(since)
        if hand is not None:
            hand(self.end)
        at = 0
        while True:
            with self.changed:
                if at == len(self.told):
                    if self.over or not follow:
                        return
                    self.changed.wait(1.0)
                    continue
                piece = self.told[at]
            at += 1
            if piece.at >= since - 2.0:
                yield piece


@pytest.fixture
def source():
    return Source()


def listening(source, folder):
    tee = Tee(source, NAME, folder, ENOUGH)
    thread = threading.Thread(target=tee.run, daemon=True)
    thread.start()
    return tee, thread


def test_who_follows_hears_each_line_once_from_disk_and_memory_and_as_it_comes(source, tmp_path):
    for number in range(3):
        source.write(b"line %d\n" % number)
    tee, _ = listening(source, tmp_path)
    wait_for(lambda: tee.glance().count == 3)
    tee.flush()
    source.write(b"line 3\nline 4\n")
    wait_for(lambda: tee.glance().count == 5)
    heard = {tail: [] for tail in (None, 1, 4)}
    readers = [
        threading.Thread(target=lambda tail=tail: heard[tail].extend(tee.follow(tail)), daemon=True) for tail in heard
    ]
    for one in readers:
        one.start()
    wait_for(lambda: len(heard[None]) == 5)
    tee.flush()
    source.write(b"\x1b[1mline 5\x1b[0m\n")
    wait_for(lambda: len(heard[None]) == 6)
    source.end()
    for one in readers:
        one.join(30)
    every = [f"line {number}" for number in range(6)]
    assert heard == {None: every, 1: every[4:], 4: every[1:]}
    assert len(source.asked) == 1


def test_a_later_agent_goes_on_where_the_disk_leaves_off(source, tmp_path):
    for number in range(10):
        source.write(b"%d\n" % number)
    first, _ = listening(source, tmp_path)
    wait_for(lambda: first.glance().count == 10)
    first.flush()
    source.write(b"not on the disk when the agent dies\n")
    wait_for(lambda: first.glance().count == 11)
    first.close(0.0)  # as one that is dead writes nothing any more
    second, thread = listening(source, tmp_path)
    source.write(b"last\n")
    source.end()
    thread.join(30)
    assert second.over
    kept = [line.text.decode() for line in reader.lines(tmp_path)]
    assert kept == [*map(str, range(10)), "not on the disk when the agent dies", "last"]
    assert source.asked == [0.0, 1_700_000_009.0]


def test_a_glance_shows_the_newest_lines_and_what_is_painted_just_now(source, tmp_path):
    tee, _ = listening(source, tmp_path)
    assert tee.glance().heard_at is None
    source.write(b"epoch 1\n")
    source.write(b"\r 10%")
    source.write(b"\r 20%\x1b[0m")
    wait_for(lambda: tee.glance().painted == " 20%")
    seen = tee.glance()
    assert [(line.number, line.at, line.text) for line in seen.newest] == [(0, 1_700_000_000.0, "epoch 1")]
    assert (seen.count, seen.heard_at) == (1, 1_700_000_002.0)
    source.end()


def test_who_goes_on_writing_is_not_disturbed(source, tmp_path):
    tee, _ = listening(source, tmp_path)
    source.write(b"one\n")
    wait_for(lambda: tee.glance().count == 1)
    tee.close(0.0)
    source.write(b"two\n")
    wait_for(lambda: tee.over)
    assert list(reader.lines(tmp_path)) == []


def test_a_full_disk_ends_the_listening_and_it_is_tried_again(source, tmp_path, monkeypatch):
    monkeypatch.setattr(listeners, "_AGAIN_SECONDS", 0.0)
    append = KeptPart.append

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(KeptPart, "append", full)
    loop = Loop("test")
    tees = Tees(source, loop, lambda: ENOUGH)
    source.write(b"x" * 9000 + b"\n")
    for _ in range(20):
        source.write(b"x" * 9000 + b"\n")
    tees.listen([(NAME, tmp_path)])
    wait_for(lambda: tees.of(NAME).over)
    monkeypatch.setattr(KeptPart, "append", append)
    tees.listen([(NAME, tmp_path)])
    source.end()
    wait_for(lambda: tees.of(NAME).over)
    assert len(list(reader.lines(tmp_path))) == 21
    assert loop.stop(30.0) == []


def test_listening_ends_with_the_agent_and_starts_no_more(tmp_path):
    engine = FakeEngine(images=["img"], programs={"": ScriptedProgram(seconds=math.inf, lines=("up",))})
    engine.create(ContainerSpec(NAME, engine.image("img").id, ("x",)))
    engine.start(NAME)
    loop = Loop("test")
    tees = Tees(engine, loop, lambda: ENOUGH)
    for _ in range(3):
        tees.listen([(NAME, tmp_path)])
    wait_for(lambda: tees.of(NAME).glance().count == 1)
    assert loop.stop(30.0) == []
    assert [line.text for line in reader.lines(tmp_path)] == [b"up"]
    tees.listen([("another", tmp_path / "b")])
    assert tees.of("another") is None
    tees.end(ATTEMPT)
    assert tees.of(NAME) is None


def test_what_has_waited_long_is_written(source, tmp_path, monkeypatch):
    tee, _ = listening(source, tmp_path)
    source.write(b"one\n")
    wait_for(lambda: tee.glance().count == 1)
    tee.flush_if_due()
    assert list(reader.lines(tmp_path)) == []
    monkeypatch.setattr("mlops_desk.jobs.runtimes.local.log_capture.tees._WRITTEN_AFTER_SECONDS", 0.0)
    tee.flush_if_due()
    assert [line.text for line in reader.lines(tmp_path)] == [b"one"]
    source.end()


def test_a_glance_has_what_was_painted_before_it_was_painted_over(source, tmp_path):
    tee, _ = listening(source, tmp_path)
    source.write(b"\r 10%| 1/10\r      \r{'loss': 0.5}\n")
    wait_for(lambda: tee.glance().count == 1)
    seen = tee.glance()
    assert [piece.data for piece in seen.pieces] == [b"\r 10%| 1/10\r      \r{'loss': 0.5}\n"]
    assert seen.newest[0].text == "{'loss': 0.5}"
    source.end()


def test_what_is_kept_for_glances_is_bounded(source, tmp_path):
    tee, _ = listening(source, tmp_path)
    for number in range(40):
        source.write(b"%07d" % number * 300 + b"\n")
    wait_for(lambda: tee.glance().count == 40)
    pieces = tee.glance().pieces
    assert pieces[-1].number == 39
    assert sum(len(piece.data) for piece in pieces) <= 32 << 10
    source.write(b"x" * 100_000)
    wait_for(lambda: tee.glance().pieces[-1].number == 40)
    assert len(tee.glance().pieces[-1].data) == 32 << 10
    source.end()


def test_a_later_agent_glances_at_what_is_kept_and_hears_nothing_of_it_twice(source, tmp_path):
    for number in range(10):
        source.write(b"step %d/10\n" % number)
    first, _ = listening(source, tmp_path)
    wait_for(lambda: first.glance().count == 10)
    first.flush()
    first.close(0.0)
    second, thread = listening(source, tmp_path)
    source.end()
    thread.join(30)
    seen = second.glance()
    assert [piece.data for piece in seen.pieces] == [b"step %d/10\n" % number for number in range(10)]
    assert [line.number for line in seen.newest] == list(range(10))
    assert seen.pieces[3].at == 1_700_000_000.0


def test_a_bar_that_is_seen_moves_and_its_log_tells_it_no_second_time(source, tmp_path):
    tee, _ = listening(source, tmp_path)
    source.write(b"epoch 1\n")
    wait_for(lambda: tee.glance().count == 1)
    tee.see(1_700_000_001.0, b"")
    tee.see(1_700_000_002.0, b" 10%")
    tee.see(1_700_000_003.0, b" 20%")
    seen = tee.glance()
    assert (seen.painted, seen.heard_at, seen.count) == (" 20%", 1_700_000_003.0, 1)
    source.write(b"\r 10%\r 20%")
    source.write(b"\r 100%\nepoch 2\n")
    wait_for(lambda: tee.glance().count == 3)
    assert [piece.data for piece in tee.glance().pieces] == [
        b"epoch 1\n",
        b"\r 10%\r",
        b"\r 20%\r",
        b" 100%\nepoch 2\n",
    ]
    tee.see(1_700_000_010.0, b"")
    assert tee.glance().painted == ""
    source.end()


def test_what_was_painted_before_the_newest_line_is_told_too_late(source, tmp_path):
    tee, _ = listening(source, tmp_path)
    source.write(b"\r 100%\n")
    wait_for(lambda: tee.glance().count == 1)
    tee.see(1_699_999_999.0, b" 99%")
    assert tee.glance().painted == ""
    assert [piece.data for piece in tee.glance().pieces] == [b"\r 100%\n"]
    source.end()


def test_without_who_looks_on_the_log_tells_again(source, tmp_path):
    tee, _ = listening(source, tmp_path)
    wait_for(lambda: source.asked)
    tee.see(1_600_000_000.0, b" 10%")
    tee.see_no_more()
    assert tee.glance().painted == ""
    source.write(b"\r 20%")
    wait_for(lambda: tee.glance().painted == " 20%")
    assert tee.glance().pieces[-1].data == b"\r 20%"
    tee.see_no_more()
    assert tee.glance().painted == " 20%"
    source.end()


class Looked:
    """Stands for who looks on, and keeps what it is asked."""

    def __init__(self, _loop, see, see_no_more) -> None:
        self.see, self.see_no_more, self.asked = see, see_no_more, []

    def look_at(self, containers) -> None:
        self.asked.append(containers)

    def stop(self) -> None:
        self.asked.append("stopped")


def test_containers_are_looked_at_while_somebody_listens_to_them(source, tmp_path, monkeypatch):
    monkeypatch.setattr(listeners, "SightWatch", Looked)
    loop = Loop("test")
    tees = Tees(source, loop, lambda: ENOUGH)
    looked = tees._sight
    source.sight_socket = lambda: "/run/engine.sock"
    tees.listen([(NAME, tmp_path)])
    assert looked.asked == [{NAME: "/run/engine.sock"}]
    looked.see(NAME, 1_600_000_000.0, b" 10%")
    looked.see("gone", 1_600_000_000.0, b" 10%")
    assert tees.of(NAME).glance().painted == " 10%"
    looked.see_no_more()
    assert tees.of(NAME).glance().painted == ""

    def refuses():
        raise Invalid("no such engine")

    source.sight_socket = refuses
    tees.listen([(NAME, tmp_path)])
    source.sight_socket = lambda: None
    tees.listen([(NAME, tmp_path)])
    assert looked.asked[1:] == [{}]
    source.sight_socket = lambda: "/run/engine.sock"
    source.end()
    wait_for(lambda: tees.of(NAME).over)
    tees.listen([(NAME, tmp_path)])
    assert looked.asked[2:] == [{}]
    assert loop.stop(30.0) == []
    assert looked.asked[3:] == ["stopped"]
