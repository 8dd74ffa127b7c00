"""Endpoints: a registered model version that answers requests from a container."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mlops_desk.jobs.records.job import LOCAL_RUNTIME
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.records.owner import Owner
from mlops_desk.serving.records.network import NetworkAddress
from mlops_desk.serving.records.rollout import Rollout


class EndpointState(StrEnum):
    """Where an endpoint stands on its way from a model version to answering requests."""

    BUILDING = "building"
    STARTING = "starting"
    LIVE = "live"
    ASLEEP = "asleep"
    UNHEALTHY = "unhealthy"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Replica:
    """One container of a revision and where the gateway reaches it.

    That is ``unix:PATH`` of a socket of the file system; ``host:port`` for one that an older agent has started.
    ``number`` tells the replicas of one revision apart, from 1 on. ``gpus`` are the UUIDs of those that it has leased.
    """

    container: str
    revision: int
    state: str
    address: str | None = None
    number: int = 1
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointScale:
    """Between how many replicas an endpoint has, ``least`` and ``most``.

    After ``sleep_after_seconds`` without a request its containers end, until the next one; None: they never do.
    """

    least: int = 1
    most: int = 1
    sleep_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class LentGpus:
    """GPUs that an endpoint lets jobs have since the Unix time ``since``, until it is claimed."""

    gpus: tuple[str, ...]
    since: float


@dataclass(frozen=True, slots=True)
class EndpointPause:
    """Nobody is answered since the Unix time ``since``, though replicas are up: so did ``by``. ``text`` says why."""

    since: float
    by: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class AliasFollowing:
    """How an endpoint goes with an alias: which ``version`` it names (None: none), seen so since Unix time ``since``.

    What it names takes over at once, or begins with ``canary_percent`` of the requests. ``waits_for`` says why the
    endpoint serves another version. ``led_by`` names the pipeline that tries another version beside it, before the
    alias moves there: until that releases it, the endpoint stays where it is.
    """

    version: str | None
    since: float
    canary_percent: float | None = None
    waits_for: Reason | None = None
    led_by: str | None = None


@dataclass(frozen=True, slots=True)
class ModelRef:
    """The exact version that answers; ``alias`` is how it was asked for, ``registry`` where it was found."""

    name: str
    version: str
    uri: str
    alias: str | None = None
    run_id: str | None = None
    registry: str | None = None


class RevisionState(StrEnum):
    """Where a revision stands on its way to answering, and after it."""

    BUILDING = "building"
    STARTING = "starting"
    SHADOW = "shadow"
    CANARY = "canary"
    LIVE = "live"
    DRAINING = "draining"
    RETIRED = "retired"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class EndpointRevision:
    """What an endpoint was made to answer with at the Unix time ``created``; it never changes afterwards.

    ``traffic`` is its share of requests in percent. ``is_kept`` tells whether its files are still there, so that it can
    come back without being built. Each of its replicas has ``gpus`` GPUs. ``never_run``: its runtime was never
    tried with a real one of its images.
    """

    revision: int
    model: ModelRef
    state: RevisionState
    traffic: float = 0.0
    runtime: str | None = None
    created: float | None = None
    image: str | None = None
    reason: Reason | None = None
    is_kept: bool = False
    gpus: int = 0
    never_run: bool = False


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went through the gateway lately. Latencies are seconds over the window; None without requests.

    ``unlogged_total`` counts requests that the request log did not take: the disk was full, or did not keep up.
    """

    requests_per_second: float = 0.0
    latency_p50_seconds: float | None = None
    latency_p95_seconds: float | None = None
    errors_per_second: float = 0.0
    requests_total: int = 0
    errors_total: int = 0
    unlogged_total: int = 0


@dataclass(frozen=True, slots=True)
class LatencyPercentiles:
    """How long answers of a span took, in seconds; None where there was no request."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class PastTraffic:
    """What an endpoint's load was at Unix time ``at``."""

    at: float
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class DeployStep:
    """One step of a deployment: its stable word, what is done, since when (Unix time), how long it took.

    The words are resolve, fetch, runtime, build, fit, start, probe and route. ``seconds`` is None while it goes on.
    """

    name: str
    text: str
    started_at: float
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint and its live revision. ``traffic`` is revision -> share of requests (sums to 1).

    While a new revision is built and started, ``revision``, ``model`` and ``replicas`` still tell of the one
    that answers; ``reason`` says why the newest attempt did not make it. ``engine`` names the one that runs it.
    ``rollout`` is there while a revision takes over step by step; ``revisions`` are those that are remembered, oldest
    first. ``runtime`` says what it is served by (training, build or machine), ``steps`` how the newest deployment went,
    or goes. ``token_required``: whoever asks it needs one of its tokens; else it is open to every user of this machine.
    ``wanted`` is how many replicas the live revision should have now, ``ready`` how many of them answer,
    ``queued`` how many requests wait for a place (None: not known). ``shortage`` says why fewer are ready than wanted,
    where one more could not be started. ``asleep_since`` (Unix time) is there from when it fell asleep until it is up
    again. ``lent`` are GPUs that jobs may have meanwhile, ``claimed`` those that it had lent, has asked for, and waits
    for. ``follows`` is the alias whose moves it goes with, ``following`` how; None: it is pinned to its version.

    While it is ``paused`` callers are turned away, until somebody resumes it.

    ``shadow_load`` is that of the copies which its shadow gets, which are no part of ``load``, ``latency``, ``errors``.
    ``canary_answered`` is how many requests its canary has answered since this step began, or since the agent first saw
    it there (None: not known yet, or there is no canary).
    ``latency`` is that of the last minute. ``errors`` counts requests of the last 24 hours by class: ``timeout`` (504),
    ``4xx`` and ``5xx`` all others; a class without one is left out, and None is: not known. ``example`` is a request
    body as JSON for ``example_path``, of what ``example_of`` says: the model's own (``model``), one made of its
    ``signature``, or what every server of its ``runtime`` takes; a list of endpoints leaves it out. ``network`` is its
    address for other machines; None: it is reached from this one alone. ``processor`` is what this machine's can do
    that models gain from, such as avx2, avx512, vnni and amx; empty where the kernel does not tell.
    """

    name: str
    state: EndpointState
    url: str | None
    revision: int
    model: ModelRef
    replicas: tuple[Replica, ...] = ()
    traffic: Mapping[str, float] = field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float = 0.0
    reason: Reason | None = None
    image: str | None = None
    load: Traffic | None = None
    request_log: str | None = None
    created_by: int | None = None
    engine: str = LOCAL_RUNTIME
    rollout: Rollout | None = None
    revisions: tuple[EndpointRevision, ...] = ()
    runtime: str | None = None
    steps: tuple[DeployStep, ...] = ()
    scale: EndpointScale = field(default_factory=EndpointScale)
    wanted: int = 1
    ready: int = 0
    queued: int | None = None
    shortage: Reason | None = None
    token_required: bool = False
    asleep_since: float | None = None
    latency: LatencyPercentiles = LatencyPercentiles()
    errors: Mapping[str, int] | None = None
    example: Any = None
    example_path: str = "/invocations"
    example_of: str | None = None
    lent: LentGpus | None = None
    claimed: tuple[str, ...] = ()
    follows: str | None = None
    following: AliasFollowing | None = None
    network: NetworkAddress | None = None
    shadow_load: Traffic | None = None
    processor: tuple[str, ...] = ()
    paused: EndpointPause | None = None
    canary_answered: int | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.created_by)

    @property
    def never_run(self) -> bool:
        """Tell whether the live revision's runtime was never tried with a real one of its images."""
        return any(one.never_run for one in self.revisions if one.revision == self.revision)
