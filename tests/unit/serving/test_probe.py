"""A model's own example, at its first start and later: what is kept, what is compared, what is no news."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.serving.probe import answers, first_answer, health, later_answer
from mlops_desk.serving.records.own_image import GoldenRequest
from tests.serving_upstream import Upstream, upstream

EXAMPLE = GoldenRequest("/invocations", b'{"dataframe_records": [{"a": 1}]}')


@pytest.fixture
def model() -> Iterator[Upstream]:
    with upstream(word="cat") as running:
        yield running


def test_the_first_answer_is_kept_and_every_later_start_is_held_against_it(model: Upstream, tmp_path: Path) -> None:
    assert first_answer(tmp_path, model.place, EXAMPLE) is None
    assert (tmp_path / "golden_answer").read_bytes() == b'{"predictions": ["cat"]}'
    assert first_answer(tmp_path, model.place, EXAMPLE) is None
    assert later_answer(tmp_path, model.place, EXAMPLE) is None
    model.word = "dog"
    for wrong in (first_answer(tmp_path, model.place, EXAMPLE), later_answer(tmp_path, model.place, EXAMPLE)):
        assert wrong is not None
        assert wrong.class_ == "answer_differs"
        assert "was 'cat' and is 'dog'" in wrong.text
    assert (tmp_path / "golden_answer").read_bytes() == b'{"predictions": ["cat"]}'
    assert first_answer(tmp_path, model.place, EXAMPLE, is_compared=False) is None, "where a person says so"


def test_a_model_that_draws_lots_is_never_compared(
    model: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = iter("abcdefgh")
    monkeypatch.setattr(
        type(model), "word", property(lambda _self: next(words), lambda _self, _word: None), raising=False
    )
    assert first_answer(tmp_path, model.place, EXAMPLE) is None
    assert later_answer(tmp_path, model.place, EXAMPLE) is None
    assert first_answer(tmp_path, model.place, EXAMPLE) is None


@pytest.mark.parametrize("status", [400, 500])
def test_an_example_that_fails_is_told_with_what_the_model_said(model: Upstream, tmp_path: Path, status: int) -> None:
    model.status = status
    wrong = first_answer(tmp_path, model.place, EXAMPLE)
    assert wrong is not None
    assert (wrong.class_, str(status) in wrong.text, wrong.evidence) == (
        "example_failed", True, '{"predictions": ["cat"]}',
    )  # fmt: skip
    assert not (tmp_path / "golden_answer").exists()


def test_later_an_error_is_wrong_and_a_model_that_is_busy_or_gone_is_not(model: Upstream, tmp_path: Path) -> None:
    assert later_answer(tmp_path, model.place, EXAMPLE) is None, "an older agent kept no answer"
    assert first_answer(tmp_path, model.place, EXAMPLE) is None
    for status, is_wrong in ((503, False), (504, False), (429, False), (500, True), (400, True)):
        model.status = status
        assert (later_answer(tmp_path, model.place, EXAMPLE) is not None) is is_wrong, status
    model.breaks_off = True
    assert later_answer(tmp_path, model.place, EXAMPLE) is None
    assert later_answer(tmp_path, "127.0.0.1:1", EXAMPLE) is None
    wrong = first_answer(tmp_path, "127.0.0.1:1", EXAMPLE)
    assert wrong is not None
    assert wrong.class_ == "example_failed"


def test_a_ping_tells_what_was_answered_and_nothing_for_nobody(model: Upstream) -> None:
    assert (answers(model.place), health(model.place)) == (True, 200)
    model.well = False
    assert (answers(model.place), health(model.place)) == (False, 404)
    assert (answers("127.0.0.1:1"), health("127.0.0.1:1")) == (False, None)
