"""What a monitor says where the data that it should be held against are not to be had."""

from pathlib import Path

import pytest

from mlops_desk.base.errors import Hint, NotFound, Unavailable
from mlops_desk.desk.drift.references import References
from mlops_desk.records.drift.monitors import Monitor
from mlops_desk.records.drift.sources import Source, SourceKind
from mlops_desk.records.serving.endpoint import Endpoint, EndpointState, ModelRef

MONITOR = Monitor("m1", "drafts", Source(SourceKind.LOG, "drafts"), endpoint="drafts")


def references(error: Exception) -> References:
    def find(_endpoint: Endpoint, _contexts: object) -> Path:
        raise error

    endpoint = Endpoint("drafts", EndpointState.LIVE, "http://127.0.0.1:1", 1, ModelRef("m", "1", "models:/m/1"))
    return References(lambda _name: endpoint, find, lambda _endpoint: {}, lambda *_: None)


def test_it_says_how_the_monitor_is_given_a_file_and_not_how_to_compare_once() -> None:
    missing = NotFound("Run r has no dataset logged with it.", Hint("mlops-desk drift check drafts --reference FILE"))
    with pytest.raises(NotFound, match="Run r has no dataset") as caught:
        references(missing).make(MONITOR)
    assert caught.value.command == "mlops-desk drift monitors configure drafts --reference-file FILE"


def test_what_is_only_out_of_reach_keeps_its_own_hint() -> None:
    with pytest.raises(Unavailable) as caught:
        references(Unavailable("The registry does not answer.", "Start it.")).make(MONITOR)
    assert caught.value.hint == "Start it."
