"""What the store knows that decides who may do what: where files lie, and whose run something belongs to.

Read from the store's own file, by short reads only: a reader that lingers would make a training's write wait.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mlops_desk.registry.location import NamedSource, is_stored, named_by

_BUSY_SECONDS = 5.0  # chosen: longer than an ordinary transaction of MLflow on this file
_LONGEST_CHAIN = 16  # chosen: sources of models that refer to one another; a circle is refused too
_MOST_PLACES = 1000  # chosen: a run logs a handful of models
_PARENT_TAG = "mlflow.parentRunId"
JOB_NAME_TAG = "mlops_desk.job_name"
"""The name of the job that a run is of; no job writes it. Runs of earlier versions have it as their own name alone."""
JOB_TAG = "mlops_desk.job"
_NAME_TAG = "mlflow.runName"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run, where its files lie, and the run that it says it belongs to."""

    artifact_uri: str
    parent_id: str | None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A logged model, where its files lie, and the run that logged it."""

    location: str
    run_id: str | None


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """A registered version: where its files are said to lie, and the run that registered it."""

    source: str
    run_id: str | None


class StoreFacts:
    """Looks things up in the SQLite file ``store``. Raises sqlite3.Error when it can't be read."""

    def __init__(self, store: Path) -> None:
        self._uri = f"file:{quote(str(store))}?mode=ro"

    def _rows(self, query: str, *values: str) -> list[tuple[str | None, ...]]:
        with closing(sqlite3.connect(self._uri, uri=True, timeout=_BUSY_SECONDS)) as connection:
            rows: list[tuple[str | None, ...]] = connection.execute(query, values).fetchall()
            return rows

    def run(self, run_id: str) -> RunFacts | None:
        """Return a run; None when there is none."""
        query = (
            "SELECT artifact_uri, (SELECT value FROM tags WHERE tags.run_uuid = runs.run_uuid AND key = ?)"
            " FROM runs WHERE run_uuid = ?"
        )
        return next((RunFacts(uri or "", parent) for uri, parent in self._rows(query, _PARENT_TAG, run_id)), None)

    def model(self, model_id: str) -> ModelFacts | None:
        """Return a logged model; None when there is none."""
        query = "SELECT artifact_location, source_run_id FROM logged_models WHERE model_id = ?"
        return next((ModelFacts(place or "", run_id) for place, run_id in self._rows(query, model_id)), None)

    def versions(self, name: str, version: str | None = None) -> list[VersionFacts]:
        """Return a model's versions, or the one that is named."""
        query = "SELECT coalesce(storage_location, source), run_id FROM model_versions WHERE name = ?"
        values = [name]
        if version is not None:
            query, values = f"{query} AND version = ?", [name, version]
        return [VersionFacts(source or "", run_id) for source, run_id in self._rows(query, *values)]

    def jobs_of(self, name: str) -> set[str]:
        """Return the names of the jobs whose runs, or runs below them, have registered versions of a model."""
        query = (
            "WITH RECURSIVE up(id, depth) AS (SELECT DISTINCT run_id, 0 FROM model_versions WHERE name = ?"
            " UNION SELECT tags.value, depth + 1 FROM tags JOIN up ON tags.run_uuid = up.id"
            " WHERE tags.key = ? AND depth < CAST(? AS INTEGER))"
            " SELECT DISTINCT tags.value FROM tags JOIN up ON tags.run_uuid = up.id WHERE tags.key = ?"
            " OR (tags.key = ? AND EXISTS (SELECT 1 FROM tags AS other WHERE other.run_uuid = up.id AND other.key = ?))"
        )
        values = (name, _PARENT_TAG, str(_LONGEST_CHAIN), JOB_NAME_TAG, _NAME_TAG, JOB_TAG)
        return {job for (job,) in self._rows(query, *values) if job}

    def experiment_location(self, experiment_id: str) -> str | None:
        """Return where an experiment's files lie; None when there is no such experiment."""
        if not experiment_id.isdecimal():
            return None
        query = "SELECT artifact_location FROM experiments WHERE experiment_id = CAST(? AS INTEGER)"
        return next((place or "" for (place,) in self._rows(query, experiment_id)), None)

    def belongs_to(self, run_id: str, owner: str) -> bool:
        """Tell whether a run is ``owner`` or one of its children, by what the runs say of their parents."""
        current: str | None = run_id
        for _ in range(_LONGEST_CHAIN):
            if current == owner:
                return True
            found = None if current is None else self.run(current)
            if found is None:
                return False
            current = found.parent_id
        return False

    def places_of(self, run_id: str) -> list[str]:
        """Return where the files of a run lie, those of its children, and those of the models that they logged."""
        query = (
            "WITH RECURSIVE own(id) AS"
            " (SELECT ? UNION SELECT tags.run_uuid FROM tags JOIN own ON tags.value = own.id WHERE tags.key = ?)"
            " SELECT artifact_uri FROM runs WHERE run_uuid IN (SELECT id FROM own)"
            " UNION SELECT artifact_location FROM logged_models WHERE source_run_id IN (SELECT id FROM own)"
        )
        return [place for (place,) in self._rows(query, run_id, _PARENT_TAG) if place]

    def is_inside(self, source: str) -> bool:
        """Tell whether a version's source leads into the server's own store, wherever it points on the way."""
        waiting, seen, arrived = [source], set[str](), False
        while waiting and len(seen) < _MOST_PLACES:
            place = waiting.pop()
            if is_stored(place):
                arrived = True
            elif place not in seen:
                seen.add(place)
                named = named_by(place)
                places = [] if named is None else list(self._places(named))
                if not places:
                    return False
                waiting += places
        return arrived and not waiting

    def _places(self, named: NamedSource) -> Iterator[str]:
        if named.run_id is not None and (run := self.run(named.run_id)):
            yield run.artifact_uri
        if named.model_id is not None and (model := self.model(named.model_id)):
            yield model.location
        if named.name is not None:
            yield from (version.source for version in self.versions(named.name, named.version))
