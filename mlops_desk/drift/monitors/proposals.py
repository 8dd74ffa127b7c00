"""The monitor that the desk proposes for each endpoint, quietly: it waits until somebody asks the endpoint. Pure.

Its name is the endpoint's, unless a person's monitor has that. Who has removed it or made another one for the endpoint
is not asked again.
"""

from collections.abc import Iterable, Sequence

from mlops_desk.drift.monitors.repository import new_id
from mlops_desk.drift.records.monitors import Monitor, WindowRule
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.serving.records.endpoint import Endpoint


def proposals(
    endpoints: Iterable[Endpoint], known: Sequence[Monitor], rows: int, seconds: float, now: float
) -> list[Monitor]:
    """Return a monitor for each endpoint that has none, and had none that was refused.

    ``rows`` and ``seconds`` are what the settings say of windows and checks, ``now`` is Unix time.
    """
    watched = {one.endpoint for one in known}
    names = {one.name for one in known if not one.is_refused}
    return [
        Monitor(
            id=new_id(),
            name=_free(endpoint.name, names),
            source=Source(SourceKind.LOG, endpoint.name),
            endpoint=endpoint.name,
            model=model_of(endpoint),
            window=WindowRule(rows=rows),
            check_seconds=seconds,
            is_proposed=True,
            created_by=endpoint.created_by,
            created_at=now,
        )
        for endpoint in endpoints
        if endpoint.name not in watched
    ]


def model_of(endpoint: Endpoint) -> str:
    """Return what an endpoint answers with, as NAME/VERSION."""
    return f"{endpoint.model.name}/{endpoint.model.version}"


def _free(name: str, taken: set[str]) -> str:
    """Return the name, or with a number where another monitor has it."""
    number = 1
    found = name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found


def orphans(endpoints: Iterable[Endpoint], known: Sequence[Monitor]) -> list[Monitor]:
    """Return the proposed monitors whose endpoint is gone: they go with it. A person's own stay, and say so."""
    there = {endpoint.name for endpoint in endpoints}
    return [one for one in known if one.is_proposed and one.endpoint not in there]
