"""The local runtime, on an engine in memory."""

import contextlib
import json

import pytest

from mlops_desk.engines.fake import FakeEngine
from mlops_desk.jobs.runtimes.local.runtime import LocalRuntime, Policy
from mlops_desk.kit.base.loop import Loop
from tests.runtime_suite import PROGRAMS, FreeGpus, RuntimeSuite, UnreachableSuite
from tests.unit.jobs.runtimes.test_fake import switched


def wrapper_says(spec, ending):
    """Leave what the wrapper would: nothing when it was killed."""
    if ending.exit_code == 137:
        return {}
    attempt = spec.labels["io.mlops-desk.attempt"]
    outcome = {"attempt": attempt, "exit_code": ending.exit_code, "signal": ending.signal}
    return {"/mlops-desk/out/outcome.json": json.dumps(outcome)}


class TestLocalRuntime(RuntimeSuite, UnreachableSuite):
    @pytest.fixture
    def engine(self) -> FakeEngine:
        return FakeEngine(images=["img"], gpus=["GPU-a"], programs=PROGRAMS, at_end=wrapper_says)

    @pytest.fixture
    def agent(self, engine: FakeEngine, tmp_path):
        leases = FreeGpus(("GPU-a",))
        policy = Policy(lambda: 1, lambda: False, lambda spec, _uid, _settled: (), lambda: 1 << 30, memory=tmp_path)
        return lambda: LocalRuntime("local", engine, leases, tmp_path / "jobs", "cafe0123", policy)

    @pytest.fixture
    def image(self, engine: FakeEngine) -> str:
        return engine.image("img").id

    @pytest.fixture
    def away(self, engine: FakeEngine):
        return lambda: switched(engine, "absent")

    @pytest.fixture
    def mute(self, engine: FakeEngine):
        return lambda call: frozen_at(engine, call)


class TestListeningRuntime(TestLocalRuntime):
    """The same while somebody listens to each container."""

    @pytest.fixture
    def agent(self, engine: FakeEngine, tmp_path):
        loop = Loop("test")
        leases, nothing = FreeGpus(("GPU-a",)), lambda spec, _uid, _settled: ()
        policy = Policy(
            lambda: 1, lambda: False, nothing, lambda: 1 << 30, memory=tmp_path, logs_bytes=lambda: 1 << 30, loop=loop
        )
        yield lambda: LocalRuntime("local", engine, leases, tmp_path / "jobs", "cafe0123", policy)
        assert loop.stop(30.0) == []


@contextlib.contextmanager
def frozen_at(engine: FakeEngine, call: int):
    act, calls = engine._act, 0

    def counted():
        nonlocal calls
        engine.frozen = calls == call
        calls += 1
        return act()

    engine._act = counted
    try:
        yield
    finally:
        engine._act, engine.frozen = act, False
