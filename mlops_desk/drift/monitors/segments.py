"""What is said of a monitor's segments, in words. Pure. Values and names come from outside, and are cut."""

from collections.abc import Iterable

from mlops_desk.drift.monitors.time_format import at
from mlops_desk.drift.records.monitors import JudgedWindow
from mlops_desk.drift.records.segments import Segment, SegmentColumn
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.kit.base.text import plain

_NAMED = 3  # chosen: as many as stand in one line
_NAME = 60  # chosen: names of columns come from files


def turned(window: JudgedWindow) -> str:
    """Say which segments are turned after a window, since when, and by which columns; "" where none is."""
    found = window.segments
    bad = [] if found is None else _worst_first(one for one in found.segments if one.alarm)
    if found is None or not bad:
        return ""
    what = "has" if len(bad) == 1 else "have"
    broken = "broken values" if all(map(_is_broken, bad)) else "drifted"
    known = [one.turned_at for one in bad if one.turned_at is not None]
    began = at(min(known)) if known else at(window.window_start)
    named = "; ".join(f"{name_of(one)} ({_columns(one)})" for one in bad[:_NAMED])
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    head = f"{len(bad)} of {len(found.segments)} segments by {plain(found.column, _NAME)} {what} {broken}"
    return f"{head} since {began}: {named}{more}.{_sure(bad, found.n_tests)}"


def odd(window: JudgedWindow) -> str:
    """Name the segments that alarm in a window alone; "" where none does."""
    found = window.segments
    bad = [] if found is None else _worst_first(one for one in found.segments if one.verdict.is_alarm)
    if found is None or not bad:
        return ""
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    named = "; ".join(f"{name_of(one)} ({_columns(one)})" for one in bad[:_NAMED])
    return f"{'segment' if len(bad) == 1 else 'segments'} by {plain(found.column, _NAME)}: {named}{more}"


def name_of(one: Segment) -> str:
    """Return what a segment is called in a sentence: its value in quotes, or what stands for rows without one."""
    if one.is_unknown:
        return "values unknown to the reference"
    if one.is_rest:
        return "other values"
    return "no value" if one.value is None else f"«{plain(one.value, _NAME)}»"


def moved(one: Segment) -> list[SegmentColumn]:
    """Return a segment's columns that alarm, the worst first."""
    bad = [column for column in one.columns if column.verdict.is_alarm]
    return sorted(bad, key=lambda each: (each.verdict is not Verdict.CRITICAL, -(each.effect or 0.0), each.name))


def _columns(one: Segment) -> str:
    bad = moved(one)
    if not bad:
        return "fine in the newest window"
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return ", ".join(plain(column.name, _NAME) for column in bad[:_NAMED]) + more


def _sure(bad: Iterable[Segment], n_tests: int) -> str:
    known = [column.p_adjusted for one in bad for column in moved(one) if column.p_adjusted is not None]
    if not known:
        return ""
    worst = max(known)
    return f" P {'< 0.0001' if worst < 1e-4 else f'= {worst:.2g}'} corrected for all {n_tests:,} tests."


def _is_broken(one: Segment) -> bool:
    bad = moved(one)
    return bool(bad) and all(column.of_quality or column.verdict is Verdict.CRITICAL for column in bad)


def _worst_first(segments: Iterable[Segment]) -> list[Segment]:
    return sorted(segments, key=lambda one: (-one.n_drifted, -one.n_current, one.value or ""))
