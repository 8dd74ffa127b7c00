"""The round: which monitor is due, and a look at one; what went wrong is kept for its standing, and said in no notice.

An endpoint that nobody has asked yet, or asks no more, is not looked at: that costs nothing. A monitor that can't be
judged is looked at again after a pause; its alert neither begins nor ends meanwhile.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from mlops_desk.drift.monitors.evaluation import Evaluation
from mlops_desk.drift.monitors.ports import MonitorHouse, NotEnoughRows
from mlops_desk.drift.monitors.predictions import (
    ENOUGH_ROWS,
    RETRY_SECONDS,
    has_answers,
    held_in,
    quiet_rows,
)
from mlops_desk.drift.monitors.proposals import model_of
from mlops_desk.drift.monitors.repository import MonitorBook
from mlops_desk.drift.monitors.status import LastLook
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.records.monitors import HeldAnswers, Monitor
from mlops_desk.drift.records.sources import ReferenceKind, SourceKind
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound
from mlops_desk.kit.base.failures import pause_after
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState

_log = logging.getLogger(__name__)

PAUSES = (30.0, 60.0, 300.0, 900.0)
"""Chosen: a registry that starts is back within the first; a data set that lacks is logged by a person."""
QUIET_SECONDS = 120.0
"""Chosen: an answer is logged when it was given, and the cutter leaves the newest minute to those still being given."""
UNASKED = "Waits for the first request."


@dataclass(frozen=True, slots=True)
class _FailedPin:
    """Why answers could not be pinned, and from when on it is tried again."""

    error: DeskError
    retry_at: float


class MonitorRound:
    """Looks at monitors, one at a time; whoever calls holds the lock. ``clock`` only grows."""

    def __init__(
        self,
        house: MonitorHouse,
        book: MonitorBook,
        evaluation: Evaluation,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._house = house
        self._book = book
        self._evaluation = evaluation
        self._clock = clock
        self._looks: dict[str, LastLook] = {}
        self._due: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._asked: dict[str, tuple[int, float]] = {}
        self._pins: dict[str, _FailedPin] = {}

    def last(self, monitor_id: str) -> LastLook:
        return self._looks.get(monitor_id, LastLook())

    def pin_trouble(self, monitor_id: str) -> DeskError | None:
        """Say why a monitor's answers could not be pinned; None where nobody has tried, or they are."""
        failed = self._pins.get(monitor_id)
        return None if failed is None else failed.error

    def is_due(self, monitor: Monitor) -> bool:
        return not monitor.is_paused and self._clock() >= self._due.get(monitor.id, 0.0)

    def hurry(self, monitor_id: str) -> None:
        """Have a monitor looked at with the next round, whatever it waited for."""
        self._due.pop(monitor_id, None)
        self._failures.pop(monitor_id, None)
        self._looks.pop(monitor_id, None)
        self._asked.pop(monitor_id, None)
        self._pins.pop(monitor_id, None)

    def look(self, monitor: Monitor) -> Monitor:
        """Judge what is new of a monitor; return it, which may be about another version now. Raises nothing."""
        try:
            monitor, told = self._looked(monitor)
        except DeskError as error:
            self._failures[monitor.id] = self._failures.get(monitor.id, 0) + 1
            if self._failures[monitor.id] == 1:
                _log.warning("The drift monitor %s can't be judged: %s", monitor.name, error.message)
            told = replace(self.last(monitor.id), trouble=error.message, hint=error.hint, waits=LastLook().waits)
        else:
            self._failures.pop(monitor.id, None)
        failures = self._failures.get(monitor.id, 0)
        seconds = max(monitor.check_seconds, pause_after(failures - 1, PAUSES) if failures else 0.0)
        now = time.time()
        self._due[monitor.id] = self._clock() + seconds
        self._looks[monitor.id] = replace(told, checked_at=now, next_check_at=now + seconds)
        return monitor

    def _looked(self, monitor: Monitor) -> tuple[Monitor, LastLook]:
        endpoint = self._endpoint(monitor)
        if endpoint is not None and (waits := self._waits(monitor, endpoint)) is not None:
            return monitor, LastLook(waits=waits, hint=_ask(endpoint))
        if endpoint is not None and self._is_quiet(monitor, endpoint):
            return monitor, self.last(monitor.id)
        try:
            monitor, digest, reference = self._reference(monitor, endpoint)
        except NotEnoughRows as error:
            return monitor, LastLook(waits=error.message, hint=error.hint)
        taken = self._house.take(monitor, reference)
        pending = taken.pending_rows
        inputs = () if endpoint is None else self._house.inputs(endpoint)
        redacted = self._house.redacted(monitor)
        judged = self._evaluation.judge(monitor, digest, reference, inputs, redacted)
        monitor = self._with_answers(monitor)
        if endpoint is not None and endpoint.load is not None:
            self._note(monitor, endpoint.load.requests_total, is_news=bool(judged), pending=pending)
        waits = _waits_for_rows(monitor, pending)
        notes = taken.notes or self.last(monitor.id).notes  # of what is in no window; they stay until others come
        return monitor, LastLook(
            waits=waits, pending_rows=pending, n_late=taken.n_late, n_rejected=taken.n_rejected, notes=notes,
            redacted=tuple(one.column.name for one in reference.columns if one.column.name.casefold() in redacted),
        )  # fmt: skip

    def watching(self, endpoint: Endpoint) -> tuple[Monitor, DataProfile | None] | None:
        """Return the monitor of an endpoint's requests, the one of its name first, and what it holds windows against.

        None of it where nobody has made it yet; None where no monitor looks. Raises DeskError.
        """
        source = SourceKind.LOG, endpoint.name
        found = [one for one in self._book.all() if (one.source.kind, one.source.place) == source]
        if not found:
            return None
        monitor = min(found, key=lambda one: one.name != endpoint.name)
        known = self._house.store.reference(monitor.id)
        if known is None or monitor.model != model_of(endpoint):
            is_training = monitor.reference.kind is ReferenceKind.TRAINING
            return monitor, None if is_training else self._house.make_reference(monitor)
        newest = next(reversed(self._book.recent(monitor.id)), None)
        return monitor, self._evaluation.held_against(monitor, newest, known[1])

    def _is_quiet(self, monitor: Monitor, endpoint: Endpoint) -> bool:
        """Tell whether nobody has asked for so long that the log has nothing more; windows of time end all the same."""
        total, since = self._asked.get(monitor.id, (None, 0.0))
        is_same = endpoint.load is not None and endpoint.load.requests_total == total
        is_same = is_same and monitor.model == model_of(endpoint) and monitor.window.rows is not None
        return is_same and self._clock() - since > QUIET_SECONDS

    def _note(self, monitor: Monitor, total: int, *, is_news: bool, pending: int | None) -> None:
        """Take note of how much was asked, and since when a look has brought nothing new."""
        known = self._asked.get(monitor.id)
        is_quiet = known is not None and known[0] == total and not is_news
        if known is None or not is_quiet or pending != self.last(monitor.id).pending_rows:
            self._asked[monitor.id] = total, self._clock()

    def _endpoint(self, monitor: Monitor) -> Endpoint | None:
        if monitor.source.kind is not SourceKind.LOG:
            return None
        try:
            return self._house.endpoint(monitor.source.place)
        except NotFound as error:
            hint = Hint(f"mlops-desk drift monitors remove {monitor.name}", after=" forgets the monitor.")
            raise NotFound(error.message, hint) from error

    def _waits(self, monitor: Monitor, endpoint: Endpoint) -> str | None:
        """Say why there is nothing to look at; None where there may be."""
        total = endpoint.load.requests_total if endpoint.load is not None else None
        if total == 0 and not self._book.recent(monitor.id):
            return UNASKED
        if endpoint.state not in {EndpointState.LIVE, EndpointState.UNHEALTHY, EndpointState.ASLEEP}:
            return f"The endpoint is {endpoint.state}."
        return None

    def _reference(self, monitor: Monitor, endpoint: Endpoint | None) -> tuple[Monitor, str, DataProfile]:
        """Return what windows are held against; another version of the endpoint's model has another one."""
        now = monitor if endpoint is None else replace(monitor, model=model_of(endpoint))
        known = self._house.store.reference(monitor.id)
        if known is not None and now.model == monitor.model:
            return monitor, *known
        made = self._house.make_reference(now)
        digest = self._house.store.put_reference(monitor.id, made)
        now = replace(now, held_answers=held_in(made) if has_answers(now) else None, reference_found=made.found_as)
        if known is None and (judged := self._book.recent(monitor.id)):  # the store of windows was lost, and its cursor
            now = replace(now, begun_at=math.nextafter(judged[-1].window_end, math.inf))
        self._pins.pop(monitor.id, None)
        if now != monitor:
            self._book.put(now)
        return now, digest, made

    def _with_answers(self, monitor: Monitor) -> Monitor:
        """Have the answers of the first quiet windows be what others are held against, where nothing logged is."""
        if monitor.held_answers is not None or not has_answers(monitor):
            return monitor
        failed = self._pins.get(monitor.id)
        quiet = quiet_rows([one for one in self._book.recent(monitor.id) if one.model == monitor.model])
        if quiet is None or quiet.n_rows < ENOUGH_ROWS or (failed is not None and self._clock() < failed.retry_at):
            return monitor
        try:
            pinned = self._house.pin(monitor, quiet.start, quiet.end)
        except DeskError as error:  # its windows are judged all the same, and its standing says what its answers lack
            self._pins[monitor.id] = _FailedPin(error, self._clock() + RETRY_SECONDS)
            _log.warning("The answers of %s can't be judged: %s", monitor.name, error.message)
            return monitor
        self._pins.pop(monitor.id, None)
        held = HeldAnswers(pinned.columns, is_logged=False, start=quiet.start, end=quiet.end, n_rows=pinned.n_rows)
        monitor = replace(monitor, held_answers=held)
        self._book.put(monitor)
        return monitor


def _ask(endpoint: Endpoint) -> str | None:
    return f"Send it requests: {endpoint.url}" if endpoint.url else None


def _waits_for_rows(monitor: Monitor, pending: int | None) -> str:
    rows = monitor.window.rows
    if rows is not None and pending is not None:
        return f"Waits for its first window: {pending:,} of {rows:,} rows are there."
    return "Waits for its first window."
