"""Both sides of a report compared as whole rows: up to 2,000 drawn of each, MMD and the domain classifier over them.

Only inputs take part: not targets and answers (they have figures of their own), identifiers, arrays, and moments, which
move on by themselves and would give every current row away. Texts take part in the domain classifier alone.

The verdict is the section's own and moves no other: drift where the AUC is 0.65 or more and above what chance gives,
warning from 0.55 on, or where MMD's p-value is below the level.

Rows drawn from a table by chance: the same ones each time, in the table's order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlops_desk.drift import scikit_learn
from mlops_desk.drift.data.categories import labels_by_row
from mlops_desk.drift.data.numbers import numbers_by_row
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.measure.verdict import DRIFT_AUC, WARN_AUC
from mlops_desk.drift.multivariate.domain import PERMUTATIONS as DEALT
from mlops_desk.drift.multivariate.domain import DomainAnswer, domain_classifier
from mlops_desk.drift.multivariate.matrix import MOST_TEXTS, RowColumn, for_distances
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.records.columns import ColumnKind, ColumnRole, FrozenColumn
from mlops_desk.drift.records.report import ColumnDrift, DriftOptions, DriftReport, JointDrift
from mlops_desk.drift.records.verdict import Measure, Verdict

# ruff: noqa: S608 - DuckDB binds no names; the columns are quoted identifiers, the rest are our own words and numbers


_SAMPLING_SEED = 11  # any; fixed, so that two reports on the same files draw the same rows
_NUMBER = '"mlops desk row number"'  # no name that anybody gives a column


def sampled(connection: Any, source: OpenedTable, names: Sequence[str], rows: int, called: str) -> OpenedTable:
    """Draw ``rows`` rows (all where there are no more), as a table of their own in memory. Raises duckdb.Error.

    ``called`` is what it is called in the database: of two tables of one name the second takes the first's place.
    """
    kept = {name: source.columns[name] for name in names if name in source.columns}
    if not kept:
        return replace(source, n_rows=min(rows, source.n_rows), columns={}, numbered=None, lengths=())
    listed = ", ".join(dict.fromkeys(column for column, _ in kept.values()))
    if source.n_rows <= rows:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {called} AS SELECT {listed} FROM {source.relation}")
        return replace(source, relation=called, columns=kept, numbered=None, lengths=())
    drawn = np.sort(np.random.default_rng(_SAMPLING_SEED).choice(source.n_rows, rows, replace=False)) + 1
    chosen = ", ".join(map(str, drawn.tolist()))
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {called} AS SELECT {listed}
        FROM (SELECT {listed}, row_number() OVER () AS {_NUMBER} FROM {source.relation})
        WHERE {_NUMBER} IN (SELECT unnest([{chosen}]))""")
    return replace(source, relation=called, columns=kept, n_rows=rows, numbered=None, lengths=())


# Maximum mean discrepancy: whether two samples of points are of one law, by the distances of all pairs. Pure.
# MMD^2 = mean of k(x, x') + mean of k(y, y') - 2 mean of k(x, y) over pairs of different points, unbiased, so that it
# may be a little below 0 (Gretton et al. 2012, equation 3); k(a, b) = exp(-|a - b|^2 / (2 s^2)), s being the median
# distance of all pairs of both samples together (their median heuristic). The p-value is (k + 1) / (N + 1), k of N =
# 500 random divisions of the pooled points being at least as far apart.
PERMUTATIONS = 500
"""Divisions; a p-value of 0.05 is then known to 0.01."""
_AT_ONCE = 50  # chosen: a tenth of the work, after which it tells how far it is
_SEED = 17  # any; fixed, so that the same rows have the same p-value
_TIE = 1e-12  # of a mean of kernel values (0-1): rounding of their sums
_SMALL = 1e-7  # of the largest distance; rounding of differences of squares makes equal points that far apart


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """``value`` (MMD^2) with its p-value; ``bandwidth`` is the kernel's s. None where a side has no 2 points."""

    value: float | None
    p_value: float | None = None
    bandwidth: float | None = None


def mmd2(first: Floats, second: Floats, tell: Callable[[int, int], None] | None = None) -> Discrepancy:
    """Compare two samples (rows x dimensions); ``tell`` hears how many of how many divisions are done."""
    n, m = first.shape[0], second.shape[0]
    if min(n, m) < 2:
        return Discrepancy(None)
    squares = _squared_distances(np.concatenate([first, second]))
    bandwidth = _median_distance(squares)
    if bandwidth is None:
        return Discrepancy(0.0, 1.0)
    kernel = np.exp(squares / (-2 * bandwidth**2), out=squares)
    np.fill_diagonal(kernel, 0.0)
    sums = kernel.sum(axis=1)
    own = np.zeros((n + m, 1))
    own[:n] = 1.0
    value = float(_values(kernel, sums, own, n)[0])
    rng = np.random.default_rng(_SEED)
    beyond = 0
    for done in range(0, PERMUTATIONS, _AT_ONCE):
        if tell is not None:
            tell(done, PERMUTATIONS)
        dealt = np.zeros((n + m, _AT_ONCE))
        for at in range(_AT_ONCE):
            dealt[rng.permutation(n + m)[:n], at] = 1.0
        beyond += int(np.count_nonzero(_values(kernel, sums, dealt, n) >= value - _TIE))
    return Discrepancy(value, (beyond + 1) / (PERMUTATIONS + 1), bandwidth)


def _values(kernel: Floats, sums: Floats, chosen: Floats, n: int) -> Floats:
    """Return MMD^2 of several divisions; a column of ``chosen`` has a 1 for each point of the first side."""
    m = kernel.shape[0] - n
    within = np.einsum("ij,ij->j", chosen, kernel @ chosen)
    all_of_first = sums @ chosen
    across = all_of_first - within
    others = float(sums.sum()) - 2 * all_of_first + within
    found: Floats = within / (n * (n - 1)) + others / (m * (m - 1)) - 2 * across / (n * m)
    return found


def _squared_distances(points: Floats) -> Floats:
    norms = np.einsum("ij,ij->i", points, points)
    found: Floats = points @ points.T
    found *= -2
    found += norms[:, None]
    found += norms[None, :]
    np.maximum(found, 0.0, out=found)
    np.fill_diagonal(found, 0.0)
    return found


def _median_distance(squares: Floats) -> float | None:
    """Return the median distance of all pairs of different points; where half of them are 0 the mean of the others.

    None where all points are one. Each pair stands twice in the table, and the diagonal's zeros below all of them.
    """
    size = squares.shape[0]
    pairs = size * (size - 1) // 2
    places = [size + pairs - 1, size + pairs]
    middle = float(np.sqrt(np.partition(squares, places, axis=None)[places]).mean())
    if middle > _SMALL * float(np.sqrt(squares.max())):
        return middle
    apart = squares[squares > 0]
    return float(np.sqrt(apart).mean()) if apart.size else None


ROWS = 2000  # DRIFT's definition: all pairs of more take gigabytes
Tell = Callable[[str, int, int], None]
"""Is told what is being done, and how many of how many parts of it are."""
_READ = {ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN, ColumnKind.TEXT}
_WHY_NOT = {
    ColumnKind.TIME: "Moments move on by themselves, and would give every row away.",
    ColumnKind.IDENTIFIER: "An identifier is another in every row.",
}


@dataclass(frozen=True, slots=True)
class DrawnRows:
    """What is compared: columns of drawn rows, how many rows there are, and which columns take no part."""

    columns: tuple[RowColumn, ...]
    n_reference: int
    n_current: int
    left_out: Mapping[str, str]


def drawn_rows(
    connection: Any, reference: OpenedTable, current: OpenedTable, report: DriftReport, rows: int = ROWS
) -> DrawnRows:
    """Draw rows of both sides and read the columns that take part. Raises duckdb.Error."""
    left_out: dict[str, str] = {}
    frozen = {column.name: column for column in report.frozen}
    chosen: list[FrozenColumn] = []
    for column in report.columns:
        why = _why_not(column, current, sum(one.kind is ColumnKind.TEXT for one in chosen))
        if why is not None:
            left_out[column.name] = why
        elif column.name in frozen:
            chosen.append(frozen[column.name])
    names = [column.name for column in chosen]
    sides = (
        sampled(connection, reference, names, rows, "drawn_reference"),
        sampled(connection, current, names, rows, "drawn_current"),
    )
    columns = tuple(_read(connection, sides, column) for column in chosen)
    return DrawnRows(columns, sides[0].n_rows, sides[1].n_rows, left_out)


def _why_not(column: ColumnDrift, current: OpenedTable, n_texts: int) -> str | None:
    kind = ColumnKind(column.kind)
    if column.role is not ColumnRole.FEATURE:
        return f"It is of the role {column.role}: inputs alone are compared together."
    if column.verdict is Verdict.NOT_COMPARED or column.name not in current.columns:
        return column.text or "It is not compared."
    if kind is ColumnKind.TEXT and n_texts >= MOST_TEXTS:
        return f"More than {MOST_TEXTS} columns of texts take too long together."
    return None if kind in _READ else _WHY_NOT.get(kind, "It has no values to stand beside the others.")


def _read(connection: Any, sides: tuple[OpenedTable, OpenedTable], column: FrozenColumn) -> RowColumn:
    kind = column.kind or ColumnKind.CATEGORICAL
    if kind is ColumnKind.NUMERIC:
        numbers = [numbers_by_row(connection, side, column)[0] for side in sides]
        return RowColumn(column.name, kind, numbers[0], numbers[1])
    labels = labels_by_row(connection, sides, column)
    return RowColumn(column.name, kind, labels[0], labels[1])


def joint_drift(
    rows: DrawnRows, options: DriftOptions, tell: Tell | None = None
) -> tuple[dict[str, Measure], JointDrift]:
    """Compare the drawn rows: the measures, and what stands behind them."""
    told = rows.n_reference, rows.n_current, tuple(column.name for column in rows.columns), rows.left_out
    if not rows.columns or min(rows.n_reference, rows.n_current) < options.minimum_rows:
        why = "Too few rows" if rows.columns else "No column is left"
        found = {"mmd2": Measure(None), "domain_auc": Measure(None)}
        return found, JointDrift(Verdict.INSUFFICIENT_DATA, *told, notes=(f"{why} to compare rows with rows.",))
    level = options.false_discovery_rate
    points = for_distances(rows.columns)
    apart = mmd2(*points, _part(tell, "MMD")) if points[0].shape[1] else Discrepancy(None)
    notes = [] if points[0].shape[1] else ["No column has distances, so that there is no MMD."]
    domain: DomainAnswer | None = None
    if scikit_learn.is_there():
        domain = domain_classifier(rows.columns, _part(tell, "domain classifier"))
    else:
        notes.append(f"There is no domain classifier: {scikit_learn.LACKING}")
    measures = {"mmd2": _of_mmd(apart, level), "domain_auc": _of_domain(domain)}
    joint = JointDrift(
        _verdict(measures.values(), domain),
        *told,
        telling=() if domain is None else domain.telling,
        bandwidth=apart.bandwidth,
        permutations={"mmd2": PERMUTATIONS, "domain_auc": DEALT},
        notes=tuple(notes),
    )
    return measures, joint


def _part(tell: Tell | None, what: str) -> Callable[[int, int], None] | None:
    return None if tell is None else lambda done, total: tell(what, done, total)


def _of_mmd(found: Discrepancy, level: float) -> Measure:
    alert = None if found.p_value is None else found.p_value < level
    return Measure(found.value, found.p_value, found.p_value, alert=alert)


def _of_domain(found: DomainAnswer | None) -> Measure:
    if found is None:
        return Measure(None)
    threshold = max(WARN_AUC, found.by_chance)
    return Measure(found.auc, found.p_value, found.p_value, threshold, alert=_is_told(found) and found.auc >= WARN_AUC)


def _is_told(found: DomainAnswer) -> bool:
    return bool(np.isfinite(found.auc)) and found.auc > found.by_chance


def _verdict(measures: Iterable[Measure], domain: DomainAnswer | None) -> Verdict:
    if domain is not None and _is_told(domain) and domain.auc >= DRIFT_AUC:
        return Verdict.DRIFT
    return Verdict.WARNING if any(measure.alert for measure in measures) else Verdict.OK
