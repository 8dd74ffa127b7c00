"""The verbs about learning curves, a part of those about pipelines. Curves are kept, and go on after a kill."""

import logging
import secrets
import threading
import time
from builtins import list as list_of
from contextvars import copy_context
from dataclasses import replace

from mlops_desk.base.caller import Caller, current_caller, set_caller
from mlops_desk.base.errors import Closed, DeskError, Hint, Invalid, NotFound
from mlops_desk.base.failures.trouble_log import TroubleLog
from mlops_desk.base.loop import Loop
from mlops_desk.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.base.text import plain
from mlops_desk.records.jobs.spec import Goal
from mlops_desk.records.pipelines.comparison import COMPARED, figure_of
from mlops_desk.records.pipelines.curve import CurveState, LearningCurve
from mlops_desk.rules.curves.course import cancelled, points_of, shares_of
from mlops_desk.rules.curves.driver import CurveCourse, CurveParts
from mlops_desk.storage.state import StoredRecords
from mlops_desk.verbs.declaration import check_limit

_log = logging.getLogger(__name__)
_LATELY = 10  # chosen: more than are ended in the moment in which an agent is killed
_LOOK_SECONDS = 5.0  # chosen: a training of seconds is scored soon; a look asks for one job of each curve


class CurveVerbs:
    """A part of ``verbs.Pipelines``; the wiring says how curves are kept and what they ask (``follow_curves``)."""

    _curves: StoredRecords[LearningCurve]
    _curve_parts: CurveParts
    _curve_loop: Loop

    def follow_curves(self, curves: StoredRecords[LearningCurve], parts: CurveParts, loop: Loop) -> None:
        """Say where curves are kept and how they go on, and take up those that are under way."""
        self._curves, self._curve_parts, self._curve_loop = curves, parts, loop
        self._curve_lock = threading.RLock()
        self._curves_busy: set[str] = set()
        self._curves_owed: set[str] | None = None
        self._curve_trouble = TroubleLog(_log, "What the learning curve %s left can't be removed")
        self._course = CurveCourse(parts, self._put_curve)
        loop.repeat("learning-curves", _LOOK_SECONDS, self.look_at_curves)

    def learning_curve(
        self,
        version: str,
        metric: str = "accuracy",
        shares: str = "10,20,40,70,100",
        repeats: int = 3,
        gpu_hours: float = 4.0,
        test: str | None = None,
        file: str | None = None,
        label: str | None = None,
        positive: str | None = None,
        seed: int = 0,
    ) -> LearningCurve:
        """Begin one. Raises Invalid, NotFound, Refused."""
        figure = figure_of(metric)
        if figure is None:
            hint = f"Take one of {', '.join(COMPARED)}."
            raise Invalid(f"No version can be scored by {plain(metric, 80)!r}.", hint)
        model, _, number = version.rpartition("/")
        if not model or not number:
            raise Invalid(f"{plain(version, 80)!r} names no version.", "Write MODEL/VERSION, as digits/3.")
        if not gpu_hours > 0:
            raise Invalid(f"{gpu_hours} GPU-hours are none.", "Take more than 0.")
        wanted = shares_of(shares)
        curve = LearningCurve(
            id=secrets.token_hex(6), model=model, version=number, metric=figure,
            higher_is_better=COMPARED[figure] is Goal.MAXIMIZE, state=CurveState.RUNNING, points=(), rows=0, job="",
            target="", source="", test=test or "", label=label, positive=positive, seed=seed, gpu_hours=gpu_hours,
            created_at=time.time(), created_by=current_caller().uid,
        )  # fmt: skip
        curve = self._curve_parts.plan(curve, file, test)
        curve = replace(curve, points=points_of(wanted, repeats, curve.rows))
        with self._curve_lock:
            self._curves.put(curve)
        self.look_at_curves()
        return curve

    def curves(self, limit: int = 50) -> list_of[LearningCurve]:
        return self._curves.list(limit=check_limit(limit))

    def curve(self, curve_id: str) -> LearningCurve:
        found = self._curves.find(curve_id, LOOKED_FOR)
        hint = Hint("mlops-desk pipelines curves", after=" shows them all.")
        if not found:
            raise NotFound("There is no learning curve of that id.", hint)
        return the_one(curve_id, found, noun="learning curve", hint=hint)

    def cancel_curve(self, curve_id: str) -> LearningCurve:
        """End one: its job is cancelled, and what it registered goes. Raises Refused, NotFound.

        Raises what cancelling a job raises, too: it is tried again then, by whoever asks once more and by each look.
        """
        with self._curve_lock:
            made = known = self.curve(curve_id)
            if known.state is not CurveState.CANCELLED:
                made = replace(cancelled(known, current_caller().user, time.time()), revision=known.revision + 1)
                self._curves.put(made)
            self._owed_curves().add(made.id)
        self._end_curve(made)
        return made

    def _end_curve(self, curve: LearningCurve) -> None:
        self._course.end(curve)
        with self._curve_lock:
            self._owed_curves().discard(curve.id)

    def _owed_curves(self) -> set[str]:
        """Return the cancelled curves of which something may be left: what an earlier agent has left nobody knows."""
        if self._curves_owed is None:
            lately = self._curves.list(states=(CurveState.CANCELLED,), limit=_LATELY)
            self._curves_owed = {one.id for one in lately}
        return self._curves_owed

    def look_at_curves(self) -> None:
        """Go on with all curves that are under way or owed, each in a thread of its own, as who began it."""
        with self._curve_lock:
            owed = [known for one in self._owed_curves() if (known := self._curves.get(one)) is not None]
        for curve in (*self._curves.list(states=(CurveState.RUNNING,)), *owed):
            with self._curve_lock:
                if curve.id in self._curves_busy:
                    continue
                self._curves_busy.add(curve.id)
            self._curve_loop.start(f"curve-{curve.id[:8]}", lambda one=curve: copy_context().run(self._go_on, one))  # type: ignore[misc]  # the default is bound, not inferred

    def _go_on(self, curve: LearningCurve) -> None:
        try:
            if curve.created_by is not None:
                set_caller(Caller(curve.created_by, -1, 0))
            after = self._course.go_on(self._curves.get(curve.id) or curve)
            known = self._curves.get(after.id)
            if known is not None and known.state is CurveState.CANCELLED:  # while a point was begun
                self._end_curve(known)
            why = None
        except Closed:
            raise  # the next agent goes on where it was written down last
        except DeskError as error:  # the next look tries again
            why = error.message
        finally:
            with self._curve_lock:
                self._curves_busy.discard(curve.id)
        with self._curve_lock:
            if why is None:
                self._curve_trouble.over(curve.id)
            else:
                self._curve_trouble.failed(curve.id, why)

    def _put_curve(self, loaded: LearningCurve, changed: LearningCurve) -> LearningCurve | None:
        """Store what became of a curve; None where somebody has changed it since."""
        with self._curve_lock:
            known = self._curves.get(loaded.id)
            if known is None or known.revision != loaded.revision:
                return None
            if changed == known:
                return known
            made = replace(changed, revision=known.revision + 1)
            self._curves.put(made)
            return made
