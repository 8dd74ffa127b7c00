"""Runs laid out on axes, one for each column that tells them apart: done by the worker that asks. No Qt here."""

from collections.abc import Callable
from dataclasses import dataclass

from mlops_desk.base.text import plain
from mlops_desk.records.registry.run_window import RunWindow
from mlops_desk.ui.charts.space import axis as axes
from mlops_desk.ui.charts.space.axis import SpaceAxis
from mlops_desk.ui.runs import cells, names
from mlops_desk.ui.runs.detail.values import first_metric
from mlops_desk.ui.runs.loading import ask_shown
from mlops_desk.ui.runs.question import RunQuestion
from mlops_desk.verbs.desk import ClientLike

MOST_RUNS = 1000  # the most that the agent gives in one answer, and more lines than are told apart
_MOST_AXES = 12  # chosen: more have no room side by side


@dataclass(frozen=True, slots=True)
class LaidOut:
    """The first runs of ``n_matching``: each id with its title, and where they stand on which axes."""

    n_matching: int
    runs: tuple[tuple[str, str], ...]
    axes: tuple[SpaceAxis, ...]


def ask_laid_out(question: RunQuestion) -> Callable[[ClientLike], LaidOut]:
    """Return what asks the agent for runs and lays them out."""
    ask = ask_shown(question, 0, MOST_RUNS)
    return lambda desk: laid_out(ask(desk), question.sort[0])


def laid_out(window: RunWindow, sorted_by: str) -> LaidOut:
    """Return runs on axes: parameters first, then what came of them; the metric that is likely meant stands last."""
    columns = [names.read(name) for name in window.columns]
    made = []
    for number, (column, title) in enumerate(zip(columns, names.titles(columns), strict=True)):
        if column.kind == names.ATTRIBUTES and column.key != "duration":
            continue
        values = [row.values[number] for row in window.rows]
        one = axes.axis(str(column), title, values, log=axes.spans_decades(values))
        if one is not None and one.tells_apart:
            made.append(one)
    metrics = [one.name for one in made if one.name.startswith(names.METRICS)]
    goal = sorted_by if sorted_by in metrics else first_metric(metrics)
    made.sort(key=lambda one: _rank(one, goal))
    runs = tuple((row.run_id, plain(cells.name(row), 60)) for row in window.rows)
    return LaidOut(window.n_matching, runs, tuple(made[:_MOST_AXES]))


def _rank(one: SpaceAxis, goal: str | None) -> tuple[int, bool]:
    """Put metrics behind what is no metric: the last axis gives the lines their colours."""
    order = 0 if one.name.startswith(names.PARAMS) else 2 if one.name.startswith(names.METRICS) else 1
    return order, one.name == goal
