"""Columns that may hold data of persons: by name, by what values look like, and never said of ordinary ones."""

import pytest

from mlops_desk.governance.data.redaction import hints_of, is_card
from mlops_desk.governance.records.data.redaction import RedactionWay
from mlops_desk.kit.storage.request_log.redaction import rules_of
from mlops_desk.serving.records.request import LoggedRequest


def rows(**columns: list) -> list[LoggedRequest]:
    return [
        LoggedRequest(f"r{at}", 0, 1.0, 1, 200, 0.1, inputs=dict(zip(columns, values, strict=True)))
        for at, values in enumerate(zip(*columns.values(), strict=True))
    ]


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("email", RedactionWay.HASH), ("contact_email", RedactionWay.HASH), ("firstName", RedactionWay.DROP),
        ("SSN", RedactionWay.DROP), ("date_of_birth", RedactionWay.DROP), ("customer-id", RedactionWay.HASH),
        ("zip code", RedactionWay.DROP), ("gender", RedactionWay.MASK), ("homePhone", RedactionWay.DROP),
    ],
)  # fmt: skip
def test_a_name_tells(name: str, way: RedactionWay) -> None:
    (hint,) = hints_of(rows(**{name: [1]}), rules_of())
    assert (hint.column, hint.way, hint.found_by, hint.is_covered) == (name, way, "its name", False)


@pytest.mark.parametrize(
    "name", ["age", "sepal_length", "ship", "zipped", "latency", "longest", "sexagesimal", "tip", "price", "filename"]
)
def test_an_ordinary_name_does_not(name: str) -> None:
    assert hints_of(rows(**{name: [1, 2, 3]}), rules_of()) == []


@pytest.mark.parametrize(
    "values",
    [
        ["a@b.de", "c@d.org", "-"], ["123-45-6789", "987-65-4321", "111-22-3333"], ["+49 228 123456"] * 3,
        ["DE89 3704 0044 0532 0130 00"] * 3, ["10.0.0.1", "192.168.1.77", "8.8.8.8"], [4111111111111111] * 3,
    ],
)  # fmt: skip
def test_values_tell(values: list) -> None:
    (hint,) = hints_of(rows(x=values), rules_of())
    assert hint.found_by.endswith(f"of {len(values)} values")


@pytest.mark.parametrize(
    "values", [["a@b.de", "-", "-", "-"], ["a@b.de", "c@d.de"], [1.5, 2.5, 3.5], ["1.2.3", "2.0.1", "3"], [None] * 5]
)
def test_a_few_values_do_not(values: list) -> None:
    assert hints_of(rows(x=values), rules_of()) == []


def test_those_without_a_rule_come_first() -> None:
    found = hints_of(rows(email=["x"], ssn=["y"]), rules_of(["EMAIL"]))
    assert [(one.column, one.is_covered) for one in found] == [("ssn", False), ("email", True)]


def test_the_check_digit_of_a_card() -> None:
    assert is_card("4111 1111 1111 1111")
    assert not is_card("4111 1111 1111 1112")
    assert not is_card("0000000000000000"), "one digit alone is filling"
    assert not is_card("4111")
