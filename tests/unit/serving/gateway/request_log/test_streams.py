"""Streams of chats in the log: what was said in all, whatever broke off, and nothing made of what is no stream."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.serving.gateway.request_log.rollup import outputs_of


def event(document: object) -> str:
    return f"data: {json.dumps(document, ensure_ascii=False)}\n\n"


def piece(text: str | None, ended: str | None = None) -> str:
    delta = {} if text is None else {"content": text}
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": ended}]})


USAGE = event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
END = "data: [DONE]\n\n"


def test_a_stream_is_one_answer_with_its_text_end_and_tokens() -> None:
    said = piece(None) + piece("Guten") + piece(" Tag") + piece(None, "stop") + USAGE + END
    assert outputs_of(said, 1) == [
        {"content": "Guten Tag", "finish_reason": "stop", "prompt_tokens": 3, "completion_tokens": 2}
    ]


def test_one_that_broke_off_says_what_came_until_then() -> None:
    said = piece("Guten") + piece(" Tag")
    assert outputs_of(said[:-20], 1) == [{"content": "Guten", "finish_reason": None}]


def test_completions_stream_texts_and_lines_may_end_as_they_like() -> None:
    said = event({"choices": [{"text": "a"}]}).replace("\n", "\r\n") + ": ping\n" + event({"choices": [{"text": "b"}]})
    assert outputs_of(said, 1) == [{"content": "ab", "finish_reason": None}]


@pytest.mark.parametrize(
    "said", ["", "data: [DONE]\n\n", "data: {}\n", "data: 1\n", "hello\n", 'data: {"choices": 1}\n']
)
def test_what_is_no_stream_of_a_chat_stays_a_text(said: str) -> None:
    assert outputs_of(said, 1) is None


def test_a_stream_answers_one_row() -> None:
    assert outputs_of(piece("a"), 2) is None


@given(st.lists(st.text(), max_size=6))
@example(["a\u2028b", "\x0b", "\x85"])
def test_whatever_is_streamed_is_logged_as_it_was_said(words: list[str]) -> None:
    said = "".join(piece(word) for word in words) + END
    expected = None if not words else [{"content": "".join(words), "finish_reason": None}]
    assert outputs_of(said, 1) == expected
