"""The local runtime on real engines: the suite that its double and any other runtime pass, and what GPUs prove.

GPUs are stand-ins, handed over by NVIDIA's hook and by CDI on Docker, and by CDI on Podman.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Resources
from mlops_desk.jobs.run.outcome import Ending, judge
from mlops_desk.jobs.runtimes.local.runtime import LocalRuntime, Policy
from mlops_desk.jobs.runtimes.runtime import Obstructed, Phase
from tests.gpu_engine import PrivateEngine
from tests.images import busybox_image
from tests.podman_engine import PrivatePodman
from tests.runtime_suite import FreeGpus, Placing, RuntimeSuite, begun, seen_as

pytestmark = [pytest.mark.engine, pytest.mark.end2end]


class OnAnEngine(RuntimeSuite):
    """The suite on one engine: ``daemon`` is the engine with its stand-ins."""

    @pytest.fixture
    def engine(self, daemon: PrivateEngine | PrivatePodman) -> Iterator[DockerEngine]:
        engine = DockerEngine(lambda: daemon.address)
        yield engine
        engine.close()

    @pytest.fixture
    def minors(self, daemon: PrivateEngine | PrivatePodman) -> dict[str, int]:
        return {uuid: index for index, uuid in enumerate(daemon.gpus)}

    @pytest.fixture
    def proven(self) -> list[tuple[str, tuple[str, ...]]]:
        return []

    @pytest.fixture
    def agent(self, engine, daemon, tmp_path: Path, minors, proven) -> Callable[[], LocalRuntime]:
        policy = Policy(
            lambda: 5, lambda: False, lambda spec, _uid, _settled: (), lambda: 1 << 30, lambda: minors,
            lambda level, gpus: proven.append((level, gpus)),
        )  # fmt: skip
        leases = FreeGpus(daemon.gpus[2:3])
        return lambda: LocalRuntime("local", engine, leases, tmp_path / "jobs", "cafe0123", policy)

    @pytest.fixture
    def image(self, engine: DockerEngine, daemon: PrivateEngine | PrivatePodman) -> str:
        return engine.image(busybox_image(daemon.address)).id

    @pytest.fixture
    def on_gpus(self, runtime: LocalRuntime, image: str, daemon) -> Iterator[Callable[..., tuple[Job, Attempt]]]:
        made = []

        def make(*gpus: str, command: tuple[str, ...] = ("sh", "-c", "echo /dev/nvidia*")) -> tuple[Job, Attempt]:
            spec = JobSpec("train", "img", command, resources=Resources(gpus=len(gpus)))
            job = Job(f"{len(made):012x}", "train", JobState.QUEUED, spec, time.time(), 0, "me", image)
            attempt = replace(runtime.draft(job), gpus=gpus)
            made.append((job, attempt))
            return job, attempt

        yield make
        for job, attempt in made:
            runtime.clear(job, attempt, finished=False)

    def test_the_leased_gpus_are_proven_by_their_device_files(self, runtime, on_gpus, daemon, proven) -> None:
        gpus = (daemon.gpus[3], daemon.gpus[1])
        job, attempt = on_gpus(*gpus)
        Placing().place(runtime, job, attempt)
        left = runtime.aftermath(job, begun(attempt), seen_as(runtime, job, attempt, Phase.ENDED))
        assert (left.outcome.exit_code, left.outcome.gpu_proof) == (0, "minor")
        assert list(left.log_tail) == ["/dev/nvidia1 /dev/nvidia3"]
        assert runtime.proof(job, attempt) == "minor"
        assert proven == [("minor", gpus)]

    def test_other_gpus_than_the_leased_ones_fail_the_job_before_its_command(
        self, runtime, on_gpus, daemon, minors, proven
    ) -> None:
        """As when the driver counts its device files anew after the engine's files were written."""
        minors[daemon.gpus[0]] = 1
        job, attempt = on_gpus(daemon.gpus[0], command=("echo", "begun"))
        Placing().place(runtime, job, attempt)
        seen = seen_as(runtime, job, attempt, Phase.ENDED)
        left = runtime.aftermath(job, begun(attempt), seen)
        verdict = judge(Ending(left.outcome, seen, True, False, left.log_tail, attempt.gpus))
        assert (verdict.state, verdict.exit_code, verdict.reason.class_) == (JobState.FAILED, 96, "gpu_proof_failed")
        assert "Visible in the container: /dev/nvidia0." in verdict.reason.evidence
        assert "begun" not in left.log_tail
        assert (runtime.proof(job, attempt), proven) == (None, [])

    def test_a_job_has_a_home_on_the_disk_that_runs_programs_and_is_gone_with_it(
        self, runtime, on_gpus, tmp_path: Path
    ) -> None:
        script = (
            'mkdir -p "$XDG_CACHE_HOME" && cp /bin/busybox "$HOME" && "$HOME/busybox" echo ran; '
            "echo $PYTHONUNBUFFERED $GIT_PYTHON_REFRESH"
        )
        job, attempt = on_gpus(command=("sh", "-c", script))
        Placing().place(runtime, job, attempt)
        left = runtime.aftermath(job, begun(attempt), seen_as(runtime, job, attempt, Phase.ENDED))
        assert list(left.log_tail) == ["ran", "1 quiet"]
        assert list(tmp_path.glob("jobs/*/a1/home/.cache"))
        runtime.clear(job, attempt, finished=False)
        assert not list(tmp_path.glob("jobs/*/a1/home"))

    def test_a_job_without_gpus_sees_none(self, runtime, on_gpus) -> None:
        job, attempt = on_gpus(command=("sh", "-c", "echo $NVIDIA_VISIBLE_DEVICES; ls /dev"))
        Placing().place(runtime, job, attempt)
        left = runtime.aftermath(job, begun(attempt), seen_as(runtime, job, attempt, Phase.ENDED))
        assert left.log_tail[0] == "void"
        assert not any("nvidia" in line for line in left.log_tail)


class TestOnDockerByHook(OnAnEngine):
    @pytest.fixture
    def daemon(self, gpu_engine: PrivateEngine) -> PrivateEngine:
        return gpu_engine


class ByCdi(OnAnEngine):
    def test_gpus_that_cdi_does_not_know_block_and_can_be_mended(self, runtime, on_gpus, daemon, minors) -> None:
        """Nothing of the half-made container is in the way of the next try."""
        spec, new = daemon.folder / "cdi/nvidia.json", daemon.gpus[0].replace("GPU-0", "GPU-f")
        before = spec.read_text()
        minors[new] = 0
        job, attempt = on_gpus(new)
        with pytest.raises(Obstructed) as caught:
            Placing().place(runtime, job, attempt)
        assert caught.value.reason.class_ == "cdi_stale"
        assert "nvidia-ctk cdi generate" in caught.value.reason.command
        spec.write_text(before.replace(daemon.gpus[0], new))
        try:
            time.sleep(1)  # the engine looks at its files when they have changed for a moment
            Placing().place(runtime, job, attempt)
            left = runtime.aftermath(job, begun(attempt), seen_as(runtime, job, attempt, Phase.ENDED))
            assert left.outcome.gpu_proof == "minor"
        finally:
            spec.write_text(before)


class TestOnDockerByCdi(ByCdi):
    @pytest.fixture
    def daemon(self, cdi_engine: PrivateEngine) -> PrivateEngine:
        return cdi_engine


class TestOnPodman(ByCdi):
    @pytest.fixture
    def daemon(self, podman: PrivatePodman) -> PrivatePodman:
        return podman
