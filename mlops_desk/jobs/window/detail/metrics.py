"""Which metrics of a run are drawn together, and over what: steps, or the time since the first value. No Qt here.

``train_loss`` and ``val/loss`` are of one family, and belong into one chart: their distance is what one looks for.
"""

import re
from collections.abc import Iterable, Mapping

from mlops_desk.registry.records.model import MetricCurve

MOST_TOGETHER = 8  # as many colours as there are
STEP, TIME = "step", "time"
_SPLITS = r"train|training|val|valid|validation|eval|dev|test"
_BEFORE = re.compile(rf"^(?:{_SPLITS})[_/.:-]+", re.IGNORECASE)
_BEHIND = re.compile(rf"[_/.:-]+(?:{_SPLITS})$", re.IGNORECASE)
_UNITS = ((3600.0, "h"), (60.0, "min"), (1.0, "s"))
_FEWEST_UNITS = 3.0  # chosen: 2.5 h is better read as 150 min


def family(name: str) -> str:
    """Return what a metric is about, whichever part of the data it was measured on: ``loss`` of ``val_loss``."""
    return _BEHIND.sub("", _BEFORE.sub("", name)) or name


def together(name: str, known: Iterable[str]) -> list[str]:
    """Return the metrics that are drawn beside ``name``, itself in front."""
    about = family(name)
    others = sorted(other for other in known if other != name and family(other) == about)
    return [name, *others][:MOST_TOGETHER]


def first_shown(known: Iterable[str]) -> str | None:
    """Return the metric that is shown before one is chosen: a loss, else the first that is not the system's."""
    names = sorted(known, key=lambda name: (name.startswith("system/"), "loss" not in name.lower(), len(name), name))
    return names[0] if names else None


def time_unit(curves: Iterable[MetricCurve]) -> tuple[float, str]:
    """Return the seconds of a unit of time, and its name, in which these curves are some units long."""
    ends = [at for curve in curves for at in (curve.times[:1] + curve.times[-1:])]
    seconds = max(ends) - min(ends) if ends else 0.0
    return next(((unit, name) for unit, name in _UNITS if seconds >= _FEWEST_UNITS * unit), _UNITS[-1])


def places(curve: MetricCurve, over: str, began: float, unit: float) -> tuple[float, ...]:
    """Return where the points of a curve stand on the axis."""
    return tuple(map(float, curve.steps)) if over == STEP else tuple((at - began) / unit for at in curve.times)


def began(curves: Iterable[MetricCurve]) -> float:
    """Return when the first of all values was logged."""
    return min((at for curve in curves for at in curve.times), default=0.0)


def missing(wanted: Iterable[str], told: Mapping[str, MetricCurve]) -> list[str]:
    """Return which of the wanted metrics have no curve yet."""
    return [name for name in wanted if name not in told]
