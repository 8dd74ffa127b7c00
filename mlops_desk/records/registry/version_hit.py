"""A version of a model as a search finds it and as the table of versions shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class VersionHit:
    """``created`` is Unix seconds; metrics and params are those of the run that registered it.

    ``flavors``, ``format``, ``size_bytes`` and ``dataset`` (name and digest of what it was trained on) are None where
    nobody has looked into its files yet.
    """

    name: str
    version: str
    aliases: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    created: float | None = None
    run_id: str | None = None
    author: str | None = None
    status: str = "READY"
    description: str | None = None
    source: str | None = None
    flavors: tuple[str, ...] | None = None
    format: str | None = None
    size_bytes: int | None = None
    dataset: str | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A registered model as the list has it. ``metric`` is the newest version's first metric, with its name.

    ``endpoints`` serve a version of it, each with the version; ``drift`` is the gravest verdict on them (None: none
    is watched).
    """

    name: str
    latest_version: str | None
    n_versions: int
    aliases: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    author: str | None = None
    updated_at: float | None = None
    metric: tuple[str, float] | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    drift: str | None = None
