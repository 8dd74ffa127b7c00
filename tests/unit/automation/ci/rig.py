"""Runs of pipelines without an engine: threads that run at once, jobs that a test ends, and a house that can fail."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from mlops_desk.automation.ci.driver import CiParts
from mlops_desk.automation.ci.service import CiService
from mlops_desk.automation.records.ci.run import CiRun
from mlops_desk.jobs.provenance.source.store import CodeSnapshot
from mlops_desk.jobs.records.job import Attempt, Job, JobState, KeptFolder
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.event import CiChanged, JobChanged, Notice
from mlops_desk.registry.records.model import ModelVersion

HEAD = "apiVersion: mlops-desk/v1\nkind: Pipeline\nname: iris\nstages:\n"
TRAIN = "- {name: train, image: i, command: [x], outputs: [/out], metrics: /out/m.json}\n"
GATE = "- {name: good, gate: {accuracy: {atLeast: 0.9}}, of: train}\n"
AFTER = "- {name: after, image: i, command: [x], needs: [train]}\n"
LOGGED = "- {name: train, image: i, command: [x], mlflow: {experiment: iris}}\n"
KEEP = "- {name: keep, register: iris, of: train}\n"
COMMIT = "c0ffee" * 6 + "c0ff"


class OneThread:
    """A loop whose threads run at once, in the caller's; ``broken`` has what one of them raised."""

    def __init__(self) -> None:
        self.ending = Event()
        self.broken: list[BaseException] = []

    def start(self, _name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - what a loop logs as a bug
            self.broken.append(error)

    def repeat(self, *_given: object) -> None:
        """Nothing comes by itself: a test looks."""


class Code:
    """Snapshots that hold a pipeline's file alone. ``fails``: taking one raises it. ``used`` counts who holds one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.text = HEAD + TRAIN
        self.facts: dict[str, Any] = {"commit": COMMIT, "dirty": False, "branch": "main"}
        self.fails: Exception | None = None
        self.pointers: tuple[str, ...] = ()
        self.gone = False
        self.used = 0
        self.taken_of: list[object] = []
        self.reports: set[str] = set()
        self.store = self

    @contextmanager
    def taken(self, source: object, _uid: int, reports: Collection[str] = ()) -> Iterator[CodeSnapshot]:
        if self.fails is not None:
            raise self.fails
        self.taken_of.append(source)
        self.reports = set(reports)
        (self.root / "mlops-desk.yaml").write_text(self.text)
        yield CodeSnapshot("5ha", 1, len(self.text), self.facts, self.pointers)

    @contextmanager
    def in_use(self, _sha256: str) -> Iterator[None]:
        if self.gone:
            raise NotFound("The snapshot of the code is not kept any more.")
        self.used += 1
        try:
            yield
        finally:
            self.used -= 1

    def lines(self, _sha256: str) -> list[dict[str, Any]]:
        return [{"path": "mlops-desk.yaml", "sha256": "f", "size": len(self.text)}]

    def tree(self, _sha256: str) -> Path:
        return self.root

    def part(self, sha256: str, folder: str) -> str:
        return f"{sha256}/{folder}"


class World:
    """A service on a real table of runs. ``fails`` (a part by its name) is raised where that part is asked.

    ``given`` is on what jobs were queued, ``read`` what workers were asked, ``registered`` of what versions were made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.code = Code(root)
        self.jobs: dict[str, Job] = {}
        self.fails: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.callers: set[int] = set()
        self.metrics: dict[str, float] = {"accuracy": 0.95}
        self.versions: list[ModelVersion] = []
        self.given: list[Any] = []
        self.read: list[dict[str, str]] = []
        self.registered: list[tuple[str, str, str]] = []
        self.clock = 0.0
        self.notices: list[Notice] = []
        self.loops: list[OneThread] = []
        self.open()

    def open(self) -> None:
        """Begin, as an agent does."""
        self.bus, self.loop = Bus(), OneThread()
        self.loops.append(self.loop)
        self.bus.subscribe(Notice, self.notices.append)
        self.bus.subscribe(CiChanged, lambda _event: None)
        self.state = State(self.root / "state.db")
        names = ("queue", "job", "job_of_origin", "cancel_job", "run_metrics", "versions_of_run", "register", "worker")
        parts = CiParts(part=self.code.part, **{name: self._part(name) for name in names})
        self.service = CiService(parts, self.state.ci_runs, self.code, self.bus, self.loop, lambda: self.clock)  # type: ignore[arg-type]  # doubles

    def kill(self) -> None:
        """End the agent, and begin another: nothing is told, nothing is let go."""
        self.loop.ending.set()
        self.state.close()
        self.open()
        self.service.start()
        self.service.look()

    def run(self, text: str = TRAIN, **given: Any) -> CiRun:
        self.code.text = HEAD + text
        return self.now(self.service.run(str(self.root), **given))

    def now(self, run: CiRun) -> CiRun:
        return self.service.show(run.id)

    def stages(self, run: CiRun) -> list[str]:
        return [stage.state.value for stage in self.now(run).stages]

    def end(
        self, stage: str, state: JobState = JobState.SUCCEEDED, folders: Sequence[str] = ("/out",), **more: Any
    ) -> None:
        """End the newest job of a stage, which has kept folders: each lies below the root, by its name."""
        job = [one for one in self.jobs.values() if (one.origin or "").endswith(f"/{stage}")][-1]
        kept = tuple(KeptFolder(one, str(self.root) + one) for one in folders)
        attempt = Attempt(1, "a", "c", state, kept=kept)
        made = replace(job, state=state, ended_at=5.0, attempts=(attempt,), mlflow_run_id="run", **more)
        self.jobs[job.id] = made
        self.bus.publish(JobChanged(made))

    @property
    def left(self) -> list[str]:
        """The stages of which a job is not over: what still has a lease, or will."""
        return [(one.origin or "").rpartition("/")[2] for one in self.jobs.values() if not one.state.is_final]

    @property
    def broken(self) -> list[BaseException]:
        return [error for loop in self.loops for error in loop.broken]

    def _part(self, name: str) -> Callable[..., Any]:
        def ask(*given: Any) -> Any:
            self.asked.append(name)
            self.callers.add(current_caller().uid)
            if name in self.fails:
                raise self.fails[name]
            return getattr(self, f"_{name}")(*given)

        return ask

    def _queue(self, spec: Any, uid: int, basis: Any, origin: str) -> Job:
        job = Job(f"job-{len(self.jobs)}", spec.name, JobState.QUEUED, spec, 1.0, uid, "me", origin=origin)
        self.given.append(basis)
        self.jobs[job.id] = replace(job, capsule=basis.first)
        return self.jobs[job.id]

    def _job(self, job_id: str) -> Job:
        return self.jobs[job_id]

    def _job_of_origin(self, origin: str) -> Job | None:
        return next((one for one in self.jobs.values() if one.origin == origin), None)

    def _cancel_job(self, job_id: str) -> None:
        self.jobs[job_id] = replace(self.jobs[job_id], state=JobState.CANCELLED)

    def _run_metrics(self, _run_id: str) -> dict[str, float]:
        return self.metrics

    def _versions_of_run(self, _run_id: str) -> list[ModelVersion]:
        return self.versions

    def _register(self, model: str, run_id: str, path: str) -> ModelVersion:
        self.registered.append((model, run_id, path))
        self.versions.append(ModelVersion(model, str(len(self.versions) + 1), run_id, None, "READY"))
        return self.versions[-1]

    def _worker(self, _module: str, request: Any, _seconds: float) -> Any:
        assert json.dumps(request)
        self.read.append(request)
        return self.metrics
