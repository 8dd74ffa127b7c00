"""One set of rows, two models' answers: the figures of both, their difference, and the same in groups of rows. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlops_desk.drift.contest.answers import LEAST_ROWS, both_rows
from mlops_desk.drift.contest.paired import PairedFigures, paired
from mlops_desk.drift.performance.rows import AnsweredRows
from mlops_desk.records.drift.performance import Figure
from mlops_desk.records.pipelines.comparison import GroupScore, PairedScore, Scored

_MOST_GROUPS = 50  # chosen: of a column with more groups each is too small to be judged, or it is no column of groups
_NAME = 80  # characters; chosen: as names are shown elsewhere


def score(
    labels: Sequence[Any],
    champion: Sequence[Any],
    challenger: Sequence[Any],
    groups: Mapping[str, Sequence[Any]],
    *,
    part: str,
    data: str,
    metric: str,
    positive: str | None = None,
) -> PairedScore:
    """Score both models; ``groups`` has a value for each row, by column. Raises Invalid."""
    before, after = both_rows(labels, champion, challenger, metric, positive)
    found = paired(before, after, metric)
    left = before.readable & before.answered & ~after.answered
    return PairedScore(
        part=part,
        data=data,
        metric=metric,
        read=len(labels),
        rows=found.n_used,
        champion=scored(found.champion),
        challenger=scored(found.challenger),
        difference=scored(found.difference),
        method=found.method,
        unanswered=int(np.count_nonzero(left)),
        groups=tuple(
            one for column, values in groups.items() for one in _groups(before, after, metric, column, values)
        ),
    )


def scored(figure: Figure) -> Scored:
    return Scored(figure.value, figure.low, figure.high)


def _groups(
    before: AnsweredRows, after: AnsweredRows, metric: str, column: str, values: Sequence[Any]
) -> list[GroupScore]:
    """Return the scores of the largest groups that have enough rows with a label and answers, largest first."""
    words = np.array(["" if one is None else str(one)[:_NAME] for one in values], dtype=object)
    found = []
    for name, count in Counter(words.tolist()).most_common(_MOST_GROUPS):
        if count < LEAST_ROWS:
            break
        chosen = words == name
        one: PairedFigures = paired(before.part(chosen), after.part(chosen), metric)
        if one.n_used >= LEAST_ROWS:
            found.append(GroupScore(column, name, one.n_used, scored(one.champion), scored(one.challenger)))
    return found
