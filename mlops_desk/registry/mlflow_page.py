"""Opens MLflow's own page for a person: starts the server, and makes a visit of theirs."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.page import OPEN, Visits, has_page
from mlops_desk.registry.records.model import Run
from mlops_desk.registry.records.page import PageVisit
from mlops_desk.registry.server.keeper import TrackingServer

MISSING = "MLflow's own page is part of the full package mlflow; this desk has mlflow-skinny, which has none."


class PageOpener:
    """Makes visits at the desk's own server. ``run`` returns a run by its id."""

    def __init__(self, server: TrackingServer, run: Callable[[str], Run]) -> None:
        self._server = server
        self._run = run
        self._visits = Visits(server.ledger.visits_folder, server.ledger.visited)

    def open(self, run_id: str = "") -> PageVisit:
        """Return an address that is good once, for programs of whoever asks. Raises NotFound, Unavailable."""
        place = ""
        if run_id:
            run = self._run(run_id)
            place = f"experiments/{run.experiment_id}/runs/{run.run_id}"
        started = self._server.start()
        if started.uri is None or not started.uri.startswith("http://"):
            raise Unavailable("There is no tracking server that a browser could be led to.")
        visit, token = self._visits.issue(current_caller().uid)
        port = started.uri.rpartition(":")[2]
        address = f"http://{visit.host}:{port}{OPEN}?once={token}&to={quote(place, safe='')}"
        installed = has_page(_packages())
        return PageVisit(address, visit.opens_until, visit.ends_at, installed, None if installed else MISSING)

    def end(self) -> None:
        """End all visits: a browser that is open is let in no more. Raises OSError."""
        self._visits.end()


def _packages() -> Path:
    found = find_spec("mlflow")
    return Path(found.origin).parents[1] if found is not None and found.origin else Path("/nonexistent")
