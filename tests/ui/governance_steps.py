"""What tests of the page on governance do again and again."""

from PySide6.QtCore import Qt


def opened(page, kind):
    return next((dialog for dialog in page.window().findChildren(kind) if dialog.isVisible()), None)


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def tab(page, qtbot, key, version="digits/3"):
    page.tabs.choose(key)
    if key in {"card", "lineage", "evidence"}:
        page.choose_version(version)
    if key == "card":
        qtbot.waitUntil(lambda: page.card.value is not None and page.card.isVisible())
    return page.view()


def told(grid):
    return {fact.name: fact.value for fact in grid.shown}
