"""A verdict across the page: its words stand beside it, or below it where they are long, and take no more room."""

from mlops_desk.kit.window.widgets.banner import Banner


def shown(qtbot, text, width=1000):
    banner = Banner()
    qtbot.addWidget(banner)
    banner.say("alert", "■", "The data has drifted", text)
    banner.resize(width, banner.sizeHint().height())
    banner.show()
    qtbot.waitUntil(lambda: banner._text.width() > width / 3)
    return banner


def test_few_words_stand_beside_the_verdict(qtbot):
    banner = shown(qtbot, "2 of 6 columns moved.")
    assert banner._text.x() > banner._title.x() + banner._title.width()


def test_many_words_stand_below_it_as_wide_as_the_page_and_leave_no_gap(qtbot):
    banner = shown(qtbot, "tenure_months has drifted. " * 20)
    qtbot.waitUntil(lambda: banner._text.y() > banner._title.y())
    assert banner._text.width() > 900
    lines = banner._text.height() / banner._text.fontMetrics().lineSpacing()
    assert lines < 6
    assert banner.sizeHint().height() < banner._text.height() + 3 * banner._title.height()


def test_a_verdict_without_words_is_one_line(qtbot):
    banner = Banner()
    qtbot.addWidget(banner)
    banner.say("ok", "●", "No drift", "")
    assert banner._text.isHidden()
