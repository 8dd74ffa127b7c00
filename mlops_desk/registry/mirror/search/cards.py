"""What a version and a model are shown as, with what the run knows that a version came from."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from mlops_desk.records.model import Model, ModelVersion, Run
from mlops_desk.records.registry.file_glance import FileGlance
from mlops_desk.records.registry.version_hit import ModelCard, VersionHit

_USER = "mlflow.user"
_HISTORY = "mlflow.log-model.history"
"""MLflow's tag on a run: what was logged as a model, as JSON, with flavours and signature."""
_LONGEST_HISTORY = 100_000  # chosen: twenty times what one model takes
_MOST_METRICS = 50  # chosen: nobody has more columns on a screen
_SYSTEM = "system/"  # begins the names of what MLflow measures of the machine


def hit_of(version: ModelVersion, run: Run | None = None, author: str | None = None) -> VersionHit:
    """Return a version as a search finds it; ``run`` is where it came from, as far as that is known."""
    tags = {} if run is None else run.tags
    logged = list(_logged(tags))
    flavors = tuple(dict.fromkeys(name for one in logged for name in _names(one.get("flavors"))))
    return VersionHit(
        name=version.name,
        version=version.version,
        aliases=version.aliases,
        metrics={} if run is None else _shown(run.metrics),
        params={} if run is None else run.params,
        tags=version.tags,
        created=version.created_at,
        run_id=version.run_id,
        author=author or tags.get(_USER),
        status=version.status,
        description=version.description,
        source=version.source,
        flavors=flavors or None,
    )


def with_files(hit: VersionHit, files: FileGlance) -> VersionHit:
    """Return a version with what its files say, which counts more than what its run said that they would hold."""
    return replace(
        hit,
        flavors=files.flavors or hit.flavors,
        format=files.format,
        size_bytes=files.size_bytes,
        dataset=files.dataset or hit.dataset,
    )


def _shown(metrics: Any) -> dict[str, float]:
    names = sorted(metrics, key=lambda name: (name.startswith(_SYSTEM), name))[:_MOST_METRICS]
    return {name: metrics[name] for name in names}


def card_of(model: Model, hits: Sequence[VersionHit]) -> ModelCard:
    """Return a model as the list has it; ``hits`` are its versions, the newest first."""
    newest = hits[0] if hits else None
    first = next(iter(newest.metrics.items()), None) if newest is not None else None
    return ModelCard(
        name=model.name,
        latest_version=model.latest_version,
        n_versions=len(hits),
        aliases=model.aliases,
        tags=model.tags,
        description=model.description,
        author=None if newest is None else newest.author,
        updated_at=model.updated_at,
        metric=first,
    )


def signature_columns(run: Run | None) -> tuple[str, ...]:
    """Return the names of the columns in the signatures of what a run logged as models."""
    if run is None:
        return ()
    names: dict[str, None] = {}
    for one in _logged(run.tags):
        signature: Any = one.get("signature")
        for side in ("inputs", "outputs") if isinstance(signature, dict) else ():
            names |= dict.fromkeys(_columns(signature.get(side)))
    return tuple(names)


def _logged(tags: Any) -> Iterator[dict[str, Any]]:
    """Yield what a run says that it logged as models; anybody may have written it."""
    text = tags.get(_HISTORY, "")
    if not text or len(text) > _LONGEST_HISTORY:
        return
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return
    yield from (one for one in told if isinstance(one, dict)) if isinstance(told, list) else ()


def _names(told: Any) -> list[str]:
    return [str(name) for name in told] if isinstance(told, dict) else []


def _columns(told: Any) -> list[str]:
    try:
        columns = json.loads(told) if isinstance(told, str) else told
    except (ValueError, RecursionError):
        return []
    found = columns if isinstance(columns, list) else []
    return [str(one["name"]) for one in found if isinstance(one, dict) and "name" in one]
