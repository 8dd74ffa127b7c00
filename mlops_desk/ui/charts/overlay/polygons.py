"""Points as Qt's polygons, copied in one go: one by one it would take a hundred times as long."""

from typing import Any

import numpy as np
from PySide6.QtGui import QPolygonF
from shiboken6 import Shiboken

from mlops_desk.ui.charts.overlay.smoothing import Array

_BYTES = 16  # of a point: two doubles
_VOID_PTR: Any = Shiboken.VoidPtr  # its stub knows neither of the arguments that it takes, nor that it is a buffer


def polygon(places: Array) -> QPolygonF:
    """Return points, one row each."""
    made = QPolygonF()
    made.resize(len(places))
    if len(places):
        memory = _VOID_PTR(made.data(), len(places) * _BYTES, True)
        np.frombuffer(memory, dtype=np.float64).reshape((-1, 2))[:] = places
    return made
