"""The worker that fits a learning curve: ``python -m mlops_desk.drift.model_comparison.curve``, one request on stdin.

Request: {"sizes": [rows], "values": [metric], "higher": true where higher is better, "rows": all rows, "metric": name}.
The answer is a CurveFit. The error (1 - metric where higher is better) is taken for floor + scale * rows ** -exponent
(Hestness et al., 2017), fitted by least squares; the intervals are those of a bootstrap of the residuals.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.automation.records.pipelines.comparison import Scored
from mlops_desk.automation.records.pipelines.curve import LEAST_SIZES, CurveFit
from mlops_desk.drift.numerics import optimize
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

MODULE = "mlops_desk.drift.model_comparison.curve"
_TIMES = 300  # chosen: ends of a 95 % interval are then known to a fifth of its width
_SEED = 7  # the same points give the same intervals
_LIMITS = ([0.0, 0.0, 0.01], [np.inf, np.inf, 2.0])
"""Of floor, scale and exponent. Chosen: exponents that are found lie between 0.07 and 0.6 (Hestness et al.)."""

Values = NDArray[np.float64]


def fit_curve(sizes: Sequence[int], values: Sequence[float], rows: int, metric: str, *, higher: bool) -> CurveFit:
    """Return the fit, or what lacks."""
    n_sizes = len(set(sizes))
    if n_sizes < LEAST_SIZES:
        text = f"Not enough is known: {n_sizes} sizes were scored, and {LEAST_SIZES} are needed for a curve."
        return CurveFit(is_known=False, sentence=text)
    x = np.array(sizes, dtype=np.float64)
    y = 1.0 - np.array(values) if higher else np.array(values)
    found = _fitted(x, y)
    residuals = y - _law(found, x)
    residuals = (residuals - residuals.mean()) * np.sqrt(len(x) / max(1, len(x) - len(found)))
    draw = np.random.default_rng(_SEED)
    others = [_fitted(x, _law(found, x) + draw.choice(residuals, len(x)), found) for _ in range(_TIMES)]
    ends = np.array([rows, 2 * rows], dtype=np.float64)
    told, drawn = _law(found, ends), np.array([_law(one, ends) for one in others])
    now, doubled = (_scored(told[at], drawn[:, at], higher=higher) for at in (0, 1))
    gain = _interval(told[0] - told[1], drawn[:, 0] - drawn[:, 1])
    return CurveFit(
        True, _sentence(rows, metric, doubled, gain), float(found[0]), float(found[1]), float(found[2]), now, doubled,
        gain,
    )  # fmt: skip


def _law(parameters: Values, rows: Values) -> Values:
    floor, scale, exponent = parameters
    return np.asarray(floor + scale * rows**-exponent, dtype=np.float64)


def _fitted(x: Values, y: Values, first: Values | None = None) -> Values:
    """Return floor, scale and exponent of least squares; sizes are scaled, so that all three are of one order."""
    unit = x.min()
    spread = max(float(y.max() - y.min()), 1e-9)  # a curve that is flat has a scale of nothing
    begins = [max(float(y.min()) - spread / 2, 0.0), spread, 0.5] if first is None else [
        first[0], first[1] * unit ** -first[2], first[2],
    ]  # fmt: skip
    start = np.clip(begins, np.array(_LIMITS[0]) + 1e-12, np.array([np.inf, np.inf, 2.0 - 1e-9]))
    done = optimize.least_squares(lambda p: _law(p, x / unit) - y, start, bounds=_LIMITS, x_scale=[spread, spread, 1.0])
    floor, scale, exponent = done.x
    return np.array([floor, scale * unit**exponent, exponent])


def _scored(value: float, drawn: Values, *, higher: bool) -> Scored:
    return _interval(1.0 - value, 1.0 - drawn) if higher else _interval(value, drawn)


def _interval(value: float, drawn: Values) -> Scored:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Scored(float(value), float(low), float(high))


def _sentence(rows: int, metric: str, doubled: Scored, gain: Scored) -> str:
    name = plain(metric, 80)
    head = f"Twice as many rows ({2 * rows:,}) would make {name} about {doubled.value:.4g}"
    span = f"better by {gain.value:.2g} ({gain.low:.2g} to {gain.high:.2g})"
    if gain.low is None or gain.high is None or gain.value is None:
        return f"{head}."
    if gain.low <= gain.value / 4:
        return f"{head}, {span}: by these trainings that may be nothing."
    return f"{head}, {span}."


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    found = fit_curve(request["sizes"], request["values"], request["rows"], request["metric"], higher=request["higher"])
    return wire.to_builtins(found)


if __name__ == "__main__":
    serve_one(answer)
