"""One request by hand through a real gateway: answered without a token, told apart in the log, left out of drift."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.serving.records.endpoint import EndpointState
from tests.end2end.endpoint_house import BODY, House, ask, open_house

pytestmark = [pytest.mark.end2end]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        yield built


def live(house: House) -> None:
    house.replica(1)
    assert house.service.deploy("digits@champion", "front").state is EndpointState.LIVE
    house.answer()


def test_a_try_sends_the_models_example_and_is_no_traffic_for_drift(house: House, tmp_path: Path) -> None:
    live(house)
    tried = house.service.try_("front")
    assert (tried.status, tried.revision, tried.cut) == (200, 1, None)
    assert json.loads(tried.body) == {"predictions": ["yes", "yes"]}
    logged = [one for one in house.service.requests("front") if one.request_id == tried.request_id]
    assert [one.is_try for one in logged] == [True, True]
    assert logged[0].inputs == BODY["dataframe_records"][0]
    others = [one for one in house.service.requests("front") if not one.is_try]
    assert len(others) == 2, "the request that was no try has two rows"
    assert house.service.request_window("front", 100, tmp_path / "window.parquet").rows == 2


def test_a_file_is_sent_by_the_signature(house: House) -> None:
    live(house)
    tried = house.service.try_("front", "a,city\n1.5,Bonn\n")
    assert json.loads(tried.body) == {"predictions": ["yes"]}  # the stand-in answers one row for a dataframe_split
    with pytest.raises(Invalid, match="lacks columns that the model takes: city"):
        house.service.try_("front", "a\n1\n")


def test_an_answer_that_is_too_long_to_show_says_how_long_it_is(house: House) -> None:
    live(house)
    tried = house.service.try_("front", json.dumps({"inputs": ["big"]}))
    assert (len(tried.body), tried.body_bytes) == (1 << 20, 8 << 20)
    assert tried.cut == "only the first 1,048,576 bytes are shown"


def test_the_models_own_error_is_an_answer(house: House) -> None:
    replica = house.replica(1)
    house.service.deploy("digits@champion", "front")
    house.answer()
    replica.status = 400
    assert house.service.try_("front").status == 400
    replica.breaks_off = True
    assert house.service.try_("front").status == 502


def test_what_is_tried_by_hand_is_counted_nowhere(house: House) -> None:
    replica = house.replica(1)
    endpoint = house.service.deploy("digits@champion", "front")
    house.service._switchboard.poll()
    for status in (200, 400, 500):
        replica.status = status
        assert house.service.try_("front").status == status
    house.service._switchboard.poll()
    shown = house.service.show("front")
    assert (shown.errors, shown.latency.p99) == ({}, None)
    assert ask(endpoint).status_code == 500
    house.service._switchboard.poll()
    assert house.service.show("front").errors == {"5xx": 1}


def test_a_model_without_an_example_asks_for_data(house: House) -> None:
    live(house)
    for path in house.folder.endpoints.rglob("example.json"):
        path.unlink()
    with pytest.raises(Invalid, match="brings no example") as raised:
        house.service.try_("front")
    assert "endpoints try front --data FILE" in str(raised.value.hint)


def test_nobody_but_the_agent_sends_tries(house: House) -> None:
    live(house)
    state = house.service._switchboard.gatekeeper.state
    assert state is not None
    url = f"http://127.0.0.1:{state.port}/-/try/front"
    with httpx.Client(trust_env=False) as client:
        for headers in ({}, {"authorization": "Bearer x"}, {"authorization": f"Bearer {state.token}x"}):
            assert client.post(url, json=BODY, headers=headers).status_code == 403
        own = {"authorization": f"Bearer {state.token}"}
        assert client.post(url.replace("front", "other"), json=BODY, headers=own).status_code == 404
    assert (house.folder.endpoints / "_gateway" / "state.json").stat().st_mode & 0o077 == 0
    assert state.token not in (house.folder.endpoints / "_gateway" / "gateway.log").read_text()


def test_without_a_gateway_a_try_says_so(house: House) -> None:
    live(house)
    house.service._switchboard.gatekeeper.stop()
    with pytest.raises(Unavailable, match="gateway does not run"):
        house.service.try_("front")
