"""What a rollout waits for and what sends it back, in sentences."""

from dataclasses import replace

import pytest

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.serving.records.endpoint import AliasFollowing, Endpoint, EndpointState, ModelRef, Traffic
from mlops_desk.serving.records.rollout import Rollout, RolloutGuard
from mlops_desk.serving.records.rollout_words import guarded, leader, stands, waits

FRONT = Endpoint("front", EndpointState.LIVE, None, 1, ModelRef("m", "1", "models:/m/1"))
CANARY = Rollout(2, 5.0, (25.0, 50.0, 100.0), RolloutGuard(0.02, 1.5, 100, 300.0), 0.0)


def test_a_canary_says_its_share_what_comes_and_what_sends_it_back() -> None:
    assert stands(FRONT, CANARY) == "Revision 2 gets 5 % of the requests; revision 1 answers the others."
    assert waits(CANARY) == "Next: 25 %, once it has had this share for 5 min and answered 100 requests."
    assert "2 % more errors than the live one" in guarded(CANARY)
    assert "over 1.5 times the p95" in guarded(CANARY)
    assert waits(replace(CANARY, steps=())).startswith("Next: all of them, once")
    assert waits(replace(CANARY, steps=(100.0,))).startswith("Next: all of them, once")


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        (None, "100 requests."), (0, "100 requests: none so far."), (1, "100 requests: 1 so far, 99 more to come."),
        (99, "100 requests: 99 so far, 1 more to come."), (100, "100 requests."), (250, "100 requests."),
    ],
)  # fmt: skip
def test_a_canary_says_how_many_answers_it_lacks(answered, told) -> None:
    assert waits(CANARY, None, answered).endswith(f"answered {told}")


def test_a_shadow_and_one_that_is_held_wait_for_a_person() -> None:
    shadow = replace(CANARY, percent=0.0)
    assert "gets copies" in stands(FRONT, shadow)
    assert waits(shadow) == "It stays a shadow until you promote it, or take it back."
    assert guarded(shadow) == "Its answers reach nobody, so nothing sends it back."
    assert "set by hand" in waits(replace(CANARY, is_held=True))


def test_a_shadow_that_a_retraining_leads_waits_for_nobody_and_goes_back_by_itself() -> None:
    shadow = replace(CANARY, percent=0.0)
    led = replace(FRONT, follows="champion", following=AliasFollowing("1", 0.0, led_by="6da15932032f5ec8"))
    assert (leader(FRONT), leader(led)) == (None, "6da15932032f5ec8")
    told = waits(shadow, leader(led))
    assert told.startswith("Pipeline 6da15932… leads it: it gets its first share once it has held for ")
    assert "2 % more errors than the live one" in guarded(shadow, leader(led))
    assert waits(CANARY, leader(led)) == waits(CANARY), "a canary goes as every canary goes"


def test_a_shadow_says_how_it_does_with_its_copies() -> None:
    shadow = replace(CANARY, percent=0.0)
    load = Traffic(2.0, 0.001, 0.004, 0.5)
    assert stands(replace(FRONT, shadow_load=load), shadow).endswith(
        "revision 1 answers. 2 copies/s, p95 4 ms, 0.5 errors/s."
    )
    silent = replace(load, latency_p95_seconds=None)
    assert stands(replace(FRONT, shadow_load=silent), shadow).endswith("revision 1 answers.")


def test_what_the_agent_says_that_it_waits_for_comes_first() -> None:
    held = replace(CANARY, waits_for=Reason("gpu", "a GPU is lent to a job"))
    assert waits(held) == "It waits: a GPU is lent to a job"
