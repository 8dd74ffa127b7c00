"""The search box of models: what a line of words finds, and where a wrong one is wrong."""

import math

import pytest

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.mirror.search import entry, find, look_up, parse_query, with_files
from mlops_desk.registry.records.file_glance import FileGlance
from mlops_desk.registry.records.model import Model
from mlops_desk.registry.records.version_hit import VersionHit

NOW = 1_000_000_000.0
DAY = 86_400.0
HITS = [
    VersionHit("churn", "2", ("champion",), {"auc": 0.95}, {"lr": "0.1"}, {"team": "Risk"}, NOW - DAY, author="anna", flavors=("sklearn",), format="cloudpickle", size_bytes=2_000_000, dataset="Customers (ab)"),
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
        ("format:pickle", "churn/2"), ("data:customers", "churn/2"), ("-flavor:onnx", "churn/2"), ("-flavor:sklearn", ""),
        ("-format:onnx", "churn/2"), ("-size:>3MB", "churn/2"), ("size:<3MB", "churn/2"), ("size:>1.9M", "churn/2"),
        ("size:>=2MB", "churn/2"), ("size:<=2MB", "churn/2"), ("size:=2000000", "churn/2"), ("size:2000kb", "churn/2"),
        ("size:>2MB", ""), ("size:<2MB", ""), ("size:<2MiB", "churn/2"), ("size:>2MiB", ""),
    ],
)  # fmt: skip
def test_what_is_found(query: str, found: str) -> None:
    entries = [entry(hit, ("Age",) if hit.name == "digits" else ()) for hit in HITS]
    assert " ".join(f"{hit.name}/{hit.version}" for hit in find(entries, parse_query(query, NOW), 10)) == found


@pytest.mark.parametrize("how", [">", ">=", "<", "<="])
def test_a_day_is_a_border_whichever_way_it_is_written(how: str) -> None:
    (term,) = parse_query(f"created:{how}2026-11-01", NOW)
    (day,) = parse_query("created:2026-11-01", NOW)
    assert day.until == day.since + 86_400
    if how[0] == ">":
        assert (term.since, term.until) == (day.since, math.inf)
    else:
        assert (term.since, term.until) == (-math.inf, day.since)


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("auc>x", 1),
        ("churn auc>", 11),
        ("alias:", 7),
        ("created:soon", 1),
        ("size:>big", 1),
        ("x size:<1PB", 3),
        ('a "b', 3),
    ],
)
def test_a_wrong_query_says_where(query: str, column: int) -> None:
    with pytest.raises(Invalid) as refused:
        parse_query(query, NOW)
    assert refused.value.place is not None
    assert refused.value.place.column == column


def test_what_its_files_say_counts_more_than_what_its_run_said() -> None:
    hit = VersionHit("m", "1", flavors=("said",), dataset="of the run (1)")
    found = with_files(hit, FileGlance("m", "1", flavors=("onnx",), format="onnx", size_bytes=0))
    assert (found.flavors, found.format, found.size_bytes, found.dataset) == (("onnx",), "onnx", 0, "of the run (1)")
    assert with_files(hit, FileGlance("m", "1")).flavors == ("said",)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tag:owner=ann", "churn/2 churn/1"), ("tag:owner", "churn/2 churn/1"), ("owner=ann", "churn/2 churn/1"),
        ("leavers", "churn/2 churn/1"), ("tag:team=risk", "churn/2"), ("tag:team=sales", "churn/1"), ("-tag:owner", "digits/1"),
    ],
)  # fmt: skip
def test_what_stands_on_a_model_is_found_on_each_version_whose_own_tags_go_first(query: str, found: str) -> None:
    about = Model("churn", "2", {}, {"owner": "Ann", "team": "Sales"}, "Who of them are Leavers")
    entries = [entry(hit, (), about if hit.name == "churn" else None) for hit in HITS]
    assert " ".join(f"{hit.name}/{hit.version}" for hit in find(entries, parse_query(query, NOW), 10)) == found


def test_a_search_tells_how_many_match_and_how_many_may_once_their_files_are_read() -> None:
    entries = [entry(hit) for hit in HITS]
    read = {"churn"}

    def looked(query: str, limit: int = 10) -> tuple[list[str], int, int]:
        told = look_up(entries, parse_query(query, NOW), limit, lambda one: one.hit.name in read)
        return [f"{hit.name}/{hit.version}" for hit in told.hits], told.n_found, told.n_unread

    assert looked("churn", 1) == (["churn/2"], 2, 0)
    assert looked("flavor:sklearn") == (["churn/2"], 1, 1)
    assert looked("flavor:sklearn author:anna") == (["churn/2"], 1, 0), "what can not match need not be read"
    assert looked("auc>0.9") == (["churn/2"], 1, 0), "nothing of it is asked of files"
    read.clear()
    assert looked("-flavor:onnx zip") == ([], 0, 1)
