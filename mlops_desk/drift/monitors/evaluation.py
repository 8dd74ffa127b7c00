"""Fresh windows judged, kept and told: a report of each, its entry in the monitor's history, and its scores.

A worker compares the sketches. What is judged twice, after a crash in between, is one window: its id is the same.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_desk.drift.metrics import points_of
from mlops_desk.drift.monitors.ports import SketchHead, SketchStore
from mlops_desk.drift.monitors.repository import MonitorBook, new_id, window_id
from mlops_desk.drift.monitors.state_machine import followed
from mlops_desk.drift.monitors.window_scores import judged_anew, never_sent, options_of
from mlops_desk.drift.profile.file_format import to_bytes
from mlops_desk.drift.profile.profile import DataProfile, beside
from mlops_desk.drift.records.monitors import JudgedWindow, Monitor
from mlops_desk.drift.records.report import DriftOptions, DriftReport
from mlops_desk.drift.records.sources import ReferenceKind
from mlops_desk.drift.report_repository import ReportShelf
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.machine.records.event import DriftReported
from mlops_desk.machine.records.history import RecordPoints

_log = logging.getLogger(__name__)

WORKER = "mlops_desk.drift.monitors.worker"
_WINDOW = "window"
"""What the store calls a window as it was cut, and no sum of several."""
_LOOKED_AT = 1000  # chosen: more than can be cut between two looks
_AT_ONCE = 50  # chosen: the worker holds them all; the next look goes on
_SEGMENTED_AT_ONCE = 5
"""A window of 50 columns and thirteen segments takes 1.4 s of a busy machine (measured), and 3 MB of memory."""
WORKER_SECONDS = 120.0  # chosen: hundreds of windows of a thousand columns on a busy machine

Run = Callable[[str, Mapping[str, Any], float], Any]
Judged = tuple[DriftReport, Mapping[str, tuple[float | None, float | None]]]


def _last_judged(recent: Sequence[JudgedWindow], stored: Sequence[SketchHead]) -> int:
    """Return the number of the stored window that was judged last; 0 where the store has begun anew since.

    A store that was lost counts from 1 again: held against the old numbers, its windows would never be judged.
    """
    last = recent[-1].stored_id or 0 if recent else 0
    return last if last <= max((head.id for head in stored), default=0) else 0


class Evaluation:
    """Judges windows. ``record`` keeps their scores in the history, ``run`` runs a worker (raises DeskError)."""

    def __init__(
        self, store: SketchStore, book: MonitorBook, shelf: ReportShelf, bus: Bus, record: RecordPoints, run: Run
    ) -> None:
        self._store = store
        self._book = book
        self._shelf = shelf
        self._bus = bus
        self._record = record
        self._run = run

    def judge(
        self,
        monitor: Monitor,
        digest: str,
        reference: DataProfile,
        inputs: Collection[str] = (),
        redacted: tuple[str, ...] = (),
    ) -> list[JudgedWindow]:
        """Judge what the store has and nobody has judged yet, keep and tell it. Raises DeskError.

        ``inputs`` are the model's by its signature, none where that is not known; ``redacted`` columns are not
        judged. A window that is no longer to be had, or is damaged, is passed over: the store says so in the log. What
        was kept before an error stays.
        """
        step = _AT_ONCE if reference.segments is None else _SEGMENTED_AT_ONCE
        kept: list[JudgedWindow] = []
        while len(kept) < _AT_ONCE and (news := self._fresh(monitor, digest, step)):
            profiles, recent = [profile for _, profile in news], self._book.recent(monitor.id)
            unsent = never_sent(reference, profiles, recent, inputs)
            options = replace(options_of(monitor), unsent=unsent, redacted=redacted)
            previous = monitor.reference.kind is ReferenceKind.PREVIOUS
            held = self.held_against(monitor, next(reversed(recent), None), reference)
            found = self.compare(held, profiles, options, previous=previous)
            kept += [
                self._keep(monitor, head, digest, options, one) for (head, _), one in zip(news, found, strict=True)
            ]
        return kept

    def _fresh(self, monitor: Monitor, digest: str, most: int) -> list[tuple[SketchHead, DataProfile]]:
        recent = self._book.recent(monitor.id)
        known = {window.id for window in recent}
        stored = self._store.windows(monitor.id, limit=_LOOKED_AT)
        last = _last_judged(recent, stored)
        heads = [head for head in stored if head.level == _WINDOW and head.reference_id == digest and head.id > last]
        found = []
        for head in sorted(heads, key=lambda one: one.id)[:most]:
            if window_id(monitor, head) in known:
                continue
            try:
                found.append(self._store.profile(head.id))
            except (NotFound, Invalid) as error:
                _log.warning("A window of %s can't be judged: %s", monitor.name, error.message)
        return found

    def held_against(self, monitor: Monitor, before: JudgedWindow | None, reference: DataProfile) -> DataProfile:
        """Return what a window is held against that follows ``before``; ``reference`` is what its bins are of.

        Columns that earlier windows do not have yet (answers, before they were pinned) are held against ``reference``.
        Raises NotFound where no window was cut in a pinned span.
        """
        kind, start, end = monitor.reference.kind, monitor.reference.start, monitor.reference.end
        if kind is ReferenceKind.PINNED and start is not None and end is not None:
            return beside(self._store.merged(monitor.id, start, end), reference)
        if kind is not ReferenceKind.PREVIOUS or before is None or before.stored_id is None:
            return reference
        if before.model != monitor.model:
            return reference
        try:
            return beside(self._store.profile(before.stored_id)[1], reference)
        except (NotFound, Invalid):
            return reference  # it is no longer kept: the next window has this one

    def compare(
        self, reference: DataProfile, windows: Sequence[DataProfile], options: DriftOptions, *, previous: bool = False
    ) -> list[Judged]:
        """Compare sketches in a worker. Raises DeskError."""
        with scratch("windows") as folder:
            paths = [Path(folder) / f"{at}.profile" for at in range(len(windows) + 1)]
            for path, profile in zip(paths, [reference, *windows], strict=True):
                write_atomically(path, to_bytes(profile), mode=0o600)
            request = {
                "reference": str(paths[0]),
                "windows": [str(path) for path in paths[1:]],
                "options": wire.to_builtins(options),
                "previous": previous,
            }
            answers = self._run(WORKER, request, WORKER_SECONDS)
        return [
            (
                wire.from_builtins(answer["report"], DriftReport),
                {name: (before, now) for name, (before, now) in answer["middles"].items()},
            )
            for answer in answers
        ]

    def again(self, window: JudgedWindow) -> JudgedWindow:
        """Judge a window again, by what it was judged by. Raises NotFound, Invalid, Unavailable."""
        if window.stored_id is None or window.reference_id is None or window.options is None:
            raise NotFound("What this window was judged by is not kept.", "Newer windows can be judged again.")
        _, profile = self._store.profile(window.stored_id)
        reference = self._store.profile_by_digest(window.reference_id)
        monitor = self._book.get(window.monitor)
        if monitor is not None:
            reference = self.held_against(monitor, self._book.before(window), reference)
        return judged_anew(window, *self.compare(reference, [profile], window.options)[0])

    def _keep(
        self, monitor: Monitor, head: SketchHead, digest: str, options: DriftOptions, judged: Judged
    ) -> JudgedWindow:
        report, middles = judged
        now = time.time()
        judged_window = JudgedWindow(
            id=window_id(monitor, head),
            monitor=monitor.id,
            window_start=head.start,
            window_end=head.end,
            n_rows=head.n_rows,
            verdict=report.verdict,
            alarm=False,
            columns={},
            model=monitor.model,
            reference_id=digest,
            report_id=new_id(),
            created_at=now,
            options=options,
            stored_id=head.id,
        )
        window = followed(
            [one for one in self._book.recent(monitor.id) if one.model == monitor.model],
            judged_anew(judged_window, report, middles),
            monitor.needed,
            monitor.of,
        )
        newest = next(reversed(self._book.recent(monitor.id)), None)
        window = replace(window, number=1 if newest is None else newest.number + 1)
        told = replace(
            report,
            id=window.report_id,
            endpoint=monitor.endpoint,
            model=monitor.model,
            created_at=now,
            window_start=head.start,
            window_end=head.end,
            reference=str(monitor.reference.kind),
            current=f"window of {head.n_rows:,} rows",
            alarm=window.alarm,
            monitor=monitor.id,
        )
        self._shelf.put(told)
        self._book.add(window)
        for series, at, value in points_of(told):
            self._record(series, [(at, value)])
        self._bus.publish(DriftReported(told))
        return window
