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
class VersionsFound:
    """What a search knows so far: ``n_found`` versions match, of which ``hits`` are the newest.

    ``n_unread``: so many more may match, but the query asks for what only their files tell, and those were not looked
    into yet. ``is_loading``: runs are still being read, and with them the metrics and parameters of some versions.
    ``problem``: why the registry can't be read at the moment; what is told is of ``read_at`` (Unix seconds) then.
    """

    hits: tuple[VersionHit, ...]
    n_found: int
    n_unread: int = 0
    is_loading: bool = False
    problem: str | None = None
    read_at: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether asking again would find the same, as long as nothing changes in the registry."""
        return not self.n_unread and not self.is_loading


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
