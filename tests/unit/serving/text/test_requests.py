"""Logged requests and feedback as a person reads them."""

import pytest

from mlops_desk.serving.records.request import FeedbackTaken, LoggedRequest
from mlops_desk.serving.text.requests import REQUEST_COLUMNS, taken


def cells(request: LoggedRequest) -> dict[str, str]:
    return {head: cell(request) for head, cell in REQUEST_COLUMNS.items()}


def test_a_request_is_one_line() -> None:
    request = LoggedRequest(
        "abc", 0, 5.0, 3, 200, 0.0123, inputs={"age": 30, "city": "Köln", "is_member": True},
        outputs={"label": "cat", "score": 0.5}, feedback={"truth": "dog"},
    )  # fmt: skip
    found = cells(request)
    assert (found["REQUEST"], found["REVISION"], found["STATUS"], found["MS"]) == ("abc", "3", "200", "12.3")
    assert found["ASKED"] == "age=30 city=Köln is_member=true"
    assert (found["ANSWERED"], found["FEEDBACK"]) == ("label=cat score=0.5", "truth=dog")


def test_rows_shadows_and_answers_that_are_no_rows_are_told_apart() -> None:
    found = cells(LoggedRequest("abc", 2, 5.0, 4, 502, 1.0, is_shadow=True, answer="broke off"))
    assert (found["REQUEST"], found["REVISION"], found["ANSWERED"]) == ("abc#2", "4 shadow", "broke off")
    assert (found["FEEDBACK"], found["ASKED"]) == ("–", "–")
    assert cells(LoggedRequest("abc", 0, 5.0, 4, 200, 1.0, outputs={"": 7}))["ANSWERED"] == "7"


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (FeedbackTaken(1, 1, 0), "1 row taken, for 1 logged request."),
        (
            FeedbackTaken(1_000_000, 12, 1),
            "1,000,000 rows taken, for 12 logged requests.\n1 other is not in the log: it",
        ),
        (FeedbackTaken(5, 0, 4), "5 rows taken, for 0 logged requests.\n4 others are not in the log: they"),
    ],
)
def test_feedback_says_what_it_joined(told: FeedbackTaken, text: str) -> None:
    assert taken(told).startswith(text)
