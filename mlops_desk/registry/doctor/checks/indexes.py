"""Indexes that MLflow's questions need and that older schemas lack.

One that is missing is made under a name of the desk's: MLflow's own migration makes its index under its own name later,
and would fail on one that is there. Then ours is one too many, and can go.
"""

from dataclasses import dataclass

from mlops_desk.registry.doctor.checks.findings import advice, fine, trouble
from mlops_desk.registry.doctor.database import Rows
from mlops_desk.registry.records.doctor import StoreFinding

CHECK = "indexes"
FIX, DROP = "index", "drop-index"
_TITLE = "Indexes"


@dataclass(frozen=True, slots=True)
class WantedIndex:
    """An index by MLflow's name, ours for the same, what it is on, and what is slow without."""

    name: str
    ours: str
    table: str
    columns: tuple[str, ...]
    slow: str


WANTED = (
    WantedIndex(
        "index_metrics_run_uuid_key_step",
        "mlops_desk_metrics_run_key_step",
        "metrics",
        ("run_uuid", "key", "step"),
        "the curve of one metric of one run",
    ),
    WantedIndex("index_metrics_run_uuid", "mlops_desk_metrics_run", "metrics", ("run_uuid",), "the metrics of a run"),
    WantedIndex(
        "index_latest_metrics_run_uuid",
        "mlops_desk_latest_run",
        "latest_metrics",
        ("run_uuid",),
        "the newest metrics of a run",
    ),
    WantedIndex("index_params_run_uuid", "mlops_desk_params_run", "params", ("run_uuid",), "the parameters of a run"),
    WantedIndex("index_tags_run_uuid", "mlops_desk_tags_run", "tags", ("run_uuid",), "the tags of a run"),
)


def names(store: Rows) -> set[str]:
    """Return the names of all indexes."""
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'index'"
        if store.dialect == "sqlite"
        else "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
    )
    return {str(name) for (name,) in store.rows(query)}


def missing(there: set[str]) -> list[WantedIndex]:
    return [wanted for wanted in WANTED if not {wanted.name, wanted.ours} & there]


def doubled(there: set[str]) -> list[WantedIndex]:
    return [wanted for wanted in WANTED if {wanted.name, wanted.ours} <= there]


def look(store: Rows) -> StoreFinding:
    """Look for indexes that are missing, and for one of ours that MLflow has made one like it beside."""
    there = names(store)
    if lacking := missing(there):
        what = "; ".join(f"{one.slow} ({one.table}: {', '.join(one.columns)})" for one in lacking)
        locks = "Nobody can write meanwhile" if store.dialect == "sqlite" else "Writers go on meanwhile"
        effect = (
            f"Makes the missing index under a name of the desk's, so that a later migration of MLflow finds nothing in "
            f"its way. {locks}; it takes about a tenth to a third of the room of its table."
        )
        text = f"Slow without an index: {what}. Older releases of MLflow made none."
        return trouble(CHECK, _TITLE, text, fix=FIX, effect=effect, n=len(lacking))
    if twice := doubled(there):
        text = (
            f"MLflow has made its own index meanwhile; the desk's takes room twice: {', '.join(o.ours for o in twice)}."
        )
        return advice(CHECK, _TITLE, text, fix=DROP, effect="Removes the desk's own index.", n=len(twice))
    return fine(CHECK, _TITLE, "All indexes that MLflow's questions need are there.")
