"""Output as it is shown: in our colours, as it was drawn last, with links to runs, and nothing that steers a terminal."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.logview import LogView, Piece, pieces

RUN = "0123456789abcdef0123456789abcdef"
LINK = f"http://127.0.0.1:5000/#/experiments/1/runs/{RUN}"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain", [Piece("plain")]),
        ("\x1b[31mred\x1b[0m rest", [Piece("red", "alert"), Piece(" rest")]),
        ("\x1b[1;92mok\x1b[22m still\x1b[39m no", [Piece("ok", "ok", True), Piece(" still", "ok"), Piece(" no")]),
        ("\x1b[38;5;196mloud\x1b[48;2;0;0;0mground", [Piece("loud"), Piece("ground")]),
        ("\x1b[2J\x1b[10;20Hmoved", [Piece("moved")]),
        ("\x1b]0;title\x07after", [Piece("after")]),
        ("\x1b]8;;http://evil\x1b\\text\x1b]8;;\x1b\\", [Piece("text")]),
        ("cut \x1b[3", [Piece("cut ")]),
        ("\x1b", []),
        ("10%\r 50%\r100%", [Piece("100%")]),
        ("100%\r\n", [Piece("100%")]),
        ("100%\r   \r", [Piece("100%")]),
        ("bell\x07", [Piece("bell\\x07")]),
        (f"View run owl at: {LINK}", [Piece("View run owl at: "), Piece(LINK, "accent", run=RUN)]),
        (f"mlops-desk://runs/{RUN} .", [Piece(f"mlops-desk://runs/{RUN}", "accent", run=RUN), Piece(" .")]),
        ("https://example.org/page", [Piece("https://example.org/page")]),
    ],
)  # fmt: skip
def test_a_line_is_shown_as_a_terminal_would_in_our_colours(line, shown):
    assert pieces(line) == shown


_STEERS = st.sampled_from(
    ["\x1b[", "\x1b]", "\x1b", "\r", "31m", "0m", "K", "\x07", ";", "x", " ", "\u202e", "\x9b", LINK]
)


@settings(deadline=None)
@given(st.lists(st.one_of(_STEERS, st.text(max_size=5)), max_size=30).map("".join))
@example("\x1b[" + ";" * 5000 + "m")
@example("\x1b]" + "x" * 20_000)
def test_no_line_brings_a_control_character_or_endless_text_to_the_screen(line):
    shown = "".join(piece.text for piece in pieces(line))
    assert not any(unicodedata.category(letter) in {"Cc", "Cf", "Cs"} for letter in shown)
    assert len(shown) < 50_000


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"]), max_size=50))
def test_what_steers_nothing_is_shown_as_it_is(line):
    assert "".join(piece.text for piece in pieces(line)) == line


@pytest.fixture
def log(qtbot):
    view = LogView("Output")
    qtbot.addWidget(view)
    view.resize(800, 300)
    view.show()
    return view


def colour_at(log, text):
    cursor = log._text.document().find(text)
    return cursor.charFormat().foreground().color()


def test_colours_follow_the_look_and_lines_keep_their_order(log):
    log.append(["one", "two", "\x1b[31mthree\x1b[0m", "four"])
    assert log.text() == "one\ntwo\nthree\nfour"
    assert colour_at(log, "three") == theme.colour("alert")
    before = theme.is_dark()
    theme.apply(QApplication.instance(), dark=not before)
    QApplication.processEvents()
    try:
        assert colour_at(log, "three") == theme.colour("alert")
        assert log.text() == "one\ntwo\nthree\nfour"
    finally:
        theme.apply(QApplication.instance(), dark=before)


def test_a_bar_that_is_drawn_again_takes_its_own_place(log):
    log.append(["start", "\r10%"])
    log.append(["\r20%", "\r30%"])
    log.append(["done"])
    assert log.text().splitlines() == ["start", "30%", "done"]


def test_a_link_to_a_run_is_followed_by_pointer_and_by_a_button(log, qtbot):
    log.leads_to_runs = True
    log.append(["text", f"View run at: {LINK}"])
    opened = []
    log.run_chosen.connect(opened.append)
    cursor = log._text.document().find(LINK)
    cursor.setPosition(cursor.selectionStart() + 5)
    place = QPointF(log._text.cursorRect(cursor).center())
    for kind in (QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease):
        event = QMouseEvent(kind, place, log.mapToGlobal(place), Qt.MouseButton.LeftButton, Qt.MouseButton.LeftButton,
                            Qt.KeyboardModifier.NoModifier)  # fmt: skip
        QApplication.sendEvent(log._text.viewport(), event)
    assert log._text.viewport().cursor().shape() is Qt.CursorShape.PointingHandCursor
    QTest.mouseClick(log._open_run, Qt.MouseButton.LeftButton)
    assert opened == [RUN, RUN]
    log.clear()
    assert not log._open_run.isVisible()
