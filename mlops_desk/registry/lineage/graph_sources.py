"""Gathers what a lineage is made of: from the registry what came before a version, from the house what stands on it."""

import operator
from collections.abc import Callable, Sequence

from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.default_registry import Default
from mlops_desk.registry.lineage.graph import JOB_TAG, Gathered, draw, model_id_of, runs_of
from mlops_desk.registry.lineage.ports import Known, KnownEndpoint, KnownMonitor, LineageHouse
from mlops_desk.registry.protocol import ArtifactOrigins, RegistryClient
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.records.lineage import Lineage
from mlops_desk.registry.records.model import Model, ModelVersion, parted

_MOST_VERSIONS = 100  # chosen: of a model with more the newest, and all that have an alias
_MOST_ASKED = 300  # chosen: runs, and logged models: some for each version


class LineageDesk:
    """Makes the lineage of a model in whatever registry. ``outside`` is set once the rest of the house is there."""

    def __init__(
        self,
        default: Default,
        read: Callable[[str | None], RegistryClient],
        placing: Callable[[str | None], ArtifactOrigins] | None = None,
        is_same: Callable[[str | None, str | None], bool] = operator.eq,
    ) -> None:
        self._default = default
        self._read = read
        self._placing: Callable[[str | None], ArtifactOrigins] = read if placing is None else placing
        self._is_same = is_same
        self.outside = LineageHouse()

    def of_model(self, name: str, version: str | None, uri: str | None) -> Lineage:
        """Return the lineage of a version, or of all that a model has; ``name`` may be NAME/VERSION or NAME@ALIAS.

        Raises DeskErrors.
        """
        if version is None:
            name, version = parted(name)
        with self._default.chosen(uri) as chosen:
            registry = self._read(chosen)
            model, known = registry.model(name), registry.versions(name)
            versions = _newest(known) if version is None else [_named(model, known, version)]
            n_left_out = len(known) - len(versions) if version is None else 0
            origins = self._placing(chosen)
            logged = _logged(origins, [one for v in versions if (one := model_id_of(v)) is not None])
            runs = _origins(origins, runs_of(versions, logged.values()))
            further = [one for run in runs.values() for one in (*run.models_in, *run.models_out)]
            logged |= _logged(origins, [one for one in further if one not in logged])
            return draw(Gathered(model, tuple(versions), runs, logged, self._known(runs, chosen), n_left_out))

    def _known(self, runs: dict[str, RunOrigin], uri: str | None) -> Known:
        endpoints = [one for one in self.outside.endpoints() if self._is_same(one.registry, uri)]
        jobs = [job for run in runs.values() if (job := run.tags.get(JOB_TAG))]
        drift = self.outside.drift([one.name for one in endpoints])
        rules = self.outside.rules() if self._is_same(None, uri) else ()  # they watch models of the desk's own alone
        monitors = self.outside.monitors() if self._is_same(None, uri) else _of(self.outside.monitors(), endpoints)
        return Known(endpoints, drift, rules, self.outside.jobs(jobs), monitors)


def _of(monitors: Sequence[KnownMonitor], endpoints: Sequence[KnownEndpoint]) -> list[KnownMonitor]:
    """Return those that watch one of the endpoints: by a version's name they mean the desk's own registry."""
    names = {one.name for one in endpoints}
    return [one for one in monitors if one.endpoint in names]


def _logged(registry: ArtifactOrigins, model_ids: Sequence[str]) -> dict[str, LoggedModel]:
    wanted = list(dict.fromkeys(model_ids))[:_MOST_ASKED]
    return {one.model_id: one for one in registry.logged_models(wanted)} if wanted else {}


def _origins(registry: ArtifactOrigins, run_ids: Sequence[str]) -> dict[str, RunOrigin]:
    return {run.run_id: run for run in registry.origins(run_ids[:_MOST_ASKED])} if run_ids else {}


def _newest(versions: Sequence[ModelVersion]) -> list[ModelVersion]:
    """Return the versions that are drawn of a model: the newest, and those that have an alias."""
    return [one for at, one in enumerate(versions) if at < _MOST_VERSIONS or one.aliases][: 2 * _MOST_VERSIONS]


def _named(model: Model, versions: Sequence[ModelVersion], version: str) -> ModelVersion:
    """Return the version of a number or of @ALIAS. Raises NotFound."""
    number = model.aliases.get(version[1:]) if version.startswith("@") else version
    found = next((one for one in versions if one.version == number), None)
    if found is None:
        kind = "alias" if version.startswith("@") else "version"
        numbers = ", ".join(one.version for one in versions[:10]) or "none"
        text = f"Model {plain(model.name)} has no {kind} {plain(version.lstrip('@'))!r}."
        raise NotFound(text, f"Its versions are {numbers}.")
    return found
