"""What stands on a model: its endpoints with the versions that they serve, and the gravest of what they see drift."""

import pytest

from mlops_desk.registry.lineage.ports import KnownDrift, KnownEndpoint
from mlops_desk.registry.models import gravest, standing
from mlops_desk.registry.records.version_hit import ModelCard

CARDS = [ModelCard("churn", "4", 4), ModelCard("fraud", "2", 2)]


def test_each_model_is_told_with_its_own_endpoints_and_the_gravest_of_their_verdicts():
    endpoints = [
        KnownEndpoint("churn-prod", "live", "churn", "3"),
        KnownEndpoint("churn-test", "live", "churn", "4"),
        KnownEndpoint("other", "live", "gone", "1"),
        KnownEndpoint("never-up", "failed", "churn", "4"),
        KnownEndpoint("at-rest", "stopped", "churn", "4"),
    ]
    drift = [KnownDrift("r1", "churn-prod", "ok"), KnownDrift("r2", "churn-test", "drift")]
    churn, fraud = standing(CARDS, endpoints, drift)
    assert (churn.endpoints, churn.drift) == ({"churn-prod": "3", "churn-test": "4"}, "drift")
    assert (fraud.endpoints, fraud.drift) == ({}, None)


def test_an_endpoint_that_nobody_watches_says_nothing_of_drift():
    (churn, _) = standing(CARDS, [KnownEndpoint("churn-prod", "live", "churn", "3")], [])
    assert (churn.endpoints, churn.drift) == ({"churn-prod": "3"}, None)


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [(["ok", "critical", "drift"], "critical"), (["ok", "insufficient_data"], "insufficient_data"), (["new", "ok"], "ok"),
     (["new"], "new"), ([], None)],
)  # fmt: skip
def test_what_nobody_knows_counts_less_than_what_is_known(verdicts, worst):
    assert gravest(verdicts) == worst
