"""Trying a model that takes messages: a conversation that grows, and nothing else taken for one."""

import json
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt

from mlops_desk.serving.records.test_request import Tried
from mlops_desk.serving.window.detail import test_request

EXAMPLE = {
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
    "stream": True,
    "max_tokens": 5,
}


def completion(text):
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]})


@pytest.mark.parametrize(
    "example",
    [
        None, [], {"messages": []}, {"messages": "hi"}, {"messages": [{"role": "user"}]}, {"messages": ["hi"]},
        {"messages": [{"role": "tool", "content": "x"}]}, {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
    ],
)  # fmt: skip
def test_what_is_no_conversation_of_texts_is_none(example):
    assert test_request.messages_of(example) is None


@pytest.mark.parametrize(
    "body",
    ["", "no JSON", "[]", "{}", '{"choices": []}', '{"choices": [1]}', '{"choices": [{"message": {}}]}', "[" * 9999],
)
def test_an_answer_of_another_form_is_none(body):
    assert test_request.answer_of(body) is None


def test_other_words_of_the_example_are_kept_and_it_is_answered_in_one_piece():
    said = [{"role": "user", "content": "x"}]
    assert test_request.with_messages(EXAMPLE, said) == {"messages": said, "max_tokens": 5}
    assert test_request.answer_of(completion("yes")) == "yes"


@pytest.fixture
def page(start, double, qtbot):
    double.endpoints_by_name["digits"] = replace(
        double.endpoints_by_name["digits"], example=EXAMPLE, example_of="model"
    )
    page = start(double, "endpoints").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == 3)
    page.reveal("digits")
    page.pane.tabs.choose("try")
    qtbot.waitUntil(lambda: page.pane.view("try").chat.is_chat)
    return page


def test_a_conversation_grows_with_each_answer_and_begins_anew(page, double, qtbot, monkeypatch):
    view = page.pane.view("try")
    answers = iter(["Hi <b>you</b>", "Well"])
    bodies = []

    def answered(name, data=None):
        bodies.append(json.loads(data))
        return Tried(name, 200, 0.1, "r", 2, "application/json", completion(next(answers)), 9)

    monkeypatch.setattr(type(double.endpoints), "try_", lambda _self, name, data=None: answered(name, data))
    assert view.chat.isVisible()
    assert view.chat.next.toPlainText() == "Hello?"
    qtbot.mouseClick(view.send, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Model: Hi <b>you</b>" in view.chat.said.toPlainText())
    assert bodies[0] == {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
        "max_tokens": 5,
    }
    assert view.chat.next.toPlainText() == ""
    qtbot.mouseClick(view.send, Qt.MouseButton.LeftButton)
    assert "Nothing is said yet" in view.summary.whole
    view.chat.next.setPlainText("How are you?")
    qtbot.mouseClick(view.send, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Model: Well" in view.chat.said.toPlainText())
    assert [one["role"] for one in bodies[1]["messages"]] == ["system", "user", "assistant", "user"]
    view.chat.anew.click()
    assert view.chat.said.toPlainText() == ""


def test_what_was_refused_is_still_there_to_be_sent(page, double, qtbot, monkeypatch):
    view = page.pane.view("try")
    failed = Tried("digits", 500, 0.1, "r", 2, "application/json", '{"error": "no memory"}', 9)
    monkeypatch.setattr(type(double.endpoints), "try_", lambda _self, _name, data=None: failed)
    qtbot.mouseClick(view.send, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "no memory" in view.answer.toPlainText())
    assert view.chat.next.toPlainText() == "Hello?"
    assert view.chat.said.toPlainText() == ""


@pytest.mark.parametrize(("of", "told"), [("model", "model's own example"), ("signature", "made of its signature")])
def test_where_the_example_is_from_is_told(page, double, qtbot, of, told):
    double.put_endpoint(replace(double.endpoints_by_name["digits"], revision=9, example={"inputs": [1]}, example_of=of))
    qtbot.waitUntil(lambda: not page.pane.view("try").chat.is_chat)
    assert told in page.pane.view("try").says.whole
