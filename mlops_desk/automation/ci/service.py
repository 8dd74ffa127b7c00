"""The verbs about pipelines of repositories, and who waits for their runs.

A run that somebody waits for ends when they are gone: nobody would read what came of it, and what it leases is wanted
by others. Who waits asks again and again (``follow``); after an agent's end they have as long again. A run that was
begun detached, or by a rule, goes on by itself.
"""

import contextlib
import logging
import secrets as lots
import threading
import time
from builtins import list as list_of
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_desk.automation.ci.document import kind_of, parse_pipeline, pipeline_schema, plan_of
from mlops_desk.automation.ci.driver import CiDriver, CiParts
from mlops_desk.automation.ci.fields import FILE
from mlops_desk.automation.ci.machine import BRANCH, TAG, settled, stages_of
from mlops_desk.automation.ci.repository import CiBook
from mlops_desk.automation.ci.stage_job import check_data, spec_of_stage
from mlops_desk.automation.records.approval import Approval
from mlops_desk.automation.records.ci.repository_watch import WatchedRepository
from mlops_desk.automation.records.ci.run import ORIGIN, CiBrief, CiPlan, CiRun, CiStageKind, CiState, ci_brief
from mlops_desk.jobs.provenance.source.snapshot_capture import (
    Snapshots,
    changed_files,
    git_identity,
    lacking_submodules,
)
from mlops_desk.jobs.provenance.source.store import CodeSnapshot
from mlops_desk.jobs.records.spec import Source
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused
from mlops_desk.kit.base.failures import TroubleLog
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.kit.verbs.declaration import MOST_ON_A_PAGE, check_limit
from mlops_desk.machine.records.event import JobChanged

_log = logging.getLogger(__name__)

GONE_SECONDS = 60.0
"""Chosen: twenty times as long as a command line that waits lets pass between two questions; an agent's start takes
some seconds of it."""
_LOOK_SECONDS = 5.0  # chosen: who is gone is noticed soon enough, and an idle agent hardly wakes
_MOST_WAIT_SECONDS = 25.0  # chosen: below what anything between client and agent would give up after
_LARGEST_FILE = 64 << 10  # as large as a document may be
_NAMED, _LONGEST = 5, 400  # chosen: files and characters of a sentence that is read at a glance
_MOST_NAMED = 1000  # chosen: as many as of untracked files
_ID_BYTES = 6  # as a job's id has
_ALL = "Runs"


TakeTag = Callable[[str, str, str], Approval]
"""Take a signed tag (repository, tag, alias) as a word for a move. Raises DeskErrors."""


def _names(files: Sequence[str]) -> str:
    """Return the first of some files by name, and how many more there are."""
    named = plain(", ".join(files[:_NAMED]), _LONGEST)
    if not files:
        return "which of them can't be told"
    return named if len(files) <= _NAMED else f"{named} and {len(files) - _NAMED:,} more"


def _no_policies(_repository: str, _tag: str, _alias: str) -> Approval:
    raise Refused("No policy wants a signed tag here.")


@dataclass(frozen=True, slots=True)
class CiAsked:
    """What is to be run: the pipeline's ``file`` of a repository, for a branch or tag (``kind`` says which)."""

    repository: str
    file: str = FILE
    ref: str | None = None
    kind: str | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    attended: bool = False


class CiService:
    """Implements ``verbs.Ci``. ``snapshots`` keeps the code of runs; ``now`` is a clock that only grows.

    ``watching`` tells which repositories are watched, and is set by who puts the house together.
    """

    def __init__(
        self,
        parts: CiParts,
        runs: StoredRecords[CiRun],
        snapshots: Snapshots,
        bus: Bus,
        loop: Loop,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._snapshots = snapshots
        self._bus = bus
        self._loop = loop
        self._now = now
        self._book = CiBook(runs, bus)
        self._driver = CiDriver(self._book, parts, loop, self._let_go, now)
        self._trouble = TroubleLog(_log, "%s can't be looked after")
        self._lock = threading.Lock()
        self._asked: dict[str, float] = {}
        self._held: dict[str, contextlib.ExitStack] = {}
        self._unsubscribe: Callable[[], None] = lambda: None
        self.take_tag: TakeTag = _no_policies
        self.watching: Callable[[], list_of[WatchedRepository]] = list_of

    def start(self) -> None:
        """Take up what an earlier agent has left, and look after it."""
        self._unsubscribe = self._bus.subscribe(JobChanged, self._heard)
        for run in self._book.under_way():
            with contextlib.suppress(NotFound):  # then its next stage says that its code is not kept
                self._hold(run.id, run.source_sha256)
            self._asked[run.id] = self._now()
        for run in self._book.over_lately():
            self._driver.owe(run.id)
        self._loop.repeat("ci", _LOOK_SECONDS, self.look)

    def stop(self) -> None:
        """Hear nothing more; runs are kept, and their jobs go on."""
        self._unsubscribe()

    def look(self) -> None:
        """Go on with all runs, and end those whose people are gone."""
        self._driver.sweep_owed()
        try:
            runs = self._book.under_way()
        except DeskError as error:
            self._trouble.failed(_ALL, error.message)
            return
        self._trouble.over(_ALL)
        for run in runs:
            if run.attended and self._now() - self._asked.setdefault(run.id, self._now()) > GONE_SECONDS:
                self._end(run)
            else:
                self._driver.drive_soon(run)

    def _end(self, run: CiRun) -> None:
        name = f"The run {run.id}"
        try:
            self._driver.cancel(run.id, "Who waited for it is gone.")
        except Refused:  # it is over by now
            return
        except DeskError as error:  # the next look tries again, be it that the run is written down as ended or not
            self._trouble.failed(name, error.message)
        else:
            self._trouble.over(name)

    def _heard(self, event: JobChanged) -> None:
        origin = event.job.origin or ""
        if origin.startswith(ORIGIN):
            run = self._book.get(origin.removeprefix(ORIGIN).partition("/")[0])
            if run is not None and not run.state.is_final:
                self._driver.drive_soon(run)

    # -- verbs ---------------------------------------------------------------------------------

    def run(
        self,
        folder: str,
        file: str = FILE,
        branch: str | None = None,
        tag: str | None = None,
        data: Mapping[str, str] | None = None,
        secrets: str = "",
        *,
        dirty: bool = False,
        attended: bool = False,
        reports: Mapping[str, str] | None = None,
    ) -> CiRun:
        if branch is not None and tag is not None:
            raise Invalid("A commit is run for a branch or for a tag.", "Leave out --branch or --tag.")
        ref, kind = (branch, BRANCH) if tag is None else (tag, TAG)
        given = CiAsked(folder, file, ref, kind, data or {}, tuple(secrets.split()), attended)
        own = tuple((reports or {}).values())
        with self._snapshots.taken(Source(folder=folder), current_caller().uid, reports=own) as snapshot:
            told = git_identity(snapshot.facts)
            if told.commit is None and not dirty:
                text = f"{plain(folder)} is no git repository with a commit."
                raise Refused(text, Hint("git commit", after=", or run the files as they are: --dirty"))
            if told.dirty is not False and not dirty:
                text = f"The files of {plain(folder)} differ from its commit {(told.commit or '')[:12]}"
                hint = "Commit them, name them in .gitignore, or run them as they are: --dirty"
                raise Refused(f"{text}: {_names(changed_files(snapshot.facts))}.", hint)
            return self._begin(given, snapshot, is_dirty=told.dirty is not False)

    def check(self, file: str) -> CiPlan:
        return plan_of(parse_pipeline(file))

    def schema(self) -> dict[str, Any]:
        return pipeline_schema()

    def list(self, repository: str | None = None, state: str | None = None, limit: int = 50) -> list_of[CiBrief]:
        return list_of(self.page(repository, state, check_limit(limit)).items)

    def page(
        self, repository: str | None = None, state: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> ListPage[CiBrief]:
        if state is not None and state not in set(CiState):
            raise Invalid(f"{plain(state)!r} is no state of a run.", f"States: {', '.join(CiState)}.")
        page = self._book.page(repository, state, check_limit(limit, MOST_ON_A_PAGE), cursor)
        return ListPage(tuple(map(ci_brief, page.items)), page.next)

    def show(self, run_id: str) -> CiRun:
        return self._book.find(run_id)

    def watched(self) -> list_of[WatchedRepository]:
        return self.watching()

    def follow(self, run_id: str, revision: int = -1, wait_seconds: float = 0.0) -> CiRun:
        run = self._book.find(run_id)
        self._awaited(run)
        found = self._book.wait(run.id, revision, min(max(0.0, wait_seconds), _MOST_WAIT_SECONDS))
        self._awaited(found)
        return found

    def _awaited(self, run: CiRun) -> None:
        if not run.state.is_final:
            self._asked[run.id] = self._now()

    def cancel(self, run_id: str) -> CiRun:
        known = self._book.find(run_id)
        if known.state is CiState.CANCELLED:
            self._driver.sweep(known.id)
            return known
        return self._driver.cancel(known.id, f"It was cancelled by {current_caller().user}.")

    def promote(self, repository: str, tag: str, alias: str = "champion") -> Approval:
        return self.take_tag(repository, tag, alias)

    # -- for rules -----------------------------------------------------------------------------

    def begin_at(self, asked: CiAsked, commit: str, origin: str) -> CiRun:
        """Begin a run of a commit of a repository, or find the one of this origin. Raises DeskError."""
        found = self._book.of_origin(origin)
        if found is not None:
            return found
        source = Source(git=asked.repository, ref=commit)
        with self._snapshots.taken(source, current_caller().uid) as snapshot:
            return self._begin(asked, snapshot, is_dirty=False, origin=origin)

    # -- inside --------------------------------------------------------------------------------

    def _begin(self, asked: CiAsked, snapshot: CodeSnapshot, *, is_dirty: bool, origin: str | None = None) -> CiRun:
        told = git_identity(snapshot.facts)
        document = self._document(snapshot.sha256, asked.file)
        file, caller = parse_pipeline(document), current_caller()
        if origin is None:  # a rule gives the same to each commit, also to one that reads less
            check_data(file, asked.data)
        ref = asked.ref if asked.ref is not None else told.branch
        kind = None if ref is None else asked.kind or BRANCH
        run = CiRun(
            id=lots.token_hex(_ID_BYTES), name=file.name, repository=asked.repository, state=CiState.QUEUED,
            stages=stages_of(file, ref, kind), commit=told.commit, ref=ref, ref_kind=kind, dirty=is_dirty,
            file=asked.file, document=document, source_sha256=snapshot.sha256, git=told, data=asked.data,
            secrets=asked.secrets, attended=asked.attended, origin=origin, created_at=time.time(),
            created_by=caller.uid, user=caller.user, pointers=tuple(map(plain, snapshot.pointers[:_MOST_NAMED])),
            submodules=lacking_submodules(snapshot.facts),
        )  # fmt: skip
        for stage in file.stages:
            if kind_of(stage) is CiStageKind.JOB and not run.stage(stage.name).state.is_over:
                spec_of_stage(file, stage, run)  # what it may not have is said before anything runs
        run = settled(run, run.created_at)
        self._awaited(run)
        if not run.state.is_final:
            self._hold(run.id, snapshot.sha256)
        try:
            self._book.add(run)
        except DeskError:
            self._let_go(run)
            raise
        self._driver.drive_soon(run)
        return run

    def _document(self, sha256: str, path: str) -> str:
        """Return the pipeline's file as it is in a snapshot. Raises NotFound, Invalid."""
        store = self._snapshots.store
        line = next((line for line in store.lines(sha256) if line["path"] == path), None)
        if line is None or "sha256" not in line:
            text = f"The repository has no file {plain(path)} that git knows."
            raise NotFound(text, "Add it and commit, or name another one: --file PATH. F1 shows a whole one.")
        if int(line["size"]) > _LARGEST_FILE:
            raise Invalid(f"{plain(path)} is larger than {_LARGEST_FILE >> 10} KiB.", "It is a page of text.")
        try:
            return (store.tree(sha256) / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"{plain(path)} can't be read as text in UTF-8.", "Save it as that.") from error

    def _hold(self, run_id: str, sha256: str) -> None:
        """Keep the code of a run from being cleared away between two stages. Raises NotFound."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._snapshots.store.in_use(sha256))
            with self._lock:
                self._held[run_id] = stack.pop_all()

    def _let_go(self, run: CiRun) -> None:
        with self._lock:
            held = self._held.pop(run.id, None)
        self._asked.pop(run.id, None)
        if held is not None:
            held.close()
