"""The jobs that one job file makes: those of an array, the points of a sweep, or itself. Pure.

What is drawn depends on the sweep's seed and the parameter's name alone: more samples, or another parameter beside it,
leave the points that there were as they were.
"""

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace

from mlops_desk.records.jobs.filling import INDEX
from mlops_desk.records.jobs.spec import JobSpec, Sweep, ValueSpan

INDEX_VARIABLE = "MLD_ARRAY_INDEX"


def is_several(spec: JobSpec) -> bool:
    """Tell whether ``spec`` makes a group of jobs."""
    return spec.array is not None or (spec.sweep is not None and bool(spec.sweep.grid or spec.sweep.spans))


def members(spec: JobSpec) -> tuple[JobSpec, ...]:
    """Return what each of the jobs is asked to be, in order; of one that is no array or sweep, itself.

    A point's parameters stand in ``params``, over those of the file, with its place as ``index`` and in the variable
    MLD_ARRAY_INDEX. Of the sweep it keeps what decides about its end: the metric, the goal, the early stop.
    """
    if not is_several(spec):
        return (spec,)
    points = _points(spec.sweep) if spec.sweep is not None else iter([{}] * (spec.array or 0))
    sweep = None if spec.sweep is None else replace(spec.sweep, grid={}, spans={}, samples=0)
    return tuple(
        replace(
            spec,
            array=None,
            sweep=sweep,
            params={**spec.params, **point, INDEX: str(index)},
            env={INDEX_VARIABLE: str(index), **spec.env},
        )
        for index, point in enumerate(points)
    )


def _points(sweep: Sweep) -> Iterator[Mapping[str, str]]:
    if not sweep.samples:
        for values in itertools.product(*sweep.grid.values()):
            yield dict(zip(sweep.grid, values, strict=True))
        return
    # Only random() itself draws the same on every version of Python.
    streams = {name: random.Random(f"{sweep.seed}:{name}") for name in (*sweep.grid, *sweep.spans)}  # noqa: S311 - no secret
    for _ in range(sweep.samples):
        listed = {name: values[int(streams[name].random() * len(values))] for name, values in sweep.grid.items()}
        drawn = {name: _drawn(span, streams[name].random()) for name, span in sweep.spans.items()}
        yield {**listed, **drawn}


def _drawn(span: ValueSpan, chance: float) -> str:
    """Return the number that ``chance`` (from 0 to below 1) picks, as people write it."""
    high = span.high + 1 if span.whole else span.high  # each whole number has as much room as the next
    if span.log:
        number = math.exp(math.log(span.low) + chance * (math.log(high) - math.log(span.low)))
    else:
        number = span.low + chance * (high - span.low)
    if span.whole:
        return str(min(max(math.floor(number), int(span.low)), int(span.high)))
    return f"{min(max(number, span.low), span.high):.6g}"
