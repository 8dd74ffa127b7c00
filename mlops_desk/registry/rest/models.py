"""Registered models and their versions from a server: all of them, in as few pages as it lets us have."""

from builtins import list as list_of
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.readers.batch import VersionRow
from mlops_desk.registry.records.model import Model, ModelVersion
from mlops_desk.registry.rest.responses import ModelsAnswer, ModelShape, VersionsAnswer, VersionShape, pages
from mlops_desk.registry.rest.session import RestSession

_MODELS = "/api/2.0/mlflow/registered-models/search"
_VERSIONS = "/api/2.0/mlflow/model-versions/search"
_MODEL_PAGE = 1000  # MLflow's limit
_VERSION_PAGE = 10_000  # MLflow's default; the limit of servers since 2.0 is 200,000
_OLD_PAGE = 1000
"""What every server lets us have."""


def models(session: RestSession) -> list_of[Model]:
    """List all registered models, by name as the server sorts them. Raises DeskErrors."""
    return [_model(found) for found in _all_models(session)]


def count_models(session: RestSession) -> Iterator[int]:
    """Yield after each page how many models were counted. Raises DeskErrors."""
    return accumulate(len(answer.registered_models) for answer in _model_pages(session))


def _all_models(session: RestSession) -> list_of[ModelShape]:
    return [model for answer in _model_pages(session) for model in answer.registered_models]


def _model_pages(session: RestSession) -> Iterator[ModelsAnswer]:
    return pages(lambda token: session.get(_MODELS, ModelsAnswer, {"max_results": _MODEL_PAGE, **token}))


def _model(found: ModelShape) -> Model:
    numbers = [int(version.version) for version in found.latest_versions if version.version.isdecimal()]
    return Model(
        name=found.name,
        latest_version=str(max(numbers)) if numbers else None,
        aliases={alias.alias: alias.version for alias in found.aliases},
        tags={pair.key: pair.value for pair in found.tags},
        description=found.description or None,
        updated_at=_seconds(found.last_updated_timestamp),
    )


def versions(session: RestSession) -> list_of[VersionRow]:
    """List all versions with the aliases that their models say; of a model the newest first. Raises DeskErrors."""
    at: dict[tuple[str, str], list_of[str]] = defaultdict(list)
    for model in _all_models(session):
        for alias in model.aliases:
            at[model.name, alias.version].append(alias.alias)
    rows = [_row(found, sorted(at[found.name, found.version])) for found in _all_versions(session)]
    return sorted(rows, key=lambda row: (row.version.name, -_number(row.version.version)))


def _all_versions(session: RestSession) -> list_of[VersionShape]:
    try:
        return _versions_by(session, _VERSION_PAGE)
    except Invalid:  # an old server's limit is lower
        return _versions_by(session, _OLD_PAGE)


def _versions_by(session: RestSession, size: int) -> list_of[VersionShape]:
    found = pages(lambda token: session.get(_VERSIONS, VersionsAnswer, {"max_results": size, **token}))
    return [version for answer in found for version in answer.model_versions]


def _row(found: VersionShape, aliases: Sequence[str]) -> VersionRow:
    version = ModelVersion(
        name=found.name,
        version=found.version,
        run_id=found.run_id or None,
        source=found.source,
        status=found.status,
        aliases=tuple(aliases),
        tags={pair.key: pair.value for pair in found.tags},
        created_at=_seconds(found.creation_timestamp),
        description=found.description or None,
    )
    return VersionRow(version, found.user_id or None, found.model_id or None)


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000.0
