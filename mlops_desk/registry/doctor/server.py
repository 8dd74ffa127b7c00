"""What can be told of the store behind an MLflow server: by what it answers, and how long it takes.

Its database can't be seen from here. A server that sorts a hundred runs by a metric for seconds where it lists them at
once has a database that never counted its rows.
"""

import re
import time
from contextlib import closing
from typing import Any

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import duration_text, plain
from mlops_desk.registry.doctor.checks import purge_candidates, statistics
from mlops_desk.registry.doctor.checks.findings import advice, fine, trouble, unknown
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.doctor import StoreFinding, StoreReport
from mlops_desk.registry.rest.responses import ExperimentsAnswer, RunsAnswer, pages
from mlops_desk.registry.rest.session import AnswerLimits, RestSession

_API = "/api/2.0/mlflow"
_SECONDS = 15.0  # chosen: three questions of it, and the report is there within a minute
_SHOWN, _AT_ONCE = 100, 1000  # a page of MLflow's own, and as many as its interface gives
_SLOW_SECONDS = 2.0  # chosen: nobody sorts a table twice that takes longer
_FACTOR = 5.0  # chosen: sorting costs a server with statistics about what listing does
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # a metric whose name needs no quotes
_NAMED = 5  # chosen: as many as stand in a sentence


def report(source: RegistrySource) -> StoreReport:
    """Ask a server a few questions. Raises DeskErrors where it answers none."""
    with closing(RestSession(source, AnswerLimits(seconds=_SECONDS))) as session:
        experiments = _experiments(session, "ACTIVE_ONLY")
        gone = _experiments(session, "DELETED_ONLY")
        ids = [one.experiment_id for one in experiments]
        findings = (_sorting(session, ids), _deleted(session, ids), _names([one.name for one in gone]))
    return StoreReport(source.shown, "http", None, False, None, findings)


def _experiments(session: RestSession, view: str) -> list[Any]:
    body = {"max_results": _AT_ONCE, "view_type": view}
    found = pages(lambda token: session.post(f"{_API}/experiments/search", ExperimentsAnswer, {**body, **token}))
    return [one for page in found for one in page.experiments]


def _runs(session: RestSession, ids: list[str], **more: Any) -> RunsAnswer:
    return session.post(f"{_API}/runs/search", RunsAnswer, {"experiment_ids": ids, **more})


def _sorting(session: RestSession, ids: list[str]) -> StoreFinding:
    """Compare how long a server lists runs with how long it sorts them by a metric that they have."""
    title = "Sorting"
    try:
        began = time.monotonic()
        listed = _runs(session, ids, max_results=_SHOWN)
        listing = time.monotonic() - began
        logged = {str(one.get("key")) for run in listed.runs for one in run.get("data", {}).get("metrics", [])}
        keys = sorted(filter(_PLAIN.fullmatch, logged))
        if not keys:
            return unknown(statistics.CHECK, title, "No run has a metric to sort by.")
        began = time.monotonic()
        order = [f"metrics.{keys[0]} DESC"]
        _runs(session, ids, max_results=_SHOWN, order_by=order)
        sorting = time.monotonic() - began
    except DeskError as error:
        return unknown(statistics.CHECK, title, error.message)
    text = f"It lists {len(listed.runs)} runs in {duration_text(listing)} and sorts them in {duration_text(sorting)}."
    if sorting < _SLOW_SECONDS or sorting < _FACTOR * listing:
        return fine(statistics.CHECK, title, text)
    why = "Its database seems never to have counted its rows. On its machine ANALYZE does that, which is also what "
    return trouble(statistics.CHECK, title, f"{text} {why}the fix analyze does for a store that can be opened here.")


def _deleted(session: RestSession, ids: list[str]) -> StoreFinding:
    title = "Deleted runs"
    try:
        found = _runs(session, ids, max_results=_AT_ONCE, run_view_type="DELETED_ONLY")
    except DeskError as error:
        return unknown(purge_candidates.CHECK, title, error.message)
    count = len(found.runs)
    if not count:
        return fine(purge_candidates.CHECK, title, "No deleted run waits to be purged.")
    more = "or more " if found.next_page_token else ""
    text = f"{count:,} {more}deleted runs still take room. Who runs the server purges them with mlflow gc, which looks "
    return advice(purge_candidates.CHECK, title, f"{text}at no version: files that one uses go too.", n=count)


def _names(names: list[str]) -> StoreFinding:
    title = "Deleted experiments"
    if not names:
        return fine(purge_candidates.EXPERIMENTS, title, "No name is taken by a deleted experiment.")
    some = ", ".join(plain(name, 60) for name in names[:_NAMED])
    text = f"{len(names):,} deleted experiments keep their names: {some}. They are free again when they are purged."
    return advice(purge_candidates.EXPERIMENTS, title, text, n=len(names))
