"""Endpoints of a pipeline's model, as they stand to its challenger, and their way there beside what answers."""

from collections.abc import Callable

from mlops_desk.automation.records.pipelines.evidence import EndpointMove
from mlops_desk.automation.records.pipelines.run import PipelineRun, StepName
from mlops_desk.kit.base.text import duration_text, plain
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.alias_sync import can_be_led
from mlops_desk.serving.records.endpoint import Endpoint, EndpointRevision, RevisionState
from mlops_desk.serving.records.rollout import SHADOW_PERCENT
from mlops_desk.serving.rollout import WHOLE_PERCENT, StepHold
from mlops_desk.serving.service import EndpointsService

_GONE = frozenset({RevisionState.ROLLED_BACK, RevisionState.DRAINING, RevisionState.RETIRED})
_REPLACED = frozenset({RevisionState.RETIRED, RevisionState.DRAINING})
_NO_REQUEST = "Whether the challenger holds is unknown: no request came."
_NO_ANSWER = "Whether the challenger holds is unknown: it has answered no request without an error."
_NONE_CAME = ": none came so far, so all are lacking"  # a number would be written down with each look
_WHY_BACK = "The retraining that led to it ended without it."


class EndpointRollouts:
    """Those that serve versions of the desk's own registry. ``version`` finds one by its model and number."""

    def __init__(
        self, endpoints: EndpointsService, version: Callable[[str, str], ModelVersion], hold: StepHold | None = None
    ) -> None:
        self._endpoints = endpoints
        self._version = version
        self._hold = hold or StepHold()

    def moves(self, run: PipelineRun) -> list[EndpointMove]:
        """Return all endpoints of the model: how those stand that are led, and why the others are not."""
        served = [one for one in self._endpoints.list() if one.model.name == run.model and one.model.registry is None]
        return [self._move(one, run) for one in served]

    def shadow(self, run: PipelineRun, name: str) -> None:
        """Let the challenger get copies of an endpoint's requests; nothing where it has begun. Raises DeskErrors."""
        if _tried(self._endpoints.show(name), run) is None:
            self._endpoints.led.begin(name, self._version(run.model, run.challenger_version or ""), run.id)

    def canary(self, run: PipelineRun, name: str) -> None:
        """Give it the first share of requests; the endpoint's own guard leads it on, or back. Raises DeskErrors."""
        tried = _tried(self._endpoints.show(name), run)
        if tried is not None:
            self._endpoints.led.go_on(name, tried.revision)

    def promote(self, run: PipelineRun, name: str) -> None:
        """Let the endpoint go with its alias again, which means the challenger by now. Raises DeskErrors."""
        self._endpoints.led.release(name, run.id)

    def back(self, run: PipelineRun, name: str) -> None:
        """Take the challenger out of an endpoint, and let it go with its alias again. Raises DeskErrors, OSError."""
        endpoint = self._endpoints.show(name)
        tried = _tried(endpoint, run)
        if tried is not None and _is_led(endpoint, run):
            self._endpoints.led.back(name, tried, _before(endpoint, tried), _WHY_BACK)
        self._endpoints.led.release(name, run.id)

    def sweep(self, is_over: Callable[[str], bool]) -> None:
        """Take back, and release, what runs have left that are over. Raises DeskErrors, OSError."""
        for endpoint in self._endpoints.list():
            following = endpoint.following
            leader = None if following is None else following.led_by
            if following is None or leader is None or not is_over(leader):
                continue
            number = endpoint.revision if endpoint.rollout is None else endpoint.rollout.revision
            tried = next((one for one in endpoint.revisions if one.revision == number), None)
            if tried is not None and tried.model.version != following.version:
                self._endpoints.led.back(endpoint.name, tried, _before(endpoint, tried), _WHY_BACK)
            self._endpoints.led.release(endpoint.name, leader)

    def _move(self, endpoint: Endpoint, run: PipelineRun) -> EndpointMove:
        version = endpoint.model.version
        if endpoint.follows != run.alias:
            text = "It does not go with the alias."
            return EndpointMove(endpoint.name, follows=False, state="left", version=version, text=text)
        tried = _tried(endpoint, run)
        if tried is None:
            if version == run.challenger_version:
                return EndpointMove(endpoint.name, follows=True, state="live", version=version)
            if not can_be_led(endpoint):
                text = f"It is {endpoint.state.value}, so nothing is tried beside it; it goes with the alias."
                return EndpointMove(endpoint.name, follows=False, state="left", version=version, text=text)
            return EndpointMove(endpoint.name, follows=True, state="waiting", version=version)
        state, unknown = self._stage(endpoint, tried)
        text = tried.reason.text if tried.reason is not None else unknown or _way(endpoint, tried)
        return EndpointMove(
            endpoint.name, follows=True, state=state, version=version, revision=tried.revision, text=text,
            is_unknown=bool(unknown),
        )  # fmt: skip

    def _stage(self, endpoint: Endpoint, tried: EndpointRevision) -> tuple[str, str]:
        """Return how far a revision is, and why nobody can tell yet whether it holds.

        A shadow has to hold as long as each step of a canary before it counts, and to have answered something: of one
        that nobody has asked, nothing is known.
        """
        if tried.state is RevisionState.FAILED:
            return "failed", ""
        if tried.state in _GONE:
            return "rolled_back", ""
        if tried.state is RevisionState.SHADOW:
            rollout, copies = endpoint.rollout, endpoint.shadow_load
            if rollout is None or self._hold.seconds(endpoint.name, rollout) < rollout.guard.bake_seconds:
                return "waiting", ""
            if copies is None or not copies.requests_total:
                return "waiting", _NO_REQUEST
            return ("shadow", "") if copies.requests_total > copies.errors_total else ("waiting", _NO_ANSWER)
        return {RevisionState.CANARY: "canary", RevisionState.LIVE: "live"}.get(tried.state, "waiting"), ""


def _way(endpoint: Endpoint, tried: EndpointRevision) -> str:
    """Say how far a revision that is tried is, and what has to happen before it gets further."""
    rollout = endpoint.rollout
    if rollout is None or rollout.revision != tried.revision:
        return "" if tried.state is RevisionState.LIVE else "It is made ready."
    guard = rollout.guard
    if rollout.waits_for is not None:
        return plain(rollout.waits_for.text)
    if rollout.percent == SHADOW_PERCENT:
        return f"It gets copies of the requests, for {duration_text(guard.bake_seconds)}."
    if rollout.is_held:
        return f"It gets {rollout.percent:g} % of the requests, a share that was set by hand: it goes on by hand."
    following = rollout.steps[0] if rollout.steps else WHOLE_PERCENT
    none = _NONE_CAME if endpoint.canary_answered == 0 else ""
    return (
        f"It gets {rollout.percent:g} % of the requests, and {following:g} % once it has had them for "
        f"{duration_text(guard.bake_seconds)} and answered {guard.requests}{none}."
    )


def _tried(endpoint: Endpoint, run: PipelineRun) -> EndpointRevision | None:
    """Return the newest revision of the challenger that was made since the run began to lead endpoints.

    The one that the run leads now is it whatever the clock says: set back since, it would have each look begin another.
    """
    under_way = endpoint.rollout.revision if endpoint.rollout is not None and _is_led(endpoint, run) else None
    since = run.step(StepName.SHADOW).started_at
    made = [
        one
        for one in endpoint.revisions
        if one.model.version == run.challenger_version
        and since is not None
        and (one.revision == under_way or (one.created is not None and one.created >= since))
    ]
    return max(made, key=lambda one: one.revision, default=None)


def _is_led(endpoint: Endpoint, run: PipelineRun) -> bool:
    return endpoint.following is not None and endpoint.following.led_by == run.id


def _before(endpoint: Endpoint, tried: EndpointRevision) -> int | None:
    """Return the revision that answered before the one that was tried: the newest that is kept of what the alias means.

    It may still be answering its last requests. Where none of that version is kept, the newest that was replaced.
    """
    earlier = [one for one in endpoint.revisions if one.is_kept and one.revision < tried.revision]
    named = None if endpoint.following is None else endpoint.following.version
    meant = [one.revision for one in earlier if one.model.version == named and one.state in _REPLACED]
    others = [one.revision for one in earlier if one.state is RevisionState.RETIRED]
    return max(meant, default=max(others, default=None))
