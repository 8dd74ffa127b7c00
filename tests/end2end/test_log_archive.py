"""The kept log of a job on a real engine, which forgets the beginning of what the job writes."""

import time
from pathlib import Path

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.jobs.runtimes.local.runtime import LocalRuntime, Policy
from mlops_desk.jobs.runtimes.runtime import Phase
from mlops_desk.kit.base.loop import Loop
from tests.gpu_engine import PrivateEngine
from tests.images import busybox_image
from tests.runtime_suite import FreeGpus, Placing, RuntimeSuite, begun, seen_as

pytestmark = [pytest.mark.engine, pytest.mark.end2end]

_PROGRAM = (
    'BEGIN { line = sprintf("%980d", 0); for (n = 0; n < 64000; n++) { print n line;'
    ' if (n % 1000 == 0) { fflush(); system("busybox sleep 0.3") } } }'
)
ROTATED = ("busybox", "awk", _PROGRAM)
"""64 MB in some twenty seconds; an engine that keeps five files of 10 MB has forgotten the first by the end.

The first agent's reading has to end for good with that agent. One that was ended, and took the end of its stream for a
reason to open it anew, went on writing into the log that the next agent writes: then lines were missing.
"""

_FLOOD = (
    'BEGIN { line = sprintf("%60d", 0); for (n = 0; n < 330000; n++) {'
    ' if (n == 300000) system("busybox sleep 3"); print n line } }'
)
FLOODING = ("busybox", "awk", _FLOOD)
"""20 MB at once, of which the stream of Docker skips a third, and a little after a rest."""


def agent_of(engine: DockerEngine, leases: FreeGpus, root: Path, loop: Loop) -> LocalRuntime:
    policy = Policy(
        lambda: 5,
        lambda: False,
        lambda spec, _uid, _settled: (),
        lambda: 1 << 30,
        logs_bytes=lambda: 1 << 30,
        loop=loop,
    )
    return LocalRuntime("local", engine, leases, root, "cafe0123", policy)


class TestKeptLog(RuntimeSuite):
    """The suite while somebody listens to each container all the time."""

    @pytest.fixture
    def engine(self, gpu_engine: PrivateEngine):
        engine = DockerEngine(lambda: gpu_engine.address)
        yield engine
        engine.close()

    @pytest.fixture
    def image(self, engine: DockerEngine, gpu_engine: PrivateEngine) -> str:
        return engine.image(busybox_image(gpu_engine.address)).id

    @pytest.fixture
    def agent(self, engine: DockerEngine, gpu_engine: PrivateEngine, tmp_path: Path):
        loop, leases = Loop("test"), FreeGpus(gpu_engine.gpus[:1])
        yield lambda: agent_of(engine, leases, tmp_path / "jobs", loop)
        assert loop.stop(30.0) == []

    def test_what_the_engine_forgets_is_kept_also_over_the_end_of_an_agent(self, engine, made, tmp_path) -> None:
        job, attempt = made(ROTATED)
        first, second = Loop("first"), Loop("second")
        runtime = agent_of(engine, FreeGpus(()), tmp_path / "jobs", first)
        Placing().place(runtime, job, attempt)
        assert [seen.handle for seen in runtime.survey()] == [attempt.handle]
        deadline = time.monotonic() + 240
        while (seen := runtime.glance(attempt)) is None or seen.count < 5000:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert first.stop(30.0) == []
        later = agent_of(engine, FreeGpus(()), tmp_path / "jobs", second)
        later.survey()
        while later.survey()[0].phase is Phase.RUNNING:
            time.sleep(1.0)  # as a runner does
        over = seen_as(later, job, attempt, Phase.ENDED)
        assert later.aftermath(job, begun(attempt), over).log_tail[-1].startswith("63999 ")
        later.clear(job, begun(attempt), finished=True)
        numbers = [int(line.split()[0]) for line in later.logs(job, begun(attempt))]
        assert numbers == list(range(64_000))
        assert second.stop(30.0) == []
        kept = sum(path.stat().st_size for path in (tmp_path / "jobs" / job.id / "a1" / "log").iterdir())
        assert kept < 9_000_000

    def test_a_flood_is_kept_whole_and_in_order_though_the_engines_stream_skips(self, engine, made, tmp_path) -> None:
        job, attempt = made(FLOODING)
        loop = Loop("flood")
        runtime = agent_of(engine, FreeGpus(()), tmp_path / "jobs", loop)
        Placing().place(runtime, job, attempt)
        runtime.survey()
        while runtime.survey()[0].phase is Phase.RUNNING:
            time.sleep(0.5)
        over = seen_as(runtime, job, attempt, Phase.ENDED)
        runtime.aftermath(job, begun(attempt), over)
        runtime.clear(job, begun(attempt), finished=True)
        lines = [line.split()[0] for line in runtime.logs(job, begun(attempt))]
        assert loop.stop(30.0) == []
        assert lines == [str(number) for number in range(330_000)]
