"""How an endpoint stands, on the command line."""

import time
from dataclasses import replace

from mlops_desk.cli.forms.serving.endpoints import COLUMNS, endpoint
from mlops_desk.records.serving.endpoint import Endpoint, EndpointPause, EndpointState, ModelRef

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
