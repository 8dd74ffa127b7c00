"""What an endpoint that follows an alias does when it moves, and what it says when it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.serving import deploy_options
from mlops_desk.serving.alias_sync import decide
from mlops_desk.serving.records.endpoint import (
    AliasFollowing,
    Endpoint,
    EndpointRevision,
    EndpointState,
    LentGpus,
    ModelRef,
    RevisionState,
)

SINCE = 1000.0


def revision(number: int, version: str, state: RevisionState, created: float = SINCE + 1) -> EndpointRevision:
    model = ModelRef("digits", version, f"models:/digits/{version}")
    reason = Reason("canary_errors", "It had more errors.") if state is RevisionState.ROLLED_BACK else None
    return EndpointRevision(number, model, state, created=created, reason=reason)


def endpoint(state: EndpointState = EndpointState.LIVE, *revisions: EndpointRevision, **more: object) -> Endpoint:
    model = ModelRef("digits", "1", "models:/digits/1")
    first = revision(1, "1", RevisionState.LIVE, 1.0)
    return Endpoint("front", state, None, 1, model, revisions=(first, *revisions), follows="champion", **more)


@pytest.mark.parametrize(
    ("found", "named", "deploys", "class_"),
    [
        (endpoint(), "1", False, None),
        (endpoint(), "2", True, None),
        (endpoint(), None, False, "alias_gone"),
        (endpoint(EndpointState.ASLEEP), "2", True, None),
        (endpoint(EndpointState.STOPPED), "2", False, "stopped"),
        (endpoint(EndpointState.STOPPED), "1", False, None),
        (endpoint(EndpointState.FAILED), "2", True, None),
        (endpoint(EndpointState.ASLEEP, lent=LentGpus(("GPU-0",), 1.0)), "2", False, "lent"),
        (endpoint(EndpointState.BUILDING, revision(2, "2", RevisionState.BUILDING)), "2", False, "deploying"),
        (endpoint(EndpointState.BUILDING, revision(2, "2", RevisionState.BUILDING)), "3", False, None),
        (endpoint(EndpointState.LIVE, revision(2, "2", RevisionState.CANARY)), "2", False, "canary"),
        (endpoint(EndpointState.LIVE, revision(2, "2", RevisionState.FAILED)), "2", False, "not_deployed"),
        (endpoint(EndpointState.LIVE, revision(2, "2", RevisionState.ROLLED_BACK)), "2", False, "sent_back"),
        (endpoint(EndpointState.LIVE, revision(2, "2", RevisionState.RETIRED)), "2", False, "replaced"),
        (endpoint(EndpointState.LIVE, revision(2, "2", RevisionState.ROLLED_BACK, SINCE - 1)), "2", True, None),
    ],
)
def test_what_is_done_and_why_not(found: Endpoint, named: str | None, deploys: bool, class_: str | None) -> None:
    decision = decide(found, AliasFollowing(named, SINCE))
    assert decision.is_to_deploy == deploys
    assert (decision.waits_for and decision.waits_for.class_) == class_


@pytest.mark.parametrize(
    ("found", "named", "class_"),
    [
        (endpoint(), "1", None),
        (endpoint(), "2", "led"),
        (endpoint(EndpointState.BUILDING, revision(2, "2", RevisionState.BUILDING)), "2", "led"),
        (endpoint(EndpointState.LIVE, revision(2, "2", RevisionState.SHADOW)), "1", None),
    ],
)
def test_one_that_is_led_follows_no_alias(found: Endpoint, named: str, class_: str | None) -> None:
    decision = decide(found, AliasFollowing(named, SINCE, led_by="run-1"))
    assert not decision.is_to_deploy
    assert (decision.waits_for and decision.waits_for.class_) == class_


def test_what_was_sent_back_says_why() -> None:
    found = endpoint(EndpointState.LIVE, revision(2, "2", RevisionState.ROLLED_BACK))
    told = decide(found, AliasFollowing("2", SINCE)).waits_for
    assert told is not None
    assert told.text == ("Version 2 was sent back: It had more errors. It is not tried again until the alias moves.")


@given(
    st.sampled_from(EndpointState),
    st.lists(st.tuples(st.sampled_from("123"), st.sampled_from(RevisionState)), max_size=5),
    st.none() | st.sampled_from("123"),
)
def test_nothing_is_tried_twice_for_one_move(
    state: EndpointState, tried: list[tuple[str, RevisionState]], named: str | None
) -> None:
    found = endpoint(state, *(revision(number + 2, *one) for number, one in enumerate(tried)))
    decision = decide(found, AliasFollowing(named, SINCE))
    if decision.is_to_deploy:
        assert decision.waits_for is None
        assert named not in {version for version, _ in tried}


def test_the_alias_that_is_followed_is_the_one_that_is_deployed() -> None:
    assert deploy_options.followed(deploy_options.parse_model("digits"), "champion") == "champion"
    assert deploy_options.followed(deploy_options.parse_model("digits@champion"), "champion") == "champion"
    assert deploy_options.followed(deploy_options.parse_model("digits/3"), None) is None
    for model, alias in (("digits/3", "champion"), ("digits@other", "champion"), ("digits", "no alias")):
        with pytest.raises(Invalid):
            deploy_options.followed(deploy_options.parse_model(model), alias)
