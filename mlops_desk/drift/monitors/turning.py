"""When a monitor turns, when it turns back, and since when. Pure.

It turns with a window that alarms where ``needed`` of the newest ``of`` do: one odd window is chance. Without drift
some of 50 columns alarm in 1-6 % of single windows, and in 0-3 % of triples under 2 of 3 (DRIFT.md). It turns back once
so many windows in a row are fine that ``needed`` of ``of`` can't be any more: one fine window among bad ones ends
nothing, so that what comes and goes rings once. A window with too few rows says neither, and is passed over.

Windows follow each other in the order in which their rows came, whatever clocks said meanwhile, and each tells how the
monitor stands after it: nothing before the last few is needed to go on, after a restart neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mlops_desk.records.drift import Verdict
from mlops_desk.records.drift.monitors import ColumnScore, JudgedWindow

_SILENT = frozenset({Verdict.INSUFFICIENT_DATA, Verdict.NOT_COMPARED})
"""What says neither that it is bad nor that it is fine."""


def followed(earlier: Sequence[JudgedWindow], window: JudgedWindow, needed: int, of: int) -> JudgedWindow:
    """Return a window with the monitor's standing after it; ``earlier`` are the windows before it, oldest first."""
    before = earlier[-1] if earlier else None
    since = _since({} if before is None else before.since, window.columns, window.window_start)
    was_on, was_at = (False, None) if before is None else (before.alarm, before.turned_at)
    judged = [*(one for one in earlier if is_telling(one)), *((window,) if is_telling(window) else ())][-of:]
    is_on = was_on if not is_telling(window) else _answer([one.verdict for one in judged], needed, of, before=was_on)
    if is_on and not was_on:
        was_at = next(one.window_start for one in judged if one.verdict.is_alarm)
    number = 1 if before is None else before.number + 1
    return replace(window, alarm=is_on, turned_at=was_at if is_on else None, since=since, number=number)


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


def _since(known: Mapping[str, float], columns: Mapping[str, ColumnScore], window_start: float) -> Mapping[str, float]:
    """Go on with the runs of alarms. What says nothing of a column breaks no run of it and begins none."""
    found = {name: at for name, at in known.items() if name not in columns or columns[name].verdict in _SILENT}
    for name, score in columns.items():
        if score.verdict.is_alarm:
            found[name] = known.get(name, window_start)
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))
