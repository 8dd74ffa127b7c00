"""Cyclic garbage is collected in the GUI thread only.

Python collects in whichever thread happens to allocate. A widget in a reference cycle would then be
destroyed by a worker thread, and Qt crashes. So automatic collection is off while the window lives, and
a timer does what Python would have done, a little at a time.
"""

import gc

from PySide6.QtCore import QObject, QTimer

CHECK_MILLISECONDS = 1000  # chosen: the garbage of a second is small


class GuiCollector(QObject):
    """Collects what its thresholds say is due; ``stop`` gives the work back to Python."""

    def __init__(self) -> None:
        super().__init__()
        self._thresholds = gc.get_threshold()
        self._has_settled = False
        self._timer = QTimer(self)
        self._timer.setInterval(CHECK_MILLISECONDS)
        self._timer.timeout.connect(self._check)

    def start(self) -> None:
        gc.disable()
        self._timer.start()

    def settle(self) -> None:
        """Hear that everything is loaded: what exists by now lives as long as the program, and is walked no more."""
        gc.freeze()
        self._has_settled = True

    def stop(self) -> None:
        self._timer.stop()
        if self._has_settled:  # else what is frozen was so before, by who started this
            gc.unfreeze()
        gc.enable()

    def _check(self) -> None:
        for generation in (2, 1, 0):
            if gc.get_count()[generation] > self._thresholds[generation]:
                gc.collect(generation)
                return
