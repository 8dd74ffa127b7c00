"""How an endpoint stands, on the command line."""

import time
from dataclasses import replace

from mlops_desk.serving.records.endpoint import Endpoint, EndpointPause, EndpointState, ModelRef
from mlops_desk.serving.records.rollout import Rollout, RolloutGuard
from mlops_desk.serving.text.endpoints import COLUMNS, endpoint

FRONT = Endpoint("front", EndpointState.LIVE, "http://127.0.0.1:9/front", 1, ModelRef("m", "3", "models:/m/3"))


def test_who_paused_an_endpoint_since_when_and_why_stands_at_its_state() -> None:
    assert "paused" not in endpoint(FRONT)
    paused = replace(FRONT, paused=EndpointPause(time.time() - 120, "ana\x1b[2J", "the features are\twrong"))
    told = endpoint(paused)
    line = next(line for line in told.splitlines() if line.startswith("state"))
    assert "live, paused by ana" in line
    assert "the features are" in line
    assert "\x1b" not in told
    assert (COLUMNS["STATE"](FRONT), COLUMNS["STATE"](paused)) == ("live", "live, paused")


def test_a_canary_says_its_share_what_it_waits_for_and_what_sends_it_back() -> None:
    assert "waits for" not in endpoint(FRONT)
    rollout = Rollout(2, 5.0, (25.0, 100.0), RolloutGuard(0.02, 1.5, 100, 300.0), 0.0)
    lines = endpoint(replace(FRONT, rollout=rollout, canary_answered=40)).splitlines()
    told = {line[:12].strip(): line[12:].strip() for line in lines if line[:1].strip()}
    assert told["on its way"] == "Revision 2 gets 5 % of the requests; revision 1 answers the others."
    assert told["waits for"] == (
        "Next: 25 %, once it has had this share for 5 min and answered 100 requests: 40 so far, 60 more to come."
    )
    assert told["goes back"].startswith("It goes back by itself when it surely has 2 % more errors")
