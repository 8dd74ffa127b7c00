"""Reads how far a job is out of what it writes, piece by piece; nothing is looked at twice.

The outermost loop that is known decides the whole: epochs where their number is told, else the first bar that is
not through; what goes on inside adds its part. What is beside the training (validation, downloads) moves nothing.
"""

import re

from mlops_desk.base.text import plain
from mlops_desk.jobs.progress.bars import bar
from mlops_desk.jobs.progress.epoch_count import EpochCount
from mlops_desk.jobs.progress.lines import line
from mlops_desk.jobs.progress.loops import CountedLoop, Loops, Step
from mlops_desk.jobs.progress.loss import broken_word, loss_in
from mlops_desk.jobs.progress.pace import Pace
from mlops_desk.jobs.progress.saying import Saying
from mlops_desk.jobs.progress.segments import Segments
from mlops_desk.records.jobs.running import Progress

_PREFIX = re.compile(r"\[?(?:rank|default|Rank )?\d+\]?: ?(?=\S)|\((?:\w+ )?pid=\d+(?:, ip=[\d.]+)?\) ")
_PREFIX_BEGINS = frozenset("[(0123456789r")
_NAME_LIMIT = 40  # chosen: as much as a row of a list has room for
_TOLD = re.compile(r"[%\d] ?[|/\[\]:]|[/|]\s|[Ee](?:poch|POCH|TA)|(?:oss|OSS|tep|ter|tch|und|ode|ial|ate)|━|\d\s+\d")
"""What is in every segment that tells anything; most lines of a program are out by this alone."""


class ProgressReader:
    """``epochs`` is how many the command asks for, where it says so; ``all_counts``: see ``Loops``."""

    def __init__(self, epochs: float | None = None, *, all_counts: bool = False) -> None:
        self._segments = Segments()
        self._loops = Loops(all_count=all_counts)
        self._epochs = EpochCount(epochs)
        self._pace = Pace()
        self._whole: object = None
        self._told: float | None = None
        self._told_at = 0.0
        self._trainer = False
        self.seen_at: float | None = None
        self.moved_at: float | None = None
        self.loss: float | None = None
        self.loss_broken: str | None = None
        self.broken_since: float | None = None
        self.broken_line = ""
        self.losses_broken = 0

    def feed(self, data: bytes, at: float) -> None:
        """Take what was written at a Unix time."""
        for text in self._segments.feed(data):
            if _TOLD.search(text) is not None:
                self._take(text, at)

    def lose(self) -> None:
        """Note that something was written that is not handed in."""
        self._segments.lose()

    def _take(self, text: str, at: float) -> None:
        if text[:1] in _PREFIX_BEGINS and (match := _PREFIX.match(text)) is not None:
            text = text[match.end() :]
        lowered = text.lower()
        loss = loss_in(lowered) if "loss" in lowered else None
        if loss is not None:
            self._take_loss(loss, text, at)
        tick = bar(text) or line(lowered)
        if tick is not None:
            self._take_tick(tick, at)

    def _take_loss(self, loss: float, text: str, at: float) -> None:
        broken = broken_word(loss)
        self.seen_at = at
        if broken is None:
            self.loss, self.loss_broken, self.broken_since, self.losses_broken = loss, None, None, 0
            return
        self.loss_broken = broken
        self.losses_broken += 1
        if self.broken_since is None:
            self.broken_since, self.broken_line = at, plain(text.strip(), 200)

    def _take_tick(self, tick: Saying, at: float) -> None:
        before = self._loops.outer(at)
        changed = self._epochs.take(tick)
        if changed:
            self._loops.begin_epoch()
        step = self._loops.take(tick, at)
        self.seen_at = at
        if tick.left_seconds is not None and (step is None or tick.total is None):
            self._told, self._told_at = tick.left_seconds, at
        if step is not None:
            self._nest(step, before)
        if tick.source == "transformers":
            self._trainer = True
            if before is not None and before.share:
                self._epochs.reckon(before.share)
        if changed or tick.passed is not None or (step is not None and step.advanced):
            self.moved_at = at
        if step is not None and step.restarted and step.loop is self._whole:
            self._pace.reset()
        self._sample(at)

    def _nest(self, step: Step, outer: CountedLoop | None) -> None:
        """Note what runs inside what: a loop that moves while one that began before is under way."""
        loop = step.loop
        if outer is not None and loop is not outer and not outer.is_through and loop.inside is None:
            loop.inside = outer
        share = loop.share
        if (
            share is not None
            and self._epochs.known
            and not loop.aside
            and not loop.spans_epochs
            and loop.unit != "epoch"
        ):
            self._epochs.advance(share)

    def _sample(self, at: float) -> None:
        """Note how much of the whole is done, and begin anew where the whole is another one."""
        whole, share = self._whole_share(at)
        if share is None:
            return
        if whole is not self._whole:
            self._pace.reset()
            self._whole = whole
        self._pace.add(at, share)

    def _whole_share(self, now: float) -> tuple[object, float | None]:
        """Return what the whole is, and how much of it is done, from 0 to 1; None where that can't be told."""
        epochs, of = self._epochs, self._epochs.of
        outer = self._loops.outer(now)
        over_all = outer is not None and (outer.spans_epochs or epochs.in_parts)
        if epochs.known and of and not over_all:
            return epochs, None if epochs.passes else min(1.0, epochs.passed / of)
        if outer is None or not outer.total or (epochs.known and not over_all):
            return outer, None  # each epoch has a bar of its own, and how many there are is not told
        return outer, None if outer.passes else min(1.0, (outer.step + self._inner_share(outer)) / outer.total)

    def _inner_share(self, outer: CountedLoop) -> float:
        """Return how much of the step under way is done, by what runs inside it since it began."""
        inner = [
            loop.share or 0.0
            for loop in self._loops.all()
            if loop.inside is outer and not loop.aside and loop.at >= outer.advanced_at
        ]
        return min(1.0, max(inner, default=0.0)) if not outer.is_through else 0.0

    # -- what is told --------------------------------------------------------------------------

    def progress(self) -> Progress | None:
        """Return how far it is; None where nothing that it wrote tells."""
        if self.seen_at is None:
            return None
        whole, share = self._whole_share(self.seen_at)
        loop = self._shown_loop(whole)
        epochs = self._epochs
        return Progress(
            text=self._text(whole, loop),
            seen_at=self.seen_at,
            ratio=share,
            left_seconds=self._left(share, whole),
            step=None if loop is None else loop.step,
            total=None if loop is None else loop.total,
            unit=None if loop is None else plain(loop.unit or "it", _NAME_LIMIT),
            epoch=epochs.number if epochs.known else None,
            epochs=epochs.of if epochs.known else None,
            rate=None if loop is None else loop.rate,
            loss=self.loss,
            loss_broken=self.loss_broken,
            source=self._source(loop),
        )

    def _shown_loop(self, whole: object) -> CountedLoop | None:
        """Return the loop whose steps are shown: the whole if it is one, else what moved last inside it."""
        if isinstance(whole, CountedLoop) and not whole.aside:
            return whole
        inner = [loop for loop in self._loops.all() if not loop.aside and loop.unit != "epoch"]
        return max(inner, key=lambda loop: (loop.at, loop is not whole), default=None) or self._loops.newest()

    def _source(self, loop: CountedLoop | None) -> str | None:
        if self._trainer:
            return "transformers"
        named = [self._epochs.source, "" if loop is None else loop.source]
        return next((name for name in (*reversed(named),) if name), None)

    def _left(self, share: float | None, whole: object) -> float | None:
        if share is not None:
            if share >= 1.0:
                return 0.0
            of = self._epochs.of
            found = self._pace.left_seconds(1 / of if whole is self._epochs and of else None)
            if found is not None:
                return found
            if isinstance(whole, CountedLoop) and whole.left_seconds is not None:
                return whole.left_seconds
        return self._told if self._told is not None and self._told_at == self.seen_at else None

    def _text(self, whole: object, loop: CountedLoop | None) -> str:
        epochs = self._epochs
        if epochs.known:
            of = "" if epochs.of is None else f"/{epochs.of:.0f}"
            return f"epoch {epochs.number:.0f}{of}"
        shown = whole if isinstance(whole, CountedLoop) else loop
        if shown is None:
            return ""
        of = "" if shown.total is None else f"/{shown.total:,.0f}"
        if shown.aside or not shown.unit or shown.unit == "it":
            name = plain(shown.name, _NAME_LIMIT) or "step"
        else:
            name = plain(shown.unit, _NAME_LIMIT)
        return f"{name} {shown.step:,.0f}{of}"
