"""What every test of a page does with buttons and dialogs."""

from PySide6.QtCore import Qt


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def opened(page, kind):
    """Return the dialog of a kind that is open over a page; None where there is none."""
    return next((dialog for dialog in page.window().findChildren(kind) if dialog.isVisible()), None)
