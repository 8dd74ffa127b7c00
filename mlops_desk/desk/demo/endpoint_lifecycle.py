"""What becomes of a demo's endpoint by what people do with it: replicas, sleep, a GPU lent, an alias followed. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.serving import deploy_options
from mlops_desk.serving.records.endpoint import (
    AliasFollowing,
    Endpoint,
    EndpointRevision,
    EndpointScale,
    EndpointState,
    LentGpus,
    Replica,
    RevisionState,
)

_ADDRESS = "127.77.1.2"


def with_live(known: Endpoint | None, name: str, made: EndpointRevision, now: float, gpus: Sequence[str]) -> Endpoint:
    """Return the endpoint with a revision that answers all requests."""
    others = tuple(
        replace(one, state=RevisionState.RETIRED, traffic=0.0)
        for one in (known.revisions if known else ())
        if one.revision != made.revision
    )
    live = replace(made, state=RevisionState.LIVE, traffic=100.0)
    fresh = Endpoint(
        name=name,
        state=EndpointState.LIVE,
        url=f"http://127.0.0.1:8900/{name}",
        revision=made.revision,
        model=made.model,
        traffic={str(made.revision): 1.0},
        created_at=known.created_at if known else now,
        updated_at=now,
        revisions=tuple(sorted((*others, live), key=lambda one: one.revision)),
        token_required=known is None or known.token_required,
        runtime=made.runtime,
        image=made.image,
    )
    if known is None:
        return awake(fresh, gpus)
    kept = replace(fresh, scale=known.scale, wanted=known.wanted, follows=known.follows, following=known.following)
    return awake(kept, gpus)


def awake(known: Endpoint, gpus: Sequence[str]) -> Endpoint:
    """Return it with all its replicas; each has as many of the ``gpus`` as its revision asks for."""
    of_each = next((one.gpus for one in known.revisions if one.revision == known.revision), 0)
    wanted = min(max(known.wanted, known.scale.least), known.scale.most)
    replicas = tuple(
        Replica(
            deploy_options.container_name("demo", known.name, known.revision, number), known.revision, "running",
            _ADDRESS,
            number, tuple(gpus[(number - 1) * of_each : number * of_each]),
        )
        for number in range(1, wanted + 1)
    )  # fmt: skip
    return replace(
        known, state=EndpointState.LIVE, replicas=replicas, wanted=wanted, ready=wanted, asleep_since=None, reason=None,
        lent=None, traffic={str(known.revision): 1.0},
    )  # fmt: skip


def lacks_gpus(known: Endpoint) -> bool:
    """Tell whether replicas of a revision that asks for GPUs have none."""
    of_each = next((one.gpus for one in known.revisions if one.revision == known.revision), 0)
    return of_each > 0 and any(not replica.gpus for replica in known.replicas) and known.rollout is None


def scaled(known: Endpoint, scale: EndpointScale, gpus: Sequence[str]) -> Endpoint:
    """Return it with as many replicas as ``scale`` allows."""
    changed = replace(known, scale=scale)
    return awake(changed, gpus) if known.state is EndpointState.LIVE and known.rollout is None else changed


def asleep(known: Endpoint, now: float, reason: Reason) -> Endpoint:
    """Return it without containers. Raises Refused."""
    if known.state is not EndpointState.LIVE or known.rollout is not None:
        why = f"it is {known.state}" if known.rollout is None else "a revision is on its way"
        raise Refused(f"Endpoint {known.name} can't sleep now: {why}.", Hint(f"mlops-desk endpoints show {known.name}"))
    return replace(known, state=EndpointState.ASLEEP, asleep_since=now, reason=reason, replicas=(), ready=0, load=None)


def lent(known: Endpoint, now: float) -> Endpoint:
    """Return it asleep, with its GPUs for jobs. Raises Refused."""
    gpus = tuple(gpu for replica in known.replicas for gpu in replica.gpus)
    if not gpus:
        why = "it has none" if known.state is EndpointState.LIVE else f"it is {known.state}"
        text = f"Endpoint {known.name} can't lend GPUs: {why}."
        raise Refused(text, "Deploy it with --gpus, and lend them when it is live.")
    count = "its GPU" if len(gpus) == 1 else f"its {len(gpus)} GPUs"
    back = Hint(f"mlops-desk endpoints claim {known.name}", before="To have them back: ")
    reason = Reason("lent", f"It lends {count} to jobs until it is claimed.", None, back)
    return replace(asleep(known, now, reason), lent=LentGpus(gpus, now))


def claimed(known: Endpoint) -> Endpoint:
    """Return it waiting for the GPUs that it had lent. Raises Refused."""
    if known.lent is None:
        hint = Hint(f"mlops-desk endpoints wake {known.name}")
        raise Refused(f"Endpoint {known.name} has not lent its GPUs.", hint)
    count = "its GPU" if len(known.lent.gpus) == 1 else f"its {len(known.lent.gpus)} GPUs"
    return replace(known, lent=None, reason=Reason("claimed", f"It waits for {count} that it had lent."))


def following(known: Endpoint, alias: str, version: str, now: float, canary: float | None) -> Endpoint:
    """Return it going with an alias that names ``version`` now."""
    return replace(known, follows=alias, following=AliasFollowing(version, now, canary))


def shared(endpoint: Endpoint, shares: Mapping[str, float]) -> Endpoint:
    """Return the endpoint with its requests shared out so."""
    told = tuple(replace(one, traffic=100.0 * shares.get(str(one.revision), 0.0)) for one in endpoint.revisions)
    return replace(endpoint, traffic=dict(shares), revisions=told)
