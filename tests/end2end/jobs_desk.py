"""The jobs of one agent on a real engine, in this process or (``python -m``) in one that a test may kill."""

import contextlib
import contextvars
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.gpus.leases.context import LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.gpus.leases.shared_mailbox.queue_service import WaitingDesk
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.runtimes.local.factory import local_runtime
from mlops_desk.jobs.runtimes.local.leases import LedgerGpus
from mlops_desk.jobs.runtimes.runtime import RunTicket
from mlops_desk.jobs.runtimes.table import Runtimes
from mlops_desk.jobs.service import JobsService
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.gpu import Gpu, GpuState

HEAD = "apiVersion: mlops-desk/v1\nkind: Job\nname: a\nimage: {image}\n"
TOKEN = "canary-4711"


class Workshop:
    """``address`` is the engine's; ``gpus`` are the UUIDs that the driver is said to show.

    ``around`` puts something around engine, ledger and table of jobs, as the jobs see them.
    """

    def __init__(
        self,
        root: Path,
        address: str = "",
        gpus: Sequence[str] = (),
        around: Callable[[Any], Any] = lambda part: part,
    ) -> None:
        self.folder = DataFolder(root)
        self.folder.make()
        self.engine = DockerEngine(lambda: address)
        self.state = State(self.folder.state_database)
        self.loop = Loop("jobs-test")
        self.settings = SettingsStore(self.folder.settings)
        self.settings.set("jobs.mount_roots", "/tmp")
        self.runs: dict[str, str] = {}
        self.ledger = ledger = LeaseLedger(LeaseOwner(self.folder.instance, address), self._lives)
        shown = [Gpu(uuid, index, "GPU", None, GpuState.OK) for index, uuid in enumerate(gpus)]
        self.leases = LedgerGpus(ledger, lambda: ledger.facts(shown, time.time()))
        self.runtime = local_runtime(
            "local", around(self.engine), around(self.leases), self.folder, self.settings, lambda: [address]
        )
        self.jobs = JobsService(
            self.folder,
            SimpleNamespace(jobs=around(self.state.jobs)),  # all that jobs use of it
            Bus(),
            self.loop,
            Runtimes([self.runtime]),
            lambda _spec, job_id, _attempt: RunTicket(f"run-{job_id}", "http://172.17.0.1:1", TOKEN),
            self.runs.__setitem__,
            lambda _is_current: None,
            line=WaitingDesk(LeaseFolders()),
        )
        self.jobs.start()

    def _lives(self, container: str) -> bool:
        return any(facts.name == container for facts in self.engine.containers({}))

    def submit(self, image: str, text: str, folder: Path | str = "/") -> Job:
        return self.jobs.submit(HEAD.format(image=image) + text, str(folder))

    def wait(self, job_id: str, until: JobState | Callable[[Job], Any], seconds: float = 240) -> Job:
        """Wait for a state, or whatever ``until`` asks for; a job that ends otherwise fails at once."""
        deadline = time.monotonic() + seconds
        while True:
            job = self.jobs.show(job_id)
            if job.state is until or (callable(until) and until(job)):
                return job
            assert not job.state.is_final, job
            assert time.monotonic() < deadline, job
            time.sleep(0.05)

    def eventually(self, check: Callable[[], Any], seconds: float = 240) -> None:
        """Wait for something that follows a job's end."""
        deadline = time.monotonic() + seconds
        while not check():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def run(self, image: str, text: str) -> Job:
        return self.wait(self.submit(image, text).id, lambda job: job.state.is_final)

    def log(self, job: Job) -> list[str]:
        return list(self.jobs.logs(job.id))

    def end(self) -> None:
        """End as an agent ends; the containers of this folder are removed too."""
        for job in self.jobs.list():
            if not job.state.is_final:
                self.jobs.cancel(job.id)
                for attempt in job.attempts:
                    self.engine.remove(attempt.container)
        self.jobs.stop()
        self.loop.stop(30.0)
        for facts in self.engine.containers({"io.mlops-desk.instance": self.folder.instance}):
            self.engine.remove(facts.name)
        self.engine.close()
        self.state.close()


@contextlib.contextmanager
def killed_agent(root: Path, text: str, *, address: str = "", gpus: Sequence[str] = ()) -> Iterator[str]:
    """Start an agent in a process of its own, let it submit ``text``, give the job's id, and kill it at the end."""
    root.parent.mkdir(parents=True, exist_ok=True)
    spec = root.parent / "job.yaml"
    spec.write_text(text)
    command = [sys.executable, "-m", "tests.end2end.jobs_desk", str(root), address, str(spec), *gpus]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def nothing_is_lost(root: Path, image: str, dead_seconds: float) -> None:
    """Kill an agent while its job runs, wait, and see what the next one makes of it."""
    text = HEAD.format(image=image) + "command: [sh, -c, 'echo begun; sleep 2; echo done; exit 5']"
    with killed_agent(root, text) as job_id:
        assert job_id
    time.sleep(dead_seconds)
    desk = Workshop(root)
    try:
        job = desk.wait(job_id, lambda now: now.state.is_final)
        assert (job.state, job.exit_code, len(job.attempts)) == (JobState.FAILED, 5, 1)
        assert desk.log(job) == ["begun", "done"]
    finally:
        desk.end()


def as_uid(uid: int, work: Callable[[], Any]) -> Any:
    """Do ``work`` as a request from ``uid``."""
    context = contextvars.copy_context()
    context.run(set_caller, Caller(uid, uid, 1))
    return context.run(work)


if __name__ == "__main__":
    agent = Workshop(Path(sys.argv[1]), sys.argv[2], sys.argv[4:])
    submitted = agent.jobs.submit(Path(sys.argv[3]).read_text())
    agent.wait(submitted.id, lambda job: job.state is not JobState.QUEUED)
    print(submitted.id, flush=True)
    while True:
        time.sleep(1)
