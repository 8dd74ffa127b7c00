"""Monitors of drift and their windows as text."""

from collections.abc import Callable, Mapping
from typing import Any

from mlops_desk.drift.records.importance_words import how, interval
from mlops_desk.drift.records.monitors import ColumnScore, ColumnStory, JudgedWindow, Monitor, MonitorStanding
from mlops_desk.drift.records.rows import WindowRows
from mlops_desk.drift.records.segments import Segment
from mlops_desk.drift.records.sources import ReferenceKind, Source, SourceKind
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.text.dataset_drift import name_of
from mlops_desk.drift.text.monitoring.answers import columns
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import ago, facts, moment, number, span, table

# What a monitor's columns mean to its model, as text.
_NAMED_importance = 8  # chosen: two lines of a terminal; --json has all
_NAME = 60  # chosen: names of columns come from files
_TEXT = 1000  # chosen: a paragraph


def importance(one: Monitor) -> dict[str, str]:
    """Return the weights of a monitor's columns, the largest first, and how they were found; nothing without any."""
    if not one.importance:
        return {}
    order = sorted(one.importance.items(), key=lambda item: (-item[1], item[0]))
    found = one.computed
    if found is None:
        shown = [f"{plain(name, _NAME)} {number(weight)}" for name, weight in order[:_NAMED_importance]]
        return {"importance": f"{', '.join(shown)}{_more(len(order))}; as somebody gave it"}
    shown = [
        f"{plain(name, _NAME)} {weight:.0%} [{interval(found.columns[name])}]"
        for name, weight in order[:_NAMED_importance]
        if name in found.columns
    ]
    told = f"{how(found, one.model)} Computed {moment(found.at)}."
    return {"importance": f"{', '.join(shown)}{_more(len(order))}", "found by": plain(told, _TEXT)}


def _more(n: int) -> str:
    return f" and {n - _NAMED_importance} more" if n > _NAMED_importance else ""


# Segments of a monitor as text: which values drift, since when, and by which columns.
_NAMED = 5  # chosen: one line of a terminal; --json has all


def standing(item: MonitorStanding) -> dict[str, str]:
    """Return a line for the column by which rows are told apart, and one for each segment of the newest window."""
    if item.monitor.segment is None:
        return {}
    if item.segments is None:
        return {"by segment": f"{plain(item.monitor.segment, _NAME)}, from the next window on"}
    found = item.segments
    told = {"by segment": f"{plain(found.column, _NAME)}, corrected over all {found.n_tests:,} tests together"}
    return told | {f"  {name_of(one)}": _told(one) for one in found.segments}


def of_window(item: JudgedWindow) -> list[str]:
    """Return a table of a window's segments, where it has any."""
    if item.segments is None:
        return []
    heads = [plain(item.segments.column, _NAME).upper(), "VERDICT", "MONITOR", "SINCE", "ROWS", "REFERENCE", "DRIFTED"]
    rows = [
        [
            name_of(one),
            one.verdict.replace("_", " "),
            "turned" if one.alarm else "",
            "–" if one.turned_at is None else moment(one.turned_at),
            f"{one.n_current:,}",
            f"{one.n_reference:,}",
            _columns(one) or "–",
        ]
        for one in item.segments.segments
    ]
    return ["", table(heads, rows)]


def drifted(item: JudgedWindow) -> str:
    """Name the segments that alarm in a window; "" where none does."""
    found = () if item.segments is None else item.segments.segments
    bad = [f"{name_of(one)} ({_columns(one)})" for one in found if one.verdict.is_alarm]
    return f"{', '.join(bad[:_NAMED])}{f' and {len(bad) - _NAMED} more' if len(bad) > _NAMED else ''}"


def _told(one: Segment) -> str:
    if one.is_unknown:
        more = f" and {one.n_values - len(one.names)} more" if one.n_values > len(one.names) else ""
        return f"{one.n_current:,} rows, not compared: {', '.join(plain(each, _NAME) for each in one.names)}{more}"
    since = f", turned since {moment(one.turned_at)}" if one.alarm and one.turned_at is not None else ""
    moved = _columns(one)
    return f"{one.verdict.replace('_', ' ')}{since}{f': {moved}' if moved else ''} ({one.n_current:,} rows)"


def _columns(one: Segment) -> str:
    bad = [plain(column.name, _NAME) for column in one.columns if column.verdict.is_alarm]
    return f"{', '.join(bad[:_NAMED])}{f' and {len(bad) - _NAMED} more' if len(bad) > _NAMED else ''}"


_MARKS = {
    Verdict.OK: ".",
    Verdict.WARNING: "-",
    Verdict.DRIFT: "#",
    Verdict.CRITICAL: "!",
    Verdict.INSUFFICIENT_DATA: "?",
}
"""One letter for each window, for a strip of them."""
_ID = 12  # chosen: enough to name one among millions


def monitor(item: MonitorStanding) -> str:
    """Return one monitor: how it stands, which columns have drifted since when, and what it watches."""
    one = item.monitor
    told = {
        "monitor": f"{one.name}{' (proposed by the desk)' if one.is_proposed else ''}",
        "state": item.state.value,
        "what": plain(item.sentence, _TEXT),
    }
    if item.hint:
        told["next"] = plain(item.hint, _TEXT)
    for at in dict.fromkeys(item.since.values()):
        told[f"since {moment(at)}"] = ", ".join(plain(name, _NAME) for name, when in item.since.items() if when == at)
    told |= {
        "windows": f"{strip(item)}  (newest last; # drift, ! critical, - warning, . ok, ? too few rows)",
        "watches": _source(one),
        "held against": _reference(one),
        "a window": f"{one.window.rows:,} rows" if one.window.rows else span(one.window.seconds or 0.0),
        "turns when": f"{one.needed} of {one.of} windows alarm; its alert is of the level {one.level}",
        **_predictions(item),
        **standing(item),
        **_answers(item),
        **importance(one),
        "left out": _pairs(one.suppressed) or "nothing by choice",
        "looked at": f"{ago(item.checked_at)}{_next(item)}",
    }
    if item.pending_rows is not None:
        told["rows that wait"] = f"{item.pending_rows:,}"
    if item.n_late or item.n_rejected:
        told["in no window"] = f"{item.n_late or 0:,} rows that came too late, {item.n_rejected or 0:,} that are none"
    if item.notes:
        told["it says"] = plain(" ".join(item.notes), _TEXT)
    if item.alert_id:
        told["alert"] = item.alert_id
    return facts(told)


def _predictions(item: MonitorStanding) -> dict[str, str]:
    """Return how what the model answers is judged, and what to do where it can't be."""
    if item.predictions is None:
        return {}
    hint = f" {item.predictions.hint}" if item.predictions.hint else ""
    return {"predictions": plain(f"{item.predictions.sentence}{hint}", _TEXT)}


def _answers(item: MonitorStanding) -> dict[str, str]:
    """Return how the answers stand and by what they are scored, where they are."""
    if item.answers is None or item.monitor.answers is None:
        return {}
    told = {"answers": plain(item.answers.sentence, _TEXT), "scored by": columns(item.monitor.answers)}
    if item.answers.hint:
        told["for answers"] = plain(item.answers.hint, _TEXT)
    return told


def strip(item: MonitorStanding) -> str:
    """Return the newest windows, a letter for each, oldest first."""
    return "".join(_MARKS.get(verdict, "?") for verdict in item.strip) or "none yet"


def _next(item: MonitorStanding) -> str:
    return "" if item.next_check_at is None else f", next at {moment(item.next_check_at)}"


def _source(one: Monitor) -> str:
    what = {
        SourceKind.LOG: f"requests to {one.source.place}",
        SourceKind.FILE: one.source.place,
        SourceKind.SQL: f"{one.source.query} in {one.source.place}{_new_by(one.source)}",
        SourceKind.MLFLOW: f"{one.source.query} of run {one.source.place}",
    }[one.source.kind]
    return plain(f"{what}{f', model {one.model}' if one.model else ''}", _TEXT)


def _new_by(source: Source) -> str:
    return f", new rows by {source.watermark or source.time_column}"


def _reference(one: Monitor) -> str:
    held = one.reference
    if held.kind is ReferenceKind.FILE:
        return plain(held.path or "", _TEXT)
    if held.kind is ReferenceKind.PINNED:
        return f"{moment(held.start or 0.0)} to {moment(held.end or 0.0)} of the same"
    if held.kind is ReferenceKind.PREVIOUS:
        return "the window before"
    if held.kind is ReferenceKind.LIVE:
        return plain(one.reference_found or "its first live rows, as soon as there are enough", _TEXT)
    told = f"the {held.kind} data logged with the model"
    return plain(f"{told}, found as {one.reference_found}", _TEXT) if one.reference_found else told


def story(item: ColumnStory) -> str:
    """Return one column over time."""
    heads = ["FROM", "TO", "ROWS", "VERDICT", "SCORE", "MISSING", "5 %", "MEDIAN", "95 %", "MOST OFTEN"]
    rows = []
    for one in (*((item.reference,) if item.reference else ()), *item.windows):
        is_reference = one is item.reference
        ends = [number(one.quantiles[at]) for at in (0, 2, 4)] if one.quantiles else ["–"] * 3
        often = max(one.shares.items(), key=lambda pair: pair[1], default=None)
        rows.append(
            [
                "reference" if is_reference else moment(one.window_start),
                "" if is_reference else moment(one.window_end),
                f"{one.n_rows:,}",
                _word(one.verdict),
                number(one.score, 3),
                _share(one.missing_ratio),
                *ends,
                "" if often is None else f"{often[0]} {_share(often[1])}",
            ]
        )
    return f"{plain(item.column, _NAME)} ({item.kind})\n{table(heads, rows)}"


def window(item: JudgedWindow) -> str:
    """Return one window with all its columns, the worst first."""
    heads = ["COLUMN", "VERDICT", "MEASURE", "SCORE", "LIMIT", "P ADJUSTED", "BEFORE", "NOW"]
    head = facts(
        {
            "window": item.id,
            "of": f"{moment(item.window_start)} to {moment(item.window_end)}, {item.n_rows:,} rows",
            "verdict": _word(item.verdict),
            "monitor": "turned" if item.alarm else "not turned",
            **({"report": item.report_id} if item.report_id else {}),
        }
    )
    whole = table(heads, [_row(name, score) for name, score in _worst(item.columns)])
    return "\n".join((head, whole, *of_window(item)))


def rows(item: WindowRows) -> str:
    """Return the rows of a window, each with its moment."""
    heads = ["TIME", *(plain(name, _NAME) for name in item.columns)]
    listed = [
        [moment(at), *("–" if value is None else plain(value, _NAME) for value in row)]
        for at, row in zip(item.moments, item.rows, strict=True)
    ]
    told = f"{len(item.rows):,} of {item.n_found:,} rows."
    return "\n".join((told, *map(plain, item.notes), *((table(heads, listed),) if listed else ())))


def _row(name: str, score: ColumnScore) -> list[str]:
    return [
        name,
        _word(score.verdict),
        score.measure or "–",
        number(score.score, 3),
        number(score.limit),
        number(score.p_adjusted),
        _side(score, score.before),
        _side(score, score.now),
    ]


def _side(score: ColumnScore, value: float | None) -> str:
    if value is None or score.label is None:
        return number(value)
    return f"{_share(value)} {score.label}"


def _drifted(item: JudgedWindow) -> str:
    bad = [plain(name, _NAME) for name, score in _worst(item.columns) if score.verdict.is_alarm]
    named = f"{', '.join(bad[:_NAMED])}{f' and {len(bad) - _NAMED} more' if len(bad) > _NAMED else ''}"
    return "; ".join(part for part in (named, drifted(item)) if part) or "–"


def _worst(columns: Mapping[str, ColumnScore]) -> list[tuple[str, ColumnScore]]:
    order = [Verdict.CRITICAL, Verdict.DRIFT, Verdict.WARNING]
    place = {verdict: at - len(order) for at, verdict in enumerate(order)}
    return sorted(columns.items(), key=lambda item: (place.get(item[1].verdict, 0), -abs(item[1].score or 0.0)))


def _word(verdict: Verdict | None) -> str:
    return "–" if verdict is None else verdict.replace("_", " ")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _pairs(pairs: Mapping[str, str]) -> str:
    return ", ".join(f"{plain(name, _NAME)} ({plain(why, _NAME)})" for name, why in pairs.items())


FORMS: dict[type, Callable[[Any], str]] = {
    MonitorStanding: monitor,
    ColumnStory: story,
    JudgedWindow: window,
    WindowRows: rows,
}

TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    MonitorStanding: {
        "NAME": lambda item: item.monitor.name,
        "STATE": lambda item: item.state.value,
        "DRIFTED": lambda item: "–" if item.n_columns is None else f"{item.n_drifted} of {item.n_columns}",
        "SINCE": lambda item: ago(item.turned_at) if item.turned_at is not None else "–",
        "WINDOWS": strip,
        "WHAT": lambda item: item.sentence,
    },
    JudgedWindow: {
        "ID": lambda item: item.id[:_ID],
        "FROM": lambda item: moment(item.window_start),
        "TO": lambda item: moment(item.window_end),
        "ROWS": lambda item: f"{item.n_rows:,}",
        "VERDICT": lambda item: _word(item.verdict),
        "MONITOR": lambda item: "turned" if item.alarm else "",
        "DRIFTED": _drifted,
    },
}
