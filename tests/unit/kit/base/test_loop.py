"""Lanes keep the order, outlive what fails in them, and end with their loop although they wait for work."""

import threading
import time

import pytest

from mlops_desk.kit.base.loop import Finished, Lane, Loop, OneByOne
from mlops_desk.kit.base.timer import Bell


def test_a_lane_does_one_thing_after_the_other_and_outlives_a_bug(caplog):
    loop, done, ready = Loop("test"), [], threading.Event()
    lane = Lane(loop, "lane")
    for number in range(100):
        lane.put(lambda number=number: done.append(number))
    lane.put(lambda: 1 / 0)
    lane.put(ready.set)
    assert ready.wait(10)
    assert done == list(range(100))
    assert "lane failed" in caplog.text
    assert loop.stop() == []


def test_a_lane_that_waits_for_work_ends_at_once_with_its_loop():
    loop = Loop("test")
    Lane(loop, "lane")
    assert loop.stop(5.0) == []


def test_what_is_put_after_the_end_is_not_done():
    loop, done = Loop("test"), []
    lane = Lane(loop, "lane")
    assert loop.stop(5.0) == []
    lane.put(lambda: done.append(1))
    assert done == []


def test_a_lane_that_begins_after_the_end_ends_at_once():
    loop = Loop("test")
    assert loop.stop() == []
    Lane(loop, "late")
    assert loop.stop(5.0) == []


def test_a_thread_that_another_starts_while_it_ends_is_waited_for():
    loop = Loop("test")

    def outlive():
        loop.ending.wait()
        loop.start("second", lambda: time.sleep(0.05))

    loop.start("first", outlive)
    assert loop.stop(5.0) == []


def test_a_thread_that_does_not_end_is_named():
    loop, release = Loop("test"), threading.Event()
    loop.start("stuck", release.wait)
    assert loop.stop(0.1) == ["test-stuck"]
    release.set()
    assert loop.stop(5.0) == []


def test_beats_fall_on_whole_multiples_and_what_takes_too_long_leaves_some_out() -> None:
    loop, seconds, beats = Loop("test"), 0.05, []
    enough = threading.Event()

    def work() -> None:
        beats.append(time.monotonic() / seconds)
        if len(beats) == 2:
            time.sleep(2.5 * seconds)
        if len(beats) == 6:
            enough.set()

    loop.beat("beat", seconds, work)
    assert enough.wait(10)
    loop.stop()
    numbers = [int(beat) for beat in beats]
    assert numbers == sorted(set(numbers))
    assert numbers[2] - numbers[1] >= 3


def test_work_that_is_finished_is_not_repeated():
    loop, counted, others = Loop("test"), [], threading.Event()

    def once() -> None:
        counted.append(1)
        raise Finished

    def three_times() -> None:
        counted.append(2)
        if counted.count(2) == 3:
            others.set()

    loop.repeat("repeated", 0.01, once)
    loop.beat("beaten", 0.01, once)
    loop.beat("at first", 0.01, lambda: counted.append(3), first=once)
    loop.repeat("others", 0.02, three_times)
    assert others.wait(10)
    assert counted.count(1) == 3
    assert 3 not in counted
    assert loop.stop(5.0) == []


@pytest.mark.slow
def test_a_bell_makes_a_beat_between_two_and_shifts_none() -> None:
    loop, seconds, beats = Loop("test"), 1.0, []
    bell, heard = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        beats.append(time.monotonic() / seconds)
        heard.release()

    loop.beat("beat", seconds, work, bell=bell)
    assert heard.acquire(timeout=10)
    bell.set()
    for _ in range(2):
        assert heard.acquire(timeout=10)
    loop.stop()
    first = int(beats[0])
    assert [int(beat) for beat in beats[:3]] == [first, first, first + 1]


def test_a_beat_that_waits_for_its_bell_ends_with_the_loop() -> None:
    loop = Loop("test")
    loop.beat("beat", 3600.0, lambda: None, bell=threading.Event())
    assert loop.stop() == []


def test_a_beat_does_its_first_work_at_once():
    loop, began, beaten = Loop("test"), threading.Event(), threading.Event()
    loop.beat("beat", 3600.0, beaten.set, first=began.set)
    assert began.wait(10)
    assert not beaten.is_set()
    assert loop.stop(5.0) == []


def test_who_comes_during_a_turn_has_it_looked_at_once_more_and_not_by_a_second_thread():
    loop = Loop("test")
    turns, looks = OneByOne(loop), []

    def look(key):
        looks.append(key)
        if len(looks) == 1:
            assert [turns.take(key), turns.take(key), turns.take("other")] == [False, False, True]

    assert turns.take("run")
    turns.work("run", look)
    assert looks == ["run", "run"]
    assert turns.take("run"), "the turn is over"
    assert not turns.take("other"), "nobody has worked off that one"
    assert loop.stop() == []


def test_a_turn_that_breaks_is_over_and_what_came_meanwhile_waits_for_the_next():
    loop = Loop("test")
    turns = OneByOne(loop)
    assert turns.take("run")
    with pytest.raises(ZeroDivisionError):
        turns.work("run", lambda key: turns.take(key) or 1 / 0)
    assert turns.take("run")
    assert loop.stop() == []


def test_no_turn_goes_round_once_the_agent_ends():
    loop, looks = Loop("test"), []
    turns = OneByOne(loop)
    assert loop.stop() == []
    assert turns.take("run")
    turns.work("run", lambda key: looks.append(turns.take(key)))
    assert looks == [False]
    assert turns.take("run")


def test_what_repeats_and_what_is_queued_shares_two_threads() -> None:
    loop, ran, before = Loop("shared"), threading.Semaphore(0), _threads_of("shared")
    for number in range(40):
        loop.repeat(f"work-{number}", 3600.0, ran.release)
        Lane(loop, f"lane-{number}").put(ran.release)
    for _ in range(80):
        assert ran.acquire(timeout=10)
    assert before == 0
    assert _threads_of("shared") == 2
    assert loop.stop(5.0) == []
    assert _threads_of("shared") == 0


def test_work_that_hangs_holds_up_no_other_and_its_threads_end() -> None:
    loop, release = Loop("hung"), threading.Event()
    hang, others = threading.Semaphore(0), threading.Semaphore(0)

    def hung() -> None:
        hang.release()
        assert release.wait(30)

    for number in range(3):
        loop.repeat(f"hung-{number}", 3600.0, hung)
    loop.repeat("others", 0.01, others.release)
    for _ in range(3):
        assert hang.acquire(timeout=10)
    for _ in range(20):
        assert others.acquire(timeout=10)
    assert sorted(loop.stop(0.1)) == ["hung-hung-0", "hung-hung-1", "hung-hung-2"]
    release.set()
    assert loop.stop(5.0) == []


def test_threads_of_work_that_hung_are_gone_once_it_returns() -> None:
    loop, release, hang = Loop("back"), threading.Event(), threading.Semaphore(0)

    def hung() -> None:
        hang.release()
        assert release.wait(30)

    for number in range(3):
        loop.repeat(f"hung-{number}", 3600.0, hung)
    for _ in range(3):
        assert hang.acquire(timeout=10)
    release.set()
    until = time.monotonic() + 10
    while _threads_of("back") > 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert _threads_of("back") == 2
    assert loop.stop(5.0) == []


def test_a_bell_that_rings_during_the_work_has_it_done_once_more_by_the_same() -> None:
    loop, bell, runs, at_once = Loop("test"), Bell(), [], []
    begun, goes_on, again = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        at_once.append(1)
        runs.append(len(at_once))
        begun.set()
        assert goes_on.wait(10)
        at_once.pop()
        if len(runs) == 2:
            again.set()

    loop.repeat("work", 3600.0, work, bell=bell)
    assert begun.wait(10)
    for _ in range(5):
        bell.ring()
    goes_on.set()
    assert again.wait(10)
    assert loop.stop(5.0) == []
    assert runs == [1, 1]


def test_a_bell_that_rang_before_anybody_heard_it_is_heard() -> None:
    loop, bell, ran = Loop("test"), Bell(), threading.Event()
    bell.ring()
    loop.repeat("work", 3600.0, ran.set, at_once=False, bell=bell)
    assert ran.wait(10)
    assert loop.stop(5.0) == []


def test_how_long_to_pause_is_asked_after_each_time_and_what_fails_goes_on(caplog) -> None:
    loop, runs, enough = Loop("test"), [], threading.Event()

    def work() -> None:
        runs.append(1)
        if len(runs) == 3:
            1 / 0  # noqa: B018 - a bug
        if len(runs) == 5:
            enough.set()

    def pause() -> float:
        if len(runs) == 2:
            raise ValueError
        return 0.01

    loop.repeat("work", pause, work)
    assert enough.wait(30)
    assert loop.stop(5.0) == []
    assert caplog.text.count("work failed") == 2


def _threads_of(name: str) -> int:
    return sum(thread.name.startswith(f"{name}-") for thread in threading.enumerate())
