"""The local runtime on a real engine: the suite that its double and any other runtime pass."""

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.runtimes.local.runtime import LocalRuntime, Policy
from tests.gpu_engine import PrivateEngine
from tests.images import busybox_image
from tests.runtime_suite import FreeGpus, RuntimeSuite

pytestmark = [pytest.mark.engine, pytest.mark.end2end]


class TestLocalRuntimeOnDocker(RuntimeSuite):
    @pytest.fixture
    def engine(self, gpu_engine: PrivateEngine):
        engine = DockerEngine(lambda: gpu_engine.address)
        yield engine
        engine.close()

    @pytest.fixture
    def agent(self, engine: DockerEngine, gpu_engine: PrivateEngine, tmp_path):
        leases = FreeGpus(gpu_engine.gpus[:1])
        policy = Policy(lambda: 5, lambda: False, lambda spec, _uid, _settled: (), lambda: 1 << 30)
        return lambda: LocalRuntime("local", engine, leases, tmp_path / "jobs", "cafe0123", policy)

    @pytest.fixture
    def image(self, engine: DockerEngine, gpu_engine: PrivateEngine) -> str:
        return engine.image(busybox_image(gpu_engine.address)).id
