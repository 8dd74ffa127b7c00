"""The monitors' verbs. A loop proposes monitors for endpoints, looks at those that are due, and tells how they stand.

Looks are made one at a time, by one thread: each reads its source and compares sketches in workers of their own.
"""

import logging
import threading
import time
from builtins import list as list_of
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mlops_desk.drift.monitors import definition, status
from mlops_desk.drift.monitors.answers.answer_columns import GivenAnswers, with_answers
from mlops_desk.drift.monitors.answers.baseline_store import AnswersShelf
from mlops_desk.drift.monitors.answers.repository import AnswersBook
from mlops_desk.drift.monitors.answers.watch import AnswersWatch
from mlops_desk.drift.monitors.column_history import story_of
from mlops_desk.drift.monitors.definition import GivenSource
from mlops_desk.drift.monitors.evaluation import Evaluation
from mlops_desk.drift.monitors.feature_importance import ImportanceVerbs
from mlops_desk.drift.monitors.monitor_loop import MonitorRound
from mlops_desk.drift.monitors.path_check import HeldLooks, check_own, check_own_agent
from mlops_desk.drift.monitors.ports import MonitorHouse, NotEnoughRows
from mlops_desk.drift.monitors.predictions import has_answers, held_in, standing_of_predictions
from mlops_desk.drift.monitors.proposals import model_of, orphans, proposals
from mlops_desk.drift.monitors.repository import RECENT, MonitorBook, new_id
from mlops_desk.drift.monitors.rows import rows_of
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.records.answers import MonitorPerformance, ScoredWindow
from mlops_desk.drift.records.monitors import ColumnStory, JudgedWindow, Monitor, MonitorStanding, MonitorState
from mlops_desk.drift.records.rows import WindowRows
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.report_repository import ReportShelf
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.kit.verbs.declaration import check_limit
from mlops_desk.machine.records.event import MonitorChanged, MonitorRemoved
from mlops_desk.machine.records.history import RecordPoints, forget_points
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState

_log = logging.getLogger(__name__)

TICK_SECONDS = 5.0  # chosen: no monitor is due oftener
_WORST_FIRST = (
    MonitorState.TURNED, MonitorState.UNKNOWN, MonitorState.FINE, MonitorState.WAITING, MonitorState.PAUSED,
)  # fmt: skip


class MonitorService(ImportanceVerbs):
    """Implements ``verbs.DriftMonitors``.

    ``record`` keeps the scores of windows in the history, ``alert_of`` gives the id of the alert that fires for a
    monitor by its name, None without one.
    """

    def __init__(
        self,
        house: MonitorHouse,
        *,
        monitors: StoredRecords[Monitor],
        windows: StoredRecords[JudgedWindow],
        answers: StoredRecords[ScoredWindow],
        shelf: ReportShelf,
        bus: Bus,
        loop: Loop,
        settings: SettingsStore,
        record: RecordPoints = forget_points,
        alert_of: Callable[[str], str | None] = lambda _name: None,
        run: Callable[[str, Mapping[str, Any], float], Any] = run_worker,
    ) -> None:
        self._house = house
        self._book = MonitorBook(monitors, windows)
        self._run = run
        self._evaluation = Evaluation(house.store, self._book, shelf, bus, record, run)
        self._round = MonitorRound(house, self._book, self._evaluation)
        shelf_of_answers = AnswersShelf(house.folder)
        self._answers = AnswersWatch(
            self._book,
            AnswersBook(answers),
            shelf_of_answers,
            house.log_place,
            house.reference_file,
            run,
            record=record,
        )
        self._bus = bus
        self._loop = loop
        self._settings = settings
        self._alert_of = alert_of
        self._looking = threading.Lock()
        self._told: dict[str, MonitorStanding] = {}

    def start(self) -> None:
        """Begin to look at monitors as they say."""
        self._loop.repeat("drift-monitors", TICK_SECONDS, self.check_due)

    def stop(self) -> None:
        """End with the loop; a look that runs is left to its deadline."""

    # -- verbs -----------------------------------------------------------------------------------

    def list(self, endpoint: str | None = None) -> list_of[MonitorStanding]:
        """List monitors, those that have turned first."""
        found = [self._standing(one) for one in self._book.all() if endpoint is None or one.endpoint == endpoint]
        return sorted(found, key=lambda one: (_WORST_FIRST.index(one.state), one.monitor.name))

    def show(self, name: str) -> MonitorStanding:
        """Show one monitor. Raises NotFound, Invalid."""
        return self._standing(self._book.find(name))

    def create(
        self,
        name: str,
        endpoint: str | None = None,
        model: str | None = None,
        files: str | None = None,
        database: str | None = None,
        run: str | None = None,
        query: str | None = None,
        time_column: str | None = None,
        reference: str = "training",
        reference_file: str | None = None,
        pinned_from: float | None = None,
        pinned_to: float | None = None,
        rows: int | None = None,
        span: float | None = None,
        check_every: float | None = None,
        columns: str = "",
        suppressed: Mapping[str, str] | None = None,
        renamed: Mapping[str, str] | None = None,
        targets: str = "",
        predictions: str = "",
        ids: str = "",
        needed: int = 2,
        of: int = 3,
        level: str = "alert",
        segment: str | None = None,
        importance: Mapping[str, str] | None = None,
        task: str | None = None,
        label: str | None = None,
        prediction: str | None = None,
        scores: str = "",
        positive: str | None = None,
        answers_file: str | None = None,
        answers_from: float | None = None,
        answers_to: float | None = None,
        source: str | None = None,
        watermark: str | None = None,
        login: str | None = None,
        real_values: Mapping[str, str] | None = None,
    ) -> MonitorStanding:
        """Watch something. Raises Invalid, NotFound, Refused."""
        definition.check_name(name)
        watched = definition.source_of(
            GivenSource(endpoint, files, database, run, query, time_column, source, watermark, login)
        )
        _check_own(watched, reference_file, answers_file)
        monitor = Monitor(
            id=new_id(), name=name, endpoint=endpoint, model=model,
            source=watched, reference=definition.reference_of(reference, reference_file, pinned_from, pinned_to),
            window=definition.window_of(rows, span, self._rows()), real_values=definition.real_values({}, real_values),
            check_seconds=self._seconds() if check_every is None else check_every,
            columns=definition.names(columns), suppressed=definition.suppressed({}, suppressed),
            renamed=dict(renamed or {}), targets=definition.names(targets), predictions=definition.names(predictions),
            ids=definition.names(ids), needed=needed, of=of, level=level, segment=segment or None,
            importance=definition.weights(importance), created_by=current_caller().uid, created_at=time.time(),
        )  # fmt: skip
        given = GivenAnswers(task, label, prediction, scores, positive, answers_file, answers_from, answers_to)
        return self._made(with_answers(monitor, given))

    def _made(self, monitor: Monitor) -> MonitorStanding:
        """Keep a monitor that nobody has yet, and begin to look. Raises Invalid, NotFound, Refused."""
        with self._held():
            if self._book.named(monitor.name) is not None:
                raise definition.already(monitor.name)
            return self._begun(self._examined(definition.check(monitor)))

    def configure(
        self,
        name: str,
        rows: int | None = None,
        span: float | None = None,
        check_every: float | None = None,
        reference: str | None = None,
        reference_file: str | None = None,
        pinned_from: float | None = None,
        pinned_to: float | None = None,
        columns: str | None = None,
        suppressed: Mapping[str, str] | None = None,
        renamed: Mapping[str, str] | None = None,
        needed: int | None = None,
        of: int | None = None,
        level: str | None = None,
        segment: str | None = None,
        importance: Mapping[str, str] | None = None,
        task: str | None = None,
        label: str | None = None,
        prediction: str | None = None,
        scores: str | None = None,
        positive: str | None = None,
        answers_file: str | None = None,
        answers_from: float | None = None,
        answers_to: float | None = None,
        real_values: Mapping[str, str] | None = None,
    ) -> MonitorStanding:
        """Change a monitor. Raises NotFound, Invalid, Refused."""
        for path in (reference_file, answers_file):
            check_own(path)
        given = GivenAnswers(task, label, prediction, scores, positive, answers_file, answers_from, answers_to)
        with self._held():
            old = self._book.find(name)
            wanted = reference or ("file" if reference_file is not None else None)
            new = definition.changed(
                old,
                window=None if rows is None and span is None else definition.window_of(rows, span, self._rows()),
                check_seconds=check_every,
                reference=wanted and definition.reference_of(wanted, reference_file, pinned_from, pinned_to),
                columns=None if columns is None else definition.names(columns),
                suppressed=None if suppressed is None else definition.suppressed(old.suppressed, suppressed),
                renamed=renamed,
                real_values=None if real_values is None else definition.real_values(old.real_values, real_values),
                needed=needed,
                of=of,
                level=level,
                segment=segment,
                importance=None if importance is None else definition.weights(importance),
                is_proposed=False,
            )
            computed = new.computed if importance is None else None  # what a person says counts from now on
            new = with_answers(replace(new, segment=new.segment or None, computed=computed), given)
            anew = definition.begins_anew(old, new)
            new = self._examined(new, anew=anew)
            if anew:
                self._book.forget_windows(old.id)
            if anew or new.answers is None:
                self._answers.forget(old.id)
            return self._begun(new)

    def remove(self, name: str) -> MonitorStanding:
        """Forget a monitor. Raises NotFound."""
        with self._held():
            monitor = self._book.find(name)
            last = self._standing(monitor)
            self._forget(monitor)
            if monitor.is_proposed:
                self._book.put(replace(monitor, is_refused=True))
            self._tell_alerts()
            return last

    def pause(self, name: str) -> MonitorStanding:
        """Look no more until it is resumed. Raises NotFound."""
        return self._paused(name, is_paused=True)

    def resume(self, name: str) -> MonitorStanding:
        """Look again. Raises NotFound."""
        return self._paused(name, is_paused=False)

    def check(self, name: str) -> MonitorStanding:
        """Look now. Raises NotFound, TimedOut."""
        with self._held():
            monitor = self._looked(self._book.find(name))
            self._announce(monitor)
            self._tell_alerts()
            return self._standing(monitor)

    def history(
        self, name: str, since: float | None = None, until: float | None = None, limit: int = 100
    ) -> list_of[JudgedWindow]:
        """List a monitor's windows, oldest first. Raises NotFound, Invalid."""
        return self._book.history(self._book.find(name).id, since, until, check_limit(limit))

    def story(self, name: str, column: str, since: float | None = None, until: float | None = None) -> ColumnStory:
        """Tell of one column. Raises NotFound, Invalid, Unavailable."""
        monitor = self._book.find(name)
        reference = self._house.store.reference(monitor.id)
        if reference is None:
            look = self._standing(monitor)
            raise NotFound(f"{plain(monitor.name)} has no reference yet. {look.sentence}", look.hint)
        found = self._house.store.column(monitor.id, column, since, until)
        judged = self._book.history(monitor.id, since, until, check_limit(10_000))
        return story_of(monitor, column, reference[1], found, judged)

    def performance(
        self, name: str, since: float | None = None, until: float | None = None, limit: int = 100
    ) -> MonitorPerformance:
        """Tell how good the answers were, window by window. Raises NotFound, Invalid, Unavailable."""
        return self._answers.performance(self._book.find(name), since, until, check_limit(limit))

    def rows(self, name: str, window: str, limit: int = 100) -> WindowRows:
        """List the rows of a window. Raises NotFound, Invalid, TimedOut, Unavailable."""
        return rows_of(self._book.find(name), self._book.window(window), limit, self._run)

    def recompute(self, window_id: str) -> JudgedWindow:
        """Judge a window again. Raises NotFound, Invalid, Unavailable."""
        return self._evaluation.again(self._book.window(window_id))

    def watching(self, endpoint: Endpoint) -> tuple[Monitor, DataProfile | None] | None:
        """Return the monitor of an endpoint's requests with what it holds windows against. Raises DeskError."""
        return self._round.watching(endpoint)

    # -- the round -------------------------------------------------------------------------------

    def check_due(self) -> None:
        """Propose, look at what is due, and tell the alerts how all of them stand."""
        with self._looking:
            try:
                self._propose()
            except DeskError as error:  # the next round tries again
                _log.warning("No monitors are proposed: %s", error.message)
            for monitor in self._book.all():
                if self._loop.ending.is_set():
                    return
                if self._is_scheduled(monitor) and self._round.is_due(monitor):
                    self._announce(self._looked(monitor))
            self._tell_alerts()

    def _looked(self, monitor: Monitor) -> Monitor:
        """Look at a monitor's windows, and then at the answers in them: labels come also while nobody asks."""
        monitor = self._round.look(monitor)
        self._answers.look(monitor)
        return monitor

    def _is_scheduled(self, monitor: Monitor) -> bool:
        """Tell whether the settings let the desk look by itself: 0 seconds means only by hand."""
        return bool(self._settings.number("drift.check_seconds")) or not monitor.is_proposed

    def _rows(self) -> int:
        return int(self._settings.number("drift.window_rows"))

    def _seconds(self) -> float:
        return max(definition.LEAST_CHECK_SECONDS, self._settings.number("drift.check_seconds"))

    def _propose(self) -> None:
        """Go with the endpoints that there are. Raises DeskError where they can't be listed, or nothing can be kept."""
        endpoints = self._house.endpoints()
        for gone in orphans(endpoints, self._book.known()):
            self._forget(gone)
        live = [one for one in endpoints if one.state is EndpointState.LIVE]
        for monitor in proposals(live, self._book.known(), self._rows(), self._seconds(), time.time()):
            self._book.put(monitor)
            self._announce(monitor)
        for monitor in self._book.all():
            if monitor.is_proposed and (monitor.window.rows, monitor.check_seconds) != (self._rows(), self._seconds()):
                self._follow_settings(monitor)

    def _follow_settings(self, monitor: Monitor) -> None:
        """Have a proposed monitor go with the settings."""
        window = replace(monitor.window, rows=self._rows())
        self._book.put(replace(monitor, window=window, check_seconds=self._seconds()))
        self._round.hurry(monitor.id)

    # -- what changes ----------------------------------------------------------------------------

    def _held(self) -> HeldLooks:
        return HeldLooks(self._looking)

    def _examined(self, monitor: Monitor, *, anew: bool = True) -> Monitor:
        """Refuse what does not exist; keep the reference's profile where it is there. Raises DeskError.

        The reference of an endpoint's own data set may be logged later: then the monitor says what it lacks.
        """
        definition.check_followed(monitor.source)
        if monitor.endpoint is not None:
            endpoint = self._house.endpoint(monitor.endpoint)
            monitor = replace(monitor, model=model_of(endpoint))
        elif monitor.model is not None:
            self._house.version(monitor.model)
        known = None if anew else self._house.store.reference(monitor.id)
        try:
            profile = self._house.make_reference(monitor) if known is None else known[1]
        except NotEnoughRows:  # the looks make it as soon as there are enough
            self._house.store.forget(monitor.id)
            return replace(monitor, held_answers=None, reference_found=None)
        definition.check_columns(monitor, [one.column.name for one in profile.columns])
        if known is None:
            held = held_in(profile) if has_answers(monitor) else None
            monitor = replace(monitor, held_answers=held, reference_found=profile.found_as)
            self._house.store.forget(monitor.id)
            self._house.store.put_reference(monitor.id, profile)
        return monitor

    def _begun(self, monitor: Monitor) -> MonitorStanding:
        self._book.put(monitor)
        self._round.hurry(monitor.id)
        self._answers.hurry(monitor.id)
        return self._announce(monitor)

    def _paused(self, name: str, *, is_paused: bool) -> MonitorStanding:
        with self._held():
            monitor = replace(self._book.find(name), is_paused=is_paused)
            told = self._begun(monitor)
            self._tell_alerts()
            return told

    def _forget(self, monitor: Monitor) -> None:
        self._book.remove(monitor)
        self._round.hurry(monitor.id)
        self._told.pop(monitor.id, None)
        self._house.store.forget(monitor.id)
        self._answers.forget(monitor.id)
        if not monitor.is_refused:
            self._bus.publish(MonitorRemoved(monitor.id))

    # -- how they stand --------------------------------------------------------------------------

    def _standing(self, monitor: Monitor) -> MonitorStanding:
        windows = [one for one in self._book.recent(monitor.id) if one.model == monitor.model]
        told = status.standing_of(monitor, windows, self._round.last(monitor.id), self._alert_of(monitor.name))
        of_answers = standing_of_predictions(monitor, windows, self._round.pin_trouble(monitor.id))
        told = replace(told, predictions=of_answers)
        return status.with_answers(told, self._answers.standing(monitor))

    def _announce(self, monitor: Monitor) -> MonitorStanding:
        """Tell everybody how a monitor stands, unless it was told just so."""
        now = self._standing(monitor)
        before = self._told.get(monitor.id)
        self._told[monitor.id] = now
        if before is None or status.timeless(before) != status.timeless(now):
            self._bus.publish(MonitorChanged(now))
        return now

    def _tell_alerts(self) -> None:
        """Tell the alerts how all monitors stand: what they are not told of any more is over."""
        told = []
        for monitor in self._book.all():
            windows = [one for one in self._book.recent(monitor.id)[-RECENT:] if one.model == monitor.model]
            told.append(status.watch(self._standing(monitor), windows))
        self._house.tell(told)


def _check_own(watched: Source, *files: str | None) -> None:
    """Refuse files, and a database, that whoever asks may not read by this agent. Raises Refused."""
    for path in (watched.place if watched.kind is SourceKind.FILE else None, *files):
        check_own(path)
    if watched.kind is SourceKind.SQL:
        check_own_agent()
