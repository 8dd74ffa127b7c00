"""Labels through the real log: asked for by an endpoint's owner, set, imported, and joined with what was answered."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.desk.governance_composition import labels_service
from mlops_desk.governance.labels import LabelsService
from tests.end2end.endpoint_house import BODY, House, ask, open_house

pytestmark = [pytest.mark.end2end]


class Monitors:
    """No monitor watches the endpoint."""

    def list(self, _endpoint: str) -> list[object]:
        return []


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        built.service.start()
        yield built


def logged(house: House, labels: LabelsService, n_rows: int) -> None:
    house.wait(lambda: labels.show("front").looked_at == n_rows)


def test_requests_are_asked_for_labelled_and_asked_for_no_more(house: House, tmp_path: Path) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front")
    labels = labels_service(house.service, Monitors())  # type: ignore[arg-type]  # one verb of it is asked
    for _ in range(3):
        assert ask(house.service.show("front")).status_code == 200
    n_rows = 3 * len(BODY["dataframe_records"])
    logged(house, labels, n_rows)
    tasks = labels.list("front")
    assert len(tasks) == n_rows
    assert tasks == labels.list("front"), "a sample is the same whenever it is asked for"
    assert {task.inputs["city"] for task in tasks} == {"Bonn", "Ulm"}
    first = tasks[0]
    taken = labels.set("front", first.request_id, {"right": "late"}, first.row)
    assert (taken.rows, taken.known_requests) == (1, 1)
    told = labels.show("front")
    assert (told.labelled, told.unlabelled, told.columns) == (1, n_rows - 1, ("right",))
    assert (first.request_id, first.row) not in {(one.request_id, one.row) for one in labels.list("front")}
    second = labels.list("front")[0]
    file = tmp_path / "labels.jsonl"
    file.write_text(json.dumps({"request_id": second.request_id, "row": second.row, "right": "early"}) + "\n")
    assert labels.import_("front", str(file)).known_requests == 1
    rows = house.service.requests("front", since=time.time() - 600)
    kept = {(one.request_id, one.row): dict(one.feedback) for one in rows if one.feedback}
    assert kept == {
        (first.request_id, first.row): {"right": "late"}, (second.request_id, second.row): {"right": "early"},
    }  # fmt: skip
