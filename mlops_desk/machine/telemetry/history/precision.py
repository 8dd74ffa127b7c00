"""How exact each curve is kept."""

from mlops_desk.kit.storage.history.blocks import Key
from mlops_desk.kit.storage.history.scales import CurveScale
from mlops_desk.machine.telemetry.metrics.table import METRICS

_SCALES = {metric.name: CurveScale(metric.resolution, metric.kind == "rate") for metric in METRICS}
_FINEST = CurveScale(1e-6)


def scale_of(key: Key) -> CurveScale:
    """Return how exact a curve is kept: in steps of its metric's resolution; rates to 0.05 % when that is more."""
    return _SCALES.get(key[1], _FINEST)
