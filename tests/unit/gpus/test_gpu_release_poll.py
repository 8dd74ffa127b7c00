"""After a GPU was let go the driver is asked at once, and again until it is seen free."""

import threading
import time

import pytest

from mlops_desk.gpus import gpu_release_poll as module
from mlops_desk.gpus.gpu_release_poll import Haste
from mlops_desk.kit.base.loop import Loop


class Rig:
    def __init__(self) -> None:
        self.loop = Loop("test")
        self.looks = threading.Semaphore(0)
        self.count = 0
        self.draining = True
        self.freed = 0
        self.haste = Haste(self.loop, self._look, lambda: self.draining, self._free)

    def _look(self) -> None:
        self.count += 1
        self.looks.release()

    def _free(self) -> None:
        self.freed += 1


@pytest.fixture
def rig():
    made = Rig()
    yield made
    assert made.loop.stop(5.0) == []


def test_it_looks_at_once_and_again_until_all_are_free(rig: Rig) -> None:
    rig.haste.sampled()
    assert (rig.count, rig.freed) == (0, 0)
    rig.haste.released()
    assert rig.looks.acquire(timeout=10)
    for number in (1, 2):
        rig.haste.sampled()
        assert rig.looks.acquire(timeout=10)
        assert rig.freed == number
    rig.draining = False
    rig.haste.sampled()
    assert rig.freed == 3
    rig.haste.sampled()
    assert (rig.count, rig.freed) == (3, 3)


def test_a_driver_that_lets_nothing_go_is_not_asked_for_ever(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.haste.released()
    later = time.monotonic() + 11.0
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    rig.haste.sampled()
    assert (rig.count, rig.freed) == (1, 0)
