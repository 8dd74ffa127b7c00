"""The shipped double of a cluster is a runtime like any other."""

import contextlib

import pytest

from mlops_desk.jobs.runtimes.runtime import Phase
from tests.fake_runtime import FakeRuntime
from tests.runtime_suite import PROGRAMS, WAITS, Placing, RuntimeSuite, UnreachableSuite


class TestFakeRuntime(RuntimeSuite, UnreachableSuite):
    reserves = False

    @pytest.fixture
    def cluster(self) -> FakeRuntime:
        return FakeRuntime(images=["img:1"], programs=PROGRAMS, gpus=2)

    @pytest.fixture
    def agent(self, cluster: FakeRuntime):
        return lambda: cluster

    @pytest.fixture
    def image(self) -> str:
        return "img:1"

    @pytest.fixture
    def away(self, cluster: FakeRuntime):
        return lambda: switched(cluster, "absent")

    @pytest.fixture
    def mute(self, cluster: FakeRuntime):
        return lambda call: switched(cluster, "frozen") if call == 0 else contextlib.nullcontext()

    def test_what_finds_no_room_waits_for_its_turn(self, cluster: FakeRuntime, runtime, made) -> None:
        cluster.room = 1
        (first, one), (second, two) = made(WAITS), made(WAITS)
        assert Placing().place(runtime, first, one).phase is Phase.RUNNING
        assert Placing().place(runtime, second, two).phase is Phase.WAITING
        runtime.stop(first, one)
        assert runtime.look(second, two).phase is Phase.RUNNING
        assert cluster.starts == [one.handle, two.handle]


@contextlib.contextmanager
def switched(cluster: object, name: str):
    setattr(cluster, name, True)
    try:
        yield
    finally:
        setattr(cluster, name, False)
