"""Runs in exactly the order of MLflow's own client, for values that are hard to order: by its client, and in memory."""

import pytest

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.registry.fake import in_order
from mlops_desk.registry.mirror.mirror_registry import MirroredRegistry
from mlops_desk.registry.mlflow.order import parse_sorts
from mlops_desk.registry.mlflow.pagination import RunsAsked, RunsPage
from tests.end2end.hard_orders import SORTS, ordered_store

pytestmark = [pytest.mark.end2end]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    with ordered_store(tmp_path_factory.mktemp("order")) as made:
        yield made


@pytest.fixture(scope="module", params=["client", "mirror"])
def ordered(request, stored):
    """The store read by us, through MLflow's client or in memory, and the orders that are right."""
    registries, uri, truth = stored
    client = registries.open(uri) if request.param == "client" else registries.read(uri)
    assert isinstance(client, MirroredRegistry) is (request.param == "mirror")
    return client, truth


@pytest.mark.parametrize("sort", [None, *SORTS])
def test_ours_the_doubles_and_mlflows_order_are_one(ordered, sort):
    client, truth = ordered
    runs = client.runs("hard", sort, limit=1000)
    assert [run.run_id for run in runs] == truth[sort]
    assert [run.run_id for run in client.runs("hard", sort, limit=7)] == truth[sort][:7]
    assert [run.run_id for run in in_order(runs[::-1], parse_sorts(sort))] == truth[sort]


@pytest.mark.parametrize("sort", [None, "metrics.auc:desc", "params.lr:asc", "start_time:asc"])
@pytest.mark.parametrize("limit", [7, 15, 45])
def test_pages_make_up_the_same_order(ordered, sort, limit):
    client, truth = ordered
    asked = RunsAsked("hard", None, None, sort, limit, None)
    ids, sizes = [], []
    while True:
        page = client.runs_page(asked)
        ids += [run.run_id for run in page.runs]
        sizes.append(len(page.runs))
        if page.token is None:
            break
        asked = asked._replace(token=page.token)
    assert ids == truth[sort]
    assert sizes == [limit] * (45 // limit) + [45 % limit] * bool(45 % limit)


def test_a_page_keeps_to_a_status_and_a_time(ordered):
    client, _ = ordered
    asked = RunsAsked("hard", "FINISHED", 1003, "start_time:desc", 1000, None)
    found = client.runs_page(asked).runs
    assert {run.start_time for run in found} == {1003, 1004, 1005}
    assert len(found) == sum((run.start_time or 0) >= 1003 for run in client.runs("hard", limit=1000))
    assert client.runs_page(asked._replace(status="RUNNING")) == RunsPage((), None)
    with pytest.raises(DeskError):
        client.runs_page(asked._replace(token="nonsense"))


def test_what_is_no_number_travels_as_a_word(ordered):
    client, _ = ordered
    found = {
        str(value) for run in wire.to_builtins(client.runs("hard", limit=1000)) for value in run["metrics"].values()
    }
    assert "NaN" in found
    assert not found & {"nan", "inf", "-inf"}
