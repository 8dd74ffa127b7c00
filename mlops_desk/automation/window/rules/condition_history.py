"""How what rules watch went in 24 hours: asked for of the rows in sight, once a minute at most, and only while seen.

The agent picks the thing that is worst off, and says why there is no curve. Where it can't be asked, what was known
stays.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.tables.order import Spark
from mlops_desk.kit.window.words import alerts

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.automation.records.condition_history import RuleCourse
    from mlops_desk.kit.base.errors import DeskError
    from mlops_desk.kit.window.live.tasks import Task
    from mlops_desk.machine.records.status import Status

HOURS = 24.0  # chosen: a day has the night and the work in it
AGAIN_SECONDS = 60.0  # chosen: a point stands for a quarter of an hour
_SOON_MILLISECONDS = 200  # chosen: who scrolls is asked for once, where they come to rest
_MOST = 60  # chosen: more rows than a screen has
_MACHINE = frozenset({"gpu", "host", "core", "sensor", "disk", "network", "filesystem"})
"""Classes whose things go by their own names; what features record goes by KIND:NAME."""
OF_EACH = {"mean": "the mean", "most": "the most", "least": "the least", "growth": "the growth of the counter"}
"""What a point is of its quarter of an hour."""


@dataclass(frozen=True, slots=True)
class WatchedCurve:
    """What of a rule is shown: its thing as people call it; values in ``unit`` that begin at Unix time ``start``.

    ``condition`` says in words what is watched, ``of_each`` what a value is of its step; ``looked_at`` counts the
    things of which this one is worst off.
    """

    thing: str
    condition: str
    unit: str
    start: float
    step_seconds: float
    spark: Spark
    above: bool
    of_each: str
    looked_at: int

    @property
    def last(self) -> float | None:
        """The newest value that is known."""
        return next((value for value in reversed(self.spark.values) if value is not None), None)


@dataclass(frozen=True, slots=True)
class _Asked:
    """When a rule was asked for (monotonic seconds), and what it said then."""

    at: float
    document: str


class RuleCurves(QObject):
    """``changed`` is called when there are new ones; ``in_sight`` tells whose are seen now."""

    def __init__(
        self,
        context: Context,
        parent: QObject,
        changed: Callable[[], None],
        in_sight: Callable[[], Mapping[str, KeptRule]],
    ) -> None:
        super().__init__(parent)
        self._context, self._changed, self._in_sight = context, changed, in_sight
        self._asked: dict[str, _Asked] = {}
        self._found: dict[str, WatchedCurve] = {}
        self._untold: dict[str, str] = {}
        self._task: Task | None = None
        self._waited: list[str] = []
        self._again, self._soon = QTimer(self), QTimer(self)
        self._again.setInterval(round(AGAIN_SECONDS * 1000))
        self._again.timeout.connect(self._ask)
        self._soon.setInterval(_SOON_MILLISECONDS)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._ask)

    def of(self, name: str) -> WatchedCurve | None:
        """Return what is known of a rule's curve."""
        return self._found.get(name)

    def untold(self, name: str) -> str:
        """Return why there is no curve of a rule; "" where there is one, or it is not known yet."""
        return self._untold.get(name, "")

    def look(self) -> None:
        """Hear that others may be in sight, or say something else: what is not known of them is asked for soon."""
        if not self._soon.isActive():
            self._soon.start()
        if not self._again.isActive():
            self._again.start()

    def left(self) -> None:
        """Hear that nobody looks any more."""
        self._again.stop()
        self._soon.stop()
        if self._task is not None:
            self._task.cancel()
            self._task = None
            for name in self._waited:  # nobody has answered for them
                self._asked.pop(name, None)

    def _ask(self) -> None:
        if self._task is not None:
            return  # what is seen by then is asked for when the answer is here
        names = self._waited = self._due(time.monotonic())
        if names:
            self._task = self._context.ask(
                "what rules watch", lambda desk: desk.rules.courses(names, HOURS), self._got,
                lambda error: self._failed(names, error),
            )  # fmt: skip

    def _due(self, now: float) -> list[str]:
        """Return the rules to ask for, which count as asked from now on."""
        due = []
        for name, rule in self._in_sight().items():
            known = self._asked.get(name)
            # The clock that comes once a minute may come a moment early.
            if known is None or known.document != rule.document or now - known.at > AGAIN_SECONDS - 1.0:
                due.append(name)
                self._asked[name] = _Asked(now, rule.document)
            if len(due) == _MOST:
                break
        return due

    def _got(self, found: "list_of[RuleCourse]") -> None:
        self._task = None
        before = dict(self._found), dict(self._untold)
        status = self._context.store.status
        for one in found:
            curve = _curve(one, status)
            if curve is not None:
                self._found[one.rule] = curve
                self._untold.pop(one.rule, None)
            else:
                self._found.pop(one.rule, None)
                self._untold[one.rule] = one.untold or ""
        if before != (self._found, self._untold):
            self._changed()
        self._soon.start()

    def _failed(self, names: "list_of[str]", error: "DeskError") -> None:
        """Leave what is known, and say of the rest what kept it from being known; it is asked for again in a minute."""
        self._task = None
        self._untold.update({name: f"it could not be asked for: {error.message}" for name in names
                             if name not in self._found})  # fmt: skip
        self._changed()


def _curve(course: "RuleCourse", status: "Status | None") -> WatchedCurve | None:
    told = course.curve
    if told is None:
        return None
    return WatchedCurve(
        _titled(told.thing, told.device, status), told.condition, told.unit, told.start, told.step_seconds,
        Spark(told.values, told.threshold), told.above, OF_EACH[told.of_each], told.looked_at,
    )  # fmt: skip


def _titled(thing: str, device: str, status: "Status | None") -> str:
    """Return what people call a thing of a class: GPU 3, endpoint churn-prod."""
    if device in _MACHINE:
        return alerts.device_title(thing, status)
    return plain(f"{device} {thing.removeprefix(f'{device}:')}", 80)
