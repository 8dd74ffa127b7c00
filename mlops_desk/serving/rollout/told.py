"""An endpoint's revisions as they are shown, from what was written down of them and what runs now. Pure."""

from collections.abc import Collection, Sequence

from mlops_desk.records.serving.endpoint import Endpoint, EndpointRevision, EndpointState, RevisionState
from mlops_desk.serving.revision import Revision

DRAINING = "draining"
"""The state of a replica that gets no more requests and ends what it has begun."""
_AFTER = {
    "failed": RevisionState.FAILED,
    "rolled_back": RevisionState.ROLLED_BACK,
    "retired": RevisionState.RETIRED,
}


def revisions_of(endpoint: Endpoint, known: Sequence[Revision], kept: Collection[int]) -> tuple[EndpointRevision, ...]:
    """Tell of ``known`` revisions beside the endpoint as it stands; ``kept`` have their files still."""
    return tuple(
        EndpointRevision(
            revision=one.number,
            model=one.model,
            state=_state_of(endpoint, one),
            traffic=100.0 * endpoint.traffic.get(str(one.number), 0.0),
            runtime=one.runtime,
            created=one.created_at,
            image=one.image,
            reason=one.reason,
            is_kept=one.number in kept,
            gpus=one.gpus,
            never_run=one.served is not None and one.served.never_run,
        )
        for one in known
    )


def _state_of(endpoint: Endpoint, revision: Revision) -> RevisionState:
    replicas = [replica for replica in endpoint.replicas if replica.revision == revision.number]
    if replicas and all(replica.state == DRAINING for replica in replicas):
        return RevisionState.DRAINING
    if replicas:
        rollout = endpoint.rollout
        if rollout is None or rollout.revision != revision.number:
            return RevisionState.LIVE
        return RevisionState.CANARY if rollout.percent else RevisionState.SHADOW
    if revision.state == "pending":
        return RevisionState.STARTING if endpoint.state is EndpointState.STARTING else RevisionState.BUILDING
    return _AFTER.get(revision.state, RevisionState.RETIRED)
