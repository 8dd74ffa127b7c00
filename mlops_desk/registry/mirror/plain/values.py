"""What a run has in a column, and whether it fulfils conditions: one run at a time, in plain Python."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence

from mlops_desk.records.model import DatasetInput, Run
from mlops_desk.records.registry.run_window import RunValue
from mlops_desk.registry.mirror.column import ColumnKey
from mlops_desk.registry.mirror.filter.numbers import number_of
from mlops_desk.registry.mirror.filter.texts import text_test
from mlops_desk.registry.mirror.filter.tree import LARGEST, NULL_COMPARATORS, Clause, Filter, Of

PARENT = "mlflow.parentRunId"
USER = "mlflow.user"
NAME = "mlflow.runName"
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip
Datasets = Callable[[str], Sequence[DatasetInput]]


def value_of(run: Run, column: ColumnKey) -> RunValue:
    """Return what a run has in a column; of a metric its last value, whichever is asked for."""
    if column.kind == "metrics":
        return run.metrics.get(column.key)
    if column.kind == "params":
        return run.params.get(column.key)
    if column.kind == "tags":
        return run.tags.get(column.key)
    return _attribute(run, column.key)


def _attribute(run: Run, key: str) -> RunValue:
    if key == "run_name":
        return run.name
    if key == "user_id":
        return run.tags.get(USER)
    if key == "duration":
        return None if run.start_time is None or run.end_time is None else (run.end_time - run.start_time) / 1000
    value: RunValue = getattr(run, key, None)
    return value


def fulfils(run: Run, conditions: Filter, datasets: Datasets) -> bool:
    return all(_fulfils(run, clause, datasets) for clause in conditions)


def _fulfils(run: Run, clause: Clause, datasets: Datasets) -> bool:
    tests: Mapping[Of, Callable[[], bool]] = {
        Of.METRIC: lambda: clause.key in run.metrics and _metric(run.metrics[clause.key], clause),
        Of.PARAM: lambda: _pair(run.params.get(clause.key), clause),
        Of.TAG: lambda: _pair(run.tags.get(clause.key), clause),
        Of.ATTRIBUTE: lambda: _of_attribute(run, clause),
        Of.DATASET: lambda: any(_of_dataset(one, clause) for one in datasets(run.run_id)),
        Of.NAMED: lambda: _named(run, clause),
        Of.WORD: lambda: _has_word(run, str(clause.value).lower()),
    }
    return tests[clause.of]()


def _metric(value: float, clause: Clause) -> bool:
    return _number(value if math.isnan(value) else max(-LARGEST, min(LARGEST, value)), clause)


def _has_word(run: Run, word: str) -> bool:
    return word in (run.name or "").lower() or run.run_id.startswith(word)


def _pair(given: str | None, clause: Clause) -> bool:
    if clause.comparator in NULL_COMPARATORS:
        return (given is None) is (clause.comparator == "IS NULL")
    return given is not None and _text(given, clause)


def _named(run: Run, clause: Clause) -> bool:
    if clause.key in run.metrics and isinstance(clause.value, float):
        return _number(run.metrics[clause.key], clause)
    given = run.params.get(clause.key, run.tags.get(clause.key))
    if given is None:
        return False
    if not isinstance(clause.value, float):
        return _text(given, clause)
    number = number_of(given)
    if number is None:
        return clause.comparator == "!="
    return _number(number, clause)


def _of_attribute(run: Run, clause: Clause) -> bool:
    # MLflow has the name of a run in a tag, and looks there.
    value = run.tags.get(NAME) if clause.key == "run_name" else _attribute(run, clause.key)
    if value is None:
        return False
    return _text(value, clause) if isinstance(value, str) else _number(value, clause)


def _of_dataset(dataset: DatasetInput, clause: Clause) -> bool:
    value = {"name": dataset.name, "digest": dataset.digest, "context": dataset.context}[clause.key]
    return value is not None and _text(value, clause)


def _number(value: float, clause: Clause) -> bool:
    wanted = clause.value
    if not isinstance(wanted, (int, float)):
        return False
    if isinstance(wanted, float) and math.isnan(wanted):
        return math.isnan(value) is (clause.comparator == "=")
    return _COMPARE[clause.comparator](value, wanted)


def _text(value: str, clause: Clause) -> bool:
    return text_test(clause.comparator, clause.value)(value)
