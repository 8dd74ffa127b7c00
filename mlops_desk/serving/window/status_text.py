"""How an endpoint is set up, and what a change of it will do, in sentences. No Qt here."""

from collections.abc import Mapping

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.words import alerts, numbers
from mlops_desk.machine.records.status import Status
from mlops_desk.registry.records.model import Model
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef

_AT_REST = {EndpointState.STOPPED, EndpointState.FAILED}


def named_now(model: ModelRef, alias: str, models: Mapping[str, Model]) -> str | None:
    """Return which version an alias names now; None where it names none, or nobody here knows."""
    known = models.get(model.name)
    return None if known is None else known.aliases.get(alias)


def follows_told(endpoint: Endpoint) -> str:
    """Say what it goes with."""
    if endpoint.follows is None:
        return f"Pinned: it stays on version {plain(endpoint.model.version)}, whatever an alias names."
    percent = endpoint.following.canary_percent if endpoint.following is not None else None
    how = "takes over at once, when it answers" if percent is None else f"begins with {percent:g} % of the requests"
    return f"Follows @{plain(endpoint.follows)}: after each move what that names is deployed, and {how}."


def behind(endpoint: Endpoint) -> str | None:
    """Say that it serves another version than the alias that it follows names, and why; None where it does not."""
    following, alias = endpoint.following, endpoint.follows
    if alias is None or following is None or endpoint.state in _AT_REST:
        return None
    if following.version == endpoint.model.version:
        return None
    names = "names none now" if following.version is None else f"names version {plain(following.version)}"
    why = "" if following.waits_for is None else f" {plain(following.waits_for.text)}"
    return f"It serves version {plain(endpoint.model.version)}, and @{plain(alias)}, which it follows, {names}.{why}"


def following_will(endpoint: Endpoint, alias: str | None, canary: float | None, models: Mapping[str, Model]) -> str:
    """Say what happens as soon as it follows an alias so; for None: as soon as it is pinned."""
    version = plain(endpoint.model.version)
    if alias is None:
        if endpoint.rollout is not None:
            return f"It stays on version {version}. The revision on its way goes on: take it back to end it."
        return f"It stays on version {version} until somebody deploys another one."
    now = named_now(endpoint.model, alias, models)
    how = "and takes over at once, when it answers" if canary is None else f"and gets {canary:g} % of the requests"
    if now is None:
        return f"What @{plain(alias)} names now is not known here: the agent looks, and deploys that."
    if now == endpoint.model.version:
        return f"@{plain(alias)} is version {version} now, which it serves: nothing happens until the alias moves."
    if endpoint.state is EndpointState.STOPPED:
        return f"@{plain(alias)} is version {plain(now)}. It is deployed as soon as the endpoint is."
    return f"@{plain(alias)} is version {plain(now)}: it is deployed now, {how}."


def scale_will(endpoint: Endpoint, least: int, most: int, sleep_after: float | None) -> str:
    """Say what happens with so many replicas, and so long a time without a request (seconds)."""
    up = sum(one.revision == endpoint.revision for one in endpoint.replicas)
    wanted = min(max(endpoint.wanted, least), most)
    if endpoint.state in _AT_REST:
        told = f"It begins with {numbers.count(least, 'replica')}, once it is deployed again."
    elif endpoint.state is EndpointState.ASLEEP:
        told = f"It wakes with {numbers.count(least, 'replica')}."
    elif wanted > up:
        told = f"{numbers.count(wanted - up, 'more replica')} {'starts' if wanted - up == 1 else 'start'} now."
    elif wanted < up:
        told = f"{numbers.count(up - wanted, 'replica')} {'ends' if up - wanted == 1 else 'end'} once all is answered."
    else:
        told = "No container starts or ends now."
    if most > least:
        told += f" While requests wait there are up to {most}."
    if sleep_after is None:
        return f"{told} It never sleeps."
    return f"{told} After {numbers.duration(sleep_after)} without a request its containers end, until the next one."


def gpus_told(endpoint: Endpoint, status: Status | None, jobs: Mapping[str, JobBrief]) -> tuple[str, str]:
    """Say which GPUs it has, or has lent and to whom, and in which tone."""
    if endpoint.lent is not None:
        gpus = _named(endpoint.lent.gpus, status)
        since = numbers.ago(endpoint.lent.since)
        held = holders(endpoint, jobs)
        by = f"{held}." if held else "No job has begun on them yet." if len(endpoint.lent.gpus) > 1 else (
            "No job has begun on it yet."
        )  # fmt: skip
        return f"It has lent {gpus} to jobs, {since}: no request wakes it. {by}", "info"
    own = tuple(dict.fromkeys(gpu for replica in endpoint.replicas for gpu in replica.gpus))
    of_each = next((one.gpus for one in endpoint.revisions if one.revision == endpoint.revision), 0)
    if own:
        each = f", {of_each} for each replica" if len(own) > of_each > 0 else ""
        return f"It has {_named(own, status)}{each}.", "text"
    if of_each:
        return f"Each of its replicas gets {numbers.count(of_each, 'GPU')}; none is up now.", "muted"
    return "It runs on processors alone: a new revision may have GPUs.", "muted"


def holders(endpoint: Endpoint, jobs: Mapping[str, JobBrief]) -> str:
    """Name the jobs that are on GPUs which an endpoint has lent; "" for none."""
    lent = set(endpoint.lent.gpus) if endpoint.lent is not None else set()
    found = [job for job in jobs.values() if lent & set(job.gpus) and not job.state.is_final]
    return ", ".join(f"job {plain(job.name, 60)} of {plain(job.user, 40)} has it" for job in found)


def _named(gpus: tuple[str, ...], status: Status | None) -> str:
    return ", ".join(alerts.device_title(gpu, status) for gpu in gpus)
