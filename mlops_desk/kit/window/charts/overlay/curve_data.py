"""Curves made ready to be drawn, in a worker thread: the window only paints them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.kit.window.charts.overlay.grid import CLOCK, LASTING, NUMBER, POWERS, Axes
from mlops_desk.kit.window.charts.overlay.lines import (
    METRIC,
    RELATIVE,
    STEP,
    TIME,
    Members,
    RunLine,
    Subject,
    Way,
    banded,
    drawn,
)
from mlops_desk.registry.records.curve import RunCurve


@dataclass(frozen=True, slots=True)
class CurveWish:
    """What is to be drawn. ``band`` None: each run by itself, else one curve a group with such a band."""

    metric: str
    over: str = STEP
    x_metric: str = ""
    weight: float = 0.0
    log_x: bool = False
    log_y: bool = False
    cut: bool = False
    band: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """Lines that are ready, with the axes that they are on; ``members`` tells who is in which group."""

    wish: CurveWish
    lines: tuple[RunLine, ...]
    axes: Axes
    members: tuple[Members, ...] = ()
    n_points: int = 0
    left_out: int = 0
    """Runs that have no such metric, or nothing of it that can be drawn."""


@dataclass(frozen=True, slots=True)
class ToldCurves:
    """What was told of some runs: their curves of a metric, and of another one where that is the x axis."""

    subjects: tuple[Subject, ...] = ()
    curves: tuple[RunCurve, ...] = ()
    xs_of: Mapping[str, RunCurve] = field(default_factory=dict)


def prepare(told: ToldCurves, wish: CurveWish, hidden: frozenset[str] = frozenset()) -> Prepared:
    """Return what is drawn of the curves, without those of hidden subjects."""
    way = Way(wish.over, wish.weight, wish.log_x, wish.log_y, told.xs_of)
    by_run = {curve.run_id: curve for curve in told.curves}
    shown = [subject for subject in told.subjects if subject.key not in hidden]
    lines = [drawn(subject, by_run[subject.key], way) for subject in shown if subject.key in by_run]
    lines = [line for line in lines if line.xs.size]
    members: list[Members] = []
    if wish.band is not None:
        lines, members = banded(lines, wish.band)
    n_points = sum(curve.n_points for curve in told.curves)
    left_out = sum(subject.key not in by_run or not by_run[subject.key].values for subject in shown)
    return Prepared(wish, tuple(lines), axes(wish), tuple(members), n_points, left_out)


def axes(wish: CurveWish) -> Axes:
    """Return what the axes are called and how they are marked."""
    names = {STEP: "Step", TIME: "Time", RELATIVE: "Time since its first value", METRIC: wish.x_metric}
    kinds = {STEP: NUMBER, TIME: CLOCK, RELATIVE: LASTING, METRIC: NUMBER}
    logs = wish.log_x and wish.over != TIME
    return Axes(names[wish.over], wish.metric, POWERS if logs else kinds[wish.over], POWERS if wish.log_y else NUMBER)
