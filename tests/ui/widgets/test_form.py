"""The frame of dialogs: what one answers with stays on the screen, however much comes in."""

from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.form import FormDialog, Paragraph


def test_a_dialog_that_grows_keeps_its_answers_on_the_screen(qtbot):
    dialog = FormDialog(None, "Set an alias", "It will point elsewhere.", "Set alias")
    qtbot.addWidget(dialog)
    dialog.show()
    room = dialog.screen().availableGeometry()
    dialog.move(40, room.bottom() - dialog.height() - 20)
    above = dialog.y()
    dialog.resize(dialog.width(), dialog.height() + 200)
    qtbot.waitUntil(lambda: dialog.y() < above)
    assert dialog.frameGeometry().bottom() <= room.bottom()
    assert dialog.x() == 40


def test_a_dialog_that_is_higher_than_the_screen_begins_at_its_top(qtbot):
    dialog = FormDialog(None, "Set an alias", "It will point elsewhere.", "Set alias")
    qtbot.addWidget(dialog)
    dialog.fill(Label("a lot"))
    dialog.show()
    room = dialog.screen().availableGeometry()
    dialog.move(0, 100)
    dialog.resize(dialog.width(), room.height() + 50)
    qtbot.waitUntil(lambda: dialog.frameGeometry().top() == room.top())


def test_a_dialog_with_room_below_it_stays_where_somebody_put_it(qtbot):
    dialog = FormDialog(None, "Set an alias", "It will point elsewhere.", "Set alias")
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.move(30, 50)
    dialog.resize(dialog.width(), dialog.height() + 40)
    assert (dialog.x(), dialog.y()) == (30, 50)


def test_a_paragraph_is_lower_again_once_it_is_wider_or_says_less(qtbot):
    words = Paragraph(" ".join(["drifted"] * 60))
    qtbot.addWidget(words)
    words.resize(200, 20)
    words.show()
    narrow = words.height()
    words.resize(800, narrow)
    assert words.height() < narrow / 2
    words.show_text("One line.")
    assert words.height() < 2 * words.fontMetrics().lineSpacing()
