"""How good the answers in a monitor's windows were, as text: the newest told window's figures, then the windows."""

from collections.abc import Callable
from typing import Any

from mlops_desk.drift.records.answers import AnswerColumns, MonitorPerformance, ScoredWindow
from mlops_desk.drift.text.monitoring.performance import figure_table
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import facts, moment, number, table

_SHOWN = 20  # chosen: a screen of a terminal; --json has all
_FIGURES = 3  # chosen: as many as have room beside the counts
_TEXT = 1000  # chosen: a paragraph
_NAME = 60  # chosen: names of columns come from files


def performance(item: MonitorPerformance) -> str:
    """Return how the answers of one monitor stand."""
    told = {"state": item.standing.state.replace("_", " "), "what": plain(item.standing.sentence, _TEXT)}
    if item.standing.hint:
        told["next"] = plain(item.standing.hint, _TEXT)
    if item.columns is not None:
        told["scored by"] = columns(item.columns)
    lines = [facts(told), *(plain(note, _TEXT) for note in item.notes)]
    newest = next((one for one in reversed(item.windows) if one.figures or one.expected), None)
    if newest is not None:
        lines.append(f"The window from {moment(newest.window_start)} on: {_counted(newest)}")
        lines.append(figure_table(newest.figures, newest.expected, newest.outside, item.reference))
    if item.windows:
        lines.append(_windows(item.windows[-_SHOWN:]))
    return "\n".join(lines)


def columns(one: AnswerColumns) -> str:
    """Return which columns hold what."""
    told = [("label", one.label), ("prediction", one.prediction), ("positive", one.positive)]
    told += [("probabilities", ", ".join(one.scores) or None), ("task", one.kind and str(one.kind))]
    return ", ".join(f"{what} {plain(name, _NAME)}" for what, name in told if name)


def _counted(one: ScoredWindow) -> str:
    if one.counts is None:
        return "not counted."
    late = f", {one.n_late:,} came late" if one.n_late else ""
    return f"{one.counts.n_rows:,} rows, {one.counts.n_rows - one.counts.n_unlabelled:,} with a label{late}."


def _windows(windows: tuple[ScoredWindow, ...]) -> str:
    named = list(next((one.figures for one in reversed(windows) if one.figures), {}))[:_FIGURES]
    rows = [
        [
            moment(one.window_start),
            "–" if one.counts is None else f"{one.counts.n_used:,} of {one.counts.n_rows:,}",
            f"{one.n_late:,}" if one.n_late else "",
            *(_value(one, name) for name in named),
            one.state.replace("_", " "),
            _alarm(one),
        ]
        for one in windows
    ]
    heads = ["FROM", "USED", "LATE", *(name.replace("_", " ").upper() for name in named), "STATE", "ALARM"]
    return table(heads, rows)


def _value(one: ScoredWindow, name: str) -> str:
    figure = one.figures.get(name)
    if figure is not None and figure.value is not None:
        return number(figure.value, 4)
    expected = one.expected.get(name)
    return "–" if expected is None or expected.value is None else f"≈ {number(expected.value, 4)}"


def _alarm(one: ScoredWindow) -> str:
    if one.alarm_said is None or one.alarm_said == one.alarm:
        return "turned" if one.alarm else ""
    return f"{'turned' if one.alarm else 'not turned'} (first said: {'turned' if one.alarm_said else 'not turned'})"


FORMS: dict[type, Callable[[Any], str]] = {MonitorPerformance: performance}
