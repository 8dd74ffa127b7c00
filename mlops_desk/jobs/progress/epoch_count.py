"""Which epoch a training is in: counted from 0 or from 1, told at its beginning or at its end.

A line with results is told when its epoch is over; one without, and a bar, while it goes on.
"""

from mlops_desk.jobs.progress.saying import Saying

_NEARLY = 1e-9  # what adding up shares in floating point may lose
_NEARLY_WHOLE = 0.04  # chosen: epochs are told with two places, and steps a moment later


class EpochCount:
    """``of`` is how many the command line asks for, where it does: many bars do not tell."""

    def __init__(self, of: float | None = None) -> None:
        self._asked = of
        self._of: float | None = None
        self._reckoned: float | None = None
        self._epoch: float | None = None
        self._from_zero = False
        self._ended = False
        self._within = 0.0
        self._in_parts = False
        self._counts_passed = False
        self.passes = 0
        self.source = ""

    def take(self, tick: Saying) -> bool:
        """Take note of a statement; True where another epoch than before is told of."""
        if tick.passed is not None:
            self._of = tick.epochs or self._of
            return self._take_passed(tick.passed)
        if tick.epoch is None:
            return False
        self.source = tick.source
        self._of = tick.epochs or self._of
        self._from_zero |= tick.epoch == 0 or tick.source == "lightning"
        changed = tick.epoch != self._epoch
        if changed:
            if self._epoch is not None and tick.epoch < self._epoch and self._is_last(self._epoch):
                self.passes += 1
            self._epoch, self._ended, self._within = tick.epoch, False, 0.0
        self._ended |= tick.ended
        return changed

    def _take_passed(self, passed: float) -> bool:
        """Take how many epochs are over; with a part of the one that goes on, it alone tells."""
        self._counts_passed = True
        self._in_parts |= passed != int(passed)
        if self._epoch is not None and passed < self.passed - _NEARLY:
            return False
        before, self._epoch = self._epoch, float(int(passed))
        self._from_zero, self._ended, self._within = True, False, passed - int(passed)
        return before != self._epoch

    def reckon(self, share: float) -> None:
        """Find how many epochs there are: so much of the whole is what was told as passed."""
        if self._of is None and self._asked is None and self._in_parts and share > 0:
            of = self.passed / share
            if of >= 1 and abs(of - round(of)) <= _NEARLY_WHOLE * of:
                self._reckoned = float(round(of))

    def advance(self, share: float) -> None:
        """Note how much of the epoch is done, by a loop inside it; of several the one that is furthest."""
        if not self._in_parts:
            self._within = max(self._within, share)

    @property
    def in_parts(self) -> bool:
        """Tell whether it is told in parts of epochs, as transformers' Trainer does beside a bar of all its steps."""
        return self._in_parts

    @property
    def known(self) -> bool:
        return self._epoch is not None

    @property
    def of(self) -> float | None:
        """Return how many there are; one more where the count has gone from 0 to what was told."""
        of = self._of or self._asked or self._reckoned
        if self._of is None or self._epoch is None or not self._from_zero or self._counts_passed:
            return of
        return max(self._of, self._epoch + 1)

    @property
    def passed(self) -> float:
        """Return how many epochs are over, with what is done of the one that goes on."""
        if self._epoch is None:
            return 0.0
        before = self._epoch if self._from_zero else max(0.0, self._epoch - 1)
        return before + (1.0 if self._ended else self._within)

    @property
    def number(self) -> float:
        """Return the number of the epoch that goes on, from 1; the last one stays."""
        at = (self._epoch or 0.0) + (1.0 if self._from_zero else 0.0)
        return at if self.of is None else min(at, self.of)

    def _is_last(self, epoch: float) -> bool:
        return self.of is not None and epoch + (1 if self._from_zero else 0) >= self.of
