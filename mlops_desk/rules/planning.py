"""How the models of a rule are to be compared, as a person says it when the rule is made."""

import math
import os
from pathlib import Path

from mlops_desk.base.caller import current_caller
from mlops_desk.base.errors import Invalid, Refused
from mlops_desk.base.text import plain
from mlops_desk.records.jobs.spec import Goal
from mlops_desk.records.pipelines.comparison import COMPARED, figure_of
from mlops_desk.records.pipelines.plan import EvaluationPlan

_MOST_SLICES = 20  # chosen: of more columns nobody reads the gates


def check_metric(metric: str, *, lower_is_better: bool) -> None:
    """Refuse a metric that is not computed from answers and labels, and one whose better side is the other one.

    Raises Invalid.
    """
    figure = figure_of(metric)
    if figure is None:
        text = f"Two models can't be scored by {plain(metric, 80)!r} on the same rows."
        raise Invalid(text, f"Take one of {', '.join(COMPARED)}; test_auc, say, means roc_auc.")
    if (COMPARED[figure] is Goal.MINIMIZE) != lower_is_better:
        wanted = "lower, so say --lower-is-better" if COMPARED[figure] is Goal.MINIMIZE else "higher"
        raise Invalid(f"{plain(metric, 80)} is better the {wanted}.", "Leave the option out where it does not fit.")


def plan_of(
    test: str | None,
    newest: str | None,
    label: str | None,
    positive: str | None,
    delta: float,
    slices: str,
    slice_delta: float | None,
    size_times: float | None,
    latency_times: float | None,
) -> EvaluationPlan:
    """Return the plan. Raises Invalid, and Refused for files of another user than the agent's."""
    for what, value in (("delta", delta), ("slice-delta", slice_delta)):
        if value is not None and not 0.0 <= value < math.inf:
            raise Invalid(f"--{what} {value} is no amount by which a model may be worse.", "Take 0 or more.")
    for what, times in (("size-times", size_times), ("latency-times", latency_times)):
        if times is not None and not 0.0 < times < math.inf:
            raise Invalid(f"--{what} {times} is no multiple of what the champion takes.", "Take more than 0: 1.5")
    columns = tuple(dict.fromkeys(word.strip() for word in slices.split(",") if word.strip()))
    if len(columns) > _MOST_SLICES:
        raise Invalid(f"{len(columns)} columns of slices are too many.", f"Name {_MOST_SLICES} at most.")
    files = [None if one is None else _own_file(one) for one in (test, newest)]
    return EvaluationPlan(
        files[0], files[1], label or None, positive, delta, columns, slice_delta, size_times, latency_times
    )


def _own_file(path: str) -> str:
    """Return a file of labelled rows; the agent reads it with its own rights, so only for its own user."""
    if not path.startswith("/"):
        raise Invalid(f"The file {plain(path)!r} is not an absolute path.")
    if current_caller().uid not in {0, os.getuid()}:
        raise Refused(
            "Files of labelled rows are read on an agent of one's own only.", "Log them with the run instead."
        )
    if not Path(path).exists():
        raise Invalid(f"There is no file {plain(path)}.", "It holds labelled rows, as Parquet, CSV or JSON lines.")
    return path
