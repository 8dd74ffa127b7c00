"""Registered models and their versions, and experiments, as MLflow's client tells of them.

What MLflow's search leaves out is left out here: prompts, which lie in the same tables, and versions that were
deleted, whose rows stay. Of several workspaces it is the default one.
"""

from collections.abc import Mapping

from mlops_desk.records.model import Experiment, Model, ModelVersion
from mlops_desk.registry.reading.batch import VersionRow
from mlops_desk.registry.store.database import Row, StoreDatabase, by_name
from mlops_desk.registry.store.statements import Statements

_KEPT = "coalesce(current_stage, 'None') <> 'Deleted_Internal'"  # MLflow's stage of a version that was deleted
TOLD_BY = {
    "registered_models": "name, last_updated_time, description",
    "registered_model_tags": "name, key, value",
    "registered_model_aliases": "name, alias, version",
    "model_versions": "name, version, last_updated_time, status, current_stage, description, run_id, source",
    "model_version_tags": "name, version, key, value",
}
"""What of each table tells that something happened to models."""
_IS_PROMPT = "mlflow.prompt.is_prompt"
_LOGGED_MODEL = "models:/m-"
_SOURCE_SCHEME = "models:/"


def experiments(database: StoreDatabase, statements: Statements) -> list[Experiment]:
    """List the active experiments, by name."""
    tags = by_name(database.table("experiment_id, key, value", "experiment_tags", "1 = 1"))
    columns = "experiment_id, name, coalesce(last_update_time, creation_time)"
    rows = database.table(columns, "experiments", f"lifecycle_stage = 'active' AND {statements.in_workspace()}")
    found = [Experiment(str(number), name, tags.get(number, {}), _seconds(time)) for number, name, time in rows]
    return sorted(found, key=lambda one: one.name)


def n_runs(database: StoreDatabase, statements: Statements) -> int:
    """Count the runs that were not deleted, of the active experiments."""
    active = f"SELECT experiment_id FROM experiments WHERE lifecycle_stage = 'active' AND {statements.in_workspace()}"  # noqa: S608 - words of our own
    return sum(1 for _ in database.table("1", "runs", f"lifecycle_stage = 'active' AND experiment_id IN ({active})"))


def models(database: StoreDatabase, statements: Statements) -> list[Model]:
    """List all registered models, by name, with their aliases."""
    where = statements.in_workspace()
    tags = by_name(database.table("name, key, value", "registered_model_tags", where))
    latest: dict[str, int] = {}
    for name, version in database.table("name, version", "model_versions", f"{where} AND {_KEPT}"):
        latest[name] = max(version, latest.get(name, version))
    aliases = _aliases(database, where)
    found = [
        Model(
            name=name,
            latest_version=str(latest[name]) if name in latest else None,
            aliases=aliases.get(name, {}),
            tags=tags.get(name, {}),
            description=description or None,
            updated_at=_seconds(updated),
        )
        for name, description, updated in database.table(
            "name, description, last_updated_time", "registered_models", where
        )
        if not _is_prompt(tags.get(name, {}))
    ]
    return sorted(found, key=lambda one: one.name)


def versions(database: StoreDatabase, statements: Statements) -> list[VersionRow]:
    """List all versions of all models by name, of a model the newest first."""
    where = statements.in_workspace()
    tags = by_name(database.table("name, version, key, value", "model_version_tags", where))
    prompts = {name for (name, _), told in tags.items() if _is_prompt(told)}
    pointing: dict[tuple[str, str], list[str]] = {}
    for name, aliases in _aliases(database, where).items():
        for alias, version in aliases.items():
            pointing.setdefault((name, version), []).append(alias)
    columns = "name, version, run_id, source, status, creation_time, description, user_id"
    rows = database.table(columns, "model_versions", f"{where} AND {_KEPT}")
    kept = sorted((row for row in rows if row[0] not in prompts), key=lambda row: (row[0], -row[1]))
    return [_version(row, tags.get(row[:2], {}), pointing.get((row[0], str(row[1])), ())) for row in kept]


def _version(row: Row, tags: Mapping[str, str], aliases: list[str] | tuple[()]) -> VersionRow:
    name, version, run_id, source, status, created, description, author = row
    told = ModelVersion(
        name=name,
        version=str(version),
        run_id=run_id or None,
        source=source,
        status=status,
        aliases=tuple(sorted(aliases)),
        tags=tags,
        created_at=_seconds(created),
        description=description or None,
    )
    model_id = source.removeprefix(_SOURCE_SCHEME) if source is not None and source.startswith(_LOGGED_MODEL) else None
    return VersionRow(told, author or None, model_id)


def _aliases(database: StoreDatabase, where: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, alias, version in database.table("name, alias, version", "registered_model_aliases", where):
        found.setdefault(name, {})[alias] = str(version)
    return found


def _is_prompt(tags: Mapping[str, str]) -> bool:
    return tags.get(_IS_PROMPT) == "true"


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000.0
