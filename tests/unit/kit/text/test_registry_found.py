"""What a search for versions leaves out, told beside the list of them."""

from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.records.version_hit import VersionHit, VersionsFound
from mlops_desk.registry.text.runs import FORMS
from mlops_desk.registry.text.version_search import left_out

HITS = (VersionHit("churn", "2"),)


def client(found: VersionsFound) -> Any:
    asked: list[Any] = []

    def find(query: str, **more: Any) -> VersionsFound:
        asked.append((query, more))
        return found

    return SimpleNamespace(models=SimpleNamespace(find=find), asked=asked)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (VersionsFound(HITS, 200), ""),
        (VersionsFound(HITS, 1234), "mlops-desk: 200 of 1,234 versions are shown, the newest"),
        (VersionsFound(HITS, 200, n_unread=1312), "mlops-desk: 1,312 more may match"),
        (VersionsFound(HITS, 200, is_loading=True), "mlops-desk: Runs are still being read"),
        (
            VersionsFound(HITS, 200, problem="It is locked."),
            "mlops-desk: As it was when it was read last: It is locked.",
        ),
        (VersionsFound(HITS, 200, problem="It is locked.", read_at=0.0), "mlops-desk: As it was "),
    ],
)
def test_what_a_list_left_out_is_said_beside_it(found: VersionsFound, said: str) -> None:
    desk = client(found)
    told = left_out(desk, {"query": "auc>0.9", "uri": "team", "limit": 200}, 200)
    assert told.startswith(said)
    assert bool(told) is bool(said)
    assert desk.asked == [("auc>0.9", {"uri": "team", "limit": 1, "wait": 0.0})]


def test_a_registry_that_went_away_after_it_answered_costs_only_the_word_beside_it() -> None:
    def gone(_query: str, **_more: Any) -> VersionsFound:
        raise Unavailable("The store is gone.")

    desk: Any = SimpleNamespace(models=SimpleNamespace(find=gone))
    assert left_out(desk, {"query": ""}, 1) == "mlops-desk: whether more match can't be told: The store is gone."


def test_what_was_found_so_far_is_a_table_with_what_is_left_out_beneath() -> None:
    form = FORMS[VersionsFound]
    told = form(VersionsFound(HITS, 5, n_unread=2))
    assert "churn" in told
    assert "1 of 5 versions are shown" in told
    assert "2 more may match" in told
    assert form(VersionsFound((), 0)) == "No version matches."
