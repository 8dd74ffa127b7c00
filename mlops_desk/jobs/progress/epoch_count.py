"""Which epoch a training is in: counted from 0 or from 1, told at its beginning or at its end.

A line with results is told when its epoch is over; one without, and a bar, while it goes on.

One statement of a program about how far it is, as it was written: what is not said is None.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

NUMBER = r"\d[\d,]{0,24}(?:\.\d{1,9})?[kKMGTP]?"
_SUFFIXES = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_LARGEST = 1e18  # more than any counter of a training; a longer row of digits is none
_CLOCK = re.compile(r"(?:(\d+) days?, )?(?:(\d+):)?(\d+):(\d+)")


@dataclass(frozen=True, slots=True)
class Saying:
    """``step`` of ``total`` of the loop ``name``; ``rate`` in ``unit`` a second, ``left_seconds`` by its own reckoning.

    ``epoch`` of ``epochs`` as they are written, counted from 0 or 1; ``ended``: that epoch is over. ``passed`` are
    epochs that are over, where that is what is told (they may have a fraction). ``source`` is who writes so.
    """

    source: str
    name: str = ""
    step: float | None = None
    total: float | None = None
    unit: str | None = None
    rate: float | None = None
    left_seconds: float | None = None
    epoch: float | None = None
    epochs: float | None = None
    ended: bool = False
    passed: float | None = None


def number(text: str | None) -> float | None:
    """Return a number as bars write it: ``1,163``, ``1.20M``; None for ``?`` and for what is too long to be one."""
    if not text:
        return None
    factor = _SUFFIXES.get(text[-1], 1.0)
    digits = text.rstrip("kKMGTP").replace(",", "")
    try:
        found = float(digits) * factor
    except ValueError:
        return None
    return found if found <= _LARGEST else None


def clock(text: str | None) -> float | None:
    """Return seconds of ``01:02``, ``1:02:03``; None for what is none."""
    match = _CLOCK.fullmatch(text or "")
    if match is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    found = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return found if found <= _LARGEST else None


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


# The loops that a program tells of: how far each is, and which of them starts anew each time another one advances.
#
# A loop is known by its name without its numbers, and how many steps it has. Several ranks may tell of the same one,
# each a step or two apart: only what falls below the half begins anew, or what was through and is not any more.

_MOST = 16  # chosen: more bars than that nobody nests; a name that changes each time would else be kept for ever
_NAME_LIMIT = 60  # chosen: two of a training hardly differ behind it
_NUMBERS = re.compile(r"[\d.,]+")
_ASIDE = re.compile(
    r"\b(?:val(?:id(?:ation|at\w+)?)?|eval\w*|test(?:ing|s|set)?|sanity|predict\w*|infer\w*|sampl\w*|generat\w*|scor\w*"
    r"|map(?:ping)?|filter\w*|download\w*|load\w*|fetch\w*|tokeni\w*|extract\w*|resolv\w*|cast\w*|sav(?:e|ing)|read\w*"
    r"|cach\w*|index\w*|prepar\w*|preprocess\w*|encod\w*|build\w*|comput\w*|shards?|upload\w*|copy\w*|unpack\w*"
    r"|verif\w*|warm-?up|calibrat\w*|collect\w*|pars\w*)\b",
    re.IGNORECASE,
)
_BYTES = re.compile(r"i?B|[kKMG]i?B|bytes?")
_WHOLE_PASS = 0.95
"""Chosen: from there on a loop that begins anew was through; what stops earlier was broken off."""
_RANKS_APART = 0.1  # chosen: they wait for one another at each step, and write a moment later
_SILENT_SECONDS = 1800.0  # chosen: see below
_SILENT_GAPS = 20.0
"""Chosen: a validation of half an hour between two steps is ordinary; a loop that is silent longer, and twenty times as
long as ever before, was left."""


@dataclass(slots=True)
class CountedLoop:
    """``passes`` counts how often it began anew after it was through, ``order`` when it was first seen.

    ``epoch_step`` is where it was when another epoch began; what goes on from there ``spans_epochs``.
    """

    name: str
    unit: str | None
    total: float | None
    step: float
    order: int
    began_at: float
    at: float
    rate: float | None = None
    left_seconds: float | None = None
    passes: int = 0
    longest_gap: float = 0.0
    advanced_at: float = 0.0
    inside: "CountedLoop | None" = None
    aside: bool = False
    source: str = ""
    epoch_step: float | None = None
    spans_epochs: bool = False

    @property
    def share(self) -> float | None:
        """Return how much of it is done, from 0 to 1."""
        return None if not self.total else min(1.0, self.step / self.total)

    @property
    def is_through(self) -> bool:
        return self.total is not None and self.step >= self.total

    def was_left(self, now: float) -> bool:
        """Tell whether nothing is to be expected of it any more, though it is not through."""
        silent = now - self.advanced_at
        return not self.is_through and silent > max(_SILENT_SECONDS, _SILENT_GAPS * self.longest_gap)


@dataclass(frozen=True, slots=True)
class Step:
    """What a tick did to its loop. ``restarted``: it began anew; ``broken_off``: without having been through."""

    loop: CountedLoop
    advanced: bool
    restarted: bool = False
    broken_off: bool = False


class Loops:
    """``all_count``: also what tells of validating or preparing is the work itself, as in a job that predicts."""

    def __init__(self, *, all_count: bool = False) -> None:
        self._all_count = all_count
        self._loops: dict[tuple[str, float | None], CountedLoop] = {}
        self._order = 0

    def take(self, tick: Saying, at: float) -> Step | None:
        """Take note of a statement; None where it tells of no step."""
        if tick.step is None:
            return None
        total = None if tick.source == "boosting" else tick.total  # CatBoost reckons anew how many there are each time
        key = (_NUMBERS.sub("#", tick.name)[:_NAME_LIMIT], total)
        loop = self._loops.get(key)
        if loop is None:
            return Step(self._new(key, tick, at), advanced=True)
        loop.at, loop.rate, loop.left_seconds = at, tick.rate, tick.left_seconds
        loop.name, loop.total = tick.name, tick.total
        return _moved(loop, tick.step, at)

    def _new(self, key: tuple[str, float | None], tick: Saying, at: float) -> CountedLoop:
        self._order += 1
        step = tick.step or 0.0
        aside = not self._all_count and is_aside(tick)
        loop = CountedLoop(tick.name, tick.unit, tick.total, step, self._order, at, at, tick.rate, tick.left_seconds)
        loop.aside, loop.source, loop.advanced_at = aside, tick.source, at
        self._loops[key] = loop
        while len(self._loops) > _MOST:
            del self._loops[min(self._loops, key=lambda known: self._loops[known].at)]
        return loop

    def begin_epoch(self) -> None:
        """Note that another epoch begins."""
        for loop in self._loops.values():
            loop.epoch_step = None if loop.is_through else loop.step

    def all(self) -> Iterable[CountedLoop]:
        return self._loops.values()

    def outer(self, now: float) -> CountedLoop | None:
        """Return the loop that holds the others: the first of those that are neither through nor left.

        One that is through stays it as long as nothing runs but what ran inside it.
        """
        known = sorted((loop for loop in self._loops.values() if loop.total and not loop.aside), key=_by_order)
        going = [loop for loop in known if not loop.is_through and not loop.was_left(now)]
        done = [loop for loop in known if loop.is_through]
        for loop in going:
            if loop.inside is None or loop.inside.was_left(now) or loop.inside not in known:
                return loop
        return max(done, key=lambda loop: loop.order if loop.inside is None else 0, default=None)

    def newest(self) -> CountedLoop | None:
        """Return the loop that was told of last."""
        return max(self._loops.values(), key=lambda loop: loop.at, default=None)


def is_aside(tick: Saying) -> bool:
    """Tell whether a bar is of something beside the training: validating, preparing, moving files."""
    return _ASIDE.search(tick.name) is not None or _BYTES.fullmatch(tick.unit or "") is not None


def _by_order(loop: CountedLoop) -> int:
    return loop.order


def _apart(total: float) -> float:
    """Return by how many steps ranks may differ at most."""
    return max(2.0, total * _RANKS_APART)


def _moved(loop: CountedLoop, step: float, at: float) -> Step:
    if step < loop.step / 2 or (loop.total and loop.is_through and step <= loop.total - _apart(loop.total)):
        share = loop.share
        through = share is not None and share >= _WHOLE_PASS
        loop.passes += through
        loop.step, loop.began_at, loop.advanced_at, loop.epoch_step = step, at, at, None
        return Step(loop, advanced=True, restarted=True, broken_off=not through)
    if step <= loop.step:
        return Step(loop, advanced=False)
    loop.spans_epochs |= loop.epoch_step is not None
    loop.longest_gap = max(loop.longest_gap, at - loop.advanced_at)
    loop.step, loop.advanced_at = step, at
    return Step(loop, advanced=True)
