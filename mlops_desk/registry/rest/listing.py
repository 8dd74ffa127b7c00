"""Pages of a server's runs, the newest first, deleted ones among them; and which of them are new or have changed."""

import time
from builtins import list as list_of
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from mlops_desk.records.model import Experiment
from mlops_desk.registry.rest.pages import pages
from mlops_desk.registry.rest.runs import experiment, fingerprint, shaped
from mlops_desk.registry.rest.session import RestSession
from mlops_desk.registry.rest.shapes import ExperimentsAnswer, RunsAnswer, RunShape
from mlops_desk.registry.rest.trouble import TooLarge

_RUNS = "/api/2.0/mlflow/runs/search"
_EXPERIMENTS = "/api/2.0/mlflow/experiments/search"
_FIRST_PAGE = 100  # chosen: more than a screen has rows; a server takes a fifth of a second for them
PAGE = 1000
"""What a server takes one to three seconds for; it would let us have 50,000."""
_FEWER = 4  # chosen: five answers are thrown away at most until runs come one at a time
_IDS_AT_ONCE = 200  # chosen: a condition of 8 KB
_MOST_EXPERIMENTS = 1000
"""In one question: databases have a limit for a list of values (SQLite before 3.32: 999, less some)."""


def experiments(session: RestSession) -> list_of[Experiment]:
    """List the active experiments, by name. Raises DeskErrors."""
    body = {"max_results": PAGE, "view_type": "ACTIVE_ONLY"}
    found = pages(lambda token: session.post(_EXPERIMENTS, ExperimentsAnswer, {**body, **token}))
    listed = [experiment(one) for answer in found for one in answer.experiments]
    return sorted(listed, key=lambda one: one.name)


def search(
    session: RestSession, experiment_ids: Sequence[str], condition: str = "", *, first: int = PAGE
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Yield runs page by page, the newest first; of the first page only so many. Raises DeskErrors."""
    for some in _parts(experiment_ids):
        yield from _pages_of(session, some, condition, first)


def newest(session: RestSession, experiment_ids: Sequence[str], condition: str) -> list_of[Mapping[str, Any]]:
    """Return the newest runs that fulfil a condition, of all that there are no more than a page. Raises DeskErrors."""
    found = [next(_pages_of(session, some, condition, PAGE), ()) for some in _parts(experiment_ids)]
    return [run for page in found for run in page]


def existing(session: RestSession, experiment_ids: Sequence[str], run_ids: Sequence[str]) -> set[str]:
    """Return those of these runs that the server still has. Raises DeskErrors."""
    found: set[str] = set()
    for start in range(0, len(run_ids), _IDS_AT_ONCE):
        listed = ", ".join(f"'{one}'" for one in run_ids[start : start + _IDS_AT_ONCE])
        runs = newest(session, experiment_ids, f"attributes.run_id IN ({listed})")
        found |= {shape.info.run_id for shape in shaped(runs)}
    return found


def _parts(experiment_ids: Sequence[str]) -> Iterator[list_of[str]]:
    for start in range(0, len(experiment_ids), _MOST_EXPERIMENTS):
        yield list(experiment_ids[start : start + _MOST_EXPERIMENTS])


def _pages_of(
    session: RestSession, experiment_ids: Sequence[str], condition: str, first: int
) -> Iterator[Sequence[Mapping[str, Any]]]:
    body = {"experiment_ids": experiment_ids, "run_view_type": "ALL", "order_by": ["attributes.start_time DESC"]}
    if condition:
        body["filter"] = condition
    most = PAGE

    def fetch(token: Mapping[str, str]) -> RunsAnswer:
        nonlocal most
        while True:
            size = most if token else min(first, most)
            try:
                return session.post(_RUNS, RunsAnswer, {**body, "max_results": size, **token})
            except TooLarge:  # runs with thousands of metrics each: a token is a place, whatever a page's size
                if size == 1:
                    raise
                most = max(1, size // _FEWER)

    yield from (answer.runs for answer in pages(fetch))


def count_runs(session: RestSession) -> Iterator[int]:
    """Yield after each page how many runs were counted: not deleted, of the active experiments. Raises DeskErrors."""
    ids = [one.experiment_id for one in experiments(session)]
    actives = (sum(shape.info.lifecycle_stage == "active" for shape in shaped(page)) for page in search(session, ids))
    return accumulate(actives)


class KnownRuns:
    """What was seen of each run last: a number for each, so that what is read again is told only where it differs."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._newest_ms = 0

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def newest_ms(self) -> int:
        """When the newest run began or ended, by its own clock, which is not taken to be ahead of ours."""
        return min(self._newest_ms, round(time.time() * 1000))

    @property
    def ids(self) -> set[str]:
        return set(self._seen)

    def fresh(self, runs: Sequence[Mapping[str, Any]]) -> list_of[RunShape]:
        """Return those that are new or differ in anything, and know them from now on."""
        found = []
        for run, shape in zip(runs, shaped(runs), strict=True):
            seen = fingerprint(run)
            if self._seen.get(shape.info.run_id) != seen:
                self._seen[shape.info.run_id] = seen
                found.append(shape)
                self._newest_ms = max(self._newest_ms, shape.info.start_time or 0, shape.info.end_time or 0)
        return found

    def forget(self, run_ids: set[str]) -> None:
        for run_id in run_ids:
            self._seen.pop(run_id, None)


def first_page_size() -> int:
    """Return how many runs the first page has."""
    return _FIRST_PAGE
