"""The search box of models: what a line of words finds, and where a wrong one is wrong."""

import pytest

from mlops_desk.base.errors import Invalid
from mlops_desk.records.registry.version_hit import VersionHit
from mlops_desk.registry.mirror.search.finding import entry, find
from mlops_desk.registry.mirror.search.query import parse_query

NOW = 1_000_000_000.0
DAY = 86_400.0
HITS = [
    VersionHit("churn", "2", ("champion",), {"auc": 0.95}, {"lr": "0.1"}, {"team": "Risk"}, NOW - DAY, author="anna", flavors=("sklearn",)),
    VersionHit("churn", "1", ("prod-old",), {"auc": 0.5}, {"lr": "auto"}, {}, NOW - 40 * DAY, author="bo"),
    VersionHit("digits", "1", ("prod",), {"loss": 0.1}, {"model": "CNN"}, {}, None, description="Reads <b>zip</b> codes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "churn/2 churn/1 digits/1"), ("auc>0.9", "churn/2"), ("auc<=0.5", "churn/1"), ("lr=0.1", "churn/2"),
        ("lr=auto", "churn/1"), ("lr!=auto", "churn/2"), ("alias:champion", "churn/2"), ("alias:prod", "digits/1"),
        ("-alias:champion churn", "churn/1"), ("created:<30d", "churn/2"), ("created:>30d", "churn/1"),
        ("flavor:skl", "churn/2"), ("tag:team=risk", "churn/2"), ("team", "churn/2"), ("model=cnn", "digits/1"),
        ("param:lr churn and", "churn/2 churn/1"), ("ZIP", "digits/1"), ("author:bo", "churn/1"), ('"zip</b> codes"', "digits/1"),
        ("signature:age", "digits/1"), ("https://x", ""), ("metric:loss", "digits/1"), ("version:2", "churn/2"),
    ],
)  # fmt: skip
def test_what_is_found(query: str, found: str) -> None:
    entries = [entry(hit, ("Age",) if hit.name == "digits" else ()) for hit in HITS]
    assert " ".join(f"{hit.name}/{hit.version}" for hit in find(entries, parse_query(query, NOW), 10)) == found


@pytest.mark.parametrize(
    ("query", "column"), [("auc>x", 1), ("churn auc>", 11), ("alias:", 7), ("created:soon", 1), ('a "b', 3)]
)
def test_a_wrong_query_says_where(query: str, column: int) -> None:
    with pytest.raises(Invalid) as refused:
        parse_query(query, NOW)
    assert refused.value.place is not None
    assert refused.value.place.column == column
