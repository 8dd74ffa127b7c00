"""Feedback that is sent to the gateway: what it may look like, and that it is there after the next roll."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.request_log.feedback import Feedback
from mlops_desk.kit.storage.request_log.query import RequestQuery, find
from mlops_desk.serving.gateway.request_log import log as log_module
from mlops_desk.serving.gateway.request_log.log import RequestLog, feedback_in
from mlops_desk.serving.gateway.routes import EndpointRoutes, RoutingTable
from mlops_desk.serving.gateway.spool import Exchange

ONE = {"request_id": "a", "truth": 1}
TWO = {"request_id": "b", "row": 2, "truth": "cat", "score": None}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RequestLog]:
    made = RequestLog(Loop("test"))
    made.follow(RoutingTable(endpoints={"front": EndpointRoutes((), str(tmp_path / "log"))}))
    yield made
    made._spools[made._logs["front"]].close()


@pytest.mark.parametrize(
    "body",
    [
        json.dumps([ONE, TWO]), json.dumps({"feedback": [ONE, TWO]}), f"{json.dumps(ONE)}\n\n{json.dumps(TWO)}\n",
        json.dumps([ONE, TWO], indent=1),
    ],
)  # fmt: skip
def test_all_forms_say_the_same(body: str) -> None:
    assert feedback_in(body.encode(), 5.0) == [
        Feedback("a", None, 5.0, {"truth": 1}),
        Feedback("b", 2, 5.0, {"truth": "cat", "score": None}),
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "no feedback"), ("[]", "no feedback"), ("{", "not JSON"), ("\udcff", "not JSON"), ("5", "no JSON object"),
        ('{"truth": 1}', "no request id"), ('{"request_id": 5, "truth": 1}', "no request id"),
        ('{"request_id": "a b", "truth": 1}', "no request id"), ('{"request_id": "a"}', "0 values"),
        ('{"request_id": "a", "row": true, "truth": 1}', "row of feedback 1"),
        ('{"request_id": "a", "row": -1, "truth": 1}', "row of feedback 1"),
        ('{"request_id": "a", "_x": 1}', "no name"), (f'{json.dumps(ONE)}\n{{"request_id": "b"}}', "Feedback 2"),
        ("[" * 99_999, "not JSON"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_it_is_said(body: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        feedback_in(body.encode("utf-8", "surrogateescape"), 5.0)


@given(st.binary(max_size=40))
def test_any_body_is_taken_or_refused(body: bytes) -> None:
    try:
        assert feedback_in(body, 1.0)
    except Invalid:
        return


def test_it_joins_a_request_that_came_later(log: RequestLog, tmp_path: Path) -> None:
    assert log.feedback("front", json.dumps([ONE, {**ONE, "request_id": "b"}]).encode()) == 2
    log.roll()
    body = b'{"dataframe_records": [{"x": 1}]}'
    assert log.keep("front", Exchange("a", 1_900_000_000.0, 1, 200, 0.1, "application/json", body, b"[1]"))
    log.roll()
    (request,) = find(tmp_path / "log", RequestQuery(10))
    assert (request.request_id, dict(request.feedback), dict(request.inputs)) == ("a", {"truth": 1}, {"x": 1})


def test_what_the_disk_does_not_keep_up_with_is_refused(log: RequestLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "_HELD_BYTES", 600)
    with pytest.raises(Unavailable):
        log.feedback("front", json.dumps([ONE, TWO]).encode())
    assert log.feedback("front", json.dumps(ONE).encode()) == 1
    with pytest.raises(Unavailable):  # the first lies in memory still
        log.feedback("front", json.dumps(ONE).encode())
    log.write()
    assert log.feedback("front", json.dumps(ONE).encode()) == 1
