"""Looks at the answers of a monitor's windows: which labels are new, what the figures are now, and what is said of it.

A worker joins and scores, and changes nothing. What it tells is kept in one transaction with what follows from it, so
that an agent which is killed at any moment has scored in vain and no more; a window is scored again only where its
labels are others. Windows of another model version stay as they were.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.monitors.answers.alarms import SEEN, spans_after, told_anew, with_span
from mlops_desk.drift.monitors.answers.baseline_store import AnswersShelf, key_of
from mlops_desk.drift.monitors.answers.repository import AnswersBook
from mlops_desk.drift.monitors.answers.worker_protocol import (
    AnswersFacts,
    AskedSpan,
    KeepRequest,
    ScoreAnswer,
    ScoreRequest,
)
from mlops_desk.drift.monitors.repository import MonitorBook
from mlops_desk.drift.performance.metrics import series_of
from mlops_desk.drift.records.answers import AnswersStanding, AnswersState, MonitorPerformance, ScoredWindow
from mlops_desk.drift.records.monitors import JudgedWindow, Monitor
from mlops_desk.drift.records.sources import ReferenceKind
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.history import RecordPoints, forget_points


# How a monitor's answers stand: in a sentence, for lists, alerts and the page on performance. Pure.
def standing_of_answers(
    monitor: Monitor, newest: ScoredWindow | None, trouble: str | None = None, hint: str | None = None
) -> AnswersStanding:
    """Return how a monitor's answers stand after its newest scored window."""
    name = quote(monitor.name)
    if monitor.answers is None:
        told = Hint(f"mlops-desk drift monitors configure {name} --label COLUMN", after=" has answers scored.")
        return AnswersStanding(AnswersState.UNWATCHED, "No column is named that tells what turned out.", hint=told)
    if trouble is not None:
        return AnswersStanding(AnswersState.UNKNOWN, f"The answers can't be scored: {trouble}", None, trouble, hint)
    if newest is None:
        return AnswersStanding(AnswersState.UNLABELLED, "No window has been scored yet.", hint=_feedback(monitor))
    if newest.alarm:
        return AnswersStanding(AnswersState.TURNED, newest.why, newest.turned_at)
    state = AnswersState.FINE if newest.state in SEEN else newest.state
    if state is AnswersState.NO_REFERENCE:
        told = Hint(
            f"mlops-desk drift monitors configure {name} --answers-from TIME --answers-to TIME",
            before="Name a span in which answers were good, or a file (--answers-file): ",
        )
        return AnswersStanding(state, newest.why, hint=told)
    needs = state in {AnswersState.UNLABELLED, AnswersState.INSUFFICIENT}
    return AnswersStanding(state, newest.why, hint=_feedback(monitor) if needs else None)


def _feedback(monitor: Monitor) -> Hint:
    column = plain(monitor.answers.label if monitor.answers is not None else "", 60)
    after = f" takes labels: its columns are request_id and {column}."
    return Hint(f"mlops-desk endpoints feedback {quote(monitor.source.place)} FILE", after=after)


def performance_of_monitor(
    monitor: Monitor, windows: Sequence[ScoredWindow], standing: AnswersStanding, facts: AnswersFacts
) -> MonitorPerformance:
    """Return what ``drift monitors performance`` answers; ``windows`` oldest first."""
    return MonitorPerformance(
        monitor.id,
        standing,
        monitor.answers,
        kind=facts.kind,
        classes=facts.classes,
        positive=facts.positive,
        reference=facts.reference,
        reference_counts=facts.reference_counts,
        calibrated=facts.calibrated,
        windows=tuple(windows),
        notes=facts.notes,
    )


_log = logging.getLogger(__name__)

WORKER = "mlops_desk.drift.monitors.answers.worker"
WORKER_SECONDS = 120.0  # chosen: fifty windows of 1,000 rows take some seconds, on a busy machine a minute
MOST_AT_ONCE = 50  # chosen: so that one look ends; the next goes on
_RETRY_SECONDS = 900.0  # chosen: a reference that lacked is named by a person, and then it is looked for at once
_USUAL_ROWS = 1000  # as the setting drift.window_rows, for windows by time

Run = Callable[[str, Mapping[str, Any], float], Any]


@dataclass(slots=True)
class _Looked:
    """How the last look went: ``mark`` is what it saw, ``lacks`` why there is no reference, ``retry_at`` till when."""

    mark: object = None
    trouble: DeskError | None = None
    lacks: DeskError | None = None
    retry_at: float = -math.inf


class AnswersWatch:
    """Scores answers, one monitor at a time; whoever looks holds the lock of the looks.

    ``log_place`` tells where the log of a monitor's endpoint lies, ``reference_file`` finds the data that a monitor is
    held against; both may raise DeskError. ``run`` runs a worker, ``record`` keeps figures in the history.
    """

    def __init__(
        self,
        book: MonitorBook,
        answers: AnswersBook,
        shelf: AnswersShelf,
        log_place: Callable[[Monitor], LogPlace],
        reference_file: Callable[[Monitor], Path],
        run: Run,
        clock: Callable[[], float] = time.monotonic,
        record: RecordPoints = forget_points,
    ) -> None:
        self._book = book
        self._answers = answers
        self._shelf = shelf
        self._log_place = log_place
        self._reference_file = reference_file
        self._run = run
        self._clock = clock
        self._record = record
        self._lock = threading.Lock()
        self._looked: dict[str, _Looked] = {}

    def look(self, monitor: Monitor) -> None:
        """Score what is new of a monitor's answers. Raises nothing: its standing says what went wrong."""
        if monitor.answers is None or monitor.is_paused:
            return
        looked = self._last(monitor)
        try:
            self._look(monitor, looked)
        except (DeskError, OSError) as error:
            known = error if isinstance(error, DeskError) else _of_disk(error)
            if looked.trouble is None:
                _log.warning("The answers of %s can't be scored: %s", monitor.name, known.message)
            looked.trouble = known
        else:
            looked.trouble = None

    def standing(self, monitor: Monitor) -> AnswersStanding | None:
        """Return how the answers stand; None where nobody wants them scored. Raises Unavailable."""
        if monitor.answers is None:
            return None
        looked = self._last(monitor)
        newest = self._answers.newest(monitor.id)
        if newest is not None and newest.model != monitor.model:
            newest = None
        trouble = looked.trouble
        told = standing_of_answers(
            monitor, newest, None if trouble is None else trouble.message, None if trouble is None else trouble.hint
        )
        if told.state is AnswersState.NO_REFERENCE and looked.lacks is not None:
            return replace(told, sentence=f"{told.sentence} {looked.lacks.message}")
        return told

    def performance(self, monitor: Monitor, since: float | None, until: float | None, limit: int) -> MonitorPerformance:
        """Return the newest windows of a span. Raises Unavailable."""
        chosen = [
            one
            for one in self._answers.all(monitor.id)
            if (since is None or one.window_end >= since) and (until is None or one.window_start <= until)
        ]
        standing = self.standing(monitor) or standing_of_answers(monitor, None)
        try:
            facts = self._shelf.facts(monitor)
        except OSError as error:
            raise _of_disk(error) from error
        return performance_of_monitor(monitor, chosen[-limit:], standing, facts)

    def hurry(self, monitor_id: str) -> None:
        """Look at everything with the next look: what a person has changed counts at once."""
        with self._lock:
            self._looked.pop(monitor_id, None)

    def forget(self, monitor_id: str) -> None:
        """Forget a monitor's scored windows and its reference. Raises Unavailable."""
        self._answers.forget_monitor(monitor_id)
        self._shelf.forget(monitor_id)
        self.hurry(monitor_id)

    def _last(self, monitor: Monitor) -> _Looked:
        with self._lock:
            return self._looked.setdefault(monitor.id, _Looked())

    def _look(self, monitor: Monitor, looked: _Looked) -> None:
        newest = next(reversed(self._book.recent(monitor.id)), None)
        if newest is None:
            return
        place = self._log_place(monitor)
        mark = (key_of(monitor), newest.id, place.revisions, _feedback_mark(place))
        if mark == looked.mark:
            return
        known = self._windows(monitor)
        with scratch("answers") as folder:
            reference = self._reference(monitor, place, looked, Path(folder))
            answer = self._scored(monitor, known, place, reference, Path(folder))
        has_reference = reference is not None or looked.lacks is None
        self._keep(monitor, known, answer, None if reference is None else key_of(monitor))
        looked.mark = mark if has_reference and not answer.has_more else None

    def _windows(self, monitor: Monitor) -> list[ScoredWindow]:
        """Return the windows of the present model version, those among them that were never scored."""
        stored = self._answers.all(monitor.id)
        known = {one.id for one in stored}
        judged = self._book.recent(monitor.id) if stored else self._book.history(monitor.id, None, None, _EVERY)
        fresh = [_begun(one) for one in judged if one.id not in known]
        self._trim(monitor, stored)
        found = [one for one in (*stored, *fresh) if one.model == monitor.model]
        return sorted(found, key=lambda one: one.number)

    def _trim(self, monitor: Monitor, stored: Sequence[ScoredWindow]) -> None:
        """Forget windows as their judged ones are forgotten."""
        oldest = self._book.oldest_number(monitor.id)
        if oldest is not None:
            self._answers.forget([one for one in stored if one.number < oldest])

    def _scored(
        self, monitor: Monitor, known: Sequence[ScoredWindow], place: LogPlace, reference: Path | None, folder: Path
    ) -> ScoreAnswer:
        assert monitor.answers is not None  # noqa: S101 - the caller has seen to it
        key = None if reference is None else key_of(monitor)
        learned = None if reference is None else self._shelf.learned(monitor)
        cut = spans_after(known)
        request = ScoreRequest(
            place,
            monitor.answers,
            tuple(_span(one, cut[one.id], key) for one in known),
            str(folder),
            monitor.window.rows or _USUAL_ROWS,
            MOST_AT_ONCE,
            None if reference is None else str(reference),
            None if learned is None else str(learned),
        )
        told = self._run(WORKER, {"score": wire.to_builtins(request)}, WORKER_SECONDS)
        answer = wire.from_builtins(told, ScoreAnswer)
        if answer.learned is not None:
            self._shelf.put_learned(monitor, Path(answer.learned))
        return answer

    def _keep(
        self, monitor: Monitor, known: Sequence[ScoredWindow], answer: ScoreAnswer, reference_id: str | None
    ) -> None:
        """Tell anew what follows from the scores, and keep what is another than before in one transaction."""
        if answer.facts is not None:
            self._shelf.put_facts(monitor, answer.facts)
        facts = answer.facts or self._shelf.facts(monitor)
        scored = {one.id: one for one in answer.windows}
        fresh = [with_span(one, scored[one.id], reference_id) if one.id in scored else one for one in known]
        first = next((at for at, one in enumerate(known) if one.id in scored or one.scored_at is None), None)
        if first is None:
            self._tell(monitor, known, ())
            return
        told = told_anew(fresh[:first], fresh[first:], facts, time.time())
        before = {one.id: one for one in known}
        changed = [one for one in told if one != before[one.id]]
        self._answers.put_all(changed)
        self._tell(monitor, [*fresh[:first], *told], changed)

    def _tell(self, monitor: Monitor, windows: Sequence[ScoredWindow], changed: Sequence[ScoredWindow]) -> None:
        """Put figures into the history, and tell what the newest ones are."""
        for series, points in series_of(monitor.name, windows, changed):
            self._record(series, points)

    def _reference(self, monitor: Monitor, place: LogPlace, looked: _Looked, folder: Path) -> Path | None:
        """Return the kept reference, made where there is none; None where it lacks, with the reason in ``looked``."""
        kept = self._shelf.reference(monitor)
        if kept is not None:
            looked.lacks = None
            return kept
        if self._clock() < looked.retry_at:
            return None
        try:
            made = self._made(monitor, place, folder)
        except DeskError as error:
            looked.lacks, looked.retry_at = error, self._clock() + _RETRY_SECONDS
            return None
        looked.lacks = None
        return self._shelf.put_reference(monitor, made)

    def _made(self, monitor: Monitor, place: LogPlace, folder: Path) -> Path:
        assert monitor.answers is not None  # noqa: S101 - the caller has seen to it
        held = monitor.answers_reference or monitor.reference
        if held.kind is ReferenceKind.PREVIOUS:
            raise Invalid("The window before is no reference of answers.", "Name a file or a span of good answers.")
        if held.kind is ReferenceKind.PINNED and held.start is not None and held.end is not None:
            out = folder / "kept.parquet"
            request = KeepRequest(monitor.answers, str(folder), str(out), None, place, held.start, held.end)
        else:
            path = Path(held.path) if held.path is not None else self._reference_file(monitor)
            out = folder / f"kept{path.suffix}"
            request = KeepRequest(monitor.answers, str(folder), str(out), str(path))
        self._run(WORKER, {"keep": wire.to_builtins(request)}, WORKER_SECONDS)
        return out


_EVERY = 10_000  # more than are kept of any monitor


def _begun(window: JudgedWindow) -> ScoredWindow:
    return ScoredWindow(
        window.id, window.monitor, window.window_start, window.window_end, window.n_rows, window.number,
        AnswersState.UNLABELLED, model=window.model,
    )  # fmt: skip


def _span(window: ScoredWindow, cut_at: float | None, key: str | None) -> AskedSpan:
    after = cut_at if cut_at is not None else math.nextafter(window.window_start, -math.inf)
    is_same = window.reference_id == key
    n_rows = 0 if window.counts is None else window.counts.n_rows
    return AskedSpan(window.id, after, window.window_end, window.labels if is_same else None, n_rows)


def _feedback_mark(place: LogPlace) -> tuple[tuple[str, int, int], ...]:
    """Return what changes with the feedback of a log. Raises OSError."""
    found = []
    for path in sorted((Path(place.folder) / "feedback").glob("*.parquet")):
        try:
            told = path.stat()
        except FileNotFoundError:  # merged away meanwhile: another file holds it, and the next look sees that
            continue
        found.append((path.name, told.st_size, told.st_mtime_ns))
    return tuple(found)


def _of_disk(error: OSError) -> DeskError:
    text = f"What is kept of answers can't be read or written: {error.strerror}."
    return Unavailable(text, "Check the data folder's permissions, and whether its disk is full.")
