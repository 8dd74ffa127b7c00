"""What makes no sense in the sweep of a job file, and how many jobs it makes."""

from math import prod

from mlops_desk.base.document.binding import Bound
from mlops_desk.jobs.file.fields import JobFile
from mlops_desk.jobs.file.tables import MOST_JOBS, SpanFields, SweepFields
from mlops_desk.records.jobs.filling import INDEX


def check_sweep(bound: Bound[JobFile]) -> None:
    """Refuse a sweep that contradicts itself or makes too many jobs. Raises Invalid."""
    sweep = bound.table.sweep
    if sweep is None:
        return
    if bound.table.array is not None:
        bound.refuse("sweep", "a job is an array or a sweep, not both.", "Take array away; {index} counts the points.")
    if sweep.grid and sweep.random:
        hint = "Write the lists of grid under random too, where they are drawn from; or take one of them away."
        bound.refuse("sweep.random", "points are all of a grid, or drawn at random, not both.", hint)
    if not sweep.grid and not sweep.random:
        hint = "Add grid: {lr: [0.1, 0.01]}, or random: {lr: {low: 0.001, high: 0.1, log: true}} with samples: 20."
        bound.refuse("sweep", "it says nothing to sweep over.", hint)
    _check_samples(bound, sweep)
    for name, span in sweep.random.items():
        if isinstance(span, SpanFields):
            _check_span(bound, f"sweep.random.{name}", span)
    _check_names(bound, sweep)


def _check_names(bound: Bound[JobFile], sweep: SweepFields) -> None:
    for path in ("sweep.goal", "sweep.stopBelowBest"):
        if sweep.metric is None and path in bound.places:
            bound.refuse(path, "there is no metric that it is about.", "Add metric: ..., as the runs log it.")
    for kind, names in (("grid", sweep.grid), ("random", sweep.random)):
        if INDEX in names:
            bound.refuse(f"sweep.{kind}.{INDEX}", "each job of a sweep has its own index.", "Take another name.")


def _check_samples(bound: Bound[JobFile], sweep: SweepFields) -> None:
    if sweep.random and sweep.samples is None:
        bound.refuse("sweep.random", "how many points are drawn is missing.", "Add samples: 20 to sweep.")
    if sweep.samples is not None and not sweep.random:
        hint = "Take samples away, or write random: instead of grid: to draw so many points of it."
        bound.refuse("sweep.samples", "only of random are points drawn.", hint)
    points = prod(len(values) for values in sweep.grid.values())
    if points > MOST_JOBS:
        hint = "Write random: instead of grid: with samples: 100, or split it."
        bound.refuse("sweep.grid", f"it makes {points} jobs, and a file makes at most {MOST_JOBS}.", hint)


def _check_span(bound: Bound[JobFile], path: str, span: SpanFields) -> None:
    if span.low >= span.high:
        bound.unfit(f"{path}.high", f"{span.high:g}", f"a number above low, which is {span.low:g}")
    if span.log and span.low <= 0:
        bound.unfit(f"{path}.low", f"{span.low:g}", "a number above 0, for there is no logarithm below")
    if span.whole:
        for key, value in (("low", span.low), ("high", span.high)):
            if not value.is_integer():
                bound.unfit(f"{path}.{key}", f"{value:g}", "a whole number, as whole: true says")
