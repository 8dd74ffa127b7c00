"""The help (F1): which page opens, links, search, keys, and that nothing is loaded from elsewhere."""

import re
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QGuiApplication, QTextDocument

from mlops_desk.desk.window.catalogue import PAGES
from mlops_desk.desk.window.frame.shortcut_help import HelpView, HelpWindow

DOCS = Path(__file__).resolve().parents[3] / "resources" / "docs"


@pytest.fixture
def opened(start, double, qtbot):
    """Open the help by F1 on a page of the window."""

    def open_on(page: str) -> HelpWindow:
        program = start(double, page)
        program.window.complete()
        qtbot.keyClick(program.window, Qt.Key.Key_F1)
        (shown,) = program.window.findChildren(HelpWindow)
        qtbot.waitUntil(shown.isVisible)
        return shown

    return open_on


def page_of(shown: HelpWindow) -> str:
    return shown.view.source().path().lstrip("/")


def listed(shown: HelpWindow) -> list[str]:
    items = [shown.pages.item(row) for row in range(shown.pages.count())]
    return [item.text() for item in items if not item.isHidden()]


@pytest.mark.parametrize(
    ("page", "document"), [("jobs", "jobs.md"), ("gpus", "telemetry.md"), ("settings", "reference/settings.md")]
)
def test_f1_opens_the_page_of_the_feature(opened, page, document):
    shown = opened(page)
    assert page_of(shown) == document
    title = (DOCS / document).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    assert shown.pages.currentItem().text() == title
    assert shown.view.toPlainText().startswith(title)


def test_f1_opens_at_the_heading_of_a_page_and_the_same_window_again(opened, qtbot):
    shown = opened("images")
    assert (page_of(shown), shown.view.source().fragment()) == ("jobs.md", "image")
    qtbot.waitUntil(lambda: shown.view.verticalScrollBar().value() > 0)
    window = shown.parentWidget()
    window.show_page("drift")
    qtbot.keyClick(window, Qt.Key.Key_F1)
    assert window.findChildren(HelpWindow) == [shown]
    assert page_of(shown) == "drift.md"


def test_each_page_of_the_window_names_a_page_and_a_heading_that_are_there():
    for spec in PAGES:
        name, _, anchor = spec.document.partition("#")
        text = (DOCS / name).read_text(encoding="utf-8")
        headings = {line.strip("# ").lower().replace(" ", "-") for line in re.findall(r"^#+ .+$", text, re.MULTILINE)}
        assert not anchor or anchor in headings, spec.id


def test_every_page_that_ships_is_in_the_list(opened):
    shown = opened("overview")
    assert page_of(shown) == "index.md"
    assert len(listed(shown)) == len(list(DOCS.rglob("*.md"))) + 1, "and the keys"


def test_a_link_leads_to_a_page_and_a_heading_and_back_again(opened, qtbot):
    shown = opened("endpoints")
    shown.view.anchorClicked.emit(shown.view.source().resolved(QUrl("jobs.md#arrays-and-sweeps")))
    assert page_of(shown) == "jobs.md"
    assert shown.pages.currentItem().text() == "Jobs"
    qtbot.waitUntil(lambda: shown.view.verticalScrollBar().value() > 0)
    qtbot.mouseClick(shown.back, Qt.MouseButton.LeftButton)
    assert page_of(shown) == "endpoints.md"
    shown.view.anchorClicked.emit(QUrl("docs:/screenshots/jobs-dark.png"))
    assert shown.view.document().toRawText().strip("\u2029") == "\ufffc", "a picture"


def test_words_narrow_the_list_and_lead_to_their_place(opened, qtbot):
    shown = opened("overview")
    qtbot.keyClicks(shown.search, "netrc wget")
    assert listed(shown) == ["Network"]
    qtbot.keyClick(shown.search, Qt.Key.Key_Return)
    assert page_of(shown) == "network.md"
    assert shown.view.textCursor().selectedText() == "netrc"
    shown.search.setText("no page has xylophones")
    assert listed(shown) == []
    assert shown.nothing.isVisible()


def test_the_keys_that_count_are_a_page_of_it(opened):
    shown = opened("jobs")
    shown.pages.setCurrentRow(1)
    text = shown.view.toPlainText()
    assert {"Ctrl+K", "F1", "F5", "Ctrl+1", "Ctrl+N"} <= set(text.split("\n"))
    assert "silence" in text


def test_nothing_is_loaded_from_elsewhere_and_an_address_of_the_web_is_copied(opened, tmp_path):
    shown = opened("jobs")
    (tmp_path / "a.png").write_bytes((DOCS.parent / "screenshots" / "jobs-dark.png").read_bytes())
    kind = QTextDocument.ResourceType.ImageResource.value
    for address in (f"file://{tmp_path}/a.png", "https://example.org/a.png", "docs:/../../a.png"):
        assert shown.view.loadResource(kind, QUrl(address)).isNull()
    assert shown.view.loadResource(QTextDocument.ResourceType.StyleSheetResource.value, QUrl("docs:/jobs.md")) is None
    shown.view.follow(QUrl("https://example.org/page"))
    assert page_of(shown) == "jobs.md"
    assert QGuiApplication.clipboard().text() == "https://example.org/page"


def test_a_picture_is_no_wider_than_its_page_and_of_the_look_that_holds(qtbot):
    view = HelpView({"index.md": "# Page"}, DOCS.parent / "screenshots")
    qtbot.addWidget(view)
    view.resize(500, 400)
    view.show()
    image = view.loadResource(QTextDocument.ResourceType.ImageResource.value, QUrl("docs:/screenshots/jobs-dark.png"))
    assert 0 < image.deviceIndependentSize().width() <= view.viewport().width()
