"""What is read ends at once when nobody wants it any more, though its next line may be hours away."""

import threading
from collections.abc import Iterator

from doubles import Jobs

from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.window.live.tasks import Tasks


class Silence(Iterator[str]):
    """Lines that do not come until it is hung up."""

    def __init__(self) -> None:
        self.is_awaited = threading.Event()
        self._over = threading.Event()

    def __next__(self) -> str:
        self.is_awaited.set()
        assert self._over.wait(60)  # longer than anybody waits for its end
        raise StopIteration

    def hang_up(self) -> None:
        self._over.set()


def test_a_reader_ends_when_it_is_cancelled(qtbot):
    loop, silence, heard = Loop("test"), Silence(), []
    task = Tasks(loop).read("lines", lambda: silence, heard.extend, lambda: heard.append("end"), heard.append)
    assert silence.is_awaited.wait(20)
    task.cancel()
    qtbot.waitUntil(lambda: task.ended)
    assert heard == []
    assert loop.stop(20.0) == []


def test_what_is_cancelled_before_it_began_is_hung_up_when_it_is_there(qtbot):
    loop, silence, made = Loop("test"), Silence(), threading.Event()

    def slow() -> Silence:
        assert made.wait(20)
        return silence

    task = Tasks(loop).read("lines", slow, list, lambda: None, print)
    task.cancel()
    made.set()
    qtbot.waitUntil(lambda: task.ended)
    assert loop.stop(20.0) == []


def test_no_reader_outlives_the_window(start, double, qtbot, monkeypatch):
    silence = Silence()
    monkeypatch.setattr(Jobs, "logs", lambda _self, _job_id, **_asked: silence)
    program = start(double, "jobs")
    page = program.window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == len(double.jobs_by_id))
    page.table.select("7c1d2e3f4a5b")
    page.pane.tabs.choose("output")
    qtbot.waitUntil(silence.is_awaited.is_set)
    program.bridge.stop()
    assert program.loop.stop(10.0) == []
