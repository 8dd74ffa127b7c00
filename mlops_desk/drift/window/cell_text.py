"""What is said of one cell of a heat map, of a window, and at the end of a row. No Qt here."""

import math
import time

from mlops_desk.drift.records.monitors import ColumnScore, JudgedWindow
from mlops_desk.drift.window.words import measure_title
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.words import marks, numbers

_LONG_AGO = 300 * 86_400.0  # seconds; chosen: of what is so old the year has to be told


def known(value: float | None) -> float | None:
    """Return a number that can be shown; None for one that is none."""
    return value if value is not None and math.isfinite(value) else None


def of_window(window: JudgedWindow) -> str:
    """Return when a window was and how many rows it has."""
    return of_span(window.window_start, window.window_end, window.n_rows)


def of_span(begin: float, until: float, n_rows: int) -> str:
    """Return two Unix times as one reads them, and how many rows there are between."""
    rows = numbers.count(n_rows, "row")
    start, end = time.localtime(begin), time.localtime(until)
    last = "%H:%M" if start[:3] == end[:3] else "%d %b %H:%M"
    return f"{time.strftime('%d %b %H:%M', start)} – {time.strftime(last, end)}, {rows}"


def of_cell(column: str, score: ColumnScore | None, window: JudgedWindow) -> str:
    """Return all that a cell holds, in one line."""
    if score is None:
        return f"{plain(column)}, {of_window(window)}: not in this window"
    said = [marks.VERDICT_MARKS[score.verdict].word]
    value = known(score.score)
    if value is not None:
        limit = known(score.limit)
        bound = f" (limit {numbers.number(limit)})" if limit is not None else ""
        said.append(f"{measure_title(score.measure or 'score')} {numbers.number(value)}{bound}")
    p_value = known(score.p_adjusted)
    if p_value is not None:
        said.append(f"p {numbers.number(p_value, 2)}")
    missing = known(score.missing_ratio)
    if missing is not None and 0.0 < missing <= 1.0:
        said.append(f"{numbers.percent(missing, 1)} missing")
    return f"{plain(column)}, {of_window(window)}: {', '.join(said)}"


def since(moment: float | None, now: float) -> str:
    """Return the end of a row: from when on its column has drifted, nothing where it has not."""
    if moment is None:
        return ""
    at = time.localtime(moment)
    if now - moment > _LONG_AGO:
        return f"since {time.strftime('%d %b %Y', at)}"
    today = at[:3] == time.localtime(now)[:3]
    return f"since {time.strftime('%H:%M' if today else '%d %b', at)}"
