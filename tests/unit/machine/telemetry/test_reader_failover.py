"""One thread reads; one that is stuck in a GPU is relieved, and ends when its call returns."""

import threading

import pytest

from mlops_desk.kit.base.loop import Finished
from mlops_desk.machine.telemetry.source import Relay


class Stuck:
    """A thread that is in GPU 3 until it is let go; ``outcome`` says how its pass ended."""

    def __init__(self, relay: Relay, error: Exception | None = None) -> None:
        self._relay, self._error = relay, error
        self._in, self.go = threading.Event(), threading.Event()
        self.outcome: BaseException | str | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._in.wait(10)

    def _run(self) -> None:
        try:
            self._relay.begin()
            with self._relay.inside(3):
                self._in.set()
                self.go.wait(10)
                self._fail()
            self.outcome = "went on"
        except Exception as error:  # noqa: BLE001 - told to the test
            self.outcome = error

    def _fail(self) -> None:
        if self._error is not None:
            raise self._error

    def end(self) -> BaseException | str | None:
        self.go.set()
        self._thread.join(10)
        return self.outcome


def test_a_thread_that_was_not_relieved_goes_on() -> None:
    assert Stuck(Relay()).end() == "went on"


def test_the_first_who_begins_reads_and_any_other_is_finished() -> None:
    relay = Relay()
    stuck = Stuck(relay)
    with pytest.raises(Finished):
        relay.begin()
    stuck.end()


@pytest.mark.parametrize("error", [None, ValueError("the GPU is lost")])
def test_a_relieved_thread_ends_whatever_came_of_its_call(error: Exception | None) -> None:
    relay = Relay()
    stuck = Stuck(relay, error)
    assert relay.stuck_seconds(2) is None
    assert relay.stuck_seconds(3) is not None
    assert not relay.leaves_alone
    assert relay.relieve(0.0)
    relay.begin()
    assert relay.leaves_alone
    assert isinstance(stuck.end(), Finished)
    assert not relay.leaves_alone
    assert relay.stuck_seconds(3) is None
    relay.begin()


def test_nobody_is_relieved_early_between_gpus_or_twice() -> None:
    relay = Relay()
    relay.begin()
    assert not relay.relieve(0.0), "it is in no GPU"
    relay = Relay()
    stuck = Stuck(relay)
    assert not relay.relieve(60.0)
    assert relay.relieve(0.0)
    assert not relay.relieve(0.0), "nobody has begun since"
    relay.begin()
    assert not relay.relieve(0.0), "who reads now is in no GPU"
    stuck.end()
