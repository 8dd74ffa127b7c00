"""One value of a metric in each of many runs (see ``Reader.metric_values``), asked of a database. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_desk.registry.reading.spots import spot
from mlops_desk.registry.store.curves import Point, curve
from mlops_desk.registry.store.statements import Statements


@dataclass(frozen=True, slots=True)
class SpotAsked:
    """Which value: min, max, first, or step (``which``), which alone has a ``step``."""

    metric: str
    which: str
    step: int | None

    def statement(self, statements: Statements) -> str:
        """Return the statement for rows of (run, value); it binds the listed runs and ``bound``."""
        if self.which in {"min", "max"}:
            return statements.extremes(self.which)
        place = "t.rowid" if statements.is_sqlite else "t.ctid"  # of points of one moment: which was written later
        if self.which == "first":
            return statements.chosen_points("", f"t.step, t.timestamp, {place}")
        return statements.chosen_points(" AND t.step = ?", f"t.timestamp DESC, {place} DESC")

    @property
    def bound(self) -> tuple[str | int | None, ...]:
        return (self.metric, self.step) if self.which == "step" else (self.metric,)

    def of(self, run_id: str, points: Sequence[Point]) -> float | None:
        """Return the value out of all points of a run, None where they have none such."""
        return spot(curve(run_id, self.metric, points, len(points), None), self.which, self.step)
