"""Texts for endpoints: one as facts, many as a table, and the load of the last minutes."""

from collections.abc import Callable, Mapping

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import Lines, ago, facts, lines_of, number
from mlops_desk.serving.records import processor_words, rollout_words
from mlops_desk.serving.records.endpoint import Endpoint, EndpointRevision, PastTraffic, RevisionState
from mlops_desk.serving.records.runtime_choice import RuntimeChoice
from mlops_desk.serving.text import access, network

_REVISIONS = 5  # chosen: those that one may want to go back to; --json has all of them
_ID = 40  # chosen: an id's 32 characters
_NOTHING = "–"
NEVER_RUN = "never run on a real one"


def endpoint(endpoint: Endpoint) -> str:
    """Say how an endpoint stands."""
    told: dict[str, str | Lines] = {
        "endpoint": endpoint.name,
        "state": _state(endpoint),
        "url": endpoint.url or _NOTHING,
        **network.of_endpoint(endpoint),
        "access": access.told(endpoint),
        "model": f"{endpoint.model.name} version {endpoint.model.version}",
        "revision": str(endpoint.revision),
        "replicas": _replicas(endpoint),
        "follows": _follows(endpoint),
        **_rollout(endpoint),
        "traffic": ", ".join(f"revision {name}: {share:.0%}" for name, share in endpoint.traffic.items()) or _NOTHING,
        "revisions": "; ".join(map(_revision, reversed(endpoint.revisions[-_REVISIONS:]))) or _NOTHING,
        "runtime": _runtime(endpoint),
        "processor": processor_words.told(endpoint.processor),
        "latency": _latency(endpoint),
        "errors": f"{_errors(endpoint.errors)} in 24 hours" if endpoint.errors is not None else "not known",
    }
    if endpoint.reason is not None:
        told["reason"] = endpoint.reason.text
        told["evidence"] = lines_of(endpoint.reason.evidence)
        told["next"] = endpoint.reason.hint or _NOTHING
    return facts(told)


def _state(endpoint: Endpoint) -> str:
    pause = endpoint.paused
    if pause is None:
        return endpoint.state
    why = "" if pause.text is None else f": {plain(pause.text)}"
    return f"{endpoint.state}, paused by {plain(pause.by)} {ago(pause.since)}{why}"


def _rollout(endpoint: Endpoint) -> dict[str, str]:
    """Say what the revision on its way gets, what it waits for and what sends it back; nothing without one."""
    rollout = endpoint.rollout
    if rollout is None:
        return {}
    led_by = rollout_words.leader(endpoint)
    return {
        "on its way": rollout_words.stands(endpoint, rollout),
        "waits for": rollout_words.waits(rollout, led_by, endpoint.canary_answered),
        "goes back": rollout_words.guarded(rollout, led_by),
    }


def _runtime(endpoint: Endpoint) -> str:
    if not endpoint.runtime:
        return _NOTHING
    warning = f": {NEVER_RUN}" if endpoint.never_run else ""
    return f"{plain(endpoint.runtime)}, image {plain(endpoint.image or _NOTHING)}{warning}"


def _revision(one: EndpointRevision) -> str:
    word = str(one.state).replace("_", " ")
    share = f" with {one.traffic:.0f} %" if one.state is RevisionState.CANARY else ""
    return f"{one.revision} {word}{share}: {one.model.name} version {one.model.version}"


def _follows(endpoint: Endpoint) -> str:
    following = endpoint.following
    if endpoint.follows is None:
        return "no alias: it stays on its version"
    waits = "" if following is None or following.waits_for is None else f": {plain(following.waits_for.text)}"
    if following is not None and following.led_by is not None and not waits:
        waits = f"; pipeline {plain(following.led_by, _ID)} tries another version beside it"
    return f"alias {plain(endpoint.follows)}{waits}"


def _followed(endpoint: Endpoint) -> str:
    """Return the alias, and that it names another version than the one that answers."""
    if endpoint.follows is None:
        return _NOTHING
    waits = endpoint.following is not None and endpoint.following.waits_for is not None
    return f"{plain(endpoint.follows)}{' (moved)' if waits else ''}"


def _replicas(endpoint: Endpoint) -> str:
    told = f"{endpoint.ready} of {endpoint.wanted} ready"
    if endpoint.scale.least != endpoint.scale.most:
        told += f" (from {endpoint.scale.least} to {endpoint.scale.most})"
    return told if endpoint.shortage is None else f"{told}: {plain(endpoint.shortage.text)}"


def _latency(endpoint: Endpoint) -> str:
    latency = endpoint.latency
    if latency.p99 is None:
        return "no request in the last minute"
    return f"p50 {_ms(latency.p50)}, p95 {_ms(latency.p95)}, p99 {_ms(latency.p99)} in the last minute"


def _ms(seconds: float | None) -> str:
    return _NOTHING if seconds is None else f"{seconds * 1000:.3g} ms"


def _errors(errors: Mapping[str, int] | None) -> str:
    if errors is None:
        return "?"
    return ", ".join(f"{class_}: {count:,}" for class_, count in errors.items()) or "none"


COLUMNS: dict[str, Callable[[Endpoint], str]] = {
    "NAME": lambda endpoint: endpoint.name,
    "STATE": lambda endpoint: endpoint.state if endpoint.paused is None else f"{endpoint.state}, paused",
    "MODEL": lambda endpoint: f"{endpoint.model.name}/{endpoint.model.version}",
    "FOLLOWS": _followed,
    "TRAFFIC": lambda endpoint: (
        ", ".join(f"{number}: {share:.0%}" for number, share in endpoint.traffic.items()) or _NOTHING
    ),
    "P99": lambda endpoint: _ms(endpoint.latency.p99),
    "ERRORS 24H": lambda endpoint: _errors(endpoint.errors),
    "ACCESS": lambda endpoint: "token" if endpoint.token_required else "open",
    "URL": lambda endpoint: endpoint.url or _NOTHING,
}

PAST_COLUMNS: dict[str, Callable[[PastTraffic], str]] = {
    "WHEN": lambda point: ago(point.at),
    "REQUESTS/S": lambda point: number(point.traffic.requests_per_second),
    "ERRORS/S": lambda point: number(point.traffic.errors_per_second),
    "P50 S": lambda point: number(point.traffic.latency_p50_seconds),
    "P95 S": lambda point: number(point.traffic.latency_p95_seconds),
}

RUNTIME_COLUMNS: dict[str, Callable[[RuntimeChoice], str]] = {
    "RUNTIME": lambda one: one.word,
    "WHAT": lambda one: (
        plain(one.title)
        + (f", for {' and '.join(map(plain, one.serves))} models" if one.serves else "")
        + (f" ({NEVER_RUN})" if one.never_run else "")
    ),
    "IMAGE": lambda one: plain(one.image or _NOTHING),
    "POSSIBLE": lambda one: _possible(one.obstacle),
}


def _possible(obstacle: Reason | None) -> str:
    return "yes" if obstacle is None else f"no: {plain(obstacle.text)} {obstacle.hint or ''}".rstrip()
