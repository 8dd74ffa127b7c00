"""What browsing a registry costs, beside MLflow's own client and plain SQL: ``python tests/bench/registry.py [a|c]``.

The stores are made once by tests/registry_stores.py. Times are medians of a few tries in one run, in milliseconds;
the mirror's are those of its process, pipe and decoding included.
"""

import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from mlops_desk.registry.mirror.client import ChildMirror
from mlops_desk.registry.mirror.mirrors import Mirrors
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind
from tests.registry_oracle import Oracle
from tests.registry_stores import store_a, store_c

COLUMNS = ("metrics.auc", "metrics.metric1", "metrics.metric2", "params.param0", "params.param1", "duration")
SQL = {
    "first 100 runs": "SELECT run_uuid FROM runs WHERE lifecycle_stage = 'active' ORDER BY start_time DESC, run_uuid LIMIT 100",
    "sorted by a metric": "SELECT r.run_uuid FROM runs r LEFT JOIN latest_metrics m ON m.run_uuid = r.run_uuid AND m.key = 'auc'"
    " WHERE r.lifecycle_stage = 'active' ORDER BY m.value DESC, r.start_time DESC, r.run_uuid LIMIT 100",
    "filtered by a metric": "SELECT r.run_uuid FROM runs r JOIN latest_metrics m ON m.run_uuid = r.run_uuid AND m.key = 'auc'"
    " AND m.value > 0.9 WHERE r.lifecycle_stage = 'active' ORDER BY r.start_time DESC, r.run_uuid LIMIT 100",
}  # fmt: skip
CLAUSES = {
    "first 100 runs": ("", []),
    "sorted by a metric": ("", ["metrics.auc DESC"]),
    "filtered by a metric": ("metrics.auc > 0.9", []),
}


def nobody() -> None:
    raise AssertionError("MLflow's client is not asked")


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def spread(acts: Sequence[Callable[[], object]]) -> tuple[float, float]:
    """Return the median and the 95th percentile."""
    times = sorted(timed(act) for act in acts)
    return statistics.median(times), times[int(len(times) * 0.95)]


def mirrored(path: Path) -> None:
    source = RegistrySource(TrackerKind.SQLITE, f"sqlite:///{path}", str(path), path)
    mirrors = Mirrors()
    mirrors.prepare()
    time.sleep(2.0)  # the agent has one ready while registries are looked at
    client = ChildMirror(mirrors, source, nobody)  # type: ignore[arg-type]  # never called
    try:
        began = time.perf_counter()
        client.window(WindowAsked(columns=COLUMNS))
        print(f"  first 100 rows                 {(time.perf_counter() - began) * 1000:8.0f} ms")
        while client.window(WindowAsked(limit=1)).is_loading:
            time.sleep(0.2)
        ((_, link),) = mirrors._links.values()
        print(f"  whole mirror                   {time.perf_counter() - began:8.1f} s, {link.resident_bytes >> 20} MiB")
        _asked(client)
        print(f"  all of that                    {'':8}    {link.resident_bytes >> 20} MiB")
    finally:
        mirrors.stop()


def _asked(client: ChildMirror) -> None:
    names = [one.name for one in client.columns([], "")]
    sorts = [WindowAsked(sort=(f"{name}:{way}",), columns=COLUMNS) for name in names for way in ("asc", "desc")]
    filters = [WindowAsked(filter=f"auc > {at / 40} param1 != 3", columns=COLUMNS) for at in range(40)]
    words = [WindowAsked(filter=f"run-{at}", columns=COLUMNS) for at in range(40)]
    for title, asked in (("sort by any column", sorts), ("filter", filters), ("words of names", words)):
        median, p95 = spread([lambda one=one: client.window(one) for one in asked])  # type: ignore[misc]  # mypy sees no type of a lambda's default
        print(f"  {title:30} {median:8.1f} ms, p95 {p95:.1f} ms")
    client.search("auc>0.9", 200)
    queries = ["a", "al", "alias:champion", "auc>0.9", "auc>0.9 alias:champion", "created:<900d", "model-1"]
    median, p95 = spread([lambda one=one: client.search(one, 200) for one in queries * 3])  # type: ignore[misc]  # as above
    print(f"  versions, a keystroke          {median:8.1f} ms, p95 {p95:.1f} ms")
    print(f"  cards of all models            {timed(client.cards):8.1f} ms")


def beside(path: Path, *, with_sort: bool) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for title, statement in SQL.items():
            median, _ = spread([lambda one=statement: connection.execute(one).fetchall()] * 3)  # type: ignore[misc]  # as above
            print(f"  SQL: {title:25} {median:8.1f} ms")
        ids = [str(row[0]) for row in connection.execute("SELECT experiment_id FROM experiments")]
    oracle = Oracle(f"sqlite:///{path}")
    try:
        oracle.ask({"filter": "", "order_by": [], "experiments": ids, "max": 1})
        for title, (text, order) in CLAUSES.items():
            if order and not with_sort:
                print(f"  MlflowClient: {title:16}      not tried: minutes")
                continue
            query = {"filter": text, "order_by": order, "experiments": ids, "max": 100}
            print(f"  MlflowClient: {title:16} {timed(lambda query=query: oracle.ask(query)):8.1f} ms")  # type: ignore[misc]  # as above
    finally:
        oracle.close()


if __name__ == "__main__":
    for name in sys.argv[1:] or ["a", "c"]:
        store = store_a() if name == "a" else store_c()
        print(f"store {name}: {store.stat().st_size >> 20} MiB")
        mirrored(store)
        beside(store, with_sort=name == "a")
