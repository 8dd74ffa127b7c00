"""Builds: of a folder as it was when they were asked for, with steps as progress, and their output kept."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from mlops_desk.engines.engine import Engine, ImageFacts
from mlops_desk.engines.image_store import BuildNews, BuildOrder
from mlops_desk.engines.images import pulls
from mlops_desk.engines.images.progress import PullProgress
from mlops_desk.engines.images.task_runner import Cord, ImageWork, what
from mlops_desk.engines.images.tasks import TaskBook
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.logins.private_images import FindLogin, nobodys_login
from mlops_desk.engines.records.task import ImageTask, TaskState
from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.text import plain

# Which images a Dockerfile stands on, as far as it says so by itself: for the logins that a build may need. Pure.
# It is read as text of anybody, and only roughly: what can't be made out is built without a login, and the engine
# tells.
_MOST = 8  # chosen: a Dockerfile of many stages stands on three or four; each costs a question for its login
_MOST_LINES = 10_000  # chosen: more than anybody writes by hand
_LONGEST = 512  # chosen: twice what registries take
_ARG = re.compile(r"ARG\s+([A-Za-z_]\w*)=(\S+)", re.IGNORECASE | re.ASCII)
_FROM = re.compile(r"FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE | re.ASCII)
_COPY = re.compile(r"(?:COPY|ADD|RUN)\s.*?(?:--from=|[,=]from=|,from=)([^\s,]+)", re.IGNORECASE | re.ASCII)
_SYNTAX = re.compile(r"#\s*syntax\s*=\s*(\S+)", re.IGNORECASE | re.ASCII)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::-([^}$]*))?\}|([A-Za-z_]\w*))", re.ASCII)


def bases(lines: Iterable[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the images that are named, each once; ``values`` are those of the arguments that a build is given."""
    known, stages, found = dict[str, str](), set[str](), list[str]()
    for _, line in zip(range(_MOST_LINES), lines, strict=False):
        text = line.strip()[: 4 * _LONGEST]
        if (argument := _ARG.match(text)) is not None:
            known.setdefault(argument[1], values.get(argument[1], argument[2].strip("\"'")))
            continue
        for word in _named(text, stages):
            reference = _filled(word, {**known, **values})
            if reference and reference != "scratch" and not reference.isdigit() and reference not in found:
                found.append(reference)
    return tuple(found[:_MOST])


def _named(text: str, stages: set[str]) -> list[str]:
    """Return what a line names; a stage that it begins is known from then on."""
    if (syntax := _SYNTAX.match(text)) is not None:
        return [syntax[1]]
    if (base := _FROM.match(text)) is not None:
        # A stage may be called like an image: it is known after its own line.
        named = [] if base[1].lower() in stages else [base[1]]
        if base[2]:
            stages.add(base[2].lower())
        return named
    copied = _COPY.match(text)
    return [] if copied is None or copied[1].lower() in stages else [copied[1]]


def _filled(word: str, known: Mapping[str, str]) -> str:
    """Return a name with its variables; "" where one is not known or the name is no name."""
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        text = known.get(found[1] or found[3]) or found[2]
        missing = missing or not text
        return text or ""

    filled = _VARIABLE.sub(value, word)
    fits = not missing and "$" not in filled and len(filled) <= _LONGEST and filled.isprintable()
    return filled if fits else ""


_log = logging.getLogger(__name__)

LONGEST_SECONDS = 4 * 3600.0  # chosen: a compiler that makes PyTorch takes two to three hours
_TAIL_LINES = 20  # chosen: a screenful that says why
_LOOK_SECONDS = 2.0  # chosen: a step writes a gigabyte in as much
_TAG = re.compile(
    r"(?:[a-zA-Z0-9.-]+(?::\d{1,5})?/)?[a-z0-9]+(?:(?:\.|_{1,2}|-+|/)[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?",
    re.ASCII,
)
"""The names that engines take (distribution's reference, without a digest)."""
RESERVED = "localhost/mlops-desk-build"
"""What images are called that are built for jobs, with what is in them after the colon: nobody else may say so."""
_TAG_LIMIT = 255  # what the engine takes


@dataclass(frozen=True, slots=True)
class FrozenContext:
    """A build's folder as it is kept: the hash of all that is in it, and where it lies."""

    sha256: str
    folder: Path


class Contexts(Protocol):
    """Keeps folders as they are when a build is asked for."""

    def frozen(self, folder: str, dockerfile: str, uid: int) -> AbstractContextManager[FrozenContext]:
        """Read a folder as ``uid`` may, without what its .dockerignore names, and keep it. Raises DeskError."""
        ...

    def in_use(self, sha256: str) -> AbstractContextManager[FrozenContext]:
        """Give what is kept, which is safe from being cleared away meanwhile. Raises NotFound."""
        ...


class Builds:
    """Builds on all engines. ``labels`` are what every image built here carries."""

    def __init__(
        self,
        book: TaskBook,
        work: ImageWork,
        engines: Callable[[str], Engine],
        look: Callable[[str], pulls.EngineRoom],
        contexts: Contexts,
        labels: Mapping[str, str],
        arguments: Callable[[], Mapping[str, str]],
        login: FindLogin = nobodys_login,
    ) -> None:
        self._arguments = arguments
        self._login = login
        self._book = book
        self._work = work
        self._engines = engines
        self._look = look
        self._contexts = contexts
        self._labels = labels

    def begin(self, wanted: ImageTask, sha256: str, dockerfile: str) -> ImageTask:
        """Begin to build what was frozen as ``sha256``; return the task. Raises NoRoom, DeskError."""
        seen = self._look(wanted.engine)
        pulls.check(what(wanted), seen)
        log = self._book.log(wanted.id)
        task = replace(wanted, log=str(log), free_bytes=seen.free_bytes)
        with self._contexts.in_use(sha256) as context:
            check_dockerfile(context.folder, dockerfile)
        self._book.add(task)
        self._work.start(task, lambda cord: self._run(task, sha256, dockerfile, cord))
        return task

    def _run(self, task: ImageTask, sha256: str, dockerfile: str, cord: Cord) -> ImageFacts:
        self._book.change(task.id, lambda now: replace(now, state=TaskState.RUNNING))
        ear = _BuildEar(self._book, task, self._look)
        with self._contexts.in_use(sha256) as context:
            order = self._order(task, context.folder / dockerfile, dockerfile)
            return self._engines(task.engine).build(
                context.folder,
                task.reference,
                self._labels,
                LONGEST_SECONDS,
                self._book.log(task.id),
                order=order,
                heard=ear.hear,
                hand=cord.hold,
            )

    def _order(self, task: ImageTask, place: Path, dockerfile: str) -> BuildOrder:
        """Say how it is built, with the logins of whoever asks at registries of images that it stands on."""
        with place.open(encoding="utf-8", errors="replace") as lines:
            named = bases(lines, {})
        found = [login for reference in named if (login := self._login_for(task, reference)) is not None]
        logins = {one.registry: one for one in reversed(found)}  # of two at one registry the first one named
        return BuildOrder(dockerfile, arguments=self._arguments(), logins=tuple(logins.values()))

    def _login_for(self, task: ImageTask, reference: str) -> RegistryLogin | None:
        try:
            return self._login(reference, task.submitted_by)
        except DeskError as error:  # what it stands on may be here, or open to all
            _log.info("%s: the login for %s is not to be had: %s", what(task), plain(reference), error.message)
            return None


class _BuildEar:
    """Hears what a build writes, puts it into the task, and looks at the disk meanwhile."""

    def __init__(self, book: TaskBook, task: ImageTask, look: Callable[[str], pulls.EngineRoom]) -> None:
        self._book = book
        self._task = task
        self._look = look
        self._looked: float | None = None
        self._bases = PullProgress()

    def hear(self, news: BuildNews) -> None:
        """Take in a line. Raises NoRoom, which ends the build."""
        now = time.monotonic()
        if self._looked is None or now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            pulls.check(what(self._task), self._look(self._task.engine))
        if news.layer is not None:
            self._bases.hear(news.layer, now)
        self._book.change(
            self._task.id,
            lambda task: replace(
                task if news.layer is None else self._bases.on(task, now),
                step=news.step or task.step,
                log_tail=(*task.log_tail, *((news.text,) if news.text else ()))[-_TAIL_LINES:],
                builder=news.builder or task.builder,
                heard_at=time.time(),
            ),
        )


def check_tag(tag: str) -> str:
    """Return the name that an image is to have, with a tag. Raises Invalid."""
    if len(tag) > _TAG_LIMIT or not _TAG.fullmatch(tag):
        text = f"{plain(tag)!r} is no name that an image can have."
        raise Invalid(text, "Use small letters, digits, . _ - and /, and a tag after a colon: team/trainer:1")
    if tag.partition(":")[0] == RESERVED:
        raise Invalid(f"The name {plain(tag)} is kept for what jobs have built.", "Choose another name with --tag.")
    return tag if ":" in tag.rpartition("/")[2] else f"{tag}:latest"


def name_of(folder: str) -> str:
    """Return what an image is called that is named after its folder."""
    words = re.sub(r"[^a-z0-9]+", "-", Path(folder).name.lower(), flags=re.ASCII).strip("-")
    return f"{words or 'image'}:latest"


def check_dockerfile(folder: Path, dockerfile: str) -> None:
    """See that a Dockerfile is a file within its context. Raises Invalid."""
    place = folder / dockerfile
    inside = not Path(dockerfile).is_absolute() and ".." not in Path(dockerfile).parts and "\0" not in dockerfile
    if not inside or not place.resolve().is_relative_to(folder.resolve()):
        text = f"The Dockerfile {plain(dockerfile)} does not lie within the folder that is built."
        raise Invalid(text, "Put it there, and name it from there: -f docker/Dockerfile")
    if not place.is_file():
        text = f"There is no {plain(dockerfile)} in the folder that is built."
        raise Invalid(text, "Name it with -f, and see that .dockerignore does not leave it out.")
