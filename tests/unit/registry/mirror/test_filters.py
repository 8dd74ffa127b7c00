"""Both languages of filters: what they mean, and where a wrong one is wrong."""

import pytest

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.mirror.filter.grammar import Clause, Of, parse_filter, pattern_test
from mlops_desk.registry.mirror.filter.parser import number_of, read_filter

NOW = 1_000_000_000.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("metrics.auc > 0.9", (Clause(Of.METRIC, "auc", ">", 0.9, 1),)),
        ("params.`a b` = 'x' AND run_id IN ('a','b')", (Clause(Of.PARAM, "a b", "=", "x", 1), Clause(Of.ATTRIBUTE, "run_id", "IN", ("a", "b"), 24))),
        ("tags.x IS NOT NULL", (Clause(Of.TAG, "x", "IS NOT NULL", None, 1),)),
        ("created > 5", (Clause(Of.ATTRIBUTE, "start_time", ">", 5, 1),)),
        ("tags.a ilike 'x%' and", (Clause(Of.TAG, "a", "ILIKE", "x%", 1),)),
        ("datasets.name NOT IN ('')", (Clause(Of.DATASET, "name", "NOT IN", ("",), 1),)),
    ],
)  # fmt: skip
def test_mlflows_words(text: str, expected: object) -> None:
    assert parse_filter(text) == expected


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("   ", 1), ("auc > 1", 1), ("metrics.a > 'x'", 13), ("metrics.a = 1 OR metrics.b = 1", 15), ("params.a > 'x'", 10),
        ("status IN ('a')", 11), ("metrics.a = 1; metrics.b = 1", 16), ("run_id IN ()", 11), ("params.a = 1", 12),
        ("metrics.a IS NULL", 11), ("start_time > 99999999999999999999", 14), ("dataset.x = 'a'", 1), ("foo.a = 1", 1),
        ("params.a = 'x' and metrics.b/c > 1", 20), ("run_id = ('a')", 8),
    ],
)  # fmt: skip
def test_what_mlflow_refuses_is_refused_with_its_place(text: str, column: int) -> None:
    with pytest.raises(Invalid) as refused:
        parse_filter(text)
    assert refused.value.place is not None
    assert refused.value.place.column == column
    assert f"Character {column} " in refused.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auc > 0.9 and lr<1e-2", (Clause(Of.NAMED, "auc", ">", 0.9, 1), Clause(Of.NAMED, "lr", "<", 0.01, 15))),
        ("cnn auc==1", (Clause(Of.WORD, "", "HAS", "cnn", 1), Clause(Of.NAMED, "auc", "=", 1.0, 5))),
        ("model=cnn", (Clause(Of.NAMED, "model", "=", "cnn", 1),)),
        ('seed="1"', (Clause(Of.NAMED, "seed", "=", "1", 1),)),
        ("name~Res", (Clause(Of.ATTRIBUTE, "run_name", "HAS", "Res", 1),)),
        ("status=finished", (Clause(Of.ATTRIBUTE, "status", "=", "FINISHED", 1),)),
        ("duration>1h", (Clause(Of.ATTRIBUTE, "duration", ">", 3600.0, 1),)),
        ("started>-1d", (Clause(Of.ATTRIBUTE, "start_time", ">", 999_913_600_000, 1),)),
        ("metrics.a/b > 1", (Clause(Of.METRIC, "a/b", ">", 1.0, 1),)),
        ('"or"', (Clause(Of.WORD, "", "HAS", "or", 1),)),
    ],
)  # fmt: skip
def test_the_short_form(text: str, expected: object) -> None:
    assert read_filter(text, NOW) == expected


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("auc >", 6),
        ("> 3", 1),
        ("a or b", 3),
        ("x 'open", 3),
        ("auc > x", 1),
        ("duration > soon", 12),
        ("auc > > 1", 7),
    ],
)
def test_a_wrong_short_form_says_where(text: str, column: int) -> None:
    with pytest.raises(Invalid) as refused:
        read_filter(text, NOW)
    assert refused.value.place is not None
    assert refused.value.place.column == column


@pytest.mark.parametrize(
    ("comparator", "pattern", "text", "passes"),
    [
        ("LIKE", "%b%", "abc", True), ("LIKE", "B%", "bc", False), ("ILIKE", "B%", "bc", True), ("ILIKE", "Ä", "ä", False),
        ("LIKE", "a_c", "abc", True), ("LIKE", "a_c", "ac", False), ("LIKE", "", "", True), ("LIKE", "", "a", False),
        ("LIKE", "%", "", True), ("LIKE", "a%b%c", "axxbyyc", True), ("LIKE", "a%b%c", "acb", False),
        ("LIKE", "a%_", "a", False), ("LIKE", "ab%bc", "abc", False), ("LIKE", "%.%", "a", False), ("LIKE", "_%_", "a\n", True),
    ],
)  # fmt: skip
def test_patterns(comparator: str, pattern: str, text: str, passes: bool) -> None:
    assert pattern_test(comparator, pattern)(text) is passes


def test_a_name_with_a_line_in_it_is_no_number() -> None:
    assert [number_of(text) for text in ("1_000", "1e3", "x", "")] == [None, 1000.0, None, None]
