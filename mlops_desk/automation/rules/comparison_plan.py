"""How the models of a rule are to be compared, as a person says it when the rule is made."""

import math
import os
from pathlib import Path

from mlops_desk.automation.records.actions import RetrainAction
from mlops_desk.automation.records.pipelines.comparison import COMPARED, figure_of
from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.jobs.records.spec import Goal
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.kit.base.text import plain

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
    """Return the plan. Raises Invalid."""
    for what, value in (("delta", delta), ("slice-delta", slice_delta)):
        if value is not None and not 0.0 <= value < math.inf:
            raise Invalid(f"--{what} {value} is no amount by which a model may be worse.", "Take 0 or more.")
    for what, times in (("size-times", size_times), ("latency-times", latency_times)):
        if times is not None and not 0.0 < times < math.inf:
            raise Invalid(f"--{what} {times} is no multiple of what the champion takes.", "Take more than 0: 1.5")
    columns = tuple(dict.fromkeys(word.strip() for word in slices.split(",") if word.strip()))
    if len(columns) > _MOST_SLICES:
        raise Invalid(f"{len(columns)} columns of slices are too many.", f"Name {_MOST_SLICES} at most.")
    return EvaluationPlan(test, newest, label or None, positive, delta, columns, slice_delta, size_times, latency_times)


def check_retraining(action: RetrainAction) -> None:
    """Refuse what can't be compared, and files that the caller may not have read. Raises Invalid, Refused."""
    check_metric(action.metric, lower_is_better=not action.higher_is_better)
    for path in (action.plan.test, action.plan.newest):
        if path is not None:
            _check_own_file(path)


def is_own(uid: int | None) -> bool:
    """Tell whether the agent may read files for a person: it does with its own rights, so only for its own user."""
    return uid in {None, 0, os.getuid()}


def _check_own_file(path: str) -> None:
    if not path.startswith("/"):
        raise Invalid(f"The file {plain(path)!r} is not an absolute path.")
    if not is_own(current_caller().uid):
        raise Refused(
            "Files of labelled rows are read on an agent of one's own only.", "Log them with the run instead."
        )
    if not Path(path).exists():
        raise Invalid(f"There is no file {plain(path)}.", "It holds labelled rows, as Parquet, CSV or JSON lines.")
