"""An endpoint is tried by hand: by a form, by JSON, and from elsewhere."""

import json
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.words import numbers
from mlops_desk.serving.records.endpoint import EndpointState

EXAMPLE = {"dataframe_records": [{"age": 41, "city": "Bonn"}]}


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture
def page(start, double, qtbot):
    digits = double.endpoints_by_name["digits"]
    double.endpoints_by_name["digits"] = replace(digits, example=EXAMPLE, token_required=True)
    page = start(double, "endpoints").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == 3)
    page.reveal("digits")
    page.pane.tabs.choose("try")
    return page


def test_the_example_becomes_a_form_and_what_is_answered_is_shown_plain(page, double, qtbot):
    view = page.pane.view("try")
    qtbot.waitUntil(lambda: set(view.fields) == {"age", "city"})
    view.fields["age"].setText("42")
    click(qtbot, view.send)
    qtbot.waitUntil(lambda: bool(double.tried))
    assert json.loads(double.tried[-1][1]) == {"dataframe_records": [{"age": 42, "city": "Bonn"}]}
    ok = f"{numbers.OK} 200 in {numbers.seconds(0.012)} · revision 2 · request req-1"
    qtbot.waitUntil(lambda: view.summary.whole == ok)
    assert view.answer.toPlainText() == '{\n  "predictions": [\n    "<b>cat</b>"\n  ]\n}'
    assert view.send.isEnabled()


def test_a_value_that_does_not_fit_is_said_and_nothing_is_sent(page, double, qtbot):
    view = page.pane.view("try")
    qtbot.waitUntil(lambda: bool(view.fields))
    view.fields["age"].setText("old")
    click(qtbot, view.send)
    assert view.summary.whole == f"{numbers.ALERT} age is a number, and 'old' is none."
    assert double.tried == []


def test_the_form_goes_over_into_json_and_that_is_sent_as_it_is(page, double, qtbot):
    view = page.pane.view("try")
    qtbot.waitUntil(lambda: bool(view.fields))
    view.fields["city"].setText("Ulm")
    view.ways.choose("json")
    assert json.loads(view.text.toPlainText()) == {"dataframe_records": [{"age": 41, "city": "Ulm"}]}
    view.text.setPlainText("[1")
    click(qtbot, view.send)
    qtbot.waitUntil(lambda: double.tried == [("digits", "[1")])


def test_it_is_copied_as_curl_and_python_with_the_token_by_its_name(page, qtbot):
    view = page.pane.view("try")
    qtbot.waitUntil(lambda: bool(view.fields))
    click(qtbot, view.curl)
    copied = QGuiApplication.clipboard().text()
    assert copied.startswith("curl http://127.0.0.1:8443/digits/invocations")
    assert '"Authorization: Bearer $TOKEN"' in copied
    assert '"age": 41' in copied
    click(qtbot, view.python)
    assert "os.environ['TOKEN']" in QGuiApplication.clipboard().text()


def test_a_refusal_is_said_and_it_can_be_sent_again(page, double, qtbot):
    view = page.pane.view("try")
    qtbot.waitUntil(lambda: bool(view.fields))
    double.failing["endpoints"] = Unavailable("The gateway does not answer.", "Try again.")
    click(qtbot, view.send)
    qtbot.waitUntil(lambda: view.summary.whole == f"{numbers.ALERT} The gateway does not answer. Try again.")
    assert view.send.isEnabled()


def test_one_that_is_down_can_not_be_tried_and_one_without_an_example_takes_json(page, double, qtbot):
    stopped = replace(double.endpoints_by_name["digits"], state=EndpointState.STOPPED, replicas=(), url=None)
    double.put_endpoint(stopped)
    view = page.pane.view("try")
    qtbot.waitUntil(lambda: not view.send.isEnabled())
    page.table.select("fraud")
    qtbot.waitUntil(lambda: "brings no example" in view.says.whole)
    assert view.ways.current() == "json"
    view.ways.choose("form")
    assert view.ways.current() == "json"
