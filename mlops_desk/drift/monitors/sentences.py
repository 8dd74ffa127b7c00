"""What is said of a monitor, in words. Pure. Names of columns come from outside, and are cut.

What moved, since when, and how sure that is: ``age 38.2 → 51.7``.
"""

import math
from collections.abc import Sequence
from shlex import quote

from mlops_desk.drift.monitors import segments
from mlops_desk.drift.monitors.state_machine import is_telling
from mlops_desk.drift.monitors.time_format import at
from mlops_desk.drift.monitors.window_scores import is_broken, is_broken_window, ranked
from mlops_desk.drift.records.monitors import ColumnScore, DriftWatch, JudgedWindow, Monitor, MonitorState
from mlops_desk.drift.records.sources import SourceKind
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import percent, plain

_NAMED = 3  # chosen: as many as stand in one line
_NAME = 60  # chosen: names of columns come from files
_QUALITY = {
    "missing": "missing",
    "infinite": "infinite",
    "wrong_type": "of the wrong type",
    "out_of_range": "out of range",
    "unseen": "never seen before",
    "future": "in the future",
}


def moved(columns: Sequence[tuple[str, ColumnScore]]) -> str:
    """Name the first few columns with how far they have moved."""
    shown = ", ".join(f"{plain(name, _NAME)}{_how_far(score)}" for name, score in columns[:_NAMED])
    return f"{shown} and {len(columns) - _NAMED} more" if len(columns) > _NAMED else shown


def _how_far(score: ColumnScore) -> str:
    if score.before is None or score.now is None:
        return ""
    if score.label is None:
        return f" {_number(score.before)} → {_number(score.now)}"
    what = _QUALITY.get(score.label, score.label) if score.of_quality else f"«{plain(score.label, 30)}»"
    return f" ({what}: {percent(max(0.0, score.before), 1)} → {percent(score.now, 1)})"


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.4g}"


def sure(columns: Sequence[tuple[str, ColumnScore]], recent: Sequence[JudgedWindow], of: int) -> str:
    """Say how sure an alarm is: the largest corrected p-value of the columns that alarm, and how many windows do."""
    known = [score.p_adjusted for _, score in columns if score.p_adjusted is not None]
    told = [window for window in recent if is_telling(window)][-of:]
    windows = f"{sum(window.verdict.is_alarm for window in told)} of the newest {len(told)} windows alarm"
    if not known:
        return windows
    worst = max(known)
    return f"{windows}, p {'< 0.0001' if worst < 1e-4 else f'= {worst:.2g}'} corrected for the number of columns"


def sentence(
    monitor: Monitor, state: MonitorState, windows: Sequence[JudgedWindow], *, waits: str, trouble: str | None
) -> str:
    """Say in a sentence or two how a monitor stands; ``windows`` are the newest, oldest first."""
    telling = [window for window in windows if is_telling(window)]
    if state is MonitorState.PAUSED:
        return "Paused: nobody looks until it is resumed."
    if state is MonitorState.UNKNOWN:
        return f"It can't be judged: {trouble}"
    if state is MonitorState.WAITING or not telling:
        return waits
    return _turned(monitor, telling) if state is MonitorState.TURNED else _not_turned(monitor, telling[-1])


def _turned(monitor: Monitor, telling: Sequence[JudgedWindow]) -> str:
    newest = telling[-1]
    told = [_whole_turned(monitor, telling)] if newest.is_whole_on else []
    inside = segments.turned(newest)
    return " ".join([*told, *([inside] if inside else [])])


def _whole_turned(monitor: Monitor, telling: Sequence[JudgedWindow]) -> str:
    newest = telling[-1]
    bad = ranked(newest, monitor.importance)
    since = newest.whole_turned_at if newest.whole_turned_at is not None else newest.turned_at
    began = at(since if since is not None else newest.window_start)
    if not bad:
        return f"The newest window of {newest.n_rows:,} rows is fine, and others since {began} were not."
    what = "have broken values" if is_broken(newest.columns) else "have drifted"
    how_sure = _capital(sure(bad, telling, monitor.of))
    return f"{len(bad)} of {len(newest.columns)} columns {what} since {began}: {moved(bad)}. {how_sure}."


def _not_turned(monitor: Monitor, newest: JudgedWindow) -> str:
    bad = ranked(newest, monitor.importance)
    if bad:
        return f"The newest window alarms ({moved(bad)}); one alone may be chance."
    inside = segments.odd(newest)
    if inside:
        return f"The newest window alarms in {inside}; one alone may be chance."
    where = f"in the newest window of {newest.n_rows:,} rows and {len(newest.columns)} columns"
    if newest.segments is not None:
        where += f", nor in its segments by {plain(newest.segments.column, _NAME)}"
    if newest.verdict is Verdict.WARNING:
        return f"Nothing has drifted {where}; something begins to move."
    return f"Nothing has moved {where}."


def watch_of(
    monitor: Monitor,
    state: MonitorState,
    windows: Sequence[JudgedWindow],
    said: str,
    *,
    of_answers: bool = False,
    hint: str | None = None,
) -> DriftWatch:
    """Return what the alerts are told of a monitor that stands so, and of which ``said`` is said.

    ``of_answers``: its answers have become worse, whatever its windows are; ``hint`` then leads to them.
    """
    is_turned = {MonitorState.TURNED: True, MonitorState.UNKNOWN: None}.get(state, False)
    newest = next((window for window in reversed(windows) if window.is_bad), None)
    user = None if monitor.created_by is None else user_name(monitor.created_by)
    if not is_turned or (newest is None and not of_answers):
        return DriftWatch(monitor.name, is_turned, level=monitor.level, user=user)
    has_drifted = newest is not None and windows[-1].alarm
    are_answers = of_answers and not has_drifted
    return DriftWatch(
        monitor.name,
        is_turned,
        is_broken=not of_answers and all(map(is_broken_window, _episode(windows))),
        are_answers=are_answers,
        level=monitor.level,
        text=said,
        hint=rows_hint(monitor, newest) if has_drifted and newest is not None else hint,
        user=user,
    )


def answers_hint(monitor: Monitor) -> str:
    """Lead to the figures of a monitor's answers."""
    return Hint(f"mlops-desk drift monitors performance {quote(monitor.name)}", before="See the figures: ")


def redacted(columns: Sequence[str]) -> tuple[str, ...]:
    """Say which columns are not judged because the desk takes them out of the log; nothing where none are."""
    if not columns:
        return ()
    more = f" and {len(columns) - _NAMED} more" if len(columns) > _NAMED else ""
    shown = ", ".join(plain(name, _NAME) for name in columns[:_NAMED])
    return (f"Left out, for the desk's own rule takes them out of the log (data redact): {shown}{more}.",)


def _episode(windows: Sequence[JudgedWindow]) -> list[JudgedWindow]:
    """Return the alarming windows since the monitor turned: once something has drifted, that is what it is about."""
    began = windows[-1].turned_at
    return [one for one in windows if one.is_bad and (began is None or one.window_start >= began)]


def rows_hint(monitor: Monitor, window: JudgedWindow) -> str:
    """Lead to the rows of a window: logged requests, or the report where they are no requests."""
    if monitor.source.kind is SourceKind.LOG:
        span = f"--since {math.floor(window.window_start)} --until {math.floor(window.window_end) + 1}"
        return Hint(f"mlops-desk endpoints requests {quote(monitor.source.place)} {span}", before="Look at the rows: ")
    if window.report_id is not None:
        return Hint(f"mlops-desk drift show {window.report_id}", before="Compare the distributions: ")
    return Hint(f"mlops-desk drift monitors show {quote(monitor.name)}", before="See how it stands: ")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
