"""Reads how far a job is out of what it writes, piece by piece; nothing is looked at twice.

The outermost loop that is known decides the whole: epochs where their number is told, else the first bar that is
not through; what goes on inside adds its part. What is beside the training (validation, downloads) moves nothing.
"""

import math
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from mlops_desk.jobs.progress.bars import bar, epoch_in
from mlops_desk.jobs.progress.epoch_count import NUMBER, CountedLoop, EpochCount, Loops, Saying, Step, clock, number
from mlops_desk.jobs.records.job_activity import Progress
from mlops_desk.kit.base.text import plain

# The loss of a training as its lines tell it; losses of a validation are left out. Text is in lower case.
_LOSS = re.compile(
    r"loss(?:_?(?:step|epoch))?(?![a-z_])['\"]?\s{0,8}[:=|]?\s{0,8}['\"(\[]?(?:tensor\()?\s?"
    r"([-+]?(?:nan|inf(?:inity)?)\b|[-+]?\d{1,40}(?:,\d{3})*\.?\d{0,40}(?:e[-+]?\d{1,4})?)"
)
_OTHERS = re.compile(
    r"(?:val(?:idation)?|valid|eval|test|dev|best|min|lowest|stop)[\s_/-]{0,3}(?:[a-z]{1,8}[\s_/-]{1,3})?$"
)
_BEFORE = 24
"""How many characters before the word are looked at for what says that it is no training's loss."""


def loss_in(lowered: str) -> float | None:
    """Return the last training loss that a segment tells, also one that is no number; None: it tells none."""
    found = None
    for match in _LOSS.finditer(lowered):
        before = lowered[max(0, match.start() - _BEFORE) : match.start()]
        if (before[-1:].isalpha() and not before.endswith(_JOINED)) or _OTHERS.search(before) is not None:
            continue
        found = float(match[1].replace(",", ""))
    return found


_JOINED = ("train", "total", "mean", "avg")


def broken_word(loss: float) -> str | None:
    """Return what is wrong with a loss: ``nan``, ``inf``, ``-inf``."""
    if math.isnan(loss):
        return "nan"
    return None if math.isfinite(loss) else "inf" if loss > 0 else "-inf"


# What a program paints, cut where it draws anew: each segment is a line, or one state of a line that is redrawn.
# Pieces come as the engine hands them on, cut anywhere: Docker holds a line back until its end comes, and of one
# without an end it hands on 16 KiB at a time. So the last segment of a piece is complete only when more follows it.
_ENDS = re.compile(rb"[\r\n]+")
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|[\x08\x00]+")
_BAR = re.compile(rb"([^|%]*?)\s*(\d{1,3})%\|")
_LONGEST_BYTES = 4096
"""Chosen: a bar over the whole width of a wide terminal has 600 bytes; what is longer tells its progress before."""
_BAR_END = b"]"  # how tqdm ends what it paints; the others end it with a carriage return or a line's end


class Segments:
    """Cuts pieces into segments of plain text; of a bar that is drawn a thousand times a second, few are handed on."""

    def __init__(self) -> None:
        self._pending = b""
        self._drawn = (b"", 0)

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the segments that a piece completes, and one that is complete by its look."""
        *whole, pending = _ENDS.split(self._pending + data)
        for segment, following in pairwise([*whole, b""]):
            if segment and not self._passes_by(segment, following):
                yield _plain(segment)
        self._pending = pending[:_LONGEST_BYTES]
        if pending.endswith(_BAR_END):
            yield _plain(pending)

    def lose(self) -> None:
        """Forget what waits for its end: something between it and what comes now was not heard."""
        self._pending = b""

    def _passes_by(self, segment: bytes, following: bytes) -> bool:
        """Tell whether a bar goes on from the one before it to the one behind it: neither begins it anew."""
        bar = _BAR.match(segment)
        if bar is None:
            return False
        name, percent = bar[1], int(bar[2])
        before, after = self._drawn, _BAR.match(following)
        if after is not None and before[0] == name == after[1] and before[1] <= percent <= int(after[2]):
            return True
        self._drawn = name, percent
        return False


def _plain(segment: bytes) -> str:
    segment = segment[:_LONGEST_BYTES]
    if b"\x1b" in segment or b"\x08" in segment or b"\x00" in segment:
        segment = _ESCAPES.sub(b"", segment)
    return segment.decode("utf-8", "replace")


# How fast the whole goes on lately, and so how long the rest takes.
# Lately is the newest third of what was seen: what a start costs (compiling, caches) is forgotten then, and stretches
# without an advance that come again, as a validation after each epoch, are in it.
_MOST = 240  # chosen: a third of it still holds eighty points
_LATELY = 1 / 3  # chosen: long enough for what comes again, and soon past a start
_LEAST_SECONDS = 5.0  # chosen: of less the first steps, which are slow, are the most
_LEAST_SAMPLES = 3  # chosen: of two the first is the slow one


class Pace:
    """Samples of what is done, as a share of the whole, at a time (Unix seconds)."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()
        self._apart_seconds = 0.0

    def reset(self) -> None:
        """Begin anew: the whole is another one."""
        self._samples.clear()
        self._apart_seconds = 0.0

    def add(self, at: float, done: float) -> None:
        """Note that so much is done; of samples close to one another the first is kept, and the newest always."""
        samples = self._samples
        if samples and (at <= samples[-1][0] or done <= samples[-1][1]):
            return  # nothing was done, or another rank tells late, or the clock was set back
        if len(samples) > 1 and at - samples[-2][0] < self._apart_seconds:
            samples[-1] = (at, done)
            return
        samples.append((at, done))
        if len(samples) > _MOST:
            self._apart_seconds = 2 * max(self._apart_seconds, (samples[-1][0] - samples[0][0]) / _MOST)
            self._samples = deque([*list(samples)[:-1:2], samples[-1]])

    def left_seconds(self, epoch_share: float | None = None) -> float | None:
        """Return how long the rest takes; None while too little was seen.

        ``epoch_share`` is how much of the whole an epoch is: two of them are looked back on at least.
        """
        samples = self._samples
        if len(samples) < _LEAST_SAMPLES:
            return None
        (end, done), begin = samples[-1], samples[1 if len(samples) > _LEAST_SAMPLES else 0]
        since = end - (end - begin[0]) * _LATELY
        below = done if epoch_share is None else done - 2 * epoch_share
        for at, share in reversed(samples):
            begin = at, share
            if (at <= since and share <= below and end - at >= _LEAST_SECONDS) or (at, share) == samples[1]:
                break
        seconds, advance = end - begin[0], done - begin[1]
        if advance <= 0 or seconds < _LEAST_SECONDS:
            return None
        return max(0.0, (1.0 - done) * seconds / advance)


# Plain lines that tell how far it is: what people print, dicts of transformers' Trainer, boosting rounds, fastai.
_MANY = r"(steps?|iter(?:ation)?s?|batch(?:es)?|rounds?|updates?|episodes?|trials?)"
_ONE = r"(step|iter(?:ation)?|batch|round|update|episode|trial)"
_SET = r"(?![a-z_])[\s:=\[(#]{0,12}"
_OF = re.compile(rf"{_MANY}{_SET}({NUMBER})\]?\s{{0,8}}(?:/|of|out of)\s{{0,8}}({NUMBER})")
_BEFORE_lines = re.compile(rf"(?<![\d/.,])({NUMBER})\s{{0,8}}/\s{{0,8}}({NUMBER})\s{{1,8}}{_MANY}(?![a-z_])")
_BRACKETS = re.compile(r"\[\s{0,8}(\d{1,12})\s{0,8}/\s{0,8}(\d{1,12})\s{0,8}(?:\(\s{0,8}\d{1,3}%\))?\]")
_ALONE = re.compile(rf"(?:(?<![a-z_.-])|(?<=global_)){_ONE}[\s:=#]{{1,3}}({NUMBER})\b(?!\s?[/%])")
_UNITS = ("step", "iter", "batch", "round", "update", "episode", "trial")
_ETA = re.compile(r"eta[:=]?\s{0,3}((?:\d{1,3} days?, )?\d{1,4}:\d\d:\d\d)")
_DICT_EPOCH = re.compile(r"""['"]epoch['"]:\s?['"]?(\d{1,9}(?:\.\d{1,9})?)""")
_BOOSTING = re.compile(r"\[(\d{1,12})\]\t\S.*:")
_FASTAI = re.compile(
    r"\s{0,8}(\d{1,9})\s+(?:\d+\.\d+|nan|inf)\s+(?:(?:\d+\.\d+|nan|inf|none|#na#)\s+){1,20}(?:\d+:)?\d\d:\d\d\s*$"
)
_RESULTS = ("loss", "acc", "auc", "val", "score", "f1", "time", "metric", "error", "perplexity", "ppl")


def line(text: str) -> Saying | None:
    """Return what a segment without a bar says; it is in lower case."""
    if text.startswith("[") and (match := _BOOSTING.match(text)) is not None:
        return Saying("boosting", "rounds", number(match[1]), None, "round")
    if "epoch" in text:
        if "{" in text and (match := _DICT_EPOCH.search(text)) is not None:
            is_trainer = "'loss'" in text or "'eval_" in text or "'train_" in text
            return Saying("transformers" if is_trainer else "text", "dict", passed=number(match[1]))
        found = _epoch(text)
    elif text[:1].isspace() or text[:1].isdigit():
        match = _FASTAI.match(text)
        if match is not None:
            return Saying("fastai", "table", epoch=float(match[1]), ended=True)
        found = _step(text)
    else:
        found = _step(text)
    if "eta" in text and (match := _ETA.search(text)) is not None:
        found = replace(found or Saying("text", "eta"), left_seconds=clock(match[1]))
    return found


def _epoch(text: str) -> Saying | None:
    epoch, epochs = epoch_in(text)
    within = _step(text) or _bracketed(text, epochs)
    if epoch is None:
        return within
    if within is not None and within.total is not None:
        return replace(within, name="epoch", epoch=epoch, epochs=epochs)
    ended = within is None and any(word in text for word in _RESULTS)
    return Saying("text", "epochs", epoch=epoch, epochs=epochs, ended=ended)


def _bracketed(text: str, epochs: float | None) -> Saying | None:
    """Return the steps of ``Epoch: [3][ 100/5005]``; the brackets of ``Epoch [3/10]`` are the epoch's own."""
    match = _BRACKETS.search(text)
    if match is None or number(match[2]) == epochs:
        return None
    return Saying("text", "steps", number(match[1]), number(match[2]), "step")


def _step(text: str) -> Saying | None:
    if not any(unit in text for unit in _UNITS):
        return None
    match = _OF.search(text)
    if match is not None:
        unit, step, total = match[1], number(match[2]), number(match[3])
    elif "/" in text and (match := _BEFORE_lines.search(text)) is not None:
        unit, step, total = match[3], number(match[1]), number(match[2])
    else:
        match = _ALONE.search(text)
        if match is None:
            return None
        return Saying("text", "steps", number(match[2]), None, _UNIT_WORDS.get(match[1], match[1]))
    if step is None or not total or step > total:
        return None
    return Saying("text", "steps", step, total, _UNIT_WORDS.get(unit, unit.rstrip("s")))


_UNIT_WORDS = {"batches": "batch", "iter": "iteration", "iters": "iteration"}


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
