"""Images for jobs: pulled or built by the same tasks that people see, as long as somebody waits for them.

A job that is cancelled lets go of its task, which ends when nobody else wants it. What is built for a job is called
after what is in it, so that the same folder is built once.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.base.errors import DeskError, Hint, NotFound, Unavailable
from mlops_desk.base.loop import Loop
from mlops_desk.base.text import plain
from mlops_desk.engines import build_errors
from mlops_desk.engines.engine import Engine, ImageFacts, Obstacle, WasEnded
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.images.building import RESERVED, Builds
from mlops_desk.images.pulling import Pulls, joined
from mlops_desk.images.tasks import TaskBook
from mlops_desk.images.work import ImageWork
from mlops_desk.records.images.task import ImageTask, TaskKind, TaskState
from mlops_desk.records.jobs.image_progress import ImageProgress
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.runtimes.runtime import ImageClaim, NotBuilt

_LOOK_SECONDS = 0.5  # chosen: a cancelled job lets go of its pull while its person still looks
_CAUSES = 2  # chosen: the newest lines that name a cause; the others stand in the evidence
_QUOTED_LINES = 8  # chosen: where a compiler says what is wrong
_EVIDENCE_LIMIT = 2000  # chosen: eight lines of a compiler
_TAG_LENGTH = 32  # of a hash in hexadecimal: nobody finds two folders for it

Wanted = Callable[[TaskKind, str, str, int, tuple[str, ...]], ImageTask]
"""Returns the task that would bring an image: kind, reference, engine, uid, and the jobs that wait."""


class JobSupply:
    """Implements ``runtimes.local.ports.ImageSupply`` for one engine."""

    def __init__(
        self, name: str, engine: Engine, book: TaskBook, work: ImageWork, pulls: Pulls, builds: Builds, wanted: Wanted,
        loop: Loop,
    ) -> None:  # fmt: skip
        self._name = name
        self._engine = engine
        self._book = book
        self._work = work
        self._pulls = pulls
        self._builds = builds
        self._wanted = wanted
        self._loop = loop
        self._beginning = threading.Lock()  # of two jobs that ask at once the second finds the build of the first

    def pull(self, reference: str, uid: int, login: RegistryLogin | None, claim: ImageClaim) -> ImageFacts:
        """Pull an image, however long it takes. Raises NotFound, Refused, Unavailable."""
        wanted = self._wanted(TaskKind.PULL, reference, self._name, uid, (claim.job_id,))
        return self._awaited(self._pulls.begin(wanted, login), claim)

    def build(self, sha256: str, dockerfile: str, uid: int, claim: ImageClaim) -> ImageFacts:
        """Return what is built of a folder that is kept, and build it if it is not there.

        Raises NotBuilt, Unavailable, Obstacle.
        """
        tag = built_tag(sha256, dockerfile)
        wanted = self._wanted(TaskKind.BUILD, tag, self._name, uid, (claim.job_id,))
        with self._beginning:
            under_way = self._book.under_way(self._name, tag)
            if under_way:
                task = self._book.change(under_way[0].id, lambda now: joined(now, wanted))
            else:  # looked for after the tasks: one that just ended has left its image
                try:
                    return self._engine.image(tag)
                except NotFound:
                    task = self._builds.begin(wanted, sha256, dockerfile)
        try:
            return self._awaited(task, claim)
        except (Unavailable, Obstacle):
            raise
        except DeskError as error:
            raise NotBuilt(self._why(task.id, error)) from error

    def progress(self, job_id: str) -> ImageProgress | None:
        """Return how far the image is that a job waits for; None while nothing is under way for it."""
        task = next((one for one in self._book.newest() if not one.state.is_final and job_id in one.jobs), None)
        return None if task is None else told(task)

    def _awaited(self, task: ImageTask, claim: ImageClaim) -> ImageFacts:
        while not self._book.wait(task.id, _LOOK_SECONDS, lambda now: now.state.is_final).state.is_final:
            if not claim.wanted():
                self._let_go(task, claim.job_id)
                raise WasEnded(f"Job {claim.job_id} does not want the image any more.")
            if self._loop.ending.is_set():
                raise Unavailable("The agent ends; the next one goes on.")
        done = self._work.outcome(task.id)
        return self._engine.image(done.image_id or task.reference)

    def _let_go(self, task: ImageTask, job_id: str) -> None:
        now = self._book.change(task.id, lambda now: replace(now, jobs=tuple(one for one in now.jobs if one != job_id)))
        if not now.jobs and not now.by_hand:
            self._work.cancel(task.id, "the desk, as no job waits for it any more")

    def _why(self, task_id: str, error: DeskError) -> Reason:
        task = self._book.get(task_id)
        written = "\n".join(line for line in task.log_tail if line.strip())
        evidence = "\n".join(written.splitlines()[-_QUOTED_LINES:])[-_EVIDENCE_LIMIT:] or None
        hint = Hint(f"mlops-desk images logs {task_id}", before="The whole output: ")
        if task.state is TaskState.CANCELLED:
            text = f"The build of its image was ended. {task.reason.text if task.reason else ''}".strip()
            return Reason("build_cancelled", text, evidence, hint, title="Build of the image ended")
        causes = build_errors.causes(written)
        return Reason(
            "build_failed",
            f"Its image could not be built: {plain(' '.join(causes[-_CAUSES:]) or error.message, 600)}",
            evidence,
            hint,
            title="Image not built",
        )


def built_tag(sha256: str, dockerfile: str) -> str:
    """Return what the image is called that is built of a folder with this hash, by that Dockerfile in it."""
    whole = hashlib.sha256(f"{sha256} {dockerfile}".encode()).hexdigest()
    return f"{RESERVED}:{whole[:_TAG_LENGTH]}"


def told(task: ImageTask) -> ImageProgress:
    """Return what of a task is told with a job."""
    step = task.step
    return ImageProgress(
        task.id,
        task.kind.value,
        task.state.value,
        task.layers_done,
        task.layers_count,
        task.done_bytes,
        task.total_bytes,
        task.bytes_per_second,
        task.eta_seconds,
        None if step is None else step.number,
        None if step is None else step.count,
        "" if step is None else step.text,
        task.log_tail[-1] if task.log_tail else "",
    )
