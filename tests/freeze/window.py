"""Walk the real window through its pages: ``python -E -P tests/freeze/window.py DATA_FOLDER OUT [--pictures]``.

It goes in by the program's entry and then knows only Qt: what an assistive tool finds, and the acts of the menu.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "freeze")]

import masks  # noqa: E402 - found by the path above
from PySide6.QtGui import QAccessible, QAccessibleInterface  # noqa: E402 - found by the path above
from PySide6.QtWidgets import QAbstractButton, QApplication, QMenu, QWidget  # noqa: E402 - found by the path above

from mlops_desk.__main__ import main as program  # noqa: E402 - found by the path above

SIZE = (1280, 800)
FIRST_SECONDS, PAGE_SECONDS = 15.0, 5.0
PLACES = ("go.", "time.at.")
"""Actions of the palette that go to things of the demo."""
Role = QAccessible.Role
CONTENT = {Role.Cell, Role.RowHeader, Role.ListItem, Role.TreeItem, Role.Row}
"""What fills tables and lists: the command line's answers have it."""
PASSING = {Role.AlertMessage, Role.ScrollBar}
LIVE = {"overview", "gpus", "host", "storage-network", "jobs", "runs"}
"""Pages whose texts live: of these what has no number in it, and is more than a text, is compared."""


def walk(out: Path, *, pictures: bool) -> int:
    """Go to each page; write its tree, its acts, and its picture."""
    spin(FIRST_SECONDS)
    window = next(one for one in QApplication.topLevelWidgets() if one.isVisible() and one.isWindow() and buttons(one))
    window.resize(*SIZE)
    acts = heard_actions()
    for name in ("accessible", *(["pictures"] if pictures else [])):
        (out / name).mkdir(parents=True, exist_ok=True)
    for button in [one for one in buttons(window) if QAccessible.queryAccessibleInterface(one).role() == Role.PageTab]:
        button.click()
        spin(PAGE_SECONDS)
        page = name_of(button).partition(",")[0].lower().replace(" & ", "-").replace(" ", "-")
        told = [*tree(QAccessible.queryAccessibleInterface(window), 0)]
        if page in LIVE:
            told = [line for line in told if not {"#", "<"} & {*line} and line.split()[0] != "StaticText"]
            told = [re.sub(r"(Button Job) .*", r"\1 …", line) for line in told if line.strip() != "Client"]
        (out / "accessible" / f"{page}.txt").write_text("\n".join(dict.fromkeys(told)) + "\n", "utf-8")
        acts |= {key: title for key, title in acts_of(window) if key}
        open_palette(window)
        if pictures:
            window.grab().save(str(out / "pictures" / f"{page}.png"))
    acts = {key: title for key, title in acts.items() if "#" not in key and not key.startswith(PLACES)}
    (out / "actions-in-window.json").write_text(json.dumps(acts, indent=1, sort_keys=True, ensure_ascii=False), "utf-8")
    return 0


def spin(seconds: float) -> None:
    """Let the window live."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def name_of(widget: QWidget) -> str:
    """Return what a tool calls a widget."""
    return QAccessible.queryAccessibleInterface(widget).text(QAccessible.Text.Name)


def buttons(window: QWidget) -> list[QAbstractButton]:
    """Return the buttons of the list of pages."""
    groups = [one for one in window.findChildren(QWidget) if one.accessibleName() == "Pages" and one.isVisible()]
    return groups[0].findChildren(QAbstractButton) if groups else []


def acts_of(window: QWidget) -> Iterator[tuple[str, str]]:
    """Yield the acts that can be done now: the keys of the window, and all menus as they would open."""
    for menu in window.findChildren(QMenu):
        menu.aboutToShow.emit()
    for holder in [window, *window.findChildren(QMenu)]:
        yield from ((act.objectName(), masks.text(act.text())) for act in holder.actions())


def heard_actions() -> dict[str, str]:
    """Return what fills with id and title of each action that is made from now on, also of those that can't be done."""
    heard: dict[str, str] = {}
    for kind in [one for one in object.__subclasses__() if one.__name__ == "Action" and hasattr(one, "title")]:

        def listen(self: Any, *words: Any, make: Callable[..., None] = kind.__init__, **named: Any) -> None:
            make(self, *words, **named)
            heard[masks.text(self.id)] = masks.text(self.title)

        kind.__init__ = listen
    return heard


def open_palette(window: QWidget) -> None:
    """Have all actions of the shown page made, as the palette does, and close it again."""
    keys = {act.objectName(): act for act in window.actions()}
    keys["palette"].trigger()
    spin(0.5)
    for one in QApplication.topLevelWidgets():
        if one is not window and one.isVisible():
            one.close()
    popup = QApplication.activePopupWidget() or QApplication.activeModalWidget()
    if popup is not None:
        popup.close()
    for child in window.findChildren(QWidget):
        if child.accessibleName() == "Command palette" and child.isVisible():
            child.hide()


def tree(one: QAccessibleInterface, depth: int) -> Iterator[str]:
    """Yield each thing that is seen: role, name, description. Of tables the heads alone."""
    held = one.object()
    if (isinstance(held, QWidget) and not held.isVisible()) or one.role() in CONTENT | PASSING:
        return
    words = [one.text(QAccessible.Text.Name), one.text(QAccessible.Text.Description)]
    if one.role() == Role.Chart:
        words.pop()  # it says what is drawn at the moment
    above = one.parent()
    if above is not None and above.text(QAccessible.Text.Name) == "Pages":
        words = [words[0].partition(",")[0]]  # what comes after it counts what lives
    named = " | ".join(masks.text(" ".join(word.split("\n"))) for word in words if word)
    yield f"{'  ' * depth}{one.role().name} {named}".rstrip()
    for number in range(one.childCount()):
        child = one.child(number)
        if child is not None:
            yield from tree(child, depth + 1)


def main(folder: str, out: Path, *, pictures: bool) -> int:
    """Open the window as the command line does, and walk where it would wait for a person."""
    QApplication.exec = staticmethod(lambda: walk(out, pictures=pictures))
    sys.argv = ["mlops-desk", "--demo", "--data-dir", folder]
    return program()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), pictures="--pictures" in sys.argv))
