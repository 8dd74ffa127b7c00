"""Whether an endpoint that follows an alias is to deploy what it names now, or why it serves another version. Pure."""

from dataclasses import dataclass

from mlops_desk.base.text import plain
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.serving.endpoint import AliasFollowing, Endpoint, EndpointRevision, EndpointState, RevisionState

_ID = 40  # chosen: an id's 32 characters
_UNDER_WAY = frozenset({EndpointState.BUILDING, EndpointState.STARTING})


@dataclass(frozen=True, slots=True)
class FollowDecision:
    """``waits_for`` says why it serves another version than the alias names; None where it does not, or is about to."""

    is_to_deploy: bool = False
    waits_for: Reason | None = None


def decide(endpoint: Endpoint, following: AliasFollowing) -> FollowDecision:
    """Return what is to be done. What failed or was sent back is not tried again until the alias moves anew."""
    named, alias = following.version, plain(endpoint.follows or "")
    if named is None:
        return _waits("alias_gone", f"Model {plain(endpoint.model.name)} has no alias {alias} now.")
    tried = [one for one in endpoint.revisions if one.model.version == named and _is_since(one, following.since)]
    is_served = endpoint.model.version == named and endpoint.state is not EndpointState.FAILED
    if following.led_by is not None:
        told = (
            f"Pipeline {plain(following.led_by, _ID)} tries another version beside it; it goes with {alias} afterwards."
        )
        return FollowDecision() if is_served else _waits("led", told)
    if endpoint.state in _UNDER_WAY:
        return _waits("deploying", f"Version {plain(named)} is being deployed.") if tried else FollowDecision()
    if is_served or not tried:
        return FollowDecision() if is_served else _begun(endpoint)
    return _after(tried[-1], endpoint)


def _begun(endpoint: Endpoint) -> FollowDecision:
    """Let what the alias names be deployed for the first time since it has moved there, where that can be."""
    if endpoint.state is EndpointState.STOPPED:
        return _waits("stopped", "The endpoint is stopped.")
    if endpoint.lent is not None:
        return _waits("lent", "It lends its GPUs to jobs; it follows when it is claimed.")
    return FollowDecision(is_to_deploy=True)


def _after(tried: EndpointRevision, endpoint: Endpoint) -> FollowDecision:
    """Say why what was tried does not answer all requests."""
    what, why = f"Version {plain(tried.model.version)}", tried.reason
    told = f": {why.text}" if why is not None else "."
    if tried.state in {RevisionState.CANARY, RevisionState.SHADOW}:
        percent = endpoint.rollout.percent if endpoint.rollout is not None else 0.0
        return _waits("canary", f"{what} gets {percent:g} % of the requests so far.")
    if tried.state is RevisionState.FAILED:
        return _waits("not_deployed", f"{what} could not be deployed{told}")
    if tried.state in {RevisionState.ROLLED_BACK, RevisionState.DRAINING}:
        return _waits("sent_back", f"{what} was sent back{told} It is not tried again until the alias moves.")
    return _waits("replaced", f"{what} was replaced by hand. It is not tried again until the alias moves.")


def _is_since(revision: EndpointRevision, since: float) -> bool:
    return revision.created is not None and revision.created >= since


def _waits(class_: str, text: str) -> FollowDecision:
    return FollowDecision(waits_for=Reason(class_, text))
