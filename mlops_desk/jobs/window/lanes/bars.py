"""What stands in the lanes of the GPUs: who had each from when to when, and who is expected next. No Qt here."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.curves.event_marks import Occupant
from mlops_desk.kit.window.words import gpus, marks, numbers
from mlops_desk.kit.window.words import jobs as words
from mlops_desk.kit.window.words.gpus import upcoming
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.machine.records.gpu import Gpu

_NAME_LIMIT = 40  # chosen: a name in a bar


class BarKind(StrEnum):
    """What a bar stands for."""

    JOB = "job"
    OUTSIDE = "outside"
    EXPECTED = "expected"


@dataclass(frozen=True, slots=True)
class LaneBar:
    """One bar, Unix seconds. ``end`` None: nobody knows when it ends. What lies after now is expected.

    ``bad_end`` is how a run ended that did not succeed.
    """

    kind: BarKind
    start: float
    end: float | None
    name: str
    user: str | None
    job: str | None = None
    bad_end: Mark | None = None

    def title(self, now: float) -> str:
        """Return what stands in it: of a process outside also how long it has been there."""
        parts = [plain(part, _NAME_LIMIT) for part in (self.name, self.user) if part]
        if self.kind is BarKind.OUTSIDE and self.end is None:
            parts.append(numbers.duration(now - self.start).split(" ", 1)[0])
        return " · ".join(parts)

    def told(self, now: float) -> str:
        """Return it as a sentence."""
        who = " · ".join(plain(part, _NAME_LIMIT) for part in (self.name, self.user) if part)
        if self.kind is BarKind.EXPECTED:
            until = "" if self.end is None else f", until {words.about(self.end, now)} at the latest"
            return f"expected: {who}, starts {words.about(self.start, now)}{until}"
        kind = "job" if self.kind is BarKind.JOB else "outside"
        if self.end is None or self.end > now:
            end = "" if self.end is None else f", ends {words.about(self.end, now)}"
            return f"{kind} {who}, since {words.moment(self.start, now)}{end}"
        how = f", {self.bad_end.word}" if self.bad_end is not None else ""
        length = numbers.duration(self.end - self.start)
        return f"{kind} {who}, {words.moment(self.start, now)} – {words.moment(self.end, now)} ({length}){how}"


@dataclass(frozen=True, slots=True)
class GpuLane:
    """One GPU: its number, how it stands now, and its bars, the earliest first."""

    uuid: str
    index: int
    mark: Mark
    bars: tuple[LaneBar, ...] = field(default_factory=tuple)


def lanes(
    known: Sequence[Gpu], occupants: Iterable[Occupant], jobs: Mapping[str, JobBrief], now: float
) -> list[GpuLane]:
    """Return a lane for each GPU, by number."""
    bars: dict[str, list[LaneBar]] = {gpu.uuid: [] for gpu in known}
    there: set[str] = set()
    for one in occupants:
        if one.job is not None:
            there.add(one.job)
        bar = _bar(one, jobs.get(one.job or ""), now)
        for gpu in one.gpus:
            if gpu in bars:
                bars[gpu].append(bar)
    for job in jobs.values():
        if job.state in words.ON and job.gpus and job.started_at is not None and job.id not in there:
            new = LaneBar(BarKind.JOB, job.started_at, words.expected_end(job, now), job.name, job.user, job.id)
            for gpu in job.gpus:
                if gpu in bars:
                    bars[gpu].append(new)
    _expect(known, bars, jobs, now)
    return [
        GpuLane(gpu.uuid, gpu.index, gpus.gpu_mark(gpu), tuple(sorted(bars[gpu.uuid], key=lambda bar: bar.start)))
        for gpu in sorted(known, key=lambda gpu: gpu.index)
    ]


def _bar(one: Occupant, job: JobBrief | None, now: float) -> LaneBar:
    if one.job is None:
        return LaneBar(BarKind.OUTSIDE, one.start, one.end, one.name, one.user)
    if job is None or one.end is not None:
        # Of the attempts of a job only the last ended as the job did.
        last = job is not None and job.ended_at is not None and one.end is not None and job.ended_at <= one.end + 1.0
        bad = marks.JOB_MARKS[job.state] if job is not None and last and _is_bad(job.state) else None
        return LaneBar(BarKind.JOB, one.start, one.end, one.name, one.user, one.job, bad)
    if job.state in words.ON:
        return LaneBar(BarKind.JOB, one.start, words.expected_end(job, now), one.name, one.user, one.job)
    bad = marks.JOB_MARKS[job.state] if _is_bad(job.state) else None
    return LaneBar(BarKind.JOB, one.start, job.ended_at or now, one.name, one.user, one.job, bad)


def _is_bad(state: JobState) -> bool:
    return state in {JobState.FAILED, JobState.UNKNOWN}


def _expect(known: Sequence[Gpu], bars: dict[str, list[LaneBar]], jobs: Mapping[str, JobBrief], now: float) -> None:
    """Put the waiting jobs whose start is forecast where there is room then."""
    free_at = {gpu.uuid: _free_at(gpu, bars[gpu.uuid], now) for gpu in known}
    for uuid, expected in upcoming(free_at, jobs.values(), now).items():
        bars[uuid] += [
            LaneBar(BarKind.EXPECTED, one.start, one.end, one.job.name, one.job.user, one.job.id) for one in expected
        ]


def _free_at(gpu: Gpu, held: Sequence[LaneBar], now: float) -> float:
    ends = [math.inf if bar.end is None else bar.end for bar in held if bar.end is None or bar.end > now]
    if not ends and gpus.gpu_mark(gpu).word != "free":
        return math.inf
    return max(ends, default=now)


def described(shown: Iterable[GpuLane], now: float) -> str:
    """Return all lanes as sentences: who has each GPU now, and who is expected there."""
    return "; ".join(f"GPU {lane.index} {lane.mark.word}: {_now_and_next(lane, now)}" for lane in shown)


def _now_and_next(lane: GpuLane, now: float) -> str:
    seen = [bar for bar in lane.bars if bar.start > now or bar.end is None or bar.end > now]
    return ", then ".join(bar.told(now) for bar in seen) or "nobody"
