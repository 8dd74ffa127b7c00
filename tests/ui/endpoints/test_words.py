"""What is said beside an endpoint of its deployment: the step under way, and what it is served by."""

from dataclasses import replace

import pytest

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.model import Model
from mlops_desk.serving.records.endpoint import (
    DeployStep,
    Endpoint,
    EndpointPause,
    EndpointRevision,
    EndpointScale,
    EndpointState,
    LentGpus,
    ModelRef,
    RevisionState,
)
from mlops_desk.serving.records.network import NetworkAddress
from mlops_desk.serving.records.rollout import Rollout, RolloutGuard
from mlops_desk.serving.window.words import alias_now, facts_of, now_told, state_mark

FRONT = Endpoint("front", EndpointState.STARTING, None, 1, ModelRef("m", "1", "models:/m/1"))
PAUSED = EndpointPause(1.0, "ana", "the features are wrong.")
FETCHED = DeployStep("fetch", "the files of m/1", 1.0, 0.5)
STARTS = DeployStep("start", "a container is started", 2.0)


def told(endpoint: Endpoint) -> dict[str, str]:
    return {fact.name: fact.value for fact in facts_of(endpoint, {})}


def test_what_is_under_way_or_wrong_is_said_above_everything() -> None:
    assert now_told(replace(FRONT, steps=(FETCHED, STARTS))) == (
        f"{numbers.INFO} starting: a container is started",
        "info",
    )
    broken = Reason("build_failed", "no wheel of x", None, "Mend it.")
    failed = replace(FRONT, state=EndpointState.FAILED, reason=broken)
    probing = replace(FRONT, steps=(replace(STARTS, seconds=2.0), DeployStep("probe", "until it is well", 4.0)))
    assert now_told(probing) == (f"{numbers.INFO} probing: until it is well", "info")
    fits = replace(FRONT, steps=(DeployStep("fit", "needs 1 GiB", 4.0),))
    assert now_told(fits) == (f"{numbers.INFO} starting: fit, needs 1 GiB", "info")
    assert now_told(failed) == (f"{numbers.ALERT} no wheel of x. Mend it.", "alert")
    assert now_told(replace(failed, state=EndpointState.LIVE))[1] == "warning"
    assert now_told(replace(FRONT, state=EndpointState.LIVE, steps=(STARTS,))) == ("", "text")
    text, tone = now_told(replace(FRONT, state=EndpointState.LIVE, paused=PAUSED))
    assert tone == "warning"
    assert text.startswith(f"{numbers.WARNING} Callers are turned away: paused by ana ")
    assert text.endswith(": the features are wrong.")
    assert "paused by ana" in told(replace(FRONT, paused=PAUSED))["Paused"]
    assert "Paused" not in told(FRONT)


def test_where_an_alias_points_is_told_beside_what_is_served() -> None:
    ref = ModelRef("m", "3", "models:/m/3", "champion")

    def now(**aliases: str) -> tuple[str, str]:
        return alias_now(replace(FRONT, model=ref), {"m": Model("m", "4", aliases, {}, None, None)})

    assert now(champion="3") == ("@champion", "text")
    assert now(champion="4") == (f"{numbers.WARNING} @champion is v4", "warning")
    assert now() == (f"{numbers.WARNING} @champion is gone", "warning")
    assert alias_now(replace(FRONT, model=ref), {}) == ("@champion", "muted")
    assert alias_now(FRONT, {}) == ("", "muted")


def test_each_step_is_listed_with_how_long_it_took() -> None:
    steps = told(replace(FRONT, steps=(FETCHED, STARTS)))["Steps"]
    assert steps == f"fetch 500{numbers.THIN}ms: the files of m/1\nstart …: a container is started"


def test_the_step_under_way_is_said_and_none_that_is_over() -> None:
    assert told(replace(FRONT, steps=(FETCHED, STARTS)))["Step"] == "start: a container is started"
    assert "Step" not in told(replace(FRONT, steps=(FETCHED,)))
    assert "Step" not in told(FRONT)


def test_the_runtime_is_said_in_words_and_one_that_is_not_known_by_its_name() -> None:
    assert told(replace(FRONT, runtime="training"))["Runtime"] == "the image that it was trained in"
    assert told(replace(FRONT, runtime="other"))["Runtime"] == "other"
    assert "Runtime" not in told(FRONT)


def test_replicas_that_are_missing_are_said_with_the_reason_and_access_too() -> None:
    live = replace(FRONT, state=EndpointState.LIVE, wanted=3, ready=2, scale=EndpointScale(1, 4))
    assert told(live)["Replicas"] == "2 of 3 ready, from 1 to 4 as requests wait"
    short = replace(live, scale=EndpointScale(3, 3), shortage=Reason("no_gpu", "no GPU is free"))
    assert told(short)["Replicas"] == f"{numbers.WARNING} 2 of 3 ready: no GPU is free"
    assert "Replicas" not in told(replace(live, state=EndpointState.STOPPED))
    assert told(live)["Access"].endswith("open to every user of this machine")
    assert told(replace(live, token_required=True))["Access"] == "who asks needs a token"


def test_other_machines_are_told_where_and_by_what_or_why_not() -> None:
    assert "Other machines" not in told(FRONT)
    network = NetworkAddress("https://10.0.0.5:8443/digits", "/tls/authority.pem", "AA:BB")
    found = told(replace(FRONT, network=network))
    assert found["Other machines"] == "https://10.0.0.5:8443/digits"
    assert (found["They trust"], found["Its SHA-256"]) == ("/tls/authority.pem", "AA:BB")
    shut = told(replace(FRONT, network=NetworkAddress(reason=Reason("taken", "Port 8443 is taken."))))
    assert shut["Other machines"] == "do not reach it"
    assert shut["Why not"].endswith("Port 8443 is taken.")
    late = replace(network, reason=Reason("certificate", "The new one has run out."))
    assert told(replace(FRONT, network=late))["But"].endswith("The new one has run out.")


def _beside(state: RevisionState | None, **more: object) -> Endpoint:
    """Return one whose revision 2 is live, beside a retired one, and a newer one in a state."""
    live = [
        EndpointRevision(1, FRONT.model, RevisionState.RETIRED),
        EndpointRevision(2, FRONT.model, RevisionState.LIVE),
    ]
    newest = [] if state is None else [EndpointRevision(3, FRONT.model, state)]
    return replace(FRONT, state=EndpointState.LIVE, revision=2, revisions=(*live, *newest), **more)


@pytest.mark.parametrize(
    ("endpoint", "word", "shape"),
    [
        (_beside(None), "live", numbers.OK),
        (
            _beside(RevisionState.SHADOW, rollout=Rollout(3, 0.0, (), RolloutGuard(), 0.0)),
            "live, r3 shadow",
            numbers.OK,
        ),
        (
            _beside(RevisionState.CANARY, rollout=Rollout(3, 2.5, (), RolloutGuard(), 0.0)),
            f"live, canary 2.5{numbers.THIN}%",
            numbers.OK,
        ),
        (_beside(RevisionState.BUILDING), "live, r3 building", numbers.OK),
        (_beside(RevisionState.STARTING), "live, r3 starting", numbers.OK),
        (_beside(RevisionState.ROLLED_BACK), "live, r3 rolled back", numbers.OK),
        (_beside(RevisionState.FAILED, reason=Reason("x", "No pandas.")), "live, r3 failed", numbers.WARNING),
        (_beside(RevisionState.RETIRED), "live", numbers.OK),
        (
            replace(
                _beside(None),
                revisions=(
                    EndpointRevision(1, FRONT.model, RevisionState.DRAINING),
                    EndpointRevision(2, FRONT.model, RevisionState.LIVE),
                ),
            ),
            "live, r1 draining",
            numbers.OK,
        ),
        (replace(FRONT, steps=(STARTS,)), "starting", numbers.INFO),
        (
            replace(FRONT, steps=(replace(STARTS, seconds=2.0), DeployStep("probe", "asked", 4.0))),
            "probing",
            numbers.INFO,
        ),
        (replace(FRONT, steps=(DeployStep("probe", "asked", 4.0, 0.1),)), "starting", numbers.INFO),
        (replace(_beside(RevisionState.FAILED), state=EndpointState.STOPPED), "stopped", numbers.IDLE),
        (
            replace(_beside(None), state=EndpointState.ASLEEP, lent=LentGpus(("GPU-1",), 1.0)),
            "asleep, GPUs lent",
            numbers.IDLE,
        ),
        (replace(_beside(None), state=EndpointState.LIVE, paused=PAUSED), "live, paused", numbers.WARNING),
        (replace(_beside(None), state=EndpointState.FAILED, paused=PAUSED), "failed, paused", numbers.ALERT),
    ],
)
def test_the_state_says_what_is_under_way_or_became_of_the_newest_revision(endpoint, word, shape) -> None:
    assert (state_mark(endpoint).word, state_mark(endpoint).shape) == (word, shape)
