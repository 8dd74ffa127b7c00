"""What is wrong with the data as a table: columns that came, went or stand still, other names and types, rows twice.

Each is an alarm of its own beside the columns' verdicts, and moves none of them: a column that is not there is critical
by itself, one whose values became one drifts by its measures, and rows that stand there twice make every other test
surer than it is, which has to be known but says nothing about the world.

duplicate_rows   the current data repeat more rows than the reference would among as many. Of the larger side's rows,
                 those that would repeat among as many as the smaller has are expected by rarefaction (Hurlbert 1971),
                 for by size alone more rows repeat; the difference has to be 3 points and significant
constant         all current values are one, and among the reference's that would not have happened by chance: the
                 share of that value to the power of the rows, times the number of columns, is small
type_changed     at least half of the current values are of the wrong type, and of the reference's fewer were
missing_column, new_column, renamed_column
                 only the reference, or only the current data have it; renamed where two such differ in case or in
                 what is no letter and no digit alone
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mlops_desk.base.text import percent, plain
from mlops_desk.drift.measure.quality import two_proportions
from mlops_desk.drift.measure.verdict import DRIFT_CHANGE, QUALITY_LEVEL
from mlops_desk.drift.numerics import special
from mlops_desk.records.drift import ColumnDrift, DriftOptions, QualityAlarm

Repeats = Mapping[int, int]
"""How many different rows there are once, twice and so on: ``{times: rows}``."""
_TYPE_CHANGED = 0.5  # chosen: as the share from which on a loss is critical
_NAME = 60  # chosen: names of columns come from files


def of_columns(columns: Sequence[ColumnDrift], options: DriftOptions) -> list[QualityAlarm]:
    """Return what the compared columns tell: those whose values became one, and those of another type."""
    level = options.false_discovery_rate * QUALITY_LEVEL
    found = []
    for column in columns:
        before, after = column.quality["reference"], column.quality["current"]
        wrong = before.wrong_type_ratio or 0.0, after.wrong_type_ratio or 0.0
        if wrong[1] >= _TYPE_CHANGED > wrong[0]:
            text = (
                f"{_shown(column.name)} is of another type: {percent(wrong[1], 1)} of the rows are not {column.kind}."
            )
            found.append(QualityAlarm("type_changed", text, column.name, *wrong))
        share = before.constant_ratio
        if share is None or share >= 1 or min(column.n_reference, column.n_current) < options.minimum_rows:
            continue
        p_value = min(1.0, float(share**column.n_current) * len(columns))
        if p_value < level:
            text = f"{_shown(column.name)} holds one value alone: {percent(share, 1)} of the reference's are that one."
            found.append(QualityAlarm("constant", text, column.name, share, 1.0, p_value))
    return found


def of_schema(missing: Sequence[str], new: Sequence[str]) -> list[QualityAlarm]:
    """Return what columns of one side only tell."""
    renamed = _renamed(missing, new)
    found = [
        QualityAlarm("renamed_column", f"{_shown(now)} of the current data looks like {_shown(name)}.", name, other=now)
        for name, now in renamed.items()
    ]
    found += [
        QualityAlarm("missing_column", f"The current data have no column {_shown(name)}.", name)
        for name in missing
        if name not in renamed
    ]
    known = set(renamed.values())
    return found + [
        QualityAlarm("new_column", f"The reference has no column {_shown(name)}.", name)
        for name in new
        if name not in known
    ]


def of_rows(reference: Repeats, current: Repeats, options: DriftOptions) -> list[QualityAlarm]:
    """Return the alarm that more rows are repeated than in the reference, if they are."""
    n = min(_n_rows(reference), _n_rows(current))
    if n < max(2, options.minimum_rows):
        return []
    before, after = (repeated_share(side, n) for side in (reference, current))
    p_value = two_proportions(before, n, after, n)
    if after - before < DRIFT_CHANGE or p_value >= options.false_discovery_rate * QUALITY_LEVEL:
        return []
    text = (
        f"{percent(after, 1)} of the current rows repeat another, and {percent(before, 1)} of as many of the reference."
    )
    return [QualityAlarm("duplicate_rows", text, None, before, after, p_value)]


def repeated_share(rows: Repeats, n: int) -> float:
    """Return the expected share of rows that repeat another among ``n`` drawn without replacement.

    1 - S / n, with S = sum over different rows of 1 - C(N - k, n) / C(N, n), k being how often one is there among N
    (Hurlbert 1971, rarefaction). ``n`` is at most N.
    """
    times = np.array(list(rows), dtype=np.float64)
    counts = np.array(list(rows.values()), dtype=np.float64)
    total = float(times @ counts)
    left = total - times
    log_unseen = special.gammaln(left + 1) - special.gammaln(np.maximum(left - n, 0) + 1)
    log_unseen -= special.gammaln(total + 1) - special.gammaln(total - n + 1)
    unseen = np.where(left >= n, np.exp(log_unseen), 0.0)
    return float(min(1.0, max(0.0, 1 - counts @ (1 - unseen) / n)))


def _renamed(missing: Iterable[str], new: Iterable[str]) -> dict[str, str]:
    """Pair names that differ in case or in what is no letter and no digit alone; not where several do."""
    before, after = _by_key(missing), _by_key(new)
    return {
        names[0]: after[key][0]
        for key, names in before.items()
        if key and len(names) == 1 and len(after.get(key, ())) == 1
    }


def _by_key(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault("".join(sign for sign in name.casefold() if sign.isalnum()), []).append(name)
    return found


def _n_rows(rows: Repeats) -> int:
    return sum(times * count for times, count in rows.items())


def _shown(name: str) -> str:
    return repr(plain(name, _NAME))
