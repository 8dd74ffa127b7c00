"""To which revision an endpoint goes back whose challenger has taken over already."""

import pytest

from mlops_desk.automation.rollouts import _before
from mlops_desk.serving.records.endpoint import (
    AliasFollowing,
    Endpoint,
    EndpointRevision,
    EndpointState,
    ModelRef,
    RevisionState,
)


def revision(number: int, version: str, state: RevisionState, *, is_kept: bool = True) -> EndpointRevision:
    return EndpointRevision(number, ModelRef("m", version, f"models:/m/{version}"), state, is_kept=is_kept)


TRIED = revision(5, "2", RevisionState.LIVE)


@pytest.mark.parametrize(
    ("earlier", "before"),
    [
        ([revision(4, "1", RevisionState.RETIRED)], 4),
        ([revision(4, "1", RevisionState.DRAINING)], 4),
        ([revision(3, "1", RevisionState.RETIRED), revision(4, "9", RevisionState.ROLLED_BACK)], 3),
        ([revision(3, "1", RevisionState.RETIRED), revision(4, "9", RevisionState.RETIRED)], 3),
        ([revision(3, "1", RevisionState.RETIRED, is_kept=False), revision(2, "7", RevisionState.RETIRED)], 2),
        ([revision(4, "9", RevisionState.DRAINING)], None),
        ([revision(6, "1", RevisionState.RETIRED)], None),
        ([], None),
    ],
)
def test_it_is_what_the_alias_means_also_while_that_answers_its_last_requests(
    earlier: list[EndpointRevision], before: int | None
) -> None:
    endpoint = Endpoint(
        "front", EndpointState.LIVE, None, 5, TRIED.model, revisions=(*earlier, TRIED), follows="champion",
        following=AliasFollowing("1", 0.0, led_by="run-1"),
    )  # fmt: skip
    assert _before(endpoint, TRIED) == before
