"""Which requests a person is asked about first, and that what they say is what is kept."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.governance.labels import LabelRows, LabelsService, chosen, confidence, rows_of, within
from mlops_desk.kit.base.errors import Invalid, NotFound, Unavailable
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef
from mlops_desk.serving.records.label import LabelChoice, LabelQueue, LabelTask
from mlops_desk.serving.records.request import FeedbackTaken, LoggedRequest
from mlops_desk.serving.text.labels import TABLES, queue

FRONT = Endpoint("front", EndpointState.LIVE, None, 1, ModelRef("m", "1", "models:/m/1"), created_by=1007)


def row(name: str, at: float = 0.0, outputs: dict[str, Any] | None = None, **more: Any) -> LoggedRequest:
    told = {"": "yes"} if outputs is None else outputs
    return LoggedRequest(name, 0, at, 1, 200, 0.1, inputs={"age": 3}, outputs=told, **more)


def names(tasks: list[LabelTask]) -> list[str]:
    return [one.request_id for one in tasks]


def test_only_what_callers_were_answered_with_wants_a_label() -> None:
    requests = [
        row("a"), row("b", feedback={"y": 1}), row("c", is_shadow=True), row("d", is_try=True),
        replace(row("e"), status=500), replace(row("f"), inputs={}, outputs={}), replace(row("g"), status=400),
    ]  # fmt: skip
    rows = rows_of(requests)
    assert ([one.request_id for one in rows.labelled], [one.request_id for one in rows.unlabelled]) == (["b"], ["a"])
    other = rows_of(requests, "z")
    assert [one.request_id for one in other.unlabelled] == ["a", "b"], "another label is none of this name"
    assert [one.request_id for one in rows_of([row("n", feedback={"y": None})], "y").unlabelled] == ["n"]


def test_the_uncertain_ones_come_first_and_those_of_whose_certainty_nobody_knows_not_at_all() -> None:
    rows = rows_of([row("sure", outputs={"": [0.9, 0.1]}), row("torn", outputs={"": [0.5, 0.5]}), row("word")])
    found = chosen(rows, LabelChoice.UNCERTAIN, 10)
    assert [(one.request_id, one.confidence) for one in found] == [("torn", 0.5), ("sure", 0.9)]


def test_rows_as_uncertain_as_each_other_come_in_the_order_of_a_sample() -> None:
    even = [row(f"r{number}", outputs={"": [0.5, 0.5]}) for number in range(9)]
    sampled = names(chosen(rows_of(even), LabelChoice.SAMPLED, 9))
    assert sampled != [one.request_id for one in even]
    for order in (even, even[::-1]):
        assert names(chosen(rows_of(order), LabelChoice.UNCERTAIN, 9)) == sampled


def test_drifted_ones_lie_in_windows_that_alarm() -> None:
    rows = rows_of([row("before", 99.9), row("in", 100.0), row("end", 200.0), row("later", 350.0)])
    found = chosen(rows, LabelChoice.DRIFTED, 10, [(100.0, 200.0), (300.0, 400.0)])
    assert sorted(names(found)) == ["in", "later"]
    assert chosen(rows, LabelChoice.DRIFTED, 10) == []


def test_the_newest_are_as_they_came_and_no_more_than_wanted() -> None:
    rows = rows_of([row(name) for name in "zyxw"])
    assert names(chosen(rows, LabelChoice.NEWEST, 3)) == ["z", "y", "x"]


@given(st.lists(st.integers(0, 10_000), unique=True, min_size=2, max_size=60), st.integers(1, 60), st.randoms())
def test_a_sample_is_the_same_in_whatever_order_it_came_and_grows_without_moving(
    ids: list[int], limit: int, random: Any
) -> None:
    requests = [row(f"r{number}") for number in ids]
    first = names(chosen(rows_of(requests), LabelChoice.SAMPLED, limit))
    assert len(first) == min(limit, len(ids))
    random.shuffle(requests)
    assert names(chosen(rows_of(requests), LabelChoice.SAMPLED, limit)) == first
    assert names(chosen(rows_of(requests), LabelChoice.SAMPLED, limit + 1))[:limit] == first


def test_a_sample_is_fair() -> None:
    requests = [row(f"r{number}") for number in range(4000)]
    taken = [int(name[1:]) for name in names(chosen(rows_of(requests), LabelChoice.SAMPLED, 1000))]
    assert 1900 < sum(taken) / 1000 < 2100, "of early and of late ones alike"


@pytest.mark.parametrize(
    ("outputs", "known"),
    [
        ({"": [0.2, 0.8]}, 0.8), ({"no": 0.3, "yes": 0.7}, 0.7), ({"label": "yes", "p": [0.25, 0.25, 0.5]}, 0.5),
        ({"": "yes"}, None), ({"": 0.7}, None), ({"": [1.0]}, None), ({"": [0.2, 0.2]}, None), ({"": [-0.5, 1.5]}, None),
        ({"": [True, False]}, None), ({"a": 3.0, "b": 4.0}, None), ({}, None), ({"": [0.5, None]}, None),
        ({"": [float("nan"), 1.0]}, None), ({"a": [0.5, 0.5], "b": [0.1, 0.9]}, None), ({"": []}, None),
    ],
)  # fmt: skip
def test_how_sure_a_model_was_is_known_of_probabilities_alone(outputs: dict[str, Any], known: float | None) -> None:
    assert confidence(outputs) == known


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.recursive(st.none() | st.floats() | st.text(max_size=3), lambda one: st.lists(one, max_size=3)),
        max_size=3,
    )
)
@example({"": [[0.5, 0.5]]})
def test_no_answer_breaks_it(outputs: dict[str, Any]) -> None:
    known = confidence(outputs)
    assert known is None or 0.0 <= known <= 1.01
    rows = LabelRows((), (row("a", outputs=outputs),))
    assert len(chosen(rows, LabelChoice.SAMPLED, 1)) == 1


def test_a_moment_lies_in_a_span_from_its_beginning_to_before_its_end() -> None:
    assert [within(at, [(1.0, 2.0)]) for at in (0.9, 1.0, 1.9, 2.0)] == [False, True, True, False]


class Taking:
    """Takes files as an endpoint does, and notes what stood in them."""

    def __init__(self) -> None:
        self.requests = [row("a", outputs={"": 1}), row("b", outputs={"": "1"}), row("c", feedback={"y": 1})]
        self.taken: list[dict[str, Any]] = []
        self.files: list[str] = []
        self.service = LabelsService(self.endpoint, self.asked, self.logged, self.feedback, lambda _name: [(0.0, 1.0)])

    def endpoint(self, name: str) -> Endpoint:
        if name != "front":
            raise NotFound(f"There is no endpoint {name}.")
        return FRONT

    def asked(self, _name: str, since: float | None, limit: int) -> list[LoggedRequest]:
        return [one for one in self.requests if since is None or one.received_at >= since][:limit]

    def logged(self, _name: str, request_id: str) -> list[LoggedRequest]:
        return [one for one in [*self.requests, row("old", outputs={"": 1})] if one.request_id == request_id]

    def feedback(self, name: str, file: str) -> FeedbackTaken:
        assert name == "front"
        self.files.append(file)
        self.taken += [json.loads(line) for line in Path(file).read_text().splitlines()]
        return FeedbackTaken(1, 1, 0)


@pytest.mark.parametrize(
    ("request_id", "text", "kept"),
    [
        ("a", "true", True), ("a", "3", 3), ("a", "0.5", 0.5), ("a", "late", "late"), ("a", "[1]", "[1]"),
        ("old", "3", 3), ("a", "NaN", "NaN"), ("a", "", ""), ("b", "3", "3"), ("b", "true", "true"),
    ],
)  # fmt: skip
def test_a_label_is_kept_as_what_the_model_answers_is(request_id: str, text: str, kept: object) -> None:
    taking = Taking()
    assert taking.service.set("front", request_id, {"y": text}).known_requests == 1
    assert taking.taken == [{"request_id": request_id, "row": 0, "y": kept}]
    assert type(taking.taken[0]["y"]) is type(kept)
    assert not Path(taking.files[0]).exists(), "nothing is left of it elsewhere"


def test_what_is_no_label_or_of_no_request_is_refused_and_nothing_is_kept() -> None:
    taking = Taking()
    for label in ({}, {"request_id": "x"}, {"row": "1", "y": "2"}):
        with pytest.raises(Invalid, match="A label is a column"):
            taking.service.set("front", "a", label)
    with pytest.raises(Invalid, match="at most 1000 characters"):
        taking.service.set("front", "a", {"y": "x" * 1001})
    for wrong in (("gone", 0), ("a", 1)):
        with pytest.raises(NotFound, match="has no row"):
            taking.service.set("front", wrong[0], {"y": "1"}, wrong[1])
    with pytest.raises(NotFound):
        taking.service.set("other", "a", {"y": "1"})
    assert taking.taken == []


def test_a_disk_that_takes_no_label_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        Taking().service.set("front", "a", {"y": "1"})


def test_the_queue_tells_how_far_the_labels_are() -> None:
    taking = Taking()
    told = taking.service.show("front")
    assert told == LabelQueue("front", 3, 1, 2, 0, 2, ("y",), is_more=False, created_by=1007)
    assert told.owner.uid == 1007
    assert "1 of 3 rows" in queue(told)
    assert names(taking.service.list("front", "newest")) == ["a", "b"]
    assert names(taking.service.list("front", "newest", column="z")) == ["a", "b", "c"]
    with pytest.raises(Invalid, match="no way to choose"):
        taking.service.list("front", "best")
    for limit in (0, 10_001):
        with pytest.raises(Invalid):
            taking.service.list("front", limit=limit)


def test_only_rows_since_a_time_and_only_those_of_windows_that_alarm_are_listed() -> None:
    taking = Taking()
    taking.requests = [row("late", 5.0), row("in", 0.5), row("early", 0.0)]
    assert names(taking.service.list("front", "newest", since=0.5)) == ["late", "in"]
    assert sorted(names(taking.service.list("front", "drifted"))) == ["early", "in"]


def test_that_a_log_has_more_rows_than_were_looked_at_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_desk.governance.labels._MOST_ROWS", 3)
    assert Taking().service.show("front").is_more is True
    monkeypatch.setattr("mlops_desk.governance.labels._MOST_ROWS", 4)
    assert Taking().service.show("front").is_more is False


def test_hostile_values_are_plain_and_cut_in_the_table() -> None:
    task = LabelTask("a", 2, 0.0, 1, {"\x1b[31m": "x" * 900}, {"": "<b>"}, None)
    cells = {title: cell(task) for title, cell in TABLES[LabelTask].items()}
    assert "\x1b" not in cells["ASKED"]
    assert len(cells["ASKED"]) < 80
    assert (cells["REQUEST"], cells["SURE"], cells["ANSWERED"]) == ("a row 2", "–", "answer=<b>")
