"""Whether a challenger is better, and which gates it passes: by both models' scores on the same rows. Pure.

Better means: of the newest rows its figure is better than the champion's; of the fixed test set it is not worse by
more than delta. Where there is one of the two alone, it has to be better there.
"""

import math
from collections.abc import Callable, Iterator

from mlops_desk.automation.records.pipelines.comparison import ModelComparison, ModelEvaluation, PairedScore, Scored
from mlops_desk.automation.records.pipelines.evidence import GateResult
from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.jobs.records.spec import Goal
from mlops_desk.kit.base.text import bytes_text, plain

FIXED, NEWEST = "fixed", "newest"
LEAST_ROWS = 30  # as for a window of answers: of fewer rows a figure says nothing
_OF_PROBABILITIES = frozenset({"log_loss", "brier"})
_TAKES = {"size": "has", "latency": "takes"}
_ROUNDING = 1e-12  # of the metric; sums of doubles in another order differ by less


def comparison_of(evaluation: ModelEvaluation, plan: EvaluationPlan, goal: Goal) -> ModelComparison | None:
    """Return how the two compare, by the newest rows where there are any; None where nothing was scored."""
    shown = part_of(evaluation, NEWEST) or part_of(evaluation, FIXED)
    if shown is None:
        return None
    better = all(gate.passed for gate in metric_gates(evaluation, plan, goal))
    return ModelComparison(shown.metric, goal, shown.rows, shown.data, shown.champion, shown.challenger, better)


def part_of(evaluation: ModelEvaluation, part: str) -> PairedScore | None:
    return next((one for one in evaluation.scores if one.part == part), None)


def gates_of(evaluation: ModelEvaluation, plan: EvaluationPlan, goal: Goal) -> tuple[GateResult, ...]:
    """Return what each gate says, those of the metric first."""
    gates = [*metric_gates(evaluation, plan, goal), *_slice_gates(evaluation, plan, goal)]
    return (*gates, _size_gate(evaluation, plan), _latency_gate(evaluation, plan))


def metric_gates(evaluation: ModelEvaluation, plan: EvaluationPlan, goal: Goal) -> list[GateResult]:
    """Return what is asked of the metric, of each part of the data; one that fails where nothing was scored."""
    fixed, newest = part_of(evaluation, FIXED), part_of(evaluation, NEWEST)
    gates = []
    if newest is not None:
        gates.append(_better(newest, goal))
    if fixed is not None:
        gates.append(_better(fixed, goal) if newest is None else _not_worse(fixed, plan.delta, goal))
    return gates or [GateResult("metric", passed=False, text="Neither model was scored, so nothing is proposed.")]


def _better(score: PairedScore, goal: Goal) -> GateResult:
    gain = _gain(score.champion, score.challenger, goal)
    passed = _enough(score) and gain is not None and gain > _ROUNDING
    return GateResult("metric", passed, _told(score, goal, "is better" if passed else "is not better"), gain, 0.0)


def _not_worse(score: PairedScore, delta: float, goal: Goal) -> GateResult:
    gain = _gain(score.champion, score.challenger, goal)
    passed = _enough(score) and gain is not None and gain >= -delta - _ROUNDING
    held = f"is not worse by more than {delta:g}" if passed else f"is worse by more than {delta:g}"
    return GateResult("metric", passed, _told(score, goal, held), gain, -delta)


def _enough(score: PairedScore) -> bool:
    return score.rows >= LEAST_ROWS and score.unanswered == 0


def _told(score: PairedScore, goal: Goal, verdict: str) -> str:
    """Say in a sentence what was compared, and how sure it is."""
    metric, values = plain(score.metric, 80), (score.champion.value, score.challenger.value)
    head = f"By {metric} of {plain(score.data, 300)}, {score.rows:,} rows"
    if score.unanswered:
        return f"{head}: the challenger leaves {score.unanswered:,} rows unanswered, which the champion answers."
    if score.rows == 0:  # and what the challenger leaves out is told above
        return f"{head}: none of {score.read:,} has a label and an answer of the champion that can be scored."
    if values[0] is None or values[1] is None or _gain(score.champion, score.challenger, goal) is None:
        who = "champion" if values[0] is None or not math.isfinite(values[0]) else "challenger"
        why = ", whose answers are no probabilities" if score.metric in _OF_PROBABILITIES else ""
        return f"{head}: it is not defined for the {who}{why}."
    if score.rows < LEAST_ROWS:
        return f"{head}: fewer than {LEAST_ROWS} say nothing."
    word = "higher" if goal is Goal.MAXIMIZE else "lower"
    sure = _sure(score.difference)
    return f"{head}: champion {values[0]:.6g}, challenger {values[1]:.6g} ({word} is better), so it {verdict}{sure}."


def _sure(difference: Scored) -> str:
    if difference.low is None or difference.high is None:
        return ""
    span = f"; the difference is {difference.low:+.3g} to {difference.high:+.3g}"
    return f"{span}, which chance alone might make" if difference.low <= 0 <= difference.high else span


def _gain(champion: Scored, challenger: Scored, goal: Goal) -> float | None:
    """Return by how much the challenger is better, in the metric's unit; None where it is not told."""
    if champion.value is None or challenger.value is None:
        return None
    if not (math.isfinite(champion.value) and math.isfinite(challenger.value)):
        return None
    gap = challenger.value - champion.value
    return gap if goal is Goal.MAXIMIZE else -gap


def _slice_gates(evaluation: ModelEvaluation, plan: EvaluationPlan, goal: Goal) -> Iterator[GateResult]:
    """Yield for each column of groups whether the challenger is worse in one of them than it may be."""
    delta = plan.delta if plan.slice_delta is None else plan.slice_delta
    for column in plan.slices:
        groups = [
            (gain, score.part, one)
            for score in evaluation.scores
            for one in score.groups
            if one.column == column and (gain := _gain(one.champion, one.challenger, goal)) is not None
        ]
        name = plain(column, 80)
        if not groups:
            yield GateResult("slice", passed=False, text=f"No group of {name} has {LEAST_ROWS} labelled rows.")
            continue
        gain, part, worst = min(groups, key=lambda one: one[0])
        passed = gain >= -delta - _ROUNDING
        told = f"{plain(worst.group, 80)} ({worst.rows:,} rows, {part})"
        text = (
            f"Of {len(groups)} groups of {name} the challenger gains least in {told}: champion "
            f"{worst.champion.value:.6g}, challenger {worst.challenger.value:.6g}; worse by {delta:g} is allowed."
        )
        yield GateResult("slice", passed, text, gain, -delta)


def _size_gate(evaluation: ModelEvaluation, plan: EvaluationPlan) -> GateResult:
    before, after = evaluation.champion.size_bytes, evaluation.challenger.size_bytes
    return _times("size", before, after, plan.size_times, bytes_text)


def _latency_gate(evaluation: ModelEvaluation, plan: EvaluationPlan) -> GateResult:
    before, after = evaluation.champion.batch_seconds, evaluation.challenger.batch_seconds
    rows = evaluation.challenger.batch or 0
    return _times("latency", before, after, plan.latency_times, lambda value: f"{value * 1e3:.3g} ms for {rows:,} rows")


def _times(
    gate: str, before: float | None, after: float | None, limit: float | None, shown: Callable[[float], str]
) -> GateResult:
    if before is None or after is None:
        passed = None if limit is None else False
        return GateResult(gate, passed, f"The {gate} is not known of both models.", None, limit)
    times = after / before if before > 0 else None
    told = f"The champion {_TAKES[gate]} {shown(before)}, the challenger {shown(after)}"
    if limit is None:
        return GateResult(gate, None, f"{told}; no limit is set.", times, None)
    passed = after <= before * limit
    return GateResult(gate, passed, f"{told}; {limit:g} times as much is allowed.", times, limit)
