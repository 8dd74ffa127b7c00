"""When a monitor turns, when it turns back, and since when. Pure.

It turns with a window that alarms where ``needed`` of the newest ``of`` do: one odd window is chance. Without drift
some of 50 columns alarm in 1-6 % of single windows, and in 0-3 % of triples under 2 of 3 (DRIFT.md). It turns back once
so many windows in a row are fine that ``needed`` of ``of`` can't be any more: one fine window among bad ones ends
nothing, so that what comes and goes rings once. A window with too few rows says neither, and is passed over.

Where rows are told apart by segment the same is asked of the whole and of each segment by itself: two segments that
have one odd window each turn nothing. The monitor is turned while any of them is.

Windows follow each other in the order in which their rows came, whatever clocks said meanwhile, and each tells how the
monitor stands after it: nothing before the last few is needed to go on, after a restart neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlops_desk.drift.records.monitors import JudgedWindow
from mlops_desk.drift.records.segments import Segment, SegmentDrift
from mlops_desk.drift.records.verdict import Verdict

_SILENT = frozenset({Verdict.INSUFFICIENT_DATA, Verdict.NOT_COMPARED})
"""What says neither that it is bad nor that it is fine."""


def followed(earlier: Sequence[JudgedWindow], window: JudgedWindow, needed: int, of: int) -> JudgedWindow:
    """Return a window with the monitor's standing after it; ``earlier`` are the windows before it, oldest first."""
    before = earlier[-1] if earlier else None
    verdicts = {name: score.verdict for name, score in window.columns.items()}
    since = _since({} if before is None else before.since, verdicts, window.window_start)
    was = _Turn()
    if before is not None:  # one of an earlier program knows nothing of segments
        was = _Turn(before.is_whole_on, before.turned_at if before.of_whole is None else before.whole_turned_at)
    seen = [_Seen(one.verdict, one.window_start) for one in (*earlier, window)]
    whole = _turn(was, seen, needed, of)
    segments = None if window.segments is None else _segments(earlier, window, window.segments, needed, of)
    turned = [whole, *(_Turn(one.alarm, one.turned_at) for one in (segments.segments if segments else ()))]
    number = 1 if before is None else before.number + 1
    return replace(
        window,
        alarm=any(one.is_on for one in turned),
        turned_at=min((one.at for one in turned if one.is_on and one.at is not None), default=None),
        of_whole=whole.is_on,
        whole_turned_at=whole.at,
        since=since,
        number=number,
        segments=segments,
    )


@dataclass(frozen=True, slots=True)
class _Turn:
    """Whether something is turned, and the start of the window with which that began."""

    is_on: bool = False
    at: float | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    verdict: Verdict
    window_start: float


def _turn(was: _Turn, seen: Sequence[_Seen], needed: int, of: int) -> _Turn:
    """Return what becomes of something with the newest of its windows; silent ones are passed over."""
    if seen[-1].verdict in _SILENT:
        return was if was.is_on else _Turn()
    told = [one for one in seen if one.verdict not in _SILENT][-of:]
    is_on = _answer([one.verdict for one in told], needed, of, before=was.is_on)
    began = was.at if was.is_on else next((one.window_start for one in told if one.verdict.is_alarm), None)
    return _Turn(is_on, began if is_on else None)


def _segments(
    earlier: Sequence[JudgedWindow], window: JudgedWindow, now: SegmentDrift, needed: int, of: int
) -> SegmentDrift:
    """Go on with each segment; one that a window does not have says nothing there."""
    same = [one for one in earlier if one.segments is not None and one.segments.column == now.column]
    known = [{each.key: each for each in one.segments.segments} for one in same if one.segments is not None]
    found = []
    for segment in now.segments:
        listed = [by_key.get(segment.key) for by_key in known]
        before: Segment | None = next((one for one in reversed(listed) if one is not None), None)
        seen = [_Seen(one.verdict, at.window_start) for at, one in zip(same, listed, strict=True) if one is not None]
        seen.append(_Seen(segment.verdict, window.window_start))
        was = _Turn() if before is None else _Turn(before.alarm, before.turned_at)
        turn = _turn(was, seen, needed, of)
        verdicts = {one.name: one.verdict for one in segment.columns}
        since = _since({} if before is None else before.since, verdicts, window.window_start)
        found.append(replace(segment, alarm=turn.is_on, turned_at=turn.at, since=since))
    return replace(now, segments=tuple(found))


def is_telling(window: JudgedWindow) -> bool:
    """Tell whether a window says that it is bad or that it is fine."""
    return window.verdict not in _SILENT


def _answer(recent: Sequence[Verdict], needed: int, of: int, *, before: bool) -> bool:
    """Return whether the monitor is turned after the newest of some telling windows, the last of ``recent``."""
    bad = [verdict.is_alarm for verdict in recent]
    if bad[-1]:
        return before or sum(bad) >= needed
    last = bad[-(of - needed + 1) :]
    return before and (any(last) or len(last) < of - needed + 1)


def _since(known: Mapping[str, float], verdicts: Mapping[str, Verdict], window_start: float) -> Mapping[str, float]:
    """Go on with the runs of alarms. What says nothing of a column breaks no run of it and begins none."""
    found = {name: at for name, at in known.items() if name not in verdicts or verdicts[name] in _SILENT}
    for name, verdict in verdicts.items():
        if verdict.is_alarm:
            found[name] = known.get(name, window_start)
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))
