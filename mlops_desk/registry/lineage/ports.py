"""What lineage is told by the rest of the house: endpoints, drift, rules and jobs, as far as it needs them.

They come by plain callables, which ``desk`` hands in: features know nothing of one another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class KnownRevision:
    """A revision of an endpoint, the version that it was made of, and its share of requests in percent."""

    number: int
    model: str
    version: str
    state: str
    traffic: float = 0.0
    made_at: float | None = None


@dataclass(frozen=True, slots=True)
class KnownEndpoint:
    """An endpoint and the version that it serves; ``registry`` is where that was found, None the desk's own.

    ``revisions`` are those that are known of it, of whatever version.
    """

    name: str
    state: str
    model: str
    version: str
    registry: str | None = None
    revisions: Sequence[KnownRevision] = ()


@dataclass(frozen=True, slots=True)
class KnownMonitor:
    """A monitor of drift and the endpoint, or the version as NAME/VERSION, that it watches."""

    name: str
    state: str
    endpoint: str | None = None
    version: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class KnownDrift:
    """The newest report on an endpoint."""

    report: str
    endpoint: str
    verdict: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class KnownRule:
    """A rule of retraining; ``jobs`` are those that it has started.

    Of one that ``is_removed`` nothing is known but that, and those.
    """

    name: str
    model: str
    alias: str
    endpoint: str | None
    enabled: bool
    jobs: tuple[str, ...] = ()
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class KnownJob:
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Known:
    """What was found of all that may stand on a model, or have made it."""

    endpoints: Sequence[KnownEndpoint] = ()
    drift: Sequence[KnownDrift] = ()
    rules: Sequence[KnownRule] = ()
    jobs: Mapping[str, KnownJob] = field(default_factory=dict)
    monitors: Sequence[KnownMonitor] = ()


@dataclass(frozen=True, slots=True)
class LineageHouse:
    """How the rest of the house is asked. ``drift`` is given the names of endpoints, ``jobs`` the ids of jobs."""

    endpoints: Callable[[], Sequence[KnownEndpoint]] = tuple
    drift: Callable[[Sequence[str]], Sequence[KnownDrift]] = lambda _names: ()
    rules: Callable[[], Sequence[KnownRule]] = tuple
    jobs: Callable[[Sequence[str]], Mapping[str, KnownJob]] = lambda _ids: {}
    monitors: Callable[[], Sequence[KnownMonitor]] = tuple
