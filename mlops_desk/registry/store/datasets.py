"""The datasets that were logged with runs, in the order of their logging."""

from collections.abc import Sequence

from mlops_desk.records.model import DatasetInput
from mlops_desk.registry.store.database import StoreDatabase
from mlops_desk.registry.store.statements import Statements

_CONTEXT = "mlflow.data.context"
_AT_ONCE = 500  # runs: a few thousand rows, some ms


def datasets(database: StoreDatabase, statements: Statements, run_ids: Sequence[str]) -> dict[str, list[DatasetInput]]:
    """Return what each of these runs has read."""
    found: dict[str, list[DatasetInput]] = {run_id: [] for run_id in run_ids}
    for begin in range(0, len(run_ids), _AT_ONCE):
        asked = database.listed(run_ids[begin : begin + _AT_ONCE])
        for run_id, name, digest, context, kind, source, schema in database.rows(
            statements.datasets(_CONTEXT), (asked,)
        ):
            found[run_id].append(DatasetInput(name, digest, context, kind, source, schema or None))
    return found
