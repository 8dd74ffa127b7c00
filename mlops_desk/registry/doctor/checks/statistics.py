"""Whether a database has counted its rows. Without, it sorts runs by walking all metrics anew for each of them."""

from mlops_desk.kit.base.agent_clock import now
from mlops_desk.kit.base.text import duration_text
from mlops_desk.registry.doctor.checks.findings import advice, fine, trouble
from mlops_desk.registry.doctor.database import Rows
from mlops_desk.registry.doctor.sqlite_reader import QuietStore
from mlops_desk.registry.records.doctor import StoreFinding

CHECK = "statistics"
FIX = "analyze"
_TITLE = "Statistics"
SORTED = ("runs", "metrics", "latest_metrics", "params", "tags")
"""The tables that MLflow joins when it sorts runs or reads the history of a metric."""
_GROWN = 10  # chosen: from here on a plan made for so few rows may be the wrong one
_SMALL_ROWS = 1000  # chosen: so few are sorted fast in any order
_EFFECT = (
    "Counts a sample of the rows of each table, one table after the other, in some milliseconds each; nothing but the "
    "database's own table of statistics changes. A training beside it goes on."
)
_SLOW = (
    "Sorting many runs by a metric takes seconds to minutes in MLflow's own page; it took 49 times as long with 15,000."
)


def of_file(store: QuietStore) -> StoreFinding:
    """Look for SQLite's statistics, and whether they are of a store as large as this one."""
    n_runs = int(store.value("SELECT count(*) FROM runs") or 0)
    if not store.has("sqlite_stat1"):
        return _missing(n_runs, SORTED)
    counted = {
        str(table): str(stat) for table, stat in store.rows("SELECT tbl, max(stat) FROM sqlite_stat1 GROUP BY tbl")
    }
    filled = [table for table in SORTED if store.value(f"SELECT 1 FROM {table} LIMIT 1")]  # noqa: S608 - our own names
    missing = [table for table in filled if table not in counted]
    if missing:
        return _missing(n_runs, missing)
    then = int(counted.get("runs", "0").split()[0] or 0)
    if n_runs > _SMALL_ROWS and n_runs > _GROWN * then:
        text = f"They were made when there were {then:,} runs; now there are {n_runs:,}."
        return advice(CHECK, _TITLE, text, fix=FIX, effect=_EFFECT)
    return fine(CHECK, _TITLE, f"The database has counted its rows, {then:,} runs among them.")


def of_server(store: Rows) -> StoreFinding:
    """Look when PostgreSQL counted the rows of the tables that are sorted."""
    rows = store.rows(
        "SELECT relname, n_live_tup, greatest(extract(epoch FROM last_analyze), extract(epoch FROM last_autoanalyze))"
        " FROM pg_stat_user_tables WHERE relname IN ('runs','metrics','latest_metrics','params','tags')"
    )
    never = [str(name) for name, n_live, at in rows if at is None and int(n_live or 0) > _SMALL_ROWS]
    if never:
        return _missing(None, never)
    last = min((float(at) for _, _, at in rows if at is not None), default=None)
    text = "There is little to count yet." if last is None else f"Counted {duration_text(max(0.0, now() - last))} ago."
    return fine(CHECK, _TITLE, text)


def _missing(n_runs: int | None, tables: tuple[str, ...] | list[str]) -> StoreFinding:
    text = f"The database has never counted the rows of {', '.join(tables)}. {_SLOW}"
    found = trouble if n_runs is None or n_runs > _SMALL_ROWS else advice
    return found(CHECK, _TITLE, text, fix=FIX, effect=_EFFECT, n=len(tables))
