"""Where a dry run is judged: in a worker, for the quarter of a machine's GPUs takes a core for half a minute.

An agent that judged it itself would answer nobody meanwhile. The worker gets the document and the curves, and tells
what the engine, fed with them, would have done; who began it hears how far it is, and may stop it by their ticket.
"""

import base64
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from mlops_desk.automation.records.dry_run import WouldFire
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.rules.document.conditions import Metrics
from mlops_desk.automation.rules.dry_run import PastSeries, would_fire
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, TimedOut, Unavailable
from mlops_desk.kit.base.process import run_watched
from mlops_desk.machine.records.metric import Metric

WORKER = "mlops_desk.automation.rules.dry_run_worker"
_SECONDS = 240.0
"""Chosen: 92 days of 32 things, the longest that is taken, last half a minute of one core; a busy machine has few."""
_SILENT_SECONDS = 60.0  # chosen: a worker tells of each day, and loads within some seconds on a busy machine
WHOLE = 100
"""In so many parts the worker tells how far it is."""
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """What the worker is asked. ``series`` have their values as base64 of 64-bit floats, NaN where there is a gap."""

    document: str
    metrics: tuple[Metric, ...]
    since: float
    until: float
    series: tuple["TrialSeries", ...]


@dataclass(frozen=True, slots=True)
class TrialSeries:
    """One fact of a thing from ``start`` (Unix time) on, a value for each ``step_seconds``."""

    fact: str
    thing: str
    start: float
    step_seconds: float
    values: str


class TrialWork(Protocol):
    """What is under way, as far as a dry run tells of itself."""

    stopping: Event

    def tell(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Say what is done now. Raises Refused where it is to stop, Unavailable where the agent ends."""

    def over(self) -> DeskError:
        """Return what it ends with, once it is to stop."""


Begun = Callable[[str, str | None], AbstractContextManager[TrialWork]]
"""Gives the work that is done inside, by what it is and a ticket. Raises Refused where the ticket is in use."""


class RuleTrial(Protocol):
    """Judges a rule by history."""

    def begun(self, ticket: str | None) -> AbstractContextManager[TrialWork]: ...

    def judged(
        self,
        document: str,
        spec: RuleSpec,
        metrics: Metrics,
        past: Sequence[PastSeries],
        span: tuple[float, float],
        work: TrialWork,
    ) -> list[WouldFire]:
        """Return what a rule would have done between two Unix times. Raises DeskError."""


class WorkerTrial:
    """Judges in a process of its own. ``begin`` keeps the book of what is under way."""

    def __init__(self, begin: Begun) -> None:
        self._begin = begin

    def begun(self, ticket: str | None) -> AbstractContextManager[TrialWork]:
        return self._begin("The dry run", ticket)

    def judged(
        self,
        document: str,
        spec: RuleSpec,
        metrics: Metrics,
        past: Sequence[PastSeries],
        span: tuple[float, float],
        work: TrialWork,
    ) -> list[WouldFire]:
        """Return what it would have done. Raises Refused once it is stopped, TimedOut, and Unavailable."""
        del spec  # the worker reads the document itself: conditions have no form of their own to travel in
        request = TrialRequest(document, tuple(metrics.values()), *span, tuple(map(_packed, past)))
        ends_at = time.monotonic() + _SECONDS

        def hear(line: str) -> bool:
            if line.isdigit():
                work.tell("Judging.", min(int(line), WHOLE), WHOLE)
            return not work.stopping.is_set() and time.monotonic() < ends_at

        try:
            found = run_watched(WORKER, wire.to_builtins(request), hear, _SILENT_SECONDS)
        except Unavailable as error:
            if work.stopping.is_set():
                raise work.over() from error
            if time.monotonic() >= ends_at:
                text = f"The dry run was not over within {_SECONDS:g} s, and was ended."
                raise TimedOut(text, "Try a shorter span, or name one thing by of: in the condition.") from error
            raise
        return wire.from_builtins(found, list[WouldFire])


@dataclass(slots=True)
class PlainWork:
    """Work of which nobody hears."""

    stopping: Event = field(default_factory=Event)

    def tell(self, text: str, done: int | None = None, total: int | None = None) -> None:
        del text, done, total
        if self.stopping.is_set():
            raise self.over()

    def over(self) -> DeskError:
        return Unavailable("It was stopped.")


class PlainTrial:
    """The double: judges right here."""

    @contextmanager
    def begun(self, ticket: str | None) -> Iterator[TrialWork]:
        del ticket
        yield PlainWork()

    def judged(
        self,
        document: str,
        spec: RuleSpec,
        metrics: Metrics,
        past: Sequence[PastSeries],
        span: tuple[float, float],
        work: TrialWork,
    ) -> list[WouldFire]:
        del document, metrics, work
        return would_fire(spec, past, *span)


def _packed(one: PastSeries) -> TrialSeries:
    values = array("d", [_NAN if value is None else value for value in one.values])
    start = one.times[0] if len(one.times) else 0.0
    return TrialSeries(one.fact, one.thing, start, one.step_seconds, base64.b64encode(values.tobytes()).decode())


def unpacked(one: TrialSeries) -> PastSeries:
    """Return a curve as the engine is fed with it; eight bytes a value, however many there are."""
    values = array("d")
    values.frombytes(base64.b64decode(one.values))
    times = array("d", [one.start + one.step_seconds * number for number in range(len(values))])
    return PastSeries(one.fact, one.thing, one.step_seconds, times, values)
